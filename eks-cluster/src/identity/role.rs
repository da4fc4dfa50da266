//! IAM roles of our own: which there are, what they are called, whom they trust.

use std::fmt;

use eks_core::{KeyError, Owner, Ref, RoleArn, StepKey};
use serde::{Deserialize, Serialize};

use super::{
    document::{Conditions, OneOrMore, TrustPolicy},
    pod_role::ServiceAccount,
};
use crate::partition::Partition;

/// IAM, "IAM and AWS STS quotas".
pub(crate) const LONGEST_ROLE_NAME: usize = 64;

/// Whom the tokens of service accounts are for, in every partition: EKS User Guide, "Create an IAM OIDC provider for your cluster".
pub(crate) const AUDIENCE: &str = "sts.amazonaws.com";

/// The role that the control plane acts under.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoleChoice {
    /// A role of our own, made and removed with the cluster.
    Own {
        /// Attach AmazonEKSServicePolicy beside AmazonEKSClusterPolicy. Only clusters made before 2020-04-16 needed it.
        legacy_service_policy: bool,
    },
    /// A role that exists. It is neither changed nor removed.
    Existing(RoleArn),
}

impl Default for RoleChoice {
    fn default() -> Self {
        Self::Own { legacy_service_policy: false }
    }
}

impl RoleChoice {
    /// The account of a role that exists, which is the cluster's.
    pub(crate) fn account(&self) -> Option<&str> {
        match self {
            Self::Existing(arn) => arn.as_str().split(':').nth(4),
            Self::Own { .. } => None,
        }
    }
}

/// What distinguishes a role of ours from others of its kind: part of its name and of its step's key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoleLabel(String);

impl RoleLabel {
    /// Checks the text.
    ///
    /// # Errors
    /// [`KeyError`] if it is not of letters, digits, `.`, `_`, `-`.
    pub fn new(text: impl Into<String>) -> Result<Self, KeyError> {
        let text = text.into();
        // One segment of a key, with its letters.
        StepKey::new(["cluster", if text.contains('/') { "" } else { &text }])?;
        Ok(Self(text))
    }
}

impl fmt::Display for RoleLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RoleLabel {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        Self::new(text)
    }
}

impl From<RoleLabel> for String {
    fn from(label: RoleLabel) -> Self {
        label.0
    }
}

/// The roles that this crate may make. Their names follow from the owner and the Region, and their keys are in their tags, so they
/// are found without a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RoleKind {
    /// The control plane's.
    Cluster,
    /// The EBS CSI driver's.
    EbsCsi,
    /// Another add-on's, by its name.
    Addon(RoleLabel),
    /// The AWS Load Balancer Controller's.
    LoadBalancerController,
    /// An application's.
    Application(RoleLabel),
    /// Nodes'.
    Node(RoleLabel),
}

impl RoleKind {
    /// Those whose names need no more than owner and Region.
    pub(crate) const ALL: [Self; 3] = [Self::Cluster, Self::EbsCsi, Self::LoadBalancerController];

    pub(crate) fn key(&self) -> StepKey {
        let text = match self {
            Self::Cluster => "cluster/role".to_owned(),
            Self::EbsCsi => "cluster/role/ebs-csi".to_owned(),
            Self::Addon(label) => format!("cluster/role/addon/{label}"),
            Self::LoadBalancerController => "cluster/role/load-balancer-controller".to_owned(),
            Self::Application(label) => format!("cluster/role/app/{label}"),
            Self::Node(label) => format!("cluster/role/node/{label}"),
        };
        text.parse().expect("labels have the letters of keys")
    }

    /// The kind of a role by the key in its tags.
    #[cfg(feature = "aws")]
    pub(crate) fn of_key(key: &str) -> Option<Self> {
        let label = |text: &str| RoleLabel::new(text).ok();
        match key.split('/').skip(1).collect::<Vec<_>>().as_slice() {
            ["role"] => Some(Self::Cluster),
            ["role", "ebs-csi"] => Some(Self::EbsCsi),
            ["role", "load-balancer-controller"] => Some(Self::LoadBalancerController),
            ["role", "addon", name] => label(name).map(Self::Addon),
            ["role", "app", name] => label(name).map(Self::Application),
            ["role", "node", name] => label(name).map(Self::Node),
            _ => None,
        }
        .filter(|kind| kind.key().as_str() == key)
    }

    /// IAM is global, so the name carries the Region: one owner may have a cluster in each of two.
    pub(crate) fn name(&self, owner: &Owner, region: &str) -> String {
        match self {
            Self::Cluster => format!("{owner}-cluster-{region}"),
            Self::EbsCsi => format!("{owner}-ebs-csi-{region}"),
            Self::Addon(label) => format!("{owner}-addon-{label}-{region}"),
            Self::LoadBalancerController => format!("{owner}-lbc-{region}"),
            Self::Application(label) => format!("{owner}-app-{label}-{region}"),
            Self::Node(label) => format!("{owner}-node-{label}-{region}"),
        }
    }

    /// Who acts under it, for people.
    pub(crate) fn used_by(&self) -> String {
        match self {
            Self::Cluster => "the control plane".to_owned(),
            Self::EbsCsi => "the EBS CSI driver".to_owned(),
            Self::Addon(label) => format!("the add-on {label}"),
            Self::LoadBalancerController => "the AWS Load Balancer Controller".to_owned(),
            Self::Application(label) => format!("the application {label}"),
            Self::Node(label) => format!("the nodes {label}"),
        }
    }

    /// IAM takes letters, digits and some signs in descriptions.
    #[cfg(feature = "aws")]
    pub(crate) fn description(&self) -> String {
        match self {
            Self::Cluster => "Amazon EKS control plane".to_owned(),
            Self::EbsCsi => "Amazon EBS CSI driver of an Amazon EKS cluster".to_owned(),
            other => format!("{} of an Amazon EKS cluster", other.used_by()),
        }
    }

    /// Whether Pods act under it, so that it must outlive what they clean up.
    pub(crate) fn is_for_pods(&self) -> bool {
        !matches!(self, Self::Cluster | Self::Node(_))
    }
}

/// Whom a role trusts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RoleTrust {
    /// What this document says.
    Policy(TrustPolicy),
    /// Tokens of these service accounts, which the cluster issues.
    WebIdentity {
        /// ARN of the identity provider for the cluster's issuer.
        provider: Ref<String>,
        /// Whose tokens.
        service_accounts: Vec<ServiceAccount>,
    },
}

impl RoleTrust {
    /// EKS User Guide, "Amazon EKS cluster IAM role".
    pub(crate) fn control_plane() -> Self {
        Self::Policy(TrustPolicy::of("eks.amazonaws.com", &["sts:AssumeRole"]))
    }

    /// EKS User Guide, "EKS Pod Identity role".
    pub(crate) fn pod_identity() -> Self {
        Self::Policy(TrustPolicy::of("pods.eks.amazonaws.com", &["sts:AssumeRole", "sts:TagSession"]))
    }

    /// EKS User Guide, "Amazon EKS node IAM role"; the service's name in China is that of AWS's template for self-managed nodes.
    pub(crate) fn nodes(partition: Partition) -> Self {
        let suffix = if partition.name == "aws-cn" { ".cn" } else { "" };
        Self::Policy(TrustPolicy::of(&format!("ec2.amazonaws.com{suffix}"), &["sts:AssumeRole"]))
    }

    /// The same, with sessions that carry tags: the cluster role of EKS Auto Mode.
    pub(crate) fn and_tags_sessions(self) -> Self {
        match self {
            Self::Policy(policy) => Self::Policy(policy.and_tags_sessions()),
            by_token @ Self::WebIdentity { .. } => by_token,
        }
    }

    /// The document, once the identity provider is known. IAM User Guide, "Available keys for AWS web identity federation": a claim's
    /// key begins with the provider's URL.
    pub(crate) fn document(&self, provider_arn: impl FnOnce(&Ref<String>) -> Option<String>) -> Option<TrustPolicy> {
        let (provider, accounts) = match self {
            Self::Policy(policy) => return Some(policy.clone()),
            Self::WebIdentity { provider, service_accounts } => (provider_arn(provider)?, service_accounts),
        };
        let (_, url) = provider.split_once(":oidc-provider/")?;
        let subjects: OneOrMore = match accounts.as_slice() {
            [one] => one.subject().as_str().into(),
            several => several.iter().map(ServiceAccount::subject).collect(),
        };
        let claims = [(format!("{url}:aud"), AUDIENCE.into()), (format!("{url}:sub"), subjects)];
        let condition = Conditions::from([("StringEquals".to_owned(), claims.into())]);
        Some(TrustPolicy::web_identity(&provider, condition))
    }
}

/// Shows whom a role trusts in a few words.
pub(crate) struct InWords<'a>(pub(crate) &'a RoleTrust);

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = match self.0 {
            RoleTrust::WebIdentity { provider, service_accounts } => {
                let accounts = service_accounts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                return write!(f, "tokens of {accounts} by {provider}");
            }
            RoleTrust::Policy(policy) => policy,
        };
        let who = |statement: &super::document::TrustStatement| {
            let principal = &statement.principal;
            let named = [&principal.service, &principal.federated, &principal.aws];
            named.into_iter().flatten().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let said = policy.statement.iter().map(|statement| format!("{} may {}", who(statement), statement.action));
        f.write_str(&said.collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROVIDER: &str = "arn:aws-cn:iam::123456789012:oidc-provider/oidc.eks.cn-north-1.amazonaws.com.cn/id/AB";

    fn said(trust: &RoleTrust) -> String {
        serde_json::to_string(&trust.document(|_| Some(PROVIDER.to_owned())).unwrap()).unwrap()
    }

    #[test]
    fn trust_documents() {
        insta::assert_snapshot!(said(&RoleTrust::pod_identity()), @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}"#);
        insta::assert_snapshot!(said(&RoleTrust::control_plane()), @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":["sts:AssumeRole"]}]}"#);
        insta::assert_snapshot!(said(&RoleTrust::nodes(Partition::of_region("cn-north-1"))), @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com.cn"},"Action":["sts:AssumeRole"]}]}"#);
        // EKS User Guide, "Assign IAM roles to Kubernetes service accounts".
        let provider = Ref::Known(PROVIDER.to_owned());
        let one = RoleTrust::WebIdentity { provider, service_accounts: vec![ServiceAccount::new("shop", "api")] };
        insta::assert_snapshot!(said(&one), @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws-cn:iam::123456789012:oidc-provider/oidc.eks.cn-north-1.amazonaws.com.cn/id/AB"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.eks.cn-north-1.amazonaws.com.cn/id/AB:aud":"sts.amazonaws.com","oidc.eks.cn-north-1.amazonaws.com.cn/id/AB:sub":"system:serviceaccount:shop:api"}}}]}"#);
        assert_eq!(one.document(|_| None), None);
    }

    #[test]
    fn same_trust_in_other_words() {
        let trust = RoleTrust::pod_identity().document(|_| None).unwrap();
        let said = |action: &str, more: &str| {
            trust.is_said_by(&format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"x","Effect":"Allow","Principal":{{"Service":["pods.eks.amazonaws.com"]}},"Action":{action}{more}}}]}}"#
            ))
        };
        assert!(said(r#"["sts:TagSession","sts:AssumeRole"]"#, ""));
        assert!(!said(r#""sts:AssumeRole""#, ""));
        let narrower = r#","Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"}}"#;
        assert!(!said(r#"["sts:TagSession","sts:AssumeRole"]"#, narrower));
        assert!(!trust.is_said_by("not JSON"));
    }

    #[test]
    fn names_fit_for_the_longest_owner_and_region() {
        let owner = Owner::new("o".repeat(40)).unwrap();
        for region in ["ap-southeast-1", "us-isof-south-1"] {
            assert!(RoleKind::ALL.iter().all(|kind| kind.name(&owner, region).len() <= LONGEST_ROLE_NAME));
        }
    }

    #[cfg(feature = "aws")]
    #[test]
    fn keys_name_kinds() {
        let label = || RoleLabel::new("a.b").unwrap();
        for kind in RoleKind::ALL.into_iter().chain([RoleKind::Addon(label()), RoleKind::Application(label()), RoleKind::Node(label())]) {
            assert_eq!(RoleKind::of_key(kind.key().as_str()), Some(kind));
        }
        assert_eq!(RoleKind::of_key("net/role"), None);
        assert!(RoleLabel::new("a/b").is_err() && RoleLabel::new("").is_err());
    }
}
