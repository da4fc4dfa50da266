//! Labels and taints that a node registers with, and their syntax.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a taint does to Pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "Kubernetes has these three")]
pub enum TaintEffect {
    /// Not scheduled, and evicted.
    NoExecute,
    /// Not scheduled.
    NoSchedule,
    /// Scheduled elsewhere if possible.
    PreferNoSchedule,
}

impl fmt::Display for TaintEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NoExecute => "NoExecute",
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
        })
    }
}

/// A taint, as the kubelet's `--register-with-taints` has it: `key=value:Effect`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Taint {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) effect: TaintEffect,
}

impl fmt::Display for Taint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}:{}", self.key, self.value, self.effect)
    }
}

/// Kubernetes, "Labels and Selectors": an optional DNS subdomain and a slash, then a name.
pub(crate) fn key_fault(key: &str) -> Option<&'static str> {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    if name.is_empty() || name.len() > 63 {
        return Some("the name of the key must have 1–63 characters");
    }
    if !is_word(name) {
        return Some("the name of the key must be of a-z A-Z 0-9 - _ . and begin and end with a letter or digit");
    }
    let is_domain = |prefix: &str| {
        (1..=253).contains(&prefix.len())
            && prefix.split('.').all(|part| {
                part.starts_with(alphanumeric)
                    && part.ends_with(alphanumeric)
                    && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            })
    };
    (!prefix.is_none_or(is_domain)).then_some("the prefix of the key must be a lower-case DNS subdomain of at most 253 characters")
}

/// Kubernetes, "Labels and Selectors": empty, or 1–63 characters of the same kind.
pub(crate) fn value_fault(value: &str) -> Option<&'static str> {
    (!value.is_empty() && (value.len() > 63 || !is_word(value)))
        .then_some("the value must have at most 63 characters of a-z A-Z 0-9 - _ . and begin and end with a letter or digit")
}

fn is_word(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Whether the kubelet refuses to give its own node this label, or the admission plugin NodeRestriction does.
///
/// Kubernetes, "Using Admission Controllers", NodeRestriction; and the kubelet's `--node-labels`.
pub(crate) fn is_restricted(key: &str) -> bool {
    let Some((prefix, _)) = key.split_once('/') else { return false };
    let within = |domain: &str| prefix == domain || prefix.strip_suffix(domain).is_some_and(|head| head.ends_with('.'));
    if within("kubelet.kubernetes.io") || within("node.kubernetes.io") {
        return false;
    }
    let own = [
        "kubernetes.io/hostname",
        "kubernetes.io/arch",
        "kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/instance-type",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    ];
    (within("kubernetes.io") || within("k8s.io")) && !own.contains(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntax() {
        for key in ["team", "example.com/team", "a.b-c/T_e.a-m"] {
            assert_eq!(key_fault(key), None, "{key}");
        }
        for key in ["", "/team", "team/", "-team", "team_", "Example.com/team", "a..b/team", "ünits", &"a".repeat(64)] {
            assert!(key_fault(key).is_some(), "{key}");
        }
        for value in ["", "a", "A_b.c-9"] {
            assert_eq!(value_fault(value), None, "{value}");
        }
        for value in ["-", "a ", "a,b", "${X}", &"a".repeat(64)] {
            assert!(value_fault(value).is_some(), "{value}");
        }
    }

    #[test]
    fn kubelets_may_not_claim_roles() {
        assert!(is_restricted("node-role.kubernetes.io/worker"));
        assert!(is_restricted("node-restriction.kubernetes.io/x"));
        assert!(is_restricted("x.k8s.io/y"));
        assert!(!is_restricted("node.kubernetes.io/x"));
        assert!(!is_restricted("notkubernetes.io/x"));
        assert!(!is_restricted("topology.kubernetes.io/zone"));
        assert!(!is_restricted("eks-rs/workers"));
    }
}
