//! When the controllers run: shortly after each change, and again while they wait for something outside.

use std::time::Duration;

use super::{balancer, budgets, delete, fresh, kinds, kubelet, lbc, nodes, scheduler, store, store::Cluster, volumes, workloads};
use crate::{times::Time, world::World};

/// What is outside Kubernetes (an add-on, a volume, a load balancer) is looked at again after this time; assumption.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Kubelets renew their leases this often (`nodeLeaseDurationSeconds` of 40 s, a quarter), so a lost one is noticed without a change.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// The first pause after a failure, and the longest (`minRetryDelay`, `maxRetryDelay` of the service controller).
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// Lets the controllers see a change.
pub(super) fn wake(world: &mut World, cluster: &str) {
    let Some(state) = world.kube.clusters.get_mut(cluster) else { return };
    if std::mem::replace(&mut state.due, true) {
        return;
    }
    let delay = world.duration(Time::Controller);
    let cluster = cluster.to_owned();
    world.after(delay, move |world| run(world, &cluster));
}

fn run(world: &mut World, cluster: &str) {
    let Some(state) = world.kube.clusters.get_mut(cluster) else { return };
    state.due = false;
    fresh::install(world, cluster);
    namespaces(world, cluster);
    workloads::run(world, cluster);
    budgets::run(world, cluster);
    let mut waits = nodes::run(world, cluster);
    waits |= volumes::run(world, cluster);
    waits |= scheduler::run(world, cluster);
    waits |= kubelet::run(world, cluster);
    waits |= balancer::run(world, cluster);
    waits |= lbc::run(world, cluster);
    let Some(state) = world.kube.clusters.get_mut(cluster) else { return };
    let again = waits && !std::mem::replace(&mut state.again, true);
    let beat = !state.kubelets.is_empty() && !std::mem::replace(&mut state.beat, true);
    if again {
        later(world, cluster, LOOK_AGAIN, |state| &mut state.again);
    }
    if beat {
        later(world, cluster, HEARTBEAT, |state| &mut state.beat);
    }
}

/// Runs the controllers again after a while; `flag` says that this is under way.
fn later(world: &mut World, cluster: &str, pause: Duration, flag: fn(&mut Cluster) -> &mut bool) {
    let cluster = cluster.to_owned();
    world.after(pause, move |world| {
        if let Some(state) = world.kube.clusters.get_mut(&cluster) {
            *flag(state) = false;
            wake(world, &cluster);
        }
    });
}

/// Whether an attempt for this subject is due: at once, or when the pause after its last failure is over.
pub(super) fn may_try(world: &World, cluster: &str, subject: &str) -> bool {
    world.kube.clusters.get(cluster).and_then(|state| state.failures.get(subject)).is_none_or(|(_, next)| *next <= world.now)
}

/// An attempt failed: the next one waits twice as long.
pub(super) fn failed(world: &mut World, cluster: &str, subject: &str) {
    let now = world.now;
    let Some(state) = world.kube.clusters.get_mut(cluster) else { return };
    let pause = state.failures.get(subject).map_or(RETRY.0, |(pause, _)| (*pause * 2).min(RETRY.1));
    state.failures.insert(subject.to_owned(), (pause, now + pause));
}

/// An attempt succeeded.
pub(super) fn succeeded(world: &mut World, cluster: &str, subject: &str) {
    if let Some(state) = world.kube.clusters.get_mut(cluster) {
        state.failures.remove(subject);
    }
}

/// The namespace controller: what is in a namespace that is being deleted goes, then the namespace.
fn namespaces(world: &mut World, cluster: &str) {
    for (key, namespace) in store::all(world, cluster, &kinds::NAMESPACE) {
        if !store::deleting(&namespace) {
            continue;
        }
        let state = world.kube.clusters.get(cluster);
        let content: Vec<_> =
            state.into_iter().flat_map(|state| state.objects.keys()).filter(|inner| inner.namespace == key.name).cloned().collect();
        for inner in content {
            delete::remove(world, cluster, &inner, None, "Background");
        }
        let empty = world.kube.clusters.get(cluster).is_some_and(|state| state.objects.keys().all(|inner| inner.namespace != key.name));
        if empty {
            store::edit(world, cluster, &key, |namespace| namespace["spec"]["finalizers"] = serde_json::json!([]));
        }
    }
}
