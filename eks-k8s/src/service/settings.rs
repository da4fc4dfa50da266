//! What a load balancer should be like, by meaning; who makes it, and by which annotations, is another matter.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a load balancer sends to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TargetType {
    /// The node port of every node.
    #[default]
    Instance,
    /// The Pods' own addresses; needs a CNI that gives them addresses of the VPC.
    Ip,
}

/// What the load balancer speaks to the Pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BackendProtocol {
    /// HTTP: the load balancer parses requests.
    Http,
    /// HTTP within TLS: the load balancer parses requests.
    Https,
    /// TLS, whatever is within.
    Ssl,
    /// Bytes.
    Tcp,
}

/// How targets are asked whether they are well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HealthProtocol {
    /// A GET within plain HTTP.
    Http,
    /// A GET within TLS.
    Https,
    /// A connection.
    Tcp,
}

/// The names that annotations use.
macro_rules! names {
    ($type:ident: $($variant:ident = $name:literal),+) => {
        impl $type {
            /// The name in annotations.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = ();

            /// In any case: controllers accept both.
            fn from_str(text: &str) -> Result<Self, ()> {
                match text.to_ascii_lowercase().as_str() { $($name => Ok(Self::$variant),)+ _ => Err(()) }
            }
        }
    };
}

names!(TargetType: Instance = "instance", Ip = "ip");
names!(BackendProtocol: Http = "http", Https = "https", Ssl = "ssl", Tcp = "tcp");
names!(HealthProtocol: Http = "http", Https = "https", Tcp = "tcp");

/// TLS on a load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tls {
    /// ARNs of certificates in ACM or IAM; the first is the default.
    pub certificates: Vec<String>,
    /// Ports that speak TLS; none: all.
    #[serde(default)]
    pub ports: Vec<u32>,
    /// The security policy: `ELBSecurityPolicy-TLS13-1-2-2021-06`. `None`: the controller's default.
    #[serde(default)]
    pub policy: Option<String>,
}

impl Tls {
    /// With this certificate, on all ports.
    pub fn new(certificate: impl Into<String>) -> Self {
        Self { certificates: vec![certificate.into()], ports: Vec::new(), policy: None }
    }

    /// A further certificate, chosen by the name that clients ask for (SNI).
    #[must_use]
    pub fn certificate(mut self, arn: impl Into<String>) -> Self {
        self.certificates.push(arn.into());
        self
    }

    /// On this port, and on no other that is not named likewise.
    #[must_use]
    pub fn port(mut self, port: u32) -> Self {
        self.ports.push(port);
        self
    }

    /// Protocols and ciphers, by ELB's name of the policy.
    #[must_use]
    pub fn policy(mut self, name: impl Into<String>) -> Self {
        self.policy = Some(name.into());
        self
    }

    /// Whether this port speaks TLS.
    pub(crate) fn covers(&self, port: u32) -> bool {
        self.ports.is_empty() || self.ports.contains(&port)
    }
}

/// How targets are found to be well. What is left open is the controller's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct HealthCheck {
    /// How targets are asked.
    pub protocol: Option<HealthProtocol>,
    /// The port asked; `None`: the one that traffic goes to.
    pub port: Option<u32>,
    /// What is got, by HTTP and HTTPS.
    pub path: Option<String>,
    /// Seconds from one check to the next.
    pub interval: Option<u32>,
    /// Seconds until an answer must be there.
    pub timeout: Option<u32>,
    /// So many good answers in succession make a target healthy.
    pub healthy: Option<u32>,
    /// So many bad ones make it unhealthy.
    pub unhealthy: Option<u32>,
    /// Status codes that count as good: `200-399`.
    pub success_codes: Option<String>,
}

impl HealthCheck {
    /// By connecting.
    pub fn tcp() -> Self {
        Self { protocol: Some(HealthProtocol::Tcp), ..Self::default() }
    }

    /// By a GET of this path.
    pub fn http(path: impl Into<String>) -> Self {
        Self { protocol: Some(HealthProtocol::Http), path: Some(path.into()), ..Self::default() }
    }

    /// By a GET of this path within TLS.
    pub fn https(path: impl Into<String>) -> Self {
        Self { protocol: Some(HealthProtocol::Https), path: Some(path.into()), ..Self::default() }
    }

    /// Asks this port instead of the one that traffic goes to.
    #[must_use]
    pub fn port(mut self, port: u32) -> Self {
        self.port = Some(port);
        self
    }

    /// Seconds from one check to the next.
    #[must_use]
    pub fn interval(mut self, seconds: u32) -> Self {
        self.interval = Some(seconds);
        self
    }

    /// Seconds until an answer must be there.
    #[must_use]
    pub fn timeout(mut self, seconds: u32) -> Self {
        self.timeout = Some(seconds);
        self
    }

    /// How many answers in succession make a target healthy, and how many unhealthy.
    #[must_use]
    pub fn thresholds(mut self, healthy: u32, unhealthy: u32) -> Self {
        (self.healthy, self.unhealthy) = (Some(healthy), Some(unhealthy));
        self
    }

    /// Status codes that count as good: `200-399`.
    #[must_use]
    pub fn success_codes(mut self, codes: impl Into<String>) -> Self {
        self.success_codes = Some(codes.into());
        self
    }
}

/// Everything about a load balancer that has a default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    pub(crate) target_type: TargetType,
    pub(crate) tls: Option<Tls>,
    pub(crate) backend: Option<BackendProtocol>,
    pub(crate) health: HealthCheck,
    /// Ids or values of tag `Name`.
    pub(crate) subnets: Vec<String>,
    pub(crate) security_groups: Vec<String>,
    pub(crate) extra_security_groups: Vec<String>,
    pub(crate) cross_zone: Option<bool>,
    pub(crate) proxy_protocol: bool,
    pub(crate) eip_allocations: Vec<String>,
    pub(crate) draining: Option<u32>,
    pub(crate) idle_timeout: Option<u32>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) load_balancer_name: Option<String>,
}

impl Settings {
    /// These settings and those; the names of what both say, each otherwise.
    pub(crate) fn and(&self, other: &Self) -> (Self, Vec<&'static str>) {
        fn join<T: Clone + Default + PartialEq>(ours: &T, theirs: &T, name: &'static str, torn: &mut Vec<&'static str>) -> T {
            if *theirs == T::default() {
                return ours.clone();
            }
            if *ours != T::default() && ours != theirs {
                torn.push(name);
            }
            theirs.clone()
        }
        let mut torn = Vec::new();
        let mut health = self.health.clone();
        health.protocol = join(&self.health.protocol, &other.health.protocol, "health check protocol", &mut torn);
        health.port = join(&self.health.port, &other.health.port, "health check port", &mut torn);
        health.path = join(&self.health.path, &other.health.path, "health check path", &mut torn);
        health.interval = join(&self.health.interval, &other.health.interval, "health check interval", &mut torn);
        health.timeout = join(&self.health.timeout, &other.health.timeout, "health check timeout", &mut torn);
        health.healthy = join(&self.health.healthy, &other.health.healthy, "healthy threshold", &mut torn);
        health.unhealthy = join(&self.health.unhealthy, &other.health.unhealthy, "unhealthy threshold", &mut torn);
        health.success_codes = join(&self.health.success_codes, &other.health.success_codes, "success codes", &mut torn);
        let mut tags = self.tags.clone();
        for (key, value) in &other.tags {
            if tags.insert(key.clone(), value.clone()).is_some_and(|before| before != *value) {
                torn.push("tags");
            }
        }
        let both = Self {
            target_type: join(&self.target_type, &other.target_type, "target type", &mut torn),
            tls: join(&self.tls, &other.tls, "TLS", &mut torn),
            backend: join(&self.backend, &other.backend, "backend protocol", &mut torn),
            health,
            subnets: join(&self.subnets, &other.subnets, "subnets", &mut torn),
            security_groups: join(&self.security_groups, &other.security_groups, "security groups", &mut torn),
            extra_security_groups: join(&self.extra_security_groups, &other.extra_security_groups, "extra security groups", &mut torn),
            cross_zone: join(&self.cross_zone, &other.cross_zone, "cross-zone", &mut torn),
            proxy_protocol: join(&self.proxy_protocol, &other.proxy_protocol, "proxy protocol", &mut torn),
            eip_allocations: join(&self.eip_allocations, &other.eip_allocations, "elastic addresses", &mut torn),
            draining: join(&self.draining, &other.draining, "draining", &mut torn),
            idle_timeout: join(&self.idle_timeout, &other.idle_timeout, "idle timeout", &mut torn),
            tags,
            load_balancer_name: join(&self.load_balancer_name, &other.load_balancer_name, "name", &mut torn),
        };
        (both, torn)
    }
}
