//! Every public asynchronous function gives a future that may move between threads, and every handle may be shared by them.
//!
//! This is checked by compiling it; nothing of it runs.

use eks_cluster::{ClusterSpec, Clusters, Connector, Scope, TokenSigner, upgrade::Upgrade};
use eks_core::{ClusterName, Owner, Plan, StackName, Teardown, engine::Engine};
use eks_env::{Environment, Environments};
use eks_k8s::{
    Access, ObjectsSpec,
    client::{ObjectSets, Objects},
};
use eks_net::{ExistingNetwork, NetworkSpec, Networks, leftovers::Leftovers, machines::Machines};
use eks_nodes::{
    Workers, WorkersSpec,
    replacement::{Replacement, ReplacementPlan, Replacements},
};

fn shared<T: Send + Sync + 'static>() {}

fn sendable<T: Send>(_: T) {}

#[test]
fn handles_and_values_are_shared() {
    shared::<Networks>();
    shared::<Machines>();
    shared::<Leftovers>();
    shared::<Clusters>();
    shared::<Connector>();
    shared::<TokenSigner>();
    shared::<Workers>();
    shared::<Replacements>();
    shared::<Objects>();
    shared::<ObjectSets>();
    shared::<Environments>();
    shared::<Environment>();
    shared::<Engine>();
    shared::<Plan>();
    shared::<Teardown>();
    shared::<ReplacementPlan>();
}

#[expect(dead_code, reason = "it only has to compile")]
#[expect(clippy::too_many_arguments, reason = "one of each")]
fn futures_move(
    owner: &Owner,
    engine: &Engine,
    plans: (&Plan, &Teardown, &ReplacementPlan),
    networks: (&Networks, &NetworkSpec, &ExistingNetwork),
    clusters: (&Clusters, &ClusterSpec, &ClusterName, &Scope, &Upgrade),
    workers: (&Workers, &WorkersSpec),
    replacements: (&Replacements, &Replacement, &StackName),
    objects: (&Objects, &ObjectsSpec, Option<Access>),
    environments: (&Environments, &Environment),
) {
    sendable(plans.0.apply(engine));
    sendable(plans.1.apply(engine));
    sendable(plans.2.apply(engine));
    sendable(networks.0.plan(networks.1));
    sendable(networks.0.survey(networks.2));
    sendable(networks.0.observe(owner));
    sendable(networks.0.teardown(owner));
    sendable(clusters.0.plan(clusters.1));
    sendable(clusters.0.access(clusters.2));
    sendable(clusters.0.teardown(owner, clusters.2));
    sendable(clusters.0.teardown_of(owner, clusters.3));
    sendable(clusters.0.upgrade(clusters.4));
    sendable(workers.0.plan(workers.1));
    sendable(workers.0.teardown(owner));
    sendable(replacements.0.plan(replacements.1));
    sendable(replacements.0.back(replacements.1));
    sendable(replacements.0.teardown(owner));
    sendable(objects.0.plan(objects.1, objects.2.clone()));
    sendable(objects.0.teardown(owner, objects.2));
    let (all, one) = environments;
    sendable(all.plan(one));
    sendable(all.apply(one, engine));
    sendable(all.upgrade(one));
    sendable(all.replace(one, replacements.2, replacements.2, |builder| builder));
    sendable(all.teardown(one));
    sendable(all.tear_down(one, engine));
    sendable(all.access(one));
}
