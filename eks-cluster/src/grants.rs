//! What each IAM action of an operation is about: resources and conditions. (Service Authorization Reference, the pages of Amazon EKS and
//! IAM.)
//!
//! Clusters and roles go by their names, which are known before they exist. Roles are not told by their tags: IAM's own changes are seen
//! late, and a policy would then refuse the second call on a role that the first has just made.

use std::collections::BTreeMap;

use eks_core::{Error, Owner, Permission, Ref, RoleArn, Step, StepKey};

use crate::{ClusterOp, Observed, change::ClusterChange, op::RoleRequest, plan::broken, plane::Encryption};

/// EKS's reads that know no resource.
const PLAIN: [&str; 4] = ["DescribeAddonConfiguration", "DescribeAddonVersions", "DescribeClusterVersions", "ListClusters"];

/// Which cluster, whose, and under which roles.
pub(crate) struct Grants<'a> {
    owner: &'a Owner,
    cluster: &'a str,
    /// ARNs of our roles, by their steps.
    roles: BTreeMap<StepKey, String>,
    /// ARNs of our roles that exist, by their names.
    standing: BTreeMap<&'a str, String>,
}

fn eks(rest: &str) -> String {
    format!("arn:${{Partition}}:eks:${{Region}}:${{Account}}:{rest}")
}

/// ARN of a role that a request makes.
fn requested(request: &RoleRequest) -> String {
    format!("arn:${{Partition}}:iam::${{Account}}:role{}{}", request.path.as_deref().unwrap_or("/"), request.name)
}

impl<'a> Grants<'a> {
    pub(crate) fn new(owner: &'a Owner, cluster: &'a str) -> Self {
        Self { owner, cluster, roles: BTreeMap::new(), standing: BTreeMap::new() }
    }

    /// With the roles that a spec makes.
    pub(crate) fn with_roles(mut self, requests: &[RoleRequest]) -> Self {
        self.roles = requests.iter().map(|request| (request.kind.key(), requested(request))).collect();
        self
    }

    /// With the roles that exist.
    pub(crate) fn with_standing(mut self, now: &'a Observed) -> Self {
        self.standing = now.roles.values().map(|role| (role.name.as_str(), role.arn.to_string())).collect();
        self
    }

    /// A step whose permissions say what they are about.
    pub(crate) fn narrow(&self, step: Step) -> Result<Step, Error> {
        let op: ClusterOp = step.op.decode().map_err(broken)?;
        Ok(step.refine(|action| self.of(&op, action)))
    }

    /// What observing reads: everything of this cluster that EKS tells.
    pub(crate) fn read(&self, action: &str) -> Option<Vec<Permission>> {
        let name = action.strip_prefix("eks:")?;
        let reads = ["Describe", "List"].iter().any(|verb| name.starts_with(verb)) && !PLAIN.contains(&name);
        reads.then(|| vec![Permission::new(action).on(eks(&format!("*/{}", self.cluster))).on(eks(&format!("*/{}/*", self.cluster)))])
    }

    /// What `action` is about when this operation calls it; no more than the action where it knows no resources.
    pub(crate) fn of(&self, op: &ClusterOp, action: &str) -> Option<Vec<Permission>> {
        if let Some(read) = self.read(action) {
            return Some(read);
        }
        match action.split_once(':')? {
            ("eks", name) => self.eks(op, action, name),
            ("iam", "PassRole") => Some(self.pass(op)),
            ("iam", "CreateServiceLinkedRole") => Some(vec![
                Permission::new(action)
                    .on("arn:${Partition}:iam::${Account}:role/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS")
                    .when("StringEquals", "iam:AWSServiceName", ["eks.amazonaws.com"]),
            ]),
            ("iam", _) => self.iam(op, action),
            ("kms", _) => key(op).map(|key| vec![Permission::new(action).on(key)]),
            _ => None,
        }
    }

    /// On the cluster, which carries our tag.
    fn ours(&self, action: &str) -> Vec<Permission> {
        vec![Permission::new(action).on(eks(&format!("cluster/{}", self.cluster))).owned_by(self.owner)]
    }

    /// On what lies in the cluster: `addon/<cluster>/…`.
    fn inside(&self, action: &str, kind: &str, rest: &str) -> Permission {
        Permission::new(action).on(eks(&format!("{kind}/{}/{rest}", self.cluster)))
    }

    fn eks(&self, op: &ClusterOp, action: &str, name: &str) -> Option<Vec<Permission>> {
        let addon = match op {
            ClusterOp::Addon { addon, .. } | ClusterOp::ChangeAddon { addon, .. } => addon.name.as_str(),
            ClusterOp::DeleteAddon { addon, .. } => addon.as_str(),
            ClusterOp::Upgrade(crate::upgrade::UpgradeOp::Addon(hop)) => hop.name.as_str(),
            _ => "*",
        };
        Some(match name {
            "CreateCluster" => vec![Permission::new(action).on(eks(&format!("cluster/{}", self.cluster))).made_by(self.owner)],
            "TagResource" => match op {
                ClusterOp::ControlPlane(_) => {
                    vec![Permission::new(action).on(eks(&format!("cluster/{}", self.cluster))).made_by(self.owner)]
                }
                ClusterOp::Addon { .. } => vec![self.inside(action, "addon", &format!("{addon}/*")).made_by(self.owner)],
                ClusterOp::PodIdentity { .. } => vec![self.inside(action, "podidentityassociation", "*").made_by(self.owner)],
                ClusterOp::Access { .. } => vec![self.inside(action, "access-entry", "*").made_by(self.owner)],
                _ => self.ours(action),
            },
            "UpdateAddon" | "DeleteAddon" => vec![self.inside(action, "addon", &format!("{addon}/*"))],
            "UpdateAccessEntry" | "DeleteAccessEntry" | "AssociateAccessPolicy" | "DisassociateAccessPolicy" => {
                vec![self.inside(action, "access-entry", "*")]
            }
            "UpdatePodIdentityAssociation" | "DeletePodIdentityAssociation" => vec![self.inside(action, "podidentityassociation", "*")],
            _ if PLAIN.contains(&name) => return None,
            _ => self.ours(action),
        })
    }

    fn role(&self, role: &Ref<RoleArn>) -> String {
        match role {
            Ref::Known(arn) => arn.to_string(),
            Ref::Output(output) => self.any(&output.step),
        }
    }

    /// ARN of the role that a step makes; of another layer's, whose name is not known here: any.
    fn any(&self, step: &StepKey) -> String {
        self.roles.get(step).cloned().unwrap_or_else(|| "arn:${Partition}:iam::${Account}:role/*".to_owned())
    }

    /// Which roles are given to which service.
    fn pass(&self, op: &ClusterOp) -> Vec<Permission> {
        let to = |arn: String, services: &[&str]| {
            Permission::new("iam:PassRole").on(arn).when("StringEquals", "iam:PassedToService", services.iter().copied())
        };
        match op {
            ClusterOp::ControlPlane(plane) => {
                let node = plane.settings.auto_mode.as_ref().and_then(|mode| mode.node_role());
                [Some(&plane.role), node].into_iter().flatten().map(|role| to(self.role(role), &["eks.amazonaws.com"])).collect()
            }
            ClusterOp::ChangeControlPlane { changes, .. } => {
                let node = |change: &ClusterChange| match change {
                    ClusterChange::AutoMode(mode) => mode.node_role().map(|role| to(self.role(role), &["eks.amazonaws.com"])),
                    _ => None,
                };
                changes.iter().filter_map(node).collect()
            }
            ClusterOp::Addon { addon, .. } | ClusterOp::ChangeAddon { addon, .. } => {
                let by_agent = addon.pod_identity.iter().map(|(_, role)| to(self.role(role), &["pods.eks.amazonaws.com"]));
                let by_token = addon.service_account_role.iter().map(|role| to(self.role(role), &["eks.amazonaws.com"]));
                by_agent.chain(by_token).collect()
            }
            ClusterOp::PodIdentity { association, .. } => vec![to(self.role(&association.role), &["pods.eks.amazonaws.com"])],
            ClusterOp::Access { entry, .. } => {
                let principal = match &entry.principal {
                    Ref::Known(arn) => arn.clone(),
                    Ref::Output(output) => self.any(&output.step),
                };
                // No page says which service the role counts as passed to.
                vec![to(principal, &["ec2.${Suffix}", "eks.amazonaws.com"])]
            }
            _ => Vec::new(),
        }
    }

    fn iam(&self, op: &ClusterOp, action: &str) -> Option<Vec<Permission>> {
        let reads = ["iam:Get", "iam:List"].iter().any(|verb| action.starts_with(verb));
        Some(match op {
            _ if reads => return None,
            ClusterOp::Role(request) => {
                let permission = Permission::new(action).on(requested(request));
                vec![match action {
                    "iam:CreateRole" | "iam:TagRole" => permission.made_by(self.owner),
                    "iam:AttachRolePolicy" => permission.when("ArnEquals", "iam:PolicyARN", request.policies.iter().map(String::as_str)),
                    _ => permission,
                }]
            }
            ClusterOp::DeleteRole { name } => {
                let arn = self.standing.get(name.as_str()).cloned();
                vec![Permission::new(action).on(arn.unwrap_or_else(|| format!("arn:${{Partition}}:iam::${{Account}}:role/{name}")))]
            }
            ClusterOp::OidcProvider { .. } => {
                let issuers = "arn:${Partition}:iam::${Account}:oidc-provider/oidc.eks.${Region}.*";
                let permission = Permission::new(action).on(issuers);
                vec![if action == "iam:AddClientIDToOpenIDConnectProvider" { permission } else { permission.made_by(self.owner) }]
            }
            ClusterOp::DeleteOidcProvider { arn } => vec![Permission::new(action).on(arn.as_str())],
            _ => return None,
        })
    }
}

/// The customer's key that a control plane is encrypted with.
fn key(op: &ClusterOp) -> Option<String> {
    match op {
        ClusterOp::ControlPlane(plane) => plane.settings.encryption.as_ref().and_then(Encryption::key).map(ToString::to_string),
        ClusterOp::ChangeControlPlane { changes, .. } => changes.iter().find_map(|change| match change {
            ClusterChange::Encryption(key) => Some(key.to_string()),
            _ => None,
        }),
        _ => None,
    }
}
