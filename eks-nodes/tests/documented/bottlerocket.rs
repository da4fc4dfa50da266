//! Bottlerocket's "API settings reference" (1.50.x): kubernetes, network, container-registry, host-containers.

use serde_json::Value;

use super::{
    Told,
    schema::{Schema, address, any, base64, duration, quantity, resource, signal, threshold, url},
};

const COUNT: Schema = Schema::Integer(0, i32::MAX as i64);
const PERCENT: Schema = Schema::Integer(0, 100);

/// "expressed as" value and effect: `true:NoSchedule`.
fn taint(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(_, effect)| ["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect))
}

const SETTINGS: Schema = Schema::Object(&[(
    "settings",
    true,
    Schema::Object(&[
        (
            "container-registry",
            false,
            Schema::Object(&[(
                "mirrors",
                false,
                Schema::List(&Schema::Object(&[
                    ("endpoint", true, Schema::List(&Schema::Text(url))),
                    ("registry", true, Schema::Text(any)),
                ])),
            )]),
        ),
        (
            "host-containers",
            false,
            Schema::Map(any, &Schema::Object(&[("enabled", false, Schema::Boolean), ("superpowered", false, Schema::Boolean)])),
        ),
        (
            "kubernetes",
            true,
            Schema::Object(&[
                ("api-server", true, Schema::Text(url)),
                ("cluster-certificate", true, Schema::Text(base64)),
                ("cluster-dns-ip", false, Schema::Text(address)),
                ("cluster-name", true, Schema::Text(any)),
                ("container-log-max-files", false, COUNT),
                ("container-log-max-size", false, Schema::Text(quantity)),
                ("eviction-hard", false, Schema::Map(signal, &Schema::Text(threshold))),
                ("eviction-soft", false, Schema::Map(signal, &Schema::Text(threshold))),
                ("eviction-soft-grace-period", false, Schema::Map(signal, &Schema::Text(duration))),
                ("image-gc-high-threshold-percent", false, PERCENT),
                ("image-gc-low-threshold-percent", false, PERCENT),
                ("kube-reserved", false, Schema::Map(resource, &Schema::Text(quantity))),
                ("max-pods", false, COUNT),
                ("node-labels", false, Schema::Map(any, &Schema::Text(|_| true))),
                ("node-taints", false, Schema::Map(any, &Schema::List(&Schema::Text(taint)))),
                ("pod-pids-limit", false, COUNT),
                ("registry-burst", false, COUNT),
                ("registry-qps", false, COUNT),
                ("system-reserved", false, Schema::Map(resource, &Schema::Text(quantity))),
            ]),
        ),
        (
            "network",
            false,
            Schema::Object(&[("https-proxy", false, Schema::Text(url)), ("no-proxy", false, Schema::List(&Schema::Text(any)))]),
        ),
    ]),
)]);

/// What a Bottlerocket node is told, and all its settings.
pub(crate) fn bottlerocket(text: &str) -> Result<(Told, Value), String> {
    let table: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
    let value = serde_json::to_value(table).map_err(|error| error.to_string())?;
    let faults = SETTINGS.faults("", &value);
    if !faults.is_empty() {
        return Err(faults.join("\n"));
    }
    let kubernetes = &value["settings"]["kubernetes"];
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let map = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let mut told = Told {
        cluster: text(&kubernetes["cluster-name"]),
        endpoint: text(&kubernetes["api-server"]),
        authority: text(&kubernetes["cluster-certificate"]),
        // "On AWS variants, this is derived from the EKS Service IP CIDR".
        dns: kubernetes["cluster-dns-ip"].as_str().unwrap_or("of the CIDR").to_owned(),
        labels: map(&kubernetes["node-labels"]).iter().map(|(key, value)| (key.clone(), text(value))).collect(),
        max_pods: kubernetes["max-pods"].as_i64(),
        ..Told::default()
    };
    for (key, values) in map(&kubernetes["node-taints"]) {
        told.taints.extend(values.as_array().into_iter().flatten().map(|value| format!("{key}={}", text(value))));
    }
    let names = [
        ("container-log-max-files", "container-log-max-files"),
        ("container-log-max-size", "container-log-max-size"),
        ("eviction-hard", "eviction-hard"),
        ("eviction-soft", "eviction-soft"),
        ("eviction-soft-grace-period", "eviction-soft-grace-period"),
        ("image-gc-high-threshold-percent", "image-gc-high-threshold"),
        ("image-gc-low-threshold-percent", "image-gc-low-threshold"),
        ("kube-reserved", "kube-reserved"),
        ("pod-pids-limit", "pod-max-pids"),
        ("registry-burst", "registry-burst"),
        ("registry-qps", "registry-qps"),
        ("system-reserved", "system-reserved"),
    ];
    for (field, flag) in names {
        match &kubernetes[field] {
            Value::Null => {}
            Value::Object(map) => told.kubelet.extend(map.iter().map(|(key, value)| (format!("{flag}.{key}"), text(value)))),
            value => {
                told.kubelet.insert(flag.to_owned(), text(value));
            }
        }
    }
    Ok((told, value))
}
