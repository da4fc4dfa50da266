//! Storage classes and claims.

use std::time::Duration;

use eks_core::{Action, Error, PlanBuilder};

use super::{CALL, fixed_key, key_of, object::Wanted};
use crate::{
    Binding, Claim, Kind, ObjectOp, ObjectsSpec, Observed, StorageClass, VolumeType,
    bind::Resolved,
    storage_class::{Performance, default_annotations, volume_price},
};

impl ObjectsSpec {
    pub(super) fn class(&self, class: &StorageClass) -> Wanted {
        Wanted {
            kind: Kind::StorageClass,
            title: format!("StorageClass {} of {} volumes", class.name, class.volume_type.as_str()),
            manifest: class.manifest(&self.owner),
            needs: Vec::new(),
            typical: CALL,
            prices: Vec::new(),
            wait: false,
        }
    }

    pub(super) fn claimed(&self, claim: &Claim, now: &Observed) -> Result<Wanted, Error> {
        let class = self.class_of(claim);
        // With WaitForFirstConsumer a claim without a Pod stays Pending by design.
        let wait = class.is_some_and(|class| class.binding == Binding::Immediate);
        let mut needs: Vec<_> = class.map(|class| key_of(Kind::StorageClass, "", &class.name)).transpose()?.into_iter().collect();
        if wait {
            needs.extend(self.cluster.volumes_need.iter().cloned());
        }
        let price = match self.resolved(claim, now) {
            Resolved::Class(class) => class.price(claim.gib()),
            Resolved::Missing(_) | Resolved::Unknown => {
                let volume_type = if claim.class.as_deref() == Some("gp2") { VolumeType::Gp2 } else { VolumeType::Gp3 };
                volume_price(volume_type, claim.gib(), Performance::default())
            }
        };
        Ok(Wanted {
            kind: Kind::Claim,
            title: format!("PersistentVolumeClaim {} of {}", claim.name, claim.size),
            manifest: claim.manifest(&self.namespace),
            needs,
            typical: if wait { Duration::from_secs(5) } else { CALL },
            prices: if self.stays_pending(claim, now)? { Vec::new() } else { vec![price] },
            wait,
        })
    }

    /// Whether a claim has no volume, and no Pod of this plan makes it get one.
    pub(super) fn stays_pending(&self, claim: &Claim, now: &Observed) -> Result<bool, Error> {
        let waits = matches!(self.resolved(claim, now), Resolved::Class(class) if class.binding == Binding::WaitForFirstConsumer);
        Ok(waits && self.pods_of(claim).next().is_none() && !self.is_bound(claim, now)?)
    }

    /// Takes what makes it the default off each class but ours that is one, if the user asked for that.
    pub(super) fn other_defaults(&self, mut plan: PlanBuilder, now: &Observed) -> Result<PlanBuilder, Error> {
        let Some(ours) = self.classes.iter().find(|class| class.takes_over()) else { return Ok(plan) };
        for live in now.classes.iter().flatten() {
            let annotations = default_annotations(live);
            let text = |key: &str| live["metadata"][key].as_str().unwrap_or_default().to_owned();
            let name = text("name");
            if annotations.is_empty() || name == ours.name {
                continue;
            }
            let key = fixed_key(&format!("k8s/default-class/{name}"))?;
            let changes = annotations.iter().map(|key| format!("metadata.annotations.{key}: true → nothing"));
            let op = ObjectOp::DropDefault {
                access: self.access(),
                class: name.clone(),
                uid: text("uid"),
                annotations: annotations.iter().map(|&key| key.to_owned()).collect(),
            };
            let title = format!("StorageClass {name} is no longer the default");
            // Until ours is there, claims keep the class that they had.
            let step = self.step(key, Action::Update, title, &op)?.after(key_of(Kind::StorageClass, "", &ours.name)?).takes(CALL);
            plan = plan.step(step.changes(changes));
        }
        Ok(plan)
    }
}
