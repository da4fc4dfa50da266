//! What load balancers of Services and Ingresses have in common.

use serde::{Deserialize, Serialize};

use super::words::HealthProtocol;

/// Encryption at a load balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Tls {
    /// ARNs of certificates; the first is the default.
    pub(crate) certificates: Vec<String>,
    /// Ports that are encrypted. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ports: Vec<u32>,
    /// The security policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
}

/// A health check. What is left out is the load balancer's default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct HealthCheck {
    /// Its protocol. Default: tcp, with a path http.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) protocol: Option<HealthProtocol>,
    /// Its port. Default: the traffic's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u32>,
    /// The path that is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// Seconds between two checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) interval_seconds: Option<u32>,
    /// Seconds until a check has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_seconds: Option<u32>,
    /// Checks until a target is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) healthy: Option<u32>,
    /// Checks until it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unhealthy: Option<u32>,
    /// Codes that mean success: `200-399`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) success_codes: Option<String>,
}

impl Tls {
    pub(crate) fn settings(self) -> eks_k8s::Tls {
        let mut certificates = self.certificates.into_iter();
        // Without a certificate, the spec refuses the empty one.
        let mut tls = eks_k8s::Tls::new(certificates.next().unwrap_or_default());
        tls = certificates.fold(tls, eks_k8s::Tls::certificate);
        tls = self.ports.into_iter().fold(tls, eks_k8s::Tls::port);
        self.policy.into_iter().fold(tls, eks_k8s::Tls::policy)
    }
}

impl HealthCheck {
    pub(crate) fn check(self) -> eks_k8s::HealthCheck {
        let mut check = match self.protocol {
            Some(HealthProtocol::Https) => eks_k8s::HealthCheck::https(self.path.clone().unwrap_or_default()),
            Some(HealthProtocol::Tcp) => eks_k8s::HealthCheck::tcp(),
            Some(HealthProtocol::Http) => eks_k8s::HealthCheck::http(self.path.clone().unwrap_or_default()),
            None if self.path.is_some() => eks_k8s::HealthCheck::http(self.path.clone().unwrap_or_default()),
            None => eks_k8s::HealthCheck::default(),
        };
        (check.path, check.healthy, check.unhealthy) = (self.path, self.healthy, self.unhealthy);
        check = self.port.into_iter().fold(check, eks_k8s::HealthCheck::port);
        check = self.interval_seconds.into_iter().fold(check, eks_k8s::HealthCheck::interval);
        check = self.timeout_seconds.into_iter().fold(check, eks_k8s::HealthCheck::timeout);
        self.success_codes.into_iter().fold(check, eks_k8s::HealthCheck::success_codes)
    }
}
