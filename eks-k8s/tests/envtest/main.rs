//! The crate against a kube-apiserver that is not ours, with its etcd and controllers.
//!
//! `KUBEBUILDER_ASSETS=DIR cargo test --test envtest -- --ignored`, where DIR holds kube-apiserver and etcd: CONTRIBUTING.md says
//! where they come from. There are no nodes and no kubelets: Pods that are bound to a node never run.

#![cfg(feature = "client")]

mod aws_auth;
mod drain;
mod kube_defects;
mod object_set;
mod objects;
mod replacing;
mod server;
mod services;
mod set_members;
mod stage;
