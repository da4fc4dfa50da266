//! Services of type LoadBalancer, for each of the three controllers that make load balancers in EKS.

mod annotations;
mod check;
mod frozen;
mod live;
mod port;
mod read;
mod settings;
mod spec;
#[cfg(test)]
mod tests;

pub(crate) use annotations::{items, pairs, text_of};
pub(crate) use check::{check_arn, check_balancer_name, check_health, check_list, check_tag, is_cidr};
pub(crate) use frozen::frozen;
pub(crate) use live::{address_price, is_public, kind_of, load_balancer_price};
pub use port::{PortProtocol, TargetPort};
pub use settings::{BackendProtocol, HealthCheck, HealthProtocol, TargetType, Tls};
pub use spec::{Controller, LoadBalancerKind, Service};

/// What annotations of Services begin with.
const PREFIX: &str = "service.beta.kubernetes.io/aws-load-balancer";
