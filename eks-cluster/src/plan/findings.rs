//! What a reviewer should see.

use eks_core::{Error, Finding, Severity};

use super::{broken, control_plane_key};
use crate::{AutoMode, ClusterSpec, Endpoint, Observed, ScalingTier, Support, addon, endpoint, price};

/// From when on the end of standard support is worth a second thought.
const NEAR_DAYS: i32 = 60;

/// Add-ons whose work Auto Mode does itself. Amazon EKS User Guide, "EKS Auto Mode": "Considerations for add-ons".
const BUILT_IN: [&str; 5] = [addon::VPC_CNI, addon::KUBE_PROXY, addon::COREDNS, addon::POD_IDENTITY_AGENT, addon::EBS_CSI];

impl ClusterSpec {
    pub(super) fn findings(&self, now: &Observed) -> Result<Vec<Finding>, Error> {
        let key = control_plane_key();
        let mut found = Vec::new();
        let mut say = |severity: Severity, message: String| {
            let key = key.clone();
            found.push(if severity == Severity::Warning { Finding::warning(key, message) } else { Finding::note(key, message) });
        };
        if let Some((severity, message)) = self.support_finding(now) {
            say(severity, message);
        }
        for issue in now.cluster.iter().flat_map(|cluster| &cluster.issues) {
            say(Severity::Warning, format!("EKS finds wrong: {}", issue.with_remedy()));
        }
        self.setting_findings(now, &mut say);
        if self.endpoint.is_public() && self.effective_public_access().iter().any(endpoint::is_anywhere) {
            say(Severity::Warning, "the Kubernetes API is reachable from 0.0.0.0/0; public_access_cidrs narrows it".to_owned());
        }
        self.reach_findings(now, &mut say);
        if !self.bootstrap_self_managed_addons && !self.addons.has(addon::VPC_CNI) && !self.settings.has_auto_mode() {
            let message = "no CNI will be there: vpc-cni is not among the add-ons, and EKS is told not to install it; nodes stay NotReady";
            say(Severity::Warning, message.to_owned());
        }
        if !self.logging.is_empty() {
            let name = &self.name;
            say(Severity::Note, format!("the log group /aws/eks/{name}/cluster costs by the GB, and outlives the cluster and a teardown"));
        }
        for addon in self.addons.0.iter().filter(|addon| addon.needs_nodes() && !self.waits_for(addon)) {
            let message = "is created and not waited for, as it needs nodes; nodes_ready_after makes the plan wait for it";
            found.push(Finding::note(addon.key().map_err(broken)?, message));
        }
        found.extend(self.access_findings(now)?);
        found.extend(self.identity_findings(now)?);
        found.extend(self.addon_findings(now)?);
        Ok(found)
    }

    /// Whom the endpoint leaves out. (API reference, VpcConfigRequest; EKS User Guide, "Cluster API server endpoint".)
    fn reach_findings(&self, now: &Observed, say: &mut impl FnMut(Severity, String)) {
        let narrowed = !self.effective_public_access().iter().any(endpoint::is_anywhere);
        if self.endpoint == Endpoint::Public && narrowed {
            let message = "nodes come by the public endpoint, too: public_access_cidrs must hold the addresses with which they leave the VPC, \
or choose Endpoint::Both";
            say(Severity::Warning, message.to_owned());
        }
        if self.endpoint == Endpoint::Private && now.cluster.as_ref().is_some_and(|cluster| cluster.endpoint.is_public()) {
            let message = "from then on the Kubernetes API is reached only from inside the VPC, and from what is connected to it";
            say(Severity::Warning, message.to_owned());
        }
    }

    /// What is worth a thought about settings, and what a cluster has of which the spec says nothing.
    fn setting_findings(&self, now: &Observed, say: &mut impl FnMut(Severity, String)) {
        let settings = &self.settings;
        if settings.has_auto_mode() && !self.addons.0.is_empty() {
            let names = self.addons.0.iter().map(|addon| addon.name.as_str()).filter(|name| BUILT_IN.contains(name)).collect::<Vec<_>>();
            if !names.is_empty() {
                let message =
                    format!("Auto Mode brings what the add-ons {} do; they are needed only for nodes of your own", names.join(", "));
                say(Severity::Note, message);
            }
        }
        let egress = now.cluster.as_ref().and_then(|cluster| cluster.settings.egress).unwrap_or_default();
        if settings.egress.is_some_and(|mode| mode != egress) {
            let message = "the control plane's own requests take the routes of its subnets, for good: they must reach every webhook and OIDC provider";
            say(Severity::Warning, message.to_owned());
        }
        let Some(found) = now.cluster.as_ref().map(|cluster| &cluster.settings) else { return };
        let has_mode = found.auto_mode.as_ref().is_some_and(AutoMode::is_on);
        if has_mode && settings.auto_mode == Some(AutoMode::Off) {
            let message = "switching Auto Mode off terminates its nodes and deletes its load balancers and volumes' controllers";
            say(Severity::Warning, message.to_owned());
        }
        let mut kept = |field: &str, value: String| say(Severity::Note, format!("the spec says nothing of {field}; it stays {value}"));
        match &found.auto_mode {
            Some(mode) if has_mode && settings.auto_mode.is_none() => kept("Auto Mode", mode.to_string()),
            _ => {}
        }
        match found.tier {
            Some(tier) if tier != ScalingTier::Standard && settings.tier.is_none() => kept("the scaling tier", tier.to_string()),
            _ => {}
        }
        match &found.remote_networks {
            Some(networks) if !networks.is_empty() && settings.remote_networks.is_none() => kept("remote networks", networks.to_string()),
            _ => {}
        }
    }

    fn support_finding(&self, now: &Observed) -> Option<(Severity, String)> {
        let (version, today) = (self.version, self.today.or(now.today)?);
        let month = |support: Support| price::supported(Some(support)).usd_per_month;
        match self.support(now)? {
            support @ Support::Standard { until } => {
                let left = today.until(until).ok()?.get_days();
                let info = now.version.clone().filter(|info| info.version == version).or_else(|| version.info())?;
                let (cheap, dear) = (month(support), month(Support::Extended { until: info.extended_until }));
                let message = if left <= NEAR_DAYS {
                    format!("standard support of Kubernetes {version} ends on {until}, in {left} days; then it costs ${dear:.2} a month")
                } else {
                    format!(
                        "Kubernetes {version} is in standard support until {until}, at ${cheap:.2} a month; then in extended support until {}, at ${dear:.2}",
                        info.extended_until
                    )
                };
                Some((if left <= NEAR_DAYS { Severity::Warning } else { Severity::Note }, message))
            }
            support @ Support::Extended { until } => {
                let usd = month(support);
                let message = format!("Kubernetes {version} is in extended support until {until}: ${usd:.2} a month instead of $73.00");
                Some((Severity::Warning, message))
            }
            Support::Ended { .. } => {
                Some((Severity::Warning, format!("support of Kubernetes {version} has ended; EKS upgrades it at a time of its own choice")))
            }
            Support::Upcoming { released } => Some((Severity::Warning, format!("Kubernetes {version} comes to EKS on {released}"))),
            Support::Unknown => Some((Severity::Note, format!("Kubernetes {version} is newer than this crate's support calendar"))),
        }
    }
}
