//! The control plane in EKS: making, changing, deleting.

use aws_sdk_eks::{
    operation::{create_cluster::CreateClusterError, update_cluster_config::builders::UpdateClusterConfigFluentBuilder},
    types::{
        AuthenticationMode as Mode, CreateAccessConfigRequest, LogSetup, LogType as Log, Logging, SupportType, UpdateAccessConfigRequest,
        UpgradePolicyRequest, VpcConfigRequest,
    },
};
use eks_core::{
    Class, ClusterName, Error, Outputs,
    aws::failed,
    engine::{StepContext, Wait},
};

use super::{Clusters, found, settings, wait, zones};
use crate::{
    ClusterChange, ControlPlane, Endpoint, LogType, ObservedCluster, UpgradePolicy,
    plan::{broken, refused},
};

/// How often another update is waited for: an hour, at fifteen seconds each.
const MOST_WAITS: u32 = 240;

impl Clusters {
    pub(super) async fn describe(&self, name: &ClusterName) -> Result<Option<ObservedCluster>, Error> {
        let sent = self.eks.describe_cluster().name(name.as_str()).send().await;
        let answer = found(sent.map_err(|error| failed("eks:DescribeCluster", name.as_str(), error)))?;
        Ok(answer.and_then(|answer| answer.cluster).map(|cluster| super::config::observed(name, cluster)))
    }

    pub(super) async fn create_cluster(&self, wanted: &ControlPlane, cx: &StepContext) -> Result<Outputs, Error> {
        let existing = if cx.attempt() > 1 { self.describe(&wanted.name).await? } else { None };
        let existing = match existing {
            Some(cluster) => Some(cluster),
            None => match self.send_create(wanted, cx).await {
                Ok(()) => None,
                Err(error) if error.code() == Some("ResourceInUseException") => {
                    Some(self.describe(&wanted.name).await?.ok_or_else(|| error.with_class(Class::Inconsistent))?)
                }
                Err(error) => return Err(error),
            },
        };
        if existing.is_some_and(|cluster| !cluster.is_owned_by(cx.owner())) {
            return Err(refused(
                format!("cluster {}", wanted.name),
                format!("exists, and does not carry the tag that names {} as its owner", cx.owner()),
                "choose another name; what others made is never touched",
            ));
        }
        cx.wait(wait::cluster_active(&wanted.name)).await
    }

    async fn send_create(&self, wanted: &ControlPlane, cx: &StepContext) -> Result<(), Error> {
        let access = CreateAccessConfigRequest::builder()
            .authentication_mode(mode(wanted.authentication))
            .bootstrap_cluster_creator_admin_permissions(wanted.creator_admin)
            .build();
        let mut vpc = endpoint(wanted.endpoint, &wanted.public_access_cidrs);
        vpc = vpc.set_control_plane_egress_mode(wanted.settings.egress.map(settings::egress));
        for subnet in &wanted.subnets {
            vpc = vpc.subnet_ids(cx.resolve(subnet)?);
        }
        for group in &wanted.security_groups {
            vpc = vpc.security_group_ids(cx.resolve(group)?);
        }
        let mut create = self
            .eks
            .create_cluster()
            .name(wanted.name.as_str())
            .version(wanted.version.to_string())
            .role_arn(cx.resolve(&wanted.role)?)
            .resources_vpc_config(vpc.build())
            .access_config(access)
            .set_upgrade_policy(wanted.upgrade_policy.map(upgrade_policy))
            .bootstrap_self_managed_addons(wanted.bootstrap_self_managed_addons);
        create = settings::with_settings(create, wanted, cx)?;
        // Off is EKS's default; older copies of the API do not know the switch.
        if wanted.deletion_protection {
            create = create.deletion_protection(true);
        }
        if !wanted.logging.is_empty() {
            create = create.logging(logging(wanted.logging.iter().copied(), []));
        }
        for (key, value) in cx.tags().into_iter().chain(wanted.tags.clone()) {
            create = create.tags(key, value);
        }
        create.send().await.map(|_| ()).map_err(|error| {
            zones::refusal("eks:CreateCluster", &wanted.name, error, |error| match error {
                CreateClusterError::UnsupportedAvailabilityZoneException(refused) => Some(refused.valid_zones()),
                _ => None,
            })
        })
    }

    /// Waits until the cluster is ACTIVE, then makes what changes it lacks, one kind at a time, as EKS demands.
    pub(super) async fn change_cluster(&self, name: &ClusterName, changes: &[ClusterChange], cx: &StepContext) -> Result<Outputs, Error> {
        let mut cluster = self.settled(name, cx).await?;
        for change in changes {
            cluster = self.make(cluster, settings::resolved(change, cx)?, cx).await?;
        }
        Ok(cluster.outputs())
    }

    /// One change, unless it is made already, by an earlier run or by somebody else. Another update under way is waited for, although EKS
    /// may tell the cluster ACTIVE all the while.
    async fn make(&self, mut cluster: ObservedCluster, change: ClusterChange, cx: &StepContext) -> Result<ObservedCluster, Error> {
        let name = cluster.name.clone();
        let mut waits = 0;
        while !change.is_made(&cluster) {
            cx.waiting(name.as_str(), change.to_string());
            match self.change(&cluster, &change, cx).await {
                Ok(()) => return self.settled(&name, cx).await,
                Err(error) if error.code() == Some("ResourceInUseException") && waits < MOST_WAITS => {
                    waits += 1;
                    cx.wait(wait::cluster_free(&name)).await?;
                    cluster = self.settled(&name, cx).await?;
                }
                Err(error) if error.code() == Some("InvalidParameterException") => {
                    // "No changes needed": a copy that lags has told the cluster as it was before.
                    cluster = self.settled(&name, cx).await?;
                    if !change.is_made(&cluster) {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(cluster)
    }

    async fn settled(&self, name: &ClusterName, cx: &StepContext) -> Result<ObservedCluster, Error> {
        let gone = || refused(format!("cluster {name}"), "was there when the plan was made, and is gone", "plan again");
        let cluster = self.describe(name).await?.ok_or_else(gone)?;
        if cluster.status == "ACTIVE" {
            return Ok(cluster);
        }
        cx.wait(wait::cluster_settled(name)).await?;
        self.describe(name).await?.ok_or_else(gone)
    }

    async fn change(&self, cluster: &ObservedCluster, change: &ClusterChange, cx: &StepContext) -> Result<(), Error> {
        let name = &cluster.name;
        if let ClusterChange::Tags(tags) = change {
            let tags = tags.clone().into_iter().collect();
            let sent = self.eks.tag_resource().resource_arn(&cluster.arn).set_tags(Some(tags)).send().await;
            return sent.map(|_| ()).map_err(|error| failed("eks:TagResource", name.as_str(), error));
        }
        let update = if let ClusterChange::Encryption(key) = change {
            let sent = self
                .eks
                .associate_encryption_config()
                .cluster_name(name.as_str())
                .encryption_config(settings::encryption(key))
                .send()
                .await;
            sent.map_err(|error| heals(failed("eks:AssociateEncryptionConfig", name.as_str(), error)))?.update
        } else {
            let whole = change.with_siblings(cluster);
            let update = with_change(self.eks.update_cluster_config().name(name.as_str()), &whole);
            let sent = update.send().await;
            sent.map_err(|error| heals(failed("eks:UpdateClusterConfig", name.as_str(), error)))?.update
        };
        let id = update.and_then(|update| update.id).ok_or_else(|| broken("EKS told no update"))?;
        cx.wait(wait::cluster_updated(name, &id, change.typical())).await.map(|_| ())
    }

    /// Deletes the cluster if it is ours and the one that was planned, and waits until it is gone.
    pub(super) async fn delete_cluster(
        &self,
        name: &ClusterName,
        created: Option<jiff::Timestamp>,
        unprotect: bool,
        cx: &StepContext,
    ) -> Result<(), Error> {
        let Some(mut cluster) = self.describe(name).await? else { return Ok(()) };
        if !cluster.is_owned_by(cx.owner()) {
            let rule = "is not ours: it does not carry our tag any more";
            return Err(refused(format!("cluster {name}"), rule, "remove it by hand if it is not wanted"));
        }
        if let (Some(planned), Some(found)) = (created, cluster.created)
            && planned != found
        {
            let rule = format!("was made at {found}, after this teardown was planned: it is another one under the same name");
            return Err(refused(format!("cluster {name}"), rule, "plan the teardown again, and read it"));
        }
        // EKS heeds protection only where a cluster came up ("Protect EKS clusters from accidental deletion").
        let is_protected =
            |cluster: &ObservedCluster| cluster.deletion_protection && !matches!(cluster.status.as_str(), "DELETING" | "FAILED");
        if is_protected(&cluster) && unprotect {
            if cluster.status != "ACTIVE" {
                // One that fails to come up, or is deleted by somebody else meanwhile, needs nothing.
                let waited = cx.wait(wait::cluster_settled(name)).await;
                let Some(now) = self.describe(name).await? else { return Ok(()) };
                if now.status != "FAILED" {
                    waited?;
                }
                cluster = now;
            }
            if is_protected(&cluster) {
                cluster = self.make(cluster, ClusterChange::DeletionProtection(false), cx).await?;
            }
        }
        if cluster.status != "DELETING" {
            if is_protected(&cluster) {
                let rule = "deletion protection is on, and this teardown was not told to switch it off";
                let remedy = "tear down with Scope::unprotect, or switch it off by aws eks update-cluster-config --no-deletion-protection";
                return Err(refused(format!("cluster {name}"), rule, remedy));
            }
            let sent = self.eks.delete_cluster().name(name.as_str()).send().await;
            if found(sent.map_err(|error| failed("eks:DeleteCluster", name.as_str(), error)))?.is_none() {
                return Ok(());
            }
        }
        cx.wait(Wait::typical(wait::CLUSTER_GONE, name.as_str(), crate::teardown::DELETE_TYPICAL)).await.map(|_| ())
    }
}

/// What time heals right after a role or a subnet was made. IAM, "Changes that I make are not always immediately visible";
/// the messages are EKS's.
pub(super) fn heals(error: Error) -> Error {
    const MESSAGES: [&str; 6] = [
        "does not exist",
        "Error in role params",
        "could not be assumed",
        "doesn't have the Amazon EKS Managed Policies",
        "must include the `ec2:DescribeSubnets` action",
        "invalid principal",
    ];
    let text = error.chain();
    let ours = error.code() == Some("InvalidParameterException") && MESSAGES.iter().any(|message| text.contains(message));
    if ours { error.with_class(Class::Inconsistent) } else { error }
}

fn with_change(update: UpdateClusterConfigFluentBuilder, change: &ClusterChange) -> UpdateClusterConfigFluentBuilder {
    match change {
        ClusterChange::Authentication(to) => {
            update.access_config(UpdateAccessConfigRequest::builder().authentication_mode(mode(*to)).build())
        }
        ClusterChange::DeletionProtection(on) => update.deletion_protection(*on),
        ClusterChange::Endpoint { endpoint: to, public_access_cidrs } => {
            update.resources_vpc_config(endpoint(*to, public_access_cidrs).build())
        }
        ClusterChange::Logging(on) => {
            let off = LogType::ALL.into_iter().filter(|log| !on.contains(log));
            update.logging(logging(on.iter().copied(), off))
        }
        ClusterChange::UpgradePolicy(policy) => update.upgrade_policy(upgrade_policy(*policy)),
        other => settings::with_setting(update, other),
    }
}

fn mode(mode: eks_core::AuthenticationMode) -> Mode {
    Mode::from(mode.as_str())
}

fn upgrade_policy(policy: UpgradePolicy) -> UpgradePolicyRequest {
    UpgradePolicyRequest::builder().support_type(SupportType::from(policy.as_str())).build()
}

fn endpoint(
    endpoint: Endpoint,
    blocks: &std::collections::BTreeSet<ipnet::IpNet>,
) -> aws_sdk_eks::types::builders::VpcConfigRequestBuilder {
    let request = VpcConfigRequest::builder().endpoint_public_access(endpoint.is_public()).endpoint_private_access(endpoint.is_private());
    blocks.iter().fold(request, |request, block| request.public_access_cidrs(block.to_string()))
}

fn logging(on: impl IntoIterator<Item = LogType>, off: impl IntoIterator<Item = LogType>) -> Logging {
    let setup = |logs: Vec<LogType>, enabled: bool| {
        let types = logs.iter().map(|log| Log::from(log.as_str())).collect();
        LogSetup::builder().set_types(Some(types)).enabled(enabled).build()
    };
    let (on, off): (Vec<_>, Vec<_>) = (on.into_iter().collect(), off.into_iter().collect());
    let mut request = Logging::builder();
    for (logs, enabled) in [(on, true), (off, false)].into_iter().filter(|(logs, _)| !logs.is_empty()) {
        request = request.cluster_logging(setup(logs, enabled));
    }
    request.build()
}
