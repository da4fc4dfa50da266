//! Ingresses with an Application Load Balancer, made by the AWS Load Balancer Controller or by EKS Auto Mode.

mod annotations;
mod check;
mod frozen;
mod read;
mod spec;
#[cfg(test)]
mod tests;

pub(crate) use frozen::frozen;
pub use spec::{Ingress, IngressRule, Listener, PathType};
pub(crate) use spec::{application_price, group_of, is_public};

/// What annotations of Ingresses begin with.
const PREFIX: &str = "alb.ingress.kubernetes.io/";
