//! Which image the instances boot from.
//!
//! A family of images is a type with settings of its own: what one family cannot be told cannot be said to it. Each brings its
//! SSM parameters, its form of user data, and until when it is supported.

mod al2;
mod al2023;
mod bottlerocket;
mod node_config;
mod pull;
mod script;
mod support;
mod ubuntu;
mod windows;

use std::collections::BTreeMap;

use eks_core::{AmiId, Problems};
use serde::{Deserialize, Serialize};

pub use self::{
    al2::AmazonLinux2,
    al2023::{AmazonLinux2023, LocalStorage},
    bottlerocket::Bottlerocket,
    pull::{Mirror, Proxy},
    support::{Date, EndOfSupport},
    ubuntu::{Ubuntu, UbuntuRelease},
    windows::{Windows, WindowsInstallation, WindowsRelease},
};
pub(crate) use self::{
    script::arguments as bootstrap_arguments,
    support::{READ, kubernetes_end},
};
use crate::{
    instance::{Architecture, Variant},
    kubelet::Kubelet,
    taint::Taint,
};

/// EC2's limit for user data, before base64.
pub(crate) const USER_DATA_LIMIT: usize = 16_384;
/// What the placeholders may grow to: the longest value of a CloudFormation parameter is the certificate authority.
pub(crate) const SUBSTITUTED: usize = 4_096 + 512;

/// The operating system of the workers, with its settings.
///
/// ```
/// use eks_nodes::{AmazonLinux2023, Bottlerocket, Family, LocalStorage};
///
/// let family = Family::from(AmazonLinux2023::new().local_storage(LocalStorage::Raid0));
/// assert_ne!(family, Family::from(Bottlerocket::new()));
/// ```
///
/// What another family has does not compile:
/// ```compile_fail,E0599
/// use eks_nodes::{Bottlerocket, LocalStorage};
///
/// let family = Bottlerocket::new().local_storage(LocalStorage::Raid0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// Amazon Linux 2, configured by `bootstrap.sh`; ended on 2025-11-26, and only for Kubernetes up to 1.32.
    AmazonLinux2(AmazonLinux2),
    /// Amazon Linux 2023, configured by nodeadm.
    AmazonLinux2023(AmazonLinux2023),
    /// Bottlerocket, configured by TOML.
    Bottlerocket(Bottlerocket),
    /// Canonical's Ubuntu for EKS, configured by `bootstrap.sh`.
    Ubuntu(Ubuntu),
    /// Windows Server, configured by PowerShell.
    Windows(Windows),
}

impl Default for Family {
    fn default() -> Self {
        Self::AmazonLinux2023(AmazonLinux2023::default())
    }
}

macro_rules! family {
    ($($name:ident),+) => {$(
        impl From<$name> for Family {
            fn from(settings: $name) -> Self {
                Self::$name(settings)
            }
        }
    )+};
}
family!(AmazonLinux2, AmazonLinux2023, Bottlerocket, Ubuntu, Windows);

/// Where the AMI id comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Image {
    /// This AMI, of the family that the spec says.
    Ami(AmiId),
    /// The AMI that this SSM parameter names, resolved by CloudFormation at each create and update of the stack.
    Parameter(String),
    /// The AMI that the family's maker publishes for the cluster's version and the instance types' architecture and accelerator:
    /// the recommended one, or the release to which the family is pinned.
    #[default]
    Recommended,
}

/// What a published image must fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// Of Kubernetes: `1.36`.
    pub(crate) version: &'a str,
    pub(crate) architecture: Architecture,
    pub(crate) variant: Variant,
}

impl Target<'_> {
    /// 36 of 1.36.
    pub(crate) fn minor(self) -> Option<u16> {
        self.version.strip_prefix("1.")?.parse().ok()
    }
}

/// What every family's user data says, each in its own form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeSettings<'a> {
    pub(crate) labels: &'a BTreeMap<String, String>,
    pub(crate) taints: &'a [Taint],
    pub(crate) kubelet: &'a Kubelet,
    pub(crate) max_pods: Option<u16>,
}

impl NodeSettings<'_> {
    /// `--node-labels` and `--register-with-taints`.
    pub(crate) fn registration_flags(self) -> Vec<String> {
        let joined = |items: Vec<String>| items.join(",");
        let mut flags =
            vec![format!("--node-labels={}", joined(self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect()))];
        if !self.taints.is_empty() {
            flags.push(format!("--register-with-taints={}", joined(self.taints.iter().map(ToString::to_string).collect())));
        }
        flags
    }

    /// Everything as flags of the kubelet, but the cluster's DNS.
    pub(crate) fn flags(self) -> Vec<String> {
        let mut flags = self.registration_flags();
        flags.extend(self.max_pods.map(|pods| format!("--max-pods={pods}")));
        flags.extend(self.kubelet.flags());
        flags
    }
}

impl Family {
    /// The family's name, as its maker writes it.
    pub fn name(&self) -> String {
        match self {
            Self::AmazonLinux2(_) => "Amazon Linux 2".to_owned(),
            Self::AmazonLinux2023(_) => "Amazon Linux 2023".to_owned(),
            Self::Bottlerocket(_) => "Bottlerocket".to_owned(),
            Self::Ubuntu(ubuntu) => format!("Ubuntu {}", ubuntu.release().as_str()),
            Self::Windows(windows) => format!("Windows Server {}", windows.release().as_str()),
        }
    }

    /// Until when its images get updates, where its maker has set a day.
    pub fn end_of_support(&self) -> Option<EndOfSupport> {
        let (ends, instead) = match self {
            Self::AmazonLinux2(_) => (support::AMAZON_LINUX_2, "Amazon Linux 2023 or Bottlerocket"),
            Self::AmazonLinux2023(_) => (support::AMAZON_LINUX_2023, "Amazon Linux's next version, or Bottlerocket"),
            Self::Ubuntu(ubuntu) => (ubuntu.release().ends(), "a later LTS release"),
            // Both live by version; EKS's calendar of Windows names no day for the three that it has.
            Self::Bottlerocket(_) | Self::Windows(_) => return None,
        };
        Some(EndOfSupport { images: self.name(), ends, instead })
    }

    /// The public SSM parameter of the image.
    pub(crate) fn parameter(&self, target: Target<'_>) -> String {
        match self {
            Self::AmazonLinux2(al2) => al2.parameter(target),
            Self::AmazonLinux2023(al2023) => al2023.parameter(target),
            Self::Bottlerocket(bottlerocket) => bottlerocket.parameter(target),
            Self::Ubuntu(ubuntu) => ubuntu.parameter(target),
            Self::Windows(windows) => windows.parameter(target),
        }
    }

    /// The user data, with `Fn::Sub` placeholders named as the template's parameters.
    pub(crate) fn user_data(&self, settings: NodeSettings<'_>) -> String {
        match self {
            Self::AmazonLinux2(_) | Self::Ubuntu(_) => script::bash(settings),
            Self::AmazonLinux2023(al2023) => al2023.user_data(settings),
            Self::Bottlerocket(bottlerocket) => bottlerocket.user_data(settings),
            Self::Windows(_) => script::powershell(settings),
        }
    }

    /// What EKS must be told besides its own user data; nothing where nothing is set, and for families whose script EKS runs itself.
    pub(crate) fn managed_user_data(&self, settings: NodeSettings<'_>) -> Option<String> {
        match self {
            Self::AmazonLinux2023(al2023) => al2023.managed_user_data(settings),
            Self::Bottlerocket(bottlerocket) => bottlerocket.managed_user_data(settings),
            Self::AmazonLinux2(_) | Self::Ubuntu(_) | Self::Windows(_) => None,
        }
    }

    /// Whether a release is named by its maker's name.
    pub(crate) fn is_pinned(&self) -> bool {
        match self {
            Self::AmazonLinux2(al2) => al2.is_pinned(),
            Self::AmazonLinux2023(al2023) => al2023.is_pinned(),
            Self::Bottlerocket(bottlerocket) => bottlerocket.is_pinned(),
            Self::Ubuntu(_) | Self::Windows(_) => false,
        }
    }

    /// What is wrong whatever the image is.
    pub(crate) fn check(&self, kubelet: &Kubelet, problems: &mut Problems) {
        match self {
            Self::AmazonLinux2(al2) => {
                al2.check(problems);
                script::check(kubelet, problems);
            }
            Self::AmazonLinux2023(al2023) => al2023.check(problems),
            Self::Bottlerocket(bottlerocket) => bottlerocket.check(problems),
            Self::Ubuntu(ubuntu) => {
                ubuntu.check(problems);
                script::check(kubelet, problems);
            }
            Self::Windows(_) => windows::check(kubelet, problems),
        }
    }

    /// What is wrong with a published image, because there is none.
    pub(crate) fn check_published(&self, target: Target<'_>, problems: &mut Problems) {
        match self {
            Self::AmazonLinux2(_) => al2::check_published(target, problems),
            Self::AmazonLinux2023(_) => al2023::check_published(target, problems),
            Self::Bottlerocket(_) => {}
            Self::Ubuntu(ubuntu) => ubuntu.check_published(target, problems),
            Self::Windows(windows) => windows.check_published(target, problems),
        }
    }

    /// The device that the volume of images and Pods is attached as.
    pub(crate) fn volume_device(&self) -> &'static str {
        match self {
            Self::AmazonLinux2(_) | Self::AmazonLinux2023(_) => "/dev/xvda",
            // The operating system has a small volume of its own, /dev/xvda.
            Self::Bottlerocket(_) => "/dev/xvdb",
            Self::Ubuntu(_) | Self::Windows(_) => "/dev/sda1",
        }
    }

    /// A volume that the operating system has for itself.
    pub(crate) fn system_device(&self) -> Option<&'static str> {
        matches!(self, Self::Bottlerocket(_)).then_some("/dev/xvda")
    }

    /// Size of the volume unless told otherwise, and the least that its snapshot allows, in GiB.
    pub(crate) fn volume_gib(&self) -> u32 {
        match self {
            // EKS API Reference, "CreateNodegroup", diskSize: 20 GiB, for Windows 50.
            Self::Windows(_) => 50,
            _ => 20,
        }
    }

    /// The type of the role's access entry. EKS User Guide, "Create access entries".
    pub(crate) fn access_entry(&self) -> &'static str {
        if matches!(self, Self::Windows(_)) { "EC2_WINDOWS" } else { "EC2_LINUX" }
    }

    /// Whether its user data can say the addresses of an IPv6 cluster.
    pub(crate) fn has_ipv6(&self) -> bool {
        matches!(self, Self::AmazonLinux2023(_) | Self::Bottlerocket(_))
    }
}

/// Form of an SSM parameter's name. Systems Manager API Reference, "PutParameter".
pub(crate) fn is_parameter_name(text: &str) -> bool {
    (1..=1011).contains(&text.len())
        && text.starts_with('/')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_'))
}

/// A release that is part of a parameter's name.
fn check_release(release: Option<&String>, form: impl Fn(&str) -> bool, example: &str, problems: &mut Problems) {
    if let Some(release) = release
        && !form(release)
    {
        let rule = format!("must be the name of a release such as {example}");
        problems.add("image-release", format!("release {release:?}"), rule, "give it as its maker publishes it");
    }
}

/// `20261118`.
fn is_serial(text: &str) -> bool {
    let (day, more) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    day.len() == 8 && digits(day) && digits(more)
}
