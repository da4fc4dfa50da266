//! How many addresses a subnet needs for what will be in it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::interfaces::InterfaceLimits;

/// What one subnet must hold: the nodes of one zone, their pods, load balancers, and EKS itself.
///
/// ```
/// use eks_net::{InterfaceLimits, IpBudget};
///
/// let m5 = InterfaceLimits::of("m5.large").ok_or("not in the table")?;
/// let budget = IpBudget::new().nodes(m5, 20).surge(2).load_balancers(2);
/// assert_eq!(budget.to_string(), "\
/// control plane   16
/// upgrade          5
/// load balancers  16
/// nodes          660  22 with 30 each
/// in all         697  in a /22
/// ");
/// assert_eq!(budget.prefix(), 22);
/// // With /28 blocks for pods, the same nodes carry 110 instead of 29 each.
/// assert_eq!(budget.prefix_delegation().prefix(), 20);
/// # Ok::<(), &str>(())
/// ```
///
/// Sources: Amazon EKS User Guide, "Networking requirements" (6 addresses in each subnet of a control plane, 16 recommended) and
/// "Update existing cluster" (up to 5 more); Elastic Load Balancing User Guide, "Application Load Balancers" (a /27 with 8 free
/// addresses in each subnet); EKS Best Practices Guide, "Amazon VPC CNI" and "Prefix Mode for Linux".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IpBudget {
    control_plane: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    load_balancers: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<Nodes>,
    #[serde(default, skip_serializing_if = "is_zero")]
    surge: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    prefix_delegation: bool,
    #[serde(default, skip_serializing_if = "is_zero")]
    others: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Nodes of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nodes {
    limits: InterfaceLimits,
    count: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pods: Option<u32>,
}

/// Addresses of a prefix that an interface is given, a /28.
const PREFIX: u64 = 16;
/// What EKS needs in a subnet while it updates a cluster.
const UPGRADE: u64 = 5;
/// What a load balancer needs free in a subnet.
const LOAD_BALANCER: u64 = 8;

impl Default for IpBudget {
    fn default() -> Self {
        Self { control_plane: 16, load_balancers: 0, nodes: Vec::new(), surge: 0, prefix_delegation: false, others: 0 }
    }
}

impl IpBudget {
    /// A subnet that a cluster is created with: 16 addresses for its control plane, and 5 while it is updated.
    pub fn new() -> Self {
        Self::default()
    }

    /// The control plane's addresses: EKS needs 6 and recommends 16. 0 for subnets that no cluster is created with; then an
    /// update needs none either.
    #[must_use]
    pub fn control_plane(mut self, addresses: u32) -> Self {
        self.control_plane = addresses;
        self
    }

    /// This many nodes in the zone, each with as many pods as it can have addresses for (with prefix delegation: as AWS
    /// recommends).
    #[must_use]
    pub fn nodes(mut self, limits: InterfaceLimits, count: u32) -> Self {
        self.nodes.push(Nodes { limits, count, pods: None });
        self
    }

    /// This many nodes in the zone, each with at most this many pods: the kubelet's `maxPods`.
    #[must_use]
    pub fn nodes_of_pods(mut self, limits: InterfaceLimits, count: u32, pods: u32) -> Self {
        self.nodes.push(Nodes { limits, count, pods: Some(pods) });
        self
    }

    /// Nodes more of each kind while they are replaced.
    #[must_use]
    pub fn surge(mut self, nodes: u32) -> Self {
        self.surge = nodes;
        self
    }

    /// The CNI gives interfaces whole /28 blocks (`ENABLE_PREFIX_DELEGATION`). These must be aligned in the subnet: single
    /// addresses are counted as packed beside them, which holds if the blocks are kept free by a subnet CIDR reservation.
    #[must_use]
    pub fn prefix_delegation(mut self) -> Self {
        self.prefix_delegation = true;
        self
    }

    /// Load balancers with a foot in the subnet: 8 addresses each.
    #[must_use]
    pub fn load_balancers(mut self, count: u32) -> Self {
        self.load_balancers = count;
        self
    }

    /// Addresses for anything else: VPC endpoints, NAT gateways, databases.
    #[must_use]
    pub fn others(mut self, addresses: u32) -> Self {
        self.others = addresses;
        self
    }

    /// Addresses that must be usable in the subnet.
    pub fn addresses(&self) -> u64 {
        let (single, prefixes) = self.needs();
        if prefixes == 0 {
            return single;
        }
        // The first and the last sixteen of a subnet are never whole: four addresses and one are AWS's.
        let beside = (single + 5).div_ceil(PREFIX).max(2);
        PREFIX * (prefixes + beside) - 5
    }

    /// The prefix length of the smallest subnet that holds it; below 16 if none does.
    pub fn prefix(&self) -> u8 {
        // A load balancer wants a /27.
        super::group::smallest(self.addresses()).min(if self.load_balancers > 0 { 27 } else { 28 })
    }

    /// Single addresses, and /28 blocks.
    fn needs(&self) -> (u64, u64) {
        let [control_plane, upgrade, load_balancers, others] = self.fixed();
        let each = self.nodes.iter().map(|nodes| (self.count(nodes), nodes.each(self.prefix_delegation)));
        each.fold((control_plane + upgrade + load_balancers + others, 0), |(single, prefixes), (count, each)| {
            (single + count * each.0, prefixes + count * each.1)
        })
    }

    fn fixed(&self) -> [u64; 4] {
        let upgrade = if self.control_plane > 0 { UPGRADE } else { 0 };
        [self.control_plane.into(), upgrade, u64::from(self.load_balancers) * LOAD_BALANCER, self.others.into()]
    }

    fn count(&self, nodes: &Nodes) -> u64 {
        u64::from(nodes.count) + u64::from(self.surge)
    }
}

impl Nodes {
    /// Single addresses and /28 blocks of one node: the CNI keeps one interface, or one block, more than the pods need
    /// (`WARM_ENI_TARGET` and `WARM_PREFIX_TARGET` of 1), as far as the instance can have them.
    fn each(&self, prefix_delegation: bool) -> (u64, u64) {
        let (interfaces, slots) = (u64::from(self.limits.interfaces.max(1)), u64::from(self.limits.addresses.max(2)) - 1);
        if prefix_delegation {
            let pods = u64::from(self.pods.unwrap_or_else(|| self.limits.recommended_pods()));
            let prefixes = (pods.div_ceil(PREFIX) + 1).min(interfaces * slots);
            return (prefixes.div_ceil(slots), prefixes);
        }
        let pods = u64::from(self.pods.unwrap_or_else(|| self.limits.max_pods()));
        let used = (pods.div_ceil(slots) + 1).min(interfaces);
        (used * (slots + 1), 0)
    }
}

impl fmt::Display for IpBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, prefixes) = self.needs();
        let width = self.addresses().to_string().len().max(2);
        for (what, addresses) in ["control plane ", "upgrade       ", "load balancers", "others        "].iter().zip(self.fixed()) {
            if addresses > 0 {
                writeln!(f, "{what} {addresses:>width$}")?;
            }
        }
        for nodes in &self.nodes {
            let (count, (single, blocks)) = (self.count(nodes), nodes.each(self.prefix_delegation));
            let all = count * (single + PREFIX * blocks);
            let each = if blocks == 0 { format!("{single} each") } else { format!("{single} and {blocks} × /28 each") };
            writeln!(f, "nodes          {all:>width$}  {count} with {each}")?;
        }
        let aligned = if prefixes > 0 { ", so that the /28 blocks are aligned" } else { "" };
        writeln!(f, "in all         {:>width$}  in a /{}{aligned}", self.addresses(), self.prefix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usable_addresses;

    fn limits(instance_type: &str) -> InterfaceLimits {
        InterfaceLimits::of(instance_type).unwrap()
    }

    #[test]
    fn a_cluster_alone_needs_what_eks_says() {
        assert_eq!(IpBudget::new().addresses(), 21);
        assert_eq!(IpBudget::new().prefix(), 27);
        assert_eq!(IpBudget::new().control_plane(6).addresses(), 11);
        // A /28 has just the 11.
        assert_eq!(IpBudget::new().control_plane(6).prefix(), 28);
        assert_eq!(IpBudget::new().control_plane(0).addresses(), 0);
        assert_eq!(IpBudget::new().control_plane(0).load_balancers(1).prefix(), 27);
        assert_eq!(IpBudget::new().control_plane(0).others(252).prefix(), 23);
    }

    #[test]
    fn nodes_hold_whole_interfaces() {
        let one = |budget: fn(IpBudget) -> IpBudget| budget(IpBudget::new().control_plane(0)).addresses();
        // m5.large: 3 interfaces of 10.
        assert_eq!(one(|budget| budget.nodes(limits("m5.large"), 1)), 30);
        // 9 pods fill one interface, and one more is kept warm; with 10 pods, two are used and the third is warm.
        assert_eq!(one(|budget| budget.nodes_of_pods(limits("m5.large"), 1, 9)), 20);
        assert_eq!(one(|budget| budget.nodes_of_pods(limits("m5.large"), 1, 10)), 30);
        assert_eq!(one(|budget| budget.nodes(limits("t3.medium"), 3).surge(1)), 4 * 18);
    }

    #[test]
    fn prefixes_are_whole_and_aligned() {
        let budget = IpBudget::new().control_plane(0).nodes(limits("m5.large"), 1).prefix_delegation();
        // 110 pods: 7 blocks, and one warm; on one interface, which has nine slots.
        assert_eq!(budget.needs(), (1, 8));
        // Ten times sixteen addresses; all but the first and the last are whole.
        assert_eq!(budget.addresses(), 155);
        assert_eq!(budget.prefix(), 24);
        // c5.4xlarge has 16 vCPUs, c5.9xlarge 36.
        let of = |kind: &str| IpBudget::new().control_plane(0).nodes(limits(kind), 1).prefix_delegation().needs();
        assert_eq!((of("c5.4xlarge"), of("c5.9xlarge")), ((1, 8), (1, 17)));
    }

    /// Against a subnet in which addresses and aligned blocks are placed one by one.
    #[test]
    fn what_is_budgeted_fits_into_the_subnet() {
        for (count, surge, single) in [(1, 0, 0), (3, 1, 12), (10, 2, 40), (25, 3, 90), (60, 0, 5)] {
            let budget = IpBudget::new().nodes(limits("m6i.xlarge"), count).surge(surge).others(single).prefix_delegation();
            let (singles, prefixes) = budget.needs();
            let size = 1_u64 << (32 - budget.prefix());
            let reserved = |at: u64| at < 4 || at == size - 1;
            let whole = |block: u64| (block * 16..block * 16 + 16).all(|at| !reserved(at));
            let blocks: Vec<u64> = (0..size / 16).filter(|block| whole(*block)).collect();
            assert!(blocks.len() as u64 >= prefixes, "{budget}");
            let left = size - 5 - 16 * prefixes;
            assert!(left >= singles, "{budget}");
            let usable = usable_addresses(ipnet::Ipv4Net::new([10, 0, 0, 0].into(), budget.prefix()).unwrap());
            assert!(u64::from(usable) >= budget.addresses());
        }
    }

    #[test]
    fn a_budget_can_be_written_down() {
        let budget = IpBudget::new().nodes(limits("m5.large"), 3).nodes_of_pods(limits("m5.xlarge"), 1, 20).surge(1).prefix_delegation();
        let text = serde_json::to_string(&budget).unwrap();
        assert_eq!(serde_json::from_str::<IpBudget>(&text).unwrap(), budget);
    }
}
