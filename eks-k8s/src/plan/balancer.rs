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
