//! Auto Scaling groups over the wire.

use std::time::Duration;

use aws_sdk_autoscaling::{
    Client,
    error::ProvideErrorMetadata,
    types::{AutoScalingGroup, LaunchTemplateSpecification, LifecycleState, Tag},
};
use aws_sdk_ec2 as ec2;
use eks_sim::Sim;

const IMAGE: &str = "ami-0123456789abcdef0";

struct Setting {
    sim: Sim,
    client: Client,
    ec2: ec2::Client,
    subnets: String,
    template: String,
}

impl Setting {
    async fn new() -> Self {
        let sim = Sim::builder().standard_vcpus(64).build();
        let (client, ec2) = (Client::new(&sim.sdk_config()), ec2::Client::new(&sim.sdk_config()));
        let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.expect("vpc").vpc.and_then(|vpc| vpc.vpc_id).expect("id");
        let mut subnets = Vec::new();
        for (cidr, zone) in [("10.0.1.0/24", "us-east-1a"), ("10.0.2.0/24", "us-east-1b")] {
            let subnet = ec2.create_subnet().vpc_id(&vpc).cidr_block(cidr).availability_zone(zone).send().await.expect("subnet");
            subnets.push(subnet.subnet.and_then(|subnet| subnet.subnet_id).expect("id"));
        }
        let data =
            ec2::types::RequestLaunchTemplateData::builder().image_id(IMAGE).instance_type(ec2::types::InstanceType::T3Micro).build();
        let template = ec2.create_launch_template().launch_template_name("t-1").launch_template_data(data).send().await.expect("template");
        let template = template.launch_template.and_then(|template| template.launch_template_id).expect("id");
        Self { sim, client, ec2, subnets: subnets.join(","), template }
    }

    fn specification(&self) -> LaunchTemplateSpecification {
        LaunchTemplateSpecification::builder().launch_template_id(&self.template).version("$Latest").build()
    }

    async fn create(&self, min: i32, max: i32) {
        self.client
            .create_auto_scaling_group()
            .auto_scaling_group_name("g")
            .min_size(min)
            .max_size(max)
            .vpc_zone_identifier(&self.subnets)
            .launch_template(self.specification())
            .tags(Tag::builder().key("Name").value("n").propagate_at_launch(true).build())
            .send()
            .await
            .expect("created");
    }

    async fn group(&self) -> Option<AutoScalingGroup> {
        let reply = self.client.describe_auto_scaling_groups().auto_scaling_group_names("g").send().await.expect("described");
        reply.auto_scaling_groups().first().cloned()
    }

    async fn in_service(&self) -> Vec<String> {
        let group = self.group().await.expect("there");
        let in_service = group.instances().iter().filter(|one| one.lifecycle_state() == Some(&LifecycleState::InService));
        in_service.filter_map(|one| one.instance_id().map(str::to_owned)).collect()
    }

    async fn minutes(&self, minutes: u64) {
        tokio::time::sleep(Duration::from_secs(60 * minutes)).await;
    }
}

fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(result: Result<T, E>) -> String {
    result.expect_err("must be refused").code().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn capacity_is_kept_and_spread() {
    let setting = Setting::new().await;
    setting.create(2, 4).await;
    setting.minutes(2).await;
    let first = setting.in_service().await;
    assert_eq!(first.len(), 2);
    let mut zones: Vec<_> =
        setting.group().await.expect("there").instances().iter().filter_map(|one| one.availability_zone().map(str::to_owned)).collect();
    zones.sort();
    assert_eq!(zones, ["us-east-1a", "us-east-1b"]);
    let tagged = setting.sim.inventory();
    let instance = tagged.items().iter().find(|item| item.kind == "ec2/instance").expect("one");
    assert!(instance.tags.contains(&("aws:autoscaling:groupName".to_owned(), "g".to_owned())), "{:?}", instance.tags);

    // What somebody terminates is replaced.
    setting.ec2.terminate_instances().instance_ids(&first[0]).send().await.expect("terminated");
    setting.minutes(3).await;
    let second = setting.in_service().await;
    assert!(second.len() == 2 && !second.contains(&first[0]), "{second:?}");

    let client = &setting.client;
    client.set_desired_capacity().auto_scaling_group_name("g").desired_capacity(4).send().await.expect("set");
    setting.minutes(3).await;
    assert_eq!(setting.in_service().await.len(), 4);
    let id = second[0].clone();
    let terminate = client.terminate_instance_in_auto_scaling_group().instance_id(&id).should_decrement_desired_capacity(true);
    terminate.send().await.expect("accepted");
    setting.minutes(3).await;
    assert_eq!(setting.group().await.expect("there").desired_capacity(), Some(3));
    assert!(!setting.in_service().await.contains(&id));

    assert_eq!(code(client.delete_auto_scaling_group().auto_scaling_group_name("g").send().await), "ResourceInUse");
    client.delete_auto_scaling_group().auto_scaling_group_name("g").force_delete(true).send().await.expect("accepted");
    setting.minutes(3).await;
    assert!(setting.group().await.is_none());
    assert_eq!(setting.sim.inventory().count("ec2/instance"), 0);
}

#[tokio::test(start_paused = true)]
async fn suspended_processes_do_nothing() {
    let setting = Setting::new().await;
    setting.create(1, 2).await;
    setting.minutes(2).await;
    let client = &setting.client;
    client.suspend_processes().auto_scaling_group_name("g").scaling_processes("Launch").send().await.expect("suspended");
    client.set_desired_capacity().auto_scaling_group_name("g").desired_capacity(2).send().await.expect("set");
    setting.minutes(5).await;
    assert_eq!(setting.in_service().await.len(), 1);
    client.resume_processes().auto_scaling_group_name("g").send().await.expect("resumed");
    setting.minutes(2).await;
    assert_eq!(setting.in_service().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn failed_launches_are_told_and_tried_again() {
    let setting = Setting::new().await;
    let data =
        ec2::types::RequestLaunchTemplateData::builder().image_id("ami-00000000000000000").instance_type(ec2::types::InstanceType::T3Micro);
    let version = setting.ec2.create_launch_template_version().launch_template_id(&setting.template);
    version.launch_template_data(data.build()).send().await.expect("version");
    setting.create(1, 1).await;
    setting.minutes(2).await;
    let activities = setting.client.describe_scaling_activities().auto_scaling_group_name("g").send().await.expect("described");
    let failed: Vec<_> =
        activities.activities().iter().filter(|one| one.status_code().is_some_and(|code| code.as_str() == "Failed")).collect();
    assert!(failed.len() > 1);
    assert!(failed[0].status_message().unwrap_or_default().ends_with("Launching EC2 instance failed."));
    let good = LaunchTemplateSpecification::builder().launch_template_id(&setting.template).version("1").build();
    setting.client.update_auto_scaling_group().auto_scaling_group_name("g").launch_template(good).send().await.expect("updated");
    setting.minutes(8).await;
    assert_eq!(setting.in_service().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn requests_are_checked() {
    let setting = Setting::new().await;
    setting.create(1, 1).await;
    let client = &setting.client;
    let create = |name: &str| client.create_auto_scaling_group().auto_scaling_group_name(name).min_size(1).max_size(1);
    let full = |name: &str| create(name).vpc_zone_identifier(&setting.subnets).launch_template(setting.specification());
    assert_eq!(code(full("g").send().await), "AlreadyExists");
    assert_eq!(code(create("h").send().await), "ValidationError");
    assert_eq!(code(full("h").vpc_zone_identifier("subnet-00000000000000000").send().await), "ValidationError");
    assert_eq!(code(full("h").desired_capacity(2).send().await), "ValidationError");
    assert_eq!(code(client.set_desired_capacity().auto_scaling_group_name("h").desired_capacity(1).send().await), "ValidationError");
    setting.minutes(2).await;
    let id = setting.in_service().await.pop().expect("one");
    let shrink = client.terminate_instance_in_auto_scaling_group().instance_id(id).should_decrement_desired_capacity(true);
    assert_eq!(code(shrink.send().await), "ValidationError");
    let old = client.create_launch_configuration().launch_configuration_name("l").image_id(IMAGE).instance_type("t3.nano");
    assert_eq!(code(old.send().await), "UnsupportedOperation");
}

/// "If instance launches fail in one Availability Zone, Amazon EC2 Auto Scaling keeps trying in the other Availability Zones" (user guide).
#[tokio::test(start_paused = true)]
async fn a_full_zone_is_made_up_for_by_the_others() {
    let setting = Setting::new().await;
    setting.sim.exhaust_capacity("us-east-1a");
    setting.create(2, 2).await;
    setting.minutes(2).await;
    assert_eq!(setting.in_service().await.len(), 2);
    setting.sim.exhaust_capacity("us-east-1b");
    let more = setting.client.update_auto_scaling_group().auto_scaling_group_name("g").min_size(3).max_size(3);
    more.send().await.expect("updated");
    setting.minutes(2).await;
    assert_eq!(setting.in_service().await.len(), 2);
    let told = setting.client.describe_scaling_activities().auto_scaling_group_name("g").send().await.expect("activities");
    let message = told.activities()[0].status_message().unwrap_or_default();
    assert!(
        message.contains("do not have sufficient t3.micro capacity") && message.ends_with("Launching EC2 instance failed."),
        "{message}"
    );
}

/// "Example: Distribute instances across Availability Zones", and "SuspendProcesses": AZRebalance.
#[tokio::test(start_paused = true)]
async fn zones_are_balanced_unless_that_is_suspended() {
    for suspended in [true, false] {
        let setting = Setting::new().await;
        setting.create(4, 4).await;
        setting.minutes(2).await;
        let client = &setting.client;
        if suspended {
            let suspend = client.suspend_processes().auto_scaling_group_name("g").scaling_processes("AZRebalance");
            suspend.send().await.expect("suspended");
        }
        let of_a = |group: AutoScalingGroup| {
            let of_a = group.instances().iter().filter(|one| one.availability_zone() == Some("us-east-1a")).cloned();
            of_a.filter_map(|one| one.instance_id).collect::<Vec<_>>()
        };
        let first = of_a(setting.group().await.expect("there"));
        let terminate =
            |id: &str| client.terminate_instance_in_auto_scaling_group().instance_id(id).should_decrement_desired_capacity(true);
        let refused = terminate(&first[0]).send().await;
        assert_eq!(code(refused), "ValidationError", "the minimum would be violated");
        client.update_auto_scaling_group().auto_scaling_group_name("g").min_size(0).send().await.expect("updated");
        for id in &first {
            terminate(id).send().await.expect("accepted");
        }
        setting.minutes(5).await;
        let group = setting.group().await.expect("there");
        assert_eq!((group.desired_capacity(), group.instances().len()), (Some(2), 2), "suspended: {suspended}");
        assert_eq!(of_a(group).len(), if suspended { 0 } else { 1 });
        let activities = client.describe_scaling_activities().auto_scaling_group_name("g").send().await.expect("told");
        let balanced = activities.activities().iter().any(|one| one.cause().is_some_and(|cause| cause.contains("imbalance")));
        assert_eq!(balanced, !suspended);
    }
}

/// "You change the Availability Zones associated with your Auto Scaling group" ("Rebalancing activities").
#[tokio::test(start_paused = true)]
async fn what_is_in_a_zone_that_the_group_lost_is_replaced() {
    let setting = Setting::new().await;
    setting.create(2, 4).await;
    setting.minutes(2).await;
    let kept = setting.subnets.split(',').next().expect("the first zone's");
    let update = setting.client.update_auto_scaling_group().auto_scaling_group_name("g").vpc_zone_identifier(kept);
    update.send().await.expect("updated");
    setting.minutes(10).await;
    let group = setting.group().await.expect("there");
    let zones: Vec<_> = group.instances().iter().filter_map(|one| one.availability_zone()).collect();
    assert_eq!(zones, ["us-east-1a"; 2]);
}
