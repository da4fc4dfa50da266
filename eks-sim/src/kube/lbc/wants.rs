//! What Services and Ingresses ask of the controller.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{
    kinds,
    store::{self, Key, items, text},
};
use crate::world::World;

const SERVICE: &str = "service.beta.kubernetes.io/aws-load-balancer-";
const INGRESS: &str = "alb.ingress.kubernetes.io/";

/// A load balancer that should be there, or go.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// `service/default/web`, `ingress/default/web`, `group/team`
    pub(super) stack: String,
    pub(super) finalizer: String,
    /// Objects that want it.
    pub(super) members: Vec<(Key, std::sync::Arc<Value>)>,
    /// Objects that have its finalizer and are being deleted, or want it no longer.
    pub(super) leaving: Vec<Key>,
}

/// An annotation of a member, by its name without prefix.
pub(super) fn annotation<'a>(object: &'a Value, name: &str) -> &'a str {
    let prefix = if object["kind"] == "Ingress" { INGRESS } else { SERVICE };
    object["metadata"]["annotations"].get(format!("{prefix}{name}")).and_then(Value::as_str).unwrap_or_default()
}

/// All stacks, with whoever wants them or is leaving them.
pub(super) fn wanted(world: &World, cluster: &str) -> Vec<Wanted> {
    let mut stacks: BTreeMap<String, Wanted> = BTreeMap::new();
    for (key, service) in store::all(world, cluster, &kinds::SERVICE) {
        let class = text(&service, "/spec/loadBalancerClass");
        let taken = class == "service.k8s.aws/nlb" || class.is_empty() && ["external", "nlb-ip"].contains(&annotation(&service, "type"));
        let wants = text(&service, "/spec/type") == "LoadBalancer" && taken;
        let stack = format!("service/{}/{}", key.namespace, key.name);
        join(&mut stacks, stack, "service.k8s.aws/resources".to_owned(), key, service, wants);
    }
    let classes: Vec<String> = store::all(world, cluster, &kinds::INGRESS_CLASS)
        .into_iter()
        .filter(|(_, class)| text(class, "/spec/controller") == "ingress.k8s.aws/alb")
        .map(|(key, _)| key.name)
        .collect();
    for (key, ingress) in store::all(world, cluster, &kinds::INGRESS) {
        let wants = classes.iter().any(|class| class == text(&ingress, "/spec/ingressClassName"));
        let (stack, finalizer) = match annotation(&ingress, "group.name") {
            "" => (format!("ingress/{}/{}", key.namespace, key.name), "ingress.k8s.aws/resources".to_owned()),
            group => (format!("group/{group}"), format!("group.ingress.k8s.aws/{group}")),
        };
        join(&mut stacks, stack, finalizer, key, ingress, wants);
    }
    stacks.into_values().filter(|wanted| !wanted.members.is_empty() || !wanted.leaving.is_empty()).collect()
}

fn join(stacks: &mut BTreeMap<String, Wanted>, stack: String, finalizer: String, key: Key, object: std::sync::Arc<Value>, wants: bool) {
    let finalized = items(&object, "/metadata/finalizers").iter().any(|name| *name == finalizer.as_str());
    let wanted = stacks.entry(stack.clone()).or_insert_with(|| Wanted { stack, finalizer, members: Vec::new(), leaving: Vec::new() });
    if wants && !store::deleting(&object) {
        wanted.members.push((key, object));
    } else if finalized {
        wanted.leaving.push(key);
    }
}
