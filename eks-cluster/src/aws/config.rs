//! From EKS's description of a cluster to ours.

use aws_sdk_eks::types::Cluster;
use eks_core::{AuthenticationMode, ClusterName};

use crate::{Endpoint, HealthIssue, LogType, ObservedCluster, UpgradePolicy};

pub(super) fn observed(name: &ClusterName, cluster: Cluster) -> ObservedCluster {
    let vpc = cluster.resources_vpc_config();
    let access = cluster.access_config();
    let issues = cluster.health().map(|health| health.issues()).unwrap_or_default();
    let issue = |issue: &aws_sdk_eks::types::ClusterIssue| {
        let code = issue.code().map(|code| code.as_str()).unwrap_or("Other");
        HealthIssue::new(code, issue.message().unwrap_or("no message"), issue.resource_ids().to_vec())
    };
    let network = cluster.kubernetes_network_config();
    ObservedCluster {
        name: name.clone(),
        arn: cluster.arn().unwrap_or_default().to_owned(),
        created: cluster.created_at().and_then(|at| jiff::Timestamp::from_second(at.secs()).ok()),
        status: cluster.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        issues: issues.iter().map(issue).collect(),
        version: cluster.version().unwrap_or_default().to_owned(),
        role: cluster.role_arn().unwrap_or_default().to_owned(),
        subnets: vpc.map(|vpc| vpc.subnet_ids().iter().cloned().collect()).unwrap_or_default(),
        security_groups: vpc.map(|vpc| vpc.security_group_ids().iter().cloned().collect()).unwrap_or_default(),
        cluster_security_group: vpc.and_then(|vpc| vpc.cluster_security_group_id()).map(str::to_owned),
        endpoint_url: cluster.endpoint().map(str::to_owned),
        certificate_authority: cluster.certificate_authority().and_then(|ca| ca.data()).map(str::to_owned),
        issuer: cluster.identity().and_then(|identity| identity.oidc()).and_then(|oidc| oidc.issuer()).map(str::to_owned),
        service_cidr: network.and_then(|network| network.service_ipv4_cidr().or(network.service_ipv6_cidr())).map(str::to_owned),
        endpoint: match vpc.map(|vpc| (vpc.endpoint_public_access(), vpc.endpoint_private_access())) {
            Some((true, true)) => Endpoint::Both,
            Some((false, true)) => Endpoint::Private,
            _ => Endpoint::Public,
        },
        public_access_cidrs: vpc
            .map(|vpc| vpc.public_access_cidrs().iter().filter_map(|block| block.parse().ok()).collect())
            .unwrap_or_default(),
        authentication: access.and_then(|access| access.authentication_mode()).and_then(|mode| match mode.as_str() {
            "API" => Some(AuthenticationMode::Api),
            "API_AND_CONFIG_MAP" => Some(AuthenticationMode::ApiAndConfigMap),
            "CONFIG_MAP" => Some(AuthenticationMode::ConfigMap),
            _ => None,
        }),
        creator_admin: access.and_then(|access| access.bootstrap_cluster_creator_admin_permissions()),
        logging: cluster
            .logging()
            .map(|logging| logging.cluster_logging())
            .unwrap_or_default()
            .iter()
            .filter(|setup| setup.enabled() == Some(true))
            .flat_map(|setup| setup.types())
            .filter_map(|log| LogType::named(log.as_str()))
            .collect(),
        upgrade_policy: cluster.upgrade_policy().and_then(|policy| policy.support_type()).and_then(|policy| match policy.as_str() {
            "EXTENDED" => Some(UpgradePolicy::Extended),
            "STANDARD" => Some(UpgradePolicy::Standard),
            _ => None,
        }),
        deletion_protection: cluster.deletion_protection().unwrap_or_default(),
        settings: super::settings::observed(&cluster),
        tags: cluster.tags.unwrap_or_default().into_iter().collect(),
    }
}
