//! What a test can say about a cluster's readiness for another version.

use crate::{DeprecatedUse, Sim, eks};

impl Sim {
    /// A client of the cluster uses a deprecated API now, over `requests` requests. EKS finds it in its audit logs, and tells of it in
    /// insights for 30 days.
    pub fn use_deprecated_api(&self, cluster: &str, used: DeprecatedUse) {
        self.with(|world| eks::use_deprecated_api(world, cluster, used));
    }

    /// Whether upgrade insights in ERROR refuse an upgrade that is not forced. Default off: EKS introduced that in 2025, and has taken it
    /// back for a while (user guide, "Update existing cluster to new Kubernetes version"). Of rollbacks they always do.
    pub fn enforce_upgrade_insights(&self, on: bool) {
        self.with(|world| eks::enforce_upgrade_insights(world, on));
    }
}
