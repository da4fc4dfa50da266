//! What changes machines after their launch: stopping and starting, modified volumes, images by parameter, over the wire.

use std::time::Duration;

use aws_sdk_ec2::{
    Client,
    error::ProvideErrorMetadata,
    types::{Instance, InstanceStateName, VolumeModificationState, VolumeType},
};
use eks_sim::Sim;

/// The code of the error that a call must answer.
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(result: Result<T, E>) -> String {
    result.expect_err("must be refused").code().unwrap_or_default().to_owned()
}

struct Account {
    sim: Sim,
    ec2: Client,
}

impl Account {
    fn new() -> Self {
        let sim = Sim::new();
        let ec2 = Client::new(&sim.sdk_config());
        Self { sim, ec2 }
    }

    async fn later(&self, seconds: u64) {
        self.sim.clock().sleep(Duration::from_secs(seconds)).await;
    }

    async fn run(&self, image: &str) -> Result<Instance, String> {
        let made = self.ec2.run_instances().image_id(image).instance_type("t3.micro".into()).min_count(1).max_count(1).send().await;
        let made = made.map_err(|error| error.code().unwrap_or_default().to_owned())?;
        Ok(made.instances()[0].clone())
    }

    async fn told(&self, id: &str) -> Instance {
        let found = self.ec2.describe_instances().instance_ids(id).send().await.expect("instances");
        found.reservations()[0].instances()[0].clone()
    }
}

fn state(instance: &Instance) -> Option<&InstanceStateName> {
    instance.state().and_then(|state| state.name())
}

#[tokio::test(start_paused = true)]
async fn instances_stop_and_start() {
    let account = Account::new();
    let ec2 = &account.ec2;
    let made = account.run("ami-0123456789abcdef0").await.expect("instance");
    let id = made.instance_id().expect("id");
    let (stop, start) = (|| ec2.stop_instances().instance_ids(id).send(), || ec2.start_instances().instance_ids(id).send());
    account.later(60).await;
    let before = account.told(id).await;
    let changed = stop().await.expect("stop");
    let change = &changed.stopping_instances()[0];
    assert_eq!(change.previous_state().and_then(|state| state.name()), Some(&InstanceStateName::Running));
    assert_eq!(change.current_state().and_then(|state| state.code()), Some(64));
    assert_eq!(code(start().await), "IncorrectInstanceState", "it is stopping");
    account.later(90).await;
    let stopped = account.told(id).await;
    assert_eq!(state(&stopped), Some(&InstanceStateName::Stopped));
    assert_eq!(stopped.private_ip_address(), before.private_ip_address());
    // The default subnets give public addresses, which go and come.
    assert!(before.public_ip_address().is_some() && stopped.public_ip_address().is_none());
    assert_eq!(account.sim.inventory().items().iter().find(|item| item.kind == "ec2/instance").map(|item| item.usd_per_month), Some(0.0));
    stop().await.expect("stopping what is stopped changes nothing");

    let zone = stopped.placement().and_then(|placement| placement.availability_zone()).expect("zone").to_owned();
    let volume = ec2.create_volume().availability_zone(zone).size(1).send().await.expect("volume").volume_id.expect("id");
    account.later(20).await;
    ec2.attach_volume().volume_id(&volume).instance_id(id).device("/dev/sdf").send().await.expect("attach to a stopped instance");

    start().await.expect("start");
    account.later(60).await;
    let again = account.told(id).await;
    assert_eq!((state(&again), again.public_ip_address().is_some()), (Some(&InstanceStateName::Running), true));
    stop().await.expect("stop");
    account.later(90).await;
    ec2.terminate_instances().instance_ids(id).send().await.expect("terminate a stopped instance");
    account.later(90).await;
    assert_eq!(state(&account.told(id).await), Some(&InstanceStateName::Terminated));
    assert_eq!(code(stop().await), "IncorrectInstanceState");
}

#[tokio::test(start_paused = true)]
async fn volumes_grow() {
    let account = Account::new();
    let ec2 = &account.ec2;
    let create = ec2.create_volume().availability_zone("us-east-1a").size(10).volume_type(VolumeType::Gp2);
    let id = create.send().await.expect("volume").volume_id.expect("id");
    let modify = || ec2.modify_volume().volume_id(&id);
    assert_eq!(code(modify().size(20).send().await), "IncorrectState", "it is creating");
    account.later(20).await;
    let unmodified = ec2.describe_volumes_modifications().volume_ids(&id).send().await;
    assert_eq!(code(unmodified), "InvalidVolumeModification.NotFound");
    assert_eq!(code(modify().size(5).send().await), "InvalidParameterValue");
    assert_eq!(code(modify().volume_type(VolumeType::Gp3).iops(6_000).send().await), "InvalidParameterValue", "500 for each GiB");
    let changed = modify().size(20).volume_type(VolumeType::Gp3).iops(6_000).send().await.expect("modify");
    let changed = changed.volume_modification.expect("modification");
    assert_eq!(changed.modification_state(), Some(&VolumeModificationState::Modifying));
    assert_eq!((changed.original_size(), changed.target_size()), (Some(10), Some(20)));
    assert_eq!(code(modify().size(30).send().await), "IncorrectModificationState");
    account.later(15).await;
    let told = async || {
        ec2.describe_volumes_modifications()
            .volume_ids(&id)
            .send()
            .await
            .expect("modifications")
            .volumes_modifications
            .unwrap_or_default()
            .remove(0)
    };
    assert_eq!(told().await.modification_state(), Some(&VolumeModificationState::Optimizing));
    let volume = ec2.describe_volumes().volume_ids(&id).send().await.expect("volumes").volumes.unwrap_or_default().remove(0);
    assert_eq!((volume.size(), volume.volume_type(), volume.iops()), (Some(20), Some(&VolumeType::Gp3), Some(6_000)));
    account.later(1_000).await;
    assert_eq!((told().await.modification_state(), told().await.progress()), (Some(&VolumeModificationState::Completed), Some(100)));
    modify().size(30).send().await.expect("the next one");
}

#[tokio::test(start_paused = true)]
async fn images_by_parameter() {
    let account = Account::new();
    let made = account.run("resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64").await.expect("instance");
    assert!(made.image_id().is_some_and(|image| image.starts_with("ami-0") && image.len() == 21), "{made:?}");
    let arm = account.run("resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64").await;
    assert_eq!(arm.err().as_deref(), Some("InvalidParameterValue"), "an image of another architecture");
    assert_eq!(account.run("resolve:ssm:/nothing").await.err().as_deref(), Some("InvalidParameterValue"));
}
