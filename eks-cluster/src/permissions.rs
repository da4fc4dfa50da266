//! Whether the caller may do what a plan needs, as far as IAM's policy simulator can tell.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{Finding, Plan, StepKey};

/// Whose policies decide what a caller may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A user or role, by its ARN.
    Entity(String),
    /// A session of a role: its ARN has the role's name, without the path.
    Role(String),
    /// The account's root, a federated user, a service: they have no policies that the simulator takes.
    Nobody,
}

impl Source {
    /// IAM user guide, "AWS JSON policy elements: Principal", and STS API reference, GetCallerIdentity.
    pub(crate) fn of(caller: &str) -> Self {
        let parts: Vec<_> = caller.splitn(6, ':').collect();
        let [_, _, service, _, _, resource] = parts[..] else { return Self::Nobody };
        match (service, resource.split_once('/')) {
            ("iam", Some(("user" | "role", _))) => Self::Entity(caller.to_owned()),
            ("sts", Some(("assumed-role", rest))) => match rest.split_once('/') {
                Some((role, session)) if !role.is_empty() && !session.is_empty() => Self::Role(role.to_owned()),
                _ => Self::Nobody,
            },
            _ => Self::Nobody,
        }
    }
}

/// What the simulator says of one action that it does not allow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Denial {
    /// A statement denies it.
    pub(crate) explicit: bool,
    /// A service control policy does not allow it.
    pub(crate) by_organization: bool,
    /// The permissions boundary does not allow it.
    pub(crate) by_boundary: bool,
    /// Context keys without which conditions could not be judged.
    pub(crate) missing: BTreeSet<String>,
}

impl Denial {
    fn why(&self) -> String {
        let why = if self.explicit {
            "a statement denies it"
        } else if self.by_organization {
            "a service control policy does not allow it"
        } else if self.by_boundary {
            "the permissions boundary does not allow it"
        } else {
            "no policy allows it on every resource"
        };
        if self.missing.is_empty() {
            return why.to_owned();
        }
        format!("{why}, unless conditions on {} hold", self.missing.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
    }
}

/// Every action that a plan's changes need, and which steps need it.
pub(crate) fn needed(plan: &Plan) -> BTreeMap<String, Vec<StepKey>> {
    let mut needed: BTreeMap<String, Vec<StepKey>> = BTreeMap::new();
    for step in plan.changes() {
        for action in step.iam_actions() {
            needed.entry(action.to_owned()).or_default().push(step.key.clone());
        }
    }
    needed
}

/// A warning for each denied action, at the first step that needs it; the others are named.
pub(crate) fn findings(needed: &BTreeMap<String, Vec<StepKey>>, denied: &BTreeMap<String, Denial>, source: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (action, denial) in denied {
        let Some((first, more)) = needed.get(action).and_then(|steps| steps.split_first()) else { continue };
        let more = match more {
            [] => String::new(),
            more => format!("; also needed by {}", more.iter().map(StepKey::as_str).collect::<Vec<_>>().join(", ")),
        };
        findings.push(Finding::warning(first.clone(), format!("{source} may not {action}: {}{more}", denial.why())));
    }
    findings
}

/// That nothing is known.
pub(crate) fn unchecked(needed: &BTreeMap<String, Vec<StepKey>>, why: &str) -> Vec<Finding> {
    let first = needed.values().flatten().next();
    first.map(|step| Finding::note(step.clone(), format!("permissions could not be checked: {why}"))).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{builder, nothing};

    #[test]
    fn whose_policies_decide() {
        let user = "arn:aws:iam::123456789012:user/team/jane";
        assert_eq!(Source::of(user), Source::Entity(user.to_owned()));
        assert_eq!(Source::of("arn:aws-cn:sts::123456789012:assumed-role/deployer/ci-1"), Source::Role("deployer".to_owned()));
        let nobody = [
            "arn:aws:iam::123456789012:root",
            "arn:aws:sts::123456789012:federated-user/jane",
            "arn:aws:sts::123456789012:assumed-role/deployer",
            "deployer",
        ];
        for nobody in nobody {
            assert_eq!(Source::of(nobody), Source::Nobody, "{nobody}");
        }
    }

    #[test]
    fn a_denied_action_names_its_steps() {
        let plan = builder().build().unwrap().plan(&nothing()).unwrap();
        let needed = needed(&plan);
        let missing = BTreeSet::from(["aws:RequestTag/team".to_owned()]);
        let denied = BTreeMap::from([
            ("iam:CreateRole".to_owned(), Denial { explicit: true, ..Denial::default() }),
            ("eks:CreateCluster".to_owned(), Denial { missing, ..Denial::default() }),
            ("s3:GetObject".to_owned(), Denial::default()),
        ]);
        let said: Vec<_> = findings(&needed, &denied, "role x").iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "cluster/control-plane: role x may not eks:CreateCluster: no policy allows it on every resource, unless conditions on aws:RequestTag/team hold",
                "cluster/role: role x may not iam:CreateRole: a statement denies it; also needed by cluster/role/ebs-csi",
            ]
        );
        assert_eq!(unchecked(&needed, "no").len(), 1);
    }
}
