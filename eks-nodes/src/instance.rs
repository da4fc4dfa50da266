//! Instance types: what their names say, and what they cost.

use std::fmt;

use eks_core::HOURS_PER_MONTH;
use serde::{Deserialize, Serialize};

/// Processor architecture of an instance type and of its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Architecture {
    /// Graviton.
    Arm64,
    /// Intel and AMD.
    X86_64,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        })
    }
}

/// Which build of the image an instance type's hardware needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Neuron,
    Nvidia,
    Standard,
}

impl Variant {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Neuron => "neuron",
            Self::Nvidia => "nvidia",
            Self::Standard => "standard",
        }
    }
}

/// The parts of a name such as `m7gd.2xlarge`.
///
/// EC2 Instance Types Guide, "Instance type naming conventions": series, generation, options, size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InstanceType<'a> {
    series: &'a str,
    generation: &'a str,
    options: &'a str,
    size: &'a str,
}

/// Series of instances that can be Kubernetes nodes.
const SERIES: [&str; 22] =
    ["a", "c", "d", "dl", "f", "g", "gr", "h", "hpc", "i", "im", "inf", "is", "m", "p", "r", "t", "trn", "u", "vt", "x", "z"];

impl<'a> InstanceType<'a> {
    /// The parts, if the text has the form of an instance type.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (family, size) = text.split_once('.')?;
        let digits = family.find(|c: char| c.is_ascii_digit())?;
        let (series, rest) = family.split_at(digits);
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (generation, options) = rest.split_at(end);
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        (!series.is_empty() && plain(family) && is_size(size)).then_some(Self { series, generation, options, size })
    }

    /// The architecture, if the family is one whose naming is known.
    pub(crate) fn architecture(self) -> Option<Architecture> {
        let options = self.options.strip_suffix("-flex").unwrap_or(self.options);
        if !SERIES.contains(&self.series) || !options.bytes().all(|b| b"abdeginqsz".contains(&b)) {
            return None;
        }
        // The letter g among the options is Graviton; a1 was before the letter.
        let graviton = options.contains('g') || (self.series == "a" && self.generation == "1");
        Some(if graviton { Architecture::Arm64 } else { Architecture::X86_64 })
    }

    pub(crate) fn variant(self) -> Variant {
        match (self.series, self.options) {
            // g4ad has AMD's accelerators, which no EKS image supports.
            ("g", "ad") => Variant::Standard,
            ("g" | "gr" | "p", _) => Variant::Nvidia,
            ("inf" | "trn", _) => Variant::Neuron,
            _ => Variant::Standard,
        }
    }

    /// Whether it is built on the Nitro system, which prefix delegation needs; earlier families are a closed list.
    ///
    /// EC2 Instance Types Guide, "Instances built on the AWS Nitro System".
    pub(crate) fn is_nitro(self) -> bool {
        let plain_i3 = (self.series, self.generation, self.options) == ("i", "3", "") && self.size != "metal";
        !plain_i3
            && !matches!(
                (self.series, self.generation),
                ("t", "1" | "2")
                    | ("m", "1" | "2" | "3" | "4")
                    | ("c", "1" | "3" | "4")
                    | ("r", "3" | "4")
                    | ("i" | "d" | "g" | "p", "2")
                    | ("g" | "p", "3")
                    | ("x" | "f" | "h" | "cc" | "hs", "1")
            )
    }

    /// Whether EKS has no Windows for it. EKS User Guide, "Deploy Windows nodes on EKS clusters".
    pub(crate) fn has_no_windows(self) -> bool {
        matches!((self.series, self.generation, self.options), ("c", "3" | "4", _) | ("d" | "i", "2", "") | ("r", "3", _) | ("m", "6", "a"))
            || (self.series == "m" && self.generation == "4" && self.size != "16xlarge")
    }

    /// Most Pods with prefix delegation: ENIs × (addresses − 1) × 16 + 2, but 110 below 30 processors and 250 from there on.
    /// `None` for a size whose number of processors its name does not tell.
    ///
    /// EKS User Guide, "Assign more IP addresses to Amazon EKS nodes with prefixes"; amazon-eks-ami, `max-pods-calculator.sh`.
    pub(crate) fn prefix_max_pods(self) -> Option<u16> {
        Some(match self.size {
            // Two interfaces with two addresses each.
            "nano" | "micro" => 34,
            // Two interfaces with four addresses each, but for the burstable ones, which have more.
            "medium" if self.series != "t" => 98,
            "small" | "medium" | "large" | "xlarge" => 110,
            size => {
                let times: u16 = size.strip_suffix("xlarge")?.parse().ok()?;
                if times.checked_mul(4)? < 30 { 110 } else { 250 }
            }
        })
    }

    /// US dollars an hour, on demand, Linux, us-east-1; `None` if this crate's table does not have the family.
    ///
    /// Within a family the price is proportional to the size (EC2 on-demand pricing).
    pub(crate) fn usd_per_hour(self) -> Option<f64> {
        let large = match (self.series, self.generation, self.options) {
            ("t", "3", "") => 0.0832,
            ("t", "3", "a") => 0.0752,
            ("t", "4", "g") => 0.0672,
            ("m", "5", "") | ("m", "6", "i") => 0.096,
            ("m", "7", "i") => 0.1008,
            ("m", "7", "g") => 0.0816,
            ("c", "5", "") => 0.085,
            ("r", "5", "") => 0.126,
            _ => return None,
        };
        let times = match self.size {
            "nano" => 1.0 / 16.0,
            "micro" => 1.0 / 8.0,
            "small" => 1.0 / 4.0,
            "medium" => 1.0 / 2.0,
            "large" => 1.0,
            "xlarge" => 2.0,
            size => 2.0 * f64::from(size.strip_suffix("xlarge")?.parse::<u16>().ok()?),
        };
        Some(large * times)
    }
}

fn is_size(text: &str) -> bool {
    let word = text.split('-').next().unwrap_or_default();
    matches!(word, "nano" | "micro" | "small" | "medium" | "large" | "metal")
        || word.strip_suffix("xlarge").is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
}

/// Largest gp3 volume, in GiB. EC2 API Reference, "CreateVolume".
pub(crate) const GP3_GIB: u32 = 65_536;

/// GiB-month of gp3, before extra IOPS and throughput.
pub(crate) const GP3_USD_PER_GIB: f64 = 0.08;

/// US dollars a month for `count` instances with one gp3 volume each; the instances alone are free if their price is unknown.
pub(crate) fn usd_per_month(instance_type: &str, count: u32, gib: u32) -> f64 {
    let hourly = InstanceType::parse(instance_type).and_then(InstanceType::usd_per_hour).unwrap_or_default();
    f64::from(count) * (hourly * HOURS_PER_MONTH + f64::from(gib) * GP3_USD_PER_GIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn architecture(text: &str) -> Option<Architecture> {
        InstanceType::parse(text).and_then(InstanceType::architecture)
    }

    #[test]
    fn architecture_follows_the_family() {
        for text in ["t4g.medium", "m7g.large", "c7gn.xlarge", "x2gd.medium", "im4gn.large", "is4gen.large", "a1.medium", "g5g.xlarge"] {
            assert_eq!(architecture(text), Some(Architecture::Arm64), "{text}");
        }
        for text in
            ["t3.medium", "t3a.nano", "m5.24xlarge", "m7i-flex.large", "g4dn.xlarge", "p4de.24xlarge", "i4i.metal", "c7i.metal-24xl"]
        {
            assert_eq!(architecture(text), Some(Architecture::X86_64), "{text}");
        }
        for text in ["p6-b200.48xlarge", "qq1.large", "mac2.metal"] {
            assert_eq!(architecture(text), None, "{text}");
        }
        for text in ["", "t3", "t3.", "t3.huge", "T3.medium", "t3 .medium", "3.large"] {
            assert_eq!(InstanceType::parse(text), None, "{text}");
        }
    }

    #[test]
    fn accelerators_have_their_own_images() {
        for (text, variant) in [
            ("g5.xlarge", Variant::Nvidia),
            ("p5en.48xlarge", Variant::Nvidia),
            ("g4ad.xlarge", Variant::Standard),
            ("inf2.xlarge", Variant::Neuron),
            ("trn1n.32xlarge", Variant::Neuron),
            ("m5.large", Variant::Standard),
        ] {
            assert_eq!(InstanceType::parse(text).map(InstanceType::variant), Some(variant), "{text}");
        }
    }

    #[test]
    fn prefixes_fill_a_node() {
        let pods = |text| InstanceType::parse(text).and_then(InstanceType::prefix_max_pods);
        let expected =
            [("t3.micro", 34), ("m7g.medium", 98), ("t3.medium", 110), ("m5.large", 110), ("m5.4xlarge", 110), ("m5.8xlarge", 250)];
        for (text, most) in expected {
            assert_eq!(pods(text), Some(most), "{text}");
        }
        assert_eq!(pods("c7i.metal-24xl"), None);
        let nitro = |text| InstanceType::parse(text).is_some_and(InstanceType::is_nitro);
        assert!(nitro("t3.medium") && nitro("m5.large") && nitro("c7gn.large") && nitro("i3en.large") == nitro("i4i.large"));
        assert!(!nitro("t2.medium") && !nitro("m4.large") && !nitro("i3.large"));
    }

    #[test]
    fn prices_are_proportional_to_size() {
        let price = |text| InstanceType::parse(text).and_then(InstanceType::usd_per_hour).map(|usd| (usd * 10_000.0).round() / 10_000.0);
        assert_eq!(price("t3.micro"), Some(0.0104));
        assert_eq!(price("t3.medium"), Some(0.0416));
        assert_eq!(price("t4g.medium"), Some(0.0336));
        assert_eq!(price("m5.2xlarge"), Some(0.384));
        assert_eq!(price("m5.metal"), None);
        assert_eq!(price("x8g.large"), None);
        assert!((usd_per_month("t3.medium", 2, 20) - 63.936).abs() < 1e-9);
    }
}
