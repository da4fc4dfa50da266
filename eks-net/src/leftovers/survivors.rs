//! What is left after a teardown, and why.

use eks_core::Survivor;

use super::{Leftover, LeftoverKind, ObservedLeftovers, Whose};

impl ObservedLeftovers {
    /// Everything that is, or may be, of the owner's clusters.
    pub fn survivors(&self) -> Vec<Survivor> {
        let there = |found: &Leftover| !matches!(found.state.as_str(), "deleting" | "deleted" | "terminated" | "shutting-down");
        self.judged().into_iter().filter(|(found, _)| there(found)).map(|(found, whose)| self.survivor(found, &whose)).collect()
    }

    pub(crate) fn survivor(&self, found: &Leftover, whose: &Whose) -> Survivor {
        let about = found.told();
        let why = match (whose, found.kind) {
            (Whose::InDoubt(why), _) => format!("({about}) it may be ours, but {why}"),
            (_, LeftoverKind::Volume) => {
                format!("({about}) it holds data: its reclaim policy kept it, or whoever should have deleted it was gone")
            }
            (_, LeftoverKind::Instance) => format!("({about}) EKS Auto Mode launched it, and terminates it with its cluster"),
            (_, LeftoverKind::LaunchTemplate) => format!("({about}) EKS made it for a managed node group, and deletes it with that"),
            (_, LeftoverKind::ControlPlaneInterface) => format!("({about}) EKS holds it for some minutes after its cluster is gone"),
            (_, LeftoverKind::Address) => format!("({about}) somebody gave it the cluster's tag; it is billed as long as it is allocated"),
            _ => format!("({about}) its controller did not delete it"),
        };
        let command = found.kind.command(&found.id, self.region());
        let remedy = match (whose, found.kind) {
            (_, LeftoverKind::Volume) => format!("when nothing in it is needed any more: {command}"),
            (_, LeftoverKind::ControlPlaneInterface) => command,
            (Whose::InDoubt(_), _) => format!("if it is yours: {command}"),
            _ => format!("tear down again, or: {command}"),
        };
        Survivor::new(found.kind.title(), found.id.clone(), why, remedy, found.usd_per_month)
    }
}
