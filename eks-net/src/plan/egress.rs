//! What each way out costs, and what fails with it.

use std::collections::BTreeSet;

use eks_core::{Finding, StepKey, Tier, ZoneName};

use super::Planner;
use crate::{
    egress::{
        EndpointKind, NODES_NEED, OFTEN_NEEDED, Way,
        price::{ADDRESS_HOURLY, ENDPOINT_HOURLY, NAT_HOURLY, TRANSIT_HOURLY, monthly, nat_monthly},
    },
    keys,
};

/// Elastic IP addresses that an account may have in a Region by default. (Amazon VPC User Guide, "Amazon VPC quotas".)
const ADDRESSES: usize = 5;
/// Interface endpoints that a VPC may have by default.
const ENDPOINTS: usize = 50;

impl Planner<'_> {
    pub(super) fn review_egress(&mut self) {
        let spec = self.spec;
        let zones = spec.zones_of(Tier::Private);
        if !zones.is_empty() {
            match &spec.way {
                Way::None => self.review_no_way_out(),
                Way::Zonal(gateways) => self.review_zonal(gateways, &zones),
                Way::Regional => self.review_regional(&spec.zones()),
                Way::Existing(id) => {
                    let shared = if zones.len() > 1 { "; traffic of the other zones costs 0.01 $/GB more each way" } else { "" };
                    let message = format!(
                        "{id} is not ours and costs nothing more; a single point of failure: when it or its zone fails, no private subnet \
                         in {} has a way out{shared}",
                        count(zones.len(), "zone")
                    );
                    self.warn(keys::of_table("route", Tier::Private, None), message);
                }
                Way::ExistingIn(gateways) => {
                    if let Some(zone) = gateways.keys().next() {
                        let message = "the gateways are not ours and cost nothing more; as each is in its zone, a zone that fails takes only its \
                                       own way out with it";
                        self.note(keys::of_table("route", Tier::Private, Some(zone.as_str())), message.to_owned());
                    }
                }
                Way::TransitGateway(id) => {
                    let message = format!(
                        "${:.2} a month for the attachment, in {}, and 0.02 $/GB; what the way out costs and what fails with it is decided \
                         behind {id}, where a route must lead back to {}",
                        monthly(TRANSIT_HOURLY, 1),
                        count(zones.len(), "zone"),
                        spec.cidr
                    );
                    self.note(keys::transit_gateway_attachment(), message);
                }
            }
        }
        self.review_routes_that_stay();
        self.review_endpoints();
    }

    fn note(&mut self, step: StepKey, message: String) {
        self.findings.push(Finding::note(step, message));
    }

    fn warn(&mut self, step: StepKey, message: String) {
        self.findings.push(Finding::warning(step, message));
    }

    /// Nodes need AWS's services, by endpoints if by nothing else.
    fn review_no_way_out(&mut self) {
        let spec = self.spec;
        let missing = |service: &&&str| !spec.endpoints.iter().any(|endpoint| endpoint.service == ***service);
        let table = keys::of_table("route-table", Tier::Private, None);
        let needed: Vec<&str> = NODES_NEED.iter().filter(missing).copied().collect();
        if !needed.is_empty() {
            let message = format!(
                "no NAT gateway: instances in private subnets reach neither the internet nor AWS; for nodes to join, VPC endpoints are missing for {}",
                list(&needed)
            );
            self.warn(table, message);
            return;
        }
        let often: Vec<String> =
            OFTEN_NEEDED.iter().filter(|(service, _)| missing(&service)).map(|(service, user)| format!("{service} ({user})")).collect();
        if !often.is_empty() {
            let message = format!("no NAT gateway: what needs it finds no VPC endpoint for {}", often.join(", "));
            self.note(table, message);
        }
    }

    fn review_zonal(&mut self, gateways: &[ZoneName], zones: &BTreeSet<&ZoneName>) {
        let Some(first) = gateways.first() else { return };
        let (one, each) = (nat_monthly(), monthly(NAT_HOURLY + ADDRESS_HOURLY, zones.len()));
        let key = keys::nat(first.as_str());
        if gateways.len() < zones.len() {
            let message = format!(
                "${one:.2} a month instead of ${each:.2} with one in each of {} zones; a single point of failure: when {first} fails, no \
                 private subnet has a way out; traffic of the other zones costs 0.01 $/GB more each way",
                zones.len()
            );
            self.warn(key, message);
        } else {
            let away: Vec<&str> = zones.iter().filter(|zone| !gateways.contains(zone)).map(|zone| zone.as_str()).collect();
            let rest = if away.is_empty() {
                format!(
                    "{}; a zone that fails takes only its own way out with it, and no traffic crosses zones",
                    count(zones.len(), "zone")
                )
            } else {
                let away = list(&away);
                format!("{first}; traffic crosses from {away} at 0.01 $/GB each way, and either zone's failure takes the way out with it")
            };
            self.note(key, format!("${each:.2} a month with {} in {rest}", count(gateways.len(), "gateway")));
        }
        let allocated = gateways.iter().filter(|zone| !self.spec.addresses.contains_key(*zone)).count();
        if allocated > ADDRESSES {
            let message = format!("{allocated} elastic IP addresses; the default quota is {ADDRESSES} in a Region");
            self.warn(keys::elastic_ip(first.as_str()), message);
        }
    }

    /// (Amazon VPC User Guide, "Regional NAT gateways for automatic multi-AZ expansion".)
    fn review_regional(&mut self, zones: &BTreeSet<&ZoneName>) {
        let (own, key) = (&self.spec.addresses, keys::regional_nat());
        if own.is_empty() {
            let message = format!(
                "${:.2} a month once it is in {}; a zone that fails takes only its own way out with it; a zone's first traffic crosses to \
                 another one, at 0.01 $/GB each way, until AWS has extended the gateway to it, which takes up to an hour",
                monthly(NAT_HOURLY + ADDRESS_HOURLY, zones.len()),
                count(zones.len(), "zone")
            );
            return self.note(key, message);
        }
        let without: Vec<&str> = zones.iter().filter(|zone| !own.contains_key(**zone)).map(|zone| zone.as_str()).collect();
        let cost = monthly(NAT_HOURLY, own.len());
        if without.is_empty() {
            let message =
                format!("${cost:.2} a month in {}; a zone that fails takes only its own way out with it", count(own.len(), "zone"));
            self.note(key, message);
        } else {
            let message = format!(
                "${cost:.2} a month in {}; it has no address in {}, whose traffic crosses to another zone at 0.01 $/GB each way and fails \
                 with it",
                count(own.len(), "zone"),
                list(&without)
            );
            self.warn(key, message);
        }
    }

    /// A plan never deletes, so neither does it take a way out: a table whose default route the spec no longer has keeps it.
    fn review_routes_that_stay(&mut self) {
        let wanted: BTreeSet<&str> = self.steps.iter().map(|step| step.key.as_str()).collect();
        let mut stay = Vec::new();
        for (tier, zone) in self.spec.tables() {
            let key = |what: &str| keys::of_table(what, tier, zone.as_ref().map(ZoneName::as_str));
            let Ok(Some(table)) = self.now.made_by(&self.now.route_tables, &key("route-table")) else { continue };
            let routes = [("route", "0.0.0.0/0", &table.default_route), ("route-ipv6", "::/0", &table.default_route_ipv6)];
            for (what, destination, target) in routes {
                if let Some(target) = target.as_ref().filter(|_| !wanted.contains(key(what).as_str())) {
                    stay.push((key("route-table"), format!("{} → {target}", destination)));
                }
            }
        }
        for (key, route) in stay {
            self.warn(key, format!("the spec has no such route, and it stays: {route}"));
        }
    }

    fn review_endpoints(&mut self) {
        let spec = self.spec;
        let interfaces: Vec<_> = spec.endpoints.iter().filter(|endpoint| endpoint.kind == EndpointKind::Interface).collect();
        if let Some(first) = interfaces.first() {
            let zones = spec.inner_subnets().len();
            let cost = monthly(ENDPOINT_HOURLY, zones * interfaces.len());
            let message = format!(
                "{} in {}: ${cost:.2} a month together, and 0.01 $/GB; a zone that fails takes only its own interfaces with it",
                count(interfaces.len(), "interface endpoint"),
                count(zones, "zone")
            );
            self.note(first.key(), message);
            if interfaces.len() > ENDPOINTS {
                let message = format!("{} interface endpoints; the default quota is {ENDPOINTS} in a VPC", interfaces.len());
                self.warn(first.key(), message);
            }
        }
        self.review_foreign_groups();
    }

    /// Groups that others put on our endpoints stay.
    fn review_foreign_groups(&mut self) {
        let ours: BTreeSet<_> = self.now.ours(&self.now.security_groups).into_iter().map(|(_, group)| &group.id).collect();
        let wanted: BTreeSet<&StepKey> = self.steps.iter().map(|step| &step.key).collect();
        let mut stay = Vec::new();
        for (key, endpoint) in self.now.ours(&self.now.endpoints) {
            let foreign: Vec<&str> = endpoint.groups.iter().filter(|id| !ours.contains(id)).map(|id| id.as_str()).collect();
            if endpoint.is_live() && wanted.contains(&key) && !foreign.is_empty() {
                stay.push((key, format!("security groups that the spec does not have stay: {}", foreign.join(", "))));
            }
        }
        for (key, message) in stay {
            self.note(key, message);
        }
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn list(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
