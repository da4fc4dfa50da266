//! Instances.

use eks_core::{Error, Price, Step, Tier};

use super::{LAUNCH, Planner, STATUS_CHECKS, refused};
use crate::{
    egress::price::ADDRESS_HOURLY,
    found::Found,
    machines::{
        device,
        disk::Disk,
        instance::{Ami, Architecture, PlacedInstance},
        observed::FoundInstance,
        op::{Launch, MachineOp},
        price,
    },
    tags::Tags,
};

/// Tag with a digest of the user data, which EC2 tells one instance at a time only.
pub(crate) const USER_DATA_TAG: &str = "eks-rs/user-data";

/// The root volume of Amazon Linux 2023's images, in GiB.
const AL2023_ROOT_GIB: u32 = 8;

impl Planner<'_> {
    pub(super) fn instance(&mut self, wanted: &PlacedInstance) -> Result<(), Error> {
        let key = wanted.key();
        let live = self.now.instances.iter().filter(|instance| instance.is_live());
        let found = self.now.made_by(live, &key)?;
        if let Some(found) = found {
            self.check_same(wanted, found)?;
        }
        let mut tags = self.wanted(&key);
        tags.extend(wanted.user_data_hash().map(|hash| (USER_DATA_TAG.to_owned(), hash)));
        let (tags, changes) = self.tags(tags, found);
        let (op, changes) = match found {
            Some(found) => self.change(wanted, found, tags, changes),
            None => (self.launch(wanted, tags)?, changes),
        };
        let title = format!("{} in {}, {}", wanted.instance_type, wanted.zone(), wanted.image);
        let title = format!("{title}{}", if wanted.protected { ", protected from termination" } else { "" });
        let mut step = self.step(key, title, found.map(Found::id), changes, &op)?;
        step = step.uses(&wanted.subnet.id).takes(LAUNCH + if wanted.status_checks { STATUS_CHECKS } else { std::time::Duration::ZERO });
        step = wanted.groups.iter().fold(step, |step, group| step.uses(group));
        if let Some((_, Some(pair))) = &wanted.key_pair {
            step = step.after(pair.clone());
        }
        for (name, value) in found.iter().flat_map(|found| outputs(found)) {
            step = step.knows(name, value);
        }
        step = self.needs_network(step, wanted);
        let root = self.root_gib(wanted);
        if let Some(usd) = price::instance_hourly(&wanted.instance_type) {
            step = step.costs(Price::hourly(wanted.instance_type.clone(), usd));
        }
        if wanted.public_ip {
            step = step.costs(Price::hourly("public IPv4 address", ADDRESS_HOURLY));
        }
        if let Some(gib) = root {
            step = step.costs(wanted.root.price(gib));
        }
        self.steps.push(step);
        Ok(())
    }

    /// What cannot be changed is as it should be.
    fn check_same(&self, wanted: &PlacedInstance, found: &FoundInstance) -> Result<(), Error> {
        let fixed = |what: &str, is: &str, should: &str, why: &str| {
            let rule = format!("its {what} is {is}, the spec has {should}, and {why}");
            Err(refused(&found.id, rule, "give the new instance a name of its own, or terminate this one first"))
        };
        let key_name = wanted.key_pair.as_ref().map(|(name, _)| name.as_str());
        if found.instance_type != wanted.instance_type {
            let why = "changing it would stop the instance, which a plan never does";
            return fixed("type", &found.instance_type, &wanted.instance_type, why);
        }
        if let Ami::Id(id) = &wanted.image
            && found.image != id.as_str()
        {
            return fixed("image", &found.image, id.as_str(), "an instance keeps the image that it was launched from");
        }
        if let (Some(is), Some(should)) = (&found.subnet, self.now.resolved(&wanted.subnet.id))
            && is.as_str() != should
        {
            return fixed("subnet", is.as_str(), should, "an instance cannot be moved");
        }
        if found.key_name.as_deref() != key_name {
            let none = "none";
            let why = "the key is put on at the first boot";
            return fixed("key pair", found.key_name.as_deref().unwrap_or(none), key_name.unwrap_or(none), why);
        }
        let (is, should) = (found.tags.get(USER_DATA_TAG).cloned(), wanted.user_data_hash());
        if is != should {
            let told = |hash: Option<String>| hash.map_or_else(|| "none".to_owned(), |hash| format!("that of digest {hash}"));
            return fixed("user data", &told(is), &told(should), "it has run at the first boot");
        }
        Ok(())
    }

    fn change(&self, wanted: &PlacedInstance, found: &FoundInstance, tags: Tags, mut changes: Vec<String>) -> (MachineOp, Vec<String>) {
        let mut should: Vec<String> =
            wanted.groups.iter().map(|group| self.now.resolved(group).map_or_else(|| group.to_string(), str::to_owned)).collect();
        let mut is: Vec<String> = found.groups.iter().map(ToString::to_string).collect();
        should.sort();
        is.sort();
        let groups = (!should.is_empty() && is != should).then(|| wanted.groups.clone());
        if groups.is_some() {
            changes.push(format!("groups: {} → {}", is.join(", "), should.join(", ")));
        }
        let metadata = (found.metadata != wanted.metadata).then_some(wanted.metadata);
        if metadata.is_some() {
            changes.push(format!("metadata: {} → {}", found.metadata, wanted.metadata));
        }
        let pending = found.state == "pending";
        if pending {
            changes.push("state: pending → running".to_owned());
        }
        (MachineOp::ChangeInstance { id: found.id.clone(), groups, metadata, pending, tags }, changes)
    }

    fn launch(&self, wanted: &PlacedInstance, tags: Tags) -> Result<MachineOp, Error> {
        let image = self.now.images.iter().find(|image| image.id == wanted.image.image_id());
        if let (Some(image), Some(gib)) = (image, wanted.root.gib)
            && let Some(least) = image.root_gib.filter(|least| *least > gib)
        {
            let rule = format!("its root volume has {gib} GiB, and the image {} needs {least}", image.id);
            return Err(refused(wanted.key(), rule, "make the root volume larger"));
        }
        let arm = |architecture: &str| architecture == Architecture::Arm64.as_str();
        let of_type = Architecture::of(&wanted.instance_type);
        if let Some(image) = image.filter(|image| !image.architecture.is_empty() && arm(&image.architecture) != arm(of_type.as_str())) {
            let rule = format!("the image {} is for {}, and {} is {of_type}", image.id, image.architecture, wanted.instance_type);
            return Err(refused(wanted.key(), rule, "choose an image or a type of the other architecture"));
        }
        let root_device = wanted.root_device.clone().or_else(|| image?.root_device.clone());
        let launch = Launch {
            image: wanted.image.image_id(),
            instance_type: wanted.instance_type.clone(),
            subnet: wanted.subnet.id.clone(),
            groups: wanted.groups.clone(),
            key_name: wanted.key_pair.as_ref().map(|(name, _)| name.clone()),
            metadata: wanted.metadata,
            user_data: wanted.user_data.clone(),
            root_device: root_device.unwrap_or_else(|| device::ROOT.to_owned()),
            root: Disk { gib: wanted.root.gib.or_else(|| image?.root_gib), ..wanted.root.clone() },
            public_ip: wanted.public_ip,
            protected: wanted.protected,
            status_checks: wanted.status_checks,
        };
        let generation = self.generation(wanted);
        Ok(MachineOp::Launch { launch: Box::new(launch), generation, tags })
    }

    /// What tells the token of the next instance from those of the ones before it.
    fn generation(&self, wanted: &PlacedInstance) -> String {
        let key = wanted.key();
        let dead = self.now.instances.iter().filter(|found| !found.is_live() && found.key(&self.now.owner).as_ref() == Some(&key));
        let mut dead: Vec<_> = dead.map(|found| found.id.to_string()).collect();
        dead.sort();
        dead.join(",")
    }

    /// A public address needs the internet gateway; a program that runs at the first boot may need the way out.
    fn needs_network(&self, mut step: Step, wanted: &PlacedInstance) -> Step {
        if let Some(gateway) = self.spec.internet_gateway().filter(|_| wanted.subnet.tier == Tier::Public) {
            step = step.after(gateway);
        }
        if wanted.user_data.is_some() { step.after_all(&self.spec.network.egress) } else { step }
    }

    /// The size of the root volume, as far as it is known.
    pub(super) fn root_gib(&self, wanted: &PlacedInstance) -> Option<u32> {
        wanted.root.gib.or_else(|| match &wanted.image {
            Ami::AmazonLinux2023(_) => Some(AL2023_ROOT_GIB),
            other => self.now.images.iter().find(|image| image.id == other.image_id())?.root_gib,
        })
    }
}

/// What an instance tells besides its id.
fn outputs(found: &FoundInstance) -> Vec<(&'static str, String)> {
    let private = found.private_ip.clone().map(|ip| ("private_ip", ip));
    private.into_iter().chain(found.public_ip.clone().map(|ip| ("public_ip", ip))).collect()
}
