//! EKS's calls ("Actions, resources, and condition keys for Amazon Elastic Kubernetes Service"; user guide, "Identity-based policy examples
//! for Amazon EKS").

use serde_json::{Value, json};

use super::need::{Asker, Context, mapped, request_tags, resource_tags};
use crate::call::Service;

/// Calls that are about no cluster.
const PLAIN: [&str; 5] =
    ["DescribeAddonConfiguration", "DescribeAddonVersions", "DescribeClusterVersions", "ListAccessPolicies", "ListClusters"];

pub(super) fn needs(asker: &mut Asker<'_>, action: &str) {
    let name = format!("eks:{action}");
    if PLAIN.contains(&action) {
        return asker.plain(&name);
    }
    let tags = mapped(asker.args.get("tags").unwrap_or(&Value::Null));
    if matches!(action, "TagResource" | "UntagResource" | "ListTagsForResource") {
        let resource = asker.text("resourceArn");
        let cluster = resource.split_once(":cluster/").map(|(_, name)| name.to_owned());
        let mut keys = request_tags(&tags);
        keys.extend(cluster.map_or_else(Context::new, |cluster| cluster_tags(asker, &cluster)));
        return asker.need(&name, resource, keys);
    }
    let cluster = asker.args.str("clusterName").or(asker.args.str("name")).unwrap_or_default().to_owned();
    let resource = resource(asker, action, &cluster);
    let mut keys: Context = request_tags(&tags);
    if action != "CreateCluster" && resource.contains(":cluster/") {
        keys.extend(cluster_tags(asker, &cluster));
    }
    if let Some(principal) = asker.args.str("principalArn") {
        keys.push(("eks:principalarn".to_owned(), vec![principal.to_owned()]));
    }
    asker.need(&name, &resource, keys);
    if action.starts_with("Create") && !tags.is_empty() {
        let made = match action {
            "CreateCluster" => resource,
            "CreateAddon" => asker.arn("eks", format!("addon/{cluster}/{}/*", asker.text("addonName"))),
            "CreateAccessEntry" => entry(asker, &cluster),
            "CreateNodegroup" => asker.arn("eks", format!("nodegroup/{cluster}/{}/*", asker.text("nodegroupName"))),
            _ => asker.arn("eks", format!("podidentityassociation/{cluster}/*")),
        };
        asker.need("eks:TagResource", made, request_tags(&tags));
    }
    dependent(asker, action);
}

fn cluster_tags(asker: &mut Asker<'_>, cluster: &str) -> Context {
    let told = asker.ask(Service::Eks, "DescribeCluster", json!({"name": cluster}));
    resource_tags("eks", &mapped(&told["cluster"]["tags"]))
}

/// The resource that an action is about: a cluster, or what lies in one.
fn resource(asker: &mut Asker<'_>, action: &str, cluster: &str) -> String {
    let text = |name: &str| asker.args.str(name).unwrap_or_default().to_owned();
    match action {
        "DescribeAddon" | "UpdateAddon" | "DeleteAddon" => asker.arn("eks", format!("addon/{cluster}/{}/*", text("addonName"))),
        "DescribeUpdate" if !text("addonName").is_empty() => asker.arn("eks", format!("addon/{cluster}/{}/*", text("addonName"))),
        "DescribeUpdate" if !text("nodegroupName").is_empty() => {
            asker.arn("eks", format!("nodegroup/{cluster}/{}/*", text("nodegroupName")))
        }
        "DescribeNodegroup" | "UpdateNodegroupConfig" | "UpdateNodegroupVersion" | "DeleteNodegroup" => {
            asker.arn("eks", format!("nodegroup/{cluster}/{}/*", text("nodegroupName")))
        }
        "DescribeAccessEntry"
        | "UpdateAccessEntry"
        | "DeleteAccessEntry"
        | "AssociateAccessPolicy"
        | "DisassociateAccessPolicy"
        | "ListAssociatedAccessPolicies" => entry(asker, cluster),
        "DescribePodIdentityAssociation" | "UpdatePodIdentityAssociation" | "DeletePodIdentityAssociation" => {
            asker.arn("eks", format!("podidentityassociation/{cluster}/{}", text("associationId")))
        }
        _ => asker.arn("eks", format!("cluster/{cluster}")),
    }
}

/// `access-entry/${ClusterName}/${IamIdentityType}/${IamIdentityAccountID}/${IamIdentityName}/${UUID}`
fn entry(asker: &Asker<'_>, cluster: &str) -> String {
    let principal = asker.text("principalArn");
    let account = principal.split(':').nth(4).unwrap_or_default();
    let identity = principal.splitn(6, ':').nth(5).unwrap_or_default();
    let (kind, name) = identity.split_once('/').unwrap_or((identity, ""));
    let name = name.rsplit('/').next().unwrap_or_default();
    asker.arn("eks", format!("access-entry/{cluster}/{kind}/{account}/{name}/*"))
}

/// Dependent actions: roles that are given to EKS or, by it, to Pods and nodes.
fn dependent(asker: &mut Asker<'_>, action: &str) {
    match action {
        "CreateCluster" => {
            let role = asker.text("roleArn");
            asker.pass_role(&role, "eks.amazonaws.com");
            if let Some(node) = asker.args.sub("computeConfig").str("nodeRoleArn").map(str::to_owned) {
                asker.pass_role(&node, "eks.amazonaws.com");
            }
            asker.service_linked("eks.amazonaws.com", "AWSServiceRoleForAmazonEKS");
        }
        "CreateNodegroup" => {
            let role = asker.text("nodeRole");
            asker.pass_role(&role, "eks.amazonaws.com");
            asker.service_linked("eks-nodegroup.amazonaws.com", "AWSServiceRoleForAmazonEKSNodegroup");
        }
        "CreateAddon" | "UpdateAddon" => {
            if let Some(role) = asker.args.str("serviceAccountRoleArn").map(str::to_owned) {
                asker.pass_role(&role, "eks.amazonaws.com");
            }
            let cluster = asker.text("clusterName");
            for association in asker.args.nested("podIdentityAssociations") {
                let role = association.str("roleArn").unwrap_or_default().to_owned();
                let resource = asker.arn("eks", format!("cluster/{cluster}"));
                let keys = cluster_tags(asker, &cluster);
                asker.need("eks:CreatePodIdentityAssociation", resource, keys);
                asker.need("iam:GetRole", &role, Vec::new());
                asker.pass_role(&role, "pods.eks.amazonaws.com");
            }
        }
        "CreatePodIdentityAssociation" | "UpdatePodIdentityAssociation" => {
            if let Some(role) = asker.args.str("roleArn").map(str::to_owned) {
                asker.need("iam:GetRole", &role, Vec::new());
                asker.pass_role(&role, "pods.eks.amazonaws.com");
            }
        }
        // "EC2 types need caller iam:PassRole" (user guide, "Create access entries").
        "CreateAccessEntry" if asker.args.str("type").is_some_and(|kind| kind.starts_with("EC2")) => {
            let role = asker.text("principalArn");
            asker.pass_role(&role, "ec2.amazonaws.com");
        }
        _ => {}
    }
}
