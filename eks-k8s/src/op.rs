//! The closed set of operations on a cluster's Kubernetes API.

use std::time::Duration;

use eks_core::{Operation, Ref, RoleArn};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Access, AccessRef, Kind, Mapping, ObjectRef};

/// An operation of layer `k8s`: of a plan's step, or of a removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ObjectOp {
    /// Applies an object server-side, then waits until it works, if it is of a kind that starts to.
    Apply {
        /// Where.
        access: AccessRef,
        /// Its kind.
        kind: Kind,
        /// All that it should have, with the marks of ownership.
        manifest: Value,
        /// Whether to wait: a Pod for Running, a Service or Ingress for its hostname, a claim for Bound.
        wait: bool,
    },
    /// Deletes an object and waits until it is gone.
    Delete {
        /// Where; `None` if the driver was given a client.
        access: Option<Access>,
        /// Which.
        object: ObjectRef,
        /// Its uid: an object of the same name that came later is someone else's.
        uid: String,
        /// For a claim: the persistent volume that goes with it.
        volume: Option<String>,
        /// For how long it is waited for before it is left to go with the cluster; `None` if it must be seen to go.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        patience: Option<Duration>,
    },
    /// Takes the annotations off a storage class that make it the default one, and leaves the rest of it.
    DropDefault {
        /// Where.
        access: AccessRef,
        /// The class.
        class: String,
        /// Its uid: a class of the same name that came later is another one.
        uid: String,
        /// The annotations.
        annotations: Vec<String>,
    },
    /// Adds node roles to `aws-auth`.
    MapRoles {
        /// Where.
        access: AccessRef,
        /// Roles by the name of their group of workers.
        roles: Vec<(String, Ref<RoleArn>)>,
    },
    /// Takes entries that we added out of `aws-auth`.
    UnmapRoles {
        /// Where; `None` if the driver was given a client.
        access: Option<Access>,
        /// The entries.
        mappings: Vec<Mapping>,
    },
    /// Waits until this many nodes are Ready.
    AwaitNodes {
        /// Where.
        access: AccessRef,
        /// The group's name.
        group: String,
        /// The label of its nodes.
        label: (String, String),
        /// How many.
        desired: u32,
    },
}

impl Operation for ObjectOp {
    const LAYER: &'static str = "k8s";
}
