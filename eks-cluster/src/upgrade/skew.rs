//! How far versions may lie apart: Kubernetes, "Version Skew Policy", as data.

use super::rule::Rule;
use crate::KubernetesVersion;

/// What has a version of its own beside the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Component {
    /// The agent on each node.
    Kubelet,
    /// The service proxy on each node.
    KubeProxy,
    /// The command line.
    Kubectl,
}

/// How many minor versions a component may be older or newer than any API server of its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkewRule {
    /// The component.
    pub component: Component,
    /// The component's own minor version from which on this holds: 25 of 1.25.
    pub from_minor: u16,
    /// How many minor versions older it may be.
    pub older: u16,
    /// How many minor versions newer it may be.
    pub newer: u16,
}

const fn rule(component: Component, from_minor: u16, older: u16, newer: u16) -> SkewRule {
    SkewRule { component, from_minor, older, newer }
}

/// The policy of Kubernetes 1.28 and later. Of the lines of one component the last holds whose `from_minor` its version has reached.
pub const SKEW: [SkewRule; 5] = [
    rule(Component::Kubelet, 0, 2, 0),
    rule(Component::Kubelet, 25, 3, 0),
    rule(Component::KubeProxy, 0, 2, 0),
    rule(Component::KubeProxy, 25, 3, 0),
    rule(Component::Kubectl, 0, 1, 1),
];

impl Component {
    /// The line that holds for a version of it.
    pub fn rule(self, version: KubernetesVersion) -> SkewRule {
        let holds = |rule: &&SkewRule| rule.component == self && rule.from_minor <= version.minor();
        SKEW.iter().rev().find(holds).copied().unwrap_or(rule(self, 0, 0, 0))
    }

    /// Whether a version of it may run beside an API server.
    pub fn fits(self, version: KubernetesVersion, api_server: KubernetesVersion) -> bool {
        let rule = self.rule(version);
        let (own, server) = (version.minor(), api_server.minor());
        own <= server + rule.newer && server <= own + rule.older
    }

    /// The rule that a version of it breaks while the control plane moves from one version to the next: for some minutes both run.
    pub fn broken_by(self, version: KubernetesVersion, from: KubernetesVersion, to: KubernetesVersion) -> Option<Rule> {
        let (oldest, newest) = (from.min(to), from.max(to));
        let (ahead, behind) = match self {
            Self::Kubelet => (Rule::KubeletNewer, Rule::KubeletLag),
            Self::KubeProxy | Self::Kubectl => (Rule::KubeProxyNewer, Rule::KubeProxyLag),
        };
        let rule = self.rule(version);
        match () {
            () if version.minor() > oldest.minor() + rule.newer => Some(ahead),
            () if version.minor() + rule.older < newest.minor() => Some(behind),
            () => None,
        }
    }

    /// The oldest version of it that may run beside an API server.
    pub fn oldest_beside(self, api_server: KubernetesVersion) -> KubernetesVersion {
        let mut oldest = api_server;
        while let Some(older) = oldest.previous().filter(|older| self.fits(*older, api_server)) {
            oldest = older;
        }
        oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(text: &str) -> KubernetesVersion {
        text.parse().unwrap()
    }

    #[test]
    fn the_examples_of_the_policy() {
        let fits = |component: Component, server: &str, of: &[&str]| of.iter().all(|version| component.fits(v(version), v(server)));
        assert!(fits(Component::Kubelet, "1.35", &["1.35", "1.34", "1.33", "1.32"]));
        assert!(!Component::Kubelet.fits(v("1.36"), v("1.35")) && !Component::Kubelet.fits(v("1.31"), v("1.35")));
        assert!(fits(Component::KubeProxy, "1.35", &["1.35", "1.34", "1.33", "1.32"]));
        assert!(fits(Component::Kubectl, "1.35", &["1.36", "1.35", "1.34"]));
        assert!(!Component::Kubectl.fits(v("1.37"), v("1.35")) && !Component::Kubectl.fits(v("1.33"), v("1.35")));
        // "kubelet < 1.25 may only be up to two minor versions older".
        assert!(Component::Kubelet.fits(v("1.24"), v("1.26")) && !Component::Kubelet.fits(v("1.24"), v("1.27")));
        assert_eq!(Component::Kubelet.oldest_beside(v("1.27")), v("1.25"));
        assert_eq!(Component::Kubelet.oldest_beside(v("1.28")), v("1.25"));
        assert_eq!(Component::Kubelet.oldest_beside(v("1.36")), v("1.33"));
    }

    #[test]
    fn while_two_versions_run_both_count() {
        // "kube-apiserver instances are at 1.35 and 1.34: kubelet is supported at 1.34, 1.33 and 1.32".
        let broken = |kubelet: &str| Component::Kubelet.broken_by(v(kubelet), v("1.34"), v("1.35"));
        assert_eq!(broken("1.35"), Some(Rule::KubeletNewer));
        assert_eq!(["1.34", "1.33", "1.32"].map(broken), [None; 3]);
        assert_eq!(broken("1.31"), Some(Rule::KubeletLag));
        // Down as up.
        assert_eq!(Component::Kubelet.broken_by(v("1.35"), v("1.35"), v("1.34")), Some(Rule::KubeletNewer));
    }
}
