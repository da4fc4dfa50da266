//! What a Service may ask for, of whom. Each rule rests on the controller's page, on the page of the load balancer's kind, or on ELB's API
//! reference.

use std::{collections::BTreeSet, net::IpAddr};

use eks_core::{OWNER_TAG, Problems};

use super::{
    BackendProtocol, Controller, HealthProtocol, LoadBalancerKind, PREFIX, PortProtocol, Service, TargetType,
    settings::{HealthCheck, Settings},
};
use crate::name;

use Controller::{AutoMode, CloudProvider, LoadBalancerController};
use LoadBalancerKind::{Classic, Network};

/// Annotations that not everybody reads, and who does.
const READ_BY: [(&str, &[(Controller, LoadBalancerKind)]); 20] = [
    ("access-log-emit-interval", &[(CloudProvider, Classic)]),
    ("access-log-enabled", NOT_AUTO),
    ("access-log-s3-bucket-name", NOT_AUTO),
    ("access-log-s3-bucket-prefix", NOT_AUTO),
    ("alpn-policy", CLASSED),
    ("attributes", CLASSED),
    ("connection-draining-enabled", &[(CloudProvider, Classic)]),
    ("connection-draining-timeout", &[(CloudProvider, Classic)]),
    ("connection-idle-timeout", &[(CloudProvider, Classic)]),
    ("cross-zone-load-balancing-enabled", NOT_AUTO),
    ("enable-tcp-udp-listener", &[(LoadBalancerController, Network)]),
    ("extra-security-groups", &[(CloudProvider, Classic)]),
    ("ip-address-type", CLASSED),
    ("manage-backend-security-group-rules", &[(LoadBalancerController, Network)]),
    ("name", CLASSED),
    ("nlb-target-type", CLASSED),
    ("private-ipv4-addresses", CLASSED),
    ("proxy-protocol", &[(CloudProvider, Classic), (LoadBalancerController, Network)]),
    ("scheme", CLASSED),
    ("target-group-attributes", CLASSED),
];
const CLASSED: &[(Controller, LoadBalancerKind)] = &[(AutoMode, Network), (LoadBalancerController, Network)];
const NOT_AUTO: &[(Controller, LoadBalancerKind)] =
    &[(CloudProvider, Classic), (CloudProvider, Network), (LoadBalancerController, Network)];

/// A Service under examination: with what its annotations by hand ask for.
struct Exam<'a> {
    problems: &'a mut Problems,
    subject: String,
    service: &'a Service,
    settings: Settings,
}

impl Service {
    pub(crate) fn check(&self, problems: &mut Problems) {
        let subject = format!("service {}", self.name);
        name::check_service(problems, &subject, &self.name);
        self.check_ports(problems, &subject);
        if self.selector.is_empty() {
            problems.add("selector", &subject, "no label says which Pods answer", "add one with selector(\"app\", …)");
        }
        for (key, value) in &self.selector {
            name::check_pair(problems, &subject, key, value);
        }
        for range in self.source_ranges.iter().filter(|range| !is_cidr(range)) {
            problems.add("source-range", &subject, format!("{range:?} is not an address block"), "write it like 203.0.113.0/24");
        }
        if self.controller != CloudProvider && self.kind() == Classic {
            let rule = "only the cloud provider makes Classic Load Balancers";
            problems.add("controller", &subject, rule, "use network(), or Controller::CloudProvider");
            return;
        }
        for (key, value) in &self.annotations {
            name::check_key(problems, &subject, key);
            name::check_unreserved(problems, &subject, key);
            self.check_annotation(problems, &subject, key, value);
        }
        let (by_hand, wrong) = self.by_hand();
        for (suffix, value) in wrong {
            let rule = format!("annotation {PREFIX}-{suffix}: {value:?} cannot be understood");
            problems.add("annotation", &subject, rule, "correct it, or say it by the builder's own word");
        }
        let (settings, torn) = self.settings.and(&by_hand);
        for what in torn {
            let rule = format!("{what}: an annotation asks for something else than the Service does");
            problems.add("annotation", &subject, rule, "say it once");
        }
        Exam { problems, subject, service: self, settings }.all();
    }

    fn check_ports(&self, problems: &mut Problems, subject: &str) {
        if self.ports.is_empty() {
            problems.add("port", subject, "it forwards no port", "add one with port(80, 80)");
        }
        let mut seen = BTreeSet::new();
        for port in &self.ports {
            port.check(problems, subject);
            if !seen.insert(port.listens) {
                let rule = format!("port {} is forwarded twice, and a load balancer has one listener a port", port.listens);
                problems.add("port", subject, rule, "forward each port once; TCP and UDP by PortProtocol::TcpUdp");
            }
            // Cloud provider: `checkProtocol`. Auto Mode's page has no annotation for one listener of both.
            let (rule, remedy) = match port.protocol {
                PortProtocol::Udp | PortProtocol::TcpUdp if self.kind() == Classic => {
                    ("a Classic Load Balancer speaks TCP alone", "use network(), or PortProtocol::Tcp")
                }
                PortProtocol::TcpUdp if self.controller != LoadBalancerController => (
                    "only the AWS Load Balancer Controller makes a listener of TCP and UDP",
                    "use Controller::LoadBalancerController, or two ports",
                ),
                _ => continue,
            };
            problems.add("port", subject, format!("port {} is {}: {rule}", port.listens, port.protocol), remedy);
        }
    }

    /// Annotations that contradict the Service, or that its controller does not read.
    fn check_annotation(&self, problems: &mut Problems, subject: &str, key: &str, value: &str) {
        let ranges = "service.beta.kubernetes.io/load-balancer-source-ranges";
        let cloud_provider = self.controller == CloudProvider;
        let rule = if key == ranges {
            Some("says again what spec.loadBalancerSourceRanges is for (source_range)".to_owned())
        } else {
            let Some(suffix) = key.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('-')) else { return };
            let here = (self.controller, self.kind());
            match suffix {
                // 0.0.0.0/0 is how it was written in 2018.
                "internal" if cloud_provider && ["", "false"].contains(&value) != self.internet_facing => {
                    Some("asks for the other scheme".to_owned())
                }
                "internal" if !cloud_provider => Some("is read by the cloud provider alone; other controllers read -scheme".to_owned()),
                "scheme" if cloud_provider => Some("is not read by the cloud provider; it reads -internal".to_owned()),
                "scheme" if (value == "internet-facing") != self.internet_facing => Some("asks for the other scheme".to_owned()),
                "type" if cloud_provider && ["external", "nlb-ip"].contains(&value) => {
                    Some("makes the cloud provider ignore the Service".to_owned())
                }
                "type" if cloud_provider && (value == "nlb") != (self.kind() == Network) => {
                    Some("asks for another kind of load balancer".to_owned())
                }
                "type" if !cloud_provider => Some("contradicts the Service's load balancer class, which decides".to_owned()),
                "access-log-emit-interval" if !["5", "60"].contains(&value) => Some("is neither 5 nor 60 minutes".to_owned()),
                _ => READ_BY
                    .iter()
                    .find(|(known, who)| *known == suffix && !who.contains(&here))
                    .map(|_| format!("is not read by {} for this kind of load balancer", self.controller)),
            }
        };
        if let Some(rule) = rule {
            let remedy = "leave it out, or change what the Service asks for";
            problems.add("annotation", subject, format!("annotation {key}: {value:?} {rule}"), remedy);
        }
    }
}

impl Exam<'_> {
    fn add(&mut self, code: &'static str, rule: impl Into<String>, remedy: impl Into<String>) {
        self.problems.add(code, &self.subject, rule, remedy);
    }

    fn by(&self) -> Controller {
        self.service.controller
    }

    fn is(&self, controller: Controller, kind: LoadBalancerKind) -> bool {
        (self.service.controller, self.service.kind()) == (controller, kind)
    }

    fn all(mut self) {
        if self.by() == CloudProvider && self.settings.target_type == TargetType::Ip {
            let rule = "the cloud provider's targets are instances";
            self.add("targets", rule, "use Controller::LoadBalancerController or Controller::AutoMode, or TargetType::Instance");
        }
        self.tls();
        self.backend();
        self.health();
        self.subnets();
        self.security_groups();
        self.addresses();
        self.connections();
        self.name();
        self.tags();
    }

    fn tls(&mut self) {
        let Some(tls) = self.settings.tls.clone() else { return };
        if tls.certificates.is_empty() {
            let rule = "ports or a policy of TLS are given without a certificate, so that nothing speaks TLS";
            self.add("tls", rule, "give the ARN of a certificate with tls(Tls::new(…)), or leave TLS out");
        }
        if self.by() == CloudProvider && tls.certificates.len() > 1 {
            let rule = "the cloud provider reads one certificate";
            self.add("tls", rule, "give one, or use the AWS Load Balancer Controller, which knows SNI");
        }
        for certificate in &tls.certificates {
            check_arn(self.problems, &self.subject, certificate);
        }
        for port in self.service.ports.iter().filter(|port| port.protocol != PortProtocol::Tcp && tls.covers(port.listens)) {
            let rule = format!("TLS is asked for on port {}, which is {}", port.listens, port.protocol);
            self.problems.add("tls", &self.subject, rule, "name the TCP ports that speak TLS with Tls::port");
        }
        for port in tls.ports.iter().filter(|port| !self.service.ports.iter().any(|known| known.listens == **port)) {
            let rule = format!("TLS is asked for on port {port}, which is not forwarded");
            self.problems.add("tls", &self.subject, rule, format!("add port({port}, …), or name another port"));
        }
        if tls.ports.iter().collect::<BTreeSet<_>>().len() < tls.ports.len() {
            self.add("tls", "a port of TLS is named twice", "name each once");
        }
        if tls.policy.as_deref().is_some_and(|policy| policy.is_empty() || !policy.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
        {
            self.add("tls", "the policy is no name of a security policy", "name one like ELBSecurityPolicy-TLS13-1-2-2021-06");
        }
    }

    fn backend(&mut self) {
        let Some(backend) = self.settings.backend else { return };
        let parses = matches!(backend, BackendProtocol::Http | BackendProtocol::Https);
        if parses && self.service.kind() == Network {
            let rule = format!("a Network Load Balancer does not speak {backend} to its targets");
            self.add("backend-protocol", rule, "use BackendProtocol::Tcp or Ssl, classic(), or an Ingress");
        } else if self.settings.tls.is_none() && matches!(backend, BackendProtocol::Https | BackendProtocol::Ssl) {
            let rule = format!("without a certificate the backend protocol {backend} has no effect");
            self.add("backend-protocol", rule, "add tls(…), or leave the backend protocol out");
        }
        if parses && self.settings.proxy_protocol && self.service.kind() == Classic {
            let rule = "the PROXY protocol is for TCP and SSL; over HTTP the client's address is in X-Forwarded-For";
            self.add("proxy-protocol", rule, "leave one of the two out");
        }
    }

    fn health(&mut self) {
        let health = self.settings.health.clone();
        let classic = self.service.kind() == Classic;
        if classic && (health.protocol.is_some() || health.port.is_some() || health.path.is_some()) {
            let rule = "for a Classic Load Balancer the cloud provider checks the first port by TCP or SSL, whatever is asked for";
            self.add("health-check", rule, "leave protocol, port and path out, or use network()");
        }
        if self.by() == CloudProvider && health.success_codes.is_some() {
            self.add("health-check", "the cloud provider reads no success codes", "leave them out");
        }
        if self.is(CloudProvider, Network) && health.healthy != health.unhealthy {
            let rule = "for a Network Load Balancer the cloud provider needs equal thresholds";
            self.add("health-check", rule, "give both alike with thresholds(3, 3)");
        }
        if classic
            && health.timeout.unwrap_or(5) >= health.interval.unwrap_or(10)
            && !(health.timeout.is_none() && health.interval.is_none())
        {
            let rule = "the timeout of a Classic Load Balancer's check must be shorter than its interval (5 s and 10 s, if not given)";
            self.add("health-check", rule, "choose a longer interval or a shorter timeout");
        }
        let longest = if classic { 60 } else { 120 };
        check_health(self.problems, &self.subject, &health, longest);
    }

    fn subnets(&mut self) {
        let subnets = self.settings.subnets.clone();
        check_list(self.problems, &self.subject, "subnets", "subnet", &subnets);
    }

    fn security_groups(&mut self) {
        let (own, extra) = (self.settings.security_groups.clone(), self.settings.extra_security_groups.clone());
        check_list(self.problems, &self.subject, "security-groups", "security group", &own);
        check_list(self.problems, &self.subject, "security-groups", "security group", &extra);
        if !own.is_empty() && self.by() == AutoMode {
            let rule = "EKS Auto Mode makes the security groups itself";
            self.add("security-groups", rule, "leave them out, or use Controller::LoadBalancerController");
        }
        if !own.is_empty() && self.is(CloudProvider, Network) {
            let rule = "the cloud provider gives a Network Load Balancer no security groups";
            self.add("security-groups", rule, "limit by source_range, or use Controller::LoadBalancerController");
        }
        if !extra.is_empty() && !self.is(CloudProvider, Classic) {
            let rule = "extra security groups are for Classic Load Balancers";
            self.add("security-groups", rule, "use security_group(…), or classic()");
        }
        if !own.is_empty() && !self.service.source_ranges.is_empty() {
            let rule = "source ranges have no effect where security groups of your own are given";
            self.add("source-range", rule, "write the ranges into your security groups, or leave these out");
        }
        if self.by() == CloudProvider && self.service.source_ranges.iter().any(|range| range.contains(':')) {
            self.add("source-range", "the cloud provider's rules are for IPv4 alone", "leave IPv6 blocks out");
        }
    }

    fn addresses(&mut self) {
        let addresses = self.settings.eip_allocations.clone();
        if addresses.is_empty() {
            return;
        }
        if self.service.kind() == Classic {
            self.add("elastic-ip", "a Classic Load Balancer has no elastic addresses", "use network()");
        }
        if !self.service.internet_facing {
            self.add("elastic-ip", "an internal load balancer has no public addresses", "use internet_facing(), or leave them out");
        }
        let subnets = self.settings.subnets.len();
        if subnets > 0 && subnets != addresses.len() {
            let rule = format!("{} elastic addresses for {subnets} subnets: each subnet takes one", addresses.len());
            self.add("elastic-ip", rule, "give as many as subnets");
        }
        check_list(self.problems, &self.subject, "elastic-ip", "elastic address", &addresses);
        for id in addresses.iter().filter(|id| !id.starts_with("eipalloc-")) {
            self.problems.add("elastic-ip", &self.subject, format!("{id:?} is no allocation"), "give its id, eipalloc-…");
        }
    }

    fn connections(&mut self) {
        if self.is(CloudProvider, Network) {
            let elsewhere = "use Controller::LoadBalancerController, or classic()";
            if self.settings.proxy_protocol {
                self.add("proxy-protocol", "the cloud provider turns it on for Classic Load Balancers alone", elsewhere);
            }
            if self.settings.draining.is_some() {
                self.add("draining", "the cloud provider sets it for Classic Load Balancers alone", elsewhere);
            }
            if self.settings.idle_timeout.is_some() {
                self.add("idle-timeout", "the cloud provider sets it for Classic Load Balancers alone", elsewhere);
            }
            return;
        }
        let (least, most) = if self.by() == CloudProvider { (1, 3600) } else { (0, 3600) };
        if let Some(seconds) = self.settings.draining.filter(|seconds| !(least..=most).contains(seconds)) {
            self.add("draining", format!("{seconds} s is not within {least}–{most}"), "choose a time within");
        }
        let Some(seconds) = self.settings.idle_timeout else { return };
        if self.by() == AutoMode {
            let rule = "EKS Auto Mode sets no attributes of listeners";
            self.add("idle-timeout", rule, "leave it out (350 s), or use Controller::LoadBalancerController");
            return;
        }
        let (least, most) = if self.by() == CloudProvider { (1, 4000) } else { (60, 6000) };
        if !(least..=most).contains(&seconds) {
            self.add("idle-timeout", format!("{seconds} s is not within {least}–{most}"), "choose a time within");
        }
        let secured = |port: u32| self.settings.tls.as_ref().is_some_and(|tls| tls.covers(port));
        if self.service.kind() == Network
            && self.service.ports.iter().all(|port| port.protocol != PortProtocol::Tcp || secured(port.listens))
        {
            let rule = "no port speaks plain TCP, and the idle timeout of other listeners is fixed (350 s for TLS, 120 s for UDP)";
            self.add("idle-timeout", rule, "leave it out");
        }
    }

    fn name(&mut self) {
        let Some(name) = self.settings.load_balancer_name.clone() else { return };
        if self.by() == CloudProvider {
            let rule = "the cloud provider names load balancers by the Service's uid";
            self.add("load-balancer-name", rule, "leave it out, or use Controller::LoadBalancerController");
        }
        check_balancer_name(self.problems, &self.subject, &name);
    }

    fn tags(&mut self) {
        for (key, value) in &self.settings.tags {
            check_tag(self.problems, &self.subject, key, value);
        }
        if self.settings.tags.len() > 40 {
            let rule = "a load balancer has 50 tags at most, and its controller and its owner need some of them";
            self.add("tag", rule, "give 40 at most");
        }
    }
}

/// Elements that must be there, once, and be written into one annotation.
pub(crate) fn check_list(problems: &mut Problems, subject: &str, code: &'static str, what: &str, items: &[String]) {
    let mut seen = BTreeSet::new();
    for item in items {
        if item.trim() != item || item.is_empty() || item.contains(',') {
            problems.add(code, subject, format!("{item:?} is no name of a {what}"), "give an id or a name without commas");
        } else if !seen.insert(item) {
            problems.add(code, subject, format!("{what} {item} is named twice"), "name each once");
        }
    }
}

/// Names of load balancers (CreateLoadBalancer, Elastic Load Balancing API reference).
pub(crate) fn check_balancer_name(problems: &mut Problems, subject: &str, name: &str) {
    let fine = (1..=32).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    if !fine || name.starts_with("internal-") {
        let rule = format!(
            "{name:?} is no name of a load balancer: 1–32 letters, digits and -, not beginning or ending with - nor beginning with internal-"
        );
        problems.add("load-balancer-name", subject, rule, "choose another name");
    }
}

/// ARNs of certificates: ACM's, or server certificates of IAM.
pub(crate) fn check_arn(problems: &mut Problems, subject: &str, arn: &str) {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let fine = match parts.as_slice() {
        ["arn", partition, service, region, account, resource] => {
            partition.starts_with("aws")
                && account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit())
                && !resource.contains([',', ' '])
                && match *service {
                    "acm" => !region.is_empty() && resource.strip_prefix("certificate/").is_some_and(|id| !id.is_empty()),
                    "iam" => region.is_empty() && resource.strip_prefix("server-certificate/").is_some_and(|name| !name.is_empty()),
                    _ => false,
                }
        }
        _ => false,
    };
    if !fine {
        let rule = format!("{arn:?} is no ARN of a certificate");
        problems.add("certificate", subject, rule, "give one like arn:aws:acm:us-east-1:123456789012:certificate/…");
    }
}

/// Tags of AWS, as annotations can carry them.
pub(crate) fn check_tag(problems: &mut Problems, subject: &str, key: &str, value: &str) {
    let rule = if key == OWNER_TAG {
        "is the tag by which eks-rs finds what it made"
    } else if key.starts_with("aws:") {
        "begins with aws:, which is AWS's own"
    } else if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
        "is longer than 128 characters, or its value than 256, or it is empty"
    } else if key.contains([',', '=']) || value.contains(',') || key.trim() != key || value.trim() != value {
        "has a comma, an = in its key, or spaces around, which an annotation cannot carry"
    } else {
        return;
    };
    problems.add("tag", subject, format!("tag {key:?} {rule}"), "choose another tag");
}

/// Numbers of a health check (CreateTargetGroup, Elastic Load Balancing API reference; Classic: HealthCheck).
pub(crate) fn check_health(problems: &mut Problems, subject: &str, health: &HealthCheck, longest: u32) {
    let mut within = |what: &str, value: Option<u32>, least: u32, most: u32| {
        if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
            let rule = format!("{what} {value} is not within {least}–{most}");
            problems.add("health-check", subject, rule, "choose a number within");
        }
    };
    within("the port", health.port, 1, 65535);
    within("the interval", health.interval, 5, 300);
    within("the timeout", health.timeout, 2, longest);
    within("the healthy threshold", health.healthy, 2, 10);
    within("the unhealthy threshold", health.unhealthy, 2, 10);
    let gets = matches!(health.protocol, Some(HealthProtocol::Http | HealthProtocol::Https));
    if let Some(path) = &health.path {
        if !gets {
            problems.add("health-check", subject, "a path is got by HTTP or HTTPS alone", "use HealthCheck::http(…)");
        }
        if !path.starts_with('/') || path.len() > 1024 || path.contains(char::is_whitespace) {
            let rule = format!("{path:?} is no path: it begins with / and has 1,024 characters at most, no spaces");
            problems.add("health-check", subject, rule, "correct it");
        }
    }
    if let Some(codes) = &health.success_codes {
        let code = |text: &str| text.parse::<u32>().is_ok_and(|code| (200..=599).contains(&code));
        let fine = codes.split(',').all(|part| match part.split_once('-') {
            Some((from, to)) => code(from) && code(to) && from < to,
            None => code(part),
        });
        if !gets || !fine {
            let rule = format!("{codes:?}: success codes go with HTTP or HTTPS, as numbers from 200 to 599 and ranges of them");
            problems.add("health-check", subject, rule, "write them like 200 or 200-399");
        }
    }
}

pub(crate) fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}
