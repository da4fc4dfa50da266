//! Ports of a load balancer: what they speak, and where in a Pod they send to.

use std::fmt;

use eks_core::Problems;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::name;

/// What a port of a load balancer speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PortProtocol {
    /// TCP; the default.
    #[default]
    Tcp,
    /// TCP and UDP on one port, as DNS: a Network Load Balancer of the AWS Load Balancer Controller, from version 2.13 on and with its
    /// feature gate `EnableTCPUDPListener` (its page "Service annotations", `-enable-tcp-udp-listener`).
    TcpUdp,
    /// UDP: Network Load Balancers.
    Udp,
}

impl fmt::Display for PortProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "TCP",
            Self::TcpUdp => "TCP_UDP",
            Self::Udp => "UDP",
        })
    }
}

/// A port of a Pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
#[expect(clippy::exhaustive_enums, reason = "Kubernetes knows ports by number and by name")]
pub enum TargetPort {
    /// By its number.
    Number(u32),
    /// By the name that the container gives it; Pods may have it at different numbers.
    Name(String),
}

impl From<u32> for TargetPort {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for TargetPort {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for TargetPort {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

/// One port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Port {
    pub(super) listens: u32,
    pub(super) target: TargetPort,
    #[serde(default)]
    pub(super) protocol: PortProtocol,
}

impl Port {
    pub(super) fn speaks_tcp(&self) -> bool {
        self.protocol != PortProtocol::Udp
    }

    /// As Kubernetes has it: one entry a protocol.
    pub(super) fn entries(&self) -> impl Iterator<Item = Value> {
        let tcp = self.speaks_tcp().then_some("TCP");
        let udp = (self.protocol != PortProtocol::Tcp).then_some("UDP");
        tcp.into_iter().chain(udp).map(|protocol| {
            let name = format!("{}-{}", protocol.to_lowercase(), self.listens);
            json!({"name": name, "port": self.listens, "targetPort": self.target, "protocol": protocol})
        })
    }

    pub(super) fn check(&self, problems: &mut Problems, subject: &str) {
        name::check_port(problems, subject, self.listens);
        match &self.target {
            TargetPort::Number(number) => name::check_port(problems, subject, *number),
            TargetPort::Name(name) if !is_port_name(name) => {
                let rule = format!("{name:?} names no port: 1–15 of a-z 0-9 -, with a letter, no hyphens at the ends or in a row");
                problems.add("port", subject, rule, "name it as the container does, or give its number");
            }
            TargetPort::Name(_) => {}
        }
    }
}

/// Names of ports (IANA service names, RFC 6335, in lower case as Kubernetes wants them).
fn is_port_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && name.bytes().any(|b| b.is_ascii_lowercase())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

/// The ports of a live Service. `joined`: whether its TCP and UDP ports of one number are one listener.
pub(super) fn read(live: &Value, joined: bool, subject: &str, problems: &mut Problems) -> Vec<Port> {
    let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
    let mut ports: Vec<Port> = Vec::new();
    for port in live.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten() {
        let listens = number(&port["port"]).unwrap_or_default();
        let protocol = match port["protocol"].as_str().unwrap_or("TCP") {
            "TCP" => PortProtocol::Tcp,
            "UDP" => PortProtocol::Udp,
            other => {
                problems.add("port", subject, format!("port {listens} is {other}"), "load balancers speak TCP and UDP");
                continue;
            }
        };
        let target = match &port["targetPort"] {
            Value::String(name) => TargetPort::Name(name.clone()),
            target => TargetPort::Number(number(target).unwrap_or(listens)),
        };
        let twin =
            ports.iter_mut().find(|known| joined && known.listens == listens && known.target == target && known.protocol != protocol);
        match twin {
            Some(twin) => twin.protocol = PortProtocol::TcpUdp,
            None => ports.push(Port { listens, target, protocol }),
        }
    }
    ports
}
