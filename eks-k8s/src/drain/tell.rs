//! A forecast, for people: what blocks first, once for each reason, with what helps.

use std::{collections::BTreeMap, fmt};

use super::{
    filter::Filtered,
    forecast::{Blocked, Blocker, Forecast, Remedy},
};

/// Pods that are named before the rest is counted.
const NAMED: usize = 3;

fn s(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// `a, b, c and 4 more`
fn some<'a>(names: impl ExactSizeIterator<Item = String> + 'a) -> String {
    let count = names.len();
    let mut line = names.take(NAMED).collect::<Vec<_>>().join(", ");
    if count > NAMED {
        line.push_str(&format!(" and {} more", count - NAMED));
    }
    line
}

fn tally(refusals: &BTreeMap<String, usize>) -> String {
    let parts: Vec<String> = refusals.iter().map(|(why, count)| format!("{count} {why}")).collect();
    if parts.is_empty() { "there is no other node".to_owned() } else { format!("of the other nodes {}", parts.join(", ")) }
}

impl fmt::Display for Filtered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeletedLongAgo => "was deleted long ago",
            Self::DaemonSet => "belongs to a DaemonSet",
            Self::DaemonSetRefused => "belongs to a DaemonSet, which this drain refuses",
            Self::Orphan => "belongs to a DaemonSet that is gone",
            Self::Mirror => "mirrors a static Pod",
            Self::LocalStorage => "keeps data in an emptyDir, which would be lost",
            Self::Unmanaged => "has no controller, so nothing would make it anew",
        })
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(filtered) => filtered.fmt(f),
            Self::SeveralBudgets { budgets } => {
                write!(f, "is protected by {} budgets ({}), and is never evicted", budgets.len(), budgets.join(", "))
            }
            Self::EveryReplica { budget, promise, replicas } => {
                write!(f, "budget {budget} demands every replica ({promise} of {replicas})")
            }
            Self::NoneMayBeMissing { budget, promise } => write!(f, "budget {budget} lets none be missing ({promise})"),
            Self::Uncountable { budget, reason } => write!(f, "budget {budget} cannot be counted ({reason}), and allows nothing"),
            Self::TooFewReady { budget, ready, needed } => write!(f, "budget {budget} needs {needed} ready Pods and has {ready}"),
            Self::UnreadyUnderBudget { budget, ready, needed } => {
                write!(
                    f,
                    "is not ready, and budget {budget}, which needs {needed} ready Pods and has {ready}, lets such Pods go only when it is met"
                )
            }
            Self::NoRoomForOthers { budget, homeless, refusals } => {
                write!(f, "budget {budget} is used up: {homeless} of its Pods would find no node ({})", tally(refusals))
            }
            Self::NothingMakesOthers { budget, lost } => {
                write!(f, "budget {budget} is used up: nothing would make {lost} of its Pods anew")
            }
            Self::Behind { nodes } => write!(f, "would wait for ever behind {}", nodes.join(", ")),
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow(setting) => write!(f, "allow it with {setting}"),
            Self::ScaleUp { controller } => write!(f, "run one replica more of {controller} (ScaleUpFirst does)"),
            Self::Loosen { budget } => write!(f, "let budget {budget} ask for less"),
            Self::Narrow { budgets } => write!(f, "let only one of {} select it", budgets.join(", ")),
            Self::AlwaysAllow { budget } => write!(f, "set unhealthyPodEvictionPolicy: AlwaysAllow on {budget}"),
            Self::Repair { budget } => write!(f, "repair the Pods of {budget} that are not ready"),
            Self::AddNode { zone: Some(zone) } => write!(f, "add a node in {zone}"),
            Self::AddNode { zone: None } => write!(f, "add a node that takes them"),
            Self::Delete => write!(f, "delete it yourself"),
            Self::First => write!(f, "solve that first"),
        }
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nodes, going) = (self.nodes.len(), self.evictions());
        let verdict = if self.is_blocked() { "BLOCKED" } else { "clear" };
        write!(f, "drain of {nodes} node{}, {going} Pod{} to go: {verdict}", s(nodes), s(going))?;
        if !self.missing.is_empty() {
            write!(f, "\n  no such node: {}", self.missing.join(", "))?;
        }
        let mut groups: BTreeMap<(&Blocker, &[Remedy]), Vec<&Blocked>> = BTreeMap::new();
        for blocked in &self.blocked {
            groups.entry((&blocked.why, &blocked.remedies)).or_default().push(blocked);
        }
        for ((why, remedies), pods) in groups {
            write!(f, "\n  {}: {why}", some(pods.iter().map(|blocked| blocked.pod.to_string())))?;
            let remedies: Vec<String> = remedies.iter().map(Remedy::to_string).collect();
            write!(f, "\n    → {}", remedies.join("; or "))?;
        }
        let (waiting, lost): (Vec<_>, Vec<_>) = self.homeless.iter().partition(|homeless| homeless.made_anew);
        if !lost.is_empty() {
            write!(f, "\n  goes for good: {}", some(lost.iter().map(|homeless| homeless.pod.to_string())))?;
        }
        let mut reasons: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for homeless in waiting {
            reasons.entry((&homeless.zone, &homeless.refusals)).or_default().push(homeless.pod.to_string());
        }
        for ((zone, refusals), pods) in reasons {
            let zone = zone.as_deref().map(|zone| format!("a volume is in {zone}, ")).unwrap_or_default();
            write!(f, "\n  would find no node: {} ({zone}{})", some(pods.into_iter()), tally(refusals))?;
        }
        let mut staying: BTreeMap<Filtered, usize> = BTreeMap::new();
        for (_, filtered) in &self.staying {
            *staying.entry(*filtered).or_default() += 1;
        }
        for (filtered, count) in staying {
            write!(f, "\n  stays: {count} Pod{} ({filtered})", s(count))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::drain::{Cluster, Drain};

    fn node(name: &str, zone: &str) -> Value {
        json!({"metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}}, "status": {"allocatable": {"cpu": "1", "pods": "17"}}})
    }

    fn pod(name: &str, kind: &str, more: Value) -> Value {
        let app = name.split('-').next().unwrap_or_default();
        let owner = json!([{"kind": kind, "name": app, "uid": app, "controller": true}]);
        let mut pod = json!({
            "metadata": {"namespace": "shop", "name": name, "labels": {"app": app}, "ownerReferences": if kind.is_empty() { json!([]) } else { owner }},
            "spec": {"nodeName": "old"},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            pod["spec"][field] = value.clone();
        }
        pod
    }

    fn budget(name: &str, app: &str, spec: Value, (healthy, desired, expected): (i64, i64, i64)) -> Value {
        let mut spec = spec;
        spec["selector"] = json!({"matchLabels": {"app": app}});
        let status = json!({"currentHealthy": healthy, "desiredHealthy": desired, "expectedPods": expected});
        json!({"metadata": {"namespace": "shop", "name": name}, "spec": spec, "status": status})
    }

    #[test]
    fn what_blocks_why_and_what_helps() -> Result<(), Box<dyn std::error::Error>> {
        let claim = json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}]});
        let hungry = json!({"containers": [{"resources": {"requests": {"cpu": "800m"}}}]});
        let pods = [
            pod("single-1", "ReplicaSet", Value::Null),
            pod("db-0", "StatefulSet", claim),
            pod("cron-1", "Job", json!({"volumes": [{"name": "scratch", "emptyDir": {}}]})),
            pod("by", "", Value::Null),
            pod("twice-1", "ReplicaSet", Value::Null),
            pod("big-1", "ReplicaSet", hungry.clone()),
            pod("big-2", "ReplicaSet", hungry.clone()),
            pod("big-3", "ReplicaSet", hungry),
            pod("agent-1", "DaemonSet", Value::Null),
        ];
        let budgets = [
            budget("single", "single", json!({"minAvailable": 1}), (1, 1, 1)),
            budget("a", "twice", json!({"maxUnavailable": 1}), (1, 0, 1)),
            budget("b", "twice", json!({"maxUnavailable": 1}), (1, 0, 1)),
            budget("big", "big", json!({"maxUnavailable": 1}), (3, 2, 3)),
        ];
        let volume = json!({
            "metadata": {"name": "pv-1"},
            "spec": {"claimRef": {"namespace": "shop", "name": "data-db-0"}, "nodeAffinity": {"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["us-east-1a"]}]}]}}},
        });
        let agent = json!({"metadata": {"namespace": "shop", "name": "agent"}});
        let nodes = [node("old", "us-east-1a"), node("new", "us-east-1b")];
        let cluster = Cluster::of_objects(&nodes, &pods, &budgets, &[volume], &[agent])?;
        let told = Drain::of(["old"]).forecast(&cluster).to_string();
        let expected = "\
drain of 1 node, 6 Pods to go: BLOCKED
  shop/cron-1: keeps data in an emptyDir, which would be lost
    → allow it with Drain::delete_local_data; or delete it yourself
  shop/by: has no controller, so nothing would make it anew
    → allow it with Drain::force; or delete it yourself
  shop/twice-1: is protected by 2 budgets (shop/a, shop/b), and is never evicted
    → let only one of shop/a, shop/b select it
  shop/single-1: budget shop/single demands every replica (minAvailable 1 of 1)
    → run one replica more of ReplicaSet shop/single (ScaleUpFirst does); or let budget shop/single ask for less
  shop/big-3: budget shop/big is used up: 1 of its Pods would find no node (of the other nodes 1 without enough cpu)
    → add a node that takes them; or let budget shop/big ask for less
  would find no node: shop/big-2 (of the other nodes 1 without enough cpu)
  would find no node: shop/db-0 (a volume is in us-east-1a, of the other nodes 1 not in us-east-1a, where volume pv-1 is)
  stays: 1 Pod (belongs to a DaemonSet)";
        assert_eq!(told, expected);
        Ok(())
    }
}
