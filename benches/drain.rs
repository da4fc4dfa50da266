//! What a large cluster costs: 5,000 nodes with 150,000 Pods read and forecast, and 500 nodes drained.
//!
//! `cargo bench -p eks-benches --features client --bench drain`. The API server is canned: its pages are made as they are asked for, which counts as our
//! own CPU time here, and its clock does not wait.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use eks_core::engine::CancellationToken;
use eks_k8s::{
    client::Objects,
    drain::{Drain, OnBlocked},
};
use futures::{StreamExt, channel::mpsc, stream};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::{Client, client::Body};
use serde_json::{Value, json};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Answer = Response<UnsyncBoxBody<Bytes, std::convert::Infallible>>;

const NODES: usize = 5_000;
const PODS_PER_NODE: usize = 30;
/// Workloads, each with a budget, and how many of its Pods may be missing.
const APPS: usize = 100;
const SPARE: i64 = 3;
const DRAINED: usize = 500;

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        forecast().await?;
        drain().await
    })
}

/// Seconds of CPU that this process has used.
#[expect(clippy::cast_precision_loss, reason = "hundredths of seconds")]
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields after the name in parentheses: user and system time are the 12th and 13th, in hundredths.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>() as f64 / 100.0
}

/// Megabytes that this process has held at most.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1024
}

#[expect(clippy::print_stdout, reason = "a benchmark tells what it measured")]
async fn forecast() -> Result<(), Error> {
    let (objects, server) = Server::start();
    let drain = Drain::of((0..DRAINED).map(node_name)).in_parallel(16);
    let before = cpu();
    let cluster = objects.snapshot(None).await?;
    let read = cpu();
    let forecast = drain.forecast(&cluster);
    let done = cpu();
    assert_eq!((cluster.nodes.len(), cluster.pods.len()), (NODES, NODES * (PODS_PER_NODE + 2)));
    assert!(forecast.is_smooth() && forecast.evictions() == DRAINED * PODS_PER_NODE, "{forecast}");
    println!(
        "{NODES} nodes, {} Pods: read in {:.2} s of CPU ({} calls, {} MB), forecast in {:.2} s, at most {} MB held",
        cluster.pods.len(),
        read - before,
        server.calls().values().sum::<u64>(),
        server.state().sent / 1_000_000,
        done - read,
        peak()
    );
    // Unoptimised code takes many times that.
    assert!(cfg!(debug_assertions) || done - before < 10.0 && peak() < 500, "beyond 10 s of CPU or 500 MB");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a benchmark tells what it measured")]
async fn drain() -> Result<(), Error> {
    let (objects, server) = Server::start();
    let drain = Drain::of((0..DRAINED).map(node_name)).in_parallel(16).on_blocked(OnBlocked::Wait);
    let (before, began) = (cpu(), tokio::time::Instant::now());
    let report = objects.drain(None, &drain, &CancellationToken::new(), |_| ()).await?;
    let pods = (DRAINED * PODS_PER_NODE) as u64;
    assert!(report.is_complete(), "{report}");
    println!(
        "{DRAINED} nodes, {pods} Pods, 16 at a time: {} calls, {:.2} a Pod ({:?}), {:.2} s of CPU, {} s on the server's clock",
        report.calls,
        report.calls as f64 / pods as f64,
        server.calls(),
        cpu() - before,
        began.elapsed().as_secs()
    );
    assert!(report.calls <= 3 * pods && server.state().broken == 0, "{:?}", server.calls());
    Ok(())
}

fn node_name(number: usize) -> String {
    format!("ip-10-0-{}-{}.ec2.internal", number / 250, number % 250)
}

/// The API server: what it holds, and who watches.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    version: u64,
    /// Pods of drained nodes that are gone, by node.
    gone: HashMap<String, Vec<String>>,
    /// Disruptions that each budget allows.
    allowed: Vec<i64>,
    /// Evictions that no budget allowed and that were done nevertheless.
    broken: u64,
    watches: Vec<(String, mpsc::UnboundedSender<Bytes>)>,
    calls: BTreeMap<&'static str, u64>,
    sent: usize,
}

impl Server {
    fn start() -> (Objects, Self) {
        let server = Self::default();
        server.state().allowed = vec![SPARE; APPS];
        let answering = server.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = answering.clone();
            async move { Ok::<_, Error>(server.answer(&request)) }
        });
        (Objects::new(Client::new(service, "default")), server)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.state().calls.clone()
    }

    fn count(&self, what: &'static str) {
        *self.state().calls.entry(what).or_default() += 1;
    }

    fn answer(&self, request: &Request<Body>) -> Answer {
        let path = request.uri().path();
        let query: HashMap<&str, &str> =
            request.uri().query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')).collect();
        let field = query.get("fieldSelector").map(|field| field.replace("spec.nodeName%3D", "").replace("spec.nodeName=", ""));
        if query.contains_key("watch") {
            self.count("watch");
            return self.watch(path, field.unwrap_or_default());
        }
        if path.ends_with("/eviction") {
            self.count("evict");
            return self.evict(path);
        }
        if let Some(name) = path.strip_prefix("/api/v1/nodes/") {
            self.count(if request.method() == "PATCH" { "patch node" } else { "get node" });
            return self.reply(200, json!({"metadata": {"name": name, "resourceVersion": "1", "labels": {}}, "spec": {}}).to_string());
        }
        self.count("list");
        let from: usize = query.get("continue").and_then(|token| token.parse().ok()).unwrap_or_default();
        let limit: usize = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
        match (path, field) {
            ("/api/v1/nodes", _) => self.page(NODES, from, limit, node),
            ("/api/v1/pods", Some(name)) => {
                let number = (0..DRAINED).find(|number| node_name(*number) == name).unwrap_or_default();
                let first = number * (PODS_PER_NODE + 2);
                let gone = self.state().gone.get(&name).cloned().unwrap_or_default();
                let pods = (first..first + PODS_PER_NODE + 2).filter(|pod| !gone.contains(&pod_name(*pod)));
                let pods: Vec<String> = pods.map(pod).collect();
                self.list(&pods, None)
            }
            ("/api/v1/pods", None) => self.page(NODES * (PODS_PER_NODE + 2), from, limit, pod),
            ("/apis/policy/v1/poddisruptionbudgets", _) => {
                let allowed = self.state().allowed.clone();
                self.page(APPS, from, limit, |app| budget(app, allowed[app], 1).to_string())
            }
            ("/apis/apps/v1/daemonsets", _) => self
                .page(2, from, limit, |set| json!({"metadata": {"namespace": "kube-system", "name": format!("agent{set}")}}).to_string()),
            _ => self.page(0, from, limit, |_| String::new()),
        }
    }

    fn reply(&self, code: u16, text: String) -> Answer {
        self.state().sent += text.len();
        let mut response = Response::new(Full::from(text).boxed_unsync());
        *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
        response
    }

    fn page(&self, count: usize, from: usize, limit: usize, item: impl Fn(usize) -> String) -> Answer {
        let end = count.min(from.saturating_add(limit));
        let items: Vec<String> = (from..end).map(item).collect();
        self.list(&items, (end < count).then_some(end))
    }

    fn list(&self, items: &[String], next: Option<usize>) -> Answer {
        let version = self.state().version;
        let next = next.map(|next| next.to_string()).unwrap_or_default();
        let metadata = json!({"resourceVersion": version.to_string(), "continue": next});
        self.reply(200, format!(r#"{{"kind":"List","apiVersion":"v1","metadata":{metadata},"items":[{}]}}"#, items.join(",")))
    }

    fn watch(&self, path: &str, node: String) -> Answer {
        let (sender, receiver) = mpsc::unbounded();
        let topic = if path.ends_with("poddisruptionbudgets") { "budgets".to_owned() } else { node };
        self.state().watches.push((topic, sender));
        let frames = receiver.map(|bytes| Ok(http_body::Frame::data(bytes)));
        Response::new(StreamBody::new(frames.chain(stream::empty())).boxed_unsync())
    }

    fn tell(&self, topic: &str, kind: &str, object: &Value) {
        let line = Bytes::from(format!("{}\n", json!({"type": kind, "object": object})));
        self.state().watches.retain(|(of, sender)| of != topic || sender.unbounded_send(line.clone()).is_ok());
    }

    /// Takes a Pod if its budget has one to spare; it is gone after two seconds, and its successor is ready after ten.
    fn evict(&self, path: &str) -> Answer {
        let name = path.split('/').nth(6).unwrap_or_default().to_owned();
        let number: usize = name.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default();
        let app = app_of(number);
        let allowed = self.state().allowed[app];
        if allowed == 0 {
            let cause = json!({"reason": "DisruptionBudget", "message": "needs more"});
            let status = json!({"kind": "Status", "code": 429, "reason": "TooManyRequests", "message": "", "details": {"causes": [cause]}});
            return self.reply(429, status.to_string());
        }
        self.spend(app, -1);
        let (server, node) = (self.clone(), node_name(number / (PODS_PER_NODE + 2)));
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            server.state().gone.entry(node.clone()).or_default().push(name);
            let version = server.next();
            let mut object: Value = serde_json::from_str(&pod(number)).unwrap_or_default();
            object["metadata"]["resourceVersion"] = json!(version.to_string());
            server.tell(&node, "DELETED", &object);
            tokio::time::sleep(Duration::from_secs(8)).await;
            server.spend(app, 1);
        });
        self.reply(201, json!({"kind": "Status", "status": "Success", "code": 201}).to_string())
    }

    fn next(&self) -> u64 {
        let mut state = self.state();
        state.version += 1;
        state.version
    }

    fn spend(&self, app: usize, change: i64) {
        let version = self.next();
        let allowed = {
            let mut state = self.state();
            state.allowed[app] += change;
            state.broken += u64::from(state.allowed[app] < 0);
            state.allowed[app]
        };
        self.tell("budgets", "MODIFIED", &budget(app, allowed, version));
    }
}

fn node(number: usize) -> String {
    let zone = ["us-east-1a", "us-east-1b", "us-east-1c"][number % 3];
    let noise = json!({"images": [{"names": ["602401143452.dkr.ecr.us-east-1.amazonaws.com/eks/pause:3.10"], "sizeBytes": 268_403}]});
    json!({
        "metadata": {"name": node_name(number), "uid": format!("node-{number}"),
                     "labels": {"topology.kubernetes.io/zone": zone, "kubernetes.io/hostname": node_name(number), "kubernetes.io/os": "linux", "node.kubernetes.io/instance-type": "m7i.4xlarge"}},
        "spec": {"providerID": format!("aws:///{zone}/i-{number:017x}")},
        "status": {"allocatable": {"cpu": "15890m", "memory": "61231204Ki", "pods": "234", "ephemeral-storage": "95551679124"},
                   "capacity": {"cpu": "16", "memory": "64Gi"}, "nodeInfo": noise},
    })
    .to_string()
}

/// Pods of a node stand together; the last two of each are of DaemonSets.
fn app_of(number: usize) -> usize {
    (number / (PODS_PER_NODE + 2) * PODS_PER_NODE + number % (PODS_PER_NODE + 2)) % APPS
}

fn pod_name(number: usize) -> String {
    format!("web-{number}")
}

/// A Pod as long as most are: about 4 kB, half of it managed fields.
fn pod(number: usize) -> String {
    let (node, place) = (node_name(number / (PODS_PER_NODE + 2)), number % (PODS_PER_NODE + 2));
    let (namespace, app, kind, owner) = if place >= PODS_PER_NODE {
        ("kube-system".to_owned(), "agent".to_owned(), "DaemonSet", format!("agent{}", place - PODS_PER_NODE))
    } else {
        let app = app_of(number);
        (format!("team-{}", app % 100), format!("web{app}"), "ReplicaSet", format!("web{app}-6c8b9f7d5"))
    };
    let name = pod_name(number);
    let managed = MANAGED;
    // One workload of ten keeps its Pods apart, and one spreads them.
    let selector = format!(r#""labelSelector":{{"matchLabels":{{"app":"{app}"}}}}"#);
    let others = match (kind, app_of(number) % 10) {
        ("ReplicaSet", 0) => format!(
            r#""affinity":{{"podAntiAffinity":{{"requiredDuringSchedulingIgnoredDuringExecution":[{{{selector},"topologyKey":"kubernetes.io/hostname"}}]}}}},"#
        ),
        ("ReplicaSet", 1) => format!(
            r#""topologySpreadConstraints":[{{"maxSkew":1,"topologyKey":"topology.kubernetes.io/zone","whenUnsatisfiable":"DoNotSchedule",{selector}}}],"#
        ),
        _ => String::new(),
    };
    format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"{namespace}","uid":"pod-{number}","resourceVersion":"1","creationTimestamp":"2026-11-22T10:00:00Z","labels":{{"app":"{app}","pod-template-hash":"6c8b9f7d5"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"{kind}","name":"{owner}","uid":"{owner}","controller":true,"blockOwnerDeletion":true}}],"managedFields":{managed}}},"spec":{{{others}"nodeName":"{node}","containers":[{{"name":"main","image":"registry.example.com/shop/{app}:1.42.0","resources":{{"requests":{{"cpu":"250m","memory":"512Mi"}},"limits":{{"memory":"512Mi"}}}},"volumeMounts":[{{"name":"kube-api-access","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount","readOnly":true}}],"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}}],"volumes":[{{"name":"kube-api-access","projected":{{"sources":[{{"serviceAccountToken":{{"expirationSeconds":3607,"path":"token"}}}}],"defaultMode":420}}}}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"default","securityContext":{{}},"schedulerName":"default-scheduler","tolerations":[{{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}},{{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}}],"priority":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"}},"status":{{"phase":"Running","conditions":[{{"type":"Initialized","status":"True","lastTransitionTime":"2026-11-22T10:00:01Z"}},{{"type":"Ready","status":"True","lastTransitionTime":"2026-11-22T10:00:09Z"}},{{"type":"ContainersReady","status":"True","lastTransitionTime":"2026-11-22T10:00:09Z"}},{{"type":"PodScheduled","status":"True","lastTransitionTime":"2026-11-22T10:00:00Z"}}],"hostIP":"10.0.1.7","podIP":"10.0.3.9","startTime":"2026-11-22T10:00:01Z","qosClass":"Burstable"}}}}"#
    )
}

/// What server-side bookkeeping adds to an object.
const MANAGED: &str = r#"[{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1","time":"2026-11-22T10:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:generateName":{},"f:labels":{".":{},"f:app":{},"f:pod-template-hash":{}},"f:ownerReferences":{".":{},"k:{\"uid\":\"x\"}":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:resources":{".":{},"f:limits":{".":{},"f:memory":{}},"f:requests":{".":{},"f:cpu":{},"f:memory":{}}},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},"f:dnsPolicy":{},"f:enableServiceLinks":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},"f:terminationGracePeriodSeconds":{}}}},{"manager":"kubelet","operation":"Update","apiVersion":"v1","time":"2026-11-22T10:00:09Z","fieldsType":"FieldsV1","fieldsV1":{"f:status":{"f:conditions":{"k:{\"type\":\"ContainersReady\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}},"k:{\"type\":\"Ready\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}}},"f:containerStatuses":{},"f:hostIP":{},"f:phase":{},"f:podIP":{},"f:podIPs":{".":{},"k:{\"ip\":\"10.0.3.9\"}":{".":{},"f:ip":{}}},"f:startTime":{}}},"subresource":"status"}]"#;

fn budget(app: usize, allowed: i64, version: u64) -> Value {
    let expected = (NODES * PODS_PER_NODE / APPS) as i64;
    json!({
        "metadata": {"namespace": format!("team-{}", app % 100), "name": format!("web{app}"), "uid": format!("budget-{app}"),
                     "resourceVersion": version.to_string(), "generation": 1},
        "spec": {"maxUnavailable": SPARE, "selector": {"matchLabels": {"app": format!("web{app}")}}},
        "status": {"observedGeneration": 1, "expectedPods": expected, "desiredHealthy": expected - SPARE,
                   "currentHealthy": expected - SPARE + allowed, "disruptionsAllowed": allowed},
    })
}
