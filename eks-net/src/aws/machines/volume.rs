//! Volumes: making, changing, attaching and detaching them.

use std::time::Duration;

use aws_sdk_ec2::types::{ResourceType, VolumeType};
use eks_core::{
    Class, Error, InstanceId, Outputs, VolumeId, ZoneName,
    aws::failed,
    engine::{StepContext, Wait},
};

use super::{
    super::{
        create::{id_output, made_by, specification, told},
        is,
        observe::filter,
    },
    Machines,
    instance::signed,
    poll,
};
use crate::{
    machines::{Disk, FoundMachineVolume, Held, ModifyVolume, plan::DISK},
    tags::Tags,
};

impl Machines {
    /// Makes a volume. The SDK gives each call a token, so it may repeat it. Ours would outlive a volume: deleted ones leave no trace
    /// from which to tell the token of the next.
    pub(super) async fn volume(&self, cx: &StepContext, zone: &ZoneName, gib: u32, disk: &Disk, tags: &Tags) -> Result<Outputs, Error> {
        let (name, subject) = ("ec2:CreateVolume", cx.key().as_str());
        let look = async {
            let mut request = self.ec2.describe_volumes();
            for one in made_by(cx) {
                request = request.filters(one);
            }
            let answer = request.send().await.map_err(|error| failed("ec2:DescribeVolumes", subject, error))?;
            let there = answer.volumes().iter().find(|volume| volume.state().is_some_and(|state| !state.as_str().starts_with("delet")));
            Ok(there.and_then(|volume| volume.volume_id()).map(str::to_owned))
        };
        let create = async {
            let call = self.ec2.create_volume().availability_zone(zone.as_str()).size(signed(gib));
            let call = call.volume_type(VolumeType::from(disk.kind.as_str())).encrypted(disk.encrypted);
            let call = call.set_iops(disk.iops.map(signed)).set_throughput(disk.throughput.map(signed));
            let call = call.set_kms_key_id(disk.kms_key.clone()).tag_specifications(specification(ResourceType::Volume, tags));
            let answer = call.send().await.map_err(|error| failed(name, subject, error))?;
            told(name, subject, answer.volume_id())
        };
        let id = self.made.once(cx, look, create).await?;
        cx.wait(Wait::typical(poll::VOLUME_AVAILABLE, id, DISK)).await
    }

    pub(super) async fn change_volume(
        &self,
        cx: &StepContext,
        id: &VolumeId,
        modify: Option<&ModifyVolume>,
        creating: bool,
        tags: &Tags,
    ) -> Result<Outputs, Error> {
        self.tag(id.as_str(), tags).await?;
        if creating {
            cx.wait(Wait::typical(poll::VOLUME_AVAILABLE, id.as_str(), DISK).first(Duration::from_secs(1))).await?;
        }
        if let Some(modify) = modify {
            self.modify(id, modify).await?;
            cx.wait(Wait::typical(poll::VOLUME_MODIFIED, id.as_str(), DISK)).await?;
        }
        Ok(id_output(id))
    }

    /// Begins to modify a volume. If an answer was lost, that has begun: a second modification is refused for hours.
    async fn modify(&self, id: &VolumeId, modify: &ModifyVolume) -> Result<(), Error> {
        let call = self.ec2.modify_volume().volume_id(id.as_str());
        let call = call.set_volume_type(modify.kind.map(|kind| VolumeType::from(kind.as_str()))).set_size(modify.gib.map(signed));
        let call = call.set_iops(modify.iops.map(signed)).set_throughput(modify.throughput.map(signed));
        let Err(error) = call.send().await else { return Ok(()) };
        let error = failed("ec2:ModifyVolume", id.as_str(), error);
        let answer = self.ec2.describe_volumes_modifications().filters(filter("volume-id", [id.as_str()])).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeVolumesModifications", id.as_str(), error))?;
        let newest = answer.volumes_modifications().iter().max_by_key(|told| told.start_time().copied());
        let same = |wanted: Option<u32>, target: Option<i32>| wanted.is_none_or(|wanted| target == Some(signed(wanted)));
        let begun = newest.is_some_and(|told| {
            let kind = modify.kind.is_none_or(|kind| told.target_volume_type().is_some_and(|target| target.as_str() == kind.as_str()));
            let speed = same(modify.iops, told.target_iops()) && same(modify.throughput, told.target_throughput());
            kind && speed
                && same(modify.gib, told.target_size())
                && told.modification_state().is_some_and(|state| state.as_str() != "failed")
        });
        if begun { Ok(()) } else { Err(error) }
    }

    async fn read_volume(&self, id: &VolumeId) -> Result<Option<FoundMachineVolume>, Error> {
        Ok(self.volumes(id, filter("volume-id", [id.as_str()])).await?.into_iter().next())
    }

    pub(super) async fn attachment(
        &self,
        cx: &StepContext,
        volume: &VolumeId,
        instance: &InstanceId,
        device: &str,
        detach: Option<&Held>,
    ) -> Result<Outputs, Error> {
        let target = Held { instance: instance.clone(), device: device.to_owned() };
        // An earlier attempt may have come as far as attaching it.
        let there = cx.attempt() > 1 && self.is_at(volume, &target).await?;
        if let Some(held) = detach.filter(|_| !there) {
            self.let_go(volume, held).await?;
            cx.wait(Wait::typical(poll::VOLUME_AVAILABLE, volume.as_str(), DISK)).await?;
        }
        if !there {
            let call = self.ec2.attach_volume().volume_id(volume.as_str()).instance_id(instance.as_str()).device(device);
            if let Err(error) = call.send().await {
                let error = failed("ec2:AttachVolume", volume.as_str(), error);
                // Ours, if an answer was lost, or if it was on its way when the plan was made; another, if somebody was faster.
                let ours = is(&error, "VolumeInUse") && self.is_at(volume, &target).await?;
                if !ours {
                    // EC2 may not know everywhere yet that both are ready.
                    return Err(if is(&error, "IncorrectState") { error.with_class(Class::Inconsistent) } else { error });
                }
            }
        }
        cx.wait(Wait::typical(poll::VOLUME_ATTACHED, volume.as_str(), DISK)).await
    }

    async fn is_at(&self, volume: &VolumeId, target: &Held) -> Result<bool, Error> {
        let found = self.read_volume(volume).await?;
        Ok(found.is_some_and(|found| found.held.as_ref() == Some(target) && found.attachment.as_deref() != Some("detaching")))
    }

    pub(super) async fn detach(&self, cx: &StepContext, volume: &VolumeId, held: &Held) -> Result<Outputs, Error> {
        self.let_go(volume, held).await?;
        cx.wait(Wait::typical(poll::VOLUME_AVAILABLE, volume.as_str(), DISK)).await
    }

    /// Detaches. What is not there is detached: an attempt whose answer was lost makes the next one fail.
    async fn let_go(&self, volume: &VolumeId, held: &Held) -> Result<(), Error> {
        let call = self.ec2.detach_volume().volume_id(volume.as_str()).instance_id(held.instance.as_str()).device(&held.device);
        match call.send().await.map_err(|error| failed("ec2:DetachVolume", volume.as_str(), error)) {
            Err(error) if is(&error, "IncorrectState") || is(&error, "InvalidAttachment.NotFound") => Ok(()),
            other => other.map(drop),
        }
    }
}
