//! Flags of the kubelet. Kubernetes reference, "kubelet", options.

use super::{
    Told,
    schema::{duration, quantity, resource, signal, threshold},
};

fn number(text: &str) -> bool {
    text.parse::<u32>().is_ok()
}

/// Whether a list of `key<separator>value` has known keys and values.
fn pairs(text: &str, separator: char, key: fn(&str) -> bool, value: fn(&str) -> bool) -> bool {
    text.split(',').all(|pair| pair.split_once(separator).is_some_and(|(left, right)| key(left) && value(right)))
}

/// Takes flags in; tells those that the reference does not have.
pub(super) fn flags<'a>(flags: impl IntoIterator<Item = &'a str>, told: &mut Told) -> Vec<String> {
    let mut faults = Vec::new();
    for flag in flags {
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        let good = match name {
            "--node-labels" => {
                told.labels.extend(value.split(',').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())));
                value.split(',').all(|pair| pair.contains('='))
            }
            "--register-with-taints" => {
                told.taints.extend(value.split(',').map(ToOwned::to_owned));
                let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
                value
                    .split(',')
                    .all(|taint| taint.rsplit_once(':').is_some_and(|(key, effect)| !key.is_empty() && effects.contains(&effect)))
            }
            "--max-pods" => {
                told.max_pods = value.parse().ok();
                number(value)
            }
            "--kube-reserved" | "--system-reserved" => pairs(value, '=', resource, quantity),
            "--eviction-hard" | "--eviction-soft" => pairs(value, '<', signal, threshold),
            "--eviction-soft-grace-period" => pairs(value, '=', signal, duration),
            "--image-gc-high-threshold" | "--image-gc-low-threshold" => value.parse::<u8>().is_ok_and(|percent| percent <= 100),
            "--container-log-max-size" => quantity(value),
            "--container-log-max-files" | "--pod-max-pids" | "--registry-qps" | "--registry-burst" => number(value),
            _ => false,
        };
        if !good {
            faults.push(flag.to_owned());
        }
        match name {
            "--node-labels" | "--register-with-taints" | "--max-pods" => {}
            "--kube-reserved" | "--system-reserved" | "--eviction-hard" | "--eviction-soft" | "--eviction-soft-grace-period" => {
                let parts = value.split(',').filter_map(|pair| pair.split_once(['=', '<']));
                told.kubelet.extend(parts.map(|(key, value)| (format!("{}.{key}", &name[2..]), value.to_owned())));
            }
            _ => {
                told.kubelet.insert(name[2..].to_owned(), value.to_owned());
            }
        }
    }
    faults
}
