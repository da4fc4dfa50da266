//! Parameters of the API server, the scheduler and the controller manager.

use std::{collections::BTreeMap, fmt};

use eks_core::Problems;
use serde::{Deserialize, Serialize};

use super::ScalingTier;

/// How the scheduler ranks nodes by what is left on them. EKS API Reference, `ScoringStrategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ScoringStrategy {
    /// Spreads Pods.
    LeastAllocated,
    /// Packs Pods.
    MostAllocated,
}

impl ScoringStrategy {
    /// EKS's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LeastAllocated => "LeastAllocated",
            Self::MostAllocated => "MostAllocated",
        }
    }

    #[cfg(feature = "aws")]
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::LeastAllocated, Self::MostAllocated].into_iter().find(|strategy| strategy.as_str() == name)
    }
}

/// Parameters of the control plane's components. What is `None` is EKS's default on a new cluster, and stays on one that exists.
/// Amazon EKS User Guide, "Advanced Kubernetes control plane configuration".
///
/// ```
/// # use eks_cluster::{Components, ScoringStrategy};
/// let components = Components::default().event_minutes(30).node_ports(20000, 32767).scoring(ScoringStrategy::MostAllocated, [("cpu", 1), ("memory", 1)]);
/// assert_eq!(components.to_string(), "events kept 30 min, node ports 20000–32767, scheduler MostAllocated by cpu 1, memory 1");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Components {
    /// Minutes for which events are kept; 10 to 60, EKS's default 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_minutes: Option<u32>,
    /// First and last port of NodePort Services; within 10260 to 32767, EKS's default 30000 to 32767. Security groups must let
    /// other ranges through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_ports: Option<(u16, u16)>,
    /// How the scheduler ranks nodes, and the weight of each resource, 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scoring: Option<(ScoringStrategy, BTreeMap<String, u8>)>,
    /// How many terminated Pods stay before the oldest are deleted; 1 to 1,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminated_pods: Option<u32>,
    /// Seconds between two looks of the horizontal Pod autoscaler; 10 to 15, on provisioned tiers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaler_seconds: Option<u32>,
}

impl Components {
    /// Minutes for which events are kept.
    #[must_use]
    pub fn event_minutes(mut self, minutes: u32) -> Self {
        self.event_minutes = Some(minutes);
        self
    }

    /// First and last port of NodePort Services.
    #[must_use]
    pub fn node_ports(mut self, first: u16, last: u16) -> Self {
        self.node_ports = Some((first, last));
        self
    }

    /// How the scheduler ranks nodes.
    #[must_use]
    pub fn scoring<S: Into<String>>(mut self, strategy: ScoringStrategy, weights: impl IntoIterator<Item = (S, u8)>) -> Self {
        self.scoring = Some((strategy, weights.into_iter().map(|(name, weight)| (name.into(), weight)).collect()));
        self
    }

    /// How many terminated Pods stay.
    #[must_use]
    pub fn terminated_pods(mut self, pods: u32) -> Self {
        self.terminated_pods = Some(pods);
        self
    }

    /// Seconds between two looks of the horizontal Pod autoscaler.
    #[must_use]
    pub fn autoscaler_seconds(mut self, seconds: u32) -> Self {
        self.autoscaler_seconds = Some(seconds);
        self
    }

    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What this says and `found` is not.
    pub(crate) fn beyond(&self, found: &Self) -> Self {
        fn beyond<T: PartialEq + Clone>(wanted: &Option<T>, found: &Option<T>) -> Option<T> {
            wanted.clone().filter(|wanted| found.as_ref() != Some(wanted))
        }
        Self {
            event_minutes: beyond(&self.event_minutes, &found.event_minutes),
            node_ports: beyond(&self.node_ports, &found.node_ports),
            scoring: beyond(&self.scoring, &found.scoring),
            terminated_pods: beyond(&self.terminated_pods, &found.terminated_pods),
            autoscaler_seconds: beyond(&self.autoscaler_seconds, &found.autoscaler_seconds),
        }
    }

    /// With what `found` has beside what is said here, in the same component: EKS does not tell whether it keeps what is left out.
    #[cfg(feature = "aws")]
    pub(crate) fn with_siblings(mut self, found: &Self) -> Self {
        if self.event_minutes.is_some() || self.node_ports.is_some() {
            self.event_minutes = self.event_minutes.or(found.event_minutes);
            self.node_ports = self.node_ports.or(found.node_ports);
        }
        if self.terminated_pods.is_some() || self.autoscaler_seconds.is_some() {
            self.terminated_pods = self.terminated_pods.or(found.terminated_pods);
            self.autoscaler_seconds = self.autoscaler_seconds.or(found.autoscaler_seconds);
        }
        self
    }

    /// Each parameter that is said: its name and value.
    pub(crate) fn said(&self) -> Vec<(&'static str, String)> {
        let scoring = self.scoring.as_ref().map(|(strategy, weights)| {
            let weights: Vec<_> = weights.iter().map(|(name, weight)| format!("{name} {weight}")).collect();
            let by = if weights.is_empty() { String::new() } else { format!(" by {}", weights.join(", ")) };
            format!("{}{by}", strategy.as_str())
        });
        [
            ("events kept", self.event_minutes.map(|minutes| format!("{minutes} min"))),
            ("node ports", self.node_ports.map(|(first, last)| format!("{first}–{last}"))),
            ("scheduler", scoring),
            ("terminated Pods kept", self.terminated_pods.map(|pods| pods.to_string())),
            ("autoscaler period", self.autoscaler_seconds.map(|seconds| format!("{seconds} s"))),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

impl fmt::Display for Components {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said: Vec<_> = self.said().into_iter().map(|(name, value)| format!("{name} {value}")).collect();
        f.write_str(if said.is_empty() { "as EKS sets them" } else { "" })?;
        f.write_str(&said.join(", "))
    }
}

/// The first version that has them.
const FIRST_MINOR: u16 = 31;

pub(crate) fn check(components: &Components, minor: u16, tier: ScalingTier, problems: &mut Problems) {
    if components.is_default() {
        return;
    }
    let mut say = |code: &'static str, subject: &str, rule: String, remedy: &str| problems.add(code, subject, rule, remedy);
    if minor < FIRST_MINOR {
        say("component-version", "control plane components", "can be set from Kubernetes 1.31 on".to_owned(), "leave them as they are");
    }
    if let Some(minutes) = components.event_minutes.filter(|minutes| !(10..=60).contains(minutes)) {
        say("event-minutes", "events kept", format!("10 to 60 minutes are allowed, these are {minutes}"), "choose a time between");
    }
    if let Some((first, last)) = components.node_ports
        && (first > last || first < 10260 || last > 32767)
    {
        let rule = format!("{first} to {last} is no range within 10260 to 32767");
        say("node-ports", "node ports", rule, "choose ports in that range, the first before the last");
    }
    if let Some((_, weights)) = &components.scoring {
        for (name, weight) in weights.iter().filter(|(_, weight)| !(1..=100).contains(*weight)) {
            say(
                "scoring-weight",
                "scheduler",
                format!("the weight of {name} is {weight}, 1 to 100 are allowed"),
                "choose a weight between",
            );
        }
        if weights.is_empty() {
            say("scoring-resources", "scheduler", "a strategy weighs at least one resource".to_owned(), "give (\"cpu\", 1)");
        }
    }
    if let Some(pods) = components.terminated_pods.filter(|pods| !(1..=1_000_000).contains(pods)) {
        say("terminated-pods", "terminated Pods kept", format!("1 to 1000000 are allowed, these are {pods}"), "choose a number between");
    }
    if let Some(seconds) = components.autoscaler_seconds {
        if !(10..=15).contains(&seconds) {
            let rule = format!("10 to 15 seconds are allowed, these are {seconds}");
            say("autoscaler-seconds", "autoscaler period", rule, "choose a time between");
        }
        if tier == ScalingTier::Standard {
            let rule = "only provisioned control planes can change it".to_owned();
            say("autoscaler-tier", "autoscaler period", rule, "choose a scaling tier, or leave it out");
        }
    }
}

/// Seconds of a duration as Kubernetes writes it: `30m`, `1h`, `1h0m0s`.
#[cfg(feature = "aws")]
pub(crate) fn seconds(text: &str) -> Option<u32> {
    let (mut total, mut number) = (0_u32, None::<u32>);
    for c in text.chars() {
        let unit = match c {
            '0'..='9' => {
                number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(c.to_digit(10)?)?);
                continue;
            }
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    (number.is_none() && !text.is_empty()).then_some(total)
}

#[cfg(all(test, feature = "aws"))]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expected) in [("30m", Some(1800)), ("1h", Some(3600)), ("1h0m0s", Some(3600)), ("15s", Some(15))] {
            assert_eq!(seconds(text), expected, "{text}");
        }
        for wrong in ["", "15", "m", "1d", "1h3"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_what_differs_is_changed() {
        let wanted = Components::default().event_minutes(30).terminated_pods(100);
        let found = Components::default().event_minutes(30).terminated_pods(12500);
        assert_eq!(wanted.beyond(&found), Components::default().terminated_pods(100));
        assert!(Components::default().beyond(&found).is_default());
    }
}
