//! What a reviewer of the plan should see.

use eks_core::{Error, Finding};
use serde_json::Value;

use super::key_of;
use crate::{Kind, ObjectsSpec, Observed, Reclaim, storage_class::Binding};

impl ObjectsSpec {
    pub(super) fn findings(&self, now: &Observed) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        for class in &self.classes {
            let key = key_of(Kind::StorageClass, "", &class.name)?;
            if class.is_in_tree() {
                findings.push(Finding::warning(
                    key.clone(),
                    "provisioner kubernetes.io/aws-ebs is gone since Kubernetes 1.27 and works only through the add-on aws-ebs-csi-driver; StorageClass::gp3 says the same for that driver",
                ));
            }
            if class.binding == Binding::Immediate {
                let message = "binds at once: a volume may end up in a zone where no node is";
                findings.push(Finding::warning(key.clone(), message));
            }
            if class.reclaim == Reclaim::Retain {
                findings.push(Finding::note(key, "its volumes outlive their claims and are billed until they are deleted by hand"));
            }
        }
        for claim in &self.claims {
            let key = key_of(Kind::Claim, &self.namespace, &claim.name)?;
            if claim.class.is_none() && self.class_of(claim).is_none() {
                let message = "names no class; EKS makes no default class since 1.30, so it may stay Pending for ever";
                findings.push(Finding::warning(key.clone(), message));
            }
            if self.stays_pending(claim, now)? {
                findings.push(Finding::note(key, "stays Pending until a Pod mounts it; no Pod of this plan does"));
            }
        }
        for pod in self.pods.iter().filter(|pod| pod.has_legacy_zone()) {
            let message =
                "selects nodes by failure-domain.beta.kubernetes.io/zone, which nodes no longer have; use topology.kubernetes.io/zone";
            findings.push(Finding::warning(key_of(Kind::Pod, &self.namespace, &pod.name)?, message));
        }
        for service in &self.services {
            let key = key_of(Kind::Service, &self.namespace, &service.name)?;
            if service.is_world_open() {
                findings.push(Finding::warning(key.clone(), "open to every address of the internet; limit it with source_range"));
            }
            let taken =
                now.objects.get(&key).is_some_and(|(_, live)| live.pointer("/spec/loadBalancerClass").is_some_and(Value::is_string));
            if taken && service.manifest(&self.namespace, &self.owner).pointer("/spec/loadBalancerClass").is_none() {
                let message = "the AWS Load Balancer Controller has taken it over by setting loadBalancerClass; say so with Controller::LoadBalancerController";
                findings.push(Finding::warning(key, message));
            }
        }
        Ok(findings)
    }
}
