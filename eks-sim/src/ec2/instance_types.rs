//! Instance types: a table of common ones ("Amazon EC2 instance types").

use serde_json::{Value, json};

use super::{Reply, filter::Listing, invalid, zones};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

#[derive(Clone, Debug)]
pub(super) struct InstanceType {
    pub(super) name: &'static str,
    pub(super) vcpus: usize,
    memory_mib: usize,
    pub(super) architecture: &'static str,
    pub(super) interfaces: usize,
    addresses_per_interface: usize,
    /// us-east-1, on demand, Linux.
    pub(super) usd_per_hour: f64,
}

const X86: &str = "x86_64";
const ARM: &str = "arm64";

const fn row(
    name: &'static str,
    vcpus: usize,
    gib_halves: usize,
    architecture: &'static str,
    (interfaces, addresses_per_interface): (usize, usize),
    usd_per_hour: f64,
) -> InstanceType {
    InstanceType { name, vcpus, memory_mib: gib_halves * 512, architecture, interfaces, addresses_per_interface, usd_per_hour }
}

/// Name, vCPUs, memory in half GiB, architecture, (interfaces, IPv4 addresses each), dollars an hour.
const TYPES: &[InstanceType] = &[
    row("c5.large", 2, 8, X86, (3, 10), 0.085),
    row("c5.xlarge", 4, 16, X86, (4, 15), 0.17),
    row("m5.2xlarge", 8, 64, X86, (4, 15), 0.384),
    row("m5.4xlarge", 16, 128, X86, (8, 30), 0.768),
    row("m5.large", 2, 16, X86, (3, 10), 0.096),
    row("m5.xlarge", 4, 32, X86, (4, 15), 0.192),
    row("m6i.large", 2, 16, X86, (3, 10), 0.096),
    row("m6i.xlarge", 4, 32, X86, (4, 15), 0.192),
    row("m7g.large", 2, 16, ARM, (3, 10), 0.0816),
    row("m7g.xlarge", 4, 32, ARM, (4, 15), 0.1632),
    row("m7i.large", 2, 16, X86, (3, 10), 0.1008),
    row("r5.large", 2, 32, X86, (3, 10), 0.126),
    row("r5.xlarge", 4, 64, X86, (4, 15), 0.252),
    row("t2.nano", 1, 1, X86, (2, 2), 0.0058),
    row("t3.2xlarge", 8, 64, X86, (4, 15), 0.3328),
    row("t3.large", 2, 16, X86, (3, 12), 0.0832),
    row("t3.medium", 2, 8, X86, (3, 6), 0.0416),
    row("t3.micro", 2, 2, X86, (2, 2), 0.0104),
    row("t3.nano", 2, 1, X86, (2, 2), 0.0052),
    row("t3.small", 2, 4, X86, (3, 4), 0.0208),
    row("t3.xlarge", 4, 32, X86, (4, 15), 0.1664),
    row("t3a.medium", 2, 8, X86, (3, 6), 0.0376),
    row("t4g.large", 2, 16, ARM, (3, 12), 0.0672),
    row("t4g.medium", 2, 8, ARM, (3, 6), 0.0336),
    row("t4g.small", 2, 4, ARM, (3, 4), 0.0168),
];

impl InstanceType {
    /// Cores, and threads of each: a vCPU is a thread, but on Graviton a core ("CPU options").
    pub(super) fn cores(&self) -> (usize, usize) {
        if self.architecture == ARM { (self.vcpus, 1) } else { (self.vcpus / 2, 2) }
    }
}

pub(super) fn find(name: &str) -> Option<&'static InstanceType> {
    TYPES.iter().find(|found| found.name == name)
}

/// Architecture of a type, if it exists.
pub(crate) fn architecture(name: &str) -> Option<&'static str> {
    find(name).map(|found| found.architecture)
}

/// Whether a zone has the type. The constrained zone use1-az3 gets no type of these generations.
pub(super) fn is_offered(_found: &InstanceType, zone_id: &str) -> bool {
    zone_id != "use1-az3"
}

fn render(found: &InstanceType) -> Value {
    let burstable = found.name.starts_with('t');
    let free = matches!(found.name, "t3.micro" | "t3.small" | "t4g.small");
    json!({
        "instanceType": found.name,
        "currentGeneration": true,
        "freeTierEligible": free,
        "supportedUsageClasses": ["on-demand", "spot"],
        "supportedRootDeviceTypes": ["ebs"],
        "supportedVirtualizationTypes": ["hvm"],
        "bareMetal": false,
        "hypervisor": if found.name.starts_with("t2.") { "xen" } else { "nitro" },
        "processorInfo": {"supportedArchitectures": [found.architecture]},
        "vCpuInfo": {"defaultVCpus": found.vcpus, "defaultCores": found.cores().0, "defaultThreadsPerCore": found.cores().1},
        "memoryInfo": {"sizeInMiB": found.memory_mib},
        "instanceStorageSupported": false,
        "ebsInfo": {"ebsOptimizedSupport": "default", "encryptionSupport": "supported", "nvmeSupport": "required"},
        "networkInfo": {
            "networkPerformance": "Up to 5 Gigabit",
            "maximumNetworkInterfaces": found.interfaces,
            "maximumNetworkCards": 1,
            "defaultNetworkCardIndex": 0,
            "networkCards": [{"networkCardIndex": 0, "networkPerformance": "Up to 5 Gigabit", "maximumNetworkInterfaces": found.interfaces}],
            "ipv4AddressesPerInterface": found.addresses_per_interface,
            "ipv6AddressesPerInterface": found.addresses_per_interface,
            "ipv6Supported": true,
            "enaSupport": "required",
        },
        "burstablePerformanceSupported": burstable,
        "dedicatedHostsSupported": true,
        "autoRecoverySupported": true,
        "supportedBootModes": ["legacy-bios", "uefi"],
    })
}

/// No such type, in the words of DescribeInstanceTypes.
fn unknown(names: &[String]) -> ApiError {
    ApiError::new("InvalidInstanceType", format!("The following supplied instance types do not exist: [{}]", names.join(", ")))
}

pub(super) fn describe(_world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let wanted = args.strings("InstanceType");
    let missing: Vec<_> = wanted.iter().filter(|name| find(name).is_none()).cloned().collect();
    if !missing.is_empty() {
        return Err(unknown(&missing));
    }
    let items = TYPES.iter().filter(|found| wanted.is_empty() || wanted.iter().any(|name| name == found.name)).map(render).collect();
    Listing {
        set: "instanceTypeSet",
        ids: None,
        key: "instanceType",
        filters: &[
            ("instance-type", "instanceType"),
            ("current-generation", "currentGeneration"),
            ("free-tier-eligible", "freeTierEligible"),
            ("bare-metal", "bareMetal"),
            ("hypervisor", "hypervisor"),
            ("processor-info.supported-architecture", "processorInfo.supportedArchitectures"),
            ("vcpu-info.default-vcpus", "vCpuInfo.defaultVCpus"),
            ("memory-info.size-in-mib", "memoryInfo.sizeInMiB"),
            ("network-info.maximum-network-interfaces", "networkInfo.maximumNetworkInterfaces"),
            ("burstable-performance-supported", "burstablePerformanceSupported"),
            ("supported-usage-class", "supportedUsageClasses"),
            ("supported-root-device-type", "supportedRootDeviceTypes"),
            ("supported-virtualization-type", "supportedVirtualizationTypes"),
        ],
        page: Some((5, 100)),
    }
    .reply(args, items)
}

pub(super) fn describe_offerings(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let location_type = args.str("LocationType").unwrap_or("region");
    let zones = zones::zones(&world.region);
    // Location as told, and a zone that stands for it.
    let locations: Vec<(String, String)> = match location_type {
        "region" => zones.first().map(|(_, id)| (world.region.clone(), id.clone())).into_iter().collect(),
        "availability-zone" => zones,
        "availability-zone-id" => zones.into_iter().map(|(_, id)| (id.clone(), id)).collect(),
        other => {
            let message = format!("Value ({other}) for parameter locationType is invalid.");
            return Err(invalid(message));
        }
    };
    let mut items = Vec::new();
    for found in TYPES {
        for (location, _) in locations.iter().filter(|(_, zone_id)| is_offered(found, zone_id)) {
            items.push(json!({
                "instanceType": found.name, "locationType": location_type, "location": location, "sort": format!("{} {location}", found.name),
            }));
        }
    }
    let listing = Listing {
        set: "instanceTypeOfferingSet",
        ids: None,
        key: "sort",
        filters: &[("instance-type", "instanceType"), ("location", "location")],
        page: Some((5, 1000)),
    };
    let mut reply = listing.reply(args, items)?;
    for item in reply["instanceTypeOfferingSet"].as_array_mut().into_iter().flatten() {
        item["sort"] = Value::Null;
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published maxima of pods are interfaces × (addresses − 1) + 2 (the VPC CNI's table).
    #[test]
    fn interfaces_agree_with_published_pod_counts() {
        for (name, pods) in [
            ("t3.micro", 4),
            ("t3.small", 11),
            ("t3.medium", 17),
            ("t3.large", 35),
            ("t3.xlarge", 58),
            ("m5.large", 29),
            ("m5.4xlarge", 234),
        ] {
            let found = find(name).expect(name);
            assert_eq!(found.interfaces * (found.addresses_per_interface - 1) + 2, pods, "{name}");
        }
    }
}
