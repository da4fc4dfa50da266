//! Ingresses of a document.

use std::collections::BTreeMap;

use eks_k8s::Listener;
use serde::{Deserialize, Serialize};

use super::{
    balancer::HealthCheck,
    words::{MadeBy, PathType, TargetType},
};

/// An Ingress, which becomes an Application Load Balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Ingress {
    /// Its name.
    pub(crate) name: String,
    /// Who makes the load balancer. Default: the AWS Load Balancer Controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) controller: Option<MadeBy>,
    /// Its IngressClass. Default: the controller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) class: Option<String>,
    /// Whether it is reachable from the internet. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) internet_facing: Option<bool>,
    /// What the load balancer sends to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) targets: Option<TargetType>,
    /// Ports on which it listens. Default: HTTP on 80.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) listeners: Vec<Port>,
    /// ARNs of certificates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) certificates: Vec<String>,
    /// The security policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tls_policy: Option<String>,
    /// The port of HTTPS to which HTTP is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ssl_redirect: Option<u32>,
    /// Ingresses of one group share a load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    /// Its place in the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group_order: Option<u32>,
    /// How the load balancer sees whether Pods are well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) health_check: Option<HealthCheck>,
    /// Subnets of the load balancer, by id or name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) subnets: Vec<String>,
    /// Security groups of the load balancer, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) security_groups: Vec<String>,
    /// Blocks from which it is reachable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) inbound_cidrs: Vec<String>,
    /// Attributes of the load balancer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) attributes: BTreeMap<String, String>,
    /// Attributes of its target groups.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) target_attributes: BTreeMap<String, String>,
    /// Tags of the load balancer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, String>,
    /// Name of the load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) load_balancer_name: Option<String>,
    /// What is sent where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) rules: Vec<Rule>,
    /// Where everything else is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) default_backend: Option<Backend>,
    /// More annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// A port of a load balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum Port {
    /// Plain.
    Http(u32),
    /// Encrypted.
    Https(u32),
}

/// Requests, and the Service that gets them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rule {
    /// Their host. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    /// Their path. Default `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// How the path is compared. Default Prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path_type: Option<PathType>,
    /// The Service.
    pub(crate) service: String,
    /// Its port.
    pub(crate) port: u32,
}

/// A Service and its port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Backend {
    /// The Service.
    pub(crate) service: String,
    /// Its port.
    pub(crate) port: u32,
}

impl Ingress {
    pub(crate) fn ingress(self) -> eks_k8s::Ingress {
        let of = self.clone();
        let mut ingress = self.balancer();
        ingress = of.certificates.into_iter().fold(ingress, eks_k8s::Ingress::certificate);
        ingress = of.tls_policy.into_iter().fold(ingress, eks_k8s::Ingress::tls_policy);
        ingress = of.ssl_redirect.into_iter().fold(ingress, eks_k8s::Ingress::ssl_redirect);
        ingress = of.group.into_iter().fold(ingress, eks_k8s::Ingress::group);
        ingress = of.group_order.into_iter().fold(ingress, eks_k8s::Ingress::group_order);
        ingress = of.health_check.into_iter().fold(ingress, |ingress, check| ingress.health_check(check.check()));
        ingress = of.inbound_cidrs.into_iter().fold(ingress, eks_k8s::Ingress::inbound_cidr);
        ingress = of.attributes.into_iter().fold(ingress, |ingress, (key, value)| ingress.attribute(key, value));
        ingress = of.target_attributes.into_iter().fold(ingress, |ingress, (key, value)| ingress.target_attribute(key, value));
        ingress = of.tags.into_iter().fold(ingress, |ingress, (key, value)| ingress.tag(key, value));
        for Rule { host, path, path_type, service, port } in of.rules {
            let rule = host.into_iter().fold(eks_k8s::IngressRule::to(service, port), eks_k8s::IngressRule::host);
            let rule = path.into_iter().fold(rule, eks_k8s::IngressRule::path);
            ingress = ingress.rule(path_type.into_iter().fold(rule, |rule, kind| rule.compared(kind.into())));
        }
        if let Some(Backend { service, port }) = of.default_backend {
            ingress = ingress.default_backend(service, port);
        }
        of.annotations.into_iter().fold(ingress, |ingress, (key, value)| ingress.annotation(key, value))
    }

    fn balancer(self) -> eks_k8s::Ingress {
        let mut ingress = eks_k8s::Ingress::alb(self.name);
        ingress = self.controller.into_iter().fold(ingress, |ingress, controller| ingress.controller(controller.into()));
        ingress = self.class.into_iter().fold(ingress, eks_k8s::Ingress::class);
        ingress = if self.internet_facing == Some(true) { ingress.internet_facing() } else { ingress.internal() };
        ingress = self.targets.into_iter().fold(ingress, |ingress, targets| ingress.targets(targets.into()));
        for port in self.listeners {
            ingress = ingress.listen(match port {
                Port::Http(port) => Listener::Http(port),
                Port::Https(port) => Listener::Https(port),
            });
        }
        ingress = self.subnets.into_iter().fold(ingress, eks_k8s::Ingress::subnet);
        ingress = self.security_groups.into_iter().fold(ingress, eks_k8s::Ingress::security_group);
        self.load_balancer_name.into_iter().fold(ingress, eks_k8s::Ingress::load_balancer_name)
    }
}
