//! Key pairs and instances: making them, and bringing them up to date.

use std::time::Duration;

use aws_sdk_ec2::{
    primitives::Blob,
    types::{
        BlockDeviceMapping, EbsBlockDevice, HttpTokensState, InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification,
        InstanceStateName, InstanceType, ResourceType, VolumeType,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use eks_core::{
    Class, Error, InstanceId, KeyPairId, Outputs, Ref, SecurityGroupId,
    aws::failed,
    engine::{StepContext, Wait},
};

use super::{
    super::{
        create::{id_output, made_by, specification, to_tags, told},
        is, strange,
    },
    Machines, poll,
};
use crate::{
    machines::{
        Launch, Metadata,
        plan::{LAUNCH, STATUS_CHECKS},
    },
    tags::Tags,
};

/// How many terminated instances that EC2 no longer shows one launch finds its way past.
const GENERATIONS: usize = 10;

fn http_tokens(metadata: Metadata) -> HttpTokensState {
    if metadata.tokens_required { HttpTokensState::Required } else { HttpTokensState::Optional }
}

fn hops(metadata: Metadata) -> i32 {
    i32::try_from(metadata.hop_limit).unwrap_or(1)
}

/// Sizes and speeds are far below the bound.
pub(super) fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

impl Machines {
    /// Puts tags on what exists.
    pub(super) async fn tag(&self, id: &str, tags: &Tags) -> Result<(), Error> {
        if tags.is_empty() {
            return Ok(());
        }
        let call = self.ec2.create_tags().resources(id).set_tags(Some(to_tags(tags)));
        call.send().await.map(drop).map_err(|error| failed("ec2:CreateTags", id, error))
    }

    pub(super) async fn key_pair(
        &self,
        cx: &StepContext,
        id: Option<KeyPairId>,
        name: &str,
        public_key: &str,
        tags: &Tags,
    ) -> Result<Outputs, Error> {
        if let Some(id) = id {
            return self.tag(id.as_str(), tags).await.map(|()| id_output(id));
        }
        let look = async {
            let answer = self.ec2.describe_key_pairs().set_filters(Some(made_by(cx))).send().await;
            let answer = answer.map_err(|error| failed("ec2:DescribeKeyPairs", name, error))?;
            Ok(answer.key_pairs().first().and_then(|pair| pair.key_pair_id()).map(str::to_owned))
        };
        let import = async {
            let call = self.once.import_key_pair().key_name(name).public_key_material(Blob::new(public_key.as_bytes()));
            let call = call.tag_specifications(specification(ResourceType::KeyPair, tags));
            let answer = call.send().await.map_err(|error| failed("ec2:ImportKeyPair", name, error))?;
            told("ec2:ImportKeyPair", name, answer.key_pair_id())
        };
        Ok(id_output(self.made.once(cx, look, import).await?))
    }

    pub(super) async fn launch(&self, cx: &StepContext, launch: &Launch, generation: String, tags: &Tags) -> Result<Outputs, Error> {
        let id = self.run_instance(cx, launch, generation, tags).await?;
        let outputs = cx.wait(Wait::typical(poll::INSTANCE_RUNNING, &id, LAUNCH)).await?;
        if launch.status_checks {
            cx.wait(Wait::typical(poll::INSTANCE_CHECKED, &id, STATUS_CHECKS)).await?;
        }
        Ok(outputs)
    }

    /// Launches an instance, or, with the same token again, tells the one that was launched. If that one is terminated, EC2 had
    /// stopped showing it when the plan was made: the next has another token.
    async fn run_instance(&self, cx: &StepContext, launch: &Launch, mut generation: String, tags: &Tags) -> Result<String, Error> {
        let (name, subject) = ("ec2:RunInstances", cx.key().as_str());
        let subnet = cx.resolve(&launch.subnet)?;
        let groups = launch.groups.iter().map(|group| Ok(cx.resolve(group)?.to_string())).collect::<Result<Vec<_>, Error>>()?;
        // A token stands for its parameters, too.
        let parameters = serde_json::to_string(&(launch, &subnet, &groups, tags)).map_err(|error| crate::plan::faulty(subject, &error))?;
        for _ in 0..GENERATIONS {
            let token = cx.owner().token(cx.key(), &format!("{parameters} {generation}"));
            let interface = InstanceNetworkInterfaceSpecification::builder()
                .device_index(0)
                .subnet_id(subnet.as_str())
                .set_groups((!groups.is_empty()).then(|| groups.clone()))
                .associate_public_ip_address(launch.public_ip)
                .delete_on_termination(true)
                .build();
            let metadata = InstanceMetadataOptionsRequest::builder()
                .http_tokens(http_tokens(launch.metadata))
                .http_put_response_hop_limit(hops(launch.metadata));
            let call = self.ec2.run_instances().min_count(1).max_count(1).client_token(token);
            let call = call
                .image_id(&launch.image)
                .instance_type(InstanceType::from(launch.instance_type.as_str()))
                .set_key_name(launch.key_name.clone())
                .network_interfaces(interface)
                .metadata_options(metadata.build())
                .block_device_mappings(root(launch))
                .set_user_data(launch.user_data.as_ref().map(|data| STANDARD.encode(data)))
                .set_disable_api_termination(launch.protected.then_some(true))
                .tag_specifications(specification(ResourceType::Instance, tags))
                .tag_specifications(specification(ResourceType::Volume, tags))
                .tag_specifications(specification(ResourceType::NetworkInterface, tags));
            let dead = match call.send().await.map_err(|error| failed(name, subject, error)) {
                Ok(answer) => {
                    let made = answer.instances().first();
                    let id = told(name, subject, made.and_then(|made| made.instance_id()))?;
                    match made.and_then(|made| made.state()).and_then(|state| state.name()) {
                        Some(InstanceStateName::ShuttingDown | InstanceStateName::Terminated) => id,
                        _ => return Ok(id),
                    }
                }
                Err(error) if is(&error, "IdempotentInstanceTerminated") => "gone".to_owned(),
                Err(error) => return Err(error),
            };
            generation = format!("{generation},{dead}");
        }
        let why = format!("each instance of its tokens is terminated (generations {generation})");
        Err(strange(name, subject, Class::Permanent, why))
    }

    pub(super) async fn change_instance(
        &self,
        cx: &StepContext,
        id: &InstanceId,
        groups: Option<&[Ref<SecurityGroupId>]>,
        metadata: Option<Metadata>,
        pending: bool,
        tags: &Tags,
    ) -> Result<Outputs, Error> {
        self.tag(id.as_str(), tags).await?;
        if let Some(groups) = groups {
            let groups = groups.iter().map(|group| Ok(cx.resolve(group)?.to_string())).collect::<Result<Vec<_>, Error>>()?;
            let call = self.ec2.modify_instance_attribute().instance_id(id.as_str()).set_groups(Some(groups));
            call.send().await.map_err(|error| failed("ec2:ModifyInstanceAttribute", id.as_str(), error))?;
        }
        if let Some(metadata) = metadata {
            let call = self.ec2.modify_instance_metadata_options().instance_id(id.as_str());
            let call = call.http_tokens(http_tokens(metadata)).http_put_response_hop_limit(hops(metadata));
            call.send().await.map_err(|error| failed("ec2:ModifyInstanceMetadataOptions", id.as_str(), error))?;
        }
        if pending {
            // It runs, or has been on its way for an unknown time.
            return cx.wait(Wait::typical(poll::INSTANCE_RUNNING, id.as_str(), LAUNCH).first(Duration::from_secs(1))).await;
        }
        Ok(id_output(id))
    }
}

/// The root volume. What is not said is as the image has it.
fn root(launch: &Launch) -> BlockDeviceMapping {
    let disk = &launch.root;
    let ebs = EbsBlockDevice::builder()
        .volume_type(VolumeType::from(disk.kind.as_str()))
        .encrypted(disk.encrypted)
        .delete_on_termination(true)
        .set_volume_size(disk.gib.map(signed))
        .set_iops(disk.iops.map(signed))
        .set_throughput(disk.throughput.map(signed))
        .set_kms_key_id(disk.kms_key.clone());
    BlockDeviceMapping::builder().device_name(&launch.root_device).ebs(ebs.build()).build()
}
