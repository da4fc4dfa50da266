//! Removing managed groups.

use std::time::Duration;

use eks_core::{ClusterName, Error, Removal, StackName, StepKey, Survivor};

use super::{actions, issue::told, observed::NodeGroup, op::GroupOp};
use crate::{op::WorkersOp, plan::fault};

/// Drained, ended, and what EKS made cleared away.
const GOES: Duration = Duration::from_secs(100);

impl NodeGroup {
    /// Its removal, by the key of the step that made it.
    pub(crate) fn removal(&self, key: StepKey) -> Result<Removal, Error> {
        let cluster = ClusterName::new(&self.name.cluster).map_err(fault)?;
        let name = StackName::new(&self.name.name).map_err(fault)?;
        let op = WorkersOp::Group { group: GroupOp::Delete { cluster, name } };
        let title = format!("managed node group {}", self.name.name);
        let removal = Removal::new(key, title, &self.arn, &op).map_err(fault)?;
        Ok(removal.saves(self.usd_per_month()).permits(actions::DELETE).takes(GOES))
    }

    /// What is told of it when it is still there after a teardown.
    pub(crate) fn survivor(&self) -> Survivor {
        let why = format!("{}: {}", self.status, told(&self.issues));
        let remedy = "heal what its issues tell, and tear down again";
        Survivor::new("managed node group", &self.arn, why, remedy, self.usd_per_month())
    }
}
