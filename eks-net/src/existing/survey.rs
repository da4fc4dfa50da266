//! The choice and what was found, brought together: which things are meant, what they lack, and what can be done.

use eks_core::{Error, NetworkRefs, Plan, Ref, RouteTableId, StepKey, SubnetId, SubnetRef, Tier, ZoneName};
use ipnet::Ipv4Net;

use super::{
    add::Added,
    check::{self, Gap},
    found::{ExistingSubnet, ExistingVpc, ObservedExisting},
    marks,
    spec::{ExistingNetwork, Group, Subnets, Tagged, Vpc},
};
use crate::{
    keys,
    observed::{Found, FoundGroup},
    plan::{all_refused, refused},
    tags::Tags,
};

/// A chosen subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own, but for the tier")]
pub struct ChosenSubnet {
    pub id: SubnetId,
    /// As stated, or as its default route tells.
    pub tier: Tier,
    pub cidr: Option<Ipv4Net>,
    pub zone: ZoneName,
    pub zone_id: String,
    pub free_addresses: u32,
    pub map_public_ip: bool,
    pub account: String,
    pub outpost: Option<String>,
    /// The table that it uses: its own, or the VPC's main one.
    pub route_table: Option<RouteTableId>,
    pub tags: Tags,
}

/// What was found of an [`ExistingNetwork`].
#[derive(Clone, Debug)]
pub struct Survey {
    pub(super) spec: ExistingNetwork,
    pub(super) now: ObservedExisting,
    pub(super) vpc: ExistingVpc,
    pub(super) subnets: Vec<ChosenSubnet>,
    pub(super) groups: Vec<FoundGroup>,
    pub(super) added: Vec<Added>,
    gaps: Vec<Gap>,
}

impl ExistingNetwork {
    /// Brings the choice together with what was found. Pure.
    ///
    /// # Errors
    /// [`Error::Refused`] with everything that stands against the choice: no VPC that it means, or several; subnets that are
    /// not in it, or in two; groups that it does not have; what belongs to another owner, if it is to be adopted; no room for
    /// subnets to add.
    pub fn survey(&self, now: &ObservedExisting) -> Result<Survey, Error> {
        let place = now.region.as_deref().unwrap_or("this Region");
        let vpc = match now.vpcs.as_slice() {
            [vpc] => vpc.clone(),
            [] if self.vpc == Vpc::OfSubnets => {
                let rule = format!("none of the chosen ones is in {place}, with these credentials");
                return Err(refused("subnets", rule, "check the ids, and the Region and account of the configuration"));
            }
            [] => {
                let rule = format!("there is none in {place}, with these credentials");
                return Err(refused(self.vpc.to_string(), rule, "check it, and the Region and account of the configuration"));
            }
            several => {
                let ids = several.iter().map(|vpc| vpc.id.to_string()).collect::<Vec<_>>().join(" and ");
                let (rule, remedy) = match &self.vpc {
                    Vpc::OfSubnets => (format!("they lie in {ids}, and a cluster has one VPC"), "choose subnets of one VPC"),
                    _ => (format!("{ids} are meant"), "give the id, or more tags"),
                };
                let subject = if self.vpc == Vpc::OfSubnets { "subnets".to_owned() } else { self.vpc.to_string() };
                return Err(refused(subject, rule, remedy));
            }
        };
        let mut refusals = Vec::new();
        let subnets = self.choose_subnets(now, &vpc, &mut refusals);
        let groups = self.choose_groups(now, &vpc, &mut refusals);
        let added = super::add::place(self, now, &vpc, &subnets, &mut refusals);
        all_refused(format!("existing network for {}", self.owner), refusals)?;
        let gaps = check::check(self, now, &vpc, &subnets, added.len());
        Ok(Survey { spec: self.clone(), now: now.clone(), vpc, subnets, groups, added, gaps })
    }

    fn choose_subnets(&self, now: &ObservedExisting, vpc: &ExistingVpc, refusals: &mut Vec<Error>) -> Vec<ChosenSubnet> {
        // What we added ourselves is not theirs.
        let foreign = |subnet: &&ExistingSubnet| subnet.key(&self.owner).is_none() || marks::is_adopted(&subnet.tags) || self.adopt;
        let chosen: Vec<(&ExistingSubnet, Option<Tier>)> = match &self.subnets {
            Subnets::All => now.subnets.iter().filter(foreign).map(|subnet| (subnet, None)).collect(),
            Subnets::Tagged(tags) => {
                let tagged = |subnet: &&ExistingSubnet| tags.iter().all(|(key, value)| subnet.tags.get(key) == Some(value));
                now.subnets.iter().filter(foreign).filter(tagged).map(|subnet| (subnet, None)).collect()
            }
            Subnets::Listed(listed) => {
                let find = |id: &SubnetId| now.subnets.iter().find(|subnet| subnet.id == *id && subnet.vpc == vpc.id);
                for (id, _) in listed.iter().filter(|(id, _)| find(id).is_none()) {
                    let rule = format!("{} has no such subnet", vpc.id);
                    refusals.push(refused(id, rule, "check the id, and the Region of the configuration; a network has one VPC"));
                }
                listed.iter().filter_map(|(id, tier)| Some((find(id)?, *tier))).collect()
            }
        };
        if chosen.is_empty() && refusals.is_empty() {
            let rule = match &self.subnets {
                Subnets::Tagged(tags) => format!("{} has none tagged {}", vpc.id, Tagged(tags)),
                _ => format!("{} has none", vpc.id),
            };
            refusals.push(refused("subnets", rule, "choose others, or make some"));
        }
        let mut chosen: Vec<_> = chosen.into_iter().map(|(subnet, stated)| chosen_subnet(now, subnet, stated)).collect();
        chosen.sort_by(|a, b| (&a.zone, a.cidr, &a.id).cmp(&(&b.zone, b.cidr, &b.id)));
        chosen
    }

    fn choose_groups(&self, now: &ObservedExisting, vpc: &ExistingVpc, refusals: &mut Vec<Error>) -> Vec<FoundGroup> {
        let mut groups = Vec::new();
        for group in &self.groups {
            let found = now.security_groups.iter().filter(|found| found.vpc == vpc.id).find(|found| match group {
                Group::Id(id) => found.id == *id,
                Group::Named(name) => found.name == *name,
            });
            match (found, group) {
                (Some(found), _) => groups.push(found.clone()),
                (None, Group::Id(id)) => refusals.push(refused(id, format!("{} has no such security group", vpc.id), "check the id")),
                (None, Group::Named(name)) => {
                    let rule = format!("{} has no security group of this name", vpc.id);
                    refusals.push(refused(format!("security group {name}"), rule, "check the name, which is not the tag Name"));
                }
            }
        }
        groups
    }
}

fn chosen_subnet(now: &ObservedExisting, subnet: &ExistingSubnet, stated: Option<Tier>) -> ChosenSubnet {
    let table = now.table_of(&subnet.id);
    let tier = stated.unwrap_or_else(|| match table.and_then(|table| table.default_route()) {
        Some(route) if route.target.starts_with("igw-") => Tier::Public,
        Some(_) => Tier::Private,
        None => Tier::Intra,
    });
    ChosenSubnet {
        id: subnet.id.clone(),
        tier,
        cidr: subnet.cidr,
        zone: subnet.zone.clone(),
        zone_id: subnet.zone_id.clone(),
        free_addresses: subnet.free_addresses,
        map_public_ip: subnet.map_public_ip,
        account: subnet.account.clone(),
        outpost: subnet.outpost.clone(),
        route_table: table.map(|table| table.id.clone()),
        tags: subnet.tags.clone(),
    }
}

impl Survey {
    /// The VPC.
    pub fn vpc(&self) -> &ExistingVpc {
        &self.vpc
    }

    /// The chosen subnets, by zone and block.
    pub fn subnets(&self) -> &[ChosenSubnet] {
        &self.subnets
    }

    /// What the network lacks, those included that the plan mends.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// What must be done: the fixes that are allowed, the subnets to add, and our tags if it is adopted. Pure.
    ///
    /// # Errors
    /// [`Error::Refused`] with every gap that keeps a cluster from working and is not mended; if it is to be adopted and no
    /// `NetworkSpec` can have its shape; if a tag of ours has no room to remember others.
    pub fn plan(&self) -> Result<Plan, Error> {
        let stands_against = |gap: &&Gap| gap.blocks && gap.fix.is_none_or(|fix| !self.spec.allows(fix));
        let refusals = self.gaps.iter().filter(stands_against);
        let refusals = refusals.map(|gap| refused(&gap.subject, gap.rule.clone(), format!("{} ({})", gap.remedy, gap.page)));
        all_refused(format!("existing network {}", self.vpc.id), refusals.collect())?;
        super::fixes::plan(self)
    }

    /// The network for the layers above it: known ids, but for what the plan makes or mends, to which it refers by step, so
    /// that its users wait for it; then join the plan with theirs.
    pub fn refs(&self) -> NetworkRefs {
        let mends = super::fixes::mended(self);
        let subnets = self.subnets.iter().map(|subnet| SubnetRef {
            id: reference(&mends, &super::fixes::subnet_key(self, &subnet.id), &subnet.id),
            zone: subnet.zone.clone(),
            tier: subnet.tier,
        });
        let added = self.added.iter().map(|added| SubnetRef {
            id: match &added.found {
                Some(id) => Ref::Known(id.clone()),
                None => Ref::id_of(added.key()),
            },
            zone: added.zone.clone(),
            tier: Tier::Private,
        });
        NetworkRefs {
            vpc: reference(&mends, &super::fixes::vpc_key(self), &self.vpc.id),
            cidrs: self.vpc.cidrs.iter().map(ToString::to_string).collect(),
            subnets: subnets.chain(added).collect(),
            security_groups: self.groups.iter().map(|group| (group.name.clone(), Ref::Known(group.id.clone()))).collect(),
            egress: super::add::egress(self),
        }
    }
}

/// The step that mends it, or its id.
fn reference<T: Clone>(mended: &[StepKey], key: &StepKey, id: &T) -> Ref<T> {
    if mended.contains(key) { Ref::id_of(key.clone()) } else { Ref::Known(id.clone()) }
}

/// The key of something that is used and stays theirs.
pub(super) fn used_key(id: &str) -> StepKey {
    keys::key(["existing", id])
}
