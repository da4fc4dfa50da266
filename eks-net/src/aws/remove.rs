//! Removing: what is not there is removed, and what something still holds is tried again by the runner.

use aws_sdk_ec2::types::Filter;
use eks_core::{
    AllocationId, Class, Error, InternetGatewayId, NatGatewayId, RouteTableAssociationId, RouteTableId, SecurityGroupId, SubnetId, VpcId,
    aws::failed,
    engine::{StepContext, Wait},
};

use super::{Networks, groups, is, observe::filter, strange, unless_gone};
use crate::{observed::FoundInterface, teardown::NAT_DELETE};

/// Waits until a NAT gateway is deleted.
pub(super) const NAT_DELETED: &str = "nat-gateway-deleted";

impl Networks {
    pub(super) async fn delete_nat_gateway(&self, cx: &StepContext, id: &NatGatewayId) -> Result<(), Error> {
        let result = self.patient.delete_nat_gateway().nat_gateway_id(id.as_str()).send().await;
        match result.map_err(|error| failed("ec2:DeleteNatGateway", id.as_str(), error)) {
            Err(error) if error.class() == Class::NotFound => return Ok(()),
            result => result.map(drop)?,
        }
        cx.wait(Wait::typical(NAT_DELETED, id.as_str(), NAT_DELETE)).await.map(drop)
    }

    pub(super) async fn release_address(&self, id: &AllocationId) -> Result<(), Error> {
        let result = self.patient.release_address().allocation_id(id.as_str()).send().await;
        unless_gone(result.map(drop).map_err(|error| {
            let error = failed("ec2:ReleaseAddress", id.as_str(), error);
            // What EC2 says of an address that a gateway still holds; a missing permission is UnauthorizedOperation.
            if is(&error, "AuthFailure") { error.with_class(Class::Conflict) } else { error }
        }))
    }

    pub(super) async fn delete_internet_gateway(&self, id: &InternetGatewayId, attached_to: &[VpcId]) -> Result<(), Error> {
        for vpc in attached_to {
            let result = self.patient.detach_internet_gateway().internet_gateway_id(id.as_str()).vpc_id(vpc.as_str()).send().await;
            match result.map_err(|error| failed("ec2:DetachInternetGateway", id.as_str(), error)) {
                Err(error) if is(&error, "Gateway.NotAttached") => {}
                result => unless_gone(result.map(drop))?,
            }
        }
        let result = self.patient.delete_internet_gateway().internet_gateway_id(id.as_str()).send().await;
        unless_gone(result.map(drop).map_err(|error| failed("ec2:DeleteInternetGateway", id.as_str(), error)))
    }

    /// Deletes what Kubernetes left in our VPC: network interfaces of the VPC CNI and security groups of clusters, once nothing
    /// uses them. As long as something does, nothing is touched: the cluster may be another owner's, and alive.
    pub(super) async fn sweep(&self, vpc: &VpcId) -> Result<(), Error> {
        let inside = filter("vpc-id", [vpc.as_str()]);
        let interfaces = self.sweep_interfaces(vpc.as_str(), &inside).await?;
        let left: Vec<_> = self.groups(vpc, &inside).await?.into_iter().filter(groups::of_cluster).collect();
        for group in &left {
            if let Some(user) = interfaces.iter().find(|interface| interface.groups.contains(&group.id)) {
                let why = format!("{} uses it ({})", user.id, user.description);
                return Err(strange("ec2:DeleteSecurityGroup", group.id.as_str(), Class::Conflict, why));
            }
        }
        for group in &left {
            self.revoke_names_of(&group.id, vpc).await?;
        }
        for group in &left {
            self.delete_group(&group.id).await?;
        }
        Ok(())
    }

    /// Deletes interfaces of the CNI that nothing uses; tells the others.
    async fn sweep_interfaces(&self, subject: &str, which: &Filter) -> Result<Vec<FoundInterface>, Error> {
        let (unused, others): (Vec<_>, Vec<_>) = self.interfaces(&subject, which).await?.into_iter().partition(is_unused_of_cni);
        for interface in unused {
            let id = interface.id.as_str();
            let result = self.patient.delete_network_interface().network_interface_id(id).send().await;
            unless_gone(result.map(drop).map_err(|error| failed("ec2:DeleteNetworkInterface", id, error)))?;
        }
        Ok(others)
    }

    pub(super) async fn delete_route_table(&self, id: &RouteTableId, associations: &[RouteTableAssociationId]) -> Result<(), Error> {
        for association in associations {
            let result = self.patient.disassociate_route_table().association_id(association.as_str()).send().await;
            unless_gone(result.map(drop).map_err(|error| failed("ec2:DisassociateRouteTable", association.as_str(), error)))?;
        }
        let result = self.patient.delete_route_table().route_table_id(id.as_str()).send().await;
        unless_gone(result.map(drop).map_err(|error| failed("ec2:DeleteRouteTable", id.as_str(), error)))
    }

    pub(super) async fn delete_subnet(&self, cx: &StepContext, id: &SubnetId) -> Result<(), Error> {
        // An interface of the CNI may become unused only after the sweep.
        if cx.attempt() > 1 {
            self.sweep_interfaces(id.as_str(), &filter("subnet-id", [id.as_str()])).await?;
        }
        let result = self.patient.delete_subnet().subnet_id(id.as_str()).send().await;
        unless_gone(result.map(drop).map_err(|error| failed("ec2:DeleteSubnet", id.as_str(), error)))
    }

    pub(super) async fn delete_security_group(&self, cx: &StepContext, id: &SecurityGroupId, vpc: &VpcId) -> Result<(), Error> {
        // A rule that names it may have been added since the teardown was planned.
        if cx.attempt() > 1 {
            self.revoke_names_of(id, vpc).await?;
        }
        self.delete_group(id).await
    }

    pub(super) async fn delete_vpc(&self, id: &VpcId) -> Result<(), Error> {
        let result = self.patient.delete_vpc().vpc_id(id.as_str()).send().await;
        unless_gone(result.map(drop).map_err(|error| failed("ec2:DeleteVpc", id.as_str(), error)))
    }
}

/// The CNI names its interfaces after their instance; one that is available belongs to an instance that is gone. (amazon-vpc-cni-k8s,
/// pkg/awsutils.)
fn is_unused_of_cni(interface: &FoundInterface) -> bool {
    interface.status == "available" && interface.description.starts_with("aws-K8S-")
}
