//! Ingresses; and whether load balancers that do not exist yet will find subnets and a controller.

use std::time::Duration;

use eks_core::{Error, Finding, Problem};

use super::{key_of, object::Wanted};
use crate::{Controller, Ingress, Kind, ObjectsSpec, Observed, SubnetSearch, ingress::application_price};

impl ObjectsSpec {
    pub(super) fn ingress(&self, ingress: &Ingress) -> Result<Wanted, Error> {
        let routes = self.service_needs.iter().filter(|_| ingress.is_internet_facing());
        let mut needs: Vec<_> = ingress.needs.iter().chain(routes).cloned().collect();
        for (service, _) in ingress.backends() {
            if self.services.iter().any(|known| known.name == service) {
                needs.push(key_of(Kind::Service, &self.namespace, service)?);
            }
        }
        let reach = if ingress.is_internet_facing() { "internet-facing" } else { "internal" };
        let shared = ingress.group_name().is_some_and(|group| {
            let first = self.ingresses.iter().find(|other| other.group_name() == Some(group));
            first.is_some_and(|first| first.name != ingress.name)
        });
        let zones = if ingress.is_internet_facing() { self.public_zones } else { 0 };
        Ok(Wanted {
            kind: Kind::Ingress,
            title: match ingress.group_name() {
                Some(group) => format!("Ingress {} with {reach} Application Load Balancer of group {group}", ingress.name),
                None => format!("Ingress {} with {reach} Application Load Balancer", ingress.name),
            },
            manifest: ingress.manifest(&self.namespace, &self.owner),
            needs,
            typical: Duration::from_secs(150),
            // The Ingresses of a group share one.
            prices: if shared { Vec::new() } else { application_price(zones).collect() },
            wait: true,
        })
    }

    /// What stands against load balancers that would be made now, and what should be looked at.
    pub(super) fn balancers(&self, now: &Observed) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        let mut problems: Vec<Problem> = Vec::new();
        let services = self.services.iter().map(|service| {
            let review = self.controllers.as_ref().map(|found| found.review_service(service));
            (Kind::Service, &service.name, SubnetSearch::of_service(service, &self.cluster.name), review)
        });
        let ingresses = self.ingresses.iter().map(|ingress| {
            let review = self.controllers.as_ref().map(|found| found.review_ingress(ingress));
            (Kind::Ingress, &ingress.name, SubnetSearch::of_ingress(ingress, &self.cluster.name), review)
        });
        for (kind, name, search, review) in services.chain(ingresses) {
            let key = key_of(kind, &self.namespace, name)?;
            // One that is there has its subnets and its controller.
            if now.objects.contains_key(&key) {
                continue;
            }
            if let Some(review) = review {
                let told = review.problems.iter().map(ToString::to_string).chain(review.remarks);
                findings.extend(told.map(|message| Finding::warning(key.clone(), message)));
            }
            let Some(subnets) = &self.subnets else { continue };
            let found = search.among(subnets);
            problems.extend(found.problems);
            if !found.chosen.is_empty() {
                let places: Vec<_> = found.chosen.iter().map(|(zone, id)| format!("{id} ({zone})")).collect();
                findings.push(Finding::note(key.clone(), format!("goes into {}", places.join(", "))));
            }
            findings.extend(found.remarks.into_iter().map(|remark| Finding::warning(key.clone(), remark)));
        }
        if problems.is_empty() {
            return Ok(findings);
        }
        let join = |text: fn(&Problem) -> String| problems.iter().map(text).collect::<Vec<_>>().join("; ");
        Err(Error::Refused {
            subject: "load balancers".to_owned(),
            rule: join(|problem| format!("{}: {}", problem.subject, problem.rule)),
            remedy: join(|problem| problem.remedy.clone()),
        })
    }

    /// What a reviewer should see of Ingresses.
    pub(super) fn ingress_findings(&self) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        for ingress in &self.ingresses {
            let key = key_of(Kind::Ingress, &self.namespace, &ingress.name)?;
            if ingress.is_world_open() {
                findings.push(Finding::warning(key.clone(), "open to every address of the internet; limit it with inbound_cidr"));
            }
            if ingress.is_protected() {
                let message = "protected from deletion: its teardown waits until deletion_protection.enabled is false";
                findings.push(Finding::warning(key.clone(), message));
            }
            if ingress.discovers_certificates() {
                findings.push(Finding::note(key.clone(), "its certificates are looked for in ACM by the hosts of its rules"));
            }
            if ingress.group_name().is_some() {
                findings.push(Finding::note(key.clone(), "whoever may make Ingresses can join its group, and answer for it"));
            }
            if ingress.made_by() == Controller::AutoMode {
                let message = "scheme, subnets and certificates in the class's IngressClassParams go before what the Ingress says";
                findings.push(Finding::note(key, message));
            }
        }
        Ok(findings)
    }
}

#[cfg(test)]
mod tests {
    use eks_core::{Action, AuthenticationMode};
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        ControllersFound, IngressRule, ObjectsSpecBuilder, Service, VpcSubnet,
        fixture::{access, cluster, owner},
    };

    fn base() -> ObjectsSpecBuilder {
        ObjectsSpec::builder(&owner(), cluster(AuthenticationMode::Api))
    }

    fn web() -> Service {
        Service::load_balancer("web").controller(Controller::LoadBalancerController).port(80, 80).selector("app", "web")
    }

    fn ingress(name: &str) -> Ingress {
        Ingress::alb(name).rule(IngressRule::to("web", 80))
    }

    fn subnet(id: &str, zone: &str, tags: &[&str]) -> VpcSubnet {
        let tags = tags.iter().map(|tag| ((*tag).to_owned(), "1".to_owned())).collect();
        VpcSubnet { id: id.to_owned(), zone: zone.to_owned(), free_addresses: 100, tags, routes_to_internet: false }
    }

    /// What the API server would hold after the plan, as the controller leaves it.
    fn applied(spec: &ObjectsSpec) -> Observed {
        let plan = spec.plan(&Observed::nothing(spec)).unwrap();
        plan.steps().iter().fold(Observed::at(spec, access()), |now, step| {
            let op: crate::ObjectOp = step.op.decode().unwrap();
            let crate::ObjectOp::Apply { kind, mut manifest, .. } = op else { panic!("{op:?}") };
            manifest["metadata"]["uid"] = json!(step.key.as_str());
            manifest["metadata"]["finalizers"] = json!(["ingress.k8s.aws/resources"]);
            manifest["status"] = json!({"loadBalancer": {"ingress": [{"hostname": "web.example"}]}});
            now.found(&owner(), kind, [manifest])
        })
    }

    #[test]
    fn ingresses_are_planned_kept_changed_and_taken_down() {
        let spec = |ingress: Ingress| {
            base().service(web()).ingress(ingress).service_needs(["net/route-table/public".parse().unwrap()]).build().unwrap()
        };
        let first = spec(ingress("web").internet_facing());
        let plan = first.plan(&Observed::nothing(&first)).unwrap();
        let step = plan.step("k8s/ingress/default/web").unwrap();
        let needs: Vec<_> = step.needs.iter().map(eks_core::StepKey::as_str).collect();
        assert_eq!(needs, ["cluster/control-plane", "k8s/service/default/web", "net/route-table/public"]);
        // 730 h of 0.0225 $, and of a public address in each of two zones.
        let usd: f64 = step.prices.iter().map(|price| price.usd_per_month).sum();
        assert!((usd - (16.425 + 2.0 * 3.65)).abs() < 1e-9, "{usd}");

        let now = applied(&first);
        let again = first.plan(&now).unwrap();
        assert!(again.is_noop(), "{again}");
        assert_eq!(again.step("k8s/ingress/default/web").unwrap().outputs["hostname"], "web.example");

        let more = spec(ingress("web").internet_facing().inbound_cidr("10.0.0.0/8")).plan(&now).unwrap();
        let step = more.step("k8s/ingress/default/web").unwrap();
        assert_eq!(step.action, Action::Update);
        assert_eq!(step.changes, ["metadata.annotations.alb.ingress.kubernetes.io/inbound-cidrs: nothing → 10.0.0.0/8"]);

        let error = spec(ingress("web").group("team")).plan(&now).unwrap_err().to_string();
        for told in [
            "Ingress default/web: scheme: internet-facing → internal",
            "group.name: nothing → team",
            "kubectl -n default delete ingress web",
        ] {
            assert!(error.contains(told), "{error}");
        }
        let teardown = now.teardown(&owner()).unwrap();
        assert!((teardown.removals().iter().map(|removal| removal.usd_per_month).sum::<f64>() - usd - 16.425).abs() < 1e-9, "{teardown}");
    }

    #[test]
    fn a_group_is_paid_for_once() {
        let spec = base().ingress(ingress("a").group("team")).ingress(ingress("b").group("team")).ingress(ingress("c")).build().unwrap();
        let plan = spec.plan(&Observed::nothing(&spec)).unwrap();
        assert!((plan.usd_per_month() - 2.0 * 16.425).abs() < 1e-9);
        let saved: f64 = applied(&spec).teardown(&owner()).unwrap().removals().iter().map(|removal| removal.usd_per_month).sum();
        assert!((saved - 2.0 * 16.425).abs() < 1e-9);
    }

    #[test]
    fn ports_that_a_service_lacks() {
        let error = base().service(web()).ingress(Ingress::alb("web").default_backend("web", 81)).build().unwrap_err();
        assert_eq!(error.problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), ["rule"], "{error}");
        assert!(base().ingress(Ingress::alb("web").default_backend("another", 81)).build().is_ok());
    }

    #[test]
    fn too_few_subnets_are_refused_before_anything_is_made() {
        let role = "kubernetes.io/role/internal-elb";
        let spec = |subnets: &[VpcSubnet]| base().service(web()).ingress(ingress("web")).subnets(subnets.to_vec()).build().unwrap();
        let few = spec(&[subnet("subnet-1", "us-east-1a", &[role]), subnet("subnet-2", "us-east-1b", &[])]);
        let error = few.plan(&Observed::nothing(&few)).unwrap_err().to_string();
        assert!(error.contains("ingress web: an Application Load Balancer needs subnets in 2 zones"), "{error}");
        assert!(error.ends_with("tag subnet-2 with kubernetes.io/role/internal-elb=1"), "{error}");
        // What is there has its subnets already.
        assert!(few.plan(&applied(&spec(&[subnet("subnet-1", "us-east-1a", &[role]), subnet("subnet-2", "us-east-1b", &[role])]))).is_ok());

        let enough = spec(&[subnet("subnet-1", "us-east-1a", &[role]), subnet("subnet-2", "us-east-1b", &[role])]);
        let plan = enough.plan(&Observed::nothing(&enough)).unwrap();
        let told: Vec<_> = plan.findings().iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(told, ["goes into subnet-1 (us-east-1a), subnet-2 (us-east-1b)"; 2]);
    }

    #[test]
    fn a_missing_controller_is_told() {
        let spec = |found: ControllersFound| base().service(web()).ingress(ingress("web")).controllers(found).build().unwrap();
        let warnings = |spec: &ObjectsSpec, now: &Observed| spec.plan(now).unwrap().findings().len();
        let missing = spec(ControllersFound::nothing());
        assert_eq!(warnings(&missing, &Observed::nothing(&missing)), 3, "the controller twice, and the class");
        assert_eq!(warnings(&missing, &applied(&missing)), 0);
        let class: Value = json!({"metadata": {"name": "alb"}, "spec": {"controller": "ingress.k8s.aws/alb"}});
        let account = json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/lbc"}}});
        let there = ControllersFound::nothing()
            .deployment(json!({"status": {"availableReplicas": 2}}))
            .service_account(account)
            .ingress_class(class);
        let there = spec(there);
        assert_eq!(warnings(&there, &Observed::nothing(&there)), 0);
    }
}
