//! Whatever the builders can say, a file can say: every setter has its field, or a reason why it has none.
#![cfg(feature = "schema")]

use std::{fs, path::Path};

use eks_env::Environment;
use serde_json::Value;

/// Source, type with setters, and definition in the JSON Schema.
const TYPES: &[(&str, &str, &str)] = &[
    ("eks-net/src/spec.rs", "NetworkSpecBuilder", "Network"),
    ("eks-net/src/existing/spec.rs", "ExistingNetworkBuilder", "Existing"),
    ("eks-cluster/src/spec.rs", "ClusterSpecBuilder", "Cluster"),
    ("eks-cluster/src/plane/component.rs", "Components", "ComponentSettings"),
    ("eks-cluster/src/access/entry.rs", "AccessEntry", "AccessEntry"),
    ("eks-cluster/src/addon/mod.rs", "Addon", "Addon"),
    ("eks-cluster/src/addon/mod.rs", "AddonRemoval", "RemovedAddon"),
    ("eks-cluster/src/addon/role.rs", "AddonRole", "OwnRole"),
    ("eks-cluster/src/identity/pod_role.rs", "PodRole", "PodRole"),
    ("eks-cluster/src/identity/settings.rs", "RoleSettings", "Roles"),
    ("eks-cluster/src/identity/settings.rs", "NodeRole", "NodeRole"),
    ("eks-cluster/src/upgrade/spec.rs", "UpgradeBuilder", "Upgrade"),
    ("eks-nodes/src/spec.rs", "WorkersSpecBuilder", "Workers"),
    ("eks-nodes/src/kubelet.rs", "Kubelet", "Kubelet"),
    ("eks-nodes/src/managed/settings.rs", "Managed", "Managed"),
    ("eks-nodes/src/managed/settings.rs", "NodeRepair", "NodeRepair"),
    ("eks-nodes/src/image/al2.rs", "AmazonLinux2", "AmazonLinux2"),
    ("eks-nodes/src/image/al2023.rs", "AmazonLinux2023", "AmazonLinux2023"),
    ("eks-nodes/src/image/bottlerocket.rs", "Bottlerocket", "Bottlerocket"),
    ("eks-nodes/src/image/ubuntu.rs", "Ubuntu", "Ubuntu"),
    ("eks-nodes/src/image/windows.rs", "Windows", "Windows"),
    ("eks-nodes/src/image/pull.rs", "Proxy", "Proxy"),
    ("eks-nodes/src/image/pull.rs", "Mirror", "Mirror"),
    ("eks-k8s/src/spec.rs", "ObjectsSpecBuilder", "Objects"),
    ("eks-k8s/src/storage_class/class.rs", "StorageClass", "StorageClass"),
    ("eks-k8s/src/claim.rs", "Claim", "Claim"),
    ("eks-k8s/src/pod.rs", "Pod", "Pod"),
    ("eks-k8s/src/service/spec.rs", "Service", "Service"),
    ("eks-k8s/src/service/settings.rs", "Tls", "Tls"),
    ("eks-k8s/src/service/settings.rs", "HealthCheck", "HealthCheck"),
    ("eks-k8s/src/ingress/spec.rs", "Ingress", "Ingress"),
    ("eks-k8s/src/ingress/spec.rs", "IngressRule", "Rule"),
];

/// Setters whose field has another name.
const RENAMED: &[(&str, &str, &str)] = &[
    ("Network", "public_prefix", "publicSubnets"),
    ("Network", "private_prefix", "privateSubnets"),
    ("Network", "public_size", "publicSubnets"),
    ("Network", "private_size", "privateSubnets"),
    ("Network", "group", "subnetGroups"),
    ("Existing", "vpc_named", "vpcName"),
    ("Existing", "vpc_tagged", "vpcTags"),
    ("Existing", "subnets_tagged", "subnetTags"),
    ("Cluster", "authentication", "authenticationMode"),
    ("Cluster", "encryption", "encryptionKey"),
    ("Cluster", "cluster_role_policy", "rolePolicies"),
    ("Cluster", "remove_addon", "removedAddons"),
    ("Cluster", "addon", "moreAddons"),
    ("Cluster", "no_addons", "addons"),
    ("AccessEntry", "named", "name"),
    ("Addon", "irsa", "role"),
    ("Addon", "pod_identity", "role"),
    ("Addon", "without_role", "role"),
    ("RemovedAddon", "preserving_software", "preserveSoftware"),
    ("PodRole", "without_session_tags", "sessionTags"),
    ("Workers", "instance_warmup", "instanceWarmupSeconds"),
    ("Workers", "allow_public_subnets", "publicSubnets"),
    ("Workers", "amazon_template", "template"),
    ("StorageClass", "throughput", "throughputMib"),
    ("StorageClass", "default_class", "default"),
    ("StorageClass", "only_default_class", "onlyDefault"),
    ("Service", "internal", "internetFacing"),
    ("Service", "network", "kind"),
    ("Service", "classic", "kind"),
    ("Service", "port_of", "ports"),
    ("Service", "draining", "drainingSeconds"),
    ("Service", "idle_timeout", "idleTimeoutSeconds"),
    ("HealthCheck", "interval", "intervalSeconds"),
    ("HealthCheck", "timeout", "timeoutSeconds"),
    ("HealthCheck", "thresholds", "healthy"),
    ("Ingress", "internal", "internetFacing"),
    ("Ingress", "listen", "listeners"),
    ("Rule", "compared", "pathType"),
];

/// What only Rust can say, and why.
const RUST_ONLY: &[(&str, &str, &str)] = &[
    ("Cluster", "node_role_entry", "the role is a step's output; the environment's own workers are let in by themselves"),
    ("Cluster", "nodes_ready_after", "the environment waits for its own groups"),
    ("Objects", "nodes", "the environment waits for its own groups"),
    ("Objects", "map_role", "the environment maps the roles of its own groups where aws-auth needs it"),
    ("Objects", "service_needs", "the environment knows the routes of its own network"),
    ("Objects", "subnets", "what a program found in the account"),
    ("Objects", "controllers", "what a program found in the cluster"),
    ("Service", "after", "steps of a program's own"),
    ("Ingress", "after", "steps of a program's own"),
];

/// Public methods of a type that take it by value and give it back.
fn setters(source: &str, of: &str) -> Vec<String> {
    let mut found = Vec::new();
    for block in source.split(&format!("\nimpl {of} {{\n")).skip(1) {
        let block = block.split("\n}\n").next().unwrap_or_default();
        for line in block.lines().filter_map(|line| line.strip_prefix("    pub fn ")) {
            let (name, rest) = line.split_once(['(', '<']).unwrap_or((line, ""));
            let takes_itself = rest.contains("mut self") || rest.contains("(self") || rest.starts_with("self");
            if takes_itself && !rest.contains("&self") && rest.contains("-> Self") && name != "build" {
                found.push(name.to_owned());
            }
        }
    }
    found
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| text + &word[..1].to_uppercase() + &word[1..])
}

#[test]
fn every_setter_has_a_field_or_a_reason() {
    let schema = Environment::json_schema();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (file, of, definition) in TYPES {
        let source = fs::read_to_string(root.join(file)).expect(file);
        let fields = schema["$defs"][definition]["properties"].as_object().unwrap_or_else(|| panic!("no definition {definition}"));
        let setters = setters(&source, of);
        assert!(!setters.is_empty(), "no setters of {of} in {file}");
        for setter in setters {
            count += 1;
            if RUST_ONLY.iter().any(|(one, other, reason)| one == definition && *other == setter && !reason.is_empty()) {
                continue;
            }
            let renamed =
                RENAMED.iter().find(|(one, other, _)| one == definition && *other == setter).map(|(_, _, field)| (*field).to_owned());
            let name = camel(&setter);
            let plural = name.strip_suffix('y').map_or(format!("{name}s"), |start| format!("{start}ies"));
            let fits = match renamed {
                Some(field) => fields.contains_key(&field),
                None => [name.clone(), plural, format!("{name}es")].iter().any(|field| fields.contains_key(field)),
            };
            if !fits {
                wrong.push(format!("{of}::{setter} has no field in {definition}, and no reason why not"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 150, "{count} setters found");
}

#[test]
fn every_field_is_described() {
    let schema = Environment::json_schema();
    let mut bare = Vec::new();
    let definitions = schema["$defs"].as_object().expect("definitions").iter();
    for (name, definition) in definitions.chain([(&"the file".to_owned(), &schema)]) {
        for (field, of) in definition.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let is_iam = name == "PolicyDocument";
            if !is_iam && of.get("description").and_then(Value::as_str).is_none_or(str::is_empty) {
                bare.push(format!("{name}.{field}"));
            }
        }
    }
    assert!(bare.is_empty(), "{bare:?}");
}
