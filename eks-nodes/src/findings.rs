//! What a reviewer of a plan of workers should see.

use eks_core::{Action, Finding, StepKey, Tier};

use crate::{
    decide::Decision,
    effect::UpdateEffect,
    image::{Family, Image},
    instance::{InstanceType, Variant},
    mapping::RoleMapping,
    observed::Observed,
    purchase::SpotAllocation,
    request::DESIRED,
    spec::WorkersSpec,
};

impl WorkersSpec {
    pub(crate) fn findings(&self, key: &StepKey, decision: &Decision, now: &Observed) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.place_findings(key, &mut findings);
        if let Some(template) = &self.amazon {
            self.template_findings(template, key, decision, now, &mut findings);
        } else {
            self.image_findings(key, &mut findings);
            self.purchase_findings(key, &mut findings);
            match self.mapping {
                RoleMapping::AccessEntry => {}
                RoleMapping::AwsAuth => {
                    findings.push(Finding::note(key.clone(), "nodes join once ConfigMap aws-auth maps their role"));
                }
                RoleMapping::None => {
                    findings.push(Finding::warning(key.clone(), "no mapping of the nodes' role is planned; without one no node joins"));
                }
            }
            if self.hop_limit > 1 {
                findings.push(Finding::warning(key.clone(), "a metadata hop limit above 1 gives Pods the node's credentials"));
            }
        }
        if decision.action == Action::Update && self.resize_on_update {
            let message = format!(
                "an update that changes the Auto Scaling group sets its size to {} again: nodes that an autoscaler added are terminated, undrained",
                self.capacity.desired()
            );
            findings.push(Finding::warning(key.clone(), message));
        }
        if decision.action == Action::Update && self.amazon.is_none() {
            let floats = self.image_floats(now);
            findings.push(Finding::note(key.clone(), UpdateEffect::of(&decision.changes, false, floats).to_string()));
            if floats {
                let text = "any update, of sizes too, may take the newest image, which later nodes get: pin a release or an image";
                findings.push(Finding::note(key.clone(), text));
            }
        }
        let desired = |name: &str| now.stack(name)?.parameters.get(DESIRED)?.parse::<u32>().ok();
        let unseen = now.sizes(self.name.as_str()).is_empty() && !self.keeps_size(now);
        if unseen && desired(self.name.as_str()).is_some_and(|before| before > self.capacity.desired()) {
            findings.push(Finding::warning(key.clone(), "fewer instances: Auto Scaling terminates nodes without draining them"));
        }
        findings
    }

    /// Where the workers are, and what is not in the sum.
    pub(crate) fn place_findings(&self, key: &StepKey, findings: &mut Vec<Finding>) {
        let zones = self.zones();
        if let (1, Some((zone, _))) = (zones.len(), zones.first_key_value()) {
            findings.push(Finding::warning(key.clone(), format!("all workers are in {zone}, a single point of failure")));
        }
        let any = |tier: Tier| self.network.subnets.iter().any(|subnet| subnet.tier == tier);
        if any(Tier::Public) {
            findings.push(Finding::warning(
                key.clone(),
                "workers in public subnets can be reached from the internet where security groups let it",
            ));
        }
        if any(Tier::Intra) {
            findings.push(Finding::warning(
                key.clone(),
                "workers in intra subnets have no way out: they need VPC endpoints for ec2, ecr.api, ecr.dkr, s3, sts and eks",
            ));
        }
        let first = self.instance_type();
        if InstanceType::parse(first).and_then(InstanceType::usd_per_hour).is_none() {
            findings.push(Finding::note(key.clone(), format!("the price of {first} is unknown here and not in the sum")));
        }
    }

    pub(crate) fn image_findings(&self, key: &StepKey, findings: &mut Vec<Finding>) {
        self.end_of_life(key, findings);
        let mut warn = |text: String| findings.push(Finding::warning(key.clone(), text));
        match &self.family {
            Family::Bottlerocket(bottlerocket) if self.key_pair.is_some() && !bottlerocket.has_admin_container() => {
                warn("the key pair opens no Bottlerocket node without admin_container(true)".to_owned());
            }
            Family::Ubuntu(_) if self.target().variant != Variant::Standard && self.image == Image::Recommended => {
                warn("Canonical's images have no drivers for accelerators: install them by an operator".to_owned());
            }
            Family::Windows(_) => {
                if matches!(self.image, Image::Ami(_)) {
                    warn("AWS withdraws Windows images four months after their release: instances launch until then".to_owned());
                }
                if self.mapping == RoleMapping::AwsAuth {
                    warn("ConfigMap aws-auth must map the role to group eks:kube-proxy-windows, too".to_owned());
                }
            }
            _ => {}
        }
        let lost = self.kubelet.defaults_lost();
        if !lost.is_empty() && !matches!(self.family, Family::AmazonLinux2023(_)) {
            let lost = lost.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            warn(format!("a threshold of hard eviction takes Kubernetes' defaults away: nothing guards {lost}"));
        }
        if self.prefix_delegation && self.max_pods.is_none() {
            let text = "prefix delegation is the VPC CNI's: its add-on needs ENABLE_PREFIX_DELEGATION=true, and subnets free blocks of 16 addresses";
            findings.push(Finding::note(key.clone(), text));
        }
    }

    /// Until when images and Kubernetes are supported, by date: always told, and a warning in the last year.
    fn end_of_life(&self, key: &StepKey, findings: &mut Vec<Finding>) {
        for support in self.ends_of_support() {
            let (images, ends, instead) = (&support.images, support.ends, support.instead);
            findings.push(if ends < self.as_of {
                Finding::warning(key.clone(), format!("{images} ended on {ends}: there are no more updates; use {instead}"))
            } else if ends <= self.as_of.a_year_later() {
                Finding::warning(key.clone(), format!("{images} ends on {ends}; plan to use {instead}"))
            } else {
                Finding::note(key.clone(), format!("{images} gets updates until {ends}"))
            });
        }
    }

    pub(crate) fn purchase_findings(&self, key: &StepKey, findings: &mut Vec<Finding>) {
        let Some(allocation) = self.purchase.spot() else { return };
        findings.push(Finding::note(key.clone(), "Spot prices vary: the price on demand is shown, which they do not exceed"));
        if self.instance_types.len() == 1 {
            let text = "Spot of one instance type: give several, so that one pool's end is not the group's";
            findings.push(Finding::warning(key.clone(), text));
        }
        if allocation == SpotAllocation::LowestPrice {
            findings.push(Finding::warning(key.clone(), "lowest-price takes the pools that are interrupted most"));
        }
    }
}
