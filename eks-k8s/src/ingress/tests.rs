//! What Ingresses say to their controller, what they may not say, and that it can be read back.

use eks_core::{Owner, Problems};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Controller, HealthCheck, HealthProtocol, TargetType};

const ARN: &str = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012";

fn owner() -> Owner {
    Owner::new("chap10").unwrap()
}

fn codes(ingress: &Ingress) -> Vec<&'static str> {
    let mut problems = Problems::new();
    ingress.check(&mut problems);
    problems.finish("x", || ()).err().map(|error| error.problems.iter().map(|problem| problem.code).collect()).unwrap_or_default()
}

fn web() -> Ingress {
    Ingress::alb("web").rule(IngressRule::to("web", 80))
}

#[test]
fn contradictions() {
    let https = || web().listen(Listener::Http(80)).listen(Listener::Https(443)).certificate(ARN);
    for (ingress, code) in [
        (web().controller(Controller::CloudProvider), "controller"),
        (Ingress::alb("web"), "rule"),
        (web().rule(IngressRule::to("other", 80)), "rule"),
        (web().rule(IngressRule::to("web", 80).path("no-slash")), "rule"),
        (web().rule(IngressRule::to("web", 80).path("/*")), "rule"),
        (web().rule(IngressRule::to("web", 80).host("Example.com")), "name"),
        (web().default_backend("web", 0), "port"),
        (web().class("Alb"), "name"),
        (web().listen(Listener::Http(80)).listen(Listener::Http(80)), "listener"),
        (web().listen(Listener::Http(80)).certificate(ARN), "tls"),
        (web().tls_policy("ELBSecurityPolicy-TLS13-1-2-2021-06"), "tls"),
        (web().listen(Listener::Https(443)), "tls"),
        (https().certificate("arn:x"), "certificate"),
        (https().ssl_redirect(8443), "ssl-redirect"),
        (web().certificate(ARN).ssl_redirect(443), "ssl-redirect"),
        (web().group("Team"), "group"),
        (web().group_order(1), "group"),
        (web().group("team").group_order(1001), "group"),
        (web().group("team").controller(Controller::AutoMode), "group"),
        (web().health_check(HealthCheck::tcp()), "health-check"),
        (web().health_check(HealthCheck::http("x")), "health-check"),
        (web().subnet("subnet-1"), "subnets"),
        (web().inbound_cidr("10.0.0.0"), "source-range"),
        (web().inbound_cidr("10.0.0.0/8").security_group("sg-1"), "source-range"),
        (web().attribute("idle_timeout.timeout_seconds", "4001"), "attribute"),
        (web().attribute("idle timeout", "1"), "attribute"),
        (web().target_attribute("stickiness.enabled", "true"), "targets"),
        (web().load_balancer_name("-web"), "load-balancer-name"),
        (web().tag("aws:x", ""), "tag"),
        (web().annotation("alb.ingress.kubernetes.io/scheme", "internal"), "annotation"),
        (web().annotation("kubernetes.io/ingress.class", "alb"), "annotation"),
    ] {
        assert_eq!(codes(&ingress), [code], "{ingress:?}");
    }
    for fine in [
        https().ssl_redirect(443),
        web().certificate(ARN),
        web().listen(Listener::Https(443)).rule(IngressRule::to("web", 80).host("*.example.com")),
        web().rule(IngressRule::to("web", 80).path("/a*").compared(PathType::ImplementationSpecific)),
        web().annotation("alb.ingress.kubernetes.io/wafv2-acl-arn", "arn"),
        web().target_attribute("stickiness.enabled", "true").targets(TargetType::Ip),
    ] {
        assert_eq!(codes(&fine), [""; 0], "{fine:?}");
    }
}

#[test]
fn what_would_make_another_load_balancer() {
    let change = |from: &Ingress, to: Ingress| frozen(&from.manifest("default", &owner()), &to.manifest("default", &owner()));
    let base = web();
    assert_eq!(change(&base, web().internet_facing().group("team").class("other").load_balancer_name("web")).len(), 4);
    assert_eq!(
        change(&base, web().internet_facing()),
        ["scheme: internal → internet-facing: it would get another load balancer under another hostname, while the old one is deleted"]
    );
    assert!(change(&base, web().targets(TargetType::Ip).certificate(ARN).inbound_cidr("10.0.0.0/8")).is_empty());
}

#[test]
fn live_ingresses() {
    let live = json!({
        "metadata": {
            "name": "web", "finalizers": ["group.ingress.k8s.aws/team"],
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
                "alb.ingress.kubernetes.io/group.name": "team",
                "alb.ingress.kubernetes.io/listen-ports": "[{\"HTTP\": 80}, {\"HTTPS\": 443}]",
                "alb.ingress.kubernetes.io/certificate-arn": format!("{ARN}, {ARN}2"),
                "alb.ingress.kubernetes.io/healthcheck-port": "traffic-port",
                "alb.ingress.kubernetes.io/actions.redirect": "{}",
            },
        },
        "spec": {"ingressClassName": "alb", "rules": [{"http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]},
        "status": {"loadBalancer": {"ingress": [{"hostname": "k8s-team.us-east-1.elb.amazonaws.com"}]}},
    });
    let expected = web()
        .group("team")
        .listen(Listener::Http(80))
        .listen(Listener::Https(443))
        .certificate(ARN)
        .certificate(format!("{ARN}2"))
        .annotation("alb.ingress.kubernetes.io/actions.redirect", "{}");
    assert_eq!(Ingress::read(&live, Controller::LoadBalancerController).unwrap(), expected);
    let mut odd = live.clone();
    odd["spec"]["defaultBackend"] = json!({"service": {"name": "web", "port": {"name": "http"}}});
    odd["metadata"]["annotations"]["alb.ingress.kubernetes.io/listen-ports"] = json!("80");
    let error = Ingress::read(&odd, Controller::LoadBalancerController).unwrap_err();
    assert_eq!(error.problems.len(), 2, "{error}");
}

fn ingresses() -> impl Strategy<Value = Ingress> {
    let controller = prop_oneof![Just(Controller::AutoMode), Just(Controller::LoadBalancerController)];
    let flags = proptest::collection::vec(any::<bool>(), 14);
    let number = |least: u32, most: u32| proptest::option::of(least..most);
    let health = (number(1, 65536), number(5, 301), number(2, 121), number(2, 11), number(2, 11));
    let path_type = prop_oneof![Just(PathType::Exact), Just(PathType::Prefix), Just(PathType::ImplementationSpecific)];
    // By host and path, so that each is said once and hosts stay together.
    let rules = proptest::collection::btree_map((proptest::option::of(0..3u8), 0..4u8), (path_type, 1..9u32), 0..6);
    (controller, flags, health, rules, 1..65535u32, number(1, 1001)).prop_map(|(controller, flags, health, rules, port, order)| {
        let mut ingress = Ingress::alb("web").controller(controller);
        ingress.internet_facing = flags[0];
        if flags[1] {
            ingress = ingress.targets(TargetType::Ip);
        }
        if flags[2] {
            ingress = ingress.listen(Listener::Http(port)).listen(Listener::Https(port + 1)).certificate(ARN).ssl_redirect(port + 1);
        }
        if flags[3] && flags[2] {
            ingress = ingress.certificate(format!("{ARN}2")).tls_policy("ELBSecurityPolicy-TLS13-1-2-2021-06");
        }
        if flags[4] && controller == Controller::LoadBalancerController {
            ingress = ingress.group("team.one");
            ingress.group_order = order;
        }
        let (at, interval, timeout, healthy, unhealthy) = health;
        ingress.health = HealthCheck {
            protocol: flags[5].then_some(HealthProtocol::Https),
            port: at,
            path: flags[6].then(|| "/healthz".to_owned()),
            interval,
            timeout,
            healthy,
            unhealthy,
            success_codes: flags[7].then(|| "200,301-303".to_owned()),
        };
        if flags[8] {
            ingress = ingress.subnet("subnet-1").subnet("private b");
        }
        ingress = if flags[9] { ingress.security_group("sg-1") } else { ingress.inbound_cidr("10.0.0.0/8").inbound_cidr("2001:db8::/32") };
        if flags[10] {
            ingress = ingress.attribute("idle_timeout.timeout_seconds", "600").target_attribute("slow_start.duration_seconds", "30");
        }
        if flags[11] {
            ingress = ingress.tag("team", "web").tag("empty", "").load_balancer_name("web");
        }
        if flags[12] {
            ingress = ingress.annotation("alb.ingress.kubernetes.io/actions.redirect", "{\"type\": \"redirect\"}");
        }
        if flags[13] || rules.is_empty() {
            ingress = ingress.default_backend("fallback", port);
        }
        for ((host, path), (path_type, port)) in rules {
            let rule = IngressRule::to("web", port).path(format!("/{path}")).compared(path_type);
            ingress = ingress.rule(match host {
                Some(host) => rule.host(format!("{host}.example.com")),
                None => rule,
            });
        }
        ingress
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn there_and_back(ingress in ingresses()) {
        prop_assert_eq!(codes(&ingress), [""; 0]);
        let mut live = ingress.manifest("default", &owner());
        prop_assert_eq!(&Ingress::read(&live, ingress.controller).unwrap(), &ingress);
        live["metadata"]["finalizers"] = json!(["ingress.k8s.aws/resources"]);
        live["metadata"]["annotations"]["eks-rs/key"] = json!("k8s/ingress/default/web");
        live["status"] = json!({"loadBalancer": {"ingress": [{"hostname": "web.elb.amazonaws.com"}]}});
        prop_assert_eq!(&Ingress::read(&live, ingress.controller).unwrap(), &ingress);
    }
}
