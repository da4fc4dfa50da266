//! Health checks of classic load balancers. (Elastic Load Balancing API Reference 2012-06-01, HealthCheck; User Guide for Classic
//! Load Balancers, "Health checks for the instances for your Classic Load Balancer".)

use std::{fmt, time::Duration};

use eks_core::Problems;
use serde::{Deserialize, Serialize};

/// How a load balancer finds out whether an instance is healthy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HealthCheck {
    /// What is asked: `TCP:80`, `HTTP:80/index.html`.
    pub target: String,
    /// Seconds between two checks, 5–300.
    pub interval: u32,
    /// Seconds until a check has failed, 2–60, less than the interval.
    pub timeout: u32,
    /// Failures in a row that take an instance out of service, 2–10.
    pub unhealthy: u32,
    /// Successes in a row that take it in, 2–10.
    pub healthy: u32,
}

impl HealthCheck {
    /// A check of this target with the values of a new load balancer: every 30 s, 5 s of patience, out after 2 failures, in after 10
    /// successes.
    pub fn of(target: impl Into<String>) -> Self {
        Self { target: target.into(), interval: 30, timeout: 5, unhealthy: 2, healthy: 10 }
    }

    /// Whether the port takes connections.
    pub fn tcp(port: u16) -> Self {
        Self::of(format!("TCP:{port}"))
    }

    /// Whether a page is answered with 200.
    pub fn http(port: u16, path: &str) -> Self {
        Self::of(format!("HTTP:{port}{path}"))
    }

    /// Another interval, 5–300 s.
    #[must_use]
    pub fn every(mut self, seconds: u32) -> Self {
        self.interval = seconds;
        self
    }

    /// Another timeout, 2–60 s.
    #[must_use]
    pub fn timeout(mut self, seconds: u32) -> Self {
        self.timeout = seconds;
        self
    }

    /// Other thresholds, 2–10 each: failures that take an instance out, successes that take it in.
    #[must_use]
    pub fn thresholds(mut self, unhealthy: u32, healthy: u32) -> Self {
        (self.unhealthy, self.healthy) = (unhealthy, healthy);
        self
    }

    /// How long a good instance takes to come into service.
    pub(crate) fn until_in_service(&self) -> Duration {
        Duration::from_secs(u64::from(self.interval) * u64::from(self.healthy))
    }

    pub(crate) fn check(&self, problems: &mut Problems, subject: &str) {
        for (what, value, low, high) in [
            ("interval", self.interval, 5, 300),
            ("timeout", self.timeout, 2, 60),
            ("unhealthy threshold", self.unhealthy, 2, 10),
            ("healthy threshold", self.healthy, 2, 10),
        ] {
            if !(low..=high).contains(&value) {
                let rule = format!("the health check's {what} of {value} is not between {low} and {high}");
                problems.add("health-range", subject, rule, "choose a number in that range");
            }
        }
        if self.timeout >= self.interval {
            let rule = format!("the health check's timeout of {} s is not less than its interval of {} s", self.timeout, self.interval);
            problems.add("health-timeout", subject, rule, "shorten the timeout, or check less often");
        }
        if !self.is_target() {
            let rule =
                format!("the health check's target {:?} is none of TCP:port, SSL:port, HTTP:port/path, HTTPS:port/path", self.target);
            problems.add("health-target", subject, rule, "write it in one of these forms; the path has at most 1024 characters");
        }
    }

    fn is_target(&self) -> bool {
        let Some((protocol, rest)) = self.target.split_once(':') else { return false };
        let (port, path) = rest.find('/').map_or((rest, None), |at| (&rest[..at], Some(&rest[at..])));
        let port = port.parse::<u16>().is_ok_and(|port| port > 0);
        let with_path = match protocol {
            "TCP" | "SSL" => path.is_none(),
            "HTTP" | "HTTPS" => path.is_some_and(|path| !path.contains(char::is_whitespace)),
            _ => false,
        };
        port && with_path && self.target.encode_utf16().count() <= 1024
    }
}

impl fmt::Display for HealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, interval, timeout, unhealthy, healthy } = self;
        write!(f, "{target} every {interval} s, timeout {timeout} s, out after {unhealthy}, in after {healthy}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for target in ["TCP:80", "SSL:443", "HTTP:80/", "HTTPS:8443/weather/us/wa/seattle"] {
            assert!(HealthCheck::of(target).is_target(), "{target}");
        }
        for target in ["TCP:80/", "HTTP:80", "HTTP:0/", "TCP:65536", "UDP:53", "80", "HTTP:80/a b", "http:80/"] {
            assert!(!HealthCheck::of(target).is_target(), "{target}");
        }
        assert!(!HealthCheck::http(80, &format!("/{}", "x".repeat(1024))).is_target());
    }
}
