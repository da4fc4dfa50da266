//! What EKS does to the nodes of managed groups, by the rights of its ClusterRole `eks:node-manager` (user guide, "Managed node group
//! error codes": reads and patches nodes, evicts and deletes Pods), and to aws-auth.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use serde_yaml_ng::{Value as Yaml, from_str, to_string};

use super::{
    delete, evict, kinds, nodes,
    store::{self, Key, items, text},
};
use crate::world::World;

/// A node of a managed group.
#[derive(Clone, Debug)]
pub(crate) struct GroupNode {
    pub(crate) name: String,
    pub(crate) instance: String,
    pub(crate) is_ready: bool,
    pub(crate) labels: BTreeMap<String, String>,
}

const GROUP: &str = "eks.amazonaws.com/nodegroup";
const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

fn label<'a>(object: &'a Value, name: &str) -> &'a str {
    object["metadata"]["labels"][name].as_str().unwrap_or_default()
}

/// The nodes of a group, by name.
pub(crate) fn group_nodes(world: &World, cluster: &str, group: &str) -> Vec<GroupNode> {
    let nodes = store::all(world, cluster, &kinds::NODE);
    let of_group = nodes.iter().filter(|(_, node)| label(node, GROUP) == group);
    let shown = of_group.map(|(key, node)| {
        let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
        GroupNode {
            name: key.name.clone(),
            instance: text(node, "/spec/providerID").rsplit('/').next().unwrap_or_default().to_owned(),
            is_ready: nodes::is_ready(node),
            labels: labels.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect(),
        }
    });
    shown.collect()
}

/// "marks nodes as unschedulable …. It also labels nodes with node.kubernetes.io/exclude-from-external-load-balancers=true".
pub(crate) fn close_node(world: &mut World, cluster: &str, name: &str) {
    store::edit(world, cluster, &Key::new(&kinds::NODE, "", name), |node| {
        node["spec"]["unschedulable"] = json!(true);
        node["metadata"]["labels"][EXCLUDED] = json!("true");
    });
}

type Taint = (String, String, &'static str);

/// Gives the nodes of a group the labels and taints that it has now, and takes off those that it had.
pub(crate) fn mark_group(
    world: &mut World,
    cluster: &str,
    group: &str,
    (labels, gone): (&BTreeMap<String, String>, &[String]),
    (taints, before): (&[Taint], &[Taint]),
) {
    for node in group_nodes(world, cluster, group) {
        store::edit(world, cluster, &Key::new(&kinds::NODE, "", &node.name), |node| {
            if let Some(present) = node["metadata"]["labels"].as_object_mut() {
                present.retain(|key, _| !gone.contains(key));
                present.extend(labels.iter().map(|(key, value)| (key.clone(), json!(value))));
            }
            let ours = |taint: &Value| {
                let same = |(key, _, effect): &Taint| text(taint, "/key") == key && text(taint, "/effect") == *effect;
                taints.iter().chain(before).any(same)
            };
            let mut kept = items(node, "/spec/taints").to_vec();
            kept.retain(|taint| !ours(taint));
            kept.extend(taints.iter().map(|(key, value, effect)| json!({"key": key, "value": value, "effect": effect})));
            node["spec"]["taints"] = json!(kept);
        });
    }
}

/// One try to evict every Pod of a node, or, by force, its deletion; Pods of DaemonSets stay. How many are left.
pub(crate) fn evict_from(world: &mut World, cluster: &str, node: &str, force: bool) -> usize {
    let mut left = 0;
    for (key, pod) in store::all(world, cluster, &kinds::POD) {
        let owners = items(&pod, "/metadata/ownerReferences");
        let stays = owners.iter().any(|owner| text(owner, "/kind") == "DaemonSet")
            || pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_string()
            || ["Succeeded", "Failed"].contains(&text(&pod, "/status/phase"));
        if text(&pod, "/spec/nodeName") != node || stays {
            continue;
        }
        left += 1;
        if force {
            delete::remove(world, cluster, &key, Some(0), "Background");
        } else if !store::deleting(&pod) && evict::is_allowed(world, cluster, &key, &pod) {
            delete::remove(world, cluster, &key, None, "Background");
        }
    }
    left
}

fn aws_auth() -> Key {
    Key::new(&kinds::CONFIG_MAP, "kube-system", "aws-auth")
}

fn roles(map: Option<&Value>) -> Vec<Yaml> {
    map.and_then(|map| from_str(text(map, "/data/mapRoles")).ok()).unwrap_or_default()
}

fn is_of(entry: &Yaml, role: &str) -> bool {
    entry.get("rolearn").and_then(Yaml::as_str) == Some(role)
}

fn write(world: &mut World, cluster: &str, roles: &[Yaml]) {
    // YAML that was read, and entries of texts: this cannot fail.
    let text = to_string(roles).unwrap_or_default();
    if store::fetch(world, cluster, &aws_auth()).is_some() {
        store::edit(world, cluster, &aws_auth(), |map| map["data"]["mapRoles"] = json!(text));
    } else {
        store::create(world, cluster, &aws_auth(), json!({"metadata": {}, "data": {"mapRoles": text}}));
    }
}

/// "Amazon EKS adds entries to the aws-auth ConfigMap when you create the node group" ("Nodes fail to join cluster").
pub(crate) fn map_node_role(world: &mut World, cluster: &str, role: &str, windows: bool) {
    let mut roles = roles(store::fetch(world, cluster, &aws_auth()).as_deref());
    if roles.iter().any(|entry| is_of(entry, role)) {
        return;
    }
    let mut groups = vec!["system:bootstrappers", "system:nodes"];
    groups.extend(windows.then_some("eks:kube-proxy-windows"));
    let entry = json!({"rolearn": role, "username": "system:node:{{EC2PrivateDNSName}}", "groups": groups});
    roles.extend(serde_yaml_ng::to_value(entry).ok());
    write(world, cluster, &roles);
}

/// Takes a role off aws-auth.
pub(crate) fn unmap_node_role(world: &mut World, cluster: &str, role: &str) {
    let mut roles = roles(store::fetch(world, cluster, &aws_auth()).as_deref());
    let had = roles.len();
    roles.retain(|entry| !is_of(entry, role));
    if roles.len() < had {
        write(world, cluster, &roles);
    }
}
