//! Default quotas ("Amazon VPC quotas", "Amazon EC2 endpoints and quotas").

use crate::{error::ApiError, world::World};

pub(super) const VPCS: usize = 5;
pub(super) const INTERNET_GATEWAYS: usize = 5;
pub(super) const EGRESS_ONLY_GATEWAYS: usize = 5;
pub(super) const SUBNETS_PER_VPC: usize = 200;
pub(super) const CIDRS_PER_VPC: usize = 5;
pub(super) const IPV6_CIDRS_PER_VPC: usize = 5;
pub(super) const ROUTE_TABLES_PER_VPC: usize = 200;
pub(super) const ROUTES_PER_TABLE: usize = 500;
pub(super) const ELASTIC_IPS: usize = 5;
pub(super) const NAT_GATEWAYS_PER_ZONE: usize = 5;
/// Of a zonal public NAT gateway.
pub(super) const ELASTIC_IPS_PER_NAT_GATEWAY: usize = 2;
pub(super) const PRIVATE_IPS_PER_NAT_GATEWAY: usize = 8;
/// Of a regional NAT gateway ("Regional NAT gateways").
pub(super) const ELASTIC_IPS_PER_ZONE_OF_NAT_GATEWAY: usize = 32;
pub(super) const SECURITY_GROUPS: usize = 2_500;
pub(super) const RULES_PER_DIRECTION: usize = 60;
pub(super) const GROUPS_PER_INTERFACE: usize = 5;
pub(super) const INTERFACES: usize = 5_000;
pub(super) const NETWORK_ACLS_PER_VPC: usize = 200;
/// In each direction.
pub(super) const ENTRIES_PER_NETWORK_ACL: usize = 20;
pub(super) const GATEWAY_ENDPOINTS: usize = 20;
pub(super) const INTERFACE_ENDPOINTS_PER_VPC: usize = 50;
pub(super) const TAGS: usize = 50;
/// GiB of gp2 and of gp3 volumes, each.
pub(super) const STORAGE_GIB: i64 = 50 * 1_024;
/// Volumes and network interfaces of an instance ("Amazon EBS volume limits for Amazon EC2 instances": most Nitro types).
pub(super) const ATTACHMENTS: usize = 28;
pub(super) const TEMPLATES: usize = 5_000;
pub(super) const VERSIONS_PER_TEMPLATE: usize = 10_000;
/// Running On-Demand Standard instances (L-1216C47A), vCPUs, of a new account (EKS best practices guide, "Known limits and
/// service quotas").
pub(super) const STANDARD_VCPUS: usize = 5;

/// The account's quota of Standard vCPUs is `vcpus` from now on, as after a quota increase.
pub(crate) fn set_standard_vcpus(world: &mut World, vcpus: u32) {
    world.ec2.standard_vcpus = usize::try_from(vcpus).ok();
}

/// Refuses one more of something of which there are `count` and may be `most`.
pub(super) fn within(count: usize, most: usize, code: &str, message: &str) -> Result<(), ApiError> {
    if count < most { Ok(()) } else { Err(ApiError::new(code, message)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::call::{Caller, Service};

    /// The quotas that are too large to fill over the wire: the account gets copies until one more is left.
    #[tokio::test(start_paused = true)]
    async fn large_ones() {
        let mut world = World::for_tests("us-east-1");
        let caller = Caller { arn: "arn:aws:iam::123456789012:user/admin".to_owned(), user_id: String::new() };
        let subnet = world.ec2.subnets.keys().next().cloned().expect("default subnet");
        for (action, args, most, code) in [
            ("CreateSecurityGroup", json!({"GroupName": "NAME", "GroupDescription": "g"}), 2_500, "SecurityGroupLimitExceeded"),
            ("CreateNetworkInterface", json!({"SubnetId": subnet}), 5_000, "NetworkInterfaceLimitExceeded"),
        ] {
            let create = |world: &mut World, name: &str| {
                let mut args = args.clone();
                if args.get("GroupName").is_some() {
                    args["GroupName"] = json!(name);
                }
                world.call(Service::Ec2, action, args, &caller).map_or_else(|error| error.code, |_| "done".to_owned())
            };
            assert_eq!(create(&mut world, "first"), "done");
            let (groups, interfaces) = (&mut world.ec2.security_groups, &mut world.ec2.interfaces);
            if action == "CreateSecurityGroup" {
                let copy = groups.values().next().cloned().expect("a group");
                (0..).map(|n| format!("copy-{n}")).take(most - 1 - groups.len()).for_each(|id| drop(groups.insert(id, copy.clone())));
            } else {
                let copy = interfaces.values().next().cloned().expect("an interface");
                (0..)
                    .map(|n| format!("copy-{n}"))
                    .take(most - 1 - interfaces.len())
                    .for_each(|id| drop(interfaces.insert(id, copy.clone())));
            }
            assert_eq!(create(&mut world, "last"), "done", "{action}");
            assert_eq!(create(&mut world, "more"), code, "{action}");
        }
    }
}
