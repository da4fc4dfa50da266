//! From what is there to the hops that can be made.

use std::collections::BTreeMap;

use eks_core::{Basis, ClusterName, Error, Finding, OWNER_TAG, Owner, Plan, Problems, Step, StepKey};
use jiff::civil::Date;

use super::{
    addons::{AddonOffer, kube_proxy},
    catalogue, findings,
    gate::Gate,
    hop::{Hops, Look, READS},
    insight::{InsightCategory, InsightStatus, age, blocking},
    nodes::blockers,
    observed::UpgradeObserved,
    op::ControlPlaneHop,
    rule::Rule,
    skew::Component,
    spec::{Upgrade, UpgradeError},
};
use crate::{
    KubernetesVersion, ObservedAddon, ObservedCluster, Support, addon,
    grants::Grants,
    observed::is_owned,
    plan::{broken, refined},
    price,
};

/// A version on the way, and what the control plane costs there.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct VersionCost {
    /// The version.
    pub version: KubernetesVersion,
    /// Where it stands today; `None` if the day is not known.
    pub support: Option<Support>,
    /// US dollars a month today, before what a scaling tier adds.
    pub usd_per_month: f64,
}

/// What can be done now of an upgrade or a rollback, and what must come before the rest.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct UpgradePlan {
    pub(crate) cluster: ClusterName,
    pub(crate) from: KubernetesVersion,
    pub(crate) to: KubernetesVersion,
    pub(crate) reached: KubernetesVersion,
    pub(crate) plan: Plan,
    pub(crate) gate: Option<Gate>,
    pub(crate) costs: Vec<VersionCost>,
}

impl UpgradePlan {
    /// The steps, to be applied by an engine that has `Clusters` as the driver of the layer `cluster`.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What the nodes must become before the next hop; `None` if every hop is in the plan.
    pub fn gate(&self) -> Option<&Gate> {
        self.gate.as_ref()
    }

    /// The control plane's version now.
    pub fn from(&self) -> KubernetesVersion {
        self.from
    }

    /// The version that is wanted.
    pub fn to(&self) -> KubernetesVersion {
        self.to
    }

    /// The control plane's version when the plan is done.
    pub fn reached(&self) -> KubernetesVersion {
        self.reached
    }

    /// Whether everything is as it should be.
    pub fn is_done(&self) -> bool {
        self.reached == self.to && self.plan.is_noop()
    }

    /// The versions from the present one to the wanted one, with what each costs.
    pub fn costs(&self) -> &[VersionCost] {
        &self.costs
    }
}

/// The cluster and its version, if it may be touched and will be ACTIVE by itself.
pub(crate) fn standing<'a>(
    now: &'a UpgradeObserved,
    owner: &Owner,
    name: &ClusterName,
    problems: &mut Problems,
) -> Result<Option<(&'a ObservedCluster, KubernetesVersion)>, Error> {
    let subject = format!("cluster {name}");
    let Some(cluster) = &now.cluster else {
        problems.add(Rule::ClusterMissing.code(), subject, "does not exist", "check its name and Region");
        return Ok(None);
    };
    if !cluster.is_owned_by(owner) {
        let rule = format!("does not carry the tag that names {owner} as its owner");
        let remedy = format!("hand it over: aws eks tag-resource --resource-arn {} --tags {OWNER_TAG}={owner}", cluster.arn);
        problems.add(Rule::ClusterOfOthers.code(), &subject, rule, remedy);
    }
    if !matches!(cluster.status.as_str(), "ACTIVE" | "UPDATING" | "PENDING") {
        let rule = format!("is {}; a version changes while the cluster is ACTIVE ({})", cluster.status, Rule::ClusterState.page());
        problems.add(Rule::ClusterState.code(), subject, rule, "wait until it is ACTIVE, or make it anew");
    }
    Ok(Some((cluster, cluster.version.parse().map_err(broken)?)))
}

/// The costs of the versions between two.
pub(crate) fn costs(now: &UpgradeObserved, from: KubernetesVersion, to: KubernetesVersion, today: Option<Date>) -> Vec<VersionCost> {
    let mut versions = vec![from];
    while let Some(next) =
        versions.last().filter(|last| **last != to).and_then(|last| if *last < to { Some(last.next()) } else { last.previous() })
    {
        versions.push(next);
    }
    let cost = |version: KubernetesVersion| VersionCost {
        version,
        support: today.map(|today| catalogue::support(&now.versions, version, today)),
        usd_per_month: today
            .map_or(price::control_plane(version, None).usd_per_month, |today| catalogue::usd_per_month(&now.versions, version, today)),
    };
    versions.into_iter().map(cost).collect()
}

impl Upgrade {
    /// The hops that the nodes allow as they are, and the gate before the next. Pure: the same for the same upgrade and observation.
    ///
    /// # Errors
    /// [`UpgradeError::Refused`] with every [`Rule`] that stands against the next hop, or against a version on the way.
    pub fn plan(&self, now: &UpgradeObserved) -> Result<UpgradePlan, UpgradeError> {
        let mut problems = Problems::new();
        let subject = format!("upgrade of cluster {} to {}", self.cluster, self.to);
        let Some((cluster, from)) = standing(now, &self.owner, &self.cluster, &mut problems)? else {
            return Err(finish(problems, subject));
        };
        let mut road = Road::new(self, now, cluster, from);
        if self.to < from {
            let rule = format!("runs {from}; {} lies behind it ({})", self.to, Rule::UpgradeOnly.page());
            problems.add(Rule::UpgradeOnly.code(), format!("cluster {}", self.cluster), rule, "one minor version back goes Rollback");
        } else {
            road.check_versions(&mut problems);
            if from < self.to {
                road.check_start(&mut problems);
            }
        }
        // What stands in the way of the first hop is told at once; with it there is no road to plan.
        if !problems.is_empty() {
            return Err(finish(problems, subject));
        }
        while road.version < self.to {
            road.gate = road.gate_before_next();
            if road.gate.is_some() {
                break;
            }
            road.hop(&mut problems)?;
        }
        road.settle_addons(&mut problems)?;
        if !problems.is_empty() {
            return Err(finish(problems, subject));
        }
        Ok(road.finish()?)
    }

    pub(crate) fn hops(&self) -> Hops<'_> {
        Hops {
            cluster: &self.cluster,
            category: InsightCategory::UpgradeReadiness,
            accepted: &self.accepted,
            managed_nodes: self.managed_nodes,
        }
    }
}

/// The refusal. There are problems.
pub(crate) fn finish(problems: Problems, subject: String) -> UpgradeError {
    match problems.finish(subject, || ()) {
        Err(refused) => refused.into(),
        Ok(()) => broken("an upgrade without problems was refused").into(),
    }
}

/// Where the upgrade has come to while it is planned.
pub(crate) struct Road<'a> {
    pub(crate) upgrade: &'a Upgrade,
    pub(crate) now: &'a UpgradeObserved,
    pub(crate) cluster: &'a ObservedCluster,
    pub(crate) from: KubernetesVersion,
    pub(crate) today: Option<Date>,
    /// The control plane's version by then.
    version: KubernetesVersion,
    /// The add-ons' versions by then.
    addons: BTreeMap<&'a str, String>,
    steps: Vec<Step>,
    /// What the next hop comes after.
    settled: Vec<StepKey>,
    findings: Vec<Finding>,
    gate: Option<Gate>,
}

impl<'a> Road<'a> {
    fn new(upgrade: &'a Upgrade, now: &'a UpgradeObserved, cluster: &'a ObservedCluster, from: KubernetesVersion) -> Self {
        Self {
            upgrade,
            now,
            cluster,
            from,
            today: upgrade.today.or_else(|| now.today()),
            version: from,
            addons: now.addons.iter().map(|(name, addon)| (name.as_str(), addon.version.clone())).collect(),
            steps: Vec::new(),
            settled: Vec::new(),
            findings: Vec::new(),
            gate: None,
        }
    }

    /// Whether EKS is at it already: nothing holds a hop back that has begun.
    pub(crate) fn is_under_way(&self, to: KubernetesVersion) -> bool {
        self.now.under_way().is_some_and(|update| update.leads_to(to))
    }

    /// What runs on the nodes and does not let the control plane move on.
    fn gate_before_next(&self) -> Option<Gate> {
        let (from, to) = (self.version, self.version.next());
        if self.is_under_way(to) {
            return None;
        }
        let held = blockers(&self.now.nodes.nodes, from, to, self.upgrade.managed_nodes);
        let proxy = self.kube_proxy_of_others().filter(|version| Component::KubeProxy.broken_by(*version, from, to).is_some());
        (!held.is_empty() || proxy.is_some()).then(|| Gate::new(&self.upgrade.cluster, from, to, held, proxy))
    }

    /// One minor version further.
    fn hop(&mut self, problems: &mut Problems) -> Result<(), Error> {
        let (from, to) = (self.version, self.version.next());
        let (hops, under_way) = (self.upgrade.hops(), self.is_under_way(to));
        let prepared = self.prepare(to, problems)?;
        let first = from == self.from;
        let mut waits = prepared;
        if !under_way {
            let look = match () {
                () if !first => Look::After("the control plane is there"),
                () if !waits.is_empty() => Look::After("the add-ons have moved"),
                () if !self.now.nodes.complete => Look::After("more, as not all nodes are seen here"),
                // The others among them have refused the plan.
                () if blocking(&self.now.insights, InsightCategory::UpgradeReadiness, to, &self.upgrade.accepted).next().is_some() => {
                    Look::After("more, as nodes or add-ons have changed since")
                }
                () if self.forces(to, first) => Look::After("more, as EKS is told to overrule what it finds"),
                () => Look::Known(self.now.now.and_then(|now| age(&self.now.insights, InsightCategory::UpgradeReadiness, to, now))),
            };
            let step = hops.insights(to, look)?.after_all(&self.settled).after_all(&waits);
            waits = vec![step.key.clone()];
            self.steps.push(step);
        }
        let key = hops.key(to, "control-plane")?;
        let ids: Vec<_> = self.now.update_ids.iter().map(String::as_str).collect();
        let hop = ControlPlaneHop {
            cluster: self.upgrade.cluster.clone(),
            from,
            to,
            force: self.forces(to, first),
            client_request_token: self.upgrade.owner.token(&key, &ids.join(",")),
            timeout_minutes: None,
            managed_nodes: self.upgrade.managed_nodes,
        };
        self.steps.push(hops.control_plane(hop, under_way)?.after_all(&self.settled).after_all(&waits));
        self.settled = vec![key];
        self.version = to;
        if to < self.upgrade.to && self.gate_before_next().is_none() {
            self.move_addons(Phase::Between, problems)?;
        }
        Ok(())
    }

    /// Whether EKS must be told to go on in spite of insights: of the first hop it is known, of later ones it may become so.
    fn forces(&self, to: KubernetesVersion, first: bool) -> bool {
        let accepted = &self.upgrade.accepted;
        let known = || {
            self.now.insights.iter().any(|insight| {
                insight.status == InsightStatus::Error
                    && insight.is_about(InsightCategory::UpgradeReadiness, to)
                    && accepted.accepts(insight)
            })
        };
        *accepted != super::insight::AcceptedInsights::None && (!first || known())
    }

    /// kube-proxy where we cannot move it.
    fn kube_proxy_of_others(&self) -> Option<KubernetesVersion> {
        match self.now.addons.get(addon::KUBE_PROXY) {
            Some(found) if is_owned(&found.tags, &self.upgrade.owner) => None,
            Some(found) => kube_proxy(&found.version),
            None => self.now.self_managed_kube_proxy,
        }
    }

    /// Add-ons that we may move, with what EKS offers of them.
    fn ours(&self) -> Vec<(&'a str, &'a ObservedAddon, &'a AddonOffer)> {
        static NOTHING: AddonOffer = AddonOffer { versions: Vec::new() };
        let ours = self.now.addons.iter().filter(|(_, addon)| is_owned(&addon.tags, &self.upgrade.owner));
        ours.map(|(name, addon)| (name.as_str(), addon, self.now.offers.get(name).unwrap_or(&NOTHING))).collect()
    }

    /// Moves add-ons that would not run on the next version to one that runs on both, if there is one; kube-proxy that lags too far,
    /// to the present version.
    fn prepare(&mut self, to: KubernetesVersion, problems: &mut Problems) -> Result<Vec<StepKey>, Error> {
        let mut keys = Vec::new();
        for (name, found, offer) in self.ours() {
            let from = self.version;
            let now = self.addons.get(name).cloned().unwrap_or_default();
            let lags = name == addon::KUBE_PROXY
                && kube_proxy(&now).is_some_and(|version| Component::KubeProxy.broken_by(version, from, to).is_some());
            if !lags && offer.fits(&now, to) == Some(true) {
                continue;
            }
            let goal = offer.newest_for(name, &[from, to]).or_else(|| offer.default_version(name, from).filter(|_| lags));
            let newer = goal.filter(|goal| super::addons::numbers(goal) > super::addons::numbers(&now));
            match newer {
                Some(goal) => keys.extend(self.push_addon(to, "prepare", (name, &now, found), &offer.way(name, &now, goal, from))?),
                None if lags => {
                    let rule = format!("is at {now}, and EKS offers none that may run beside {from} and {to}");
                    problems.add(
                        Rule::KubeProxyLag.code(),
                        "kube-proxy",
                        format!("{rule} ({})", Rule::KubeProxyLag.page()),
                        "update it by hand",
                    );
                }
                None => {}
            }
        }
        Ok(keys)
    }

    /// Add-ons at the version that the control plane has reached.
    fn settle_addons(&mut self, problems: &mut Problems) -> Result<(), Error> {
        self.move_addons(Phase::Last, problems)
    }

    /// Moves add-ons that do not run on the present version, and kube-proxy always; at the end all of them, to EKS's default.
    fn move_addons(&mut self, phase: Phase, problems: &mut Problems) -> Result<(), Error> {
        let version = self.version;
        let mut moved = Vec::new();
        for (name, found, offer) in self.ours() {
            let now = self.addons.get(name).cloned().unwrap_or_default();
            let fits = offer.fits(&now, version).unwrap_or_default();
            if phase == Phase::Between && fits && name != addon::KUBE_PROXY {
                continue;
            }
            let goal = offer.default_version(name, version).filter(|goal| super::addons::numbers(goal) > super::addons::numbers(&now));
            let way = match goal {
                Some(goal) => offer.way(name, &now, goal, version),
                None if version > self.from && offer.fits(&now, version) == Some(false) => {
                    let rule = format!("EKS offers no version of it for Kubernetes {version} that is newer than {now}");
                    let remedy = "remove it, or stop the upgrade before that version";
                    problems.add(Rule::AddonIncompatible.code(), format!("add-on {name}"), rule, remedy);
                    continue;
                }
                None if found.has_failed() && self.from == version => vec![now.clone()],
                None => Vec::new(),
            };
            let keys = self.push_addon(version, "addon", (name, &now, found), &way)?;
            moved.extend(keys);
        }
        if phase == Phase::Between && !moved.is_empty() {
            self.settled.extend(moved);
        }
        Ok(())
    }

    /// The steps for an add-on, after what is settled; their last key.
    fn push_addon(
        &mut self,
        version: KubernetesVersion,
        phase: &str,
        (name, now, found): (&'a str, &str, &'a ObservedAddon),
        way: &[String],
    ) -> Result<Vec<StepKey>, Error> {
        // Without a node its Pods run nowhere, which no version heals.
        let without_nodes = self.now.nodes.complete && self.now.nodes.nodes.is_empty();
        let may_be_degraded = found.status == "DEGRADED" || (without_nodes && !addon::runs_without_nodes(name));
        let steps = self.upgrade.hops().addon(version, phase, (name, now, found), way, may_be_degraded)?;
        let keys = steps.iter().map(|step| step.key.clone()).collect();
        self.steps.extend(steps.into_iter().map(|step| step.after_all(&self.settled)));
        if let Some(last) = way.last() {
            self.addons.insert(name, last.clone());
        }
        Ok(keys)
    }

    fn finish(mut self) -> Result<UpgradePlan, Error> {
        let hops = self.upgrade.hops();
        if self.version == self.from {
            self.steps.insert(0, hops.kept(self.version)?);
        }
        let key = hops.key(self.version, "control-plane")?;
        let price = self.today.map(|today| price::supported(Some(catalogue::support(&self.now.versions, self.version, today))));
        for step in self.steps.iter_mut().filter(|step| step.key == key) {
            step.prices.extend(price.clone().or_else(|| Some(price::control_plane(self.version, None))));
        }
        let told = findings::Told {
            upgrade: self.upgrade,
            now: self.now,
            key: &key,
            from: self.from,
            reached: self.version,
            today: self.today,
            gate: self.gate.as_ref(),
        };
        self.findings.extend(told.findings());
        let scope = serde_json::to_value(self.upgrade.scope()).map_err(broken)?;
        let mut plan = Plan::builder(&self.upgrade.owner, "cluster").basis(Basis::new(scope, self.now.facts()));
        let grants = Grants::new(&self.upgrade.owner, self.upgrade.cluster.as_str());
        plan = plan.observes(refined(READS, |action| grants.read(action)));
        for step in self.steps {
            plan = plan.step(grants.narrow(step)?);
        }
        plan = self.findings.into_iter().fold(plan, |plan, finding| plan.finding(finding));
        Ok(UpgradePlan {
            cluster: self.upgrade.cluster.clone(),
            from: self.from,
            to: self.upgrade.to,
            reached: self.version,
            plan: plan.build().map_err(broken)?,
            gate: self.gate,
            costs: costs(self.now, self.from, self.upgrade.to, self.today),
        })
    }
}

/// Which add-ons are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Those that must be, and kube-proxy: another hop follows.
    Between,
    /// All that have a newer default.
    Last,
}
