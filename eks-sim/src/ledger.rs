//! What each thing took: the account's own record of its service times, kept apart from any client.

use std::{collections::BTreeMap, time::Duration};

/// One service time that the simulator drew.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServiceTime {
    /// What took the time: `ClusterCreate`, `NatGatewayCreate`, …
    pub kind: String,
    /// When it began, on the simulator's clock.
    pub began: Duration,
    /// How long it took.
    pub took: Duration,
}

/// Service times by subject: a resource id, an ARN, or a name where AWS gives no id.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub(crate) entries: BTreeMap<String, Vec<ServiceTime>>,
}

impl Ledger {
    /// Everything that `subject` took, in the order in which it began.
    pub fn of(&self, subject: &str) -> &[ServiceTime] {
        self.entries.get(subject).map_or(&[], Vec::as_slice)
    }

    /// Every subject with its service times.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[ServiceTime])> {
        self.entries.iter().map(|(subject, times)| (subject.as_str(), times.as_slice()))
    }

    pub(crate) fn record(&mut self, subject: &str, time: ServiceTime) {
        self.entries.entry(subject.to_owned()).or_default().push(time);
    }
}
