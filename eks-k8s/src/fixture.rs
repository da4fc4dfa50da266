//! A cluster and the chapter's objects, for tests.

use eks_core::{AuthenticationMode, ClusterName, ClusterRefs, Owner, Ref, StepKey, WorkersRefs};

use serde_json::{Value, json};

use crate::{Access, Claim, ObjectsSpec, ObjectsSpecBuilder, Pod, Service, StorageClass};

fn key(text: &str) -> StepKey {
    text.parse().expect("a key")
}

pub(crate) fn owner() -> Owner {
    Owner::new("chap10").expect("an owner")
}

pub(crate) fn access() -> Access {
    Access {
        name: ClusterName::new("chap10").expect("a name"),
        endpoint: "https://chap10.example".to_owned(),
        certificate_authority: "Q0E=".to_owned(),
    }
}

pub(crate) fn cluster(authentication: AuthenticationMode) -> ClusterRefs {
    let plane = || key("cluster/control-plane");
    ClusterRefs {
        name: ClusterName::new("chap10").expect("a name"),
        version: "1.36".to_owned(),
        endpoint: Ref::output(plane(), "endpoint"),
        certificate_authority: Ref::output(plane(), "certificate_authority"),
        service_cidr: Ref::output(plane(), "service_cidr"),
        security_groups: Vec::new(),
        cluster_security_group: Ref::output(plane(), "cluster_security_group"),
        authentication,
        nodes_need: vec![key("cluster/addon/vpc-cni")],
        volumes_need: vec![key("cluster/addon/aws-ebs-csi-driver")],
    }
}

pub(crate) fn workers(name: &str) -> WorkersRefs {
    let step = key(&format!("nodes/{name}"));
    WorkersRefs {
        name: name.to_owned(),
        role: Ref::output(step.clone(), "role"),
        desired: 2,
        node_label: ("eks-rs/workers".to_owned(), name.to_owned()),
        running: vec![step],
    }
}

/// Section 5 of the chapter, with aws-auth.
pub(crate) fn chapter() -> ObjectsSpecBuilder {
    let workers = workers("chap10-worker");
    ObjectsSpec::builder(&owner(), cluster(AuthenticationMode::ApiAndConfigMap))
        .map_role("chap10-worker", workers.role.clone())
        .nodes(workers)
        .storage_class(StorageClass::gp3("gp3-us-east-1a").zone("us-east-1a"))
        .storage_class(StorageClass::gp3("gp3-us-east-1b").zone("us-east-1b"))
        .claim(Claim::new("pvc-a", "10Gi").class("gp3-us-east-1a"))
        .claim(Claim::new("pvc-b", "10Gi").class("gp3-us-east-1b"))
        .pod(Pod::new("nginx", "nginx:1.29").port(80).mount("pvc-a", "/data").zone("us-east-1a"))
        .service(Service::load_balancer("nginx").internal().port(80, 80).selector("app", "nginx"))
        .service(Service::load_balancer("nginx-external").internet_facing().network().port(80, 80).selector("app", "nginx"))
        .service_needs([key("net/route-table/public")])
}

/// What a merge patch makes of an object (RFC 7396).
pub(crate) fn merged(object: &Value, patch: Option<Value>) -> Value {
    fn merge(into: &mut Value, patch: &Value) {
        let Some(fields) = patch.as_object() else { return *into = patch.clone() };
        if !into.is_object() {
            *into = json!({});
        }
        for (name, value) in fields {
            if value.is_null() {
                into.as_object_mut().expect("an object").remove(name);
            } else {
                merge(&mut into[name], value);
            }
        }
    }
    let mut merged = object.clone();
    if let Some(patch) = patch {
        merge(&mut merged, &patch);
    }
    merged
}
