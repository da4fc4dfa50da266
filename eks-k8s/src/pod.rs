//! Pods: one container, with the volumes that it mounts.

use std::collections::BTreeMap;

use eks_core::{Problems, ZoneName};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    labels::{LEGACY_ZONE_LABEL, ZONE_LABEL},
    name,
};

/// A Pod with one container. Only its image changes in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    pub(crate) name: String,
    image: String,
    labels: BTreeMap<String, String>,
    ports: Vec<u32>,
    /// Claim and path.
    pub(crate) mounts: Vec<(String, String)>,
    pub(crate) node_selector: BTreeMap<String, String>,
}

impl Pod {
    /// A Pod that runs `image`, anywhere, with label `app=<name>`.
    pub fn new(name: impl Into<String>, image: impl Into<String>) -> Self {
        let name = name.into();
        let labels = BTreeMap::from([("app".to_owned(), name.clone())]);
        Self { name, image: image.into(), labels, ports: Vec::new(), mounts: Vec::new(), node_selector: BTreeMap::new() }
    }

    /// A label, by which Services find it.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// A port that the container listens on.
    #[must_use]
    pub fn port(mut self, port: u32) -> Self {
        self.ports.push(port);
        self
    }

    /// Mounts the volume of a claim of the spec at `path`.
    #[must_use]
    pub fn mount(mut self, claim: impl Into<String>, path: impl Into<String>) -> Self {
        self.mounts.push((claim.into(), path.into()));
        self
    }

    /// Only nodes of this zone: `topology.kubernetes.io/zone`.
    #[must_use]
    pub fn zone(self, zone: impl Into<String>) -> Self {
        self.node_selector(ZONE_LABEL, zone)
    }

    /// Only nodes with this label.
    #[must_use]
    pub fn node_selector(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.node_selector.insert(key.into(), value.into());
        self
    }

    /// The zone that its node selector asks for, in either generation of labels.
    pub(crate) fn wanted_zone(&self) -> Option<&str> {
        crate::zone_of(&self.node_selector)
    }

    pub(crate) fn has_legacy_zone(&self) -> bool {
        self.node_selector.contains_key(LEGACY_ZONE_LABEL)
    }

    pub(crate) fn manifest(&self, namespace: &str) -> Value {
        let mut container = json!({"name": self.name, "image": self.image});
        if !self.ports.is_empty() {
            container["ports"] = self.ports.iter().map(|port| json!({"containerPort": port})).collect();
        }
        let mut spec = json!({});
        if !self.mounts.is_empty() {
            container["volumeMounts"] = self.mounts.iter().map(|(claim, path)| json!({"name": claim, "mountPath": path})).collect();
            let mut claims: Vec<_> = self.mounts.iter().map(|(claim, _)| claim).collect();
            claims.sort();
            claims.dedup();
            spec["volumes"] = claims.iter().map(|claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}})).collect();
        }
        spec["containers"] = json!([container]);
        if !self.node_selector.is_empty() {
            spec["nodeSelector"] = json!(self.node_selector);
        }
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "namespace": namespace, "labels": self.labels},
            "spec": spec,
        })
    }

    pub(crate) fn check(&self, problems: &mut Problems) {
        let subject = format!("pod {}", self.name);
        // It names the container too.
        name::check_label(problems, &subject, &self.name);
        if self.image.is_empty() || self.image.contains(char::is_whitespace) {
            problems.add("image", &subject, format!("{:?} names no image", self.image), "name an image such as nginx:1.29");
        }
        self.labels.keys().for_each(|key| name::check_unreserved(problems, &subject, key));
        for (key, value) in self.labels.iter().chain(&self.node_selector) {
            name::check_pair(problems, &subject, key, value);
        }
        for port in &self.ports {
            name::check_port(problems, &subject, *port);
        }
        if let Some(Err(error)) = self.wanted_zone().map(ZoneName::new) {
            problems.add("zone", &subject, error.to_string(), "name a zone such as us-east-1a");
        }
        if let (Some(old), Some(new)) = (self.node_selector.get(LEGACY_ZONE_LABEL), self.node_selector.get(ZONE_LABEL))
            && old != new
        {
            problems.add("zone", &subject, format!("it asks for zone {new} and, by the old label, for {old}"), "ask for one zone");
        }
        let mut paths: Vec<_> = self.mounts.iter().map(|(_, path)| path).collect();
        paths.sort();
        if let Some(twice) = paths.windows(2).find(|pair| pair[0] == pair[1]) {
            problems.add("mount", &subject, format!("two volumes are mounted at {}", twice[0]), "mount each at its own path");
        }
        for (claim, path) in self.mounts.iter().filter(|(_, path)| !path.starts_with('/') || path.contains(':')) {
            problems.add(
                "mount",
                &subject,
                format!("{path:?}, where {claim} is mounted, is not an absolute path without colons"),
                "begin it with /",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chapter_s_pod() {
        let pod = Pod::new("nginx", "nginx:1.29").port(80).mount("pvc-a", "/data").zone("us-east-1a").manifest("default");
        assert_eq!(
            pod,
            json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "nginx", "namespace": "default", "labels": {"app": "nginx"}},
                "spec": {
                    "containers": [{"name": "nginx", "image": "nginx:1.29", "ports": [{"containerPort": 80}],
                                    "volumeMounts": [{"name": "pvc-a", "mountPath": "/data"}]}],
                    "volumes": [{"name": "pvc-a", "persistentVolumeClaim": {"claimName": "pvc-a"}}],
                    "nodeSelector": {"topology.kubernetes.io/zone": "us-east-1a"},
                },
            })
        );
    }

    #[test]
    fn problems_all_at_once() {
        let pod = Pod::new("a.b", "")
            .label("x y", "z")
            .port(0)
            .mount("a", "data")
            .mount("b", "data")
            .zone("us-east-1a")
            .node_selector(LEGACY_ZONE_LABEL, "us-east-1b");
        let mut problems = Problems::new();
        pod.check(&mut problems);
        let codes: Vec<_> = problems.finish("s", || ()).unwrap_err().problems.iter().map(|p| p.code).collect();
        assert_eq!(codes, ["name", "image", "label-key", "port", "zone", "mount", "mount", "mount"]);
    }
}
