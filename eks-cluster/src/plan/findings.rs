//! What a reviewer should see.

use eks_core::{Error, Finding, Severity};
use jiff::civil::Date;

use super::{broken, control_plane_key};
use crate::{ClusterSpec, Observed, Support, addon, endpoint, price};

/// From when on the end of standard support is worth a second thought.
const NEAR_DAYS: i32 = 60;

impl ClusterSpec {
    pub(super) fn findings(&self, now: &Observed) -> Result<Vec<Finding>, Error> {
        let key = control_plane_key();
        let mut found = Vec::new();
        let mut say = |severity: Severity, message: String| {
            let key = key.clone();
            found.push(if severity == Severity::Warning { Finding::warning(key, message) } else { Finding::note(key, message) });
        };
        if let Some((severity, message)) = self.today.or(now.today).and_then(|today| self.support_finding(today)) {
            say(severity, message);
        }
        if self.endpoint.is_public() && self.effective_public_access().iter().any(|block| block.to_string() == endpoint::ANYWHERE) {
            say(Severity::Warning, "the Kubernetes API is reachable from 0.0.0.0/0; public_access_cidrs narrows it".to_owned());
        }
        if !self.bootstrap_self_managed_addons && !self.addons.has(addon::VPC_CNI) {
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
        Ok(found)
    }

    fn support_finding(&self, today: Date) -> Option<(Severity, String)> {
        let version = self.version;
        match version.support(today) {
            Support::Standard { until } => {
                let left = today.until(until).ok()?.get_days();
                let dearer = price::control_plane(version, until.tomorrow().ok()).usd_per_month;
                let message =
                    format!("standard support of Kubernetes {version} ends on {until}, in {left} days; then it costs ${dearer:.2} a month");
                (left <= NEAR_DAYS).then_some((Severity::Warning, message))
            }
            Support::Extended { until } => {
                let usd = price::control_plane(version, Some(today)).usd_per_month;
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
