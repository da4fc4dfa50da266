//! AL2023. amazon-eks-ami: `nodeadm/doc/api.md`, `doc/examples.md`, `internal/api/types.go`; Kubernetes reference, "Kubelet
//! Configuration (v1beta1)".

use serde_json::Value;

use super::{
    Told, kubelet,
    schema::{Schema, address, any, base64, cidr, duration, quantity, resource, signal, threshold, url},
};

const COUNT: Schema = Schema::Integer(0, i32::MAX as i64);
const PERCENT: Schema = Schema::Integer(0, 100);

const KUBELET_CONFIGURATION: Schema = Schema::Object(&[
    ("clusterDNS", false, Schema::List(&Schema::Text(address))),
    ("containerLogMaxFiles", false, COUNT),
    ("containerLogMaxSize", false, Schema::Text(quantity)),
    ("evictionHard", false, Schema::Map(signal, &Schema::Text(threshold))),
    ("evictionSoft", false, Schema::Map(signal, &Schema::Text(threshold))),
    ("evictionSoftGracePeriod", false, Schema::Map(signal, &Schema::Text(duration))),
    ("imageGCHighThresholdPercent", false, PERCENT),
    ("imageGCLowThresholdPercent", false, PERCENT),
    ("kubeReserved", false, Schema::Map(resource, &Schema::Text(quantity))),
    ("maxPods", false, COUNT),
    ("podPidsLimit", false, COUNT),
    ("registryBurst", false, COUNT),
    ("registryPullQPS", false, COUNT),
    ("systemReserved", false, Schema::Map(resource, &Schema::Text(quantity))),
]);

const NODE_CONFIG: Schema = Schema::Object(&[
    ("apiVersion", true, Schema::Text(|text| text == "node.eks.aws/v1alpha1")),
    ("kind", true, Schema::Text(|text| text == "NodeConfig")),
    (
        "spec",
        true,
        Schema::Object(&[
            (
                "cluster",
                true,
                Schema::Object(&[
                    ("apiServerEndpoint", true, Schema::Text(url)),
                    ("certificateAuthority", true, Schema::Text(base64)),
                    ("cidr", true, Schema::Text(cidr)),
                    ("name", true, Schema::Text(any)),
                ]),
            ),
            ("containerd", false, Schema::Object(&[("config", false, Schema::Text(any))])),
            ("featureGates", false, Schema::Map(|gate| ["InstanceIdNodeName", "FastImagePull"].contains(&gate), &Schema::Boolean)),
            (
                "instance",
                false,
                Schema::Object(&[
                    ("environment", false, Schema::Map(any, &Schema::Map(any, &Schema::Text(any)))),
                    (
                        "localStorage",
                        false,
                        Schema::Object(&[
                            ("mountPath", false, Schema::Text(any)),
                            ("strategy", false, Schema::Text(|text| ["RAID0", "RAID10", "Mount"].contains(&text))),
                        ]),
                    ),
                ]),
            ),
            (
                "kubelet",
                false,
                Schema::Object(&[
                    ("config", false, KUBELET_CONFIGURATION),
                    ("flags", false, Schema::List(&Schema::Text(any))),
                    ("maxPodsExpression", false, Schema::Text(any)),
                ]),
            ),
        ]),
    ),
]);

/// The parts of a MIME multipart document (RFC 2046), type and body.
fn parts(text: &str) -> Result<Vec<(String, String)>, String> {
    let (head, body) = text.split_once("\n\n").ok_or("no header")?;
    let header = |head: &str, name: &str| {
        head.lines()
            .find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()))
    };
    if header(head, "MIME-Version").as_deref() != Some("1.0") {
        return Err("no MIME-Version".to_owned());
    }
    let kind = header(head, "Content-Type").ok_or("no Content-Type")?;
    let boundary = kind.strip_prefix("multipart/mixed; boundary=").ok_or("not multipart/mixed")?.trim_matches('"').to_owned();
    let (inside, after) = body.split_once(&format!("\n--{boundary}--")).ok_or("no end")?;
    if !after.trim().is_empty() {
        return Err("something after the end".to_owned());
    }
    let delimiter = format!("--{boundary}\n");
    let inside = format!("\n{inside}");
    inside
        .split(&format!("\n{delimiter}"))
        .skip(1)
        .map(|part| {
            let (head, body) = part.split_once("\n\n").ok_or("a part without a header")?;
            Ok((header(head, "Content-Type").ok_or("a part without a type")?, body.to_owned()))
        })
        .collect()
}

/// What nodeadm is told, and the scripts beside it.
pub(crate) fn nodeadm(text: &str) -> Result<(Told, Vec<String>), String> {
    let mut told = Told::default();
    let (mut scripts, mut configs) = (Vec::new(), 0);
    for (kind, body) in parts(text)? {
        match kind.split(';').next() {
            Some("application/node.eks.aws") => {
                configs += 1;
                let value: Value = serde_yaml_ng::from_str(&body).map_err(|error| error.to_string())?;
                let faults = NODE_CONFIG.faults("", &value);
                if !faults.is_empty() {
                    return Err(faults.join("\n"));
                }
                take(&value["spec"], &mut told)?;
            }
            Some("text/x-shellscript") if body.starts_with("#!") => scripts.push(body),
            _ => return Err(format!("a part of type {kind}")),
        }
    }
    if configs == 1 { Ok((told, scripts)) } else { Err(format!("{configs} NodeConfigs")) }
}

fn take(spec: &Value, told: &mut Told) -> Result<(), String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    told.cluster = text(&spec["cluster"]["name"]);
    told.endpoint = text(&spec["cluster"]["apiServerEndpoint"]);
    told.authority = text(&spec["cluster"]["certificateAuthority"]);
    let flags: Vec<_> = spec["kubelet"]["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let faults = kubelet::flags(flags, told);
    if !faults.is_empty() {
        return Err(faults.join("\n"));
    }
    let config = &spec["kubelet"]["config"];
    // nodeadm: "CIDR … is used to infer your cluster's DNS address", unless the kubelet's configuration says one.
    told.dns = config["clusterDNS"][0].as_str().map_or_else(|| "of the CIDR".to_owned(), ToOwned::to_owned);
    told.max_pods = config["maxPods"].as_i64();
    let names = [
        ("containerLogMaxFiles", "container-log-max-files"),
        ("containerLogMaxSize", "container-log-max-size"),
        ("evictionHard", "eviction-hard"),
        ("evictionSoft", "eviction-soft"),
        ("evictionSoftGracePeriod", "eviction-soft-grace-period"),
        ("imageGCHighThresholdPercent", "image-gc-high-threshold"),
        ("imageGCLowThresholdPercent", "image-gc-low-threshold"),
        ("kubeReserved", "kube-reserved"),
        ("podPidsLimit", "pod-max-pids"),
        ("registryBurst", "registry-burst"),
        ("registryPullQPS", "registry-qps"),
        ("systemReserved", "system-reserved"),
    ];
    for (field, flag) in names {
        match &config[field] {
            Value::Null => {}
            Value::Object(map) => told.kubelet.extend(map.iter().map(|(key, value)| (format!("{flag}.{key}"), text(value)))),
            value => {
                told.kubelet.insert(flag.to_owned(), text(value));
            }
        }
    }
    Ok(())
}
