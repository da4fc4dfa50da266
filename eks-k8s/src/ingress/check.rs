//! What an Ingress may ask for. Rules are those of the AWS Load Balancer Controller's page "Ingress annotations", of Kubernetes' page
//! "Ingress", and of EKS's "Create an IngressClass to configure an Application Load Balancer".

use std::collections::BTreeSet;

use eks_core::Problems;

use super::{Ingress, IngressRule, Listener, PREFIX, PathType, annotations::OWN};
use crate::{
    Controller, HealthProtocol, TargetType, name,
    service::{check_arn, check_balancer_name, check_health, check_list, check_tag, is_cidr},
};

impl Ingress {
    pub(crate) fn check(&self, problems: &mut Problems) {
        let subject = format!("ingress {}", self.name);
        name::check_subdomain(problems, &subject, &self.name);
        name::check_subdomain(problems, &format!("{subject} class"), &self.class);
        if self.controller == Controller::CloudProvider {
            let rule = "the cloud provider makes no load balancers for Ingresses";
            problems.add("controller", &subject, rule, "use Controller::LoadBalancerController or Controller::AutoMode");
        }
        self.check_rules(problems, &subject);
        self.check_listeners(problems, &subject);
        self.check_group(problems, &subject);
        self.check_health(problems, &subject);
        self.check_access(problems, &subject);
        self.check_attributes(problems, &subject);
        if let Some(name) = &self.load_balancer_name {
            check_balancer_name(problems, &subject, name);
        }
        for (key, value) in &self.tags {
            check_tag(problems, &subject, key, value);
        }
        for (key, value) in &self.annotations {
            name::check_key(problems, &subject, key);
            name::check_unreserved(problems, &subject, key);
            let own = key.strip_prefix(PREFIX).is_some_and(|suffix| OWN.contains(&suffix));
            if own || key == "kubernetes.io/ingress.class" {
                let rule = format!("annotation {key}: {value:?} says what the builder has a word for");
                problems.add("annotation", &subject, rule, "use that word");
            }
        }
    }

    fn check_rules(&self, problems: &mut Problems, subject: &str) {
        if self.rules.is_empty() && self.default_backend.is_none() {
            problems.add("rule", subject, "it sends requests nowhere", "add rule(IngressRule::to(…)) or default_backend(…)");
        }
        let mut seen = BTreeSet::new();
        for rule in &self.rules {
            check_rule(problems, subject, rule);
            if !seen.insert((&rule.host, &rule.path, rule.path_type)) {
                let host = rule.host.as_deref().unwrap_or("any host");
                problems.add("rule", subject, format!("{host} {} goes to two places", rule.path), "say once where it goes");
            }
        }
        for (service, port) in self.backends() {
            name::check_service(problems, &format!("{subject} backend"), service);
            name::check_port(problems, subject, port);
        }
    }

    fn check_listeners(&self, problems: &mut Problems, subject: &str) {
        let mut seen = BTreeSet::new();
        for listener in &self.listeners {
            name::check_port(problems, subject, listener.port());
            if !seen.insert(listener.port()) {
                problems.add("listener", subject, format!("it listens twice on port {}", listener.port()), "listen once on each port");
            }
        }
        // Without listeners, a certificate makes HTTPS on 443.
        let implied = if self.certificates.is_empty() { Listener::Http(80) } else { Listener::Https(443) };
        let listeners = if self.listeners.is_empty() { vec![implied] } else { self.listeners.clone() };
        let secure: Vec<u32> =
            listeners.iter().filter(|listener| matches!(listener, Listener::Https(_))).map(|listener| listener.port()).collect();
        for arn in &self.certificates {
            check_arn(problems, subject, arn);
        }
        if secure.is_empty() && (!self.certificates.is_empty() || self.policy.is_some()) {
            let rule = "a certificate or a policy of TLS is given, and no port speaks TLS";
            problems.add("tls", subject, rule, "add listen(Listener::Https(443)), or leave TLS out");
        }
        if self.discovers_certificates() && !self.rules.iter().any(|rule| rule.host.is_some()) {
            let rule =
                "a port speaks TLS without a certificate; the controller finds certificates by the hosts of rules, and there are none";
            problems.add("tls", subject, rule, "add certificate(…), or host(…) to a rule");
        }
        if let Some(port) = self.ssl_redirect.filter(|port| !secure.contains(port)) {
            let rule = format!("requests are redirected to port {port}, which does not speak TLS");
            problems.add("ssl-redirect", subject, rule, format!("add listen(Listener::Https({port}))"));
        } else if self.ssl_redirect.is_some() && secure.len() == listeners.len() {
            let rule = "there is no port in the clear from which to redirect";
            problems.add("ssl-redirect", subject, rule, "add listen(Listener::Http(80)), or leave the redirect out");
        }
    }

    fn check_group(&self, problems: &mut Problems, subject: &str) {
        if let Some(group) = &self.group {
            let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            let whole = (1..=63).contains(&group.len()) && group.bytes().all(|b| fine(b) || b == b'-' || b == b'.');
            if !whole || !group.bytes().next().is_some_and(fine) || !group.bytes().last().is_some_and(fine) {
                let rule = format!("{group:?} is no name of a group: 1–63 of a-z 0-9 - ., beginning and ending with a letter or digit");
                problems.add("group", subject, rule, "choose another name");
            }
            if self.controller == Controller::AutoMode {
                let rule = "EKS Auto Mode reads groups from IngressClassParams alone";
                problems.add("group", subject, rule, "leave the group out, and name it in the class's parameters");
            }
        }
        if self.group_order.is_some() && self.group.is_none() {
            problems.add("group", subject, "an order is given without a group", "name the group with group(…)");
        }
        if let Some(order) = self.group_order.filter(|order| !(1..=1000).contains(order)) {
            problems.add("group", subject, format!("order {order} is not within 1–1000"), "choose an order within");
        }
    }

    fn check_health(&self, problems: &mut Problems, subject: &str) {
        if self.health.protocol == Some(HealthProtocol::Tcp) {
            let rule = "an Application Load Balancer checks by HTTP or HTTPS";
            problems.add("health-check", subject, rule, "use HealthCheck::http(…)");
        }
        let mut health = self.health.clone();
        // HTTP is its default.
        health.protocol = health.protocol.or(Some(HealthProtocol::Http));
        check_health(problems, subject, &health, 120);
    }

    fn check_access(&self, problems: &mut Problems, subject: &str) {
        check_list(problems, subject, "subnets", "subnet", &self.subnets);
        check_list(problems, subject, "security-groups", "security group", &self.security_groups);
        if self.subnets.len() == 1 {
            let rule = "an Application Load Balancer needs subnets in two zones";
            problems.add("subnets", subject, rule, "name another subnet, in another zone, or none");
        }
        for range in self.inbound_cidrs.iter().filter(|range| !is_cidr(range)) {
            problems.add("source-range", subject, format!("{range:?} is not an address block"), "write it like 203.0.113.0/24");
        }
        if !self.inbound_cidrs.is_empty() && !self.security_groups.is_empty() {
            let rule = "inbound blocks have no effect where security groups of your own are given";
            problems.add("source-range", subject, rule, "write the blocks into your security groups, or leave these out");
        }
    }

    fn check_attributes(&self, problems: &mut Problems, subject: &str) {
        for (key, value) in self.attributes.iter().chain(&self.target_attributes) {
            let fine = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_');
            if !fine || value.contains(',') || value.trim() != value {
                let rule = format!("{key:?}={value:?} is no attribute: letters, digits, . and _, and a value without commas");
                problems.add("attribute", subject, rule, "correct it");
            }
        }
        let mut within = |map: &std::collections::BTreeMap<String, String>, key: &str, least: u32, most: u32| {
            let value = map.get(key).filter(|value| !value.parse().is_ok_and(|seconds: u32| (least..=most).contains(&seconds)));
            if let Some(value) = value {
                problems.add("attribute", subject, format!("{key}={value} is not within {least}–{most}"), "choose a time within");
            }
        };
        within(&self.attributes, "idle_timeout.timeout_seconds", 1, 4000);
        within(&self.target_attributes, "deregistration_delay.timeout_seconds", 0, 3600);
        let sticky = self.target_attributes.get("stickiness.enabled").is_some_and(|value| value == "true");
        if sticky && self.target_type == TargetType::Instance {
            let rule = "sticky sessions need targets by address: a node passes requests on to any Pod";
            problems.add("targets", subject, rule, "use targets(TargetType::Ip), or leave them out");
        }
    }
}

fn check_rule(problems: &mut Problems, subject: &str, rule: &IngressRule) {
    if let Some(host) = &rule.host {
        name::check_subdomain(problems, &format!("{subject} host"), host.strip_prefix("*.").unwrap_or(host));
    }
    let wild = rule.path.contains(['*', '?']) && rule.path_type != PathType::ImplementationSpecific;
    if !rule.path.starts_with('/') || rule.path.contains(char::is_whitespace) || wild {
        let text = format!(
            "{:?} is no path: it begins with /, has no spaces, and * and ? only where compared(PathType::ImplementationSpecific)",
            rule.path
        );
        problems.add("rule", subject, text, "correct the path");
    }
}
