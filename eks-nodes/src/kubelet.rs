//! Settings of the kubelet that every family of images can say, each in its own form.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use eks_core::Problems;
use serde::{Deserialize, Serialize};

/// What the kubelet keeps for itself or for the system. Kubernetes, "Reserve Compute Resources for System Daemons".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "every family of images knows these three")]
pub enum ReservedResource {
    /// Processors, such as `100m`.
    Cpu,
    /// Local disk, such as `1Gi`.
    EphemeralStorage,
    /// Memory, such as `300Mi`.
    Memory,
}

impl ReservedResource {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::EphemeralStorage => "ephemeral-storage",
            Self::Memory => "memory",
        }
    }
}

/// What the kubelet watches so as to evict Pods before the node suffers. Kubernetes, "Node-pressure Eviction".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "Kubernetes has these six on every node")]
pub enum EvictionSignal {
    /// `imagefs.available`
    ImagefsAvailable,
    /// `imagefs.inodesFree`
    ImagefsInodesFree,
    /// `memory.available`
    MemoryAvailable,
    /// `nodefs.available`
    NodefsAvailable,
    /// `nodefs.inodesFree`
    NodefsInodesFree,
    /// `pid.available`
    PidAvailable,
}

impl EvictionSignal {
    /// The thresholds that a node has unless told otherwise.
    const DEFAULT: [Self; 3] = [Self::MemoryAvailable, Self::NodefsAvailable, Self::NodefsInodesFree];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ImagefsAvailable => "imagefs.available",
            Self::ImagefsInodesFree => "imagefs.inodesFree",
            Self::MemoryAvailable => "memory.available",
            Self::NodefsAvailable => "nodefs.available",
            Self::NodefsInodesFree => "nodefs.inodesFree",
            Self::PidAvailable => "pid.available",
        }
    }
}

impl fmt::Display for EvictionSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Settings of the kubelet; what is left out stays as the image has it.
///
/// ```
/// use eks_nodes::{EvictionSignal, Kubelet, ReservedResource};
///
/// let kubelet = Kubelet::new()
///     .kube_reserved(ReservedResource::Memory, "500Mi")
///     .eviction_hard(EvictionSignal::MemoryAvailable, "200Mi")
///     .image_gc(70, 80);
/// # let _ = kubelet;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kubelet {
    pub(crate) kube_reserved: BTreeMap<ReservedResource, String>,
    pub(crate) system_reserved: BTreeMap<ReservedResource, String>,
    pub(crate) eviction_hard: BTreeMap<EvictionSignal, String>,
    pub(crate) eviction_soft: BTreeMap<EvictionSignal, (String, u32)>,
    /// Low and high threshold.
    pub(crate) image_gc: Option<(u8, u8)>,
    /// Size and number.
    pub(crate) container_logs: Option<(String, u16)>,
    pub(crate) pod_pids_limit: Option<u32>,
    /// A second, and at once.
    pub(crate) registry_pulls: Option<(u16, u16)>,
    pub(crate) cluster_dns: Option<IpAddr>,
}

impl Kubelet {
    /// As the image has it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a quantity of a resource for Kubernetes' own daemons.
    #[must_use]
    pub fn kube_reserved(mut self, resource: ReservedResource, quantity: impl Into<String>) -> Self {
        self.kube_reserved.insert(resource, quantity.into());
        self
    }

    /// Keeps a quantity of a resource for the system's daemons.
    #[must_use]
    pub fn system_reserved(mut self, resource: ReservedResource, quantity: impl Into<String>) -> Self {
        self.system_reserved.insert(resource, quantity.into());
        self
    }

    /// Evicts Pods at once when less than a quantity (`200Mi`) or share (`5%`) is left.
    ///
    /// Where one is set, Kubernetes takes its defaults for the others away; on AL2023 nodeadm keeps them.
    #[must_use]
    pub fn eviction_hard(mut self, signal: EvictionSignal, threshold: impl Into<String>) -> Self {
        self.eviction_hard.insert(signal, threshold.into());
        self
    }

    /// Evicts Pods when less than a quantity or share has been left for so many seconds.
    #[must_use]
    pub fn eviction_soft(mut self, signal: EvictionSignal, threshold: impl Into<String>, grace_seconds: u32) -> Self {
        self.eviction_soft.insert(signal, (threshold.into(), grace_seconds));
        self
    }

    /// Collects unused images when the disk is fuller than `high` percent, down to `low` percent. Kubernetes' defaults are 80
    /// and 85.
    #[must_use]
    pub fn image_gc(mut self, low: u8, high: u8) -> Self {
        self.image_gc = Some((low, high));
        self
    }

    /// Turns a container's log over at a size (such as `50Mi`), and keeps so many. Kubernetes' defaults are 10Mi and 5.
    #[must_use]
    pub fn container_logs(mut self, max_size: impl Into<String>, max_files: u16) -> Self {
        self.container_logs = Some((max_size.into(), max_files));
        self
    }

    /// Most processes of a Pod. Linux only.
    #[must_use]
    pub fn pod_pids_limit(mut self, processes: u32) -> Self {
        self.pod_pids_limit = Some(processes);
        self
    }

    /// Most pulls of images a second, and at once. Kubernetes' defaults are 5 and 10.
    #[must_use]
    pub fn registry_pulls(mut self, per_second: u16, burst: u16) -> Self {
        self.registry_pulls = Some((per_second, burst));
        self
    }

    /// Address of the cluster's DNS. Default: the tenth of the Service range, as CoreDNS has it.
    #[must_use]
    pub fn cluster_dns(mut self, address: IpAddr) -> Self {
        self.cluster_dns = Some(address);
        self
    }

    /// The settings as the kubelet's flags, for families whose bootstrap script takes those. Kubernetes reference, "kubelet".
    pub(crate) fn flags(&self) -> Vec<String> {
        let reserved = |map: &BTreeMap<ReservedResource, String>| {
            map.iter().map(|(resource, quantity)| format!("{}={quantity}", resource.as_str())).collect::<Vec<_>>().join(",")
        };
        let mut flags = Vec::new();
        for (flag, map) in [("--kube-reserved", &self.kube_reserved), ("--system-reserved", &self.system_reserved)] {
            flags.extend((!map.is_empty()).then(|| format!("{flag}={}", reserved(map))));
        }
        let joined = |parts: Vec<String>| parts.join(",");
        if !self.eviction_hard.is_empty() {
            let parts = self.eviction_hard.iter().map(|(signal, threshold)| format!("{signal}<{threshold}")).collect();
            flags.push(format!("--eviction-hard={}", joined(parts)));
        }
        if !self.eviction_soft.is_empty() {
            let parts = self.eviction_soft.iter().map(|(signal, (threshold, _))| format!("{signal}<{threshold}")).collect();
            flags.push(format!("--eviction-soft={}", joined(parts)));
            let parts = self.eviction_soft.iter().map(|(signal, (_, seconds))| format!("{signal}={seconds}s")).collect();
            flags.push(format!("--eviction-soft-grace-period={}", joined(parts)));
        }
        if let Some((low, high)) = self.image_gc {
            flags.extend([format!("--image-gc-low-threshold={low}"), format!("--image-gc-high-threshold={high}")]);
        }
        if let Some((size, files)) = &self.container_logs {
            flags.extend([format!("--container-log-max-size={size}"), format!("--container-log-max-files={files}")]);
        }
        flags.extend(self.pod_pids_limit.map(|limit| format!("--pod-max-pids={limit}")));
        if let Some((per_second, burst)) = self.registry_pulls {
            flags.extend([format!("--registry-qps={per_second}"), format!("--registry-burst={burst}")]);
        }
        flags
    }

    /// Hard thresholds that Kubernetes takes away because another one is set.
    pub(crate) fn defaults_lost(&self) -> Vec<EvictionSignal> {
        if self.eviction_hard.is_empty() {
            return Vec::new();
        }
        EvictionSignal::DEFAULT.into_iter().filter(|signal| !self.eviction_hard.contains_key(signal)).collect()
    }

    pub(crate) fn thresholds(&self) -> impl Iterator<Item = (&EvictionSignal, &String)> {
        self.eviction_hard.iter().chain(self.eviction_soft.iter().map(|(signal, (threshold, _))| (signal, threshold)))
    }

    pub(crate) fn check(&self, problems: &mut Problems) {
        for (what, map) in [("kube_reserved", &self.kube_reserved), ("system_reserved", &self.system_reserved)] {
            for (resource, quantity) in map {
                if !is_quantity(quantity) {
                    let rule = "must be a Kubernetes quantity such as 100m, 500Mi or 1Gi";
                    problems.add("kubelet-quantity", format!("{what} {} {quantity:?}", resource.as_str()), rule, "correct it");
                }
            }
        }
        for (signal, threshold) in self.thresholds() {
            let share = threshold.strip_suffix('%').map(|number| number.parse::<u8>().is_ok_and(|percent| (1..=99).contains(&percent)));
            if !share.unwrap_or_else(|| is_quantity(threshold)) {
                let rule = "must be a Kubernetes quantity such as 200Mi, or 1%–99%";
                problems.add("kubelet-threshold", format!("eviction of {signal} at {threshold:?}"), rule, "correct it");
            }
        }
        for (signal, (_, seconds)) in &self.eviction_soft {
            if *seconds == 0 {
                let rule = "a soft threshold needs a grace period";
                problems.add("kubelet-grace", format!("soft eviction of {signal}"), rule, "give seconds, or use eviction_hard");
            }
        }
        if let Some((low, high)) = self.image_gc
            && !(low < high && high <= 100)
        {
            let rule = "the low threshold must be below the high one, and that at most 100";
            problems.add("kubelet-image-gc", format!("image_gc {low}–{high}"), rule, "correct them");
        }
        if let Some((size, files)) = &self.container_logs {
            if !is_quantity(size) {
                let rule = "must be a Kubernetes quantity such as 50Mi";
                problems.add("kubelet-quantity", format!("container_logs of {size:?}"), rule, "correct it");
            }
            if *files < 2 {
                problems.add("kubelet-logs", format!("container_logs, {files} files"), "the kubelet keeps at least 2", "keep 2 or more");
            }
        }
        if self.pod_pids_limit == Some(0) {
            problems.add("kubelet-pids", "pod_pids_limit 0", "a Pod needs at least one process", "choose a larger one");
        }
        if let Some((per_second, burst)) = self.registry_pulls
            && burst < per_second
        {
            let rule = "the kubelet wants the burst to be at least the rate";
            problems.add("kubelet-registry", format!("registry_pulls {per_second}, burst {burst}"), rule, "make the burst larger");
        }
    }
}

/// Kubernetes API, "Quantity": a decimal number that is not negative, with a suffix of the SI, or a binary one.
fn is_quantity(text: &str) -> bool {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let points = number.len() - digits;
    digits > 0 && points <= 1 && matches!(suffix, "" | "m" | "k" | "M" | "G" | "T" | "P" | "E" | "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        for text in ["1", "0.5", "100m", "500Mi", "1Gi", "2G", "1."] {
            assert!(is_quantity(text), "{text}");
        }
        for text in ["", "Mi", "1.2.3", "1KB", "-1", "1 Gi", "5%", "${x}", "1'"] {
            assert!(!is_quantity(text), "{text}");
        }
    }

    #[test]
    fn every_rule() {
        let wrong = Kubelet::new()
            .kube_reserved(ReservedResource::Memory, "lots")
            .eviction_hard(EvictionSignal::NodefsAvailable, "100%")
            .eviction_soft(EvictionSignal::MemoryAvailable, "5%", 0)
            .image_gc(90, 80)
            .container_logs("", 1)
            .pod_pids_limit(0)
            .registry_pulls(5, 1);
        let mut problems = Problems::new();
        wrong.check(&mut problems);
        let error = problems.finish("x", || ()).expect_err("wrong");
        let codes: Vec<_> = error.problems.iter().map(|problem| problem.code).collect();
        let expected = ["quantity", "threshold", "grace", "image-gc", "quantity", "logs", "pids", "registry"];
        assert_eq!(codes, expected.map(|code| format!("kubelet-{code}")));
    }

    #[test]
    fn one_threshold_takes_the_other_defaults_away() {
        assert_eq!(Kubelet::new().defaults_lost(), []);
        let one = Kubelet::new().eviction_hard(EvictionSignal::MemoryAvailable, "5%");
        assert_eq!(one.defaults_lost(), [EvictionSignal::NodefsAvailable, EvictionSignal::NodefsInodesFree]);
    }
}
