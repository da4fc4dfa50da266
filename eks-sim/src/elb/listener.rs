//! Listeners of classic load balancers.

use serde_json::{Value, json};

use super::{invalid, unworkable};
use crate::{call::Args, error::ApiError};

/// A listener.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Listener {
    pub(super) protocol: String,
    pub(super) port: i64,
    instance_protocol: String,
    pub(super) instance_port: i64,
    pub(super) certificate: Option<String>,
}

fn layer(protocol: &str) -> Option<u8> {
    match protocol {
        "HTTP" | "HTTPS" => Some(7),
        "SSL" | "TCP" => Some(4),
        _ => None,
    }
}

impl Listener {
    /// A listener of a request (user guide, "Listeners for your Classic Load Balancer").
    fn of(args: &Args) -> Result<Self, ApiError> {
        let protocol = args.required("Protocol")?.to_ascii_uppercase();
        let instance_protocol = args.str("InstanceProtocol").map_or_else(|| protocol.clone(), str::to_ascii_uppercase);
        let unsupported = |name: &str| ApiError::new("UnsupportedProtocol", format!("Protocol {name} is not supported"));
        let front = layer(&protocol).ok_or_else(|| unsupported(&protocol))?;
        let back = layer(&instance_protocol).ok_or_else(|| unsupported(&instance_protocol))?;
        if front != back {
            return Err(invalid("Listener protocol and instance protocol must be at the same layer: HTTP or HTTPS, or TCP or SSL"));
        }
        let port = |name: &str| {
            let port = args.int(name).ok_or_else(|| ApiError::missing(name))?;
            if (1..=65_535).contains(&port) { Ok(port) } else { Err(invalid(format!("{name} must be within 1-65535 inclusive"))) }
        };
        let certificate = args.str("SSLCertificateId").map(str::to_owned);
        let secure = matches!(protocol.as_str(), "HTTPS" | "SSL");
        if secure {
            let arn = certificate.as_deref().ok_or_else(|| invalid("Secure Listeners need to specify a SSLCertificateId"))?;
            // Certificates are not simulated: whatever names one is one.
            let is_certificate =
                arn.starts_with("arn:aws:acm:") || (arn.starts_with("arn:aws:iam::") && arn.contains(":server-certificate/"));
            if !is_certificate {
                return Err(ApiError::new("CertificateNotFound", format!("Server Certificate not found for the key: {arn}")));
            }
        }
        Ok(Self { protocol, port: port("LoadBalancerPort")?, instance_protocol, instance_port: port("InstancePort")?, certificate })
    }

    /// All listeners of a request.
    pub(super) fn all(args: &Args) -> Result<Vec<Self>, ApiError> {
        let listeners = args.nested("Listeners").iter().map(Self::of).collect::<Result<Vec<_>, _>>()?;
        if listeners.is_empty() {
            return Err(invalid("Listeners must be specified"));
        }
        for (index, listener) in listeners.iter().enumerate() {
            if listeners[..index].iter().any(|other| other.port == listener.port) {
                return Err(duplicate(listener.port));
            }
        }
        agree(&listeners)?;
        Ok(listeners)
    }

    pub(super) fn show(&self) -> Value {
        json!({"Listener": {
            "Protocol": self.protocol,
            "LoadBalancerPort": self.port,
            "InstanceProtocol": self.instance_protocol,
            "InstancePort": self.instance_port,
            "SSLCertificateId": self.certificate,
        }, "PolicyNames": []})
    }
}

/// Listeners of one instance port are all secure to the instance, or none (Listener, "InstanceProtocol").
pub(super) fn agree(listeners: &[Listener]) -> Result<(), ApiError> {
    let secure = |listener: &Listener| matches!(listener.instance_protocol.as_str(), "HTTPS" | "SSL");
    for listener in listeners {
        if listeners.iter().any(|other| other.instance_port == listener.instance_port && secure(other) != secure(listener)) {
            let message = format!("The listeners of instance port {} must be all secure or all not", listener.instance_port);
            return Err(unworkable(message));
        }
    }
    Ok(())
}

pub(super) fn duplicate(port: i64) -> ApiError {
    ApiError::new(
        "DuplicateListener",
        format!(
            "A listener already exists for the given LoadBalancer name with LoadBalancerPort {port}, but with a different configuration"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(front: &str, back: &str, port: &str) -> String {
        let args = json!({"Protocol": front, "InstanceProtocol": back, "LoadBalancerPort": port, "InstancePort": "80"});
        Listener::of(&Args(args)).map_or_else(|error| error.code, |_| "ok".to_owned())
    }

    #[test]
    fn both_sides_are_of_one_layer() {
        assert_eq!(code("HTTP", "HTTP", "80"), "ok");
        assert_eq!(code("http", "HTTPS", "80"), "ok");
        assert_eq!(code("HTTP", "TCP", "80"), "ValidationError");
        assert_eq!(code("UDP", "UDP", "80"), "UnsupportedProtocol");
        assert_eq!(code("TCP", "TCP", "65536"), "ValidationError");
        assert_eq!(code("SSL", "TCP", "443"), "ValidationError");
    }
}
