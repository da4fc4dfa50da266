//! Waiting for groups and their updates.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_eks::types::{ErrorDetail, UpdateStatus};
use eks_core::{
    Class, Error, Outputs,
    aws::failed,
    engine::{Poll, Wait},
};

use crate::{
    aws::Workers,
    managed::{GroupIssue, GroupName, GroupStatus, IssueCode, NodeGroup, decide::outputs, issue::told},
};

/// What a group is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// It is gone.
    Gone,
    /// No operation runs, whatever its end.
    Settled,
    /// It is there and usable.
    Standing,
    /// Its update has been carried out.
    Updated,
}

impl Goal {
    const ALL: [Self; 4] = [Self::Gone, Self::Settled, Self::Standing, Self::Updated];

    fn kind(self) -> &'static str {
        match self {
            Self::Gone => "group-gone",
            Self::Settled => "group-settled",
            Self::Standing => "group-standing",
            Self::Updated => "group-updated",
        }
    }

    /// What the state means for the goal.
    fn judge(self, group: Option<&NodeGroup>) -> Poll {
        let Some(group) = group else {
            // A group that was just asked for is seen a moment later.
            return if self == Self::Standing { Poll::Pending { state: "not seen".to_owned() } } else { Poll::Ready(Outputs::new()) };
        };
        let failed = || {
            let code = group.issues.first().map_or(String::new(), |issue| format!(" ({})", issue.code));
            Poll::Failed { state: format!("{}{code}", group.status), reason: told(&group.issues) }
        };
        let pending = || {
            let issues = if group.issues.is_empty() { String::new() } else { format!(": {}", told(&group.issues)) };
            Poll::Pending { state: format!("{}{issues}", group.status) }
        };
        match (self, group.status) {
            (Self::Standing, GroupStatus::Active) => Poll::Ready(outputs(group)),
            (Self::Standing, GroupStatus::Creating | GroupStatus::Updating) => pending(),
            (Self::Standing | Self::Updated, _) => failed(),
            (Self::Gone, GroupStatus::DeleteFailed) => failed(),
            (Self::Gone, _) => pending(),
            (Self::Settled, GroupStatus::Creating | GroupStatus::Updating | GroupStatus::Deleting) => pending(),
            (Self::Settled, _) => Poll::Ready(Outputs::new()),
        }
    }
}

/// Names hold no slash.
pub(super) fn wait(goal: Goal, name: &GroupName, update: Option<&str>, typical: Duration) -> Wait {
    let update = update.map(|id| format!("/{id}")).unwrap_or_default();
    // EKS gives up by itself, after half an hour with a group and after 15 minutes with a Pod, and then tells why.
    let limit = Duration::from_secs(45 * 60).max(typical * 12);
    Wait::typical(goal.kind(), format!("{}/{}{update}", name.cluster, name.name), typical).limit(limit)
}

impl Workers {
    /// The states of groups, or of their updates: EKS describes one at a time.
    pub(crate) async fn look_groups(&self, kind: &str, ids: &[String]) -> Result<BTreeMap<String, Poll>, Error> {
        let goal = Goal::ALL.into_iter().find(|goal| goal.kind() == kind);
        let goal = goal.ok_or_else(|| Error::Plan { subject: kind.to_owned(), reason: "no such wait in this layer".to_owned() })?;
        let mut found = BTreeMap::new();
        for id in ids {
            let mut parts = id.splitn(3, '/').map(str::to_owned);
            let name = GroupName { cluster: parts.next().unwrap_or_default(), name: parts.next().unwrap_or_default() };
            let poll = match parts.next() {
                Some(update) => self.look_update(&name, &update).await?,
                None => goal.judge(self.describe_group(&name).await?.as_ref()),
            };
            found.insert(id.clone(), poll);
        }
        Ok(found)
    }

    async fn look_update(&self, name: &GroupName, id: &str) -> Result<Poll, Error> {
        let asked = self.eks.describe_update().name(&name.cluster).nodegroup_name(&name.name).update_id(id).send().await;
        let update = match asked.map_err(|error| failed("eks:DescribeUpdate", format!("update {id} of group {}", name.name), error)) {
            Ok(answer) => answer.update,
            Err(error) if error.class() == Class::NotFound => None,
            Err(error) => return Err(error),
        };
        let status = update.as_ref().and_then(|update| update.status());
        Ok(match (&update, status) {
            (_, Some(UpdateStatus::Successful)) => Poll::Ready(Outputs::new()),
            (Some(update), Some(status @ (UpdateStatus::Failed | UpdateStatus::Cancelled))) => {
                let issues: Vec<_> = update.errors().iter().map(issue).collect();
                let code = issues.first().map_or(String::new(), |issue| format!(" ({})", issue.code));
                Poll::Failed { state: format!("{}{code}", status.as_str()), reason: told(&issues) }
            }
            _ => Poll::Pending { state: status.map_or("not seen", UpdateStatus::as_str).to_owned() },
        })
    }
}

/// An update's errors have the codes of issues, as far as groups have them.
fn issue(error: &ErrorDetail) -> GroupIssue {
    GroupIssue {
        code: error.error_code().map_or("", |code| code.as_str()).parse().unwrap_or(IssueCode::Unknown),
        message: error.error_message().unwrap_or_default().to_owned(),
        resources: error.resource_ids().to_vec(),
    }
}
