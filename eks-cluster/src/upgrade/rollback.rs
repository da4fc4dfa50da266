//! The way back: one minor version, within seven days of the upgrade.

use std::collections::BTreeSet;

use eks_core::{Basis, ClusterName, Error, Finding, Owner, Plan, Problems, Region, SpecError, Step, StepKey};
use jiff::{SignedDuration, civil::Date};

use super::{
    addons::{kube_proxy, numbers},
    catalogue,
    gate::named,
    hop::{Hops, Look, READS},
    insight::{AcceptedInsights, Insight, InsightCategory, InsightStatus, age, blocking, remedy},
    nodes::{ManagedNodes, blockers},
    observed::{ObservedUpdate, UpgradeObserved, UpgradeScope, UpgradeTarget},
    op::ControlPlaneHop,
    plan::{UpgradePlan, costs, finish, standing},
    rule::Rule,
    skew::Component,
    spec::UpgradeError,
};
use crate::{
    ClusterChange, ClusterOp, KubernetesVersion, ObservedAddon, ObservedCluster, Support, UpgradePolicy, addon,
    change::UPDATE_TYPICAL,
    grants::Grants,
    observed::is_owned,
    plan::{broken, refined},
    price,
};

/// EKS User Guide, "Rollback cluster": "within 7 days of the upgrade completing".
const WINDOW: SignedDuration = SignedDuration::from_hours(7 * 24);
/// An update tells when it began; it may have taken this long. EKS knows the exact end.
const LONGEST_UPDATE: SignedDuration = SignedDuration::from_hours(1);

/// A control plane that should go back to the version before its last upgrade. etcd's data, workloads and volumes stay; add-ons that do
/// not run on the older version are moved first, and nodes must be there already. A rollback of CloudFormation's does not bring it about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollback {
    owner: Owner,
    cluster: ClusterName,
    region: Region,
    to: KubernetesVersion,
    accepted: AcceptedInsights,
    timeout_minutes: Option<u16>,
    extended_support: bool,
    today: Option<Date>,
}

/// Collects what a rollback should be. Setters take and return it.
#[derive(Clone, Debug)]
#[must_use = "nothing is checked before build()"]
pub struct RollbackBuilder {
    rollback: Rollback,
}

impl Rollback {
    /// Starts a rollback of the cluster of that name to `to`, which is one minor version before the one that it runs.
    pub fn builder(owner: &Owner, cluster: ClusterName, region: Region, to: KubernetesVersion) -> RollbackBuilder {
        RollbackBuilder {
            rollback: Self {
                owner: owner.clone(),
                cluster,
                region,
                to,
                accepted: AcceptedInsights::default(),
                timeout_minutes: None,
                extended_support: false,
                today: None,
            },
        }
    }

    /// The owner.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The cluster.
    pub fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    /// Where it should go back to.
    pub fn to(&self) -> KubernetesVersion {
        self.to
    }

    /// What an observation for it looks for.
    pub fn scope(&self) -> UpgradeScope {
        let category = InsightCategory::RollbackReadiness;
        UpgradeScope { upgrade: UpgradeTarget { cluster: self.cluster.clone(), region: self.region.to_string(), to: self.to, category } }
    }
}

impl RollbackBuilder {
    /// Goes back although the insight of this name is in ERROR. EKS is then told to go on by force, which skips insights, and no
    /// prerequisite.
    pub fn accept_insight(mut self, name: impl Into<String>) -> Self {
        self.rollback.accepted = self.rollback.accepted.also(name.into());
        self
    }

    /// Goes back whatever insights are in ERROR.
    pub fn accept_all_insights(mut self) -> Self {
        self.rollback.accepted = AcceptedInsights::All;
        self
    }

    /// After how many minutes EKS gives up waiting for nodes of EKS Auto Mode: 120 to 10,080. EKS's default is 720.
    pub fn timeout_minutes(mut self, minutes: u16) -> Self {
        self.rollback.timeout_minutes = Some(minutes);
        self
    }

    /// Lets the plan set the upgrade policy EXTENDED first, where the older version is in extended support, with its price.
    pub fn allow_extended_support(mut self) -> Self {
        self.rollback.extended_support = true;
        self
    }

    /// The day by which support is judged, UTC. Without it, that of the observation.
    pub fn today(mut self, date: Date) -> Self {
        self.rollback.today = Some(date);
        self
    }

    /// The rollback.
    ///
    /// # Errors
    /// [`SpecError`] if the timeout is out of bounds.
    pub fn build(self) -> Result<Rollback, SpecError> {
        let mut problems = Problems::new();
        if let Some(minutes) = self.rollback.timeout_minutes.filter(|minutes| !(120..=10_080).contains(minutes)) {
            let rule = format!("is {minutes} minutes; it is 120 to 10080 ({})", Rule::RollbackTimeout.page());
            problems.add(Rule::RollbackTimeout.code(), "timeout", rule, "choose one between two hours and seven days, or leave it out");
        }
        problems.finish(format!("rollback of cluster {}", self.rollback.cluster), || self.rollback)
    }
}

impl Rollback {
    /// The steps back, or every prerequisite that is not met. Pure: the same for the same rollback and observation.
    ///
    /// # Errors
    /// [`UpgradeError::Refused`] with every [`Rule`] that stands against it. A control plane that EKS upgraded at the end of extended
    /// support has no way back either; only EKS knows, and the run then ends with its answer.
    pub fn plan(&self, now: &UpgradeObserved) -> Result<UpgradePlan, UpgradeError> {
        let mut problems = Problems::new();
        let subject = format!("rollback of cluster {} to {}", self.cluster, self.to);
        let Some((cluster, from)) = standing(now, &self.owner, &self.cluster, &mut problems)? else {
            return Err(finish(problems, subject));
        };
        let today = self.today.or_else(|| now.today());
        let under_way = now.under_way().is_some_and(|update| update.leads_to(self.to));
        let ways = if from == self.to { Vec::new() } else { self.addon_ways(now, from, &mut problems) };
        if from != self.to && !under_way {
            self.check(now, cluster, (from, today), &mut problems);
        }
        if !problems.is_empty() {
            return Err(finish(problems, subject));
        }
        let steps = self.steps(now, cluster, from, &ways, today)?;
        let key = self.hops().key(self.to, "control-plane")?;
        let scope = serde_json::to_value(self.scope()).map_err(broken)?;
        let grants = Grants::new(&self.owner, self.cluster.as_str());
        let mut plan = Plan::builder(&self.owner, "cluster").basis(Basis::new(scope, now.facts()));
        plan = plan.observes(refined(READS, |action| grants.read(action)));
        for step in steps {
            plan = plan.step(grants.narrow(step)?);
        }
        let plan = self.findings(now, from, today, &key).into_iter().fold(plan, |plan, finding| plan.finding(finding));
        Ok(UpgradePlan {
            cluster: self.cluster.clone(),
            from,
            to: self.to,
            reached: self.to,
            plan: plan.build().map_err(broken)?,
            gate: None,
            costs: costs(now, from, self.to, today),
        })
    }

    fn hops(&self) -> Hops<'_> {
        Hops {
            cluster: &self.cluster,
            category: InsightCategory::RollbackReadiness,
            accepted: &self.accepted,
            managed_nodes: ManagedNodes::MayLag,
        }
    }

    fn check(
        &self,
        now: &UpgradeObserved,
        cluster: &ObservedCluster,
        (from, today): (KubernetesVersion, Option<Date>),
        problems: &mut Problems,
    ) {
        let subject = format!("cluster {}", self.cluster);
        if from.previous() != Some(self.to) {
            let rule =
                format!("runs {from}; a rollback goes one minor version back, not to {} ({})", self.to, Rule::RollbackOneMinor.page());
            let remedy = from.previous().map_or("leave it".to_owned(), |previous| format!("ask for {previous}"));
            problems.add(Rule::RollbackOneMinor.code(), &subject, rule, remedy);
            return;
        }
        match upgrade_to(from, &now.updates) {
            None => {
                let rule = format!("was not upgraded to {from}, or EKS tells of it no more ({})", Rule::RollbackWithoutUpgrade.page());
                problems.add(
                    Rule::RollbackWithoutUpgrade.code(),
                    &subject,
                    rule,
                    "make another cluster of the older version, and move workloads",
                );
            }
            Some(update) => {
                let age = now.now.zip(update.created).map(|(now, began)| now.duration_since(began));
                if age.is_some_and(|age| age > WINDOW + LONGEST_UPDATE) {
                    let rule = format!("was upgraded to {from} more than seven days ago ({})", Rule::RollbackWindow.page());
                    problems.add(
                        Rule::RollbackWindow.code(),
                        &subject,
                        rule,
                        "make another cluster of the older version, and move workloads",
                    );
                }
            }
        }
        match today.map(|today| catalogue::support(&now.versions, self.to, today)) {
            Some(Support::Ended { .. }) => {
                let rule = format!("its support has ended ({})", Rule::VersionOffered.page());
                problems.add(Rule::VersionOffered.code(), format!("Kubernetes {}", self.to), rule, "stay");
            }
            Some(Support::Extended { until }) if cluster.upgrade_policy == Some(UpgradePolicy::Standard) && !self.extended_support => {
                let rule = format!(
                    "{} is in extended support until {until}, and the upgrade policy is STANDARD ({})",
                    self.to,
                    Rule::RollbackPolicy.page()
                );
                problems.add(Rule::RollbackPolicy.code(), &subject, rule, "call allow_extended_support(): the plan sets EXTENDED first");
            }
            _ => {}
        }
        // Auto Mode's nodes are rolled back by EKS, before the control plane.
        let held: Vec<_> = blockers(&now.nodes.nodes, from, self.to, ManagedNodes::MayLag)
            .into_iter()
            .filter(|(_, node)| node.kind != super::NodeKind::AutoMode)
            .collect();
        if !held.is_empty() {
            let rule = format!("{} does not go with {from} and {} ({})", named(&held), self.to, Rule::RollbackNodes.page());
            let remedies: BTreeSet<_> = held.iter().map(|(_, node)| node.kind.remedy(&self.cluster, self.to, true)).collect();
            let remedy = format!("first: {}", remedies.into_iter().collect::<Vec<_>>().join("; "));
            problems.add(Rule::RollbackNodes.code(), format!("nodes of {}", self.cluster), rule, remedy);
        }
        // Add-ons may have been moved since EKS looked, by this plan or by a run before it, and nodes are judged above: EKS looks again.
        let healed = |insight: &Insight| insight.is_about_addons() || (insight.is_about_kubelets() && now.nodes.complete);
        let blocks = blocking(&now.insights, InsightCategory::RollbackReadiness, self.to, &self.accepted);
        for insight in blocks.filter(|insight| !healed(insight)) {
            problems.add(Rule::Insight.code(), format!("Kubernetes {}", self.to), insight.what(), remedy(insight));
        }
    }

    /// Add-ons that do not run on the older version, or are newer than it, with the way to one that does.
    fn addon_ways<'a>(
        &self,
        now: &'a UpgradeObserved,
        from: KubernetesVersion,
        problems: &mut Problems,
    ) -> Vec<(&'a str, &'a ObservedAddon, Vec<String>)> {
        let mut ways = Vec::new();
        for (name, found) in now.addons.iter().filter(|(_, addon)| is_owned(&addon.tags, &self.owner)) {
            let Some(offer) = now.offers.get(name) else { continue };
            let leads = name == addon::KUBE_PROXY && kube_proxy(&found.version).is_some_and(|own| own > self.to);
            if !leads && offer.fits(&found.version, self.to) != Some(false) {
                continue;
            }
            // Before the control plane moves it must run on both.
            let goal = offer.newest_for(name, &[self.to, from]).or_else(|| offer.default_version(name, self.to).filter(|_| leads));
            match goal.filter(|goal| numbers(goal) < numbers(&found.version)) {
                Some(goal) => ways.push((name.as_str(), found, offer.way(name, &found.version, goal, from))),
                None => {
                    let rule = format!("{} does not run on {}, and EKS offers none that runs on both", found.version, self.to);
                    let page = Rule::AddonIncompatible.page();
                    problems.add(Rule::AddonIncompatible.code(), format!("add-on {name}"), format!("{rule} ({page})"), "remove it first");
                }
            }
        }
        let foreign = now.kube_proxy().filter(|_| !ways.iter().any(|(name, ..)| *name == addon::KUBE_PROXY));
        if let Some(version) = foreign.filter(|version| Component::KubeProxy.broken_by(*version, from, self.to).is_some()) {
            let rule = format!("is at {version}, and would be newer than the API server ({})", Rule::KubeProxyNewer.page());
            problems.add(Rule::KubeProxyNewer.code(), "kube-proxy", rule, format!("take it back to {} first", self.to));
        }
        ways
    }

    fn steps(
        &self,
        now: &UpgradeObserved,
        cluster: &ObservedCluster,
        from: KubernetesVersion,
        ways: &[(&str, &ObservedAddon, Vec<String>)],
        today: Option<Date>,
    ) -> Result<Vec<Step>, Error> {
        let hops = self.hops();
        let price = today
            .map_or(price::control_plane(self.to, None), |today| price::supported(Some(catalogue::support(&now.versions, self.to, today))));
        if from == self.to {
            return Ok(vec![hops.kept(self.to)?.costs(price)]);
        }
        let mut steps: Vec<Step> = Vec::new();
        for (name, found, way) in ways {
            steps.extend(hops.addon(self.to, "prepare", (name, &found.version, found), way, found.status == "DEGRADED")?);
        }
        let mut waits: Vec<StepKey> = steps.iter().map(|step| step.key.clone()).collect();
        let accepted = now.insights.iter().any(|insight| insight.status == InsightStatus::Error && self.accepted.accepts(insight));
        let under_way = now.under_way().is_some_and(|update| update.leads_to(self.to));
        if !under_way {
            let category = InsightCategory::RollbackReadiness;
            let look = match () {
                () if !ways.is_empty() => Look::After("the add-ons have moved"),
                () if !now.nodes.complete => Look::After("more, as not all nodes are seen here"),
                // The others among them have refused the plan.
                () if blocking(&now.insights, category, self.to, &self.accepted).next().is_some() => {
                    Look::After("more, as nodes or add-ons have changed since")
                }
                () if accepted => Look::After("more, as EKS is told to overrule what it finds"),
                () => Look::Known(now.now.and_then(|now_at| age(&now.insights, category, self.to, now_at))),
            };
            let step = hops.insights(self.to, look)?.after_all(&waits);
            waits.push(step.key.clone());
            steps.push(step);
        }
        // Dearer, so only once nothing else stands in the way.
        let extended = matches!(today.map(|today| catalogue::support(&now.versions, self.to, today)), Some(Support::Extended { .. }));
        if extended && cluster.upgrade_policy == Some(UpgradePolicy::Standard) {
            let change = ClusterChange::UpgradePolicy(UpgradePolicy::Extended);
            let op = ClusterOp::ChangeControlPlane { cluster: self.cluster.clone(), changes: vec![change.clone()] };
            let step = Step::new(hops.key(self.to, "upgrade-policy")?, eks_core::Action::Update, "upgrade policy EXTENDED", &op);
            let step = step.map_err(broken)?.changes([change.to_string()]).takes(UPDATE_TYPICAL).after_all(&waits);
            waits.push(step.key.clone());
            steps.push(step.permits(["eks:DescribeCluster", "eks:UpdateClusterConfig", "eks:DescribeUpdate"]));
        }
        let key = hops.key(self.to, "control-plane")?;
        let ids: Vec<_> = now.update_ids.iter().map(String::as_str).collect();
        let hop = ControlPlaneHop {
            cluster: self.cluster.clone(),
            from,
            to: self.to,
            force: accepted,
            client_request_token: self.owner.token(&key, &ids.join(",")),
            timeout_minutes: self.timeout_minutes,
            managed_nodes: ManagedNodes::MayLag,
        };
        steps.push(hops.control_plane(hop, under_way)?.after_all(&waits).costs(price));
        Ok(steps)
    }

    fn findings(&self, now: &UpgradeObserved, from: KubernetesVersion, today: Option<Date>, key: &StepKey) -> Vec<Finding> {
        let mut found = Vec::new();
        if from == self.to {
            return found;
        }
        if let Some(today) = today {
            let (before, after) =
                (catalogue::usd_per_month(&now.versions, from, today), catalogue::usd_per_month(&now.versions, self.to, today));
            if after > before {
                let message = format!("{} is in extended support: ${after:.2} a month instead of ${before:.2}", self.to);
                found.push(Finding::warning(key.clone(), message));
            }
        }
        for insight in now.insights.iter().filter(|insight| insight.status > InsightStatus::Unknown) {
            found.push(Finding::warning(key.clone(), insight.what()));
        }
        if !now.nodes.complete {
            let message = "nodes outside of managed groups are not known here; EKS's insight on kubelets alone judges them";
            found.push(Finding::warning(key.clone(), message));
        }
        let message = format!("what only {from} can store stays in etcd and is out of reach; make no use of its APIs until this is done");
        found.push(Finding::note(key.clone(), message));
        found
    }
}

/// The upgrade to the present version, if nothing has changed the version since.
fn upgrade_to(version: KubernetesVersion, updates: &[ObservedUpdate]) -> Option<&ObservedUpdate> {
    let moved =
        |update: &&ObservedUpdate| matches!(update.kind.as_str(), "VersionUpdate" | "VersionRollback") && update.status == "Successful";
    let last = updates.iter().filter(moved).max_by_key(|update| update.created)?;
    (last.kind == "VersionUpdate" && last.version == Some(version)).then_some(last)
}
