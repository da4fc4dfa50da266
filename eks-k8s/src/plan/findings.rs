//! What a reviewer of the plan should see.

use eks_core::{Error, Finding};
use serde_json::Value;

use super::key_of;
use crate::{
    Binding, Kind, ObjectsSpec, Observed, Reclaim,
    storage_class::{default_annotations, is_of_add_on},
};

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
        findings.extend(self.defaults(now)?);
        for claim in &self.claims {
            let key = key_of(Kind::Claim, &self.namespace, &claim.name)?;
            if claim.class.is_none() && self.class_of(claim).is_none() && now.classes.is_none() {
                let message = "names no class; EKS makes no default class since 1.30, so it may stay Pending for ever";
                findings.push(Finding::warning(key.clone(), message));
            }
            if self.stays_pending(claim, now)? {
                findings.push(Finding::note(key, "stays Pending until a Pod mounts it; no Pod of this plan does"));
            }
        }
        for (claim, hindrance) in self.hindrances(now)? {
            findings.push(Finding::warning(key_of(Kind::Claim, &self.namespace, claim)?, hindrance.to_string()));
        }
        if let (Some(why), Some(claim)) = (&now.unreadable_storage, self.claims.first()) {
            let message = format!("whether its volume can be made and mounted could not be checked: {why}");
            findings.push(Finding::note(key_of(Kind::Claim, &self.namespace, &claim.name)?, message));
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
            if service.shares_ports() {
                let message = "TCP and UDP on one port need the AWS Load Balancer Controller 2.13 or later with its feature gate EnableTCPUDPListener";
                findings.push(Finding::note(key.clone(), message));
            }
            if let Some(port) = service.udp_unchecked() {
                let message = format!(
                    "targets of UDP port {port} are asked by TCP at the same port whether they are well; name a port that answers with health_check"
                );
                findings.push(Finding::warning(key.clone(), message));
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

    /// Whether exactly one class will be the default.
    fn defaults(&self, now: &Observed) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        let live = now.classes.iter().flatten().filter(|class| !default_annotations(class).is_empty());
        let others: Vec<_> = live.filter_map(|class| class["metadata"]["name"].as_str()).collect();
        let ours = self.classes.iter().find(|class| class.is_default());
        let others = |except: Option<&str>| others.iter().copied().filter(|name| Some(*name) != except).collect::<Vec<_>>();
        match ours {
            Some(ours) => {
                let key = key_of(Kind::StorageClass, "", &ours.name)?;
                let others = others(Some(&ours.name));
                if ours.takes_over() {
                    for class in others.iter().filter(|class| is_of_add_on(class)) {
                        let message = format!(
                            "{class} is the default by the add-on aws-ebs-csi-driver, which will make it so again; set defaultStorageClass.enabled to false there"
                        );
                        findings.push(Finding::warning(key.clone(), message));
                    }
                } else if !others.is_empty() {
                    let message = format!(
                        "{} will be a default class, too; of several Kubernetes takes the newest; only_default_class leaves this one",
                        others.join(", ")
                    );
                    findings.push(Finding::warning(key, message));
                }
            }
            None => {
                let others = others(None);
                let step = match (self.classes.first(), self.claims.first()) {
                    (Some(class), _) => key_of(Kind::StorageClass, "", &class.name)?,
                    (None, Some(claim)) => key_of(Kind::Claim, &self.namespace, &claim.name)?,
                    (None, None) => return Ok(findings),
                };
                if others.len() > 1 {
                    let message = format!("{} are default classes; of several Kubernetes takes the newest", others.join(", "));
                    findings.push(Finding::warning(step, message));
                } else if others.is_empty() && now.classes.is_some() {
                    findings.push(Finding::note(step, "no class is the default: claims that name none stay Pending"));
                }
            }
        }
        Ok(findings)
    }
}
