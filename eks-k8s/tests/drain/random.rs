//! Small clusters, at random but the same for the same seed.

use serde_json::{Value, json};

use crate::{
    dice::Random,
    oracle::{Flags, Workload, World},
};

const ZONES: [&str; 2] = ["us-east-1a", "us-east-1b"];

/// A cluster and a drain of it. In a roomy one every replacement finds a node, so that the order of evictions does not matter.
pub(crate) fn cluster(random: &mut Random, roomy: bool) -> (World, Flags) {
    let mut world = World::default();
    let count = 2 + random.below(4);
    for number in 0..count {
        let taints =
            if !roomy && random.percent(12) { json!([{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}]) } else { json!([]) };
        let (slots, cores) = if roomy { (100, 100_000) } else { (2 + random.below(10), 500 * (1 + random.below(8))) };
        world.nodes.push(json!({
            "metadata": {"name": format!("n{number}"), "labels": {"topology.kubernetes.io/zone": random.of(&ZONES),
                                                                  "disk": random.of(&["ssd", "hdd"]),
                                                                  "kubernetes.io/hostname": format!("n{number}")}},
            "spec": {"unschedulable": !roomy && random.percent(10), "taints": taints},
            "status": {"allocatable": {"cpu": format!("{cores}m"), "pods": slots.to_string()}},
        }));
    }
    for number in 0..1 + random.below(5) {
        workload(random, &mut world, number, roomy);
    }
    for number in 0..random.below(4) {
        budget(random, &mut world, number);
    }
    world.count_budgets();
    let mut nodes: Vec<String> = (0..count).map(|number| format!("n{number}")).collect();
    for last in (1..count).rev() {
        nodes.swap(last, random.below(last + 1));
    }
    // Sometimes all of them: then nothing finds a place.
    nodes.truncate(if !roomy && random.percent(8) { count } else { 1 + random.below(count - 1) });
    let width = if roomy { count } else { 1 + random.below(3) };
    let flags = Flags {
        nodes,
        width,
        force: !roomy && random.percent(75),
        delete_emptydir_data: random.percent(75),
        ignore_daemonsets: random.percent(90),
    };
    (world, flags)
}

fn workload(random: &mut Random, world: &mut World, number: usize, roomy: bool) {
    let kinds: &[&str] = if roomy {
        &["ReplicaSet", "ReplicaSet", "StatefulSet", "Job"]
    } else {
        &["ReplicaSet", "ReplicaSet", "ReplicaSet", "StatefulSet", "StatefulSet", "DaemonSet", "Job", "", ""]
    };
    let kind = random.of(kinds);
    let (namespace, name) = (random.of(&["shop", "shop", "bank"]), format!("w{number}"));
    let replicas = 1 + random.below(4);
    let mut template = json!({
        "metadata": {"labels": {"app": name, "tier": random.of(&["front", "back"])}},
        "spec": {"containers": [{"name": "main", "resources": {}}], "tolerations": []},
    });
    if !kind.is_empty() {
        template["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "x", "kind": kind, "name": name, "uid": format!("{namespace}-{name}"), "controller": true}]);
    }
    if !roomy && random.percent(60) {
        template["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": format!("{}m", 250 * (1 + random.below(4)))}});
    }
    if !roomy && random.percent(15) {
        template["spec"]["nodeSelector"] = match random.below(2) {
            0 => json!({"disk": "ssd"}),
            _ => json!({"topology.kubernetes.io/zone": random.of(&ZONES)}),
        };
    }
    if !roomy && random.percent(50) {
        others(random, &mut template, &name);
    }
    if random.percent(15) {
        template["spec"]["tolerations"] = json!([{"key": "dedicated", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}]);
    }
    let local = kind != "StatefulSet" && random.percent(10);
    if local {
        template["spec"]["volumes"] = json!([{"name": "scratch", "emptyDir": {}}]);
    }
    let has_volumes = kind == "StatefulSet" && !roomy && random.percent(50);
    if has_volumes {
        template["spec"]["volumes"] = json!([]);
    }
    if kind == "DaemonSet" && random.percent(75) {
        world.daemon_sets.push(json!({"metadata": {"namespace": namespace, "name": name}}));
    }
    let pods = if kind == "DaemonSet" { world.nodes.len() } else { replicas };
    for index in 0..pods {
        let node = if kind == "DaemonSet" { index } else { random.below(world.nodes.len()) };
        let mut pod = template.clone();
        let pod_name = format!("{name}-{index}");
        pod["metadata"]["namespace"] = json!(namespace);
        pod["metadata"]["name"] = json!(pod_name);
        pod["metadata"]["uid"] = json!(format!("{namespace}-{pod_name}"));
        // One that waits for a node, and waits on.
        if kind == "DaemonSet" || random.percent(94) {
            pod["spec"]["nodeName"] = world.nodes[node]["metadata"]["name"].clone();
        }
        if has_volumes {
            let zone = world.nodes[node]["metadata"]["labels"]["topology.kubernetes.io/zone"].clone();
            let claim = format!("data-{pod_name}");
            pod["spec"]["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]);
            world.volumes.push(json!({
                "metadata": {"name": format!("pv-{namespace}-{claim}")},
                "spec": {"claimRef": {"namespace": namespace, "name": claim}, "nodeAffinity": {"required": {"nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}]}]}}},
            }));
        }
        if kind == "DaemonSet" && random.percent(5) {
            pod["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "hash"});
        }
        let bound = pod["spec"]["nodeName"].is_string();
        pod["status"] = status(bound && !random.percent(4), bound && random.percent(85));
        world.pods.push(pod.clone());
        // Others of it that have ended, or are going: their controller has made the ones above in their place.
        if kind == "StatefulSet" && bound && random.percent(6) {
            world.pods.last_mut().expect("just pushed")["metadata"]["deletionTimestamp"] = json!("2026-11-22T10:00:00Z");
        }
        if kind != "StatefulSet" && bound && random.percent(8) {
            let mut old = pod;
            old["metadata"]["name"] = json!(format!("{pod_name}-old"));
            match random.below(3) {
                0 => old["metadata"]["deletionTimestamp"] = json!("2026-11-22T10:00:00Z"),
                1 => old["status"] = json!({"phase": "Succeeded"}),
                _ => old["status"] = json!({"phase": "Failed"}),
            }
            world.pods.push(old);
        }
    }
    if !kind.is_empty() {
        let kind = ["ReplicaSet", "StatefulSet", "DaemonSet", "Job"].into_iter().find(|known| *known == kind).expect("known");
        world.workloads.push(Workload { kind, namespace: namespace.to_owned(), name, replicas, template });
    }
}

/// What such Pods demand of the Pods around them.
fn others(random: &mut Random, template: &mut Value, name: &str) {
    let keys = ["kubernetes.io/hostname", "topology.kubernetes.io/zone", "disk"];
    let selector = |random: &mut Random| match random.below(6) {
        0 => json!({"matchLabels": {"tier": "front"}}),
        1 => json!({"matchLabels": {"app": format!("w{}", random.below(5))}}),
        2 if random.percent(20) => Value::Null,
        _ => json!({"matchLabels": {"app": name}}),
    };
    let term = |random: &mut Random| {
        let mut term = json!({"topologyKey": random.of(&keys), "labelSelector": selector(random)});
        match random.below(8) {
            0 => term["namespaces"] = json!(["bank"]),
            1 => term["namespaceSelector"] = json!({}),
            _ => {}
        }
        term
    };
    for kind in ["podAntiAffinity", "podAffinity"] {
        if random.percent(if kind == "podAffinity" { 20 } else { 45 }) {
            let terms: Vec<Value> = (0..1 + random.below(2)).map(|_| term(random)).collect();
            template["spec"]["affinity"][kind] = json!({"requiredDuringSchedulingIgnoredDuringExecution": terms});
        }
    }
    if random.percent(45) {
        let constraints: Vec<Value> = (0..1 + random.below(2))
            .map(|_| {
                json!({
                    "maxSkew": 1 + random.below(2), "topologyKey": random.of(&keys), "labelSelector": selector(random),
                    "whenUnsatisfiable": random.of(&["DoNotSchedule", "DoNotSchedule", "DoNotSchedule", "ScheduleAnyway"]),
                    "minDomains": 1 + random.below(3), "nodeTaintsPolicy": random.of(&["Ignore", "Honor"]),
                    "nodeAffinityPolicy": random.of(&["Honor", "Ignore"]),
                })
            })
            .collect();
        template["spec"]["topologySpreadConstraints"] = json!(constraints);
    }
    if random.percent(25) {
        template["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": 80 + random.below(2), "protocol": "TCP"}]);
    }
}

fn status(runs: bool, ready: bool) -> Value {
    match (runs, ready) {
        (false, _) => json!({"phase": "Pending"}),
        (true, true) => json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}),
        (true, false) => json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}),
    }
}

fn budget(random: &mut Random, world: &mut World, number: usize) {
    let app = format!("w{}", random.below(5));
    let selector = match random.below(10) {
        0 => json!({}),
        1 => Value::Null,
        2 | 3 => json!({"matchLabels": {"tier": "front"}}),
        _ => json!({"matchLabels": {"app": app}}),
    };
    let mut spec = match random.below(4) {
        0 => json!({"minAvailable": random.below(5)}),
        1 => json!({"minAvailable": random.of(&["0%", "30%", "50%", "100%"])}),
        2 => json!({"maxUnavailable": random.below(3)}),
        _ => json!({"maxUnavailable": random.of(&["0%", "30%", "50%", "100%"])}),
    };
    spec["selector"] = selector;
    if random.percent(25) {
        spec["unhealthyPodEvictionPolicy"] = json!("AlwaysAllow");
    }
    let namespace = random.of(&["shop", "shop", "bank"]);
    world.budgets.push(json!({"metadata": {"namespace": namespace, "name": format!("b{number}")}, "spec": spec}));
}
