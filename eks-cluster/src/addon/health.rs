//! What EKS finds wrong with an add-on, and what to do about it.

/// What to do about an issue. EKS API Reference, AddonIssue; EKS User Guide, "Amazon EKS add-ons" and "Troubleshoot Amazon EKS add-ons".
pub(crate) fn remedy(code: &str) -> Option<&'static str> {
    Some(match code {
        "AccessDenied" => {
            "EKS may not act in the cluster: put back the ClusterRoles and bindings eks:addon-manager and eks:addon-cluster-admin"
        }
        "AddonPermissionFailure" => "its Pods lack AWS permissions: give it a role by Addon::role, or attach the policy that it needs",
        "AddonSubscriptionNeeded" => "subscribe to it in AWS Marketplace",
        "AdmissionRequestDenied" => "an admission webhook or policy refuses its objects: exempt its namespace, and plan again",
        "ClusterUnreachable" => "EKS cannot reach the API server: look at the cluster's health, its subnets and security groups",
        "ConfigurationConflict" => "others have set fields that it sets: Addon::conflicts(Conflicts::Overwrite) takes them over",
        "InsufficientNumberOfReplicas" => {
            "its Pods do not all run: nodes are missing, too full or tainted, or their image cannot be pulled"
        }
        "InternalFailure" => "EKS failed: plan again, and ask AWS Support if it stays",
        "K8sResourceNotFound" => "an object of it is gone: plan again, as an update puts it back",
        "UnsupportedAddonModification" => "its objects were changed in a way that it does not support: undo that, or overwrite it",
        _ => return None,
    })
}

/// Troubles that nodes and time do not heal.
#[cfg(feature = "aws")]
pub(crate) fn lasts(code: &str) -> bool {
    matches!(
        code,
        "AccessDenied"
            | "AddonPermissionFailure"
            | "AddonSubscriptionNeeded"
            | "AdmissionRequestDenied"
            | "ConfigurationConflict"
            | "UnsupportedAddonModification"
    )
}

/// Issues on one line, each with what to do about it.
pub(crate) fn diagnosis(issues: &[(String, String)]) -> String {
    let one = |(code, message): &(String, String)| match remedy(code) {
        Some(remedy) => format!("{code}: {} ({remedy})", message.trim_end_matches('.')),
        None => format!("{code}: {message}"),
    };
    if issues.is_empty() { "EKS tells no reason".to_owned() } else { issues.iter().map(one).collect::<Vec<_>>().join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_code_has_a_remedy() {
        for code in [
            "AccessDenied",
            "AddonPermissionFailure",
            "AddonSubscriptionNeeded",
            "AdmissionRequestDenied",
            "ClusterUnreachable",
            "ConfigurationConflict",
            "InsufficientNumberOfReplicas",
            "InternalFailure",
            "K8sResourceNotFound",
            "UnsupportedAddonModification",
        ] {
            assert!(remedy(code).is_some(), "{code}");
        }
        #[cfg(feature = "aws")]
        assert!(!lasts("InsufficientNumberOfReplicas"), "coredns without nodes is not broken");
        let told = diagnosis(&[("New".to_owned(), "words".to_owned())]);
        assert_eq!(told, "New: words");
    }
}
