//! Method and path of a REST call to the action and the parameters in the path (EKS API reference, "Request syntax").

use percent_encoding::percent_decode_str;

type Route = (&'static str, &'static str, &'static str);

/// Method, path template and action. Literal segments come before placeholders.
const ROUTES: &[Route] = &[
    ("POST", "clusters", "CreateCluster"),
    ("GET", "clusters", "ListClusters"),
    ("GET", "clusters/{name}", "DescribeCluster"),
    ("DELETE", "clusters/{name}", "DeleteCluster"),
    ("POST", "clusters/{name}/update-config", "UpdateClusterConfig"),
    ("POST", "clusters/{clusterName}/encryption-config/associate", "AssociateEncryptionConfig"),
    ("POST", "clusters/{name}/updates", "UpdateClusterVersion"),
    ("GET", "clusters/{name}/updates", "ListUpdates"),
    ("GET", "clusters/{name}/updates/{updateId}", "DescribeUpdate"),
    ("POST", "clusters/{name}/updates/{updateId}/cancel-update", "CancelUpdate"),
    ("POST", "clusters/{clusterName}/insights", "ListInsights"),
    ("GET", "clusters/{clusterName}/insights/{id}", "DescribeInsight"),
    ("POST", "clusters/{clusterName}/insights-refresh", "StartInsightsRefresh"),
    ("GET", "clusters/{clusterName}/insights-refresh", "DescribeInsightsRefresh"),
    ("GET", "cluster-versions", "DescribeClusterVersions"),
    ("POST", "tags/{resourceArn}", "TagResource"),
    ("DELETE", "tags/{resourceArn}", "UntagResource"),
    ("GET", "tags/{resourceArn}", "ListTagsForResource"),
    ("GET", "addons/supported-versions", "DescribeAddonVersions"),
    ("GET", "addons/configuration-schemas", "DescribeAddonConfiguration"),
    ("POST", "clusters/{clusterName}/addons", "CreateAddon"),
    ("GET", "clusters/{clusterName}/addons", "ListAddons"),
    ("GET", "clusters/{clusterName}/addons/{addonName}", "DescribeAddon"),
    ("POST", "clusters/{clusterName}/addons/{addonName}/update", "UpdateAddon"),
    ("DELETE", "clusters/{clusterName}/addons/{addonName}", "DeleteAddon"),
    ("GET", "access-policies", "ListAccessPolicies"),
    ("POST", "clusters/{clusterName}/access-entries", "CreateAccessEntry"),
    ("GET", "clusters/{clusterName}/access-entries", "ListAccessEntries"),
    ("GET", "clusters/{clusterName}/access-entries/{principalArn}", "DescribeAccessEntry"),
    ("POST", "clusters/{clusterName}/access-entries/{principalArn}", "UpdateAccessEntry"),
    ("DELETE", "clusters/{clusterName}/access-entries/{principalArn}", "DeleteAccessEntry"),
    ("POST", "clusters/{clusterName}/access-entries/{principalArn}/access-policies", "AssociateAccessPolicy"),
    ("GET", "clusters/{clusterName}/access-entries/{principalArn}/access-policies", "ListAssociatedAccessPolicies"),
    ("DELETE", "clusters/{clusterName}/access-entries/{principalArn}/access-policies/{policyArn}", "DisassociateAccessPolicy"),
    ("POST", "clusters/{clusterName}/pod-identity-associations", "CreatePodIdentityAssociation"),
    ("GET", "clusters/{clusterName}/pod-identity-associations", "ListPodIdentityAssociations"),
    ("GET", "clusters/{clusterName}/pod-identity-associations/{associationId}", "DescribePodIdentityAssociation"),
    ("POST", "clusters/{clusterName}/pod-identity-associations/{associationId}", "UpdatePodIdentityAssociation"),
    ("DELETE", "clusters/{clusterName}/pod-identity-associations/{associationId}", "DeletePodIdentityAssociation"),
    ("POST", "clusters/{clusterName}/node-groups", "CreateNodegroup"),
    ("GET", "clusters/{clusterName}/node-groups", "ListNodegroups"),
    ("GET", "clusters/{clusterName}/node-groups/{nodegroupName}", "DescribeNodegroup"),
    ("DELETE", "clusters/{clusterName}/node-groups/{nodegroupName}", "DeleteNodegroup"),
    ("POST", "clusters/{clusterName}/node-groups/{nodegroupName}/update-config", "UpdateNodegroupConfig"),
    ("POST", "clusters/{clusterName}/node-groups/{nodegroupName}/update-version", "UpdateNodegroupVersion"),
    ("GET", "clusters/{clusterName}/fargate-profiles", "ListFargateProfiles"),
    ("GET", "clusters/{clusterName}/identity-provider-configs", "ListIdentityProviderConfigs"),
];

/// Action and decoded path parameters.
pub(crate) fn route(method: &str, path: &str) -> Option<(&'static str, Vec<(&'static str, String)>)> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    ROUTES.iter().filter(|(wanted, ..)| *wanted == method).find_map(|(_, template, action)| {
        let template: Vec<&'static str> = template.split('/').collect();
        if template.len() != segments.len() {
            // An ARN whose slashes the client did not escape: botocore leaves them in the path of the tag calls.
            let greedy = template.first() == Some(&"tags") && segments.first() == Some(&"tags") && segments.len() > 2;
            return greedy.then(|| (*action, vec![("resourceArn", decode(&segments[1..].join("/")))]));
        }
        let mut parameters = Vec::new();
        for (part, segment) in template.iter().zip(&segments) {
            match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some(name) => parameters.push((name, decode(segment))),
                None if part == segment => {}
                None => return None,
            }
        }
        Some((*action, parameters))
    })
}

fn decode(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_actions() {
        assert_eq!(route("GET", "/clusters"), Some(("ListClusters", vec![])));
        assert_eq!(route("DELETE", "/clusters/a"), Some(("DeleteCluster", vec![("name", "a".to_owned())])));
        assert_eq!(route("PATCH", "/clusters/a"), None);
        assert_eq!(route("GET", "/nothing"), None);
    }

    #[test]
    fn arns_in_paths_are_decoded() {
        let (action, parameters) = route("DELETE", "/clusters/c/access-entries/arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%2Fb").expect("a route");
        assert_eq!(action, "DeleteAccessEntry");
        assert_eq!(parameters[1], ("principalArn", "arn:aws:iam::1:role/a/b".to_owned()));
        let (action, parameters) = route("GET", "/tags/arn:aws:eks:us-east-1:1:cluster/c").expect("a route");
        assert_eq!((action, parameters[0].1.as_str()), ("ListTagsForResource", "arn:aws:eks:us-east-1:1:cluster/c"));
    }
}
