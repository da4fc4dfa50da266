//! What stands against the first hop of an upgrade.

use eks_core::Problems;

use super::{
    catalogue,
    gate::named,
    insight::{Insight, InsightCategory, blocking, remedy},
    nodes::blockers,
    plan::{Road, costs},
    rule::Rule,
};
use crate::Support;

/// EKS User Guide, "Update existing cluster": "up to five available IP addresses" in the cluster's subnets.
const FREE_ADDRESSES: u32 = 5;

impl Road<'_> {
    pub(crate) fn check_versions(&self, problems: &mut Problems) {
        let Some(today) = self.today else { return };
        for step in costs(self.now, self.from, self.upgrade.to, Some(today)).into_iter().skip(1) {
            let rule = match catalogue::support(&self.now.versions, step.version, today) {
                Support::Ended { since } => {
                    format!("its support ended{}", since.map(|day| format!(" on {day}")).unwrap_or_default())
                }
                Support::Upcoming { released } => format!("comes to EKS on {released}"),
                Support::Unknown => "EKS does not offer it".to_owned(),
                Support::Standard { .. } | Support::Extended { .. } => continue,
            };
            let page = Rule::VersionOffered.page();
            let newest = catalogue::newest(&self.now.versions, today);
            let remedy = newest.map_or("ask for a version that EKS offers".to_owned(), |newest| format!("the newest on EKS is {newest}"));
            problems.add(Rule::VersionOffered.code(), format!("Kubernetes {}", step.version), format!("{rule} ({page})"), remedy);
        }
    }

    /// What stands against the first hop, and no replacement of old nodes would heal.
    pub(crate) fn check_start(&self, problems: &mut Problems) {
        let (name, next) = (&self.upgrade.cluster, self.from.next());
        let newer: Vec<_> = blockers(&self.now.nodes.nodes, self.from, next, self.upgrade.managed_nodes)
            .into_iter()
            .filter(|(rule, _)| *rule == Rule::KubeletNewer)
            .collect();
        if !newer.is_empty() {
            let rule = format!("{} is newer than the API server's {} ({})", named(&newer), self.from, Rule::KubeletNewer.page());
            let remedy = format!("replace it by a node of {} first", self.from);
            problems.add(Rule::KubeletNewer.code(), format!("nodes of {name}"), rule, remedy);
        }
        if let Some(version) = self.now.kube_proxy().filter(|version| *version > self.from) {
            let rule = format!("is at {version}, newer than the API server's {} ({})", self.from, Rule::KubeProxyNewer.page());
            problems.add(Rule::KubeProxyNewer.code(), "kube-proxy", rule, format!("take it back to {} first", self.from));
        }
        if self.is_under_way(next) {
            return;
        }
        for issue in &self.cluster.issues {
            let rule = format!("EKS tells {issue}, on which an update would fail ({})", Rule::ClusterHealth.page());
            problems.add(Rule::ClusterHealth.code(), format!("cluster {name}"), rule, issue.remedy());
        }
        self.check_addresses(problems);
        self.check_insights(problems);
    }

    /// Whether this plan judges for itself what an insight is about, as it knows all nodes. EKS looks again before the hop.
    pub(crate) fn judges(&self, insight: &Insight) -> bool {
        insight.is_about_kubelets() && self.now.nodes.complete
    }

    /// Insights that hold the first hop back. Those about add-ons do so only once EKS has looked again: what it saw may have been moved
    /// since, by this plan or by a run before it.
    fn check_insights(&self, problems: &mut Problems) {
        let next = self.from.next();
        let blocks = blocking(&self.now.insights, InsightCategory::UpgradeReadiness, next, &self.upgrade.accepted);
        let counts = |insight: &&Insight| !insight.is_about_addons() && !self.judges(insight);
        for insight in blocks.filter(counts) {
            problems.add(Rule::Insight.code(), format!("Kubernetes {next}"), insight.what(), remedy(insight));
        }
    }

    fn check_addresses(&self, problems: &mut Problems) {
        let Some(found) = &self.now.free_addresses else { return };
        let page = Rule::FreeAddresses.page();
        let gone: Vec<_> = self.cluster.subnets.iter().filter(|subnet| !found.contains_key(*subnet)).cloned().collect();
        if !gone.is_empty() {
            let rule = format!("{} of the cluster do not exist; an update needs them ({page})", gone.join(", "));
            problems.add(
                Rule::FreeAddresses.code(),
                "subnets",
                rule,
                "give the cluster others of the same zones, by aws eks update-cluster-config",
            );
        }
        let free: u32 = found.values().sum();
        if free < FREE_ADDRESSES {
            let each: Vec<_> = found.iter().map(|(subnet, free)| format!("{subnet} has {free}")).collect();
            let rule = format!("{free} addresses are free, an update needs {FREE_ADDRESSES} ({page}): {}", each.join(", "));
            let remedy = "free some, or give the cluster further subnets of the same zones";
            problems.add(Rule::FreeAddresses.code(), "subnets", rule, remedy);
        }
    }
}
