//! What steps wait for.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Instance, SummaryStatus};
use eks_core::{Class, Error, Outputs, aws::failed, engine::Poll};

use super::{
    super::{create::id_output, observe::filter, strange},
    Machines,
};

pub(super) const INSTANCE_RUNNING: &str = "instance-running";
pub(super) const INSTANCE_CHECKED: &str = "instance-status-ok";
pub(super) const INSTANCE_TERMINATED: &str = "instance-terminated";
pub(super) const VOLUME_AVAILABLE: &str = "volume-available";
pub(super) const VOLUME_ATTACHED: &str = "volume-attached";
pub(super) const VOLUME_MODIFIED: &str = "volume-modified";
pub(super) const IN_SERVICE: &str = "instances-in-service";
pub(super) const BALANCER_RELEASED: &str = "load-balancer-released";

type States = BTreeMap<String, Poll>;

fn pending(state: impl Into<String>) -> Poll {
    Poll::Pending { state: state.into() }
}

fn each(ids: &[String], state: impl Fn(&str) -> Poll) -> States {
    ids.iter().map(|id| (id.clone(), state(id))).collect()
}

impl Machines {
    /// States of several things of one kind. Filters, unlike lists of ids, do not fail on what is not there yet, or no more.
    pub(super) async fn states(&self, kind: &str, ids: &[String]) -> Result<States, Error> {
        match kind {
            INSTANCE_RUNNING | INSTANCE_TERMINATED => self.instance_states(kind, ids).await,
            INSTANCE_CHECKED => self.checks(ids).await,
            VOLUME_AVAILABLE | VOLUME_ATTACHED => self.volume_states(kind, ids).await,
            VOLUME_MODIFIED => self.modifications(ids).await,
            IN_SERVICE => self.service_states(ids).await,
            BALANCER_RELEASED => self.releases(ids).await,
            other => Err(strange("poll", other, Class::Permanent, "nothing is waited for by this name")),
        }
    }

    async fn instance_states(&self, kind: &str, ids: &[String]) -> Result<States, Error> {
        let answer = self.ec2.describe_instances().filters(filter("instance-id", ids)).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeInstances", ids.join(", "), error))?;
        let told = |id: &str| {
            answer.reservations().iter().flat_map(|reservation| reservation.instances()).find(|told| told.instance_id() == Some(id))
        };
        Ok(each(ids, |id| instance_state(kind, id, told(id))))
    }

    async fn checks(&self, ids: &[String]) -> Result<States, Error> {
        let answer = self.ec2.describe_instance_status().set_instance_ids(Some(ids.to_vec())).include_all_instances(true).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeInstanceStatus", ids.join(", "), error))?;
        Ok(each(ids, |id| {
            let Some(told) = answer.instance_statuses().iter().find(|told| told.instance_id() == Some(id)) else {
                return pending("not seen");
            };
            let of = |summary: Option<&aws_sdk_ec2::types::InstanceStatusSummary>| summary.and_then(|summary| summary.status()).cloned();
            let (system, instance) = (of(told.system_status()), of(told.instance_status()));
            if (&system, &instance) == (&Some(SummaryStatus::Ok), &Some(SummaryStatus::Ok)) {
                return Poll::Ready(id_output(id));
            }
            let name = |status: Option<SummaryStatus>| status.map_or_else(|| "unknown".to_owned(), |status| status.as_str().to_owned());
            pending(format!("system {}, instance {}", name(system), name(instance)))
        }))
    }

    async fn volume_states(&self, kind: &str, ids: &[String]) -> Result<States, Error> {
        let found = self.volumes(&ids.join(", "), filter("volume-id", ids)).await?;
        Ok(each(ids, |id| {
            let Some(volume) = found.iter().find(|volume| volume.id.as_str() == id) else { return pending("not seen") };
            let attachment = volume.attachment.as_deref().unwrap_or_default();
            match (kind, volume.state.as_str(), &volume.held) {
                (VOLUME_AVAILABLE, "available", _) => Poll::Ready(id_output(id)),
                (VOLUME_ATTACHED, _, Some(_)) if attachment == "attached" => Poll::Ready(id_output(id)),
                (_, state @ ("error" | "deleting" | "deleted"), _) => {
                    let reason = "EBS gives no reason; a wrong KMS key is the usual one. Delete it, and run again".to_owned();
                    Poll::Failed { state: state.to_owned(), reason }
                }
                (_, _, Some(held)) => pending(format!("{attachment} ({} {})", held.instance, held.device)),
                (_, state, None) => pending(state),
            }
        }))
    }

    /// A volume is of use in its new form as soon as it is being optimized.
    async fn modifications(&self, ids: &[String]) -> Result<States, Error> {
        let answer = self.ec2.describe_volumes_modifications().filters(filter("volume-id", ids)).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeVolumesModifications", ids.join(", "), error))?;
        Ok(each(ids, |id| {
            let of = |told: &&aws_sdk_ec2::types::VolumeModification| told.volume_id() == Some(id);
            let newest = answer.volumes_modifications().iter().filter(of).max_by_key(|told| told.start_time().copied());
            let state = newest.and_then(|told| told.modification_state()).map_or("not seen", |state| state.as_str());
            match state {
                "optimizing" | "completed" => Poll::Ready(id_output(id)),
                "failed" => {
                    let reason = newest.and_then(|told| told.status_message()).unwrap_or("EBS gives no reason").to_owned();
                    Poll::Failed { state: state.to_owned(), reason }
                }
                other => pending(other),
            }
        }))
    }

    /// Ids are `load balancer/instance,instance`.
    async fn service_states(&self, ids: &[String]) -> Result<States, Error> {
        let mut states = States::new();
        for id in ids {
            let (name, members) = id.split_once('/').unwrap_or((id, ""));
            let health = self.health(name).await?;
            let waits: Vec<_> = members
                .split(',')
                .filter_map(|member| match health.iter().find(|one| one.instance.as_str() == member) {
                    Some(one) if one.state == "InService" => None,
                    Some(one) => Some(format!("{member} {} ({}: {})", one.state, one.reason_code, one.description)),
                    None => Some(format!("{member} not seen")),
                })
                .collect();
            states.insert(id.clone(), if waits.is_empty() { Poll::Ready(id_output(name)) } else { pending(waits.join(", ")) });
        }
        Ok(states)
    }

    /// Its interfaces hold subnets and security groups for a while. (Amazon EC2 API Reference, DescribeNetworkInterfaces: their
    /// description is `ELB` and the load balancer's name.)
    async fn releases(&self, names: &[String]) -> Result<States, Error> {
        let described = filter("description", names.iter().map(|name| format!("ELB {name}")));
        let answer = self.ec2.describe_network_interfaces().filters(described).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeNetworkInterfaces", names.join(", "), error))?;
        Ok(each(names, |name| {
            let described = format!("ELB {name}");
            let left = answer.network_interfaces().iter().filter(|interface| interface.description() == Some(&described)).count();
            if left == 0 { Poll::Ready(Outputs::new()) } else { pending(format!("{left} network interfaces left")) }
        }))
    }
}

/// What an instance tells.
pub(super) fn instance_outputs(id: &str, told: &Instance) -> Outputs {
    let mut outputs = id_output(id);
    outputs.extend(told.private_ip_address().map(|ip| ("private_ip".to_owned(), ip.to_owned())));
    outputs.extend(told.public_ip_address().map(|ip| ("public_ip".to_owned(), ip.to_owned())));
    outputs
}

fn instance_state(kind: &str, id: &str, told: Option<&Instance>) -> Poll {
    let state = told.and_then(|told| told.state()).and_then(|state| state.name()).map_or("not seen", |name| name.as_str());
    match (kind, state, told) {
        (INSTANCE_RUNNING, "running", Some(told)) => Poll::Ready(instance_outputs(id, told)),
        (INSTANCE_RUNNING, "shutting-down" | "terminated" | "stopping" | "stopped", Some(told)) => {
            let reason = told.state_reason().and_then(|reason| reason.message()).unwrap_or("EC2 gives no reason");
            Poll::Failed { state: state.to_owned(), reason: format!("{reason}; run again to replace it") }
        }
        (INSTANCE_TERMINATED, "terminated" | "not seen", _) => Poll::Ready(Outputs::new()),
        _ => pending(state),
    }
}
