//! What Services say to their controllers, what they may not say, and that it can be read back.

use eks_core::{Owner, Problems};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{port::Port, *};

const ARN: &str = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012";

fn codes(service: &Service) -> Vec<&'static str> {
    let mut problems = Problems::new();
    service.check(&mut problems);
    problems.finish("x", || ()).err().map(|error| error.problems.iter().map(|problem| problem.code).collect()).unwrap_or_default()
}

fn owner() -> Owner {
    Owner::new("chap10").unwrap()
}

fn nginx() -> Service {
    Service::load_balancer("nginx").port(80, 80).selector("app", "nginx")
}

fn nlb() -> Service {
    nginx().network()
}

fn lbc() -> Service {
    nginx().controller(Controller::LoadBalancerController)
}

fn auto() -> Service {
    nginx().controller(Controller::AutoMode)
}

#[test]
fn tags_by_hand_come_after_the_owner() {
    let key = format!("{PREFIX}-additional-resource-tags");
    let tags = |service: Service| service.annotation(&key, "team=web").annotations(&owner()).remove(&key);
    assert_eq!(tags(nginx()).as_deref(), Some("eks-rs/owner=chap10,team=web"));
    assert_eq!(tags(nginx().tag("stage", "test")).as_deref(), Some("eks-rs/owner=chap10,stage=test,team=web"));
    assert_eq!(tags(auto()).as_deref(), Some("team=web"));
}

#[test]
fn attributes_by_hand_come_after_ours() {
    let key = format!("{PREFIX}-attributes");
    let service = lbc().cross_zone(true).annotation(&key, "deletion_protection.enabled=true");
    let said = service.annotations(&owner()).remove(&key);
    assert_eq!(said.as_deref(), Some("load_balancing.cross_zone.enabled=true,deletion_protection.enabled=true"));
    let read = Service::read(&service.manifest("default", &owner())).unwrap();
    assert_eq!(read, service);
}

#[test]
fn public_addresses_are_paid_for() {
    let usd = |service: &Service| service.address_prices(3).map(|price| price.usd_per_month).sum::<f64>();
    for controller in [Controller::CloudProvider, Controller::LoadBalancerController, Controller::AutoMode] {
        let (internal, public) = (nginx().controller(controller), nginx().controller(controller).internet_facing());
        assert!(usd(&internal) == 0.0 && (usd(&public) - 10.95).abs() < 1e-9, "{controller:?}");
        let public_live = |service: &Service| is_public(&service.manifest("default", &owner()));
        assert!(!public_live(&internal) && public_live(&public), "{controller:?}");
    }
}

/// Contradictions: what is asked for, of whom, and the rule's name.
#[test]
fn contradictions() {
    let tls = || Tls::new(ARN);
    let public = |service: Service| service.internet_facing();
    for (service, code) in [
        (lbc().classic(), "controller"),
        (auto().classic(), "controller"),
        (nginx().targets(TargetType::Ip), "targets"),
        (nlb().targets(TargetType::Ip), "targets"),
        (public(nginx()).elastic_ip("eipalloc-1"), "elastic-ip"),
        (nlb().elastic_ip("eipalloc-1"), "elastic-ip"),
        (lbc().elastic_ip("eipalloc-1"), "elastic-ip"),
        (public(lbc()).elastic_ip("203.0.113.1"), "elastic-ip"),
        (public(lbc()).elastic_ip("eipalloc-1").subnet("subnet-1").subnet("subnet-2"), "elastic-ip"),
        (public(lbc()).elastic_ip("eipalloc-1").elastic_ip("eipalloc-1"), "elastic-ip"),
        (nlb().security_group("sg-1"), "security-groups"),
        (auto().security_group("sg-1"), "security-groups"),
        (nlb().extra_security_group("sg-1"), "security-groups"),
        (lbc().extra_security_group("sg-1"), "security-groups"),
        (lbc().security_group("sg-1").security_group("sg-1"), "security-groups"),
        (lbc().security_group("sg-1").source_range("10.0.0.0/8"), "source-range"),
        (nginx().security_group("sg-1").source_range("10.0.0.0/8"), "source-range"),
        (nginx().source_range("2001:db8::/32"), "source-range"),
        (nginx().source_range("10.0.0.0/33"), "source-range"),
        (nlb().proxy_protocol(), "proxy-protocol"),
        (nginx().proxy_protocol().backend_protocol(BackendProtocol::Http), "proxy-protocol"),
        (lbc().tls(Tls { certificates: Vec::new(), ports: Vec::new(), policy: Some("ELBSecurityPolicy-2016-08".to_owned()) }), "tls"),
        (nginx().tls(tls().certificate(ARN)), "tls"),
        (lbc().tls(tls().port(443)), "tls"),
        (lbc().tls(tls().policy("no policy")), "tls"),
        (lbc().tls(Tls::new("arn:aws:s3:::certificate")), "certificate"),
        (lbc().tls(Tls::new("arn:aws:acm::123456789012:certificate/x")), "certificate"),
        (nlb().backend_protocol(BackendProtocol::Http), "backend-protocol"),
        (lbc().tls(tls()).backend_protocol(BackendProtocol::Https), "backend-protocol"),
        (nginx().backend_protocol(BackendProtocol::Ssl), "backend-protocol"),
        (nginx().health_check(HealthCheck::http("/")), "health-check"),
        (nlb().health_check(HealthCheck::tcp().thresholds(2, 3)), "health-check"),
        (nlb().health_check(HealthCheck::http("/").success_codes("200")), "health-check"),
        (nginx().health_check(HealthCheck::default().timeout(10)), "health-check"),
        (nginx().health_check(HealthCheck::default().timeout(61).interval(300)), "health-check"),
        (lbc().health_check(HealthCheck::tcp().interval(4)), "health-check"),
        (lbc().health_check(HealthCheck::tcp().timeout(121)), "health-check"),
        (lbc().health_check(HealthCheck::tcp().thresholds(1, 3)), "health-check"),
        (lbc().health_check(HealthCheck::tcp().port(0)), "health-check"),
        (lbc().health_check(HealthCheck { path: Some("/".to_owned()), ..HealthCheck::tcp() }), "health-check"),
        (lbc().health_check(HealthCheck::http("healthz")), "health-check"),
        (lbc().health_check(HealthCheck::http("/").success_codes("200-100")), "health-check"),
        (nlb().draining(60), "draining"),
        (nginx().draining(3601), "draining"),
        (nginx().draining(0), "draining"),
        (nlb().idle_timeout(60), "idle-timeout"),
        (auto().idle_timeout(60), "idle-timeout"),
        (nginx().idle_timeout(4001), "idle-timeout"),
        (lbc().idle_timeout(59), "idle-timeout"),
        (lbc().tls(tls()).idle_timeout(60), "idle-timeout"),
        (nginx().load_balancer_name("web"), "load-balancer-name"),
        (lbc().load_balancer_name("a-name-that-is-longer-than-32-chars"), "load-balancer-name"),
        (lbc().load_balancer_name("internal-web"), "load-balancer-name"),
        (lbc().load_balancer_name("web-"), "load-balancer-name"),
        (lbc().subnet("subnet-1").subnet("subnet-1"), "subnets"),
        (lbc().tag("aws:x", "1"), "tag"),
        (lbc().tag("a=b", "1"), "tag"),
        (lbc().tag("eks-rs/owner", "x"), "tag"),
        (nginx().port(80, 81), "port"),
        (nginx().port_of(PortProtocol::Udp, 53, 53), "port"),
        (nlb().port_of(PortProtocol::TcpUdp, 53, 53), "port"),
        (auto().port_of(PortProtocol::TcpUdp, 53, 53), "port"),
        (lbc().port(53, 53).port_of(PortProtocol::Udp, 53, 5353), "port"),
        (lbc().port(81, "Http"), "port"),
        (lbc().port(81, "80"), "port"),
        (lbc().port(81, "a-name-too-long-"), "port"),
        (lbc().tls(tls()).port_of(PortProtocol::Udp, 53, 53), "tls"),
        (lbc().tls(tls().port(80)).port_of(PortProtocol::Udp, 53, 53).idle_timeout(60), "idle-timeout"),
    ] {
        assert_eq!(codes(&service), [code], "{service:?}");
    }
}

#[test]
fn annotations_by_hand() {
    let with = |service: Service, suffix: &str, value: &str| codes(&service.annotation(format!("{PREFIX}-{suffix}"), value));
    for (service, suffix, value, codes) in [
        (nginx(), "internal", "0.0.0.0/0", &[][..]),
        (nginx(), "internal", "false", &["annotation"]),
        (nginx().internet_facing(), "internal", "true", &["annotation"]),
        (nginx(), "scheme", "internal", &["annotation"]),
        (nginx(), "type", "external", &["annotation"]),
        (nginx(), "type", "nlb", &["annotation"]),
        (nginx(), "attributes", "a=b", &["annotation"]),
        (nginx(), "access-log-emit-interval", "6", &["annotation"]),
        (nginx(), "connection-idle-timeout", "4001", &["idle-timeout"]),
        (nginx(), "connection-idle-timeout", "long", &["annotation"]),
        (lbc(), "internal", "true", &["annotation"]),
        (lbc(), "scheme", "internet-facing", &["annotation"]),
        (lbc(), "type", "external", &["annotation"]),
        (lbc(), "nlb-target-type", "pod", &["annotation"]),
        (lbc(), "name", "a-name-that-is-longer-than-32-chars", &["load-balancer-name"]),
        (lbc().load_balancer_name("web"), "name", "other", &["annotation"]),
        (lbc(), "ssl-ports", "443", &["tls", "tls"]),
        (lbc(), "connection-idle-timeout", "60", &["annotation"]),
        (auto(), "proxy-protocol", "*", &["annotation"]),
        (auto(), "cross-zone-load-balancing-enabled", "true", &["annotation"]),
        (lbc(), "something-new", "x", &[]),
    ] {
        assert_eq!(with(service, suffix, value), codes, "{suffix}={value}");
    }
    let ranges = lbc().annotation("service.beta.kubernetes.io/load-balancer-source-ranges", "10.0.0.0/8");
    assert_eq!(codes(&ranges), ["annotation"]);
}

#[test]
fn problems() {
    let empty = Service::load_balancer("9nginx").controller(Controller::AutoMode).classic().source_range("10.0.0.0/33");
    assert_eq!(codes(&empty), ["name", "port", "selector", "source-range", "controller"]);
    assert_eq!(codes(&nginx().port(80, 70_000)), ["port", "port"]);
}

/// As controllers leave them: defaults of the API server, finalizers, status, what kubectl notes.
#[test]
fn live_services() {
    let cloud = json!({
        "metadata": {
            "name": "web", "namespace": "default", "uid": "1",
            "finalizers": ["service.kubernetes.io/load-balancer-cleanup"],
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
                format!("{PREFIX}-internal"): "0.0.0.0/0",
                format!("{PREFIX}-ssl-cert"): ARN,
                format!("{PREFIX}-ssl-ports"): "https",
                format!("{PREFIX}-backend-protocol"): "HTTP",
                format!("{PREFIX}-connection-draining-enabled"): "true",
            },
        },
        "spec": {
            "type": "LoadBalancer", "clusterIP": "10.0.0.1", "sessionAffinity": "None", "externalTrafficPolicy": "Cluster",
            "allocateLoadBalancerNodePorts": true, "ipFamilies": ["IPv4"], "internalTrafficPolicy": "Cluster",
            "ports": [{"name": "https", "port": 443, "targetPort": 8443, "protocol": "TCP", "nodePort": 30443}, {"port": 80, "nodePort": 30080}],
            "selector": {"app": "web"},
        },
        "status": {"loadBalancer": {"ingress": [{"hostname": "a.elb.amazonaws.com"}]}},
    });
    let expected = Service::load_balancer("web")
        .port(443, 8443)
        .port(80, 80)
        .selector("app", "web")
        .tls(Tls::new(ARN).port(443))
        .backend_protocol(BackendProtocol::Http)
        .draining(300)
        .annotation(format!("{PREFIX}-internal"), "0.0.0.0/0");
    assert_eq!(Service::read(&cloud).unwrap(), expected);
    assert_eq!(codes(&expected), [""; 0]);

    let mut foreign = cloud.clone();
    foreign["spec"]["loadBalancerClass"] = json!("metallb");
    foreign["spec"]["ports"] = json!([{"port": 53, "protocol": "SCTP", "targetPort": 53}, {"port": 80, "targetPort": "http"}]);
    let error = Service::read(&foreign).unwrap_err();
    let found: Vec<_> = error.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(found, ["controller", "port", "annotation"]);
    foreign["spec"]["type"] = json!("ClusterIP");
    assert!(Service::read(&foreign).unwrap_err().to_string().contains("ClusterIP"));

    // Taken by its annotation alone, as before Kubernetes 1.21.
    let mut elsewhere = lbc().targets(TargetType::Ip).manifest("default", &owner());
    elsewhere["spec"].as_object_mut().unwrap().remove("loadBalancerClass");
    elsewhere["metadata"]["annotations"][format!("{PREFIX}-type")] = json!("external");
    assert_eq!(Service::read(&elsewhere).unwrap(), lbc().targets(TargetType::Ip));
    assert!(!is_public(&elsewhere));
}

/// Ports as Kubernetes has them: an entry for each protocol, a number or a name of the container's.
#[test]
fn udp_and_names_of_ports() {
    let entry = |name: &str, port: u32, target: Value, protocol: &str| json!({"name": name, "port": port, "targetPort": target, "protocol": protocol});
    let shared = format!("{PREFIX}-enable-tcp-udp-listener");
    for (service, ports, is_shared) in [
        (nlb().port_of(PortProtocol::Udp, 53, "dns"), vec![entry("udp-53", 53, json!("dns"), "UDP")], false),
        (auto().port_of(PortProtocol::Udp, 53, 5353), vec![entry("udp-53", 53, json!(5353), "UDP")], false),
        (
            lbc().port_of(PortProtocol::TcpUdp, 53, "dns"),
            vec![entry("tcp-53", 53, json!("dns"), "TCP"), entry("udp-53", 53, json!("dns"), "UDP")],
            true,
        ),
    ] {
        assert_eq!(codes(&service), [""; 0]);
        let manifest = service.manifest("default", &owner());
        assert_eq!(manifest["spec"]["ports"].as_array().unwrap()[1..], ports);
        assert_eq!(manifest["metadata"]["annotations"].get(&shared), is_shared.then_some(&json!("true")));
        assert_eq!(Service::read(&manifest).unwrap(), service);
    }
    // Two listeners, where nobody asks for one.
    let mut apart = lbc().port_of(PortProtocol::TcpUdp, 53, 53).manifest("default", &owner());
    apart["metadata"]["annotations"].as_object_mut().unwrap().remove(&shared);
    assert_eq!(Service::read(&apart).unwrap(), lbc().port(53, 53).port_of(PortProtocol::Udp, 53, 53));
    assert_eq!(nlb().port_of(PortProtocol::Udp, 53, 53).udp_unchecked(), Some(53));
    assert_eq!(nlb().port_of(PortProtocol::Udp, 53, 53).health_check(HealthCheck::tcp().port(8080)).udp_unchecked(), None);
}

/// An idle timeout for one listener of two is kept as it is.
#[test]
fn what_has_no_word_is_kept() {
    let one = lbc().port(443, 443).annotation(format!("{PREFIX}-listener-attributes.TCP-80"), "tcp.idle_timeout.seconds=60");
    assert_eq!(Service::read(&one.manifest("default", &owner())).unwrap(), one);
}

#[test]
fn all_that_does_not_change_is_shown() {
    let change = |service: Service, other: Service| {
        let (live, wanted) = (service.manifest("default", &owner()), other.manifest("default", &owner()));
        frozen(&live, &wanted, &crate::diff::changes(&wanted, &live))
    };
    let both = change(nginx(), nlb().internet_facing());
    assert_eq!(
        both,
        [
            format!("annotation {PREFIX}-internal: true → nothing: on a Service that has a load balancer, this annotation leaks it"),
            format!("annotation {PREFIX}-type: nothing → nlb: on a Service that has a load balancer, this annotation leaks it"),
        ]
    );
    assert_eq!(change(lbc(), lbc().load_balancer_name("web")).len(), 1);
    assert_eq!(change(nlb(), lbc()).len(), 4, "class, -internal, -scheme, -type");
    assert_eq!(change(nlb().internet_facing().elastic_ip("eipalloc-1"), nlb().internet_facing()).len(), 1);
    assert!(change(nginx().annotation(format!("{PREFIX}-internal"), "0.0.0.0/0"), nginx()).is_empty());
    assert!(change(lbc(), lbc().targets(TargetType::Ip).cross_zone(true).port(443, 443)).is_empty());
}

fn some<T: std::fmt::Debug + Clone + 'static>(strategy: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Option<T>> {
    proptest::option::of(strategy).boxed()
}

/// Services of any shape, valid or not.
fn services() -> impl Strategy<Value = Service> {
    let controller = prop_oneof![Just(Controller::AutoMode), Just(Controller::CloudProvider), Just(Controller::LoadBalancerController)];
    let names = |what: &'static str| {
        proptest::collection::btree_set(0..9u8, 0..3)
            .prop_map(move |all| all.into_iter().map(|n| format!("{what}-{n}")).collect::<Vec<_>>())
    };
    let base = (controller, any::<bool>(), any::<bool>(), proptest::collection::btree_map(1..65536u32, 1..65536u32, 1..4), any::<bool>());
    let balancer = (
        any::<bool>(),
        some((1..3usize, any::<bool>(), any::<bool>())),
        some(prop_oneof![
            Just(BackendProtocol::Http),
            Just(BackendProtocol::Https),
            Just(BackendProtocol::Ssl),
            Just(BackendProtocol::Tcp)
        ]),
        (
            some(prop_oneof![Just(HealthProtocol::Http), Just(HealthProtocol::Https), Just(HealthProtocol::Tcp)]),
            some(1..65536u32),
            any::<bool>(),
            some(20..301u32),
            some(2..20u32),
            some(2..11u32),
            some(2..11u32),
            any::<bool>(),
        ),
        names("subnet"),
        names("sg"),
        names("sg"),
    );
    let connection = (
        some(any::<bool>()),
        any::<bool>(),
        names("eipalloc"),
        some(1..3601u32),
        some(60..4001u32),
        names("tag"),
        any::<bool>(),
        any::<bool>(),
    );
    (base, balancer, connection).prop_map(|(base, balancer, connection)| {
        let (controller, network, public, ports, ranges) = base;
        let (ip, tls, backend, health, subnets, own, extra) = balancer;
        let (cross_zone, proxy, addresses, draining, idle, tags, named, by_hand) = connection;
        let mut service = Service::load_balancer("web").controller(controller).selector("app", "web");
        let first = ports.keys().next().copied();
        service.ports = ports
            .into_iter()
            .map(|(listens, target)| Port {
                listens,
                target: if target % 7 == 0 { TargetPort::Name(format!("p-{target}")) } else { TargetPort::Number(target) },
                protocol: match target % 8 {
                    0 => PortProtocol::Udp,
                    1 => PortProtocol::TcpUdp,
                    _ => PortProtocol::Tcp,
                },
            })
            .collect();
        service.kind = (network && controller == Controller::CloudProvider).then_some(LoadBalancerKind::Network);
        service.internet_facing = public;
        service.source_ranges = if ranges { vec!["10.0.0.0/8".to_owned(), "192.0.2.0/24".to_owned()] } else { Vec::new() };
        let (protocol, port, path, interval, timeout, healthy, unhealthy, success) = health;
        service.settings = settings::Settings {
            target_type: if ip { TargetType::Ip } else { TargetType::Instance },
            tls: tls.map(|(count, some, policy)| Tls {
                certificates: (0..count).map(|number| format!("{ARN}{number}")).collect(),
                ports: if some { first.into_iter().collect() } else { Vec::new() },
                policy: policy.then(|| "ELBSecurityPolicy-TLS13-1-2-2021-06".to_owned()),
            }),
            backend,
            health: HealthCheck {
                protocol,
                port,
                path: path.then(|| "/healthz".to_owned()),
                interval,
                timeout,
                healthy,
                unhealthy,
                success_codes: success.then(|| "200-399".to_owned()),
            },
            subnets,
            security_groups: own,
            extra_security_groups: extra,
            cross_zone,
            proxy_protocol: proxy,
            eip_allocations: addresses,
            draining,
            idle_timeout: idle,
            tags: tags.into_iter().map(|tag| (tag.clone(), tag)).collect(),
            load_balancer_name: named.then(|| "web".to_owned()),
        };
        if by_hand {
            service.annotations.insert("example.com/note".to_owned(), "a, b=c".to_owned());
        }
        service
    })
}

/// What makes a Service valid again, as the remedies say: leaves out what its controller does not have.
fn mended(mut service: Service) -> Service {
    for _ in 0..12 {
        let found = codes(&service);
        let settings = &mut service.settings;
        for code in found {
            match code {
                "targets" => settings.target_type = TargetType::Instance,
                "elastic-ip" => settings.eip_allocations.clear(),
                "security-groups" => {
                    settings.security_groups.clear();
                    settings.extra_security_groups.clear();
                }
                "source-range" => service.source_ranges.clear(),
                "proxy-protocol" => settings.proxy_protocol = false,
                "port" => service.ports.iter_mut().for_each(|port| port.protocol = PortProtocol::Tcp),
                "tls" => settings.tls = None,
                "backend-protocol" => settings.backend = None,
                "health-check" => settings.health = HealthCheck::default(),
                "draining" => settings.draining = None,
                "idle-timeout" => settings.idle_timeout = None,
                "load-balancer-name" => settings.load_balancer_name = None,
                other => panic!("{other}"),
            }
        }
    }
    service
}

/// What the API server and controllers add.
fn lived(mut live: Value, controller: Controller) -> Value {
    for (number, port) in live["spec"]["ports"].as_array_mut().into_iter().flatten().enumerate() {
        port["nodePort"] = json!(30_000 + number);
    }
    live["spec"]["clusterIP"] = json!("10.0.0.1");
    live["spec"]["externalTrafficPolicy"] = json!("Cluster");
    live["spec"]["sessionAffinity"] = json!("None");
    let finalizer =
        if controller == Controller::CloudProvider { "service.kubernetes.io/load-balancer-cleanup" } else { "service.k8s.aws/resources" };
    live["metadata"]["finalizers"] = json!([finalizer]);
    live["metadata"]["annotations"]["eks-rs/key"] = json!("k8s/service/default/web");
    live["status"] = json!({"loadBalancer": {"ingress": [{"hostname": "web.elb.us-east-1.amazonaws.com"}]}});
    live
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any valid Service comes back from its manifest, and from what becomes of it in a cluster.
    #[test]
    fn there_and_back(service in services()) {
        let service = mended(service);
        prop_assert_eq!(codes(&service), [""; 0]);
        let manifest = service.manifest("default", &owner());
        prop_assert_eq!(&Service::read(&manifest).unwrap(), &service);
        prop_assert_eq!(&Service::read(&lived(manifest, service.controller)).unwrap(), &service);
    }
}
