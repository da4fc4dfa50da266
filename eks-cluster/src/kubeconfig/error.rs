//! Why a kubeconfig was not written.

use std::{fmt, io, path::PathBuf};

/// Why a kubeconfig was not written. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KubeconfigError {
    /// It is no YAML.
    #[error("line {line} is no YAML, near {near:?}; mend the file, or name another one in KUBECONFIG")]
    Broken {
        /// Counted from 1.
        line: usize,
        /// The line, without values that may be secret.
        near: String,
        /// Why not.
        #[source]
        source: serde_yaml_ng::Error,
    },
    /// It is YAML, but no kubeconfig.
    #[error("{rule}; mend the file, or name another one in KUBECONFIG")]
    NoKubeconfig {
        /// What is wrong.
        rule: String,
    },
    /// Its form does not let entries be changed without touching the others.
    #[error("{rule}; write it in block style (`kubectl config view --raw` does), or name another file in KUBECONFIG")]
    Form {
        /// What stands against it.
        rule: String,
    },
    /// A file.
    #[error("kubeconfig {}", path.display())]
    In {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<Self>,
    },
    /// A file cannot be read or written.
    #[error("kubeconfig {}: cannot {what}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read`, `write`, …
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Someone else holds kubectl's lock of the file.
    #[error("kubeconfig {}: locked by {} for ten seconds; if no kubectl runs, a killed one left it: remove it", path.display(), lock.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// The lock, a file too.
        lock: PathBuf,
    },
    /// Someone who takes no lock wrote it again and again while we did.
    #[error("kubeconfig {}: changes faster than it can be edited; try again", path.display())]
    Changing {
        /// The file.
        path: PathBuf,
    },
    /// There is no home directory, and KUBECONFIG is not set.
    #[error("no kubeconfig to write: KUBECONFIG names none, and there is no home directory; set KUBECONFIG")]
    Nowhere,
}

impl KubeconfigError {
    pub(super) fn io(path: &std::path::Path, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), what, source }
    }

    pub(super) fn in_file(self, path: &std::path::Path) -> Self {
        Self::In { path: path.to_owned(), source: Box::new(self) }
    }

    pub(super) fn form(rule: impl fmt::Display) -> Self {
        Self::Form { rule: rule.to_string() }
    }

    pub(super) fn broken(text: &str, source: serde_yaml_ng::Error) -> Self {
        let told = source.location().map_or(1, |location| location.line());
        // What lacks something is noticed behind it.
        let last = text.lines().enumerate().take(told).filter(|(_, line)| !line.trim().is_empty()).last();
        let (line, near) = last.map_or((told, String::new()), |(at, line)| (at + 1, without_secrets(line)));
        Self::Broken { line, near, source }
    }
}

/// A line for people: of values that may be a token, a password or a key, nothing.
fn without_secrets(line: &str) -> String {
    let shown = |text: &str| text.chars().take(60).collect::<String>();
    match line.split_once(':') {
        Some((key, value)) => {
            let lower = key.to_ascii_lowercase();
            let secret = ["token", "password", "key", "secret", "data", "value"].iter().any(|word| lower.contains(word));
            if secret && !value.trim().is_empty() { format!("{}: …", shown(key)) } else { shown(line) }
        }
        // Perhaps the middle of a value.
        None => line.chars().take(8).chain(line.chars().nth(8).map(|_| '…')).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(without_secrets("    token: abc: def"), "    token: …");
        assert_eq!(without_secrets("  client-key-data: AAAA"), "  client-key-data: …");
        assert_eq!(without_secrets("AAAABBBBCCCC"), "AAAABBBB…");
        assert_eq!(without_secrets("- name: x: y"), "- name: x: y");
        assert_eq!(without_secrets("users:"), "users:");
    }
}
