//! Rules of add-ons.

use std::collections::BTreeSet;

use eks_core::Problems;

use super::{Addon, AddonRemoval, Addons, Identity, POD_IDENTITY_AGENT, needs, version::is_version};
use crate::identity::PodAccess;

impl Addons {
    /// `brings_agent`: with Auto Mode the EKS Pod Identity Agent is there without its add-on. EKS User Guide, "EKS Pod Identity
    /// Associations".
    pub(crate) fn check(&self, removals: &[AddonRemoval], brings_agent: bool, problems: &mut Problems) {
        for addon in &self.0 {
            addon.check(problems);
            if addon.access() == Some(PodAccess::PodIdentity) && !self.has(POD_IDENTITY_AGENT) && !brings_agent {
                problems.add(
                    "addon-role-without-agent",
                    format!("add-on {}", addon.name),
                    format!("its role comes through EKS Pod Identity, which needs the add-on {POD_IDENTITY_AGENT}"),
                    format!("add {POD_IDENTITY_AGENT}, or call without_role()"),
                );
            }
        }
        let mut seen = BTreeSet::new();
        for removal in removals {
            let subject = format!("add-on {:?}", removal.name);
            if self.has(&removal.name) {
                problems.add("addon-kept-and-removed", &subject, "is both wanted and to be removed", "say one of the two");
            }
            if !seen.insert(&removal.name) {
                problems.add("addon-removed-twice", &subject, "is to be removed twice", "say it once");
            }
            if !is_name(&removal.name) {
                problems.add("addon-name", &subject, NAME_RULE, "use a name that ListAddons tells");
            }
        }
    }
}

const NAME_RULE: &str = "is not 1–100 letters, digits, hyphens and underscores, beginning with a letter or digit";

fn is_name(name: &str) -> bool {
    name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && name.len() <= 100
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl Addon {
    fn check(&self, problems: &mut Problems) {
        let subject = format!("add-on {:?}", self.name);
        if !is_name(&self.name) {
            problems.add("addon-name", &subject, NAME_RULE, "use a name that DescribeAddonVersions tells");
        }
        if let Some(version) = self.version.as_deref().filter(|version| !is_version(version)) {
            problems.add(
                "addon-version",
                &subject,
                format!("{version:?} is not an add-on version"),
                "write it as DescribeAddonVersions does, v1.20.4-eksbuild.2, or leave it out for the default",
            );
        }
        if self.latest && self.version.is_some() {
            problems.add("addon-version-twice", &subject, "has a version and shall be the latest", "say one of the two");
        }
        // YAML is read where the schema is known; what begins as JSON must be JSON.
        let json = self.configuration.as_deref().filter(|values| values.trim_start().starts_with('{'));
        if let Some(error) = json.and_then(|values| serde_json::from_str::<serde_json::Value>(values).err()) {
            problems.add("addon-configuration", &subject, format!("its configuration is not JSON: {error}"), "correct it, or write YAML");
        }
        let label = |text: &str| {
            let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            (1..=63).contains(&text.len()) && text.bytes().all(fine) && !text.starts_with('-') && !text.ends_with('-')
        };
        if let Some(namespace) = self.namespace.as_deref().filter(|namespace| !label(namespace)) {
            let rule = format!("{namespace:?} is not the name of a Kubernetes namespace: a DNS label");
            problems.add("addon-namespace", &subject, rule, "use a-z, 0-9 and hyphens, at most 63");
        }
        let accounts: Vec<&str> = match &self.identity {
            Identity::Given { service_account, .. } => vec![service_account],
            Identity::Own(role) => role.service_accounts.iter().map(String::as_str).collect(),
            Identity::None | Identity::Irsa { .. } => Vec::new(),
        };
        for account in accounts {
            let fine = (1..=253).contains(&account.len())
                && account.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.');
            if !fine {
                problems.add(
                    "addon-service-account",
                    &subject,
                    format!("{account:?} is not the name of a Kubernetes service account"),
                    "write its name without its namespace, such as ebs-csi-controller-sa",
                );
            }
        }
        self.check_own_role(&subject, problems);
    }

    fn check_own_role(&self, subject: &str, problems: &mut Problems) {
        let Identity::Own(role) = &self.identity else { return };
        let known = needs(&self.name);
        if self.service_accounts().is_empty() {
            problems.add(
                "addon-role-account",
                subject,
                "this crate does not know its service account",
                "say it with AddonRole::service_account; DescribeAddonConfiguration tells it",
            );
        }
        if role.permissions.is_empty() && !role.ipv6_cni && known.is_none_or(|needs| needs.policies.is_empty()) {
            problems.add(
                "addon-role-policies",
                subject,
                "AWS names no managed policy for it that this crate knows",
                "say what its role may do, with AddonRole::policy or AddonRole::inline_policy",
            );
        }
        if role.ipv6_cni && self.name != super::VPC_CNI {
            problems.add("addon-role-ipv6", subject, "the policy for IPv6 addresses is the VPC CNI's", "leave vpc_cni_ipv6() out");
        }
    }
}

#[cfg(test)]
mod tests {
    use eks_core::RoleArn;

    use super::{super::*, *};

    fn codes_with(addons: Addons, removals: &[AddonRemoval]) -> Vec<&'static str> {
        let mut problems = Problems::new();
        addons.check(removals, false, &mut problems);
        problems.finish("x", || ()).err().map(|e| e.problems.iter().map(|p| p.code).collect()).unwrap_or_default()
    }

    fn codes(addons: Addons) -> Vec<&'static str> {
        codes_with(addons, &[])
    }

    #[test]
    fn the_default_set_is_fine_and_replaces_what_eks_would_install() {
        assert!(codes(Addons::default_set()).is_empty());
        assert!(Addons::default_set().replace_self_managed());
        assert!(!Addons::none().with(Addon::new(VPC_CNI)).replace_self_managed());
    }

    #[test]
    fn wrong_addons() {
        let one = |addon: Addon| codes(Addons::none().with(addon));
        assert_eq!(one(Addon::new("vpc cni")), ["addon-name"]);
        assert_eq!(one(Addon::new("coredns").version("1.11")), ["addon-version"]);
        assert_eq!(one(Addon::new("coredns").version("v1.11.1-eksbuild.1").latest()), ["addon-version-twice"]);
        assert_eq!(one(Addon::new("coredns").configuration("{replicas: 2}")), ["addon-configuration"]);
        assert!(one(Addon::new("coredns").configuration("replicaCount: 2")).is_empty());
        assert_eq!(one(Addon::new("metrics-server").namespace("Metrics")), ["addon-namespace"]);
        assert_eq!(one(Addon::new(EBS_CSI)), ["addon-role-without-agent"]);
        assert!(one(Addon::new(EBS_CSI).without_role()).is_empty());
        assert!(one(Addon::new(EBS_CSI).role(AddonRole::irsa())).is_empty(), "tokens need no agent");
        assert_eq!(one(Addon::new("aws-mountpoint-s3-csi-driver").role(AddonRole::irsa())), ["addon-role-policies"]);
        assert_eq!(one(Addon::new("x").role(AddonRole::irsa().aws_policy("y"))), ["addon-role-account"]);
        assert_eq!(one(Addon::new("aws-efs-csi-driver").role(AddonRole::irsa().vpc_cni_ipv6())), ["addon-role-ipv6"]);
        let role = RoleArn::new("arn:aws:iam::123456789012:role/x").unwrap();
        let given = Addons::default_set().with(Addon::new("x").pod_identity("kube-system/x", role));
        assert_eq!(codes(given), ["addon-service-account"]);
    }

    #[test]
    fn removals_contradict_neither_the_spec_nor_themselves() {
        assert!(codes_with(Addons::default_set(), &[AddonRemoval::new("metrics-server")]).is_empty());
        assert_eq!(codes_with(Addons::default_set(), &[AddonRemoval::new(COREDNS)]), ["addon-kept-and-removed"]);
        assert_eq!(codes_with(Addons::none(), &[AddonRemoval::new("x"), AddonRemoval::new("x")]), ["addon-removed-twice"]);
        assert_eq!(codes_with(Addons::none(), &[AddonRemoval::new("a b")]), ["addon-name"]);
    }

    #[test]
    fn a_later_addon_replaces_one_of_its_name() {
        let addons = Addons::default_set().with(Addon::new(COREDNS).version("v1.12.4-eksbuild.1"));
        assert_eq!(addons.0.len(), 5);
        assert_eq!(addons.0[2].version.as_deref(), Some("v1.12.4-eksbuild.1"));
    }
}
