//! What other tools would have taken with the very service times of a run: their published order of operations and their polling,
//! replayed. **Modelled, not measured**: nobody ran them here.
//!
//! Read in their code (commits of 2026): eksctl 99984ad (`pkg/ctl/create/cluster.go`, `pkg/cfn/waiter/stack.go`, `pkg/eks/client.go`,
//! `pkg/cfn/manager/create_tasks.go`); terraform-aws-eks bef29c4, v21 (`main.tf`, `variables.tf`) and Terraform's `StateChangeConf`; aws-cdk-lib
//! (`aws-eks/lib/cluster.ts`, `cluster-resource-provider.ts`, `aws-eks-v2/lib/cluster.ts`); CAPA 2cf09d7
//! (`awsmanagedcontrolplane_controller.go`, `pkg/cloud/services/{network/natgateways.go,eks/cluster.go}`).
//!
//! Every doubt is decided for them: the latency of their calls, the lag of CloudFormation's handlers, and the two minutes that it holds an
//! instance profile are left out.

use std::time::Duration;

/// What AWS took in one run, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) role: f64,
    pub(crate) nat: f64,
    pub(crate) plane: f64,
    pub(crate) cni: f64,
    pub(crate) coredns: f64,
    /// From asking for workers, whose role is there, to Ready nodes.
    pub(crate) workers: f64,
    pub(crate) version: f64,
    pub(crate) workers_gone: f64,
    pub(crate) plane_gone: f64,
}

/// Numbers that are the same in every run. (SplitMix64, by Sebastiano Vigna.)
pub(crate) struct Random(u64);

impl Random {
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    fn between(&mut self, low: f64, high: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + (high - low) * ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// When somebody who looks after these delays, the last of them again and again, sees what takes so long.
fn seen(takes: f64, delays: impl IntoIterator<Item = f64>) -> f64 {
    let (mut now, mut last) = (0.0, 1.0);
    let mut delays = delays.into_iter();
    while now < takes {
        last = delays.next().unwrap_or(last);
        now += last;
    }
    now
}

/// eksctl's waiter for the stack of a cluster.
fn stack_poll(takes: f64) -> f64 {
    seen(takes, [30.0, 30.0, 60.0])
}

/// Terraform's: a tenth of a second, doubled up to ten.
fn state_change(takes: f64) -> f64 {
    seen(takes, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0])
}

/// The Go SDK's waiter of 30 to 120 seconds with jitter, as it draws them.
fn jittered(takes: f64, random: &mut Random) -> f64 {
    let delays: Vec<f64> = [30.0, random.between(30.0, 60.0)].into_iter().chain((0..60).map(|_| random.between(30.0, 120.0))).collect();
    seen(takes, delays)
}

/// A tool, and what it takes for a job.
pub(crate) type Peer = (&'static str, fn(&Times, &mut Random) -> f64);

/// Until the control plane is ACTIVE, the workers Ready, and CoreDNS healthy.
pub(crate) const CREATE: [Peer; 6] = [
    ("Terraform module, parallelism 10", |t, _| terraform(t)),
    ("the same with `depends_on = [module.vpc]`", |t, _| state_change(t.nat) + terraform(t)),
    ("CDK `aws-eks-v2`", |t, _| t.nat.max(t.role) + t.plane + t.workers + t.coredns),
    ("CDK `aws-eks`", |t, _| t.nat.max(t.role) + seen(t.plane, [60.0]) + t.workers + t.coredns),
    ("CAPA", |t, random| seen(t.nat, [15.0]) + t.role + jittered(t.plane, random) + t.workers + t.coredns),
    ("eksctl, managed nodes", |t, random| {
        let ready = stack_poll((t.role + t.plane).max(t.nat)) + 3.0 + 6.0 * 20.0;
        let workers = t.role + t.workers;
        ready + jittered(workers, random).max(workers + t.coredns)
    }),
];

/// Role, KMS key, control plane; half a minute, or the CNI; workers; the other add-ons.
fn terraform(t: &Times) -> f64 {
    let network = t.role + 28.0 + state_change(t.plane) + state_change(t.cni).max(30.0);
    network + state_change(t.workers) + state_change(t.coredns)
}

/// One minor version of the control plane.
pub(crate) const UPGRADE: [Peer; 4] = [
    ("Terraform module", |t, _| state_change(t.version)),
    ("CDK `aws-eks`", |t, _| seen(t.version, [60.0])),
    ("CAPA", |t, random| jittered(t.version, random)),
    ("eksctl", |t, random| jittered(t.version, random)),
];

/// Workers, then the control plane; the network beside or in no time.
pub(crate) const TEARDOWN: [Peer; 2] = [
    ("Terraform module", |t, _| state_change(t.workers_gone) + state_change(t.plane_gone)),
    ("eksctl `--wait`", |t, random| jittered(t.workers_gone, random) + stack_poll(t.plane_gone)),
];

/// The tenth, the middle and the ninetieth of a hundred draws over each of these runs.
pub(crate) fn replay(peer: fn(&Times, &mut Random) -> f64, runs: &[Times]) -> [Duration; 3] {
    let mut all: Vec<f64> =
        runs.iter().zip(0_u64..).flat_map(|(times, run)| (0..100).map(move |draw| peer(times, &mut Random(run * 1_000 + draw)))).collect();
    all.sort_by(f64::total_cmp);
    [all.len() / 10, all.len() / 2, all.len() * 9 / 10].map(|at| Duration::from_secs_f64(all[at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_who_looks_late_sees_late() {
        assert_eq!(stack_poll(29.0), 30.0);
        assert_eq!(stack_poll(61.0), 120.0);
        assert!((state_change(12.8) - 22.7).abs() < 1e-9);
        assert_eq!(seen(0.0, [60.0]), 0.0);
    }

    /// The published overhead of eksctl over the service times: a fixed readiness sleep of 120 s, and two waiters.
    #[test]
    fn eksctl_waits_two_minutes_for_what_is_ready() {
        let times = Times { plane: 390.0, nat: 114.0, workers: 120.0, role: 7.0, coredns: 30.0, ..Times::default() };
        let (_, eksctl) = CREATE[5];
        let took = eksctl(&times, &mut Random(1));
        assert!(took > 7.0 + 390.0 + 120.0 + 7.0 + 120.0, "{took}");
    }
}
