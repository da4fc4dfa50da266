//! From what exists: what to remove, and in which order.
//!
//! Order: NAT gateways and other ways out, addresses, the internet gateway; beside them, once workers, cluster and Kubernetes objects are
//! gone, what these left in the VPC; then subnets, route tables, security groups; last the VPC. (Amazon VPC User Guide,
//! "Delete your VPC".)

use std::{collections::BTreeSet, time::Duration};

use eks_core::{After, Error, HOURS_PER_MONTH, Removal, SecurityGroupId, StepKey, Teardown, TeardownBuilder, VpcId};

use crate::{
    egress::price::{ADDRESS_HOURLY, TRANSIT_HOURLY},
    existing::marks,
    grants::Grants,
    keys,
    observed::{Found, FoundGroup, Observed},
    op::NetOp,
    permissions::{ATTRIBUTES, MARKS, OBSERVING, SURVIVORS},
    plan::{CALL, faulty, scope},
};

/// What deleting a NAT gateway typically takes, in published runs.
pub(crate) const NAT_DELETE: Duration = Duration::from_secs(80);
/// Until the interfaces of an endpoint are gone.
pub(crate) const ENDPOINT_DELETE: Duration = Duration::from_secs(60);
/// Until an attachment to a transit gateway is deleted.
pub(crate) const TRANSIT_DETACH: Duration = Duration::from_secs(30);
/// The control plane's key, in the layer `cluster`.
const CONTROL_PLANE: &str = "cluster/control-plane";

impl Observed {
    /// What must be removed so that nothing of this network is left: only what carries the owner's tags, and what cannot
    /// belong elsewhere because it lies in the owner's VPC and Kubernetes left it there. What was adopted, or used, stays: our
    /// tags are taken off.
    ///
    /// # Errors
    /// [`Error::Plan`] if the removals do not come together, which would be a fault of this crate.
    pub fn teardown(&self) -> Result<Teardown, Error> {
        let made = self.made();
        let mut removals =
            Removals { now: &made, our_rules: Vec::new(), observing: self.observing_more(), used: BTreeSet::new(), all: Vec::new() };
        removals.our_rules(self)?;
        removals.gateways()?;
        removals.contents()?;
        removals.vpcs()?;
        removals.tags(self)?;
        let builder = Teardown::builder(&self.owner, keys::LAYER, scope(self.region.as_deref()));
        let in_the_way = if made.ours(&made.vpcs).is_empty() { Vec::new() } else { self.others_interfaces() };
        let builder = in_the_way.into_iter().fold(builder, TeardownBuilder::stays);
        let mut builder =
            builder.observes(OBSERVING).observes(ATTRIBUTES).observes(SURVIVORS).observes(MARKS).observes(self.observing_more());
        let grants = Grants::teardown(&made);
        for removal in removals.all {
            let op: NetOp = removal.op.decode().map_err(|error| faulty(&removal.key, &error))?;
            builder = builder.removal(removal.refine(|action| grants.of(&op, action)));
        }
        builder.build().map_err(|error| faulty("teardown", &error))
    }
}

impl Observed {
    /// The same without what is not ours to delete: what was adopted carries our tags, and stays.
    fn made(&self) -> Self {
        let mut made = self.clone();
        made.vpcs.retain(is_made);
        made.internet_gateways.retain(is_made);
        made.nat_gateways.retain(is_made);
        made.addresses.retain(is_made);
        made.subnets.retain(is_made);
        made.route_tables.retain(is_made);
        made.security_groups.retain(is_made);
        // Rules of others are revoked in our own VPC only.
        let ours: BTreeSet<VpcId> = made.ours(&made.vpcs).into_iter().map(|(_, vpc)| vpc.id.clone()).collect();
        made.security_groups.retain(|group| ours.contains(&group.vpc) || group.key(&made.owner).is_some());
        made
    }
}

fn is_made<T: Found>(found: &T) -> bool {
    !marks::is_adopted(found.tags())
}

struct Removals<'a> {
    now: &'a Observed,
    /// What takes our rules out of groups that were adopted.
    our_rules: Vec<StepKey>,
    /// What looking again calls besides.
    observing: BTreeSet<&'static str>,
    used: BTreeSet<StepKey>,
    all: Vec<Removal>,
}

/// Workers, control plane, Kubernetes objects and machines use it, and what clusters left: of that, and of a cluster's own layer, only what
/// lies in subnets. A role that could not be deleted is in nobody's way.
fn after_users(removal: Removal) -> Removal {
    let removal =
        ["nodes", "k8s", "objects", "ec2"].into_iter().fold(removal, |removal, layer| removal.after(After::Layer(layer.to_owned())));
    [CONTROL_PLANE, "leftovers/load-balancer/", "leftovers/interface/", "leftovers/control-plane-interface/"]
        .into_iter()
        .fold(removal, |removal, prefix| removal.after(After::Prefix(prefix.to_owned())))
}

/// Pods may need the internet until they are gone; the control plane does not.
fn after_pods(removal: Removal) -> Removal {
    ["nodes", "k8s", "objects"].into_iter().fold(removal, |removal, layer| removal.after(After::Layer(layer.to_owned())))
}

fn after_keys<'a>(removal: Removal, keys: impl IntoIterator<Item = &'a StepKey>) -> Removal {
    keys.into_iter().fold(removal, |removal, key| removal.after(After::Key(key.clone())))
}

impl Removals<'_> {
    /// A removal under the key of the step that made the thing; under a key of its own if another has that key.
    fn removal(&mut self, key: StepKey, title: &str, id: &str, op: &NetOp) -> Result<Removal, Error> {
        let key = if self.used.contains(&key) { keys::leftover(id) } else { key };
        self.used.insert(key.clone());
        let removal = Removal::new(key.clone(), title, id, op).map_err(|error| faulty(&key, &error))?;
        let removal = removal.takes(CALL).permits(op.permissions().iter().copied());
        // Whatever is removed, a look for survivors ends the teardown.
        Ok(removal.permits(OBSERVING).permits(SURVIVORS).permits(MARKS).permits(self.observing.iter().copied()))
    }

    /// Adds a removal; tells its key.
    fn add(&mut self, removal: Removal) -> StepKey {
        let key = removal.key.clone();
        self.all.push(removal);
        key
    }

    fn gateways(&mut self) -> Result<(), Error> {
        let now = self.now;
        let mut nat = Vec::new();
        for (key, gateway) in now.ours(&now.nat_gateways) {
            // A gateway that is being deleted still holds its address.
            if gateway.state == "deleted" {
                continue;
            }
            let removal = self.removal(key, "NAT gateway", gateway.id(), &NetOp::DeleteNatGateway { id: gateway.id.clone() })?;
            let removal = after_pods(removal).takes(NAT_DELETE).saves(gateway.usd_per_month());
            nat.push(self.add(removal));
        }
        self.other_ways_out()?;
        let mut addresses = Vec::new();
        for (key, address) in now.ours(&now.addresses) {
            let removal = self.removal(key, "elastic IP address", address.id(), &NetOp::ReleaseAddress { id: address.id.clone() })?;
            let removal = after_keys(removal, &nat).saves(ADDRESS_HOURLY * HOURS_PER_MONTH);
            addresses.push(self.add(removal));
        }
        for (key, gateway) in now.ours(&now.internet_gateways) {
            let op = NetOp::DeleteInternetGateway { id: gateway.id.clone(), attached_to: gateway.attached_to.clone() };
            let removal = self.removal(key, "internet gateway", gateway.id(), &op)?;
            // It cannot be detached while public addresses are mapped: those of instances and load balancers, too.
            let removal = after_keys(after_pods(removal), nat.iter().chain(&addresses))
                .after(After::Layer("ec2".to_owned()))
                .after(After::Prefix("leftovers/load-balancer/".to_owned()));
            self.add(removal);
        }
        Ok(())
    }

    /// Ways out that hold no address: attachments, endpoints, and the egress-only internet gateway.
    fn other_ways_out(&mut self) -> Result<(), Error> {
        let now = self.now;
        for (key, attachment) in now.ours(&now.transit_attachments).into_iter().filter(|(_, attachment)| !attachment.is_gone()) {
            let op = NetOp::DeleteTransitGatewayAttachment { id: attachment.id.clone() };
            let removal = self.removal(key, "transit gateway attachment", attachment.id(), &op)?;
            self.add(after_pods(removal).takes(TRANSIT_DETACH).saves(TRANSIT_HOURLY * HOURS_PER_MONTH));
        }
        for (key, endpoint) in now.ours(&now.endpoints).into_iter().filter(|(_, endpoint)| !endpoint.is_gone()) {
            let removal = self.removal(key, "VPC endpoint", endpoint.id(), &NetOp::DeleteEndpoint { id: endpoint.id.clone() })?;
            self.add(after_pods(removal).takes(ENDPOINT_DELETE).saves(endpoint.usd_per_month()));
        }
        for (key, gateway) in now.ours(&now.egress_only_gateways) {
            let op = NetOp::DeleteEgressOnlyGateway { id: gateway.id.clone() };
            let removal = self.removal(key, "egress-only internet gateway", gateway.id(), &op)?;
            self.add(after_pods(removal));
        }
        Ok(())
    }

    /// What lies in the VPC.
    fn contents(&mut self) -> Result<(), Error> {
        let now = self.now;
        let mut swept = Vec::new();
        for (_, vpc) in now.ours(&now.vpcs) {
            let op = NetOp::SweepVpc { id: vpc.id.clone() };
            let removal = self.removal(keys::key(["leftovers", vpc.id.as_str()]), "what Kubernetes left in", vpc.id(), &op)?;
            swept.push(self.add(after_users(removal)));
        }
        let holds = |title: &str| matches!(title, "NAT gateway" | "transit gateway attachment" | "VPC endpoint");
        let ways: Vec<StepKey> = self.all.iter().filter(|removal| holds(&removal.title)).map(|removal| removal.key.clone()).collect();
        for (key, subnet) in now.ours(&now.subnets) {
            let removal = self.removal(key, "subnet", subnet.id(), &NetOp::DeleteSubnet { id: subnet.id.clone() })?;
            let removal = after_keys(after_users(removal), swept.iter().chain(&ways));
            self.add(removal);
        }
        for (key, table) in now.ours(&now.route_tables) {
            let associations = table.associations.values().cloned().collect();
            let op = NetOp::DeleteRouteTable { id: table.id.clone(), associations };
            let removal = self.removal(key, "route table", table.id(), &op)?;
            let removal = after_keys(after_pods(removal), &ways);
            self.add(removal);
        }
        self.security_groups(&swept, &ways)
    }

    fn security_groups(&mut self, swept: &[StepKey], ways: &[StepKey]) -> Result<(), Error> {
        let now = self.now;
        let ours = now.ours(&now.security_groups);
        let ids: BTreeSet<&SecurityGroupId> = ours.iter().map(|(_, group)| &group.id).collect();
        // Who names whom: a group cannot be deleted while a rule of another names it.
        let references = |group: &FoundGroup| -> Vec<SecurityGroupId> {
            group.references.iter().filter(|id| **id != group.id && ids.contains(id)).cloned().collect()
        };
        let mut revoked = Vec::new();
        for group in &now.security_groups {
            let to = references(group);
            if to.is_empty() {
                continue;
            }
            let key = keys::key(["references", group.id.as_str()]);
            let op = NetOp::RevokeReferences { id: group.id.clone(), to };
            let removal = self.removal(key, "rules naming other groups in", group.id(), &op)?;
            let removal = after_keys(after_users(removal), swept);
            revoked.push(self.add(removal));
        }
        for (key, group) in ours {
            let ours = now.ours(&now.vpcs).into_iter().any(|(_, vpc)| vpc.id == group.vpc);
            let op = NetOp::DeleteSecurityGroup { id: group.id.clone(), vpc: ours.then(|| group.vpc.clone()) };
            let removal = self.removal(key, "security group", group.id(), &op)?;
            let removal = after_keys(after_users(removal), swept.iter().chain(&revoked).chain(&self.our_rules).chain(ways));
            self.add(removal);
        }
        Ok(())
    }

    /// Takes our rules out of groups that were adopted: they may name groups of ours, which could not be deleted, and nobody
    /// else would take them out.
    fn our_rules(&mut self, now: &Observed) -> Result<(), Error> {
        for (_, group) in now.ours(&now.security_groups).into_iter().filter(|(_, group)| !is_made(*group)) {
            let op = NetOp::RevokeOurRules { id: group.id.clone() };
            let removal = self.removal(keys::key(["our-rules", group.id.as_str()]), "our rules in", group.id(), &op)?;
            let key = self.add(after_users(removal));
            self.our_rules.push(key);
        }
        Ok(())
    }

    /// Takes our tags off what we did not make; off the VPC last, as what is in it is found by it.
    fn tags(&mut self, now: &Observed) -> Result<(), Error> {
        self.untag(now, "internet gateway", &now.internet_gateways, &[])?;
        self.untag(now, "NAT gateway", &now.nat_gateways, &[])?;
        self.untag(now, "elastic IP address", &now.addresses, &[])?;
        self.untag(now, "subnet", &now.subnets, &[])?;
        self.untag(now, "route table", &now.route_tables, &[])?;
        // A group that has lost its tags would not be looked into again.
        let rules = std::mem::take(&mut self.our_rules);
        self.untag(now, "security group", &now.security_groups, &rules)?;
        let before: Vec<StepKey> = self.all.iter().map(|removal| removal.key.clone()).collect();
        self.untag(now, "VPC", &now.vpcs, &before)?;
        for used in &now.used {
            let key = keys::key(["used", &used.id]);
            if now.ours_adopted().contains(used.id.as_str()) {
                continue;
            }
            let tags = marks::ours_of_used(&now.owner, &used.marks);
            let op = NetOp::Untag { id: used.id.clone(), tags };
            let removal = self.removal(key, "our tags (we did not make it) of", &used.id, &op)?;
            self.add(after_users(removal));
        }
        Ok(())
    }

    fn untag<T: Found>(&mut self, now: &Observed, what: &str, all: &[T], after: &[StepKey]) -> Result<(), Error> {
        for (key, found) in now.ours(all).into_iter().filter(|(_, found)| !is_made(*found)) {
            let op = NetOp::Untag { id: found.id().to_owned(), tags: marks::ours(&now.owner, found.tags()) };
            let removal = self.removal(key, &format!("our tags (we did not make it) of {what}"), found.id(), &op)?;
            let removal = after_keys(after_users(removal), after);
            self.add(removal);
        }
        Ok(())
    }

    fn vpcs(&mut self) -> Result<(), Error> {
        let now = self.now;
        let before: Vec<StepKey> = self.all.iter().map(|removal| removal.key.clone()).collect();
        for (key, vpc) in now.ours(&now.vpcs) {
            let id: VpcId = vpc.id.clone();
            let removal = self.removal(key, "VPC", vpc.id(), &NetOp::DeleteVpc { id })?;
            let removal = after_keys(after_users(removal), &before).after(After::Layer("leftovers".to_owned()));
            self.add(removal);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn the_chapter() {
        let teardown = testing::standing(&testing::chapter()).teardown().unwrap();
        insta::assert_snapshot!(teardown, @r"
        teardown of chap10: 16 to remove, about 1m 23s, saves $36.50 a month
          - net/nat/us-east-1a                    NAT gateway nat-00000000000000001 ($32.85 a month)
          - net/elastic-ip/us-east-1a             elastic IP address eipalloc-00000000000000001 ($3.65 a month)
          - net/internet-gateway                  internet gateway igw-00000000000000001
          - net/leftovers/vpc-00000000000000001   what Kubernetes left in vpc-00000000000000001
          - net/subnet/public/us-east-1a          subnet subnet-00000000000000000
          - net/subnet/public/us-east-1b          subnet subnet-00000000000000001
          - net/subnet/private/us-east-1a         subnet subnet-00000000000000002
          - net/subnet/private/us-east-1b         subnet subnet-00000000000000003
          - net/route-table/public                route table rtb-00000000000000000
          - net/route-table/private               route table rtb-00000000000000001
          - net/references/sg-00000000000000001   rules naming other groups in sg-00000000000000001
          - net/security-group/public             security group sg-00000000000000000
          - net/security-group/private            security group sg-00000000000000001
          - net/security-group/elb                security group sg-00000000000000002
          - net/security-group/eks-control-plane  security group sg-00000000000000003
          - net/vpc                               VPC vpc-00000000000000001
        ");
    }

    #[test]
    fn nothing_of_others_is_removed() {
        let mut now = testing::standing(&testing::chapter());
        for tags in [&mut now.subnets[0].tags, &mut now.security_groups[1].tags] {
            tags.insert(eks_core::OWNER_TAG.to_owned(), "somebody".to_owned());
        }
        // Of the owner, but of another layer: a worker stack passes its tags on.
        now.security_groups[2].tags.insert(eks_core::KEY_TAG.to_owned(), "nodes/workers".to_owned());
        let teardown = now.teardown().unwrap();
        let removed: Vec<_> = teardown.removals().iter().map(|removal| removal.id.as_str()).collect();
        for kept in [now.subnets[0].id.as_str(), now.security_groups[2].id.as_str()] {
            assert!(!removed.contains(&kept));
        }
        // The foreign group names ours: only that rule goes.
        let revoked = format!("net/references/{}", now.security_groups[1].id);
        assert!(teardown.removals().iter().any(|removal| removal.key.as_str() == revoked));
    }

    #[test]
    fn two_of_one_key_both_go() {
        let mut now = testing::standing(&testing::chapter());
        let mut twin = now.addresses[0].clone();
        twin.id = testing::id("eipalloc", 2);
        now.addresses.push(twin);
        let teardown = now.teardown().unwrap();
        assert!(teardown.removals().iter().any(|removal| removal.key.as_str() == "net/leftover/eipalloc-00000000000000002"));
    }

    #[test]
    fn layers_above_go_first_but_nat_does_not_wait_for_the_cluster() {
        let teardown = testing::standing(&testing::chapter()).teardown().unwrap();
        let waits = |key: &str, layer: &str| {
            let removal = teardown.removals().iter().find(|removal| removal.key.as_str() == key).unwrap();
            let prefix = if layer == "cluster" { CONTROL_PLANE } else { layer };
            removal.after.contains(&After::Layer(layer.to_owned())) || removal.after.contains(&After::Prefix(prefix.to_owned()))
        };
        for layer in ["nodes", "cluster", "k8s"] {
            assert!(waits("net/subnet/private/us-east-1a", layer) && waits("net/security-group/public", layer));
            assert_eq!(waits("net/nat/us-east-1a", layer), layer != "cluster");
        }
    }
}
