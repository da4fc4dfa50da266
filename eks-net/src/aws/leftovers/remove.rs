//! Removing: what is not there is removed, and what something still holds is tried again by the runner.

use std::{slice, time::Duration};

use eks_core::{Class, ClusterTrace, Error, Owner, SecurityGroupId, VpcId, aws::failed, engine::StepContext};

use super::{
    super::{observe::filter, unless_gone},
    Leftovers,
    driver::released,
    read,
};
use crate::{leftovers::ObservedLeftovers, observed::FoundGroup, plan::refused};

/// Its controller, or an earlier attempt, deleted it: its interfaces may be gone as well by now.
async fn gone(cx: &StepContext, description: String) -> Result<(), Error> {
    cx.wait(released(description).first(Duration::ZERO)).await.map(drop)
}

impl Leftovers {
    pub(super) async fn delete_classic(&self, cx: &StepContext, name: &str, cluster: &str) -> Result<(), Error> {
        // A name is no id: since the teardown was planned, somebody else may have taken it.
        let told = match self.classic_tags(vec![name.to_owned()]).await {
            Ok(told) => told.get(name).cloned(),
            Err(error) if error.class() == Class::NotFound => None,
            Err(error) => return Err(error),
        };
        let description = format!("ELB {name}");
        let Some(tags) = told else { return gone(cx, description).await };
        if tags.get(&format!("kubernetes.io/cluster/{cluster}")).is_none_or(|value| value != "owned") {
            let rule = format!("it does not say any more that it is of the cluster {cluster}");
            return Err(refused(format!("load balancer {name}"), rule, "plan the teardown again"));
        }
        let result = self.classic.delete_load_balancer().load_balancer_name(name).send().await;
        unless_gone(result.map(drop).map_err(|error| failed("elasticloadbalancing:DeleteLoadBalancer", name, error)))?;
        cx.wait(released(description)).await.map(drop)
    }

    pub(super) async fn delete_load_balancer(&self, cx: &StepContext, arn: &str) -> Result<(), Error> {
        // `ELB net/<name>/<number>` is what EC2 says of its interfaces.
        let name = arn.rsplit_once(":loadbalancer/").map_or(arn, |(_, name)| name);
        let description = format!("ELB {name}");
        match self.tags(vec![arn.to_owned()]).await {
            Err(error) if error.class() == Class::NotFound => return gone(cx, description).await,
            told => drop(told?),
        }
        let result = self.elb.delete_load_balancer().load_balancer_arn(arn).send().await;
        unless_gone(result.map(drop).map_err(|error| failed("elasticloadbalancing:DeleteLoadBalancer", arn, error)))?;
        cx.wait(released(description)).await.map(drop)
    }

    pub(super) async fn delete_target_group(&self, arn: &str) -> Result<(), Error> {
        let result = self.elb.delete_target_group().target_group_arn(arn).send().await;
        unless_gone(result.map(drop).map_err(|error| {
            let error = failed("elasticloadbalancing:DeleteTargetGroup", arn, error);
            // Its load balancer is still being deleted.
            if error.code() == Some("ResourceInUse") { error.with_class(Class::Conflict) } else { error }
        }))
    }

    /// One that is in use again is another's by now.
    pub(super) async fn delete_interface(&self, id: &str) -> Result<(), Error> {
        let result = self.networks.patient.delete_network_interface().network_interface_id(id).send().await;
        unless_gone(result.map(drop).map_err(|error| failed("ec2:DeleteNetworkInterface", id, error)))
    }

    /// Whose they are is judged again: nobody looked at them before.
    pub(super) async fn sweep_interfaces(&self, owner: &Owner, vpc: &VpcId, cluster: ClusterTrace, made: bool) -> Result<(), Error> {
        let of_cluster = filter("tag:cluster.k8s.amazonaws.com/name", [cluster.name.as_str()]);
        let request = self.networks.patient.describe_network_interfaces().filters(of_cluster).filters(filter("vpc-id", [vpc.as_str()]));
        let answer = request.filters(filter("status", ["available"])).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeNetworkInterfaces", vpc.as_str(), error))?;
        let found = answer.network_interfaces().iter().map(read::interface).collect();
        for id in ObservedLeftovers::provably_of(owner, cluster, made.then(|| vpc.clone()), found) {
            self.delete_interface(&id).await?;
        }
        Ok(())
    }

    /// Rules that name it go first: in a VPC of ours all, elsewhere those in groups of the cluster, which its controllers wrote. Where
    /// somebody else's rule names it, it stays.
    pub(super) async fn delete_group(&self, id: &SecurityGroupId, vpc: &VpcId, cluster: &str, made: bool) -> Result<(), Error> {
        if made {
            self.networks.revoke_names_of(id, vpc).await?;
            return self.networks.delete_group(id).await;
        }
        let tag = format!("kubernetes.io/cluster/{cluster}");
        let of_cluster = |group: &&FoundGroup| group.id != *id && group.tags.get(&tag).is_some_and(|value| value == "owned");
        let inside = self.networks.groups(vpc, &filter("vpc-id", [vpc.as_str()])).await?;
        for group in inside.iter().filter(of_cluster).filter(|group| group.references.contains(id)) {
            self.networks.revoke_references(&group.id, slice::from_ref(id)).await?;
        }
        self.networks.delete_group(id).await
    }
}
