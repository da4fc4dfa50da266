//! What clusters are known to leave in AWS, row by row: made as its maker makes it, then torn down.

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_ec2::types::{DomainType, Filter, InstanceType, ResourceType, Tag, TagSpecification};
use eks_core::{KEY_TAG, OWNER_TAG, Owner, Verdict};
use eks_examples::environment::{Failure, network};
use eks_net::machines::{Machines, MachinesSpec, Volume};
use eks_sim::Inventory;

use super::stage::{OWNER, Stage, Tested, kinds};

/// One row: what is left afterwards, by kind and dollars a month.
async fn ends(stage: &Stage, row: &str, expected: &[(&str, &str)]) -> Result<super::stage::Torn, Failure> {
    let torn = stage.torn_down().await.map_err(|error| format!("{row}: {error}"))?;
    let expected: Vec<_> = expected.iter().map(|(kind, usd)| ((*kind).to_owned(), (*usd).to_owned())).collect();
    assert_eq!(torn.left(), expected, "{row}: {}", torn.ending.verdict);
    if expected.is_empty() {
        assert_eq!(torn.ending.verdict, Verdict::Clean, "{row}");
        assert_eq!(stage.sim.inventory(), Inventory::default(), "{row}: the simulator agrees");
    }
    for survivor in torn.ending.verdict.survivors() {
        assert!(!survivor.why.is_empty() && !survivor.remedy.is_empty(), "{row}: {survivor}");
    }
    Ok(torn)
}

fn tags(kind: ResourceType, tags: &[(&str, &str)]) -> TagSpecification {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build()).collect();
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags)).build()
}

fn ec2(stage: &Stage) -> aws_sdk_ec2::Client {
    aws_sdk_ec2::Client::new(stage.account.config())
}

/// A private subnet of the owner's, and the security group that EKS made.
async fn place(stage: &Stage) -> Result<(String, String), Failure> {
    let ours = Filter::builder().name(format!("tag:{KEY_TAG}")).values("net/subnet/private/us-east-1a").build();
    let subnets = ec2(stage).describe_subnets().filters(ours).send().await?;
    let subnet = subnets.subnets().first().and_then(|subnet| subnet.subnet_id()).ok_or("a private subnet")?.to_owned();
    let made = Filter::builder().name("tag:aws:eks:cluster-name").values(OWNER).build();
    let groups = ec2(stage).describe_security_groups().filters(made).send().await?;
    Ok((subnet, groups.security_groups().first().and_then(|group| group.group_id()).ok_or("the cluster's group")?.to_owned()))
}

async fn interface(stage: &Stage, description: &str, carries: &[(&str, &str)]) -> Result<String, Failure> {
    let (subnet, group) = place(stage).await?;
    let create = ec2(stage).create_network_interface().subnet_id(subnet).groups(group).description(description);
    let create = if carries.is_empty() { create } else { create.tag_specifications(tags(ResourceType::NetworkInterface, carries)) };
    let made = create.send().await?;
    Ok(made.network_interface().and_then(|made| made.network_interface_id()).ok_or("an id")?.to_owned())
}

/// Load balancers of Services and Ingresses with their security groups and target groups, which nobody of ours made: while their controllers
/// live, and when the cluster goes before they are deleted.
#[tokio::test(start_paused = true)]
async fn load_balancers_of_others_in_our_cluster() -> Tested {
    let stage = Stage::set().await?;
    let people = stage.people().await?;
    people.install_controller().await?;
    people.service("classic", false).await?;
    people.service("network", true).await?;
    people.ingress("application", None).await?;
    assert_eq!(stage.sim.inventory().count("elb/load-balancer"), 5, "two are the chapter's");
    ends(&stage, "load balancers, controllers alive", &[]).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_was_uninstalled_first() -> Tested {
    // Its Ingress is somebody's, or ours: then its deletion is waited for, and given up.
    for owner in [None, Some(OWNER)] {
        let stage = Stage::set().await?;
        let people = stage.people().await?;
        people.install_controller().await?;
        people.ingress("shop", owner).await?;
        people.uninstall_controller().await?;
        let groups = stage.sim.inventory().count("ec2/security-group");
        let torn = ends(&stage, "load balancers, controller dead", &[]).await?;
        assert!(groups > 5, "the controller made one");
        let waited = torn
            .ending
            .report
            .steps
            .iter()
            .any(|(key, step)| key.as_str() == "k8s/ingress/default/shop" && step.took > Duration::from_secs(299));
        assert_eq!(waited, owner.is_some(), "{owner:?}");
    }
    Ok(())
}

/// Interfaces of the VPC CNI whose node was killed (amazon-vpc-cni-k8s, pkg/awsutils), and of the controller of Pods' security groups
/// (amazon-vpc-resource-controller-k8s, pkg/config).
#[tokio::test(start_paused = true)]
async fn interfaces_that_nobody_deletes() -> Tested {
    let stage = Stage::set().await?;
    let node = "i-0123456789abcdef0";
    let cni = [
        ("node.k8s.amazonaws.com/instance_id", node),
        ("node.k8s.amazonaws.com/createdAt", "2026-11-22T22:00:00Z"),
        ("cluster.k8s.amazonaws.com/name", OWNER),
        ("eks:eni:owner", "amazon-vpc-cni"),
    ];
    interface(&stage, &format!("aws-K8S-{node}"), &cni).await?;
    let branch = [
        ("vpcresources.k8s.aws/vlan-id", "1"),
        ("vpcresources.k8s.aws/trunk-eni-id", "eni-0123456789abcdef0"),
        ("kubernetes.io/cluster/shop", "owned"),
        ("eks:eni:owner", "eks-vpc-resource-controller"),
    ];
    interface(&stage, "aws-k8s-branch-eni", &branch).await?;
    assert_eq!(
        kinds(&stage.sim.inventory()).iter().filter(|kind| *kind == "ec2/network-interface").count(),
        2 + 2 + 3 + 2 + 2,
        "nodes, control plane, load balancers, NAT"
    );
    ends(&stage, "interfaces of the CNI and of Pods", &[]).await.map(drop)
}

/// EKS holds a control plane's interfaces for minutes after the cluster is gone: waited for.
#[tokio::test(start_paused = true)]
async fn interfaces_that_eks_holds() -> Tested {
    let stage = Stage::set().await?;
    let torn = ends(&stage, "interfaces of the control plane", &[]).await?;
    let waited = torn.ending.report.steps.iter().filter(|(key, _)| key.as_str().starts_with("leftovers/control-plane-interface/"));
    let waited: Vec<_> = waited.map(|(_, step)| step.took).collect();
    assert_eq!(waited.len(), 2);
    // "Minutes": the simulator takes 20 to 150 seconds.
    assert!(waited.iter().all(|took| *took >= Duration::from_secs(15)), "{waited:?}");
    Ok(())
}

/// The group that EKS made, which something else wears: EKS leaves it, and so must we.
#[tokio::test(start_paused = true)]
async fn the_clusters_group_in_use() -> Tested {
    let stage = Stage::set().await?;
    let appliance = interface(&stage, "somebody's appliance", &[]).await?;
    let listed = stage.listed().await?;
    assert!(listed.stays().iter().any(|survivor| survivor.id == appliance), "it is told before: {listed}");
    let left = [("VPC", "0.00"), ("network interface", "0.00"), ("security group", "0.00"), ("subnet", "0.00")];
    let torn = ends(&stage, "the cluster's group in use", &left).await?;
    assert!(torn.ids().contains(&appliance), "{}", torn.ending.verdict);
    assert!(torn.told("security group").contains("DependencyViolation"), "{}", torn.ending.verdict);
    // When its user is gone, the next teardown ends.
    ec2(&stage).delete_network_interface().network_interface_id(appliance).send().await?;
    ends(&stage, "the cluster's group, free", &[]).await.map(drop)
}

/// A volume outlives its cluster by its class's reclaim policy, by whoever should have deleted it being gone, and by our own request.
#[tokio::test(start_paused = true)]
async fn volumes() -> Tested {
    let stage = Stage::set().await?;
    let people = stage.people().await?;
    people.database("kept", "Retain").await?;
    people.database("lost", "Delete").await?;
    let owner = Owner::new(OWNER)?;
    let machines = Machines::new(stage.account.config());
    let data =
        MachinesSpec::builder(&owner, network(&owner)?.refs()).volume(Volume::new("data", 40).zone("us-east-1a").retain()).build()?;
    let engine = stage.account.engine().driver(machines.clone());
    machines.plan(&data).await?.apply(&engine).await?;

    let listed = stage.listed().await?;
    assert_eq!(listed.stays().len(), 2, "{listed}");
    // 20 GiB and 20 GiB and 40 GiB of gp3 at $0.08.
    let left = [("EBS volume", "1.60"), ("EBS volume", "1.60"), ("EBS volume", "3.20")];
    let torn = ends(&stage, "volumes", &left).await?;
    let told = torn.told("EBS volume");
    for why in ["claim default/data-kept-0", "claim default/data-lost-0", "kept by request"] {
        assert!(told.contains(why), "{why}: {told}");
    }
    assert_eq!(kinds(&stage.sim.inventory()), ["ec2/volume"; 3], "none was deleted, and nothing else is left");
    Ok(())
}

/// The EBS CSI driver and EKS Auto Mode name the cluster by other tags than the cloud provider did.
#[tokio::test(start_paused = true)]
async fn volumes_by_each_tag() -> Tested {
    let stage = Stage::set().await?;
    let mut made = BTreeSet::new();
    for tag in ["ebs.csi.aws.com/cluster-name", "eks:eks-cluster-name"] {
        let create = ec2(&stage).create_volume().availability_zone("us-east-1a").size(8).volume_type(aws_sdk_ec2::types::VolumeType::Gp3);
        let volume = create.tag_specifications(tags(ResourceType::Volume, &[(tag, OWNER)])).send().await?;
        made.extend(volume.volume_id().map(str::to_owned));
    }
    let torn = ends(&stage, "volumes by each tag", &[("EBS volume", "0.64"), ("EBS volume", "0.64")]).await?;
    assert_eq!(torn.ids(), made, "{}", torn.ending.verdict);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn logs() -> Tested {
    let stage = Stage::set().await?;
    let eks = aws_sdk_eks::Client::new(stage.account.config());
    let audit = aws_sdk_eks::types::LogSetup::builder().types(aws_sdk_eks::types::LogType::Audit).enabled(true).build();
    let logging = aws_sdk_eks::types::Logging::builder().cluster_logging(audit).build();
    eks.update_cluster_config().name(OWNER).logging(logging).send().await?;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let torn = ends(&stage, "log group", &[("CloudWatch log group", "0.00")]).await?;
    assert_eq!(torn.teardown.stays().len(), 1, "{}", torn.teardown);
    let remedy = "aws logs delete-log-group --region us-east-1 --log-group-name /aws/eks/shop/cluster";
    assert!(torn.told("CloudWatch log group").contains(remedy), "{}", torn.ending.verdict);
    assert_eq!(kinds(&stage.sim.inventory()), ["logs/log-group"]);
    Ok(())
}

/// Found with its cluster, and by its tags when the cluster, and the issuer with it, is gone.
#[tokio::test(start_paused = true)]
async fn the_identity_provider() -> Tested {
    for cluster_first in [false, true] {
        let stage = Stage::set().await?;
        let (eks, iam) = (aws_sdk_eks::Client::new(stage.account.config()), aws_sdk_iam::Client::new(stage.account.config()));
        let told = eks.describe_cluster().name(OWNER).send().await?;
        let issuer = told.cluster().and_then(|it| it.identity()?.oidc()?.issuer()).ok_or("an issuer")?.to_owned();
        let mut create = iam.create_open_id_connect_provider().url(issuer).client_id_list("sts.amazonaws.com");
        for (key, value) in [(OWNER_TAG, OWNER), (KEY_TAG, "cluster/oidc-provider"), ("eks-rs/cluster", OWNER)] {
            create = create.tags(aws_sdk_iam::types::Tag::builder().key(key).value(value).build()?);
        }
        create.send().await?;
        if cluster_first {
            stage.torn_down_but_for_the_provider().await?;
        }
        ends(&stage, "identity provider", &[]).await?;
    }
    Ok(())
}

/// An elastic IP address of ours that is associated with nothing is released; one that somebody gave the cluster's tag is told.
#[tokio::test(start_paused = true)]
async fn addresses() -> Tested {
    let stage = Stage::set().await?;
    let allocate = |carries: &[(&str, &str)]| {
        ec2(&stage).allocate_address().domain(DomainType::Vpc).tag_specifications(tags(ResourceType::ElasticIp, carries)).send()
    };
    allocate(&[(OWNER_TAG, OWNER), (KEY_TAG, "net/elastic-ip/us-east-1b")]).await?;
    let theirs = allocate(&[("kubernetes.io/cluster/shop", "owned")]).await?;
    let torn = ends(&stage, "addresses", &[("elastic IP address", "3.65")]).await?;
    assert_eq!(torn.ids(), [theirs.allocation_id().ok_or("an id")?.to_owned()].into());
    Ok(())
}

/// EKS's copy of a managed node group's launch template, and an instance of EKS Auto Mode: EKS removes both, as a rule.
#[tokio::test(start_paused = true)]
async fn what_eks_should_have_removed() -> Tested {
    let stage = Stage::set().await?;
    let data = aws_sdk_ec2::types::RequestLaunchTemplateData::builder().instance_type(InstanceType::T3Micro).build();
    let carries = [("eks:cluster-name", OWNER), ("eks:nodegroup-name", "workers")];
    let template = ec2(&stage).create_launch_template().launch_template_name("eks-0a1b2c3d").launch_template_data(data);
    template.tag_specifications(tags(ResourceType::LaunchTemplate, &carries)).send().await?;
    let (subnet, _) = place(&stage).await?;
    let image = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
    let launch =
        ec2(&stage).run_instances().image_id(image).instance_type(InstanceType::T3Micro).min_count(1).max_count(1).subnet_id(subnet);
    launch.tag_specifications(tags(ResourceType::Instance, &[("eks:eks-cluster-name", OWNER)])).send().await?;
    tokio::time::sleep(Duration::from_secs(60)).await;

    let listed = stage.listed().await?;
    assert!(listed.stays().is_empty(), "EKS removes them with its cluster: {listed}");
    // 0.0104 an hour; the instance holds its subnet, and that the VPC.
    let left = [("VPC", "0.00"), ("instance", "7.59"), ("launch template", "0.00"), ("network interface", "0.00"), ("subnet", "0.00")];
    let torn = ends(&stage, "what EKS should have removed", &left).await?;
    assert!(torn.told("instance").contains("EKS Auto Mode launched it"), "{}", torn.ending.verdict);
    assert!(torn.told("launch template").contains("managed node group"), "{}", torn.ending.verdict);
    Ok(())
}

/// What nobody looks at is said, before anything is done.
#[tokio::test(start_paused = true)]
async fn what_is_not_looked_at() -> Tested {
    let stage = Stage::set().await?;
    let listed = stage.listed().await?.to_string();
    for what in ["snapshots", "CloudWatch log groups", "KMS grants", "Route 53 records", "certificates", "ECR"] {
        assert!(listed.contains(what), "{what}: {listed}");
    }
    Ok(())
}
