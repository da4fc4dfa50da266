//! The Kubernetes objects of an Amazon EKS cluster: nodes that are Ready, `aws-auth`, storage, Pods, load balancers.
//!
//! An [`ObjectsSpec`] says what should exist; [`ObjectsSpec::plan`] compares it with what does. The cluster may be one that
//! stands, or one that another plan is going to make:
//!
//! ```
//! use eks_core::{AuthenticationMode, ClusterName, ClusterRefs, Owner, Ref, StepKey};
//! use eks_k8s::{Claim, ObjectsSpec, Observed, Pod, Service, StorageClass};
//!
//! let plane: StepKey = "cluster/control-plane".parse()?;
//! # let cluster_refs = ClusterRefs {
//! #     name: ClusterName::new("chap10")?,
//! #     version: "1.36".into(),
//! #     endpoint: Ref::output(plane.clone(), "endpoint"),
//! #     certificate_authority: Ref::output(plane.clone(), "certificate_authority"),
//! #     service_cidr: Ref::output(plane.clone(), "service_cidr"),
//! #     security_groups: vec![],
//! #     cluster_security_group: Ref::output(plane, "cluster_security_group"),
//! #     authentication: AuthenticationMode::Api,
//! #     nodes_need: vec![],
//! #     volumes_need: vec![],
//! # };
//! let objects = ObjectsSpec::builder(&Owner::new("chap10")?, cluster_refs) // from eks-cluster, or known values
//!     .storage_class(StorageClass::gp3("gp3-us-east-1a").zone("us-east-1a"))
//!     .claim(Claim::new("pvc-a", "10Gi").class("gp3-us-east-1a"))
//!     .pod(Pod::new("nginx", "nginx:1.29").mount("pvc-a", "/data").zone("us-east-1a"))
//!     .service(Service::load_balancer("nginx").internal().port(80, 80).selector("app", "nginx"))
//!     .build()?;
//! let plan = objects.plan(&Observed::nothing(&objects))?;
//! assert_eq!(plan.steps().len(), 4);
//! assert!(plan.usd_per_month() > 19.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Load balancers
//! A [`Service`] or an [`Ingress`] says by meaning what its load balancer should be like; which annotations and class its [`Controller`]
//! reads, and which of it that controller cannot do, is this crate's to know. Given the VPC's subnets
//! ([`ObjectsSpecBuilder::subnets`]), a plan tells into which of them a load balancer goes, or is refused with the tag that is missing;
//! given what there is of controllers ([`ObjectsSpecBuilder::controllers`]), it warns if nobody would make it.
//!
//! # Any other objects
//! An [`ObjectSet`] takes manifests of any kind: applied server-side in an order that works, waited for, pruned when asked. Its plan holds a
//! digest of what a Secret holds, and not that itself ([`Planned`]).
//!
//! ```
//! use eks_core::{ClusterName, Owner};
//! use eks_k8s::{Access, ObjectSet, SetObserved, Wait};
//!
//! # let access = Access { name: ClusterName::new("chap10")?, endpoint: "https://…".into(), certificate_authority: String::new() };
//! let set = ObjectSet::builder(&Owner::new("chap10")?, "shop", access) // or what eks-cluster hands over
//!     .yaml("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}")
//!     .object(&serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prices", "namespace": "shop"}}))
//!     .wait("Namespace", "shop", Wait::field_equals("status.phase", "Active"))
//!     .build()?;
//! assert_eq!(set.plan(&SetObserved::nothing(&set))?.steps().len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! | feature | default | brings |
//! |---|---|---|
//! | `client` | yes | `client::Objects` and `client::ObjectSets`, which observe, apply and tear down through a `kube::Client` |
//!
//! The application chooses the `k8s-openapi` version, the TLS stack, and how the client authenticates.
//!
//! # Draining
//! [`drain`] tells what a drain of nodes would meet, and `client::Objects::drain` does it, through the eviction API only. The
//! forecast places Pods by the scheduler's required rules: taints, selectors, affinity to nodes and Pods, topology spread, host ports, volumes,
//! room. It knows nothing of preemption, of device claims, and of how many volumes an instance can have attached.
//!
//! # What this crate does not do
//! It installs no controller and no add-on, templates no manifests, and never changes or deletes an object that does not carry its
//! owner's label, with two exceptions that are asked for. In `aws-auth` it changes the entries that a spec or [`AuthEdit`] names, and
//! leaves every other byte. [`StorageClass::only_default_class`] takes the annotations that make it the default off another class.

// docs.rs tells beside each item which feature brings it.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "client")]
pub mod client;

mod access;
mod aws_auth;
mod bind;
mod claim;
mod controllers;
mod diff;
pub mod drain;
#[cfg(test)]
mod fixture;
mod ingress;
mod kind;
mod labels;
mod name;
mod object_set;
mod observed;
mod op;
mod owned;
mod plan;
mod pod;
mod quantity;
pub mod replacing;
mod service;
mod spec;
mod storage_class;
mod subnet_discovery;
mod teardown;
mod volume;

pub use access::{Access, AccessRef};
pub use aws_auth::{AuthEdit, AuthFinding, AwsAuth, Guard, Mapping, Principal, PrincipalError, review as review_aws_auth};
pub use bind::{Hindrance, StorageObjects};
pub use claim::{AccessMode, Claim};
pub use controllers::{ControllerReview, ControllersFound};
pub use ingress::{Ingress, IngressRule, Listener, PathType};
pub use kind::{Kind, ObjectRef};
pub use labels::{
    EBS_ZONE_LABEL, INSTANCE_TYPE_LABEL, LEGACY_INSTANCE_TYPE_LABEL, LEGACY_REGION_LABEL, LEGACY_ZONE_LABEL, REGION_LABEL, ZONE_LABEL,
    instance_type_of, region_of, zone_of,
};
pub use object_set::{
    FieldConflict, Judgement, Manifest, ObjectId, ObjectSet, ObjectSetBuilder, Planned, SET_LABEL, SetMember, SetMembers, SetObject,
    SetObserved, SetOp, Wait,
};
pub use observed::Observed;
pub use op::ObjectOp;
pub use pod::Pod;
pub use quantity::{Quantity, QuantityError};
pub use service::{
    BackendProtocol, Controller, HealthCheck, HealthProtocol, LoadBalancerKind, PortProtocol, Service, TargetPort, TargetType, Tls,
};
pub use spec::{ObjectsSpec, ObjectsSpecBuilder};
pub use storage_class::{Binding, Provisioner, Reclaim, StorageClass, VolumeType, VolumeTypeError};
pub use subnet_discovery::{Balancer, Discovery, NotChosen, SubnetSearch, VpcSubnet};
pub use teardown::Unanswered;
pub use volume::{Volume, volumes_left};
