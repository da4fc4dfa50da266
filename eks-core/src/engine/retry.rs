//! What the runner tries again, when, and for how long. Pure, so that no test sleeps.

use std::time::Duration;

use super::Purpose;
use crate::Class;

/// The pause before the next attempt; `None` to give up. `failures` counts those of this class so far (from 1), `since` is
/// the time since the first of them.
pub(super) fn pause(purpose: Purpose, class: Class, failures: u32, since: Duration) -> Option<Duration> {
    let seconds = Duration::from_secs;
    let (next, limit) = match (class, purpose) {
        // IAM: "changes … might take some time"; clients bound it at two minutes. Steady, as time alone heals it.
        (Class::Inconsistent, _) => (seconds(2), seconds(120)),
        // Network interfaces of load balancers and control planes hold groups and subnets for minutes after their deletion.
        (Class::Conflict, Purpose::Remove) => (seconds(5), seconds(15 * 60)),
        // The SDK has given up on throttling already: go slower, but a throttled operation is late, not failed.
        (Class::Throttled, _) => (seconds(1 << failures.min(5)).min(seconds(30)), seconds(15 * 60)),
        // Likewise for a service that is down.
        (Class::Transient, _) => (seconds(1 << failures.min(5)).min(seconds(20)), seconds(120)),
        (Class::Conflict | Class::Denied | Class::NotFound | Class::Permanent | Class::Quota, _) => return None,
    };
    (since + next <= limit).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a step is tried, and over which time, if it always fails so.
    fn exhaust(purpose: Purpose, class: Class) -> (u32, Duration) {
        let (mut failures, mut since) = (1, Duration::ZERO);
        while let Some(next) = pause(purpose, class, failures, since) {
            failures += 1;
            since += next;
        }
        (failures, since)
    }

    #[test]
    fn bounds() {
        assert_eq!(exhaust(Purpose::Make, Class::Inconsistent), (61, Duration::from_secs(120)));
        assert_eq!(exhaust(Purpose::Make, Class::Conflict).0, 1, "a name that is taken stays taken");
        assert_eq!(exhaust(Purpose::Remove, Class::Conflict).1, Duration::from_secs(900));
        assert_eq!(exhaust(Purpose::Make, Class::Denied).0, 1);
        assert_eq!(exhaust(Purpose::Make, Class::Quota).0, 1);
        let (attempts, over) = exhaust(Purpose::Make, Class::Throttled);
        assert!(attempts > 20 && over > Duration::from_secs(800));
    }
}
