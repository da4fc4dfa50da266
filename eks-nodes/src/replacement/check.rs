//! What stands against a replacement: every rule at once, before anything is touched.

use std::collections::BTreeSet;

use eks_core::Problems;
use eks_k8s::drain::{Blocker, Forecast, OnBlocked};

use super::{
    observed::ReplacementObserved,
    spec::{Replacement, Surge},
};
use crate::{
    image::Image,
    observed::Stack,
    spec::key,
    status::{Next, Purpose, StackStatus},
};

/// How many minor versions a kubelet may be older than the API server: Kubernetes, "Version Skew Policy", 1.28 and later.
const KUBELET_LAG: u16 = 3;

impl Replacement {
    /// The old group's stacks: ours, and in a state from which they can be emptied and deleted.
    pub(crate) fn check_stacks(&self, now: &ReplacementObserved, problems: &mut Problems) {
        let found = |name: &str| now.stacks.stack(name);
        let (old, base) = (found(self.old.as_str()), found(&self.old_base()));
        if old.is_none() && base.is_none() && found(self.new.name.as_str()).is_none() {
            let rule = "is not there, and neither is the one that should take its place";
            problems.add(
                "old-missing",
                format!("stack {}", self.old),
                rule,
                "name the stack of the workers that run; or make workers by their spec",
            );
        }
        for (stack, segments) in [(old, &[self.old.as_str()][..]), (base, &[self.old.as_str(), "base"])] {
            let Some(stack) = stack else { continue };
            if stack.key(&self.owner) != Some(key(segments)) {
                let rule = format!("does not carry the tags of owner {} that say it is the one of these workers", self.owner);
                let remedy = "only what is ours is emptied and deleted: drain its nodes with Objects::drain, and delete it by hand";
                problems.add("old-of-others", format!("stack {}", stack.name), rule, remedy);
            } else {
                check_state(stack, problems);
            }
        }
    }

    /// The Auto Scaling groups: nobody else is at them.
    pub(crate) fn check_groups(&self, now: &ReplacementObserved, problems: &mut Problems) {
        let (old, new) = (self.old.as_str(), self.new.name.as_str());
        for (group, with) in now.old_groups().map(|group| (group, new)).chain(now.new_groups().map(|group| (group, old))) {
            let subject = || format!("Auto Scaling group {}", group.name);
            if let Some(mark) = group.mark.as_ref().filter(|mark| mark.with != with) {
                let rule = format!("is in the middle of a replacement together with stack {}", mark.with);
                problems.add("other-replacement", subject(), rule, "end that one, or go back (Replacement::back)");
            }
            if let Some(state) = &group.refresh {
                let rule = format!("is being refreshed ({state}), which ends instances without asking budgets");
                problems.add("instance-refresh", subject(), rule, "cancel it (aws autoscaling cancel-instance-refresh), or wait");
            }
        }
        for group in now.old_groups() {
            let subject = format!("Auto Scaling group {}", group.name);
            if group.warm_pool {
                let rule = "has a warm pool, whose instances would keep it from being deleted";
                problems.add("warm-pool", &subject, rule, "delete the pool first (aws autoscaling delete-warm-pool)");
            }
            for instance in group.instances.iter().filter(|instance| instance.is_of_others()) {
                let (code, rule, remedy) = if instance.state.contains("Standby") {
                    ("instance-standby", "is on standby", "let it into service (exit-standby), or terminate it")
                } else {
                    ("instance-detaching", "leaves its group and runs on", "wait, and attach it again; or drain and terminate it")
                };
                let rule = format!("{rule} ({}), so that somebody is at it", instance.state);
                problems.add(code, format!("instance {}", instance.id), rule, remedy);
            }
        }
        for stray in &now.strays {
            let rule = format!("has the security group, and so the role, of {old}, and is in no Auto Scaling group of it");
            problems.add("stray-instance", format!("instance {stray}"), rule, "drain and terminate it, or attach it to the group");
        }
    }

    /// The new group: fit for the control plane, large enough, and where the volumes are.
    pub(crate) fn check_new(&self, now: &ReplacementObserved, problems: &mut Problems) {
        self.check_skew(now, problems);
        for (zone, wanted) in self.target(now) {
            let most = self.new.capacity.max();
            if wanted > most {
                let place = if zone.is_empty() { String::new() } else { format!(" in {zone}") };
                let rule = format!("the old group has {wanted} instances{place}, and the new one may have {most}");
                problems.add("new-too-small", format!("workers {}", self.new.name), rule, "raise the most of its capacity");
            }
        }
        let old_zones: BTreeSet<&str> = now.old_groups().flat_map(|group| group.zones.iter().map(String::as_str)).collect();
        let new_zones: BTreeSet<&str> = self.new.network.subnets.iter().map(|subnet| subnet.zone.as_str()).collect();
        for zone in old_zones.difference(&new_zones) {
            let bound = now.cluster.volumes.iter().filter(|(_, volume)| volume.zone() == Some(zone));
            let claims: Vec<String> = bound.map(|((namespace, claim), _)| format!("{namespace}/{claim}")).collect();
            if let Some(first) = claims.first() {
                let others = claims.len() - 1;
                let others = if others > 0 { format!(" and {others} others") } else { String::new() };
                let rule = format!("has volumes that are bound to it (claim {first}{others}), and the new group has no subnet there");
                problems.add("zone-not-covered", format!("zone {zone}"), rule, "give the new workers a subnet in that zone");
            }
        }
    }

    /// Kubernetes, "Version Skew Policy": a kubelet is never newer than the API server, and at most three minor versions older.
    fn check_skew(&self, now: &ReplacementObserved, problems: &mut Problems) {
        // What an image of one's own holds is not known here.
        if self.new.image != Image::Recommended || self.new.amazon.is_some() {
            return;
        }
        let (Some(server), Some(kubelet)) = (minor(&now.version), minor(&self.new.cluster.version)) else { return };
        let subject = format!("workers {}", self.new.name);
        let versions = format!("its image has kubelet {}, and the API server is {}", self.new.cluster.version, now.version);
        if kubelet > server {
            let rule = format!("{versions}; a kubelet is never newer than the API server (Version Skew Policy)");
            problems.add("kubelet-newer", subject, rule, "upgrade the control plane first");
        } else if kubelet + KUBELET_LAG < server {
            let rule = format!("{versions}; a kubelet is at most {KUBELET_LAG} minor versions older (Version Skew Policy)");
            problems.add("kubelet-lag", subject, rule, "say the control plane's version in the cluster's references");
        }
    }

    /// With a surge, the new group begins with its fewest instances.
    pub(crate) fn check_surge(&self, now: &ReplacementObserved, problems: &mut Problems) {
        if let (Surge::Nodes(surge), None, first) = (self.surge, now.stacks.stack(self.new.name.as_str()), self.first())
            && first > surge
        {
            let rule = format!("the new group begins with {first} instances, and {surge} more than before are allowed");
            let remedy = "lower the fewest of its capacity, or allow more";
            problems.add("surge-too-small", format!("workers {}", self.new.name), rule, remedy);
        }
    }

    /// Pods that would not go, or find no node. In the middle of a replacement, a budget may be used up by a Pod that is on its way: the run
    /// waits for that before it drains anything.
    pub(crate) fn check_forecast(&self, now: &ReplacementObserved, forecast: &Forecast, room_known: bool, problems: &mut Problems) {
        let begun = now.old_groups().any(|group| group.mark.is_some());
        let passes = |why: &Blocker| begun && matches!(why, Blocker::TooFewReady { .. } | Blocker::UnreadyUnderBudget { .. });
        let behind = |why: &Blocker| matches!(why, Blocker::Behind { .. });
        let lasting = forecast.blocked.iter().any(|blocked| !passes(&blocked.why) && !behind(&blocked.why));
        for blocked in forecast.blocked.iter().filter(|blocked| !passes(&blocked.why) && (lasting || !behind(&blocked.why))) {
            let hopeless = matches!(blocked.why, Blocker::Filter(_));
            if hopeless || self.drain.on_blocked_policy() == OnBlocked::Fail {
                let remedies: Vec<_> = blocked.remedies.iter().map(ToString::to_string).collect();
                let subject = format!("Pod {} on {}", blocked.pod, blocked.node);
                let remedy = if remedies.is_empty() { "remove what blocks it".to_owned() } else { remedies.join(", or ") };
                problems.add("drain-blocked", subject, blocked.why.to_string(), remedy);
            }
        }
        if self.drain.on_blocked_policy() != OnBlocked::Fail {
            return;
        }
        for homeless in forecast.homeless.iter().filter(|homeless| homeless.made_anew) {
            let refusals = homeless.refusals.iter().map(|(why, count)| format!("{count} × {why}")).collect::<Vec<_>>().join(", ");
            let zone = homeless.zone.as_ref().map(|zone| format!(", bound to {zone} by its volume")).unwrap_or_default();
            let room = if room_known { "" } else { " (room on the new nodes is not judged)" };
            let rule = format!("would find no node that takes it{zone}: {refusals}{room}");
            let remedy = "give the new workers what it asks for: labels, tolerated taints, a larger type or more nodes";
            problems.add("pod-homeless", format!("Pod {}", homeless.pod), rule, remedy);
        }
    }
}

fn check_state(stack: &Stack, problems: &mut Problems) {
    let subject = format!("stack {}", stack.name);
    match stack.status {
        StackStatus::DeleteInProgress | StackStatus::DeleteFailed => {}
        status if status.next(Purpose::Remove) == Next::Wait || status == StackStatus::CreateInProgress => {
            let rule = format!("is in {status}; CloudFormation does one thing at a time");
            problems.add("old-changing", subject, rule, "wait until it has ended, and plan again");
        }
        status if matches!(status.next(Purpose::Remove), Next::Refuse(_)) => {
            let rule = format!("is in {status}, from which it could not be deleted in the end");
            problems.add("old-state", subject, rule, "bring it into a settled state first");
        }
        status if matches!(status.next(Purpose::Make), Next::Replace) => {
            let rule = format!("is in {status}: it never came to be");
            problems.add("old-never-was", subject, rule, "tear it down; there is nothing to replace");
        }
        _ => {}
    }
}

/// 36 of `1.36`.
fn minor(version: &str) -> Option<u16> {
    version.trim_start_matches('v').strip_prefix("1.")?.split('.').next()?.parse().ok()
}
