//! A drain as Kubernetes carries it out, on whole objects, step by step: the eviction API, the disruption controller, the workload
//! controllers, the scheduler and the kubelets, each written from Kubernetes' own sources and documentation and from nothing of ours.
//! Everything is counted anew at every step; it is meant to be right, not fast.

use serde_json::{Value, json};

/// A cluster: whole objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) nodes: Vec<Value>,
    pub(crate) pods: Vec<Value>,
    pub(crate) budgets: Vec<Value>,
    pub(crate) volumes: Vec<Value>,
    pub(crate) daemon_sets: Vec<Value>,
    pub(crate) workloads: Vec<Workload>,
    made: usize,
    lost: usize,
}

/// A controller, and a Pod as it makes them.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) kind: &'static str,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) replicas: usize,
    pub(crate) template: Value,
}

/// What a drain was told to do, in kubectl's words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) nodes: Vec<String>,
    pub(crate) width: usize,
    pub(crate) force: bool,
    pub(crate) delete_emptydir_data: bool,
    pub(crate) ignore_daemonsets: bool,
}

/// How the simulated drain ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Pods that should go and never do; it never ends if there are any.
    pub(crate) stuck: Vec<String>,
    /// Pods that were made anew and found no node.
    pub(crate) unplaced: usize,
    /// Pods that went and that nothing made anew.
    pub(crate) lost: usize,
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], |items| items.as_slice())
}

pub(crate) fn id(pod: &Value) -> String {
    format!("{}/{}", text(pod, "/metadata/namespace"), text(pod, "/metadata/name"))
}

fn is_terminal(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

fn is_ready(pod: &Value) -> bool {
    list(pod, "/status/conditions").iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

fn is_deleting(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_string()
}

fn controller(pod: &Value) -> Option<&Value> {
    list(pod, "/metadata/ownerReferences").iter().find(|owner| owner["controller"] == true)
}

/// `policy/v1`: a null selector selects nothing, an empty one everything.
fn selected(budget: &Value, pod: &Value) -> bool {
    let selector = &budget["spec"]["selector"];
    let labels = &pod["metadata"]["labels"];
    budget["metadata"]["namespace"] == pod["metadata"]["namespace"]
        && !selector.is_null()
        && selector["matchLabels"].as_object().is_none_or(|pairs| pairs.iter().all(|(key, value)| labels[key] == *value))
}

/// `intstr.GetScaledValueFromIntOrPercent(value, total, roundUp = true)`
fn scaled(value: &Value, total: i64) -> i64 {
    match value.as_str().and_then(|text| text.strip_suffix('%')) {
        Some(percent) => (percent.parse::<i64>().expect("a percentage") * total + 99) / 100,
        None => value.as_i64().expect("a number"),
    }
}

impl World {
    /// `pkg/controller/disruption`: `trySync`, `getExpectedPodCount`, `countHealthyPods`, `updatePdbStatus`, `failSafe`.
    pub(crate) fn count_budgets(&mut self) {
        for index in 0..self.budgets.len() {
            let status = self.status_of(&self.budgets[index]);
            self.budgets[index]["status"] = status;
        }
    }

    fn status_of(&self, budget: &Value) -> Value {
        let pods: Vec<&Value> = self.pods.iter().filter(|pod| selected(budget, pod)).collect();
        let healthy = pods.iter().filter(|pod| !is_deleting(pod) && is_ready(pod)).count() as i64;
        let spec = &budget["spec"];
        let counted = if !spec["maxUnavailable"].is_null() {
            self.expected_scale(&pods).map(|scale| (scale, (scale - scaled(&spec["maxUnavailable"], scale)).max(0)))
        } else if spec["minAvailable"].is_string() {
            self.expected_scale(&pods).map(|scale| (scale, scaled(&spec["minAvailable"], scale)))
        } else {
            Some((pods.len() as i64, spec["minAvailable"].as_i64().unwrap_or(0)))
        };
        match counted {
            Some((expected, desired)) => {
                let allowed = if expected <= 0 { 0 } else { (healthy - desired).max(0) };
                json!({"currentHealthy": healthy, "desiredHealthy": desired, "expectedPods": expected, "disruptionsAllowed": allowed})
            }
            None => {
                let mut status = if budget["status"].is_object() { budget["status"].clone() } else { json!({}) };
                status["disruptionsAllowed"] = json!(0);
                status["conditions"] = json!([{"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed",
                                               "message": "found no controllers that implement the scale subresource"}]);
                status
            }
        }
    }

    /// `getExpectedScale`: replicas of the Pods' controllers, each once; `None` if one has no scale. Pods without one do not count.
    fn expected_scale(&self, pods: &[&Value]) -> Option<i64> {
        let mut seen: Vec<&str> = Vec::new();
        let mut scale = 0;
        for owner in pods.iter().filter_map(|pod| controller(pod)) {
            let uid = text(owner, "/uid");
            if seen.contains(&uid) {
                continue;
            }
            seen.push(uid);
            if !["ReplicaSet", "StatefulSet"].contains(&text(owner, "/kind")) {
                return None;
            }
            scale += self.workloads.iter().find(|workload| workload.name == text(owner, "/name"))?.replicas as i64;
        }
        Some(scale)
    }

    /// `pkg/registry/core/pod/storage/eviction.go`. Whether the Pod is deleted.
    fn evict(&self, pod: &Value) -> bool {
        if is_terminal(pod) || text(pod, "/status/phase") == "Pending" || is_deleting(pod) {
            return true;
        }
        let budgets: Vec<&Value> = self.budgets.iter().filter(|budget| selected(budget, pod)).collect();
        match budgets.as_slice() {
            [] => true,
            [budget] => {
                let number = |name: &str| budget["status"][name].as_i64().unwrap_or(0);
                if !is_ready(pod) {
                    if budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow" {
                        return true;
                    }
                    if number("currentHealthy") >= number("desiredHealthy") && number("desiredHealthy") > 0 {
                        return true;
                    }
                }
                number("disruptionsAllowed") > 0
            }
            _ => false,
        }
    }

    /// ReplicaSets and Jobs replace what is missing; StatefulSets make their Pods of the same names.
    fn reconcile(&mut self) {
        for workload in self.workloads.clone() {
            let own = |pod: &&Value| controller(pod).is_some_and(|owner| owner["name"] == workload.name.as_str());
            let mut names = Vec::new();
            if workload.kind == "StatefulSet" {
                for ordinal in 0..workload.replicas {
                    let name = format!("{}-{ordinal}", workload.name);
                    if !self.pods.iter().filter(own).any(|pod| pod["metadata"]["name"] == name.as_str()) {
                        names.push(name);
                    }
                }
            } else if workload.kind != "DaemonSet" {
                let active = self.pods.iter().filter(own).filter(|pod| !is_terminal(pod) && !is_deleting(pod)).count();
                for _ in active..workload.replicas {
                    self.made += 1;
                    names.push(format!("{}-new{}", workload.name, self.made));
                }
            }
            for name in names {
                let mut pod = workload.template.clone();
                pod["metadata"]["namespace"] = json!(workload.namespace);
                if workload.kind == "StatefulSet" && pod["spec"]["volumes"].is_array() {
                    pod["spec"]["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": format!("data-{name}")}}]);
                }
                pod["metadata"]["name"] = json!(name);
                pod["status"] = json!({"phase": "Pending"});
                pod["metadata"]["labels"]["made-by-the-drain"] = json!("yes");
                self.pods.push(pod);
            }
        }
    }

    /// Gives Pods that the drain made necessary the first node, by name, that takes them, again and again while one finds one: the scheduler
    /// tries what waits whenever something has changed. They become ready.
    fn schedule(&mut self, drained: &[String]) {
        for name in drained {
            if let Some(node) = self.nodes.iter_mut().find(|node| node["metadata"]["name"] == name.as_str()) {
                node["spec"]["unschedulable"] = json!(true);
            }
        }
        let mut placed = true;
        while std::mem::take(&mut placed) {
            for index in 0..self.pods.len() {
                let pod = &self.pods[index];
                if pod["metadata"]["labels"]["made-by-the-drain"] != "yes" || pod["spec"]["nodeName"].is_string() {
                    continue;
                }
                let mut nodes: Vec<&Value> = self.nodes.iter().collect();
                nodes.sort_by_key(|node| text(node, "/metadata/name"));
                let found = nodes.into_iter().find(|node| self.takes(node, pod) && self.others_let(node, pod));
                if let Some(name) = found.map(|node| node["metadata"]["name"].clone()) {
                    self.pods[index]["spec"]["nodeName"] = name;
                    self.pods[index]["status"] = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
                    placed = true;
                }
            }
        }
    }

    /// Pods on nodes that the scheduler knows of, with their nodes.
    fn bound(&self) -> impl Iterator<Item = (&Value, &Value)> {
        let node = |pod: &Value| self.nodes.iter().find(|node| node["metadata"]["name"] == pod["spec"]["nodeName"]);
        self.pods.iter().filter(|pod| !is_terminal(pod)).filter_map(move |pod| Some((pod, node(pod)?)))
    }

    /// The plugins NodePorts, PodTopologySpread and InterPodAffinity.
    fn others_let(&self, node: &Value, pod: &Value) -> bool {
        let here = |other: &Value| other["metadata"]["name"] == node["metadata"]["name"];
        let port = |pod: &Value| pod["spec"]["containers"][0]["ports"][0]["hostPort"].as_i64();
        if port(pod).is_some() && self.bound().any(|(other, place)| here(place) && port(other) == port(pod)) {
            return false;
        }
        let same_place = |key: &str, place: &Value| {
            let label = &node["metadata"]["labels"][key];
            label.is_string() && place["metadata"]["labels"][key] == *label
        };
        // Anti-affinity, of the Pod and against it.
        let away = |of: &Value| list(of, "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution").to_vec();
        for (other, place) in self.bound() {
            let against = |holder: &Value, whom: &Value| {
                away(holder).iter().any(|term| about(term, holder, whom) && same_place(text(term, "/topologyKey"), place))
            };
            if against(pod, other) || against(other, pod) {
                return false;
            }
        }
        // Affinity: to Pods that all terms are about.
        let near = list(pod, "/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution");
        let friend = |other: &Value| near.iter().all(|term| about(term, pod, other));
        let has = |key: &str, node: &Value| node["metadata"]["labels"][key].is_string();
        let alone = !self.bound().any(|(other, place)| friend(other) && near.iter().any(|term| has(text(term, "/topologyKey"), place)));
        let met = near.iter().all(|term| {
            let key = text(term, "/topologyKey");
            has(key, node) && (alone && friend(pod) || self.bound().any(|(other, place)| friend(other) && same_place(key, place)))
        });
        met && self.spread_allows(node, pod)
    }

    fn spread_allows(&self, node: &Value, pod: &Value) -> bool {
        let constraints: Vec<&Value> = list(pod, "/spec/topologySpreadConstraints")
            .iter()
            .filter(|constraint| constraint["whenUnsatisfiable"] == "DoNotSchedule")
            .collect();
        constraints.iter().all(|constraint| {
            let key = text(constraint, "/topologyKey");
            let label = |node: &Value| node["metadata"]["labels"][key].as_str().map(str::to_owned);
            let Some(wanted) = label(node) else { return false };
            let counts_for = |node: &&Value| {
                constraints.iter().all(|constraint| node["metadata"]["labels"][text(constraint, "/topologyKey")].is_string())
                    && (constraint["nodeAffinityPolicy"] == "Ignore" || is_selected(node, pod))
                    && (constraint["nodeTaintsPolicy"] != "Honor" || bears(node, pod))
            };
            let mut counts: std::collections::BTreeMap<String, i64> =
                self.nodes.iter().filter(counts_for).filter_map(label).map(|value| (value, 0)).collect();
            for (other, place) in self.bound().filter(|(_, place)| counts_for(place)) {
                let counted = other["metadata"]["namespace"] == pod["metadata"]["namespace"]
                    && !is_deleting(other)
                    && picks(&constraint["labelSelector"], other);
                if counted && let Some(value) = label(place) {
                    *counts.entry(value).or_default() += 1;
                }
            }
            let places = counts.len() as i64;
            let fewest =
                if places < constraint["minDomains"].as_i64().unwrap_or(1) { 0 } else { counts.values().copied().min().unwrap_or(0) };
            let itself = i64::from(picks(&constraint["labelSelector"], pod));
            counts.get(&wanted).copied().unwrap_or(0) + itself - fewest <= constraint["maxSkew"].as_i64().expect("a number")
        })
    }

    /// The scheduler's filters.
    fn takes(&self, node: &Value, pod: &Value) -> bool {
        if !bears(node, pod) || !is_selected(node, pod) {
            return false;
        }
        let labels = &node["metadata"]["labels"];
        for volume in list(pod, "/spec/volumes") {
            let claim = text(volume, "/persistentVolumeClaim/claimName");
            let bound = self.volumes.iter().find(|volume| {
                !claim.is_empty()
                    && text(volume, "/spec/claimRef/name") == claim
                    && volume["spec"]["claimRef"]["namespace"] == pod["metadata"]["namespace"]
            });
            if let Some(zone) =
                bound.map(|volume| &volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0])
                && !list(zone, "/values").contains(&labels[text(zone, "/key")])
            {
                return false;
            }
        }
        let here: Vec<&Value> =
            self.pods.iter().filter(|other| other["spec"]["nodeName"] == node["metadata"]["name"] && !is_terminal(other)).collect();
        let slots: usize = text(node, "/status/allocatable/pods").parse().expect("a number");
        let used: i64 = here.iter().map(|pod| cpu(pod)).sum();
        here.len() < slots && (cpu(pod) == 0 || used + cpu(pod) <= milli(text(node, "/status/allocatable/cpu")))
    }

    /// `pkg/drain/filters.go`: `None` if the Pod is not to be touched, `Some(false)` if the drain errs because of it.
    fn to_delete(&self, flags: &Flags, pod: &Value) -> Option<bool> {
        let owner = controller(pod);
        if let Some(owner) = owner.filter(|owner| owner["kind"] == "DaemonSet")
            && !is_terminal(pod)
        {
            let there = self
                .daemon_sets
                .iter()
                .any(|set| set["metadata"]["name"] == owner["name"] && set["metadata"]["namespace"] == pod["metadata"]["namespace"]);
            match (there, flags.force, flags.ignore_daemonsets) {
                (false, true, _) => {}
                (false, false, _) | (true, _, false) => return Some(false),
                (true, _, true) => return None,
            }
        }
        if pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_string() {
            return None;
        }
        let local = list(pod, "/spec/volumes").iter().any(|volume| !volume["emptyDir"].is_null());
        if local && !is_terminal(pod) && !flags.delete_emptydir_data {
            return Some(false);
        }
        if owner.is_none() && !is_terminal(pod) && !flags.force {
            return Some(false);
        }
        Some(true)
    }

    fn on(&self, flags: &Flags, node: &str) -> Vec<(String, bool)> {
        let here = self.pods.iter().filter(|pod| pod["spec"]["nodeName"] == node);
        let mut pods: Vec<_> = here.filter_map(|pod| self.to_delete(flags, pod).map(|goes| (id(pod), goes))).collect();
        pods.sort();
        pods
    }

    /// One eviction and all that follows from it. Whether the Pod went.
    fn step(&mut self, drained: &[String], pod: &str) -> bool {
        let Some(index) = self.pods.iter().position(|other| id(other) == pod) else { return false };
        if !self.evict(&self.pods[index]) {
            return false;
        }
        let pod = self.pods.remove(index);
        let remade = controller(&pod).is_some_and(|owner| owner["kind"] != "DaemonSet");
        self.lost += usize::from(!remade && !is_terminal(&pod) && !is_deleting(&pod));
        self.reconcile();
        self.schedule(drained);
        self.count_budgets();
        true
    }

    /// Drains, node after node, until nothing moves any more. With `order`, any Pod of any node may come next, as it says.
    pub(crate) fn drain(mut self, flags: &Flags, mut order: Option<&mut dyn FnMut(usize) -> usize>) -> Outcome {
        loop {
            let unfinished: Vec<&String> = flags.nodes.iter().filter(|node| !self.on(flags, node).is_empty()).collect();
            let turn: Vec<String> = unfinished.into_iter().take(flags.width).cloned().collect();
            let mut pods: Vec<String> =
                turn.iter().flat_map(|node| self.on(flags, node)).filter(|(_, goes)| *goes).map(|(pod, _)| pod).collect();
            if let Some(order) = &mut order {
                for last in (1..pods.len()).rev() {
                    pods.swap(last, order(last + 1));
                }
            }
            let mut moved = false;
            for pod in pods {
                moved |= self.step(&flags.nodes, &pod);
            }
            if !moved {
                break;
            }
        }
        let mut stuck: Vec<String> = flags.nodes.iter().flat_map(|node| self.on(flags, node)).map(|(pod, _)| pod).collect();
        stuck.sort();
        let unplaced = self.pods.iter().filter(|pod| !pod["spec"]["nodeName"].is_string());
        let unplaced = unplaced.filter(|pod| pod["metadata"]["labels"]["made-by-the-drain"] == "yes");
        Outcome { stuck, unplaced: unplaced.count(), lost: self.lost }
    }
}

/// TaintToleration and NodeUnschedulable.
fn bears(node: &Value, pod: &Value) -> bool {
    let tolerations = list(pod, "/spec/tolerations");
    let tolerated = |taint: &Value| {
        tolerations.iter().any(|toleration| {
            let any = |field: &str| toleration[field].as_str().unwrap_or("").is_empty() || toleration[field] == taint[field];
            any("effect") && any("key") && (toleration["operator"] == "Exists" || text(toleration, "/value") == text(taint, "/value"))
        })
    };
    let closed =
        node["spec"]["unschedulable"] == true && !tolerated(&json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}));
    !closed && list(node, "/spec/taints").iter().all(|taint| taint["effect"] == "PreferNoSchedule" || tolerated(taint))
}

/// NodeAffinity, of which these clusters have node selectors only.
fn is_selected(node: &Value, pod: &Value) -> bool {
    let labels = &node["metadata"]["labels"];
    pod["spec"]["nodeSelector"].as_object().is_none_or(|wanted| wanted.iter().all(|(key, value)| labels[key] == *value))
}

/// Selectors of other Pods here have `matchLabels` only; without one, nothing is selected.
fn picks(selector: &Value, pod: &Value) -> bool {
    let wanted = selector["matchLabels"].as_object().into_iter().flatten();
    !selector.is_null() && wanted.into_iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value)
}

/// Whether a term of a Pod's affinity is about another: in its own namespace if it names none, in all with an empty selector of namespaces.
fn about(term: &Value, holder: &Value, pod: &Value) -> bool {
    let namespace = &pod["metadata"]["namespace"];
    let listed = list(term, "/namespaces");
    let within = if term["namespaceSelector"].is_object() {
        true
    } else if listed.is_empty() {
        holder["metadata"]["namespace"] == *namespace
    } else {
        listed.contains(namespace)
    };
    within && picks(&term["labelSelector"], pod)
}

fn cpu(pod: &Value) -> i64 {
    list(pod, "/spec/containers").iter().map(|container| milli(text(container, "/resources/requests/cpu"))).sum()
}

fn milli(text: &str) -> i64 {
    if text.is_empty() { 0 } else { text.strip_suffix('m').expect("in thousandths").parse().expect("a number") }
}
