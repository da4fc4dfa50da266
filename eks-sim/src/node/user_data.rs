//! User data of workers: nodeadm's NodeConfig (AL2023) and bootstrap.sh (AL2).

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::{forms, max_pods};

/// What user data says about the node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct NodeConfig {
    pub(super) cluster: String,
    /// URL of the API server; absent if bootstrap.sh is to ask EKS.
    pub(super) endpoint: Option<String>,
    pub(super) certificate_authority: Option<String>,
    pub(super) labels: Vec<(String, String)>,
    /// `key=value:Effect`.
    pub(super) taints: Vec<String>,
    pub(super) max_pods: Option<u32>,
    /// Feature gate InstanceIdNodeName.
    pub(super) named_by_instance: bool,
}

/// A part of user data.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    content_type: String,
    body: String,
}

const NODE_CONFIG: &str = "application/node.eks.aws";
const BOOTSTRAP: &str = "/etc/eks/bootstrap.sh";

/// Whether user data has anything to do with EKS.
pub(super) fn is_for_eks(text: &str) -> bool {
    let windows_or_bottlerocket = [forms::SCRIPT, forms::SETTINGS].iter().any(|mark| text.contains(mark));
    windows_or_bottlerocket || parts(text).iter().any(|part| part.content_type == NODE_CONFIG || part.body.contains(BOOTSTRAP))
}

/// Whether a script in the user data calls bootstrap.sh.
pub(super) fn calls_bootstrap(text: &str) -> bool {
    parts(text).iter().any(|part| part.body.contains(BOOTSTRAP))
}

/// What nodeadm makes of user data; the error is what it logs before it aborts (nodeadm, `internal/api/validation.go`).
pub(super) fn nodeadm(text: &str) -> Result<NodeConfig, String> {
    let parts = parts(text);
    let mut config = Value::Null;
    for part in parts.iter().filter(|part| part.content_type == NODE_CONFIG) {
        let value: Value = serde_yaml_ng::from_str(&part.body).map_err(|error| format!("could not parse NodeConfig: {error}"))?;
        let member = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        if member("apiVersion") != "node.eks.aws/v1alpha1" || member("kind") != "NodeConfig" {
            return Err(format!("no kind \"{}\" is registered for version \"{}\"", member("kind"), member("apiVersion")));
        }
        merge(&mut config, value);
    }
    if config.is_null() {
        if parts.iter().any(|part| part.body.contains(BOOTSTRAP)) {
            return Err("bootstrap.sh: the AL2023 AMI does not support bootstrap.sh, use nodeadm with a NodeConfig instead; exit status 1"
                .to_owned());
        }
        return Err("no NodeConfig found in user data".to_owned());
    }
    let cluster = config.pointer("/spec/cluster").cloned().unwrap_or_default();
    let required = |name: &str, message: &str| {
        cluster.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(|| message.to_owned())
    };
    let name = required("name", "Name is missing in cluster configuration")?;
    let endpoint = required("apiServerEndpoint", "Apiserver endpoint is missing in cluster configuration")?;
    let authority = required("certificateAuthority", "Certificate authority is missing in cluster configuration")?;
    required("cidr", "CIDR is missing in cluster configuration")?;
    let mut node = NodeConfig { cluster: name, endpoint: Some(endpoint), certificate_authority: Some(authority), ..NodeConfig::default() };
    let kubelet = config.pointer("/spec/kubelet/config").cloned().unwrap_or_default();
    node.max_pods = kubelet.get("maxPods").and_then(max_pods::number);
    let taints = kubelet.get("registerWithTaints").and_then(Value::as_array).into_iter().flatten();
    node.taints = taints.filter_map(taint).collect();
    let flags = config.pointer("/spec/kubelet/flags").and_then(Value::as_array).into_iter().flatten();
    flags.filter_map(Value::as_str).for_each(|flag| node.flag(flag));
    node.named_by_instance = config.pointer("/spec/featureGates/InstanceIdNodeName").and_then(Value::as_bool) == Some(true);
    Ok(node)
}

/// What AL2's bootstrap.sh makes of user data.
pub(super) fn bootstrap(text: &str) -> Result<NodeConfig, String> {
    let script = parts(text).into_iter().find(|part| part.body.contains(BOOTSTRAP));
    let script = script.ok_or("user data does not call bootstrap.sh")?.body.replace("\\\n", " ");
    let line = script.lines().find(|line| !line.trim_start().starts_with('#') && line.contains(BOOTSTRAP)).unwrap_or_default();
    let words = words(line.split_once(BOOTSTRAP).map_or("", |(_, rest)| rest));
    let mut node = NodeConfig::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--apiserver-endpoint" => node.endpoint = words.next(),
            "--b64-cluster-ca" => node.certificate_authority = words.next(),
            "--kubelet-extra-args" => words.next().unwrap_or_default().split_whitespace().for_each(|flag| node.flag(flag)),
            "--use-max-pods" => {
                let off = words.next().is_some_and(|value| value == "false");
                node.max_pods = node.max_pods.or(off.then_some(110));
            }
            other if other.starts_with("--") => drop(words.next()),
            name if node.cluster.is_empty() => name.clone_into(&mut node.cluster),
            _ => {}
        }
    }
    if node.cluster.is_empty() { Err("CLUSTER_NAME is not defined".to_owned()) } else { Ok(node) }
}

impl NodeConfig {
    /// One kubelet flag.
    pub(super) fn flag(&mut self, flag: &str) {
        let Some((name, value)) = flag.split_once('=') else { return };
        match name {
            "--node-labels" => {
                self.labels.extend(value.split(',').filter_map(|label| label.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())));
            }
            "--register-with-taints" => self.taints.extend(value.split(',').filter(|taint| !taint.is_empty()).map(str::to_owned)),
            "--max-pods" => self.max_pods = value.parse().ok().or(self.max_pods),
            _ => {}
        }
    }
}

fn taint(value: &Value) -> Option<String> {
    let member = |name: &str| value.get(name).and_then(Value::as_str);
    Some(format!("{}={}:{}", member("key")?, member("value").unwrap_or_default(), member("effect")?))
}

/// Later parts win; kubelet flags add up.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                match (name.as_str(), into.get_mut(&name), value) {
                    ("flags", Some(Value::Array(into)), Value::Array(from)) => into.extend(from),
                    (_, Some(into), value) => merge(into, value),
                    (_, None, value) => drop(into.insert(name, value)),
                }
            }
        }
        (into, from) => *into = from,
    }
}

/// The parts of user data: those of a MIME multipart document, or the whole as one part.
fn parts(text: &str) -> Vec<Part> {
    let text = text.replace("\r\n", "\n");
    let (headers, body) = split_headers(&text);
    let content_type = header(&headers, "content-type");
    if let Some(boundary) = content_type.to_ascii_lowercase().starts_with("multipart/").then(|| boundary(&content_type)).flatten() {
        let delimiter = format!("--{boundary}");
        return body
            .split(&delimiter)
            .skip(1)
            .take_while(|part| !part.starts_with("--"))
            .map(|part| {
                let (headers, body) = split_headers(part.trim_start_matches('\n'));
                let content_type = header(&headers, "content-type");
                let content_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
                Part { content_type, body: decoded(&headers, body) }
            })
            .collect();
    }
    let kind = if text.starts_with("#!") {
        "text/x-shellscript"
    } else if text.contains("node.eks.aws/") {
        NODE_CONFIG
    } else {
        "text/plain"
    };
    vec![Part { content_type: kind.to_owned(), body: text }]
}

fn decoded(headers: &Map<String, Value>, body: &str) -> String {
    if header(headers, "content-transfer-encoding").eq_ignore_ascii_case("base64") {
        let packed: String = body.split_whitespace().collect();
        return STANDARD.decode(packed).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    }
    body.to_owned()
}

/// MIME headers by lower-case name, and what follows the blank line.
fn split_headers(text: &str) -> (Map<String, Value>, &str) {
    let Some((head, body)) = text.split_once("\n\n") else { return (Map::new(), text) };
    // A header's continuation lines are indented.
    let unfolded = head.replace("\n ", " ").replace("\n\t", " ");
    let headers = unfolded.lines().filter_map(|line| line.split_once(':'));
    (headers.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().into())).collect(), body)
}

fn header(headers: &Map<String, Value>, name: &str) -> String {
    headers.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn boundary(content_type: &str) -> Option<String> {
    let parameter = content_type.split(';').map(str::trim).find(|part| part.to_ascii_lowercase().starts_with("boundary="))?;
    Some(parameter["boundary=".len()..].trim_matches('"').to_owned())
}

/// The words of a shell line, quotes taken off.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut open) = (String::new(), None, false);
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), c) => word.push(c),
            (None, '"' | '\'') => (quote, open) = (Some(c), true),
            (None, c) if c.is_whitespace() => {
                if open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            (None, c) => word.push(c),
        }
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  cluster:
    name: c
    apiServerEndpoint: https://host
    certificateAuthority: Q0E=
    cidr: 172.20.0.0/16
  kubelet:
    config:
      maxPods: 30
      registerWithTaints:
        - {key: a, value: b, effect: NoSchedule}
    flags:
      - --node-labels=x=1,y=2
";

    fn mime(parts: &[&str]) -> String {
        let parts: String = parts.iter().map(|part| format!("--B\nContent-Type: application/node.eks.aws\n\n{part}\n")).collect();
        format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"B\"\n\n{parts}--B--\n")
    }

    #[test]
    fn node_config_in_mime_or_bare() {
        let bare = nodeadm(CONFIG).expect("valid");
        assert_eq!(bare, nodeadm(&mime(&[CONFIG])).expect("valid"));
        assert_eq!(bare.cluster, "c");
        assert_eq!(bare.labels, [("x".to_owned(), "1".to_owned()), ("y".to_owned(), "2".to_owned())]);
        assert_eq!(bare.taints, ["a=b:NoSchedule"]);
        assert_eq!(bare.max_pods, Some(30));
    }

    #[test]
    fn parts_merge_and_later_ones_win() {
        let second = "apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  kubelet:
    config: {maxPods: 50}
    flags: [--node-labels=z=3]
";
        let merged = nodeadm(&mime(&[CONFIG, second])).expect("valid");
        assert_eq!(merged.max_pods, Some(50));
        assert_eq!(merged.labels.len(), 3);
    }

    #[test]
    fn each_required_member_aborts_the_boot() {
        for (line, message) in [
            ("    name: c\n", "Name is missing in cluster configuration"),
            ("    apiServerEndpoint: https://host\n", "Apiserver endpoint is missing in cluster configuration"),
            ("    certificateAuthority: Q0E=\n", "Certificate authority is missing in cluster configuration"),
            ("    cidr: 172.20.0.0/16\n", "CIDR is missing in cluster configuration"),
        ] {
            assert_eq!(nodeadm(&CONFIG.replace(line, "")).expect_err("incomplete"), message);
        }
    }

    #[test]
    fn bootstrap_arguments() {
        let script = "#!/bin/bash\nset -o xtrace\n/etc/eks/bootstrap.sh c --kubelet-extra-args '--node-labels=a=b --register-with-taints=k=v:NoExecute' \\\n  --apiserver-endpoint https://host --b64-cluster-ca Q0E=\n";
        let node = bootstrap(script).expect("valid");
        assert_eq!((node.cluster.as_str(), node.endpoint.as_deref()), ("c", Some("https://host")));
        assert_eq!(node.taints, ["k=v:NoExecute"]);
        assert!(is_for_eks(script) && !is_for_eks("#!/bin/sh\necho hello\n"));
        assert!(nodeadm(script).expect_err("stub").contains("exit status 1"));
    }
}
