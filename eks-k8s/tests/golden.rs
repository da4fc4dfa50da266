//! What Services and Ingresses look like, for each controller, scheme and kind: files in `tests/golden`, read by a person against what
//! the controllers' pages say before they are accepted. `UPDATE_GOLDEN=1 cargo test -p eks-k8s --test golden` writes them anew.
//!
//! - Cloud provider: "The Service Controller" (cloud-provider-aws): `-internal`, `-type: nlb`, `-ssl-*`, `-backend-protocol`,
//!   `-healthcheck-*`, `-connection-*`, `-cross-zone-load-balancing-enabled`, `-proxy-protocol`, `-extra-security-groups`,
//!   `-additional-resource-tags`; `-subnets`, `-security-groups` and `-eip-allocations` from its source, `EnsureLoadBalancer`.
//! - AWS Load Balancer Controller: "Service annotations" and "Network Load Balancer": class `service.k8s.aws/nlb`, `-scheme`,
//!   `-nlb-target-type`, `-attributes`, `-target-group-attributes`, `-listener-attributes.TCP-80`, `-name`,
//!   `-manage-backend-security-group-rules`; "Ingress annotations" for `alb.ingress.kubernetes.io/…`.
//! - Auto Mode: EKS user guide, "Use Service Annotations to configure Network Load Balancers": class `eks.amazonaws.com/nlb`; no `-type`,
//!   no `-proxy-protocol`, no single attributes, but `-attributes` and `-target-group-attributes`; "Create an IngressClass to configure an
//!   Application Load Balancer": no `group.name` on Ingresses.

use std::{fmt::Write, fs, path::PathBuf};

use eks_core::Owner;
use eks_k8s::{BackendProtocol, Controller, HealthCheck, Ingress, IngressRule, Listener, PathType, Service, TargetType, Tls};
use serde_json::Value;

const ARN: &str = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012";

type Tested = Result<(), Box<dyn std::error::Error>>;

/// Compares with the file, or writes it.
fn check(file: &str, documents: &[(String, Value)]) -> Tested {
    let mut text = String::new();
    for (title, manifest) in documents {
        write!(text, "# {title}\n{}---\n", serde_yaml_ng::to_string(manifest)?)?;
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, text)?;
        return Ok(());
    }
    assert_eq!(fs::read_to_string(&path)?, text, "{}", path.display());
    Ok(())
}

fn controllers() -> [(&'static str, Controller); 3] {
    [
        ("cloud-provider", Controller::CloudProvider),
        ("load-balancer-controller", Controller::LoadBalancerController),
        ("auto-mode", Controller::AutoMode),
    ]
}

/// Everything that the controller has for this kind of load balancer.
fn rich(service: Service, controller: Controller, network: bool, public: bool) -> Service {
    let service = service
        .port(443, 8443)
        .tls(Tls::new(ARN).port(443).policy("ELBSecurityPolicy-TLS13-1-2-2021-06"))
        .tag("team", "web")
        .cross_zone(true);
    let service = service.subnet("subnet-0a").subnet("subnet-0b");
    let service = match (network, public) {
        (true, true) => service.elastic_ip("eipalloc-0a").elastic_ip("eipalloc-0b"),
        _ => service,
    };
    match (controller, network) {
        (Controller::CloudProvider, false) => service
            .health_check(HealthCheck::default().interval(20).timeout(10).thresholds(2, 4))
            .source_range("203.0.113.0/24")
            .extra_security_group("sg-0a")
            .proxy_protocol()
            .draining(60)
            .idle_timeout(120),
        (Controller::CloudProvider, true) => {
            service.health_check(HealthCheck::http("/healthz").port(8080).thresholds(3, 3)).source_range("203.0.113.0/24")
        }
        (Controller::LoadBalancerController, _) => service
            .targets(TargetType::Ip)
            .backend_protocol(BackendProtocol::Ssl)
            .health_check(HealthCheck::https("/healthz").interval(10).success_codes("200-399"))
            .security_group("sg-0a")
            .proxy_protocol()
            .draining(60)
            .idle_timeout(120)
            .load_balancer_name("web"),
        (_, _) => service
            .targets(TargetType::Ip)
            .health_check(HealthCheck::http("/healthz").port(8080))
            .source_range("203.0.113.0/24")
            .proxy_protocol()
            .draining(60)
            .load_balancer_name("web"),
    }
}

#[test]
fn services() -> Tested {
    let owner = Owner::new("chap10")?;
    for (name, controller) in controllers() {
        let mut documents = Vec::new();
        for network in [false, true] {
            // Classic Load Balancers are the cloud provider's alone.
            if !network && controller != Controller::CloudProvider {
                continue;
            }
            for public in [false, true] {
                for (much, full) in [("least", false), ("most", true)] {
                    let service = Service::load_balancer("web").controller(controller).port(80, 8080).selector("app", "web");
                    let service = if network { service.network() } else { service };
                    let service = if public { service.internet_facing() } else { service };
                    let service = if full { rich(service, controller, network, public) } else { service };
                    let kind = if network { "network" } else { "classic" };
                    let scheme = if public { "internet-facing" } else { "internal" };
                    let manifest = service.manifest("default", &owner);
                    let back = Service::read(&manifest)?;
                    assert_eq!(back.manifest("default", &owner), manifest);
                    documents.push((format!("{kind}, {scheme}, {much}"), manifest));
                }
            }
        }
        check(&format!("service-{name}.yaml"), &documents)?;
    }
    Ok(())
}

#[test]
fn ingresses() -> Tested {
    let owner = Owner::new("chap10")?;
    for (name, controller) in &controllers()[1..] {
        let mut documents = Vec::new();
        for public in [false, true] {
            let scheme = if public { "internet-facing" } else { "internal" };
            let base = || {
                let ingress = Ingress::alb("web").controller(*controller);
                if public { ingress.internet_facing() } else { ingress }
            };
            let full = base()
                .targets(TargetType::Ip)
                .listen(Listener::Http(80))
                .listen(Listener::Https(443))
                .certificate(ARN)
                .tls_policy("ELBSecurityPolicy-TLS13-1-2-2021-06")
                .ssl_redirect(443)
                .health_check(HealthCheck::http("/healthz").interval(15).timeout(5).thresholds(2, 2).success_codes("200"))
                .subnet("subnet-0a")
                .subnet("subnet-0b")
                .inbound_cidr("203.0.113.0/24")
                .attribute("idle_timeout.timeout_seconds", "600")
                .target_attribute("deregistration_delay.timeout_seconds", "30")
                .tag("team", "web")
                .load_balancer_name("web")
                .rule(IngressRule::to("api", 8080).host("www.example.com").path("/api"))
                .rule(IngressRule::to("web", 80).host("www.example.com").path("/index.html").compared(PathType::Exact))
                .default_backend("web", 80);
            let shared =
                base().security_group("sg-0a").rule(IngressRule::to("web", 80).path("/a/*").compared(PathType::ImplementationSpecific));
            let shared = if *controller == Controller::AutoMode { shared } else { shared.group("team").group_order(10) };
            for (what, ingress) in
                [("least", base().rule(IngressRule::to("web", 80))), ("most", full), ("group and security group", shared)]
            {
                let manifest = ingress.manifest("default", &owner);
                assert_eq!(Ingress::read(&manifest, *controller)?, ingress);
                documents.push((format!("{scheme}, {what}"), manifest));
            }
        }
        check(&format!("ingress-{name}.yaml"), &documents)?;
    }
    Ok(())
}
