//! Storage classes and claims.

use std::time::Duration;

use eks_core::Error;
use serde_json::Value;

use super::{CALL, key_of, object::Wanted};
use crate::{
    Claim, Kind, ObjectsSpec, Observed, StorageClass, VolumeType,
    storage_class::{Binding, volume_price},
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
        let price = match class {
            Some(class) => class.price(claim.gib()),
            None => {
                let volume_type = if claim.class.as_deref() == Some("gp2") { VolumeType::Gp2 } else { VolumeType::Gp3 };
                volume_price(volume_type, claim.gib(), None, None)
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
        let key = key_of(Kind::Claim, &self.namespace, &claim.name)?;
        let bound = now.objects.get(&key).is_some_and(|(_, live)| live.pointer("/spec/volumeName").is_some_and(Value::is_string));
        let used = self.pods.iter().any(|pod| pod.mounts.iter().any(|(name, _)| *name == claim.name));
        Ok(!bound && !used && self.class_of(claim).is_some_and(|class| class.binding == Binding::WaitForFirstConsumer))
    }
}
