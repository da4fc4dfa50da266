//! Managed node groups through the AWS SDK. Expected answers: EKS API reference (CreateNodegroup, UpdateNodegroupConfig,
//! UpdateNodegroupVersion, DeleteNodegroup, Issue) and user guide ("Simplify node lifecycle with managed node groups", "Customize managed
//! nodes with launch templates", "Understand each phase of node updates").

mod entry;
mod table;

use std::time::{Duration, SystemTime};

use aws_sdk_ec2::types::{
    AttributeBooleanValue, InstanceType, LaunchTemplateIamInstanceProfileSpecificationRequest,
    LaunchTemplateInstanceNetworkInterfaceSpecificationRequest, RequestLaunchTemplateData,
};
use aws_sdk_eks::{
    Client,
    operation::create_nodegroup::builders::CreateNodegroupFluentBuilder,
    types::{
        AmiTypes, AuthenticationMode, CapacityTypes, CreateAccessConfigRequest, ErrorCode, LaunchTemplateSpecification, Nodegroup,
        NodegroupIssueCode, NodegroupScalingConfig, NodegroupStatus, NodegroupUpdateConfig, RemoteAccessConfig, Taint, TaintEffect, Update,
        UpdateLabelsPayload, UpdateStatus, UpdateTaintsPayload, VpcConfigRequest,
    },
};
use base64::{Engine, prelude::BASE64_STANDARD};
use eks_sim::Sim;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, api::PostParams};
use serde_json::{Value, json};
use table::{DONE, Table};

type Tested<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// 2026-11-22T12:00:00Z.
const TODAY: Duration = Duration::from_secs(1_795_348_800);
const INVALID: &str = "InvalidParameterException";
const REFUSED: &str = "InvalidRequestException";

/// An account with an ACTIVE cluster in two public subnets, and a role for nodes.
struct Account {
    sim: Sim,
    eks: Client,
    ec2: aws_sdk_ec2::Client,
    subnets: Vec<String>,
    endpoint: String,
}

fn role(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

async fn seconds(number: u64) {
    tokio::time::sleep(Duration::from_secs(number)).await;
}

fn sizes(min: i32, max: i32, desired: i32) -> NodegroupScalingConfig {
    NodegroupScalingConfig::builder().min_size(min).max_size(max).desired_size(desired).build()
}

impl Account {
    async fn new(version: &str, mode: AuthenticationMode) -> Tested<Self> {
        let sim = Sim::builder().starting_at(SystemTime::UNIX_EPOCH + TODAY).standard_vcpus(64).build();
        let config = sim.sdk_config();
        let (eks, ec2, iam) = (Client::new(&config), aws_sdk_ec2::Client::new(&config), aws_sdk_iam::Client::new(&config));
        let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await?.vpc().and_then(|vpc| vpc.vpc_id()).expect("an id").to_owned();
        let on = || AttributeBooleanValue::builder().value(true).build();
        ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(on()).send().await?;
        let gateway = ec2.create_internet_gateway().send().await?;
        let gateway = gateway.internet_gateway().and_then(|gateway| gateway.internet_gateway_id()).expect("an id").to_owned();
        ec2.attach_internet_gateway().vpc_id(&vpc).internet_gateway_id(&gateway).send().await?;
        let table = ec2.create_route_table().vpc_id(&vpc).send().await?;
        let table = table.route_table().and_then(|table| table.route_table_id()).expect("an id").to_owned();
        ec2.create_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0").gateway_id(&gateway).send().await?;
        let mut subnets = Vec::new();
        // The last one has no way out.
        for (number, zone) in ["us-east-1a", "us-east-1b", "us-east-1c"].iter().enumerate() {
            let made = ec2.create_subnet().vpc_id(&vpc).cidr_block(format!("10.0.{number}.0/24")).availability_zone(*zone).send().await?;
            let id = made.subnet().and_then(|subnet| subnet.subnet_id()).expect("an id").to_owned();
            if number < 2 {
                ec2.associate_route_table().route_table_id(&table).subnet_id(&id).send().await?;
                ec2.modify_subnet_attribute().subnet_id(&id).map_public_ip_on_launch(on()).send().await?;
            }
            subnets.push(id);
        }
        for (name, service, policies) in [
            ("cluster", "eks", &["AmazonEKSClusterPolicy"][..]),
            ("nodes", "ec2", &["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly"]),
            ("bare", "ec2", &[]),
        ] {
            let trust = json!({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"Service": format!("{service}.amazonaws.com")}, "Action": "sts:AssumeRole",
            }]});
            iam.create_role().role_name(name).assume_role_policy_document(trust.to_string()).send().await?;
            for policy in policies {
                iam.attach_role_policy().role_name(name).policy_arn(format!("arn:aws:iam::aws:policy/{policy}")).send().await?;
            }
        }
        seconds(15).await;
        let place = VpcConfigRequest::builder().set_subnet_ids(Some(subnets[..2].to_vec())).build();
        let access = CreateAccessConfigRequest::builder().authentication_mode(mode).build();
        let create = eks.create_cluster().name("prod").version(version).role_arn(role("cluster"));
        create.resources_vpc_config(place).access_config(access).send().await?;
        seconds(500).await;
        let cluster = eks.describe_cluster().name("prod").send().await?;
        let endpoint = cluster.cluster().and_then(|cluster| cluster.endpoint()).expect("ACTIVE").to_owned();
        Ok(Self { sim, eks, ec2, subnets, endpoint })
    }

    fn create(&self, name: &str) -> CreateNodegroupFluentBuilder {
        let create = self.eks.create_nodegroup().cluster_name("prod").nodegroup_name(name).node_role(role("nodes"));
        create.set_subnets(Some(self.subnets[..2].to_vec())).scaling_config(sizes(2, 3, 2))
    }

    async fn describe(&self, name: &str) -> Tested<Nodegroup> {
        let told = self.eks.describe_nodegroup().cluster_name("prod").nodegroup_name(name).send().await?;
        Ok(told.nodegroup().expect("a group").clone())
    }

    /// Creates a group, and waits until it stands.
    async fn stands(&self, create: CreateNodegroupFluentBuilder, name: &str) -> Tested<Nodegroup> {
        create.send().await?;
        seconds(300).await;
        let group = self.describe(name).await?;
        assert_eq!(group.status(), Some(&NodegroupStatus::Active), "{:?}", group.health());
        Ok(group)
    }

    async fn update(&self, name: &str, id: &str) -> Tested<Update> {
        let told = self.eks.describe_update().name("prod").nodegroup_name(name).update_id(id).send().await?;
        Ok(told.update().expect("an update").clone())
    }

    /// Waits until an update has ended.
    async fn ended(&self, name: &str, begun: Option<Update>) -> Tested<Update> {
        let id = begun.and_then(|update| update.id).expect("an id");
        for _ in 0..400 {
            let update = self.update(name, &id).await?;
            if update.status() != Some(&UpdateStatus::InProgress) {
                return Ok(update);
            }
            seconds(10).await;
        }
        Err("the update never ends".into())
    }

    fn kube(&self) -> Tested<kube::Client> {
        let token = entry::token(&self.sim, "prod", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")?;
        entry::client(&self.sim, &self.endpoint, &token)
    }

    async fn nodes(&self) -> Tested<Vec<Node>> {
        Ok(Api::<Node>::all(self.kube()?).list(&Default::default()).await?.items)
    }

    async fn upgrade_cluster(&self, version: &str) -> Tested {
        self.eks.update_cluster_version().name("prod").version(version).send().await?;
        seconds(700).await;
        Ok(())
    }

    async fn template(&self, name: &str, data: RequestLaunchTemplateData) -> Tested<LaunchTemplateSpecification> {
        let made = self.ec2.create_launch_template().launch_template_name(name).launch_template_data(data).send().await?;
        let id = made.launch_template().and_then(|template| template.launch_template_id()).expect("an id").to_owned();
        Ok(LaunchTemplateSpecification::builder().id(id).version("1").build())
    }

    fn count(&self, kind: &str) -> usize {
        let inventory = self.sim.inventory();
        inventory.items().iter().filter(|item| item.kind == kind && item.state != "terminated").count()
    }
}

fn label(node: &Node, name: &str) -> String {
    node.metadata.labels.as_ref().and_then(|labels| labels.get(name)).cloned().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_group_comes_and_goes() -> Tested {
    let account = Account::new("1.35", AuthenticationMode::Api).await?;
    let create = account.create("web").labels("team", "books").tags("owner", "me");
    let create = create.taints(Taint::builder().key("k").value("v").effect(TaintEffect::PreferNoSchedule).build());
    let group = account.stands(create, "web").await?;
    let mut table = Table::default();
    table.fact("version", Some("1.35"), group.version());
    table.fact("image", Some(&AmiTypes::Al2023X8664Standard), group.ami_type());
    table.fact("capacity", Some(&CapacityTypes::OnDemand), group.capacity_type());
    table.fact("disk", Some(20), group.disk_size());
    table.fact("types", &["t3.medium".to_owned()][..], group.instance_types());
    let scaling = group.resources().map(|r| r.auto_scaling_groups().to_vec()).unwrap_or_default();
    let name = scaling.first().and_then(|group| group.name()).unwrap_or_default();
    table.fact("an Auto Scaling group by its name", true, name.starts_with("eks-web-") && name.len() == "eks-web-".len() + 36);
    let inventory = account.sim.inventory();
    let instances: Vec<_> = inventory.items().iter().filter(|item| item.kind == "ec2/instance").collect();
    let tag = |key: &str, value: &str| instances.iter().all(|item| item.tags.iter().any(|(k, v)| (k.as_str(), v.as_str()) == (key, value)));
    table.fact("instances", 2, instances.len());
    for (key, value) in [
        ("eks:cluster-name", "prod"),
        ("eks:nodegroup-name", "web"),
        ("kubernetes.io/cluster/prod", "owned"),
        ("k8s.io/cluster-autoscaler/enabled", "true"),
        ("k8s.io/cluster-autoscaler/prod", "owned"),
    ] {
        table.fact(key, true, tag(key, value));
    }
    let nodes = account.nodes().await?;
    table.fact("nodes", 2, nodes.len());
    for node in &nodes {
        table.fact("its group", "web".to_owned(), label(node, "eks.amazonaws.com/nodegroup"));
        table.fact("its capacity type", "ON_DEMAND".to_owned(), label(node, "eks.amazonaws.com/capacityType"));
        table.fact("its image", true, label(node, "eks.amazonaws.com/nodegroup-image").starts_with("ami-"));
        table.fact("the user's label", "books".to_owned(), label(node, "team"));
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
        table.fact("the user's taint", true, taints.iter().any(|taint| taint.key == "k" && taint.effect == "PreferNoSchedule"));
    }
    let entries = account.eks.list_access_entries().cluster_name("prod").send().await?;
    table.fact("the role is let in", true, entries.access_entries().contains(&role("nodes")));
    let listed = account.eks.list_nodegroups().cluster_name("prod").send().await?;
    table.fact("it is listed", &["web".to_owned()][..], listed.nodegroups());
    table.fact("what a group costs is what it is made of", 1, account.count("eks/nodegroup"));

    table.row("twice", "ResourceInUseException", account.create("web").send()).await;
    table.row("the cluster stays", "ResourceInUseException", account.eks.delete_cluster().name("prod").send()).await;
    let delete = || account.eks.delete_nodegroup().cluster_name("prod").nodegroup_name("web").send();
    table.row("deletion", DONE, delete()).await;
    table.row("again", DONE, delete()).await;
    seconds(400).await;
    table.row("gone", "ResourceNotFoundException", delete()).await;
    for kind in ["eks/nodegroup", "autoscaling/group", "ec2/launch-template", "ec2/instance", "ec2/volume", "iam/instance-profile"] {
        table.fact(kind, 0, account.count(kind));
    }
    table.fact("nodes left", 0, account.nodes().await?.len());
    let entries = account.eks.list_access_entries().cluster_name("prod").send().await?;
    table.fact("the role is shut out", false, entries.access_entries().contains(&role("nodes")));
    table.row("now the cluster goes", DONE, account.eks.delete_cluster().name("prod").send()).await;
    table.check();
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn without_access_entries_the_config_map_lets_nodes_in() -> Tested {
    let account = Account::new("1.35", AuthenticationMode::ConfigMap).await?;
    account.stands(account.create("web"), "web").await?;
    let maps = Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(account.kube()?, "kube-system");
    let text = |map: &k8s_openapi::api::core::v1::ConfigMap| map.data.clone().unwrap_or_default()["mapRoles"].clone();
    assert!(text(&maps.get("aws-auth").await?).contains(&role("nodes")));
    account.eks.delete_nodegroup().cluster_name("prod").nodegroup_name("web").send().await?;
    seconds(400).await;
    assert!(!text(&maps.get("aws-auth").await?).contains(&role("nodes")));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_a_creation_is_refused_for() -> Tested {
    let account = Account::new("1.35", AuthenticationMode::Api).await?;
    let create = || account.create("web");
    let mut table = Table::default();
    let scaled = |min, max, desired| create().scaling_config(sizes(min, max, desired)).send();
    table.row("a name of 63 characters", INVALID, account.create(&"w".repeat(64)).send()).await;
    table.row("min below desired", INVALID, scaled(3, 3, 2)).await;
    table.row("desired below max", INVALID, scaled(1, 2, 3)).await;
    table.row("max at least one", INVALID, scaled(0, 0, 0)).await;
    table.row("450 nodes", "ResourceLimitExceededException", scaled(0, 451, 0)).await;
    table.row("a role that exists", INVALID, create().node_role(role("none")).send()).await;
    table.row("a role with the node's policies", INVALID, create().node_role(role("bare")).send()).await;
    table.row("a role that EC2 may assume", INVALID, create().node_role(role("cluster")).send()).await;
    table.row("a subnet", INVALID, create().set_subnets(Some(vec![])).send()).await;
    table.row("a subnet that exists", REFUSED, create().set_subnets(Some(vec!["subnet-0123456789abcdef0".to_owned()])).send()).await;
    table.row("the cluster's version", INVALID, create().version("1.34").send()).await;
    table.row("a published release", INVALID, create().release_version("1.35.0-20200101").send()).await;
    table.row("no Amazon Linux 2 from 1.33", INVALID, create().ami_type(AmiTypes::Al2X8664).send()).await;
    table.row("types that exist", INVALID, create().instance_types("t9.medium").send()).await;
    table.row("types that fit the image", INVALID, create().instance_types("t4g.medium").send()).await;
    let arm = create().instance_types("t4g.medium").ami_type(AmiTypes::Al2023X8664Nvidia);
    table.row("of one architecture", INVALID, arm.send()).await;
    let many = (0..21).map(|_| "t3.medium".to_owned()).collect();
    table.row("20 types", INVALID, create().set_instance_types(Some(many)).send()).await;
    for key in ["kubernetes.io/x", "k8s.io/x", "eks.amazonaws.com/x"] {
        table.row("reserved labels", INVALID, create().labels(key, "v").send()).await;
    }
    let both = NodegroupUpdateConfig::builder().max_unavailable(1).max_unavailable_percentage(10).build();
    table.row("a number or a share", INVALID, create().update_config(both).send()).await;
    let many = NodegroupUpdateConfig::builder().max_unavailable(101).build();
    table.row("100 unavailable", INVALID, create().update_config(many).send()).await;
    table.row("a cluster that exists", "ResourceNotFoundException", create().cluster_name("none").send()).await;
    table.check();

    for number in 0..30 {
        account.create(&format!("g{number}")).scaling_config(sizes(0, 1, 0)).send().await?;
    }
    let mut table = Table::default();
    table.row("30 groups of a cluster", "ResourceLimitExceededException", create().send()).await;
    table.check();
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_launch_templates_may_say() -> Tested {
    let account = Account::new("1.35", AuthenticationMode::Api).await?;
    let data = RequestLaunchTemplateData::builder;
    let interface =
        |subnet: &str| LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder().device_index(0).subnet_id(subnet).build();
    let profile = LaunchTemplateIamInstanceProfileSpecificationRequest::builder().name("p").build();
    let subnet = account.template("subnet", data().network_interfaces(interface(&account.subnets[0])).build()).await?;
    let profile = account.template("profile", data().iam_instance_profile(profile).build()).await?;
    let typed = account.template("typed", data().instance_type(InstanceType::T3Small).build()).await?;
    let custom = account.template("custom", data().image_id("ami-0123456789abcdef0").build()).await?;
    let script = account.template("script", data().user_data(BASE64_STANDARD.encode("#!/bin/bash\n")).build()).await?;
    let mut table = Table::default();
    let with = |template: &LaunchTemplateSpecification| account.create("web").launch_template(template.clone());
    table.row("no subnet", REFUSED, with(&subnet).send()).await;
    table.row("no instance profile", REFUSED, with(&profile).send()).await;
    table.row("types in one place", REFUSED, with(&typed).instance_types("t3.medium").send()).await;
    table.row("no disk size beside it", REFUSED, with(&typed).disk_size(20).send()).await;
    let access = RemoteAccessConfig::builder().ec2_ssh_key("k").build();
    table.row("no remote access beside it", REFUSED, with(&typed).remote_access(access).send()).await;
    table.row("no AMI type beside an AMI", REFUSED, with(&custom).ami_type(AmiTypes::Al2023X8664Standard).send()).await;
    let neither = LaunchTemplateSpecification::builder().version("1").build();
    table.row("an id or a name", INVALID, with(&neither).send()).await;
    table.row("one that exists", INVALID, with(&LaunchTemplateSpecification::builder().name("none").build()).send()).await;
    table.row("scripts alone are accepted", DONE, account.create("script").launch_template(script).send()).await;
    table.check();
    seconds(60).await;
    let failed = account.describe("script").await?;
    assert_eq!(failed.status(), Some(&NodegroupStatus::CreateFailed));
    let issue = failed.health().and_then(|health| health.issues().first()).expect("an issue").clone();
    assert_eq!(issue.code(), Some(&NodegroupIssueCode::Ec2LaunchTemplateInvalidConfiguration));
    assert_eq!(issue.message(), Some("User data was not in the MIME multipart format."));

    let group = account.stands(with(&typed), "web").await?;
    assert_eq!((group.disk_size(), group.instance_types().len()), (None, 0), "they are the template's");
    let node = &account.nodes().await?[0];
    assert_eq!(label(node, "node.kubernetes.io/instance-type"), "t3.small");
    assert_eq!(label(node, "eks.amazonaws.com/sourceLaunchTemplateVersion"), "1");
    // Another version of the template replaces every node.
    let id = typed.id().expect("an id").to_owned();
    let small = data().instance_type(InstanceType::T3Large).build();
    account.ec2.create_launch_template_version().launch_template_id(&id).launch_template_data(small).send().await?;
    let second = LaunchTemplateSpecification::builder().id(&id).version("2").build();
    let update = || account.eks.update_nodegroup_version().cluster_name("prod").nodegroup_name("web");
    let ended = account.ended("web", update().launch_template(second).send().await?.update).await?;
    assert_eq!(ended.status(), Some(&UpdateStatus::Successful), "{ended:?}");
    // Until the cloud controller notices that its machine is gone, a Node stays.
    seconds(60).await;
    let nodes = account.nodes().await?;
    assert!(nodes.iter().all(|node| label(node, "node.kubernetes.io/instance-type") == "t3.large"));
    assert_eq!(nodes.len(), 2);
    let mut table = Table::default();
    table.row("the same template for ever", REFUSED, update().launch_template(custom).send()).await;
    table.check();
    Ok(())
}

/// Each operating system is told in its own form what EKS knows, with the user's part merged in.
#[tokio::test(start_paused = true)]
async fn every_system_joins() -> Tested {
    let account = Account::new("1.35", AuthenticationMode::Api).await?;
    let bottlerocket = "[settings.kubernetes]\nmax-pods = 20\n";
    let powershell = "<powershell>\nWrite-Host \"hello\"\n</powershell>\n";
    for (name, ami, user) in [
        ("bottlerocket", AmiTypes::BottlerocketX8664, bottlerocket),
        ("windows", AmiTypes::WindowsCore2022X8664, powershell),
        ("al2023", AmiTypes::Al2023X8664Standard, ""),
    ] {
        let mut create = account.create(name).ami_type(ami).labels("team", name).scaling_config(sizes(1, 1, 1));
        if !user.is_empty() {
            let data = RequestLaunchTemplateData::builder().user_data(BASE64_STANDARD.encode(user)).build();
            create = create.launch_template(account.template(name, data).await?);
        }
        account.stands(create, name).await?;
        let nodes = account.nodes().await?;
        let node = nodes.iter().find(|node| label(node, "team") == name).expect("a node");
        assert_eq!(label(node, "eks.amazonaws.com/nodegroup"), name);
        if name == "bottlerocket" {
            let pods = node.status.as_ref().and_then(|status| status.capacity.as_ref()?.get("pods").cloned());
            assert_eq!(pods.map(|pods| pods.0).as_deref(), Some("20"), "the user's setting");
        }
        account.eks.delete_nodegroup().cluster_name("prod").nodegroup_name(name).send().await?;
        seconds(300).await;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn settings_change_in_place() -> Tested {
    let account = Account::new("1.35", AuthenticationMode::Api).await?;
    account.stands(account.create("web").labels("old", "1"), "web").await?;
    let update = || account.eks.update_nodegroup_config().cluster_name("prod").nodegroup_name("web");
    let mut table = Table::default();
    table.row("nothing is no change", INVALID, update().send()).await;
    let labels = UpdateLabelsPayload::builder().add_or_update_labels("new", "2").remove_labels("old").build();
    let taint = Taint::builder().key("k").value("v").effect(TaintEffect::NoSchedule).build();
    let taints = UpdateTaintsPayload::builder().add_or_update_taints(taint).build();
    let config = NodegroupUpdateConfig::builder().max_unavailable_percentage(50).build();
    let begun = update().labels(labels).taints(taints).scaling_config(sizes(1, 4, 3)).update_config(config).send().await?;
    table.row("one at a time", "ResourceInUseException", update().scaling_config(sizes(1, 4, 3)).send()).await;
    let ended = account.ended("web", begun.update).await?;
    table.fact("it succeeded", Some(&UpdateStatus::Successful), ended.status());
    seconds(200).await;
    let group = account.describe("web").await?;
    table.fact("sizes", Some(&sizes(1, 4, 3)), group.scaling_config());
    table.fact("labels", vec!["new"], group.labels().into_iter().flatten().map(|(key, _)| key.as_str()).collect());
    table.fact("the share", Some(50), group.update_config().and_then(|config| config.max_unavailable_percentage()));
    let nodes = account.nodes().await?;
    table.fact("three nodes", 3, nodes.len());
    for node in &nodes {
        table.fact("new label", "2".to_owned(), label(node, "new"));
        table.fact("no old label", String::new(), label(node, "old"));
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
        table.fact("new taint", 1, taints.iter().filter(|taint| taint.key == "k" && taint.effect == "NoSchedule").count());
    }
    let listed = account.eks.list_updates().name("prod").nodegroup_name("web").send().await?;
    table.fact("one update of the group", 1, listed.update_ids().len());
    table.fact("none of the cluster", 0, account.eks.list_updates().name("prod").send().await?.update_ids().len());
    table.check();
    Ok(())
}

/// Two Pods, kept apart by their host ports, so that each is on a node of its own.
async fn workload(account: &Account, budget: Value) -> Tested {
    let client = account.kube()?;
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "nginx"}]},
        }},
    });
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "minAvailable": budget},
    });
    let deployments = Api::<k8s_openapi::api::apps::v1::Deployment>::default_namespaced(client.clone());
    deployments.create(&PostParams::default(), &serde_json::from_value(deployment)?).await?;
    let budgets = Api::<k8s_openapi::api::policy::v1::PodDisruptionBudget>::default_namespaced(client);
    budgets.create(&PostParams::default(), &serde_json::from_value(budget)?).await?;
    seconds(60).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_new_version_replaces_every_node_within_budgets() -> Tested {
    let account = Account::new("1.34", AuthenticationMode::Api).await?;
    account.stands(account.create("web"), "web").await?;
    workload(&account, json!(1)).await?;
    account.upgrade_cluster("1.35").await?;
    let mut table = Table::default();
    let next = account.eks.update_cluster_version().name("prod").version("1.36");
    table.row("groups come along first", REFUSED, next.send()).await;
    let update = || account.eks.update_nodegroup_version().cluster_name("prod").nodegroup_name("web");
    table.row("never beyond the control plane", INVALID, update().version("1.36").send()).await;
    let old: Vec<String> = account.nodes().await?.iter().filter_map(|node| node.metadata.name.clone()).collect();
    let begun = update().send().await?.update;
    let (mut most, mut closed) = (0, 0);
    for _ in 0..60 {
        let during = account.nodes().await?;
        most = most.max(during.len());
        let excluded = |node: &&Node| label(node, "node.kubernetes.io/exclude-from-external-load-balancers") == "true";
        let ours = during.iter().filter(|node| old.contains(node.metadata.name.as_ref().expect("a name")));
        closed = closed.max(ours.filter(excluded).count());
        seconds(5).await;
    }
    table.fact("two more in each of two zones, at most", 6, most);
    table.fact("old ones leave load balancers", 2, closed);
    let ended = account.ended("web", begun).await?;
    table.fact("it succeeded", Some(&UpdateStatus::Successful), ended.status());
    seconds(120).await;
    let after = account.nodes().await?;
    table.fact("as many as before", 2, after.len());
    table.fact("none of the old", 0, after.iter().filter(|node| old.contains(node.metadata.name.as_ref().expect("a name"))).count());
    let kubelets: Vec<_> = after.iter().filter_map(|node| node.status.as_ref()?.node_info.as_ref()).collect();
    table.fact("of the new version", true, kubelets.iter().all(|info| info.kubelet_version.starts_with("v1.35")));
    let group = account.describe("web").await?;
    table.fact("the group's version", Some("1.35"), group.version());
    table.fact("its sizes", Some(&sizes(2, 3, 2)), group.scaling_config());
    let pods = Api::<Pod>::default_namespaced(account.kube()?).list(&Default::default()).await?;
    let running = |pod: &&Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
    table.fact("its Pods run", 2, pods.items.iter().filter(running).count());
    table.row("never back", INVALID, update().version("1.34").send()).await;
    table.row("now the control plane may go on", DONE, account.eks.update_cluster_version().name("prod").version("1.36").send()).await;
    table.check();
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_allows_nothing_stops_an_update_unless_it_is_forced() -> Tested {
    let account = Account::new("1.34", AuthenticationMode::Api).await?;
    account.stands(account.create("web"), "web").await?;
    workload(&account, json!(2)).await?;
    account.upgrade_cluster("1.35").await?;
    let update = || account.eks.update_nodegroup_version().cluster_name("prod").nodegroup_name("web");
    let began = tokio::time::Instant::now();
    let ended = account.ended("web", update().send().await?.update).await?;
    assert_eq!(ended.status(), Some(&UpdateStatus::Failed));
    assert_eq!(ended.errors()[0].error_code(), Some(&ErrorCode::PodEvictionFailure));
    assert!(began.elapsed() > Duration::from_secs(15 * 60), "15 minutes of trying");
    let group = account.describe("web").await?;
    assert_eq!((group.version(), group.status()), (Some("1.34"), Some(&NodegroupStatus::Active)));
    let ended = account.ended("web", update().force(true).send().await?.update).await?;
    assert_eq!(ended.status(), Some(&UpdateStatus::Successful), "{ended:?}");
    seconds(120).await;
    let nodes = account.nodes().await?;
    assert_eq!(nodes.len(), 2, "what the failed update had launched is gone");
    let zones: std::collections::BTreeSet<_> = nodes.iter().map(|node| label(node, "topology.kubernetes.io/zone")).collect();
    assert_eq!(zones.len(), 2);
    assert_eq!(account.describe("web").await?.version(), Some("1.35"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_minimal_strategy_launches_nothing_beside() -> Tested {
    let account = Account::new("1.34", AuthenticationMode::Api).await?;
    let config = NodegroupUpdateConfig::builder().max_unavailable(1).update_strategy("MINIMAL".into()).build();
    account.stands(account.create("web").update_config(config), "web").await?;
    account.upgrade_cluster("1.35").await?;
    let update = account.eks.update_nodegroup_version().cluster_name("prod").nodegroup_name("web");
    let id = update.send().await?.update.and_then(|update| update.id).expect("an id");
    let mut most = 0;
    while account.update("web", &id).await?.status() == Some(&UpdateStatus::InProgress) {
        most = most.max(account.nodes().await?.len());
        seconds(10).await;
    }
    assert_eq!(account.update("web", &id).await?.status(), Some(&UpdateStatus::Successful));
    assert_eq!(most, 2);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_by_their_codes() -> Tested {
    let account = Account::new("1.35", AuthenticationMode::Api).await?;
    let lonely = account.create("lonely").set_subnets(Some(vec![account.subnets[2].clone()]));
    lonely.send().await?;
    // 64 vCPUs are 32 instances of two.
    account.create("many").scaling_config(sizes(40, 40, 40)).send().await?;
    // EKS looks at them before the subnet changes.
    seconds(60).await;
    let off = AttributeBooleanValue::builder().value(false).build();
    account.ec2.modify_subnet_attribute().subnet_id(&account.subnets[0]).map_public_ip_on_launch(off).send().await?;
    account.create("closed").set_subnets(Some(vec![account.subnets[0].clone()])).send().await?;
    seconds(2100).await;
    for (name, code) in [
        ("lonely", NodegroupIssueCode::NodeCreationFailure),
        ("many", NodegroupIssueCode::InstanceLimitExceeded),
        ("closed", NodegroupIssueCode::Ec2SubnetInvalidConfiguration),
    ] {
        let group = account.describe(name).await?;
        assert_eq!(group.status(), Some(&NodegroupStatus::CreateFailed), "{name}");
        let issue = group.health().and_then(|health| health.issues().first()).expect("an issue").clone();
        assert_eq!(issue.code(), Some(&code), "{name}: {issue:?}");
        account.eks.delete_nodegroup().cluster_name("prod").nodegroup_name(name).send().await?;
    }
    seconds(400).await;
    assert_eq!((account.count("eks/nodegroup"), account.count("ec2/instance"), account.count("iam/instance-profile")), (0, 0, 0));
    Ok(())
}
