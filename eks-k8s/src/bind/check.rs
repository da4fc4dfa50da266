//! The check of every claim that a plan would let bind.

use std::borrow::Cow;

use eks_core::{Error, Problems};
use serde_json::Value;

use super::{Hindrance, StorageObjects, nodes::Place};
use crate::{
    Claim, Kind, ObjectsSpec, Observed, Pod, StorageClass,
    plan::key_of,
    storage_class::{Provisioner, default_annotations},
};

/// The class of a claim, as far as it is known.
pub(crate) enum Resolved<'a> {
    /// The spec's, or one of the cluster that makes EBS volumes.
    Class(Cow<'a, StorageClass>),
    /// It is known that there is none.
    Missing(Hindrance),
    /// Classes were not read, or it makes other volumes than EBS's.
    Unknown,
}

impl ObjectsSpec {
    /// Why claims would stay Pending after a plan, by claim, as far as what was observed tells: nothing if the storage of the
    /// cluster was not read ([`Observed::found_classes`], [`Observed::found_storage`]).
    ///
    /// # Errors
    /// [`Error::Plan`] if a name cannot be part of a step key.
    pub fn hindrances(&self, now: &Observed) -> Result<Vec<(&str, Hindrance)>, Error> {
        let mut all = Vec::new();
        for claim in self.claims.iter() {
            if !self.is_bound(claim, now)? {
                all.extend(self.hindrances_of(claim, now)?.into_iter().map(|found| (claim.name.as_str(), found)));
            }
        }
        Ok(all)
    }

    fn live<'a>(&self, claim: &str, now: &'a Observed) -> Result<Option<&'a Value>, Error> {
        let key = key_of(Kind::Claim, &self.namespace, claim)?;
        Ok(now.objects.get(&key).map(|(_, live)| live))
    }

    pub(crate) fn is_bound(&self, claim: &Claim, now: &Observed) -> Result<bool, Error> {
        Ok(self.live(&claim.name, now)?.is_some_and(|live| live.pointer("/spec/volumeName").is_some_and(Value::is_string)))
    }

    pub(crate) fn pods_of<'a>(&'a self, claim: &'a Claim) -> impl Iterator<Item = &'a Pod> {
        self.pods.iter().filter(|pod| pod.mounts.iter().any(|(name, _)| *name == claim.name))
    }

    pub(crate) fn resolved<'a>(&'a self, claim: &Claim, now: &Observed) -> Resolved<'a> {
        if let Some(class) = self.class_of(claim) {
            return Resolved::Class(Cow::Borrowed(class));
        }
        let Some(classes) = &now.classes else { return Resolved::Unknown };
        let live = match &claim.class {
            Some(name) => classes.iter().find(|class| class["metadata"]["name"] == **name),
            // Of several, the newest (Kubernetes, "Storage Classes").
            None => {
                let created = |class: &&Value| class["metadata"]["creationTimestamp"].as_str().map(str::to_owned);
                classes.iter().filter(|class| !default_annotations(class).is_empty()).max_by_key(created)
            }
        };
        match (live, &claim.class) {
            (Some(live), _) => StorageClass::of_live(live).map_or(Resolved::Unknown, |class| Resolved::Class(Cow::Owned(class))),
            (None, Some(class)) => Resolved::Missing(Hindrance::NoClass { class: class.clone() }),
            (None, None) => Resolved::Missing(Hindrance::NoDefaultClass),
        }
    }

    fn hindrances_of(&self, claim: &Claim, now: &Observed) -> Result<Vec<Hindrance>, Error> {
        let class = match self.resolved(claim, now) {
            Resolved::Class(class) => class,
            Resolved::Missing(hindrance) => return Ok(vec![hindrance]),
            Resolved::Unknown => return Ok(Vec::new()),
        };
        let mut found = Vec::new();
        if self.class_of(claim).is_none() {
            let mut problems = Problems::new();
            class.check_size(&mut problems, "size", claim.gib());
            let broken = problems.finish("claim", || ()).err().into_iter().flat_map(|error| error.problems);
            found.extend(broken.map(|problem| Hindrance::Size { rule: format!("{}; {}", problem.rule, problem.remedy) }));
        }
        // Auto Mode runs the driver, and makes the nodes that Pods need.
        if let Some(storage) = now.storage.as_ref().filter(|_| class.provisioner() != Provisioner::AutoMode) {
            found.extend(self.driver(storage));
            found.extend(self.place(claim, &class, storage, now)?);
        }
        Ok(found)
    }

    /// What keeps the driver from making volumes. What steps of another layer are about to install is not missed.
    fn driver(&self, storage: &StorageObjects) -> Option<Hindrance> {
        let is_installed_by_step = !self.cluster.volumes_need.is_empty();
        let name = |object: &Value| object["metadata"]["name"] == Provisioner::EbsCsi.as_str();
        if !storage.drivers.iter().any(name) {
            return (!is_installed_by_step).then_some(Hindrance::NoDriver);
        }
        let Some(controller) = &storage.controller else {
            return (!is_installed_by_step).then(|| Hindrance::NoController { state: "not there".to_owned() });
        };
        if controller.pointer("/status/availableReplicas").and_then(Value::as_u64).unwrap_or_default() == 0 {
            return Some(Hindrance::NoController { state: "not available".to_owned() });
        }
        let annotation = storage.account.as_ref().and_then(|account| account["metadata"]["annotations"][ROLE_ANNOTATION].as_str());
        let has_role = annotation.is_some() || self.driver_role.is_some() || is_installed_by_step;
        (!has_role).then_some(Hindrance::NoRole)
    }

    /// What keeps nodes from mounting the volume. Nodes that this plan still waits for are not missed.
    fn place(&self, claim: &Claim, class: &StorageClass, storage: &StorageObjects, now: &Observed) -> Result<Option<Hindrance>, Error> {
        if self.nodes.iter().any(|group| now.nodes.get(&group.name).copied().unwrap_or_default().ready < group.desired) {
            return Ok(None);
        }
        let places: Vec<_> = storage.places().into_iter().filter(|place| place.is_in(class.zones())).collect();
        if places.is_empty() {
            return Ok(Some(Hindrance::NoNode { zones: class.zones().to_vec() }));
        }
        for pod in self.pods_of(claim) {
            let suitable: Vec<_> = places.iter().filter(|place| place.suits(&pod.node_selector)).collect();
            if suitable.is_empty() {
                return Ok(Some(Hindrance::NoNodeForPod { pod: pod.name.clone() }));
            }
            if let Some(hindrance) = self.room(pod, &suitable, storage, now)? {
                return Ok(Some(hindrance));
            }
        }
        Ok(None)
    }

    /// Whether one of the nodes can take all volumes of a Pod.
    fn room(&self, pod: &Pod, suitable: &[&Place], storage: &StorageObjects, now: &Observed) -> Result<Option<Hindrance>, Error> {
        let mut claims: Vec<_> = pod.mounts.iter().map(|(claim, _)| claim).collect();
        claims.sort();
        claims.dedup();
        let mut volumes = Vec::new();
        for claim in claims {
            volumes.push(self.live(claim, now)?.and_then(|live| live.pointer("/spec/volumeName")).and_then(Value::as_str));
        }
        let needs = |place: &Place| volumes.iter().filter(|volume| volume.is_none_or(|volume| !storage.is_attached(volume, place))).count();
        if suitable.iter().any(|place| place.left.is_none_or(|left| left >= needs(place))) {
            return Ok(None);
        }
        let best = suitable.iter().max_by_key(|place| place.left);
        Ok(best.map(|place| Hindrance::NoAttachmentLeft {
            pod: pod.name.clone(),
            needs: needs(place),
            left: place.left.unwrap_or_default(),
        }))
    }
}

/// By which a ServiceAccount has a role (EKS user guide, "IAM roles for service accounts").
const ROLE_ANNOTATION: &str = "eks.amazonaws.com/role-arn";
