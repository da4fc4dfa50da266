//! Where images of containers come from: proxies and mirrors.

use eks_core::Problems;

/// A proxy that the node's daemons use: containerd, the kubelet, and what fetches images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    pub(super) url: String,
    pub(super) no_proxy: Vec<String>,
}

impl Proxy {
    /// A proxy at `http://host:port`. User data is no place for secrets, so it has no name and no password.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), no_proxy: Vec::new() }
    }

    /// A host, domain or block that is reached without it. The API server, the VPC and the instance metadata belong here.
    #[must_use]
    pub fn except(mut self, host: impl Into<String>) -> Self {
        self.no_proxy.push(host.into());
        self
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        check_url("proxy", &self.url, problems);
        for host in &self.no_proxy {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'/' | b'*' | b'_');
            if host.is_empty() || !host.bytes().all(plain) {
                let rule = "must be a host, a domain or a block of addresses";
                problems.add("proxy-exception", format!("proxy exception {host:?}"), rule, "correct it");
            }
        }
    }
}

/// A mirror of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    pub(super) registry: String,
    pub(super) endpoints: Vec<String>,
}

impl Mirror {
    /// A mirror of `registry` (such as `docker.io`) at an address. The registry itself is asked last.
    pub fn new(registry: impl Into<String>, endpoint: impl Into<String>) -> Self {
        Self { registry: registry.into(), endpoints: vec![endpoint.into()] }
    }

    /// Another address, asked after those before it.
    #[must_use]
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoints.push(endpoint.into());
        self
    }
}

pub(super) fn check_mirrors(mirrors: &[Mirror], problems: &mut Problems) {
    for (at, mirror) in mirrors.iter().enumerate() {
        let registry = &mirror.registry;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b':');
        if registry.is_empty() || !registry.bytes().all(plain) {
            problems.add("mirror-registry", format!("mirror of {registry:?}"), "must be the host of a registry", "give it as docker.io");
        }
        if mirrors.iter().take(at).any(|before| before.registry == *registry) {
            let rule = "the registry is given twice";
            problems.add("mirror-twice", format!("mirror of {registry}"), rule, "give one mirror several endpoints");
        }
        for endpoint in &mirror.endpoints {
            check_url("mirror", endpoint, problems);
        }
    }
}

/// An address that can stand in any form of user data, and holds no secret.
fn check_url(what: &'static str, url: &str, problems: &mut Problems) {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let authority = rest.map(|rest| rest.split('/').next().unwrap_or_default());
    if authority.is_some_and(|authority| authority.contains('@')) {
        problems.add(
            "secret-in-user-data",
            // The address is not shown: it holds a password.
            format!("address of a {what}"),
            "holds a user's name, and whoever may describe the instance can read its user data",
            "use one that needs no password",
        );
        return;
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'/' | b'_' | b'~');
    if authority.is_none_or(str::is_empty) || !url.bytes().all(plain) {
        let code = if what == "proxy" { "proxy-url" } else { "mirror-url" };
        problems.add(code, format!("{what} {url:?}"), "must be http:// or https://, a host, and plain characters", "correct it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secrets_and_nothing_that_breaks_out() {
        let mut problems = Problems::new();
        Proxy::new("http://user:hunter2@proxy:3128").except("a b").check(&mut problems);
        Proxy::new("proxy:3128").check(&mut problems);
        check_mirrors(&[Mirror::new("docker.io", "https://m/${x}"), Mirror::new("docker.io", "https://m")], &mut problems);
        let error = problems.finish("x", || ()).expect_err("wrong");
        let codes: Vec<_> = error.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["secret-in-user-data", "proxy-exception", "proxy-url", "mirror-url", "mirror-twice"]);
        assert!(!error.to_string().contains("hunter2"));
    }
}
