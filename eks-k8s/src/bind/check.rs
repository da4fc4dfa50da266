//! The check of every claim that a plan would let bind.

use std::borrow::Cow;

use eks_core::{Error, Problems};
use serde_json::Value;

use super::{Hindrance, StorageObjects, nodes::Place};
use crate::{
    AccessMode, Claim, Kind, ObjectsSpec, Observed, Pod, StorageClass,
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
        self.mounters.get(&claim.name).into_iter().flatten().map(|&at| &self.pods[at])
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
        let pods: Vec<_> = self.pods_of(claim).map(|pod| pod.name.clone()).collect();
        if claim.mode == AccessMode::ReadWriteOncePod && pods.len() > 1 {
            found.push(Hindrance::OnePodOnly { pods });
        }
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
            let party = self.party(pod);
            let zones: Vec<Vec<String>> = self.zones_of(&party, now);
            let suits =
                |place: &&&Place| party.iter().all(|pod| place.suits(&pod.node_selector)) && zones.iter().all(|zones| place.is_in(zones));
            let common: Vec<_> = suitable.iter().filter(suits).copied().collect();
            let names = || party.iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>().join(", ");
            if common.is_empty() {
                return Ok(Some(Hindrance::NoCommonNode { pods: names() }));
            }
            if let Some(hindrance) = self.room(&party, names(), &common, storage, now)? {
                return Ok(Some(hindrance));
            }
        }
        Ok(None)
    }

    /// The Pods that must run on one node, for volumes of one node: this one, those that mount a claim of its, and so on.
    fn party<'a>(&'a self, pod: &'a Pod) -> Vec<&'a Pod> {
        let shares = |one: &Pod, other: &Pod| one.mounts.iter().any(|(claim, _)| other.mounts.iter().any(|(theirs, _)| theirs == claim));
        let mut party = vec![pod];
        let mut at = 0;
        while let Some(one) = party.get(at).copied() {
            let more: Vec<_> =
                self.pods.iter().filter(|other| shares(one, other) && party.iter().all(|known| known.name != other.name)).collect();
            party.extend(more);
            at += 1;
        }
        party
    }

    /// The zones of each claim that Pods mount, as far as classes tell; none: any.
    fn zones_of(&self, party: &[&Pod], now: &Observed) -> Vec<Vec<String>> {
        let mounted = |claim: &&Claim| party.iter().any(|pod| pod.mounts.iter().any(|(name, _)| *name == claim.name));
        let classes = self.claims.iter().filter(mounted).map(|claim| self.resolved(claim, now));
        classes
            .filter_map(|class| match class {
                Resolved::Class(class) if class.provisioner() != Provisioner::AutoMode => Some(class.zones().to_vec()),
                _ => None,
            })
            .collect()
    }

    /// Whether one of the nodes can take all volumes of Pods that run together.
    fn room(
        &self,
        party: &[&Pod],
        names: String,
        suitable: &[&Place],
        storage: &StorageObjects,
        now: &Observed,
    ) -> Result<Option<Hindrance>, Error> {
        let mut claims: Vec<_> = party.iter().flat_map(|pod| &pod.mounts).map(|(claim, _)| claim).collect();
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
        Ok(best.map(|place| Hindrance::NoAttachmentLeft { pod: names, needs: needs(place), left: place.left.unwrap_or_default() }))
    }
}

/// By which a ServiceAccount has a role (EKS user guide, "IAM roles for service accounts").
const ROLE_ANNOTATION: &str = "eks.amazonaws.com/role-arn";
