//! What the layers above need of the network, by key: usable before anything exists.

use eks_core::{NetworkRefs, Ref, StepKey, SubnetRef, Tier, ZoneName};

use crate::{
    egress::{CheckedEndpoint, Way},
    keys,
    spec::NetworkSpec,
    subnet::PlacedSubnet,
};

impl NetworkSpec {
    /// The network for the layers above it.
    pub fn refs(&self) -> NetworkRefs {
        self.refs_where(|_| true)
    }

    /// Likewise, with some of its subnets only: `|subnet| subnet.name.is_none()` leaves out those of named groups.
    ///
    /// ```
    /// # use eks_core::{Owner, Tier};
    /// # use eks_net::{NetworkSpec, SubnetGroup};
    /// let network = NetworkSpec::builder(&Owner::new("shop")?, "10.0.0.0/16")
    ///     .zones(["us-east-1a", "us-east-1b"])
    ///     .group(SubnetGroup::private(24).named("database"))
    ///     .build()?;
    /// assert_eq!(network.refs().private().subnets.len(), 4);
    /// assert_eq!(network.refs_where(|subnet| subnet.name.is_none()).private().subnets.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refs_where(&self, wanted: impl Fn(&PlacedSubnet) -> bool) -> NetworkRefs {
        NetworkRefs {
            vpc: Ref::id_of(keys::vpc()),
            cidrs: [&self.cidr].into_iter().chain(&self.secondary).map(ToString::to_string).collect(),
            subnets: self
                .subnets
                .iter()
                .filter(|subnet| wanted(subnet))
                .map(|subnet| SubnetRef { id: Ref::id_of(subnet.key()), zone: subnet.zone.clone(), tier: subnet.tier })
                .collect(),
            security_groups: self.security_groups.iter().map(|group| (group.name.clone(), Ref::id_of(group.key()))).collect(),
            egress: self.egress(),
        }
    }

    /// Default routes and associations: an instance in a private subnet goes by its own table to the gateway, and a zonal
    /// gateway by the public table to the internet. Without a way out, and beside it, there are endpoints.
    fn egress(&self) -> Vec<StepKey> {
        let endpoints = self.endpoints.iter().map(CheckedEndpoint::key);
        if self.way == Way::None {
            let associations = self.subnets.iter().filter(|subnet| subnet.tier == Tier::Private).map(|subnet| subnet.association());
            return if self.endpoints.is_empty() { Vec::new() } else { associations.chain(endpoints).collect() };
        }
        let on_the_way = |tier: Tier, zone: &ZoneName| tier == Tier::Private || tier == Tier::Public && self.nat_zones().contains(zone);
        let tables =
            self.tables().into_iter().filter(|(tier, _)| *tier == Tier::Private || *tier == Tier::Public && !self.nat_zones().is_empty());
        let routes = tables.map(|(tier, zone)| keys::of_table("route", tier, zone.as_ref().map(ZoneName::as_str)));
        let associations = self.subnets.iter().filter(|subnet| on_the_way(subnet.tier, &subnet.zone)).map(|subnet| subnet.association());
        routes.chain(associations).chain(endpoints).collect()
    }
}
