//! What each IAM action is about that managed groups need (Service Authorization Reference, "Actions, resources, and condition keys for
//! Amazon Elastic Kubernetes Service"; EKS User Guide, "Customize managed nodes with launch templates").

use eks_core::{Owner, Permission, Ref, RoleArn};

use super::settings::Managed;
use crate::{grants::named_after, spec::WorkersSpec};

/// Whose group, of which name, in which cluster.
pub(crate) struct GroupGrants<'a> {
    pub(crate) owner: &'a Owner,
    pub(crate) cluster: &'a str,
    pub(crate) name: &'a str,
    /// The role of its nodes, if it is known; else that of its base stack.
    pub(crate) role: Option<String>,
}

fn eks(rest: &str) -> String {
    format!("arn:${{Partition}}:eks:${{Region}}:${{Account}}:{rest}")
}

impl GroupGrants<'_> {
    /// What `action` is about; no more than the action where it knows no resources, and for reads of other services.
    pub(crate) fn of(&self, action: &str) -> Option<Vec<Permission>> {
        let group = eks(&format!("nodegroup/{}/{}/*", self.cluster, self.name));
        let on = |resource: &str| Permission::new(action).on(resource);
        Some(vec![match action {
            "eks:CreateNodegroup" => on(&eks(&format!("cluster/{}", self.cluster))).made_by(self.owner),
            "eks:TagResource" => on(&group).made_by(self.owner),
            "eks:ListClusters" | "eks:ListNodegroups" => return None,
            _ if action.starts_with("eks:") => on(&group),
            "iam:PassRole" => {
                let base = named_after(&format!("{}-base", self.name));
                let made = || format!("arn:${{Partition}}:iam::${{Account}}:role/{base}*");
                on(&self.role.clone().unwrap_or_else(made)).when("StringEquals", "iam:PassedToService", ["eks.amazonaws.com"])
            }
            "iam:CreateServiceLinkedRole" => {
                let service = "eks-nodegroup.amazonaws.com";
                let role = format!("role/aws-service-role/{service}/AWSServiceRoleForAmazonEKSNodegroup");
                on(&format!("arn:${{Partition}}:iam::${{Account}}:{role}")).when("StringEquals", "iam:AWSServiceName", [service])
            }
            _ => return None,
        }])
    }
}

impl WorkersSpec {
    pub(crate) fn group_grants<'a>(&'a self, settings: &Managed) -> GroupGrants<'a> {
        let role = settings.role.as_ref().and_then(Ref::known).map(|role: &RoleArn| role.to_string());
        GroupGrants { owner: &self.owner, cluster: self.cluster.name.as_str(), name: self.name.as_str(), role }
    }
}
