//! Draining nodes: what will happen, told before anything is touched, and then done through the eviction API only.
//!
//! [`Cluster`] is what matters of a cluster, as plain data. [`Drain`] says which nodes are to be emptied and how; [`Forecast`] says
//! which Pods will go, which will not and why, and which will find no other node. `client::Objects` reads the one, and does the other.
//!
//! ```
//! use eks_k8s::drain::{Cluster, Drain};
//! use serde_json::json;
//!
//! let pod = json!({
//!     "metadata": {"namespace": "shop", "name": "web-0", "labels": {"app": "web"},
//!                  "ownerReferences": [{"kind": "StatefulSet", "name": "web", "uid": "1", "controller": true}]},
//!     "spec": {"nodeName": "old", "containers": [{"name": "web"}]},
//!     "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
//! });
//! let budget = json!({
//!     "metadata": {"namespace": "shop", "name": "web"},
//!     "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
//!     "status": {"currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1, "disruptionsAllowed": 0},
//! });
//! let node = |name: &str| json!({"metadata": {"name": name}, "status": {"allocatable": {"cpu": "2", "pods": "17"}}});
//! let cluster = Cluster::of_objects(&[node("old"), node("new")], &[pod], &[budget], &[], &[])?;
//! let forecast = Drain::of(["old"]).forecast(&cluster);
//! assert!(forecast.is_blocked());
//! assert!(forecast.to_string().contains("minAvailable 1 of 1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod budget;
mod cluster;
mod event;
mod filter;
mod forecast;
mod interpod;
mod place;
mod placing;
mod read;
mod rehearse;
mod selector;
mod spec;
mod tell;
mod topology;

pub use budget::{Budget, Threshold};
pub use cluster::{Cluster, Controller, Node, Phase, Pod, PodRef, Resources, Taint, Volume};
pub use event::{DrainEvent, DrainReport, NodeEnd, PodEnd};
pub use filter::{Filtered, filter};
pub use forecast::{Blocked, Blocker, Forecast, Homeless, Remedy};
pub use interpod::{HostPort, PodTerm, Spread};
pub use place::{NodeTerm, Placement, Refusal, Toleration};
pub use read::{ReadError, Reader};
pub use selector::{Requirement, Selector};
pub use spec::{Drain, OnBlocked};

pub(crate) use self::read::Page;
#[cfg(feature = "client")]
pub(crate) use self::{
    cluster::{DRAINED, LABEL},
    filter::judge,
    read::{read_budget, read_pod},
};
