//! AWS partitions: what ARNs and hosts of a Region are called.

/// A group of Regions with its own ARNs, hosts and accounts. (AWS Fault Isolation Boundaries, "Partitions"; the SDKs' partitions.json.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    name: &'static str,
    domain: &'static str,
}

/// How the names of a partition's Regions begin, with its name and the suffix of its hosts.
const PARTITIONS: [(&str, &str, &str); 7] = [
    ("cn-", "aws-cn", "amazonaws.com.cn"),
    ("eusc-", "aws-eusc", "amazonaws.eu"),
    ("us-gov-", "aws-us-gov", "amazonaws.com"),
    ("us-iso-", "aws-iso", "c2s.ic.gov"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov"),
    ("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov"),
];

impl Partition {
    /// The partition of a Region, whose name tells it.
    pub fn of_region(region: &str) -> Self {
        let found = PARTITIONS.iter().find(|(begins, ..)| region.starts_with(begins));
        let (name, domain) = found.map_or(("aws", "amazonaws.com"), |(_, name, domain)| (name, domain));
        Self { name, domain }
    }

    /// `aws`, as in ARNs.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Suffix of its hosts: `amazonaws.com`.
    pub fn domain(self) -> &'static str {
        self.domain
    }
}
