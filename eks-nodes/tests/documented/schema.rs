//! Documents as trees, and what a documentation says of their fields.

use serde_json::Value;

/// What a field may hold.
#[derive(Debug)]
pub(crate) enum Schema {
    Boolean,
    /// A whole number within.
    Integer(i64, i64),
    /// A list of one kind of things.
    List(&'static Self),
    /// A map with keys of one form.
    Map(fn(&str) -> bool, &'static Self),
    /// Exactly these fields; those with `true` must be there.
    Object(&'static [(&'static str, bool, Self)]),
    /// A text of a form.
    Text(fn(&str) -> bool),
}

impl Schema {
    /// Where the value is not as documented.
    pub(crate) fn faults(&self, at: &str, value: &Value) -> Vec<String> {
        let wrong = || vec![format!("{at}: {value}")];
        match (self, value) {
            (Self::Boolean, Value::Bool(_)) => Vec::new(),
            (Self::Integer(least, most), Value::Number(number)) => {
                if number.as_i64().is_some_and(|number| (*least..=*most).contains(&number)) { Vec::new() } else { wrong() }
            }
            (Self::List(item), Value::Array(items)) => {
                items.iter().enumerate().flat_map(|(n, value)| item.faults(&format!("{at}[{n}]"), value)).collect()
            }
            (Self::Map(key, item), Value::Object(map)) => map
                .iter()
                .flat_map(|(name, value)| {
                    let at = format!("{at}.{name}");
                    let mut faults = item.faults(&at, value);
                    faults.extend((!key(name)).then(|| format!("{at}: no such key")));
                    faults
                })
                .collect(),
            (Self::Object(fields), Value::Object(map)) => {
                let mut faults = Vec::new();
                for (name, required, field) in *fields {
                    match map.get(*name) {
                        Some(value) => faults.extend(field.faults(&format!("{at}.{name}"), value)),
                        None if *required => faults.push(format!("{at}.{name}: is missing")),
                        None => {}
                    }
                }
                let known = |name: &String| fields.iter().any(|(field, ..)| field == name);
                faults.extend(map.keys().filter(|name| !known(name)).map(|name| format!("{at}.{name}: no such field")));
                faults
            }
            (Self::Text(form), Value::String(text)) if form(text) => Vec::new(),
            _ => wrong(),
        }
    }
}

pub(crate) fn any(text: &str) -> bool {
    !text.is_empty()
}

pub(crate) fn url(text: &str) -> bool {
    text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).is_some_and(|host| !host.is_empty() && !host.contains(' '))
}

pub(crate) fn base64(text: &str) -> bool {
    !text.is_empty()
        && text.len().is_multiple_of(4)
        && text.trim_end_matches('=').bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

pub(crate) fn address(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

pub(crate) fn cidr(text: &str) -> bool {
    text.split_once('/').is_some_and(|(ip, length)| address(ip) && length.parse::<u8>().is_ok_and(|length| length <= 128))
}

/// Kubernetes API, "Quantity", without exponents.
pub(crate) fn quantity(text: &str) -> bool {
    let suffixes = ["Ki", "Mi", "Gi", "Ti", "m", "k", "M", "G", "T"];
    let number = suffixes.iter().find_map(|suffix| text.strip_suffix(suffix)).unwrap_or(text);
    number.parse::<f64>().is_ok_and(|number| number >= 0.0)
}

/// Kubernetes, "Node-pressure Eviction": a quantity or a percentage.
pub(crate) fn threshold(text: &str) -> bool {
    quantity(text) || text.strip_suffix('%').is_some_and(|share| share.parse::<f64>().is_ok_and(|share| (0.0..100.0).contains(&share)))
}

/// Go's durations, as the kubelet reads them.
pub(crate) fn duration(text: &str) -> bool {
    text.strip_suffix(['s', 'm', 'h']).is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Kubernetes, "Reserve Compute Resources for System Daemons".
pub(crate) fn resource(text: &str) -> bool {
    ["cpu", "memory", "ephemeral-storage"].contains(&text)
}

/// Kubernetes, "Node-pressure Eviction", eviction signals.
pub(crate) fn signal(text: &str) -> bool {
    ["memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree", "pid.available"]
        .contains(&text)
}
