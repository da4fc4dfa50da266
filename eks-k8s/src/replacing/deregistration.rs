//! How long load balancers go on sending to a node that they have let go.
//!
//! Classic: "Configure connection draining for your Classic Load Balancer"; off unless an annotation says so. Target groups: "Edit target
//! group attributes", `deregistration_delay.timeout_seconds`, 300 s unless it is said. Which controller reads what: see
//! [`crate::Controller`].

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::service::pairs;

const SERVICE: &str = "service.beta.kubernetes.io/aws-load-balancer-";
const INGRESS: &str = "alb.ingress.kubernetes.io/";
const ATTRIBUTE: &str = "deregistration_delay.timeout_seconds";
/// Of target groups, and of connection draining that is on.
const DEFAULT: u32 = 300;
/// Both kinds allow so many seconds.
const MOST: u32 = 3600;

/// The load balancers of a cluster's Services and Ingresses, and how long each goes on sending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Deregistration {
    /// Every load balancer of AWS that a Service or an Ingress asks for.
    pub balancers: Vec<BalancerDelay>,
}

/// How long a load balancer goes on sending.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BalancerDelay {
    /// `Service shop/web`, `Ingress shop/web`
    pub of: String,
    /// What it registers.
    pub registers: Registers,
    /// For how many seconds connections go on.
    pub seconds: u32,
    /// Only nodes with Pods of the Service pass its health checks (`externalTrafficPolicy: Local`): traffic leaves a node with its Pods.
    pub local: bool,
}

/// What a load balancer registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Registers {
    /// Nodes, by their instances: one that is emptied still forwards to Pods elsewhere, until the delay has passed.
    Instances,
    /// Pods, by their addresses: an eviction deregisters them. That as many are registered as the budget demands is for readiness gates
    /// (`target-health.elbv2.k8s.aws/…`) to see to.
    Ips,
}

impl Deregistration {
    /// The longest delay of those that register instances; zero if none does.
    pub fn longest(&self) -> Duration {
        let instances = self.balancers.iter().filter(|balancer| balancer.registers == Registers::Instances);
        Duration::from_secs(instances.map(|balancer| u64::from(balancer.seconds)).max().unwrap_or_default())
    }

    /// From Services, Ingresses and IngressClasses.
    pub fn of_objects(services: &[Value], ingresses: &[Value], classes: &[Value]) -> Self {
        let ours: BTreeSet<&str> = classes.iter().filter(|class| is_alb(&class["spec"]["controller"])).filter_map(name).collect();
        let mut balancers: Vec<BalancerDelay> = services.iter().filter_map(of_service).collect();
        balancers.extend(ingresses.iter().filter_map(|ingress| of_ingress(ingress, &ours)));
        balancers.sort();
        Self { balancers }
    }
}

fn name(object: &Value) -> Option<&str> {
    object["metadata"]["name"].as_str()
}

fn is_alb(controller: &Value) -> bool {
    ["ingress.k8s.aws/alb", "eks.amazonaws.com/alb"].iter().any(|own| controller == own)
}

fn told(kind: &str, object: &Value) -> String {
    format!("{kind} {}/{}", object["metadata"]["namespace"].as_str().unwrap_or_default(), name(object).unwrap_or_default())
}

/// What an annotation says of the delay of target groups.
fn attribute(text: Option<&str>) -> u32 {
    let said = text.and_then(|text| pairs(text).into_iter().find(|(key, _)| key == ATTRIBUTE)).and_then(|(_, value)| value.parse().ok());
    said.map_or(DEFAULT, |seconds: u32| seconds.min(MOST))
}

fn of_service(service: &Value) -> Option<BalancerDelay> {
    let spec = &service["spec"];
    if spec["type"] != "LoadBalancer" {
        return None;
    }
    let annotation = |suffix: &str| service["metadata"]["annotations"][format!("{SERVICE}{suffix}")].as_str();
    let targets = |default: Registers| match annotation("nlb-target-type") {
        Some("ip") => Registers::Ips,
        Some(_) => Registers::Instances,
        None => default,
    };
    let (registers, seconds) = match (spec["loadBalancerClass"].as_str(), annotation("type")) {
        // The AWS Load Balancer Controller registers instances unless it is told otherwise. Auto Mode's page names no default: so a wait.
        (Some("service.k8s.aws/nlb" | "eks.amazonaws.com/nlb"), _) | (None, Some("external")) => {
            (targets(Registers::Instances), attribute(annotation("target-group-attributes")))
        }
        (None, Some("nlb-ip")) => (Registers::Ips, attribute(annotation("target-group-attributes"))),
        // Somebody else's, of whom nothing is known here.
        (Some(_), _) => return None,
        // The cloud provider does not set this attribute of its target groups.
        (None, Some("nlb")) => (Registers::Instances, DEFAULT),
        (None, _) => {
            let timeout = annotation("connection-draining-timeout").and_then(|text| text.trim().parse().ok()).unwrap_or(DEFAULT);
            let drains = annotation("connection-draining-enabled") == Some("true");
            (Registers::Instances, if drains { timeout.min(MOST) } else { 0 })
        }
    };
    Some(BalancerDelay { of: told("Service", service), registers, seconds, local: spec["externalTrafficPolicy"] == "Local" })
}

fn of_ingress(ingress: &Value, classes: &BTreeSet<&str>) -> Option<BalancerDelay> {
    let annotation = |key: &str| ingress["metadata"]["annotations"][key].as_str();
    let class = ingress["spec"]["ingressClassName"].as_str();
    let ours = class.map_or(annotation("kubernetes.io/ingress.class") == Some("alb"), |class| classes.contains(class));
    if !ours {
        return None;
    }
    let own = |suffix: &str| annotation(&format!("{INGRESS}{suffix}"));
    let registers = if own("target-type") == Some("ip") { Registers::Ips } else { Registers::Instances };
    Some(BalancerDelay { of: told("Ingress", ingress), registers, seconds: attribute(own("target-group-attributes")), local: false })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(class: Option<&str>, annotations: &[(&str, &str)]) -> Value {
        let annotations: serde_json::Map<_, _> = annotations.iter().map(|(key, value)| (format!("{SERVICE}{key}"), json!(value))).collect();
        json!({"metadata": {"namespace": "a", "name": "s", "annotations": annotations},
               "spec": {"type": "LoadBalancer", "loadBalancerClass": class, "externalTrafficPolicy": "Local"}})
    }

    #[test]
    fn each_controller_s_words_and_defaults() {
        let delay = ("target-group-attributes", "preserve_client_ip.enabled=true,deregistration_delay.timeout_seconds=45");
        let nlb = Some("service.k8s.aws/nlb");
        for (service, expected) in [
            (service(None, &[]), Some((Registers::Instances, 0))),
            (service(None, &[("connection-draining-enabled", "true")]), Some((Registers::Instances, 300))),
            (
                service(None, &[("connection-draining-enabled", "true"), ("connection-draining-timeout", "60")]),
                Some((Registers::Instances, 60)),
            ),
            (service(None, &[("connection-draining-timeout", "60")]), Some((Registers::Instances, 0))),
            (service(None, &[("type", "nlb"), delay]), Some((Registers::Instances, 300))),
            (service(None, &[("type", "external"), delay]), Some((Registers::Instances, 45))),
            (service(None, &[("type", "nlb-ip")]), Some((Registers::Ips, 300))),
            (service(nlb, &[]), Some((Registers::Instances, 300))),
            (service(nlb, &[("nlb-target-type", "ip"), delay]), Some((Registers::Ips, 45))),
            (service(Some("eks.amazonaws.com/nlb"), &[delay]), Some((Registers::Instances, 45))),
            (service(Some("example.com/own"), &[]), None),
        ] {
            assert_eq!(of_service(&service).map(|delay| (delay.registers, delay.seconds)), expected, "{service}");
        }
    }

    #[test]
    fn only_instances_are_waited_for() {
        let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": "ingress.k8s.aws/alb"}});
        let ingress = |class: &str, target: &str| {
            json!({"metadata": {"namespace": "a", "name": target, "annotations": {
                       "alb.ingress.kubernetes.io/target-type": target,
                       "alb.ingress.kubernetes.io/target-group-attributes": "deregistration_delay.timeout_seconds=30"}},
                   "spec": {"ingressClassName": class}})
        };
        let ip = service(Some("service.k8s.aws/nlb"), &[("nlb-target-type", "ip")]);
        let found = Deregistration::of_objects(
            std::slice::from_ref(&ip),
            &[ingress("alb", "ip"), ingress("nginx", "instance")],
            std::slice::from_ref(&class),
        );
        assert_eq!((found.balancers.len(), found.longest()), (2, Duration::ZERO));
        assert!(found.balancers.iter().any(|balancer| balancer.local));
        let found = Deregistration::of_objects(&[ip], &[ingress("alb", "instance")], &[class]);
        assert_eq!(found.longest(), Duration::from_secs(30));
    }
}
