//! Why a kubeconfig was not written.

use std::{fmt, io, path::PathBuf};

/// Why a kubeconfig was not written. Whatever the documents themselves forbid is found before the first file is written; if a file then
/// cannot be written, it is as it was, and those before it are written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KubeconfigError {
    /// It is no YAML.
    #[error("line {line} is no YAML, near {near:?}; mend the file, or name another one in KUBECONFIG")]
    Broken {
        /// Counted from 1.
        line: usize,
        /// The line's key, if it is one that kubeconfigs have; its value may be secret.
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
    /// A user or a context that is not of this cluster has the entry's name.
    #[error("the {what} {name:?} is not this cluster's; name the {what} of the entry otherwise")]
    Foreign {
        /// `user` or `context`.
        what: &'static str,
        /// Its name.
        name: String,
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

/// Keys of a kubeconfig, which are no secrets ("kubeconfig (v1)").
const KEYS: [&str; 33] = [
    "apiVersion",
    "args",
    "as",
    "auth-provider",
    "certificate-authority",
    "certificate-authority-data",
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "cluster",
    "clusters",
    "command",
    "config",
    "context",
    "contexts",
    "current-context",
    "env",
    "exec",
    "interactiveMode",
    "kind",
    "name",
    "namespace",
    "password",
    "preferences",
    "proxy-url",
    "server",
    "token",
    "tokenFile",
    "user",
    "username",
    "users",
    "value",
];

/// A line for people. Any value may be a token, a password or a key, and in flow style a line has several: none is shown. Nor is what
/// only looks like a key, as it may be the middle of a value.
fn without_secrets(line: &str) -> String {
    let Some((key, value)) = line.split_once(':') else { return "…".to_owned() };
    if !KEYS.contains(&key.trim_start_matches([' ', '-'])) {
        return "…".to_owned();
    }
    if value.trim().is_empty() { format!("{key}:") } else { format!("{key}: …") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(without_secrets("    token: abc: def"), "    token: …");
        assert_eq!(without_secrets("  client-key-data: AAAA"), "  client-key-data: …");
        assert_eq!(without_secrets("AAAABBBBCCCC"), "…");
        assert_eq!(without_secrets("s3cr3t: more"), "…", "the middle of a value");
        assert_eq!(without_secrets("- name: x: y"), "- name: …");
        assert_eq!(without_secrets("users:"), "users:");
        for flow in ["  user: {token: s3cr3t}", "- {name: a, user: {token: s3cr3t}}", "  server: https://jane:s3cr3t@proxy"] {
            assert!(!without_secrets(flow).contains("s3cr3t"), "{flow}");
        }
    }
}
