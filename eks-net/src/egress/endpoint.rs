//! VPC endpoints: ways to AWS's services that need no internet.
//!
//! Sources: AWS PrivateLink Guide, "Access AWS services through AWS PrivateLink" and "Gateway endpoints"; Amazon VPC User Guide,
//! "Amazon VPC quotas"; Amazon EKS User Guide, "Deploy private clusters with limited internet access".

use eks_core::{Problems, StepKey};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    groups::{Rule, SecurityGroup},
    keys,
};

/// The security group of interface endpoints that name none.
pub(crate) const DEFAULT_GROUP: &str = "endpoints";
/// What an endpoint allows that was given no policy.
pub(crate) const FULL_ACCESS: &str = r#"{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}"#;
/// Services without which a node does not join, or cannot pull its images.
pub(crate) const NODES_NEED: [&str; 6] = ["ec2", "ecr.api", "ecr.dkr", "eks", "s3", "sts"];
/// Services that common parts of a cluster use, and which parts.
pub(crate) const OFTEN_NEEDED: [(&str, &str); 4] = [
    ("autoscaling", "the Cluster Autoscaler"),
    ("eks-auth", "Pod Identity"),
    ("elasticloadbalancing", "load balancers"),
    ("logs", "CloudWatch Logs"),
];
/// Services that have gateway endpoints.
const GATEWAYS: [&str; 3] = ["dynamodb", "s3", "s3express"];
/// Characters of an endpoint policy, white space included.
const POLICY_CHARACTERS: usize = 20_480;

/// How an endpoint is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "other kinds lead to load balancers and resources of one's own, not to AWS's services")]
pub enum EndpointKind {
    /// By routes. It costs nothing.
    Gateway,
    /// By a network interface in each zone.
    Interface,
}

impl EndpointKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Interface => "interface",
        }
    }
}

/// A VPC endpoint, as the user asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    service: String,
    kind: EndpointKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    security_group: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    public_dns: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy: Option<Value>,
}

impl Endpoint {
    /// Routes of private and intra subnets to a service: `s3` or `dynamodb`.
    pub fn gateway(service: impl Into<String>) -> Self {
        Self { service: service.into(), kind: EndpointKind::Gateway, security_group: None, public_dns: false, policy: None }
    }

    /// A network interface in a private subnet of each zone, to a service of AWS in the VPC's Region, `ecr.api`, or to one by
    /// its whole name, `com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0`. In China many names begin with `cn.`: give those
    /// whole, too.
    pub fn interface(service: impl Into<String>) -> Self {
        Self { kind: EndpointKind::Interface, ..Self::gateway(service) }
    }

    /// The network's security group whose rules say who may use it. Default: a group `endpoints`, which lets in port 443 from
    /// the VPC's IPv4 blocks.
    #[must_use]
    pub fn security_group(mut self, name: impl Into<String>) -> Self {
        self.security_group = Some(name.into());
        self
    }

    /// Leaves the service's public name as it is. Otherwise the name leads to the endpoint inside the VPC.
    #[must_use]
    pub fn without_private_dns(mut self) -> Self {
        self.public_dns = true;
        self
    }

    /// What may be done through it, as an IAM policy document. Default: everything.
    #[must_use]
    pub fn policy(mut self, document: impl Into<Value>) -> Self {
        self.policy = Some(document.into());
        self
    }
}

/// VPC endpoints for a purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints(Vec<Endpoint>);

impl Endpoints {
    /// What nodes and common add-ons need where private subnets have no way out: S3 (image layers) by a gateway, and interfaces
    /// to ec2, ecr.api, ecr.dkr, sts, eks, eks-auth, elasticloadbalancing, autoscaling and logs.
    #[must_use]
    pub fn private_cluster() -> Self {
        let interfaces = ["ec2", "ecr.api", "ecr.dkr", "sts", "eks", "eks-auth", "elasticloadbalancing", "autoscaling", "logs"];
        Self([Endpoint::gateway("s3")].into_iter().chain(interfaces.map(Endpoint::interface)).collect())
    }

    /// One more.
    #[must_use]
    pub fn and(mut self, endpoint: Endpoint) -> Self {
        self.0.push(endpoint);
        self
    }
}

impl IntoIterator for Endpoints {
    type Item = Endpoint;
    type IntoIter = std::vec::IntoIter<Endpoint>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// A VPC endpoint with everything decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CheckedEndpoint {
    /// The service as EC2 names it.
    pub(crate) name: String,
    /// As people name it: without the Region.
    pub(crate) service: String,
    pub(crate) kind: EndpointKind,
    /// Name of its security group.
    pub(crate) group: String,
    pub(crate) private_dns: bool,
    pub(crate) policy: Option<Value>,
    /// As the user wrote it.
    pub(crate) asked: Endpoint,
}

impl CheckedEndpoint {
    pub(crate) fn key(&self) -> StepKey {
        keys::endpoint(self.kind.as_str(), &self.service)
    }
}

/// The group that interface endpoints get which name none, if there are such, and no group of the user's has its name.
pub(crate) fn default_group(endpoints: &[Endpoint], groups: &[SecurityGroup], blocks: &[Ipv4Net]) -> Option<SecurityGroup> {
    let wanted = endpoints.iter().any(|endpoint| endpoint.kind == EndpointKind::Interface && endpoint.security_group.is_none());
    if !wanted || groups.iter().any(|group| group.name == DEFAULT_GROUP) {
        return None;
    }
    let group = SecurityGroup::new(DEFAULT_GROUP, "VPC endpoints");
    // Without a block there is a problem already.
    let Some((first, others)) = blocks.split_first() else { return Some(group) };
    Some(group.allow(others.iter().fold(Rule::tcp(443).from_cidr(first), Rule::from_cidr)))
}

/// Checks all endpoints of a network.
pub(crate) fn check(problems: &mut Problems, endpoints: &[Endpoint], groups: &[SecurityGroup], region: &str) -> Vec<CheckedEndpoint> {
    let mut checked: Vec<CheckedEndpoint> = Vec::new();
    for endpoint in endpoints {
        let subject = format!("{} endpoint {}", endpoint.kind.as_str(), endpoint.service);
        let one = decide(endpoint, region);
        if checked.iter().any(|other| (other.kind, &other.name) == (one.kind, &one.name)) {
            problems.add("endpoint-twice", &subject, "it is given twice", "give each endpoint once");
            continue;
        }
        check_one(problems, &subject, &one, groups);
        checked.push(one);
    }
    checked
}

fn decide(endpoint: &Endpoint, region: &str) -> CheckedEndpoint {
    let ours = format!("com.amazonaws.{region}.");
    let service = endpoint.service.strip_prefix(&ours).unwrap_or(&endpoint.service).to_owned();
    // Services of others, of other Regions and of China are named in full.
    let is_whole = ["com.amazonaws.", "cn.com.amazonaws.", "aws."].iter().any(|prefix| service.starts_with(prefix));
    CheckedEndpoint {
        name: if is_whole { service.clone() } else { format!("{ours}{service}") },
        service,
        kind: endpoint.kind,
        group: endpoint.security_group.clone().unwrap_or_else(|| DEFAULT_GROUP.to_owned()),
        private_dns: endpoint.kind == EndpointKind::Interface && !endpoint.public_dns,
        policy: endpoint.policy.clone(),
        asked: endpoint.clone(),
    }
}

fn check_one(problems: &mut Problems, subject: &str, endpoint: &CheckedEndpoint, groups: &[SecurityGroup]) {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
    let service = &endpoint.service;
    if !(1..=100).contains(&service.len()) || !service.bytes().all(fine) {
        let rule = "a service's name is 1–100 of a-z 0-9 . - _";
        problems.add("endpoint-service", subject, rule, "give a name such as ecr.api; see DescribeVpcEndpointServices");
    }
    match endpoint.kind {
        EndpointKind::Gateway => {
            if !GATEWAYS.contains(&service.as_str()) {
                let rule = format!("gateway endpoints exist for {} only", GATEWAYS.join(", "));
                problems.add("endpoint-gateway", subject, rule, "use Endpoint::interface");
            }
            if endpoint.asked.security_group.is_some() || endpoint.asked.public_dns {
                let rule = "a gateway endpoint is a route: it has neither security groups nor private DNS";
                problems.add("endpoint-gateway-option", subject, rule, "leave them out");
            }
        }
        EndpointKind::Interface => {
            if let Some(name) = endpoint.asked.security_group.as_ref().filter(|name| !groups.iter().any(|group| group.name == **name)) {
                let rule = format!("it names the group {name}, which the network does not have");
                problems.add("endpoint-group", subject, rule, "add that group, or leave it out for a default one");
            }
        }
    }
    let Some(policy) = &endpoint.policy else { return };
    if !policy.get("Statement").is_some_and(|statement| statement.is_array() || statement.is_object()) {
        let rule = "its policy has no Statement";
        problems.add("endpoint-policy", subject, rule, "give an IAM policy document, as a JSON object");
    }
    let characters = policy.to_string().chars().count();
    if characters > POLICY_CHARACTERS {
        let rule = format!("its policy has {characters} characters; AWS accepts {POLICY_CHARACTERS}");
        problems.add("endpoint-policy", subject, rule, "shorten it");
    }
}

/// Whether a policy that was found says what is wanted: everything, if nothing is said.
pub(crate) fn same_policy(wanted: Option<&Value>, found: Option<&str>) -> bool {
    let found = found.and_then(|text| serde_json::from_str::<Value>(text).ok());
    match (wanted, found) {
        (Some(wanted), Some(found)) => *wanted == found,
        (None, Some(found)) => is_full_access(&found),
        // A service without policies tells none.
        (wanted, None) => wanted.is_none(),
    }
}

/// AWS writes its default in several ways: with a version or without, the principal as a word or an object.
fn is_full_access(policy: &Value) -> bool {
    let all = |value: Option<&Value>| value.is_some_and(|value| *value == "*" || *value == serde_json::json!({"AWS": "*"}));
    let full = |one: &Value| {
        one.get("Effect").is_some_and(|effect| *effect == "Allow")
            && ["Action", "Principal", "Resource"].iter().all(|field| all(one.get(field)))
            && one.get("Condition").is_none()
    };
    match policy.get("Statement") {
        Some(Value::Array(statements)) => matches!(statements.as_slice(), [one] if full(one)),
        Some(one) => full(one),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let name = |endpoint: Endpoint| decide(&endpoint, "eu-west-1").name;
        assert_eq!(name(Endpoint::interface("ecr.api")), "com.amazonaws.eu-west-1.ecr.api");
        assert_eq!(name(Endpoint::interface("com.amazonaws.eu-west-1.ecr.api")), "com.amazonaws.eu-west-1.ecr.api");
        assert_eq!(name(Endpoint::interface("cn.com.amazonaws.cn-north-1.ec2")), "cn.com.amazonaws.cn-north-1.ec2");
        let key = |service: &str| decide(&Endpoint::interface(service), "eu-west-1").key().to_string();
        assert_eq!(key("com.amazonaws.eu-west-1.ecr.api"), "net/endpoint/interface/ecr.api");
        assert_eq!(key("com.amazonaws.eu-west-1.ecr.api"), key("ecr.api"));
    }

    #[test]
    fn the_preset_has_what_private_clusters_need() {
        let services: Vec<String> = Endpoints::private_cluster().into_iter().map(|endpoint| endpoint.service).collect();
        assert!(
            NODES_NEED.iter().chain(OFTEN_NEEDED.iter().map(|(service, _)| service)).all(|need| services.contains(&(*need).to_owned()))
        );
    }

    #[test]
    fn policies_are_compared_by_meaning() {
        for full in [
            FULL_ACCESS,
            r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#,
            r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"*","Resource":"*"}}"#,
        ] {
            assert!(same_policy(None, Some(full)), "{full}");
        }
        assert!(!same_policy(None, Some(&FULL_ACCESS.replace("Allow", "Deny"))));
        assert!(!same_policy(None, Some(r#"{"Statement":[]}"#)));
        let wanted = serde_json::json!({"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}]});
        assert!(same_policy(Some(&wanted), Some(&wanted.to_string().replace(',', ", "))));
        assert!(!same_policy(Some(&wanted), Some(FULL_ACCESS)) && !same_policy(Some(&wanted), None));
    }
}
