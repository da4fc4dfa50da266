//! The stages of a request, and what their failures mean.

use std::{
    error::Error,
    fmt,
    net::{IpAddr, SocketAddr},
};

/// A stage of a request to a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// The endpoint's name: DNS.
    Name,
    /// The TCP connection.
    Connection,
    /// The TLS handshake with the cluster's certificate authority.
    Tls,
    /// The API server's readiness to answer.
    Api,
    /// Who we are: 401.
    Authentication,
    /// What we may do: 403.
    Authorization,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "DNS",
            Self::Connection => "TCP",
            Self::Tls => "TLS",
            Self::Api => "the API server",
            Self::Authentication => "authentication",
            Self::Authorization => "authorization",
        })
    }
}

/// EKS User Guide, "Cluster API server endpoint": private endpoints resolve from public DNS, too, to addresses of the VPC.
pub(super) const NO_NAME: &str = "if the cluster was deleted or made again, ask DescribeCluster for its endpoint; if this machine's DNS is restricted, let it resolve *.eks.amazonaws.com; for a private endpoint, use the VPC's resolver or one that forwards to it";

const PRIVATE: &str = "the addresses are private: run inside the VPC, or connect this network with it (VPN, transit gateway, peering) and allow port 443 from it in the cluster security group, or give the cluster a public endpoint; the steps of AWS alone can be applied from here (Plan::without_layers)";
const PUBLIC: &str =
    "the addresses are public: add this network's outgoing address to the public access CIDRs, and let its firewall pass port 443";
const REFUSED: &str =
    "something answers there, but no API server: ask DescribeCluster for the endpoint, and look for a tunnel or proxy that has ended";

/// What to do about addresses that do not answer.
pub(super) fn no_connection(addresses: &[SocketAddr]) -> &'static str {
    if addresses.iter().all(|address| address.ip().is_loopback()) {
        REFUSED
    } else if addresses.iter().all(|address| is_private(address.ip())) {
        PRIVATE
    } else {
        PUBLIC
    }
}

/// RFC 1918, RFC 6598 and RFC 4193: what a VPC has inside.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1])),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

pub(super) const NO_AUTHORITY: &str =
    "give the certificate authority as DescribeCluster tells it (certificateAuthority.data: base64 of PEM), whole and unchanged";

/// Evidence and remedy of a failed handshake.
pub(super) fn no_tls(host: &str, error: &(dyn Error + 'static)) -> (String, &'static str) {
    use rustls::CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext, UnknownIssuer,
    };
    let wrong = chain(error).find_map(|error| match error.downcast_ref() {
        Some(rustls::Error::InvalidCertificate(why)) => Some(why),
        _ => error.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref().and_then(|error| match error {
            rustls::Error::InvalidCertificate(why) => Some(why),
            _ => None,
        }),
    });
    match wrong {
        Some(UnknownIssuer) => (
            format!("{host} shows a certificate that the cluster's authority did not sign"),
            "if the cluster was made again under its name, ask DescribeCluster for its certificate authority; else a proxy opens TLS on the way: except the endpoint from it",
        ),
        Some(NotValidForName | NotValidForNameContext { .. }) => (
            format!("{host} shows a certificate for another name"),
            "use the endpoint as DescribeCluster tells it; behind a tunnel, keep its name",
        ),
        Some(Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. }) => {
            (format!("by this machine's clock the certificate of {host} is not valid"), "set the clock")
        }
        Some(_) => (format!("the certificate of {host} is not accepted"), "ask DescribeCluster for the cluster's certificate authority"),
        None => (
            format!("{host} accepts connections but completes no handshake"),
            "look for a proxy or firewall on the way that lets TCP pass and not TLS; a cluster that is being made or deleted does so, too",
        ),
    }
}

/// Stage, evidence and remedy of what the API server answers.
pub(super) fn refusal(error: &kube::Error) -> (Stage, String, &'static str) {
    match error {
        kube::Error::Api(status) if status.code == 401 => (
            Stage::Authentication,
            "401 Unauthorized, with a new token, too".to_owned(),
            "give the AWS principal behind the credentials an access entry or an entry in aws-auth (without the role's path there), or use the role that made the cluster; entries take effect some seconds late; if it is mapped, compare this machine's clock with AWS's and the cluster's name with the token's",
        ),
        kube::Error::Api(status) if status.code == 403 => (
            Stage::Authorization,
            format!("403 Forbidden: {}", status.message),
            "associate an access policy with the access entry, or bind a role to the user or one of the groups",
        ),
        kube::Error::Api(status) => (
            Stage::Api,
            format!("{} {}: {}", status.code, status.reason, status.message),
            "try again in a minute: a control plane that is being updated answers so; if it lasts, look at the cluster's health",
        ),
        _ if chain(error).any(|cause| cause.is::<crate::TokenError>()) => {
            (Stage::Authentication, "no token can be made".to_owned(), "see the cause: it is of the AWS credentials here")
        }
        _ => (Stage::Api, "the connection gives no answer".to_owned(), "try again; if it lasts, look for a proxy that ends connections"),
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| Error::source(*error))
}
