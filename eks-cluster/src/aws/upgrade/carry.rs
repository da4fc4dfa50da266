//! Carrying out the steps of an upgrade. Each looks at what is there first, so that a run that was killed is continued by the next.

use aws_sdk_eks::types::{ResolveConflicts, RollbackConfig};
use eks_core::{Class, ClusterName, Error, Outputs, aws::failed, engine::StepContext};

use super::{against, wait};
use crate::{
    KubernetesVersion, ObservedCluster,
    aws::{
        Clusters,
        wait::{cluster_free, cluster_settled},
    },
    plan::{broken, refuse_others, refused},
    upgrade::{AddonHop, ControlPlaneHop, InsightsCheck, NodeKind, NodeVersion, Rule, blockers, blocking, remedy},
};

/// How often another update is waited for: an hour, at fifteen seconds each.
const MOST_WAITS: u32 = 240;

impl Clusters {
    /// Has EKS look through the cluster again, and refuses what blocks and is not accepted.
    pub(super) async fn check_insights(&self, check: &InsightsCheck, cx: &StepContext) -> Result<Outputs, Error> {
        let cluster = &check.cluster;
        self.begin_refresh(cluster).await?;
        cx.wait(wait::insights_refreshed(cluster)).await?;
        let insights = self.insights(cluster, check.category).await?;
        let blocks: Vec<_> = blocking(&insights, check.category, check.version, &check.accepted).collect();
        match blocks.first() {
            None => Ok(Outputs::new()),
            Some(first) => {
                let what = blocks.iter().map(|insight| insight.what()).collect::<Vec<_>>().join("; ");
                Err(against(Rule::Insight, format!("Kubernetes {}", check.version), what, remedy(first)))
            }
        }
    }

    pub(super) async fn begin_refresh(&self, cluster: &ClusterName) -> Result<(), Error> {
        let sent = self.eks.start_insights_refresh().cluster_name(cluster.as_str()).send().await;
        match sent.map_err(|error| failed("eks:StartInsightsRefresh", cluster.as_str(), error)) {
            // One is under way: its end tells as much.
            Err(error) if matches!(error.code(), Some("InvalidRequestException" | "ResourceInUseException")) => Ok(()),
            result => result.map(|_| ()),
        }
    }

    /// Moves the control plane by one version, or waits for the update that does.
    pub(super) async fn move_control_plane(&self, hop: &ControlPlaneHop, cx: &StepContext) -> Result<Outputs, Error> {
        let cluster = self.standing(&hop.cluster).await?;
        let version: KubernetesVersion = cluster.version.parse().map_err(broken)?;
        if version != hop.to {
            if version != hop.from {
                let rule = format!("runs {version}; the plan goes from {} to {}", hop.from, hop.to);
                return Err(refused(format!("cluster {}", hop.cluster), rule, "plan again"));
            }
            let id = match self.under_way(hop, &cluster).await? {
                Some(id) => id,
                None => self.begin(hop, &cluster, cx).await?,
            };
            cx.waiting(hop.cluster.as_str(), format!("version: {} → {}", hop.from, hop.to));
            cx.wait(wait::version_updated(hop, &id)).await?;
        }
        cx.wait(wait::version_seen(&hop.cluster, hop.to)).await
    }

    async fn standing(&self, name: &ClusterName) -> Result<ObservedCluster, Error> {
        let gone = || refused(format!("cluster {name}"), "was there when the plan was made, and is gone", "plan again");
        self.describe(name).await?.ok_or_else(gone)
    }

    /// The update that does this already. Only one is under way at a time, and the cluster is UPDATING meanwhile, or will be told so; but
    /// on EKS Auto Mode it "remains ACTIVE while nodes are rolling back" (EKS User Guide, "Rollback cluster").
    async fn under_way(&self, hop: &ControlPlaneHop, cluster: &ObservedCluster) -> Result<Option<String>, Error> {
        if cluster.status == "ACTIVE" && !hop.is_rollback() {
            return Ok(None);
        }
        self.found_under_way(hop).await
    }

    async fn found_under_way(&self, hop: &ControlPlaneHop) -> Result<Option<String>, Error> {
        let ids = self.update_ids(&hop.cluster).await?;
        let updates = self.updates(&hop.cluster, &ids).await?;
        Ok(updates.into_iter().find(|update| update.is_in_progress() && update.leads_to(hop.to)).map(|update| update.id))
    }

    /// Asks for the update, once nothing else is under way; tells its id.
    async fn begin(&self, hop: &ControlPlaneHop, cluster: &ObservedCluster, cx: &StepContext) -> Result<String, Error> {
        if cluster.status != "ACTIVE" {
            cx.wait(cluster_settled(&hop.cluster)).await?;
        }
        // Nodes come and go since the plan was made. Those of EKS Auto Mode go back by EKS's own doing, before the control plane.
        let counts = |node: &NodeVersion| !(hop.is_rollback() && node.kind == NodeKind::AutoMode);
        if let Some(seen) = self.seen_nodes(cluster).await?
            && let Some((rule, node)) =
                blockers(&seen.nodes, hop.from, hop.to, hop.managed_nodes).into_iter().find(|(_, node)| counts(node))
        {
            let what = format!("is at {}, which does not go with {} and {}", node.kubelet, hop.from, hop.to);
            let remedy = node.kind.remedy(&hop.cluster, hop.from.min(hop.to), hop.is_rollback());
            return Err(against(rule, format!("node {}", node.name), what, format!("{remedy}, and plan again")));
        }
        let config = hop.timeout_minutes.map(|minutes| RollbackConfig::builder().timeout_minutes(i32::from(minutes)).build());
        let request = self
            .eks
            .update_cluster_version()
            .name(hop.cluster.as_str())
            .version(hop.to.to_string())
            .client_request_token(&hop.client_request_token)
            .set_force(hop.force.then_some(true))
            .set_rollback_config(config);
        let sent = request.send().await.map_err(|error| failed("eks:UpdateClusterVersion", hop.cluster.as_str(), error));
        match sent {
            Ok(answer) => answer.update.and_then(|update| update.id).ok_or_else(|| broken("UpdateClusterVersion told no update")),
            // Ours, of a run that was killed, where the cluster was still told ACTIVE; or another, which will end.
            Err(error) if error.code() == Some("ResourceInUseException") => match self.found_under_way(hop).await? {
                Some(id) => Ok(id),
                None if cx.attempt() < MOST_WAITS => {
                    cx.wait(cluster_free(&hop.cluster)).await?;
                    Err(error.with_class(Class::Inconsistent))
                }
                None => Err(error),
            },
            Err(error) => Err(self.explained(hop, error)),
        }
    }

    /// What EKS's refusal means. Its messages are its own; of some the rule is known.
    fn explained(&self, hop: &ControlPlaneHop, error: Error) -> Error {
        let text = error.chain();
        let subject = format!("cluster {}", hop.cluster);
        match error.code() {
            // "Upgrade readiness issues detected. Call the EKS ListInsights API …"
            Some("InvalidStateException") => {
                against(Rule::Insight, subject, text, "plan again: the plan tells the insights; mend them, or accept them by name")
            }
            // "Nodegroups x must be updated to match cluster version 1.34 before updating cluster version"
            Some("InvalidRequestException" | "InvalidParameterException") if text.contains("must be updated to match cluster version") => {
                let remedy = format!("bring the nodes that it names to {}, and plan again", hop.from);
                against(Rule::ManagedNodesMatch, subject, text, remedy)
            }
            _ => error,
        }
    }

    /// Moves an add-on, with its configuration and role as they are; what users changed in the cluster stays.
    pub(super) async fn move_addon(&self, hop: &AddonHop, cx: &StepContext) -> Result<Outputs, Error> {
        let gone = || refused(format!("add-on {}", hop.name), "was there when the plan was made, and is gone", "plan again");
        let found = self.addon(&hop.cluster, &hop.name).await?.ok_or_else(gone)?;
        refuse_others(&hop.name, &found, cx.owner())?;
        if found.version != hop.to || found.has_failed() {
            let role = self.addon_role(&hop.cluster, &hop.name).await?;
            let request = self
                .eks
                .update_addon()
                .cluster_name(hop.cluster.as_str())
                .addon_name(&hop.name)
                .addon_version(&hop.to)
                .set_configuration_values(found.configuration.clone())
                .set_service_account_role_arn(role)
                .resolve_conflicts(ResolveConflicts::Preserve);
            let sent = request.send().await.map_err(|error| failed("eks:UpdateAddon", &hop.name, error));
            match sent {
                // It is UPDATING: by an earlier call of ours, whose answer was lost, or by somebody else. Time tells.
                Err(error) if error.code() == Some("ResourceInUseException") => {
                    let again = self.addon(&hop.cluster, &hop.name).await?.ok_or_else(gone)?;
                    if again.version != hop.to {
                        if cx.attempt() >= MOST_WAITS {
                            return Err(error);
                        }
                        // However somebody else's ends, ours comes after it.
                        cx.wait(wait::addon_free(&hop.cluster, &hop.name)).await?;
                        return Err(error.with_class(Class::Inconsistent));
                    }
                }
                result => _ = result?,
            }
        }
        cx.wait(wait::addon_moved(hop)).await
    }

    /// The role of an add-on's service account (IRSA): an update without it would take it away.
    async fn addon_role(&self, cluster: &ClusterName, name: &str) -> Result<Option<String>, Error> {
        let sent = self.eks.describe_addon().cluster_name(cluster.as_str()).addon_name(name).send().await;
        let answer = super::super::found(sent.map_err(|error| failed("eks:DescribeAddon", name, error)))?;
        Ok(answer.and_then(|answer| answer.addon).and_then(|addon| addon.service_account_role_arn))
    }
}
