//! What Kubernetes allows as names, label keys and label values.

use eks_core::{KEY_TAG, OWNER_TAG, Problems};

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_qualified(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=63).contains(&text.len())
        && text.bytes().all(fine)
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().last().is_some_and(|b| b.is_ascii_alphanumeric())
}

/// Names of namespaces, and of what becomes part of a container's or volume's name: a DNS label.
pub(crate) fn check_label(problems: &mut Problems, subject: &str, name: &str) {
    if !is_label(name) {
        problems.add(
            "name",
            subject,
            format!("{name:?} is not an RFC 1123 label: 1–63 of a-z 0-9 -, beginning and ending with a letter or digit"),
            "choose another name",
        );
    }
}

/// Names of Services: a DNS label that begins with a letter (RFC 1035).
pub(crate) fn check_service(problems: &mut Problems, subject: &str, name: &str) {
    if !is_label(name) || name.starts_with(|c: char| c.is_ascii_digit()) {
        problems.add(
            "name",
            subject,
            format!("{name:?} is not an RFC 1035 label: 1–63 of a-z 0-9 -, beginning with a letter, ending with a letter or digit"),
            "choose another name",
        );
    }
}

/// Names of most objects: a DNS subdomain.
pub(crate) fn check_subdomain(problems: &mut Problems, subject: &str, name: &str) {
    if !is_subdomain(name) {
        problems.add(
            "name",
            subject,
            format!(
                "{name:?} is not an RFC 1123 subdomain: labels of a-z 0-9 - joined by dots, each beginning and ending with a letter or digit, 253 characters at most"
            ),
            "choose another name",
        );
    }
}

/// Keys of labels and annotations.
pub(crate) fn check_key(problems: &mut Problems, subject: &str, key: &str) {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if !is_qualified(name) || prefix.is_some_and(|prefix| !is_subdomain(prefix)) {
        problems.add(
            "label-key",
            subject,
            format!("{key:?} is not a key: an optional DNS prefix and /, then 1–63 letters, digits, - _ ., beginning and ending with a letter or digit"),
            "correct the key",
        );
    }
}

/// A label or annotation that the user puts on an object of ours.
pub(crate) fn check_unreserved(problems: &mut Problems, subject: &str, key: &str) {
    if [OWNER_TAG, KEY_TAG].contains(&key) {
        problems.add("label-key", subject, format!("{key:?} is a key by which eks-rs finds what it made"), "use another key");
    }
}

/// A label: its key and its value.
pub(crate) fn check_pair(problems: &mut Problems, subject: &str, key: &str, value: &str) {
    check_key(problems, subject, key);
    if !value.is_empty() && !is_qualified(value) {
        problems.add(
            "label-value",
            subject,
            format!(
                "{value:?} of {key} is not a label value: at most 63 letters, digits, - _ ., beginning and ending with a letter or digit"
            ),
            "correct the value",
        );
    }
}

/// Ports.
pub(crate) fn check_port(problems: &mut Problems, subject: &str, port: u32) {
    if !(1..=65535).contains(&port) {
        problems.add("port", subject, format!("port {port} is not within 1–65535"), "choose a port from 1 to 65535");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert!(is_label("pvc-a") && is_label("0a") && !is_label("-a") && !is_label("A") && !is_label(&"a".repeat(64)));
        assert!(is_subdomain("gp3.us-east-1a") && !is_subdomain("a..b") && !is_subdomain("a_b"));
        for (key, fine) in [("app", true), ("topology.kubernetes.io/zone", true), ("a/b/c", false), ("", false)] {
            let mut problems = Problems::new();
            check_key(&mut problems, "x", key);
            assert_eq!(problems.is_empty(), fine, "{key:?}");
        }
        let mut problems = Problems::new();
        check_unreserved(&mut problems, "x", "eks-rs/key");
        check_pair(&mut problems, "x", "a", "b c");
        check_port(&mut problems, "x", 0);
        check_port(&mut problems, "x", 65536);
        check_service(&mut problems, "x", "9x");
        assert_eq!(problems.finish("s", || ()).unwrap_err().problems.len(), 5);
    }
}
