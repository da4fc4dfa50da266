//! Security groups and their rules: as the user asks for them, with everything decided, and against what is found.
//!
//! Sources: Amazon VPC User Guide, "Security groups", "Security group rules" and "Amazon VPC quotas"; Amazon EC2 API Reference,
//! CreateSecurityGroup and IpPermission.

mod check;
mod cover;
mod diff;
mod exposure;
mod group;
mod peer;
mod protocol;
mod quota;
mod review;
mod rule;

pub(crate) use check::check;
pub(crate) use diff::{Diff, diff, owned};
pub(crate) use exposure::is_world_open;
pub use group::{CheckedGroup, SecurityGroup};
pub use peer::Peer;
pub use protocol::{IcmpTypes, Ports, Protocol};
pub use quota::SecurityGroupQuotas;
pub(crate) use review::review;
pub use review::unused_groups;
pub use rule::{Direction, Inbound, Incoming, Outbound, Outgoing, Rule, SecurityGroupRule, Unaimed};
