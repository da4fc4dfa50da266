//! Operating systems of workers.

use serde::{Deserialize, Serialize};

use super::words::{LocalStorage, UbuntuRelease, WindowsInstallation, WindowsRelease};

/// An operating system, with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum Family {
    /// Amazon Linux 2, which has ended.
    AmazonLinux2(AmazonLinux2),
    /// Amazon Linux 2023.
    AmazonLinux2023(AmazonLinux2023),
    /// Bottlerocket.
    Bottlerocket(Bottlerocket),
    /// Ubuntu.
    Ubuntu(Ubuntu),
    /// Windows Server.
    Windows(Windows),
}

/// Settings of Amazon Linux 2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AmazonLinux2 {
    /// Release of the image. Default: the recommended one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) release: Option<String>,
}

/// Settings of Amazon Linux 2023.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AmazonLinux2023 {
    /// Release of the image. Default: the recommended one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) release: Option<String>,
    /// What becomes of disks of an instance's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) local_storage: Option<LocalStorage>,
    /// Pulls and unpacks images in parallel. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fast_image_pull: Option<bool>,
    /// The proxy to the internet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proxy: Option<Proxy>,
    /// Mirrors of registries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) mirrors: Vec<Mirror>,
}

/// Settings of Bottlerocket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Bottlerocket {
    /// Version of the image. Default: the recommended one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// The variant that is validated by FIPS 140. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fips: Option<bool>,
    /// The administrator's container. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) admin_container: Option<bool>,
    /// The proxy to the internet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proxy: Option<Proxy>,
    /// Mirrors of registries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) mirrors: Vec<Mirror>,
}

/// Settings of Ubuntu.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Ubuntu {
    /// Its release.
    pub(crate) release: UbuntuRelease,
    /// Ubuntu Pro. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pro: Option<bool>,
    /// Serial of the image. Default: the recommended one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) serial: Option<String>,
}

/// Settings of Windows Server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Windows {
    /// Its release.
    pub(crate) release: WindowsRelease,
    /// Its installation. Default `Core`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) installation: Option<WindowsInstallation>,
}

/// A proxy to the internet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Proxy {
    /// Its address.
    pub(crate) url: String,
    /// Hosts that are reached without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) except: Vec<String>,
}

/// A mirror of a registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Mirror {
    /// The registry: `docker.io`.
    pub(crate) registry: String,
    /// Addresses of its mirrors, in the order of preference.
    pub(crate) endpoints: Vec<String>,
}

impl Family {
    pub(crate) fn family(self) -> eks_nodes::Family {
        match self {
            Self::AmazonLinux2(of) => {
                of.release.into_iter().fold(eks_nodes::AmazonLinux2::new(), |family, release| family.release(release)).into()
            }
            Self::AmazonLinux2023(of) => of.settings().into(),
            Self::Bottlerocket(of) => of.settings().into(),
            Self::Ubuntu(of) => {
                let family = eks_nodes::Ubuntu::new(of.release.into()).pro(of.pro == Some(true));
                of.serial.into_iter().fold(family, |family, serial| family.serial(serial)).into()
            }
            Self::Windows(of) => {
                let family = eks_nodes::Windows::new(of.release.into());
                of.installation.into_iter().fold(family, |family, kind| family.installation(kind.into())).into()
            }
        }
    }
}

impl AmazonLinux2023 {
    fn settings(self) -> eks_nodes::AmazonLinux2023 {
        let mut family = eks_nodes::AmazonLinux2023::new().fast_image_pull(self.fast_image_pull == Some(true));
        family = self.release.into_iter().fold(family, |family, release| family.release(release));
        family = self.local_storage.into_iter().fold(family, |family, strategy| family.local_storage(strategy.into()));
        family = self.proxy.into_iter().fold(family, |family, proxy| family.proxy(proxy.settings()));
        self.mirrors.into_iter().filter_map(Mirror::settings).fold(family, |family, mirror| family.mirror(mirror))
    }
}

impl Bottlerocket {
    fn settings(self) -> eks_nodes::Bottlerocket {
        let mut family = eks_nodes::Bottlerocket::new().fips(self.fips == Some(true)).admin_container(self.admin_container == Some(true));
        family = self.version.into_iter().fold(family, |family, version| family.version(version));
        family = self.proxy.into_iter().fold(family, |family, proxy| family.proxy(proxy.settings()));
        self.mirrors.into_iter().filter_map(Mirror::settings).fold(family, |family, mirror| family.mirror(mirror))
    }
}

impl Proxy {
    fn settings(self) -> eks_nodes::Proxy {
        self.except.into_iter().fold(eks_nodes::Proxy::new(self.url), |proxy, host| proxy.except(host))
    }
}

impl Mirror {
    /// `None` without an endpoint: the registry itself.
    fn settings(self) -> Option<eks_nodes::Mirror> {
        let mut endpoints = self.endpoints.into_iter();
        let mirror = eks_nodes::Mirror::new(self.registry, endpoints.next()?);
        Some(endpoints.fold(mirror, |mirror, endpoint| mirror.endpoint(endpoint)))
    }
}
