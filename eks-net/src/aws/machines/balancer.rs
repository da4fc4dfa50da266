//! Classic load balancers.

use aws_sdk_elasticloadbalancing::types::{
    ConnectionDraining, ConnectionSettings, CrossZoneLoadBalancing, HealthCheck as ElbHealthCheck, Instance, InstanceState,
    Listener as ElbListener, LoadBalancerAttributes, Tag,
};
use eks_core::{
    Class, Error, InstanceId, Outputs, Ref, SubnetId,
    aws::failed,
    engine::{StepContext, Wait},
};

use super::{
    super::{create::id_output, is, strange},
    Machines,
    instance::signed,
    poll, read,
};
use crate::{
    machines::{Balancer, BalancerAttributes, BalancerChange, FoundRegistration, HealthCheck, Listener},
    tags::Tags,
};

/// A request that the SDK finds incomplete.
fn incomplete(name: &str, error: aws_sdk_elasticloadbalancing::error::BuildError) -> Error {
    strange("elasticloadbalancing", name, Class::Permanent, error.to_string())
}

fn to_tags(name: &str, tags: &Tags) -> Result<Vec<Tag>, Error> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build().map_err(|error| incomplete(name, error))).collect()
}

fn to_listeners(name: &str, listeners: &[Listener]) -> Result<Vec<ElbListener>, Error> {
    let one = |listener: &Listener| {
        let told = ElbListener::builder().protocol(listener.protocol.as_str()).load_balancer_port(i32::from(listener.port));
        let told = told.instance_protocol(listener.instance_protocol.as_str()).instance_port(i32::from(listener.instance_port));
        told.set_ssl_certificate_id(listener.certificate.clone()).build().map_err(|error| incomplete(name, error))
    };
    listeners.iter().map(one).collect()
}

fn to_instances<'a>(ids: impl IntoIterator<Item = &'a InstanceId>) -> Vec<Instance> {
    ids.into_iter().map(|id| Instance::builder().instance_id(id.as_str()).build()).collect()
}

fn resolved<T>(cx: &StepContext, references: &[Ref<T>]) -> Result<Vec<String>, Error>
where
    T: Clone + std::str::FromStr + std::fmt::Display,
    T::Err: std::fmt::Display,
{
    references.iter().map(|reference| Ok(cx.resolve(reference)?.to_string())).collect()
}

impl Machines {
    /// Makes a load balancer. Creating one again with the same settings tells the first.
    pub(super) async fn load_balancer(&self, cx: &StepContext, balancer: &Balancer, tags: &Tags) -> Result<Outputs, Error> {
        let (call, name) = ("elasticloadbalancing:CreateLoadBalancer", balancer.name.as_str());
        let groups = resolved(cx, &balancer.groups)?;
        let request = self.elb.create_load_balancer().load_balancer_name(name).set_subnets(Some(resolved(cx, &balancer.subnets)?));
        let request = request
            .set_security_groups((!groups.is_empty()).then_some(groups))
            .set_scheme(balancer.internal.then(|| "internal".to_owned()))
            .set_listeners(Some(to_listeners(name, &balancer.listeners)?))
            .set_tags(Some(to_tags(name, tags)?));
        let answer = request.send().await.map_err(|error| failed(call, name, error))?;
        self.configure(name, &balancer.health_check).await?;
        self.set_attributes(name, balancer.attributes).await?;
        let mut outputs = id_output(name);
        outputs.insert("dns_name".to_owned(), answer.dns_name().unwrap_or_default().to_owned());
        Ok(outputs)
    }

    pub(super) async fn change_load_balancer(
        &self,
        cx: &StepContext,
        name: &str,
        changes: &[BalancerChange],
        tags: &Tags,
    ) -> Result<Outputs, Error> {
        if !tags.is_empty() {
            let request = self.elb.add_tags().load_balancer_names(name).set_tags(Some(to_tags(name, tags)?));
            request.send().await.map_err(|error| failed("elasticloadbalancing:AddTags", name, error))?;
        }
        for change in changes {
            self.change(cx, name, change).await?;
        }
        Ok(id_output(name))
    }

    async fn change(&self, cx: &StepContext, name: &str, change: &BalancerChange) -> Result<(), Error> {
        match change {
            BalancerChange::RemoveListeners(ports) => {
                let ports = ports.iter().map(|port| i32::from(*port)).collect();
                let request = self.elb.delete_load_balancer_listeners().load_balancer_name(name).set_load_balancer_ports(Some(ports));
                let call = "elasticloadbalancing:DeleteLoadBalancerListeners";
                request.send().await.map(drop).map_err(|error| failed(call, name, error))
            }
            BalancerChange::AddListeners(listeners) => {
                let listeners = to_listeners(name, listeners)?;
                let request = self.elb.create_load_balancer_listeners().load_balancer_name(name).set_listeners(Some(listeners));
                let call = "elasticloadbalancing:CreateLoadBalancerListeners";
                request.send().await.map(drop).map_err(|error| failed(call, name, error))
            }
            BalancerChange::Certificate(port, arn) => {
                let request = self.elb.set_load_balancer_listener_ssl_certificate().load_balancer_name(name);
                let request = request.load_balancer_port(i32::from(*port)).ssl_certificate_id(arn);
                let call = "elasticloadbalancing:SetLoadBalancerListenerSSLCertificate";
                request.send().await.map(drop).map_err(|error| failed(call, name, error))
            }
            BalancerChange::HealthCheck(check) => self.configure(name, check).await,
            BalancerChange::DetachSubnets(ids) => self.leave(name, ids).await,
            BalancerChange::AttachSubnets(ids) => {
                let request = self.elb.attach_load_balancer_to_subnets().load_balancer_name(name).set_subnets(Some(resolved(cx, ids)?));
                let call = "elasticloadbalancing:AttachLoadBalancerToSubnets";
                request.send().await.map(drop).map_err(|error| failed(call, name, error))
            }
            BalancerChange::Groups(ids) => {
                let request = self.elb.apply_security_groups_to_load_balancer().load_balancer_name(name);
                let call = "elasticloadbalancing:ApplySecurityGroupsToLoadBalancer";
                let request = request.set_security_groups(Some(resolved(cx, ids)?));
                request.send().await.map(drop).map_err(|error| failed(call, name, error))
            }
            BalancerChange::Attributes(attributes) => self.set_attributes(name, *attributes).await,
        }
    }

    async fn configure(&self, name: &str, check: &HealthCheck) -> Result<(), Error> {
        let told = ElbHealthCheck::builder()
            .target(&check.target)
            .interval(signed(check.interval))
            .timeout(signed(check.timeout))
            .unhealthy_threshold(signed(check.unhealthy))
            .healthy_threshold(signed(check.healthy));
        let told = told.build().map_err(|error| incomplete(name, error))?;
        let result = self.elb.configure_health_check().load_balancer_name(name).health_check(told).send().await;
        result.map(drop).map_err(|error| failed("elasticloadbalancing:ConfigureHealthCheck", name, error))
    }

    async fn set_attributes(&self, name: &str, attributes: BalancerAttributes) -> Result<(), Error> {
        let draining = ConnectionDraining::builder().enabled(attributes.draining.is_some()).set_timeout(attributes.draining.map(signed));
        let idle = ConnectionSettings::builder().idle_timeout(signed(attributes.idle_timeout));
        let told = LoadBalancerAttributes::builder()
            .cross_zone_load_balancing(CrossZoneLoadBalancing::builder().enabled(attributes.cross_zone).build())
            .connection_draining(draining.build())
            .connection_settings(idle.build().map_err(|error| incomplete(name, error))?)
            .build();
        let result = self.elb.modify_load_balancer_attributes().load_balancer_name(name).load_balancer_attributes(told).send().await;
        result.map(drop).map_err(|error| failed("elasticloadbalancing:ModifyLoadBalancerAttributes", name, error))
    }

    /// Leaves subnets. If an answer was lost it has left them, and leaving again is refused.
    async fn leave(&self, name: &str, ids: &[SubnetId]) -> Result<(), Error> {
        let told = ids.iter().map(ToString::to_string).collect();
        let request = self.elb.detach_load_balancer_from_subnets().load_balancer_name(name).set_subnets(Some(told));
        let Err(error) = request.send().await else { return Ok(()) };
        let error = failed("elasticloadbalancing:DetachLoadBalancerFromSubnets", name, error);
        let answer = self.elb.describe_load_balancers().load_balancer_names(name).send().await;
        let answer = answer.map_err(|error| failed("elasticloadbalancing:DescribeLoadBalancers", name, error))?;
        let subnets = answer.load_balancer_descriptions().first().map(|told| told.subnets()).unwrap_or_default();
        if ids.iter().any(|id| subnets.iter().any(|subnet| subnet == id.as_str())) { Err(error) } else { Ok(()) }
    }

    pub(super) async fn registration(
        &self,
        cx: &StepContext,
        name: &str,
        register: &[Ref<InstanceId>],
        deregister: &[InstanceId],
        health: Option<&HealthCheck>,
    ) -> Result<Outputs, Error> {
        let register = register.iter().map(|id| cx.resolve(id)).collect::<Result<Vec<_>, _>>()?;
        if !register.is_empty() {
            let request = self.elb.register_instances_with_load_balancer().load_balancer_name(name);
            let result = request.set_instances(Some(to_instances(&register))).send().await;
            result.map_err(|error| failed("elasticloadbalancing:RegisterInstancesWithLoadBalancer", name, error))?;
        }
        // One at a time: one that is not there any more fails the call.
        for id in deregister {
            let request = self.elb.deregister_instances_from_load_balancer().load_balancer_name(name);
            let result = request.set_instances(Some(to_instances([id]))).send().await;
            match result.map_err(|error| failed("elasticloadbalancing:DeregisterInstancesFromLoadBalancer", name, error)) {
                Err(error) if !is(&error, "InvalidInstance") => return Err(error),
                _ => {}
            }
        }
        if let Some(check) = health.filter(|_| !register.is_empty()) {
            let ids: Vec<&str> = register.iter().map(InstanceId::as_str).collect();
            cx.wait(Wait::typical(poll::IN_SERVICE, format!("{name}/{}", ids.join(",")), check.until_in_service())).await?;
        }
        Ok(id_output(name))
    }

    /// The health of the instances behind a load balancer.
    pub(super) async fn health(&self, name: &str) -> Result<Vec<FoundRegistration>, Error> {
        let answer = self.elb.describe_instance_health().load_balancer_name(name).send().await;
        let answer = answer.map_err(|error| failed("elasticloadbalancing:DescribeInstanceHealth", name, error))?;
        // One whose connections are drained is told of until they have ended, and is deregistered (user guide, "Configure connection
        // draining").
        let leaves = |state: &InstanceState| state.description().is_some_and(|text| text.contains("deregistration currently in progress"));
        answer.instance_states().iter().filter(|state| !leaves(state)).map(read::registration).collect()
    }

    pub(super) async fn attributes(&self, name: &str) -> Result<Option<BalancerAttributes>, Error> {
        match self.elb.describe_load_balancer_attributes().load_balancer_name(name).send().await {
            Ok(answer) => Ok(answer.load_balancer_attributes().map(read::attributes)),
            Err(error) => match failed("elasticloadbalancing:DescribeLoadBalancerAttributes", name, error) {
                // It went since it was listed.
                error if error.class() == Class::NotFound => Ok(None),
                error => Err(error),
            },
        }
    }
}
