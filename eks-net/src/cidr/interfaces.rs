//! How many addresses an instance can hold.

use serde::{Deserialize, Serialize};

/// Families in which a size tells the limits. (Amazon EC2 User Guide, "IP addresses per network interface"; compared with the
/// file eni-max-pods.txt of the Amazon EKS AMIs.)
const REGULAR: [&str; 55] = [
    "c5", "c5a", "c5ad", "c5d", "c5n", "c6a", "c6g", "c6gd", "c6gn", "c6i", "c6id", "c7a", "c7g", "c7gd", "c7gn", "c7i", "c7i-flex", "c8g",
    "c8gd", "m5", "m5a", "m5ad", "m5d", "m5dn", "m5n", "m6a", "m6g", "m6gd", "m6i", "m6id", "m7a", "m7g", "m7gd", "m7i", "m7i-flex", "m8g",
    "m8gd", "r5", "r5a", "r5ad", "r5b", "r5d", "r5dn", "r5n", "r6a", "r6g", "r6gd", "r6i", "r6id", "r7a", "r7g", "r7gd", "r7i", "r8g",
    "i4g",
];

/// Sizes of these families: interfaces, IPv4 addresses of each, vCPUs.
const SIZES: [(&str, u16, u16, u16); 17] = [
    ("medium", 2, 4, 1),
    ("large", 3, 10, 2),
    ("xlarge", 4, 15, 4),
    ("2xlarge", 4, 15, 8),
    ("4xlarge", 8, 30, 16),
    ("8xlarge", 8, 30, 32),
    ("9xlarge", 8, 30, 36),
    ("12xlarge", 8, 30, 48),
    ("16xlarge", 15, 50, 64),
    ("18xlarge", 15, 50, 72),
    ("24xlarge", 15, 50, 96),
    ("32xlarge", 15, 50, 128),
    ("48xlarge", 15, 50, 192),
    ("metal", 15, 50, 64),
    ("metal-16xl", 15, 50, 64),
    ("metal-24xl", 15, 50, 96),
    ("metal-48xl", 15, 50, 192),
];

/// Types of other families.
const OTHERS: [(&str, u16, u16, u16); 21] = [
    ("t3.nano", 2, 2, 2),
    ("t3.micro", 2, 2, 2),
    ("t3.small", 3, 4, 2),
    ("t3.medium", 3, 6, 2),
    ("t3.large", 3, 12, 2),
    ("t3.xlarge", 4, 15, 4),
    ("t3.2xlarge", 4, 15, 8),
    ("t3a.nano", 2, 2, 2),
    ("t3a.micro", 2, 2, 2),
    ("t3a.small", 2, 4, 2),
    ("t3a.medium", 3, 6, 2),
    ("t3a.large", 3, 12, 2),
    ("t3a.xlarge", 4, 15, 4),
    ("t3a.2xlarge", 4, 15, 8),
    ("t4g.nano", 2, 2, 2),
    ("t4g.micro", 2, 2, 2),
    ("t4g.small", 3, 4, 2),
    ("t4g.medium", 3, 6, 2),
    ("t4g.large", 3, 12, 2),
    ("t4g.xlarge", 4, 15, 4),
    ("t4g.2xlarge", 4, 15, 8),
];

/// How many network interfaces an instance can have, and how many IPv4 addresses each of them.
///
/// ```
/// use eks_net::InterfaceLimits;
///
/// let m5 = InterfaceLimits::of("m5.large").ok_or("not in the table")?;
/// assert_eq!((m5.interfaces, m5.addresses), (3, 10));
/// // One address of each interface is the instance's; the CNI and kube-proxy use those of the instance.
/// assert_eq!(m5.max_pods(), 29);
/// // Of any other type, as DescribeInstanceTypes tells them.
/// let mine = InterfaceLimits::new(5, 20);
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InterfaceLimits {
    /// Network interfaces: `MaximumNetworkInterfaces`.
    pub interfaces: u16,
    /// IPv4 addresses of each: `Ipv4AddressesPerInterface`.
    pub addresses: u16,
    /// vCPUs, by which AWS recommends a highest number of pods.
    pub vcpus: u16,
}

impl InterfaceLimits {
    /// At least one interface with two addresses. vCPUs are taken to be fewer than 30.
    pub fn new(interfaces: u16, addresses: u16) -> Self {
        Self { interfaces: interfaces.max(1), addresses: addresses.max(2), vcpus: 2 }
    }

    /// Number of vCPUs.
    #[must_use]
    pub fn vcpus(self, vcpus: u16) -> Self {
        Self { vcpus, ..self }
    }

    /// Those of a common instance type; `None` if it is not in the table.
    pub fn of(instance_type: &str) -> Option<Self> {
        let found = |(_, interfaces, addresses, vcpus): &(&str, u16, u16, u16)| Self {
            interfaces: *interfaces,
            addresses: *addresses,
            vcpus: *vcpus,
        };
        let (family, size) = instance_type.split_once('.')?;
        let regular = SIZES.iter().find(|row| row.0 == size).filter(|_| REGULAR.contains(&family));
        regular.or_else(|| OTHERS.iter().find(|row| row.0 == instance_type)).map(found)
    }

    /// Pods that get addresses of their own, and two that use the instance's. (Amazon EKS User Guide, "Choose an optimal Amazon
    /// EC2 node instance type".)
    pub fn max_pods(self) -> u32 {
        u32::from(self.interfaces.max(1)) * (u32::from(self.addresses.max(2)) - 1) + 2
    }

    /// The highest number of pods that AWS recommends.
    pub fn recommended_pods(self) -> u32 {
        if self.vcpus < 30 { 110 } else { 250 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_agrees_with_the_numbers_of_pods_that_aws_publishes() {
        // Lines of eni-max-pods.txt.
        let published = [
            ("c5.9xlarge", 234),
            ("c5.18xlarge", 737),
            ("c6g.medium", 8),
            ("c7i.48xlarge", 737),
            ("m5.large", 29),
            ("m5.xlarge", 58),
            ("m5.2xlarge", 58),
            ("m5.4xlarge", 234),
            ("m5.metal", 737),
            ("m6i.32xlarge", 737),
            ("m7g.8xlarge", 234),
            ("m7i-flex.16xlarge", 737),
            ("r5b.12xlarge", 234),
            ("r7i.metal-24xl", 737),
            ("t3.small", 11),
            ("t3.medium", 17),
            ("t3.large", 35),
            ("t3a.small", 8),
            ("t4g.nano", 4),
            ("t3.xlarge", 58),
        ];
        for (instance_type, pods) in published {
            assert_eq!(InterfaceLimits::of(instance_type).map(InterfaceLimits::max_pods), Some(pods), "{instance_type}");
        }
        assert_eq!(["m5", "m5.huge", "q9.large", ""].map(InterfaceLimits::of), [None; 4]);
    }
}
