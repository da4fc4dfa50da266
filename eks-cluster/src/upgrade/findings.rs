//! What a reviewer of an upgrade should see.

use eks_core::{Finding, StepKey};
use jiff::civil::Date;

use super::{
    catalogue::{support, usd_per_month},
    gate::Gate,
    insight::{FRESH, InsightCategory, InsightStatus, age},
    observed::UpgradeObserved,
    skew::Component,
    spec::Upgrade,
};
use crate::{KubernetesVersion, Support, addon, observed::is_owned};

/// From when on the end of standard support is worth a second thought.
const NEAR_DAYS: i32 = 60;

/// What findings are made of.
pub(crate) struct Told<'a> {
    pub(crate) upgrade: &'a Upgrade,
    pub(crate) now: &'a UpgradeObserved,
    pub(crate) key: &'a StepKey,
    pub(crate) from: KubernetesVersion,
    pub(crate) reached: KubernetesVersion,
    pub(crate) today: Option<Date>,
    pub(crate) gate: Option<&'a Gate>,
}

impl Told<'_> {
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        if let Some(gate) = self.gate {
            let rules = gate.rules().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            found.push(self.warning(format!(
                "the upgrade goes on to {} once what runs on nodes is at {} or newer (rule {rules}); then plan again",
                self.upgrade.to, gate.at_least
            )));
        }
        self.support(&mut found);
        if self.reached > self.from {
            self.insights(&mut found);
            self.nodes(&mut found);
            if self.now.free_addresses.is_none() {
                found.push(self.warning("the subnets were not looked at: an update needs five free addresses in them, and fails without"));
            }
        }
        self.addons(&mut found);
        self.kubectl(&mut found);
        found
    }

    fn note(&self, message: impl Into<String>) -> Finding {
        Finding::note(self.key.clone(), message)
    }

    fn warning(&self, message: impl Into<String>) -> Finding {
        Finding::warning(self.key.clone(), message)
    }

    /// The price of extended support, where the plan begins and where it ends.
    fn support(&self, found: &mut Vec<Finding>) {
        let Some(today) = self.today else { return };
        let (versions, from, reached) = (&self.now.versions, self.from, self.reached);
        let (before, after) = (usd_per_month(versions, from, today), usd_per_month(versions, reached, today));
        if before > after {
            found.push(self.note(format!("{from} is in extended support at ${before:.2} a month; {reached} costs ${after:.2}")));
        }
        match support(versions, reached, today) {
            Support::Extended { until } => {
                found.push(self.warning(format!("{reached} is in extended support until {until}: ${after:.2} a month")));
            }
            Support::Standard { until } => {
                let left = today.until(until).map(|span| span.get_days()).unwrap_or(i32::MAX);
                if left <= NEAR_DAYS {
                    let dearer = until.tomorrow().map_or(after, |day| usd_per_month(versions, reached, day));
                    found.push(self.warning(format!(
                        "standard support of {reached} ends on {until}, in {left} days; then it costs ${dearer:.2} a month"
                    )));
                }
            }
            _ => {}
        }
    }

    fn insights(&self, found: &mut Vec<Finding>) {
        let next = self.from.next();
        for insight in &self.now.insights {
            match insight.status {
                InsightStatus::Passing => {}
                // Those that are not accepted were refused.
                InsightStatus::Error if !self.upgrade.accepted.accepts(insight) && insight.is_about_addons() => {
                    found.push(self.note(format!("{}; the plan moves add-ons first, and EKS looks again", insight.what())));
                }
                InsightStatus::Error if !self.upgrade.accepted.accepts(insight) && insight.is_about_kubelets() => {
                    found.push(self.note(format!("{}; the nodes that are there now are not so, and EKS looks again", insight.what())));
                }
                InsightStatus::Error if insight.is_about(InsightCategory::UpgradeReadiness, next) => {
                    found.push(self.warning(format!("{}; accepted, so EKS is told to go on by force", insight.what())));
                }
                InsightStatus::Error | InsightStatus::Warning => {
                    let advice = insight.recommendation.as_deref().map(|text| format!("; {}", text.trim_end_matches('.')));
                    found.push(self.warning(format!("{}{}", insight.what(), advice.unwrap_or_default())));
                }
                InsightStatus::Unknown => found.push(self.note(insight.what())),
            }
        }
        let known = self.now.now.and_then(|now| age(&self.now.insights, InsightCategory::UpgradeReadiness, next, now));
        if known.is_none_or(|age| age > FRESH) {
            found.push(self.note(format!(
                "what EKS knows of {next} is older than 24 hours or missing: it looks again first, and what it finds in ERROR stops the run"
            )));
        }
    }

    fn nodes(&self, found: &mut Vec<Finding>) {
        if !self.now.nodes.complete {
            found.push(self.warning(
                "nodes outside of managed groups are not known here; EKS's insight \"Kubelet version skew\" alone judges them before each hop",
            ));
        }
        let oldest = self.now.nodes.nodes.iter().map(|node| node.kubelet).min();
        if let Some(oldest) = oldest.filter(|oldest| *oldest < self.reached && self.gate.is_none()) {
            let behind = self.reached.minor() - oldest.minor();
            let s = if behind == 1 { "" } else { "s" };
            found.push(self.note(format!("nodes at {oldest} are then {behind} minor version{s} behind; bring them to {}", self.reached)));
        }
    }

    fn addons(&self, found: &mut Vec<Finding>) {
        for (name, addon) in self.now.addons.iter().filter(|(_, addon)| is_owned(&addon.tags, &self.upgrade.owner)) {
            let fits = self.now.offers.get(name).and_then(|offer| offer.fits(&addon.version, self.from));
            if self.reached == self.from && fits == Some(false) {
                found.push(self.warning(format!("EKS does not list add-on {name} {} for {}", addon.version, self.from)));
            }
        }
        for (name, addon) in self.now.addons.iter().filter(|(_, addon)| !is_owned(&addon.tags, &self.upgrade.owner)) {
            let fits = self.now.offers.get(name).and_then(|offer| offer.fits(&addon.version, self.reached));
            let message = format!("add-on {name} {} is not ours and stays as it is", addon.version);
            found.push(match fits {
                Some(true) => self.note(message),
                _ => self.warning(format!("{message}, and EKS does not list it for {}", self.reached)),
            });
        }
        let own: Vec<_> = addon::SELF_MANAGED.into_iter().filter(|name| !self.now.addons.contains_key(*name)).collect();
        if !own.is_empty() && self.reached > self.from {
            let names = own.join(", ");
            found.push(
                self.warning(format!("not EKS add-ons, if they are there at all: {names}; update them by hand after the control plane")),
            );
        }
    }

    fn kubectl(&self, found: &mut Vec<Finding>) {
        if let Some(version) = self.upgrade.kubectl.filter(|version| !Component::Kubectl.fits(*version, self.reached)) {
            found
                .push(self.warning(format!("kubectl {version} does not fit {}: it may be one minor version older or newer", self.reached)));
        }
    }
}
