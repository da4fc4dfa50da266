//! Kinds of resources: the form of their ids, and how EC2 words it when one is malformed or absent.

use std::collections::BTreeMap;

use super::State;
use crate::error::ApiError;

/// One kind of resource. Codes as in "Error codes for the Amazon EC2 API", irregular as they are.
pub(super) struct Kind {
    pub(super) prefix: &'static str,
    noun: &'static str,
    /// The same as `not_found` where the reference has no code for it.
    malformed: &'static str,
    not_found: &'static str,
    /// The name of the kind in TagSpecification and DescribeTags.
    pub(super) tag_type: &'static str,
    exists: fn(&State, &str) -> bool,
}

macro_rules! kinds {
    ($($name:ident $prefix:literal $noun:literal $malformed:literal $not_found:literal $tag:literal $map:ident;)*) => {
        $(pub(super) const $name: Kind = Kind {
            prefix: $prefix,
            noun: $noun,
            malformed: $malformed,
            not_found: $not_found,
            tag_type: $tag,
            exists: |state, id| state.$map.contains_key(id),
        };)*
        /// Every kind that can be tagged.
        const KINDS: &[Kind] = &[$($name),*];
    };
}

kinds! {
    VPC "vpc" "vpc" "InvalidVpcID.Malformed" "InvalidVpcID.NotFound" "vpc" vpcs;
    SUBNET "subnet" "subnet" "InvalidSubnetID.Malformed" "InvalidSubnetID.NotFound" "subnet" subnets;
    INTERNET_GATEWAY "igw" "internetGateway" "InvalidInternetGatewayId.Malformed" "InvalidInternetGatewayID.NotFound" "internet-gateway" internet_gateways;
    EGRESS_ONLY_GATEWAY "eigw" "egressOnlyInternetGateway" "InvalidEgressOnlyInternetGatewayId.Malformed" "InvalidGatewayID.NotFound" "egress-only-internet-gateway" egress_only_gateways;
    ROUTE_TABLE "rtb" "routeTable" "InvalidRouteTableId.Malformed" "InvalidRouteTableID.NotFound" "route-table" route_tables;
    NAT_GATEWAY "nat" "natGateway" "NatGatewayMalformed" "NatGatewayNotFound" "natgateway" nat_gateways;
    ADDRESS "eipalloc" "allocation" "InvalidAllocationID.NotFound" "InvalidAllocationID.NotFound" "elastic-ip" addresses;
    SECURITY_GROUP "sg" "security group" "InvalidGroupId.Malformed" "InvalidGroup.NotFound" "security-group" security_groups;
    SECURITY_GROUP_RULE "sgr" "security group rule" "InvalidSecurityGroupRuleId.Malformed" "InvalidSecurityGroupRuleId.NotFound" "security-group-rule" rule_owners;
    NETWORK_INTERFACE "eni" "networkInterface" "InvalidNetworkInterfaceId.Malformed" "InvalidNetworkInterfaceID.NotFound" "network-interface" interfaces;
    NETWORK_ACL "acl" "networkAcl" "InvalidNetworkAclId.Malformed" "InvalidNetworkAclID.NotFound" "network-acl" acls;
    ENDPOINT "vpce" "Vpc Endpoint" "InvalidVpcEndpointId.Malformed" "InvalidVpcEndpointId.NotFound" "vpc-endpoint" endpoints;
    PREFIX_LIST "pl" "prefix list" "InvalidPrefixListId.Malformed" "InvalidPrefixListID.NotFound" "prefix-list" prefix_lists;
    TRANSIT_GATEWAY "tgw" "transitGateway" "InvalidTransitGatewayID.Malformed" "InvalidTransitGatewayID.NotFound" "transit-gateway" transit_gateways;
    TRANSIT_ATTACHMENT "tgw-attach" "transitGatewayAttachment" "InvalidTransitGatewayAttachmentID.Malformed" "InvalidTransitGatewayAttachmentID.NotFound" "transit-gateway-attachment" transit_attachments;
    INSTANCE "i" "instance" "InvalidInstanceID.Malformed" "InvalidInstanceID.NotFound" "instance" instances;
    VOLUME "vol" "volume" "InvalidVolumeID.Malformed" "InvalidVolume.NotFound" "volume" volumes;
    LAUNCH_TEMPLATE "lt" "launch template" "InvalidLaunchTemplateId.Malformed" "InvalidLaunchTemplateId.NotFound" "launch-template" templates;
    KEY_PAIR "key" "key pair" "InvalidKeyPair.NotFound" "InvalidKeyPair.NotFound" "key-pair" key_pairs;
}

impl Kind {
    /// The kind that an id's prefix names.
    pub(super) fn of(id: &str) -> Option<&'static Self> {
        let prefix = id.rsplit_once('-')?.0;
        KINDS.iter().find(|kind| kind.prefix == prefix)
    }

    /// Whether a resource with this id exists.
    pub(super) fn has(&self, state: &State, id: &str) -> bool {
        (self.exists)(state, id)
    }

    /// Refuses an id that cannot be one of this kind: ids end in 8 (until 2018) or 17 hexadecimal digits.
    pub(super) fn check(&self, id: &str) -> Result<(), ApiError> {
        if well_formed(self.prefix, id) {
            return Ok(());
        }
        if self.malformed == self.not_found {
            return Err(self.not_found(id));
        }
        Err(ApiError::new(self.malformed, format!("Invalid id: \"{id}\" (expecting \"{}-...\")", self.prefix)))
    }

    /// No such resource.
    pub(super) fn not_found(&self, id: &str) -> ApiError {
        let message = match self.prefix {
            "nat" => format!("NAT gateway {id} was not found"),
            "sg" => format!("The security group '{id}' does not exist"),
            "vol" | "key" => format!("The {} '{id}' does not exist.", self.noun),
            "lt" => format!("The specified launch template, with template ID {id}, does not exist."),
            _ => format!("The {} ID '{id}' does not exist", self.noun),
        };
        ApiError::new(self.not_found, message)
    }

    /// The resource with this id.
    pub(super) fn find<'a, T>(&self, map: &'a BTreeMap<String, T>, id: &str) -> Result<&'a T, ApiError> {
        self.check(id)?;
        map.get(id).ok_or_else(|| self.not_found(id))
    }

    /// The resource with this id, to change it.
    pub(super) fn find_mut<'a, T>(&self, map: &'a mut BTreeMap<String, T>, id: &str) -> Result<&'a mut T, ApiError> {
        self.check(id)?;
        map.get_mut(id).ok_or_else(|| self.not_found(id))
    }
}

/// Whether `id` is `prefix-` and 8 or 17 hexadecimal digits.
pub(super) fn well_formed(prefix: &str, id: &str) -> bool {
    id.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|digits| matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_the_reference() {
        assert_eq!(VPC.check("vpc-xyz").unwrap_err().code, "InvalidVpcID.Malformed");
        assert_eq!(NAT_GATEWAY.check("igw-0123456789abcdef0").unwrap_err().code, "NatGatewayMalformed");
        assert_eq!(ADDRESS.check("1.2.3.4").unwrap_err().code, "InvalidAllocationID.NotFound");
        assert!(VPC.check("vpc-1a2b3c4d").is_ok());
        assert_eq!(NAT_GATEWAY.not_found("nat-1").code, "NatGatewayNotFound");
    }

    #[test]
    fn prefixes_name_kinds() {
        assert_eq!(Kind::of("eipalloc-0123456789abcdef0").map(|kind| kind.tag_type), Some("elastic-ip"));
        assert!(Kind::of("nonsense").is_none());
    }
}
