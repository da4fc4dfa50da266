//! Without feature `managed` there is no client of EKS: managed groups are planned, not touched.

use eks_core::{Error, Outputs, Step, engine::StepContext};

use super::op::GroupOp;
use crate::{
    aws::Workers,
    observed::{Observed, Scope, Stack},
};

fn missing() -> Error {
    Error::Plan { subject: "managed node groups".to_owned(), reason: "need feature `managed` of eks-nodes".to_owned() }
}

impl Workers {
    pub(crate) fn knows_groups() -> Result<(), Error> {
        Err(missing())
    }

    #[expect(clippy::unused_async, reason = "as with the feature")]
    pub(crate) async fn observe_groups(&self, observed: Observed) -> Result<Observed, Error> {
        if !observed.scope().groups().is_empty() {
            return Err(missing());
        }
        // A teardown must not pull a role from under the nodes of a group that it cannot see.
        let owned = matches!(observed.scope(), Scope::Owned { .. });
        let stands = owned && observed.stacks().any(Stack::is_base_of_group);
        Ok(if stands { observed.without_groups(missing().to_string()) } else { observed })
    }

    #[expect(clippy::unused_async, reason = "as with the feature")]
    pub(crate) async fn run_group(&self, _: &GroupOp, _: &Step, _: &StepContext) -> Result<Outputs, Error> {
        Err(missing())
    }

    #[expect(clippy::unused_async, reason = "as with the feature")]
    pub(crate) async fn remove_group(&self, _: &GroupOp, _: std::time::Duration, _: &StepContext) -> Result<(), Error> {
        Err(missing())
    }

    #[expect(clippy::unused_async, reason = "as with the feature")]
    pub(crate) async fn look_groups(
        &self,
        _: &str,
        _: &[String],
    ) -> Result<std::collections::BTreeMap<String, eks_core::engine::Poll>, Error> {
        Err(missing())
    }
}
