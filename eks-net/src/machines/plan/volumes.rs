//! Volumes, and where they are attached.

use eks_core::{Error, Ref, StepKey};

use super::{DISK, Planner, refused};
use crate::{
    found::Found,
    machines::{
        device,
        disk::VolumeType,
        keys,
        observed::FoundMachineVolume,
        op::{Held, MachineOp, ModifyVolume},
        volume::{Attach, PlacedVolume, TEARDOWN_TAG},
    },
};

impl<'a> Planner<'a> {
    fn found_volume(&self, key: &StepKey) -> Result<Option<&'a FoundMachineVolume>, Error> {
        self.now.made_by(self.now.volumes.iter().filter(|volume| volume.is_there()), key)
    }

    pub(super) fn volume(&mut self, wanted: &PlacedVolume) -> Result<(), Error> {
        let key = wanted.key();
        let found = self.found_volume(&key)?;
        let mut tags = self.wanted(&key);
        tags.insert(TEARDOWN_TAG.to_owned(), wanted.on_teardown.as_str().to_owned());
        let (tags, mut changes) = self.tags(tags, found);
        let op = match found {
            None => MachineOp::Volume { zone: wanted.zone.clone(), gib: wanted.gib, disk: wanted.disk.clone(), tags },
            Some(found) => {
                check_same(wanted, found)?;
                let modify = modify(wanted, found, &mut changes);
                let creating = found.state == "creating";
                if creating {
                    changes.push("state: creating → available".to_owned());
                }
                MachineOp::ChangeVolume { id: found.id.clone(), modify, creating, tags }
            }
        };
        let title = format!("volume in {}, {}", wanted.zone, wanted.disk);
        let step = self.step(key, title, found.map(Found::id), changes, &op)?;
        self.steps.push(step.takes(DISK).costs(wanted.disk.price(wanted.gib)));
        Ok(())
    }

    pub(super) fn attachment(&mut self, wanted: &PlacedVolume) -> Result<(), Error> {
        let found = self.found_volume(&wanted.key())?;
        let held = found.and_then(|found| found.held.clone());
        let ours = held.as_ref().is_some_and(|held| self.now.our_instance(&held.instance).is_some());
        match (&wanted.attach, found, held) {
            (Some(attach), Some(found), Some(held)) => self.attached(wanted, attach, found, held, ours),
            (Some(attach), ..) => self.attach(wanted, attach, Vec::new(), None),
            (None, Some(found), Some(held)) if ours => self.detach(wanted, found, held),
            (None, ..) => Ok(()),
        }
    }

    /// It is attached, rightly or not.
    fn attached(
        &mut self,
        wanted: &PlacedVolume,
        attach: &Attach,
        found: &FoundMachineVolume,
        held: Held,
        ours: bool,
    ) -> Result<(), Error> {
        let instance = Ref::id_of(keys::instance(&attach.instance));
        let should = self.now.instance_behind(&instance);
        let right = should == Some(&held.instance) && device::canonical(&held.device) == device::canonical(&attach.device);
        if !right && !ours {
            let rule = format!("it is attached to {}, which we did not make", held.instance);
            return Err(refused(&found.id, rule, "detach it there first, or take it out of the spec"));
        }
        let state = found.attachment.as_deref().unwrap_or("attached");
        let mut changes = Vec::new();
        if !right {
            let to = should.map_or_else(|| instance.to_string(), ToString::to_string);
            changes.push(format!("at: {} {} → {to} {}", held.instance, held.device, attach.device));
        } else if !matches!(state, "attached" | "busy") {
            changes.push(format!("state: {state} → attached"));
        }
        let detach = (!right || state == "detaching").then_some(held);
        self.attach(wanted, attach, changes, Some((found, detach)))
    }

    fn attach(
        &mut self,
        wanted: &PlacedVolume,
        attach: &Attach,
        changes: Vec<String>,
        found: Option<(&FoundMachineVolume, Option<Held>)>,
    ) -> Result<(), Error> {
        let (volume, instance) = (wanted.id(), Ref::id_of(keys::instance(&attach.instance)));
        let id = found.as_ref().map(|(found, _)| found.id.to_string());
        let detach = found.and_then(|(_, held)| held);
        // What has the device now must have left it.
        let target = self.now.instance_behind(&instance);
        let at = |held: &Held| Some(&held.instance) == target && device::canonical(&held.device) == device::canonical(&attach.device);
        let before: Vec<StepKey> = self
            .spec
            .volumes
            .iter()
            .filter(|other| other.name != wanted.name)
            .filter(|other| self.found_volume(&other.key()).ok().flatten().and_then(|found| found.held.as_ref()).is_some_and(at))
            .map(|other| keys::attachment(&other.name))
            .collect();
        let op = MachineOp::Attachment { volume: volume.clone(), instance: instance.clone(), device: attach.device.clone(), detach };
        let title = format!("{} at {} as {}", wanted.name, attach.instance, attach.device);
        let step = self.step(keys::attachment(&wanted.name), title, id.as_deref(), changes, &op)?;
        self.steps.push(step.uses(&volume).uses(&instance).after_all(&before).takes(DISK));
        Ok(())
    }

    fn detach(&mut self, wanted: &PlacedVolume, found: &FoundMachineVolume, held: Held) -> Result<(), Error> {
        let changes = vec![format!("at: {} {} → nowhere", held.instance, held.device)];
        let title = format!("{} at no instance", wanted.name);
        let (id, op) = (found.id.to_string(), MachineOp::Detach { volume: found.id.clone(), held });
        let step = self.step(keys::attachment(&wanted.name), title, Some(&id), changes, &op)?;
        self.steps.push(step.after(wanted.key()).takes(DISK));
        Ok(())
    }
}

/// What cannot be changed is as it should be. (Amazon EBS User Guide, "Modify an Amazon EBS volume using Elastic Volumes
/// operations".)
fn check_same(wanted: &PlacedVolume, found: &FoundMachineVolume) -> Result<(), Error> {
    let copy = "make a snapshot and a new volume from it, under another name";
    let fixed = |rule: String| Err(refused(&found.id, rule, copy));
    if found.zone != wanted.zone {
        return fixed(format!("it is in {}, the spec has {}, and a volume cannot be moved", found.zone, wanted.zone));
    }
    if found.gib > wanted.gib {
        let rule = format!("it has {} GiB, the spec has {}, and a volume cannot be made smaller", found.gib, wanted.gib);
        return Err(refused(&found.id, rule, "copy its files to a new volume, under another name"));
    }
    // One that is encrypted although nobody asked is so because the account encrypts by default.
    if wanted.disk.encrypted && !found.disk.encrypted {
        return fixed("it is not encrypted, the spec has it encrypted, and that cannot be changed".to_owned());
    }
    // An alias or a bare id does not tell whether it is the same key.
    let arn = wanted.disk.kms_key.as_deref().filter(|key| key.starts_with("arn:") && key.contains(":key/"));
    if let (Some(should), Some(is)) = (arn, found.disk.kms_key.as_deref())
        && is != should
    {
        return fixed(format!("it is encrypted with {is}, the spec has {should}, and that cannot be changed"));
    }
    let magnetic = [found.disk.kind, wanted.disk.kind].contains(&VolumeType::Standard);
    if magnetic && (found.disk.kind != wanted.disk.kind || found.gib != wanted.gib) {
        let rule = format!("it is {} GB {}, the spec has {} GB {}", found.gib, found.disk.kind, wanted.gib, wanted.disk.kind);
        return fixed(format!("{rule}, and volumes of type standard cannot be changed"));
    }
    if found.state == "error" {
        let rule = "EBS could not make it, or lost it".to_owned();
        return Err(refused(&found.id, rule, "delete it, and plan again"));
    }
    Ok(())
}

/// What changes in place.
fn modify(wanted: &PlacedVolume, found: &FoundMachineVolume, changes: &mut Vec<String>) -> Option<ModifyVolume> {
    let mut modify = ModifyVolume::default();
    if found.gib != wanted.gib {
        changes.push(format!("size: {} → {} GB", found.gib, wanted.gib));
        modify.gib = Some(wanted.gib);
    }
    let kind = wanted.disk.kind;
    if found.disk.kind != kind {
        changes.push(format!("type: {} → {kind}", found.disk.kind));
        modify.kind = Some(kind);
    }
    let mut speed = |what: &str, is: Option<u32>, should: Option<u32>| {
        let should = should.filter(|should| is != Some(*should))?;
        changes.push(format!("{what}: {} → {should}", is.map_or_else(|| "none".to_owned(), |is| is.to_string())));
        Some(should)
    };
    modify.iops = speed("IOPS", found.disk.effective_iops(), wanted.disk.effective_iops());
    modify.throughput = speed("MiB/s", found.disk.effective_throughput(), wanted.disk.effective_throughput());
    if modify.kind.is_some() {
        // "If you change the volume type to io1, io2, or gp3, the default is 3,000" (ModifyVolume): what stays must be said again.
        modify.iops = wanted.disk.effective_iops();
        modify.throughput = wanted.disk.effective_throughput();
    }
    (modify != ModifyVolume::default()).then_some(modify)
}
