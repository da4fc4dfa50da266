//! Removing: what is not there is removed, and what something still holds is tried again by the runner.

use eks_core::{
    Class, Error, InternetGatewayId, RouteTableAssociationId, RouteTableId, SecurityGroupId, SubnetId, VpcId, aws::failed,
    engine::StepContext,
};

use super::{Networks, create::to_tags, groups, is, observe::filter, strange, unless_gone};
use crate::{
    observed::{FoundGroup, FoundInterface},
    tags::Tags,
};

/// The attempt at a sweep, some five seconds each, from which on a group that is in use is in use for good.
const SURELY_HELD: u32 = 12;

impl Networks {
    /// Takes tags off, each if it still has this value. (Amazon EC2 API Reference, DeleteTags.)
    pub(super) async fn untag(&self, id: &str, tags: &Tags) -> Result<(), Error> {
        let result = self.patient.delete_tags().resources(id).set_tags(Some(to_tags(tags))).send().await;
        unless_gone(result.map(drop).map_err(|error| failed("ec2:DeleteTags", id, error)))
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

    /// Deletes what Kubernetes left in our VPC: network interfaces of the VPC CNI whose instances are gone, and security groups
    /// of clusters. As long as anything shows that a cluster in the VPC is alive, nothing is touched: it may be another owner's.
    ///
    /// Rules of other groups in the VPC, whoever made them, are revoked if they name a group that is deleted here.
    pub(super) async fn sweep(&self, cx: &StepContext, vpc: &VpcId) -> Result<(), Error> {
        let inside = filter("vpc-id", [vpc.as_str()]);
        let (interfaces, groups) = tokio::try_join!(self.interfaces(vpc, &inside), self.groups(vpc, &inside))?;
        let groups: Vec<_> = groups.into_iter().filter(groups::of_cluster).collect();
        if let Some(user) = user(&interfaces, &groups) {
            let why = format!("a cluster in it is alive: {} is {} ({})", user.id, user.status, user.description);
            return Err(strange("ec2:DescribeNetworkInterfaces", vpc.as_str(), Class::Conflict, why));
        }
        let unused: Vec<_> = interfaces.iter().filter(|interface| is_unused_of_cni(interface)).collect();
        self.delete_interfaces(&unused).await?;
        for group in &groups {
            self.revoke_names_of(&group.id, vpc).await?;
        }
        for group in &groups {
            match self.delete_group(&group.id).await {
                // Something wears it that is no cluster's. Subnets are not held by it, and the VPC will tell.
                Err(error) if error.class() == Class::Conflict && cx.attempt() >= SURELY_HELD => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// The same for interfaces of one subnet that became unused only after the sweep.
    async fn sweep_subnet(&self, id: &SubnetId) -> Result<(), Error> {
        let inside = self.interfaces(id, &filter("subnet-id", [id.as_str()])).await?;
        let mut unused: Vec<_> = inside.iter().filter(|interface| is_unused_of_cni(interface)).collect();
        if unused.is_empty() {
            return Ok(());
        }
        let instances = filter("attachment.instance-id", unused.iter().filter_map(|interface| instance_of_cni(interface)));
        let attached = self.interfaces(id, &instances).await?;
        unused.retain(|interface| attached.iter().all(|other| other.instance.as_deref() != instance_of_cni(interface)));
        self.delete_interfaces(&unused).await
    }

    async fn delete_interfaces(&self, interfaces: &[&FoundInterface]) -> Result<(), Error> {
        for interface in interfaces {
            let id = interface.id.as_str();
            let result = self.patient.delete_network_interface().network_interface_id(id).send().await;
            unless_gone(result.map(drop).map_err(|error| failed("ec2:DeleteNetworkInterface", id, error)))?;
        }
        Ok(())
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
        // Something holds it.
        if cx.attempt() > 1 {
            self.sweep_subnet(id).await?;
        }
        let result = self.patient.delete_subnet().subnet_id(id.as_str()).send().await;
        unless_gone(result.map(drop).map_err(|error| failed("ec2:DeleteSubnet", id.as_str(), error)))
    }

    pub(super) async fn delete_security_group(&self, cx: &StepContext, id: &SecurityGroupId, vpc: Option<&VpcId>) -> Result<(), Error> {
        // A rule that names it may have been added since the teardown was planned.
        if let Some(vpc) = vpc.filter(|_| cx.attempt() > 1) {
            self.revoke_names_of(id, vpc).await?;
        }
        self.delete_group(id).await
    }

    pub(super) async fn delete_vpc(&self, id: &VpcId) -> Result<(), Error> {
        let result = self.patient.delete_vpc().vpc_id(id.as_str()).send().await;
        unless_gone(result.map(drop).map_err(|error| failed("ec2:DeleteVpc", id.as_str(), error)))
    }
}

/// The instance that an interface of the VPC CNI was made for, which its description names. (amazon-vpc-cni-k8s, pkg/awsutils.)
fn instance_of_cni(interface: &FoundInterface) -> Option<&str> {
    interface.description.strip_prefix("aws-K8S-").filter(|instance| instance.starts_with("i-"))
}

/// Whether it is an interface of the CNI that is attached to nothing: left by an instance that is gone, or just made by one
/// that lives.
fn is_unused_of_cni(interface: &FoundInterface) -> bool {
    interface.status == "available" && instance_of_cni(interface).is_some()
}

/// An interface that shows that a cluster in the VPC is alive: of a control plane; of an instance for which the CNI made
/// interfaces, as every instance has a primary one while it exists; or in use in a cluster's security group.
fn user<'a>(interfaces: &'a [FoundInterface], groups: &[FoundGroup]) -> Option<&'a FoundInterface> {
    let has_cni = |instance: &str| interfaces.iter().any(|other| instance_of_cni(other) == Some(instance));
    interfaces.iter().find(|interface| {
        interface.description.starts_with("Amazon EKS ")
            || interface.instance.as_deref().is_some_and(has_cni)
            || interface.status != "available" && groups.iter().any(|group| interface.groups.contains(&group.id))
    })
}
