//! From what should exist and what exists to a plan. Pure.

use std::time::Duration;

use eks_core::{Action, Error, Finding, KEY_TAG, OWNER_TAG, OpError, Plan, PlanBuilder, PlanError, Price, Ref, Step, StepKey};
use serde_json::Value;

use crate::{
    AccessRef, Claim, Kind, ObjectOp, ObjectRef, ObjectsSpec, Observed, Pod, Service, StorageClass, VolumeType, auth_map,
    diff::{Change, changes},
    observed::{hostname, phase},
    service::{address_price, is_public, kind_of, load_balancer_price},
    storage_class::{Binding, volume_price},
};

/// A call to an API server.
const CALL: Duration = Duration::from_secs(1);

pub(crate) fn plan_error(error: &PlanError) -> Error {
    Error::Plan { subject: "layer k8s".to_owned(), reason: error.to_string() }
}

pub(crate) fn op_error(error: &OpError) -> Error {
    Error::Plan { subject: "layer k8s".to_owned(), reason: error.to_string() }
}

pub(crate) fn key_of(kind: Kind, namespace: &str, name: &str) -> Result<StepKey, Error> {
    kind.key(namespace, name).map_err(|error| Error::Plan { subject: format!("{kind} {name}"), reason: error.to_string() })
}

/// An object on its way into the plan.
struct Wanted {
    kind: Kind,
    title: String,
    manifest: Value,
    needs: Vec<StepKey>,
    typical: Duration,
    prices: Vec<Price>,
    wait: bool,
}

impl ObjectsSpec {
    /// What has to be done, given what exists.
    ///
    /// # Errors
    /// [`Error::Refused`] if what exists cannot become what is wanted in place, with the field and the way out.
    pub fn plan(&self, now: &Observed) -> Result<Plan, Error> {
        let mut plan = Plan::builder(&self.owner, "k8s").basis(now.basis()?);
        if !self.roles.is_empty() {
            plan = plan.step(self.aws_auth(now)?);
        }
        for workers in &self.nodes {
            plan = plan.step(self.await_nodes(workers, now)?);
        }
        for class in &self.classes {
            plan = self.object(plan, now, self.class(class))?;
        }
        for claim in &self.claims {
            let wanted = self.claimed(claim, now)?;
            plan = self.object(plan, now, wanted)?;
        }
        for pod in &self.pods {
            let wanted = self.pod(pod)?;
            plan = self.object(plan, now, wanted)?;
        }
        for service in &self.services {
            plan = self.object(plan, now, self.service(service))?;
        }
        for finding in self.findings(now)? {
            plan = plan.finding(finding);
        }
        plan.build().map_err(|error| plan_error(&error))
    }

    fn access(&self) -> AccessRef {
        AccessRef::from(&self.cluster)
    }

    /// A step that calls the API server.
    fn step(&self, key: StepKey, action: Action, title: impl Into<String>, op: &ObjectOp) -> Result<Step, Error> {
        let step = Step::new(key, action, title, op).map_err(|error| op_error(&error))?;
        Ok(step.uses(&self.cluster.endpoint).uses(&self.cluster.certificate_authority))
    }

    fn aws_auth(&self, now: &Observed) -> Result<Step, Error> {
        let key = fixed_key(auth_map::KEY)?;
        let groups: Vec<_> = self.roles.iter().map(|(group, _)| group.as_str()).collect();
        let lacking: Vec<String> = match &now.aws_auth {
            None => Vec::new(),
            Some(map) => {
                let fine = |group: &str, role: &Ref<_>| match role {
                    Ref::Known(role) => map.maps(role),
                    // The role's ARN is known only when its step has run. Ready nodes prove that it is the one on record.
                    Ref::Output(_) => map.maps_group(group) && self.is_ready(group, now),
                };
                let lacking = self.roles.iter().filter(|(group, role)| !fine(group, role));
                lacking.map(|(group, role)| format!("role of {group}: {role} is mapped to system:nodes")).collect()
            }
        };
        let action = match &now.aws_auth {
            None => Action::Create,
            Some(_) if lacking.is_empty() => Action::Keep,
            Some(_) => Action::Update,
        };
        let op = ObjectOp::MapRoles { access: self.access(), roles: self.roles.clone() };
        let step = self.step(key, action, format!("aws-auth entries of {}", groups.join(", ")), &op)?;
        let step = self.roles.iter().fold(step, |step, (_, role)| step.uses(role)).takes(CALL).changes(lacking);
        Ok(if action == Action::Keep { step.knows("id", "kube-system/aws-auth") } else { step })
    }

    /// Whether as many nodes of a group are Ready as wanted; true for groups that this spec does not wait for.
    fn is_ready(&self, group: &str, now: &Observed) -> bool {
        let ready = now.nodes.get(group).copied().unwrap_or_default().ready;
        self.nodes.iter().filter(|workers| workers.name == group).all(|workers| ready >= workers.desired)
    }

    fn await_nodes(&self, workers: &eks_core::WorkersRefs, now: &Observed) -> Result<Step, Error> {
        let key = nodes_key(&workers.name)?;
        let action = if self.is_ready(&workers.name, now) { Action::Keep } else { Action::Create };
        let op = ObjectOp::AwaitNodes {
            access: self.access(),
            group: workers.name.clone(),
            label: workers.node_label.clone(),
            desired: workers.desired,
        };
        // Registration takes 30–90 s after boot (EKS user guide), the CNI some seconds more.
        let mut step = self
            .step(key, action, format!("{} Ready nodes of {}", workers.desired, workers.name), &op)?
            .after_all(&workers.running)
            .after_all(&self.cluster.nodes_need)
            .takes(Duration::from_secs(62));
        if self.roles.iter().any(|(group, _)| *group == workers.name) {
            step = step.after(fixed_key(auth_map::KEY)?);
        }
        let ready = now.nodes.get(&workers.name).copied().unwrap_or_default().ready;
        Ok(if action == Action::Keep { step.knows("id", &workers.name).knows("ready", ready) } else { step })
    }

    fn class(&self, class: &StorageClass) -> Wanted {
        Wanted {
            kind: Kind::StorageClass,
            title: format!("StorageClass {} of {} volumes", class.name, class.volume_type.as_str()),
            manifest: class.manifest(&self.owner),
            needs: Vec::new(),
            typical: CALL,
            prices: Vec::new(),
            wait: false,
        }
    }

    fn claimed(&self, claim: &Claim, now: &Observed) -> Result<Wanted, Error> {
        let class = self.class_of(claim);
        // With WaitForFirstConsumer a claim without a Pod stays Pending by design.
        let wait = class.is_some_and(|class| class.binding == Binding::Immediate);
        let mut needs: Vec<_> = class.map(|class| key_of(Kind::StorageClass, "", &class.name)).transpose()?.into_iter().collect();
        if wait {
            needs.extend(self.cluster.volumes_need.iter().cloned());
        }
        let price = match class {
            Some(class) => class.price(claim.gib()),
            None => {
                let volume_type = if claim.class.as_deref() == Some("gp2") { VolumeType::Gp2 } else { VolumeType::Gp3 };
                volume_price(volume_type, claim.gib(), None, None)
            }
        };
        Ok(Wanted {
            kind: Kind::Claim,
            title: format!("PersistentVolumeClaim {} of {}", claim.name, claim.size),
            manifest: claim.manifest(&self.namespace),
            needs,
            typical: if wait { Duration::from_secs(5) } else { CALL },
            prices: if self.stays_pending(claim, now)? { Vec::new() } else { vec![price] },
            wait,
        })
    }

    /// Whether a claim has no volume, and no Pod of this plan makes it get one.
    fn stays_pending(&self, claim: &Claim, now: &Observed) -> Result<bool, Error> {
        let key = key_of(Kind::Claim, &self.namespace, &claim.name)?;
        let bound = now.objects.get(&key).is_some_and(|(_, live)| live.pointer("/spec/volumeName").is_some_and(Value::is_string));
        let used = self.pods.iter().any(|pod| pod.mounts.iter().any(|(name, _)| *name == claim.name));
        Ok(!bound && !used && self.class_of(claim).is_some_and(|class| class.binding == Binding::WaitForFirstConsumer))
    }

    fn pod(&self, pod: &Pod) -> Result<Wanted, Error> {
        let mut needs = Vec::new();
        for (claim, _) in &pod.mounts {
            needs.push(key_of(Kind::Claim, &self.namespace, claim)?);
        }
        for workers in &self.nodes {
            needs.push(nodes_key(&workers.name)?);
        }
        if !pod.mounts.is_empty() {
            needs.extend(self.cluster.volumes_need.iter().cloned());
        }
        let seconds = if pod.mounts.is_empty() { 9 } else { 18 };
        Ok(Wanted {
            kind: Kind::Pod,
            title: format!("Pod {}", pod.name),
            manifest: pod.manifest(&self.namespace),
            needs,
            typical: Duration::from_secs(seconds),
            prices: Vec::new(),
            wait: true,
        })
    }

    fn service(&self, service: &Service) -> Wanted {
        let price = service.price();
        let routes = self.service_needs.iter().filter(|_| service.is_internet_facing());
        let needs = service.needs.iter().chain(routes).cloned().collect();
        let reach = if service.is_internet_facing() { "internet-facing" } else { "internal" };
        Wanted {
            kind: Kind::Service,
            title: format!("Service {} with {reach} {}", service.name, price.item),
            manifest: service.manifest(&self.namespace, &self.owner),
            needs,
            typical: Duration::from_secs(match service.kind() {
                crate::LoadBalancerKind::Classic => 6,
                crate::LoadBalancerKind::Network => 151,
            }),
            prices: std::iter::once(price).chain(service.address_prices(self.public_zones)).collect(),
            wait: true,
        }
    }

    fn object(&self, plan: PlanBuilder, now: &Observed, wanted: Wanted) -> Result<PlanBuilder, Error> {
        let Wanted { kind, title, mut manifest, needs, typical, prices, wait } = wanted;
        let at = ObjectRef::of(kind, &manifest);
        let key = key_of(kind, &at.namespace, &at.name)?;
        mark(&mut manifest, self.owner.as_str(), key.as_str());
        let live = now.objects.get(&key).map(|(_, live)| live);
        let mut changed: Vec<String> = Vec::new();
        if let Some(live) = live {
            let found = changes(&manifest, live);
            self.allowed(&at, live, &manifest, &found)?;
            changed.extend(found.iter().map(ToString::to_string));
            if changed.is_empty() && wait {
                changed.extend(unfinished(kind, live));
            }
        }
        let action = match live {
            None => Action::Create,
            Some(_) if changed.is_empty() => Action::Keep,
            Some(_) => Action::Update,
        };
        let op = ObjectOp::Apply { access: self.access(), kind, manifest, wait };
        let mut step = self.step(key, action, title, &op)?.after_all(&needs).takes(typical).changes(changed);
        step = prices.into_iter().fold(step, Step::costs);
        if let (Action::Keep, Some(live)) = (action, live) {
            step = step.knows("id", live["metadata"]["uid"].as_str().unwrap_or_default());
            if let Some(hostname) = hostname(live) {
                step = step.knows("hostname", hostname);
            }
        }
        Ok(plan.step(step))
    }

    /// Whether every change can be made in place.
    fn allowed(&self, at: &ObjectRef, live: &Value, manifest: &Value, found: &[Change]) -> Result<(), Error> {
        let refuse = |change: String, rule: &str| {
            let remedy = format!("delete it ({}), wait until it is gone, and plan again", at.delete_command());
            Err(Error::Refused { subject: at.to_string(), rule: format!("{change}: {rule}"), remedy })
        };
        if live["metadata"]["deletionTimestamp"].is_string() {
            return refuse("it is being deleted".to_owned(), "what is going cannot be kept");
        }
        for change in found {
            if let Some(rule) = at.kind.immutable(&change.path) {
                return refuse(change.to_string(), rule);
            }
            if at.kind == Kind::Claim && change.path == "spec.resources.requests.storage" {
                self.may_grow(at, change)?;
            }
        }
        if at.kind == Kind::Service {
            // An annotation that is no longer wanted is no difference of the manifest, yet it decided which balancer exists.
            for key in crate::kind::DECIDES {
                let value = |object: &Value| object["metadata"]["annotations"][key].as_str().map(str::to_owned);
                if let (Some(there), None) = (value(live), value(manifest)) {
                    return refuse(
                        format!("annotation {key}: {there} → nothing"),
                        "on a Service that has a load balancer, this annotation leaks it",
                    );
                }
            }
        }
        Ok(())
    }

    fn may_grow(&self, at: &ObjectRef, change: &Change) -> Result<(), Error> {
        let size = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).and_then(|text| text.parse::<crate::Quantity>().ok());
        let claim = self.claims.iter().find(|claim| claim.name == at.name);
        let rule = match (size(&change.from), size(&change.to)) {
            (Some(from), Some(to)) if to < from => "a claim never shrinks",
            _ if claim.and_then(|claim| self.class_of(claim)).is_some_and(|class| !class.expandable) => {
                "its class does not let claims grow"
            }
            _ => return Ok(()),
        };
        let remedy = "ask for the size that it has, or claim another volume and copy the data".to_owned();
        Err(Error::Refused { subject: at.to_string(), rule: format!("{change}: {rule}"), remedy })
    }

    fn findings(&self, now: &Observed) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        for class in &self.classes {
            let key = key_of(Kind::StorageClass, "", &class.name)?;
            if class.is_in_tree() {
                findings.push(Finding::warning(
                    key.clone(),
                    "provisioner kubernetes.io/aws-ebs is gone since Kubernetes 1.27 and works only through the add-on aws-ebs-csi-driver; StorageClass::gp3 says the same for that driver",
                ));
            }
            if class.binding == Binding::Immediate {
                let message = "binds at once: a volume may end up in a zone where no node is";
                findings.push(Finding::warning(key.clone(), message));
            }
            if class.reclaim == crate::Reclaim::Retain {
                findings.push(Finding::note(key, "its volumes outlive their claims and are billed until they are deleted by hand"));
            }
        }
        for claim in &self.claims {
            let key = key_of(Kind::Claim, &self.namespace, &claim.name)?;
            if claim.class.is_none() && self.class_of(claim).is_none() {
                let message = "names no class; EKS makes no default class since 1.30, so it may stay Pending for ever";
                findings.push(Finding::warning(key.clone(), message));
            }
            if self.stays_pending(claim, now)? {
                findings.push(Finding::note(key, "stays Pending until a Pod mounts it; no Pod of this plan does"));
            }
        }
        for pod in self.pods.iter().filter(|pod| pod.has_legacy_zone()) {
            let message =
                "selects nodes by failure-domain.beta.kubernetes.io/zone, which nodes no longer have; use topology.kubernetes.io/zone";
            findings.push(Finding::warning(key_of(Kind::Pod, &self.namespace, &pod.name)?, message));
        }
        for service in &self.services {
            let key = key_of(Kind::Service, &self.namespace, &service.name)?;
            if service.is_world_open() {
                findings.push(Finding::warning(key.clone(), "open to every address of the internet; limit it with source_range"));
            }
            let taken =
                now.objects.get(&key).is_some_and(|(_, live)| live.pointer("/spec/loadBalancerClass").is_some_and(Value::is_string));
            if taken && service.manifest(&self.namespace, &self.owner).pointer("/spec/loadBalancerClass").is_none() {
                let message = "the AWS Load Balancer Controller has taken it over by setting loadBalancerClass; say so with Controller::LoadBalancerController";
                findings.push(Finding::warning(key, message));
            }
        }
        Ok(findings)
    }
}

impl ObjectRef {
    fn delete_command(&self) -> String {
        let kind = self.kind.as_str().to_lowercase();
        if self.kind.is_namespaced() {
            format!("kubectl -n {} delete {kind} {}", self.namespace, self.name)
        } else {
            format!("kubectl delete {kind} {}", self.name)
        }
    }
}

fn fixed_key(text: &str) -> Result<StepKey, Error> {
    text.parse().map_err(|error: eks_core::KeyError| Error::Plan { subject: text.to_owned(), reason: error.to_string() })
}

fn nodes_key(group: &str) -> Result<StepKey, Error> {
    fixed_key(&format!("k8s/nodes/{group}"))
}

/// Puts the marks of ownership on a manifest.
fn mark(manifest: &mut Value, owner: &str, key: &str) {
    manifest["metadata"]["labels"][OWNER_TAG] = owner.into();
    manifest["metadata"]["annotations"][KEY_TAG] = key.into();
}

/// What an object still has to become, if a step waits for it.
fn unfinished(kind: Kind, live: &Value) -> Option<String> {
    let (is, should) = match kind {
        Kind::Pod => (phase(live), "Running"),
        Kind::Claim => (phase(live), "Bound"),
        Kind::Service if hostname(live).is_none() => ("no load balancer", "a load balancer"),
        Kind::Service | Kind::StorageClass => return None,
    };
    (is != should).then(|| format!("status: {is} → {should}"))
}

/// What a live Service's load balancer costs a month, with its public addresses.
pub(crate) fn load_balancer_usd(live: &Value) -> f64 {
    let addresses = if is_public(live) { f64::from(crate::spec::PUBLIC_ZONES) } else { 0.0 };
    load_balancer_price(kind_of(live)).usd_per_month + addresses * address_price().usd_per_month
}

#[cfg(test)]
mod tests {
    use eks_core::AuthenticationMode;
    use serde_json::json;

    use super::*;
    use crate::fixture::{access, chapter, cluster, owner, workers};

    /// What the API server would hold after the plan.
    fn applied(spec: &ObjectsSpec) -> Observed {
        let plan = spec.plan(&Observed::nothing(spec)).unwrap();
        let mut now = Observed::at(spec, access());
        for step in plan.steps() {
            match step.op.decode::<ObjectOp>().unwrap() {
                ObjectOp::Apply { kind, mut manifest, .. } => {
                    manifest["metadata"]["uid"] = json!(format!("uid of {}", step.key));
                    match kind {
                        Kind::Pod => manifest["status"] = json!({"phase": "Running"}),
                        Kind::Service => manifest["status"] = json!({"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}}),
                        Kind::Claim | Kind::StorageClass => {}
                    }
                    now = now.found(&owner(), kind, [manifest]);
                }
                ObjectOp::AwaitNodes { label, desired, .. } => {
                    let node = json!({"metadata": {"labels": {label.0: label.1}}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
                    now = now.found_nodes(&vec![node; desired as usize]);
                }
                ObjectOp::MapRoles { roles, .. } => {
                    let arn = eks_core::RoleArn::new("arn:aws:iam::123456789012:role/worker").unwrap();
                    let roles: Vec<_> = roles.into_iter().map(|(group, _)| (group, arn.clone())).collect();
                    let auth_map::Fate::Write(map) = auth_map::AuthMap::absent(&owner()).unwrap().with(&roles).unwrap() else { panic!() };
                    now = now.found_aws_auth(&owner(), map).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
        now
    }

    #[test]
    fn the_chapter() {
        let spec = chapter().build().unwrap();
        insta::assert_snapshot!(spec.plan(&Observed::nothing(&spec)).unwrap());
    }

    #[test]
    fn a_claim_without_a_volume_costs_nothing() {
        let spec = chapter().build().unwrap();
        let usd = |now: &Observed| {
            let plan = spec.plan(now).unwrap();
            plan.step("k8s/claim/default/pvc-b").unwrap().prices.iter().map(|price| price.usd_per_month).sum::<f64>()
        };
        let mut now = applied(&spec);
        assert!(usd(&now) == 0.0);
        for (_, live) in now.objects.values_mut().filter(|(at, _)| at.name == "pvc-b") {
            live["spec"]["volumeName"] = json!("pv-b");
        }
        assert!((usd(&now) - 0.8).abs() < 1e-9);
    }

    #[test]
    fn true_needs() {
        let spec = chapter().build().unwrap();
        let plan = spec.plan(&Observed::nothing(&spec)).unwrap();
        let needs = |key: &str| plan.step(key).unwrap().needs.iter().map(StepKey::as_str).collect::<Vec<_>>().join(" ");
        assert_eq!(needs("k8s/aws-auth"), "cluster/control-plane nodes/chap10-worker");
        assert_eq!(needs("k8s/nodes/chap10-worker"), "cluster/addon/vpc-cni cluster/control-plane k8s/aws-auth nodes/chap10-worker");
        assert_eq!(needs("k8s/storage-class/gp3-us-east-1a"), "cluster/control-plane");
        assert_eq!(needs("k8s/claim/default/pvc-a"), "cluster/control-plane k8s/storage-class/gp3-us-east-1a");
        assert_eq!(
            needs("k8s/pod/default/nginx"),
            "cluster/addon/aws-ebs-csi-driver cluster/control-plane k8s/claim/default/pvc-a k8s/nodes/chap10-worker"
        );
        assert_eq!(needs("k8s/service/default/nginx"), "cluster/control-plane");
        assert_eq!(needs("k8s/service/default/nginx-external"), "cluster/control-plane net/route-table/public");
        assert!(plan.iam_actions().is_empty());
    }

    #[test]
    fn planning_again_finds_nothing_to_do() {
        let spec = chapter().build().unwrap();
        let plan = spec.plan(&applied(&spec)).unwrap();
        assert!(plan.is_noop(), "{plan}");
        assert_eq!(plan.step("k8s/service/default/nginx").unwrap().outputs["hostname"], "lb.example");
        assert_eq!(Plan::from_json(&plan.to_json().unwrap()).unwrap(), plan);
    }

    #[test]
    fn what_is_not_finished_is_waited_for() {
        let spec = chapter().build().unwrap();
        let mut now = applied(&spec);
        for (_, live) in now.objects.values_mut() {
            live["status"] = json!({"phase": "Pending"});
        }
        let plan = spec.plan(&now).unwrap();
        let changes: Vec<_> = plan.changes().map(|step| format!("{}: {}", step.key, step.changes.join(", "))).collect();
        assert_eq!(
            changes,
            [
                "k8s/pod/default/nginx: status: Pending → Running",
                "k8s/service/default/nginx: status: no load balancer → a load balancer",
                "k8s/service/default/nginx-external: status: no load balancer → a load balancer",
            ]
        );
    }

    #[test]
    fn a_role_whose_nodes_are_not_ready_is_looked_at_again() {
        let spec = chapter().build().unwrap();
        let mut now = applied(&spec);
        now.nodes.clear();
        let plan = spec.plan(&now).unwrap();
        assert_eq!(plan.step("k8s/aws-auth").unwrap().action, Action::Update);
        assert_eq!(plan.step("k8s/nodes/chap10-worker").unwrap().action, Action::Create);
    }

    #[test]
    fn changes_in_place_and_those_that_are_refused() {
        let base = || ObjectsSpec::builder(&owner(), cluster(AuthenticationMode::Api));
        let class = || StorageClass::gp3("fast");
        let service = || Service::load_balancer("web").port(80, 80).selector("app", "web");
        let before = base()
            .storage_class(class())
            .claim(Claim::new("data", "10Gi").class("fast"))
            .pod(Pod::new("web", "nginx:1"))
            .service(service())
            .build()
            .unwrap();
        let now = applied(&before);
        let spec = |class: StorageClass, size: &str, pod: Pod, service: Service| {
            base().storage_class(class).claim(Claim::new("data", size).class("fast")).pod(pod).service(service).build().unwrap()
        };
        let plan = spec(class(), "20Gi", Pod::new("web", "nginx:2"), service().port(443, 8443)).plan(&now).unwrap();
        let lines: Vec<_> = plan.changes().flat_map(|step| step.changes.clone()).collect();
        assert_eq!(
            lines,
            [
                "spec.resources.requests.storage: 10Gi → 20Gi",
                "spec.containers[web].image: nginx:1 → nginx:2",
                "spec.ports[tcp-443]: nothing → {\"name\":\"tcp-443\",\"port\":443,\"protocol\":\"TCP\",\"targetPort\":8443}",
            ]
        );
        let pod = || Pod::new("web", "nginx:1");
        for (spec, rule) in [
            (spec(class().iops(4000), "10Gi", pod(), service()), "parameters, provisioner"),
            (spec(class().zone("us-east-1a").binding(Binding::Immediate), "10Gi", pod(), service()), "binding mode"),
            (spec(class(), "5Gi", pod(), service()), "never shrinks"),
            (spec(class(), "10Gi", pod().zone("us-east-1a"), service()), "only images change"),
            (spec(class(), "10Gi", pod(), service().network()), "leaks it"),
            (spec(class(), "10Gi", pod(), service().internet_facing()), "→ nothing: on a Service"),
        ] {
            let error = spec.plan(&now).unwrap_err();
            assert!(matches!(error, Error::Refused { .. }) && error.to_string().contains(rule), "{error}");
        }
    }

    #[test]
    fn the_form_of_2018_is_pointed_out() {
        let spec = ObjectsSpec::builder(&owner(), cluster(AuthenticationMode::ConfigMap))
            .nodes(workers("w"))
            .map_role("w", workers("w").role)
            .storage_class(StorageClass::in_tree_gp2("gp2-us-east-1a", "us-east-1a").binding(Binding::Immediate))
            .claim(Claim::new("pvc-a", "10Gi").class("gp2-us-east-1a"))
            .pod(Pod::new("nginx", "nginx").mount("pvc-a", "/data").node_selector(crate::LEGACY_ZONE_LABEL, "us-east-1a"))
            .build()
            .unwrap();
        let plan = spec.plan(&Observed::nothing(&spec)).unwrap();
        assert_eq!(plan.findings().len(), 3);
        assert!(plan.has_warnings());
        let claim = plan.step("k8s/claim/default/pvc-a").unwrap();
        assert!(claim.needs.iter().any(|key| key.as_str() == "cluster/addon/aws-ebs-csi-driver"), "binding at once needs the driver");
    }
}
