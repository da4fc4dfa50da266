//! What others made, under names and tags that look like ours: all of it is there afterwards, as it was.

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_ec2::types::{DomainType, ResourceType, Tag, TagSpecification, VolumeType};
use eks_cluster::{ClusterSpec, Clusters, KubernetesVersion};
use eks_core::{KEY_TAG, OWNER_TAG, Owner, Plan};
use eks_examples::environment::Failure;
use eks_net::{ExistingNetwork, Fix, Networks};
use eks_sim::Item;

use super::stage::{OWNER, Stage, Tested};

/// Until what was made is in the state that it stays in.
const SETTLED: Duration = Duration::from_secs(60);

/// Somebody else, with a client of their own.
struct Others<'a> {
    stage: &'a Stage,
    ec2: aws_sdk_ec2::Client,
    vpc: String,
    subnet: String,
}

type Carries<'a> = &'a [(&'a str, &'a str)];

fn tags(kind: ResourceType, tags: Carries<'_>) -> TagSpecification {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build()).collect();
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags)).build()
}

impl<'a> Others<'a> {
    /// They work in the account's default VPC.
    async fn of(stage: &'a Stage) -> Result<Self, Failure> {
        let ec2 = aws_sdk_ec2::Client::new(stage.account.config());
        let default = aws_sdk_ec2::types::Filter::builder().name("default-for-az").values("true").build();
        let subnets = ec2.describe_subnets().filters(default).send().await?;
        let subnet = subnets.subnets().first().ok_or("a default subnet")?;
        let (vpc, subnet) = (subnet.vpc_id().unwrap_or_default().to_owned(), subnet.subnet_id().unwrap_or_default().to_owned());
        Ok(Self { stage, ec2, vpc, subnet })
    }

    /// Default subnets in two zones.
    async fn in_two_zones(&self) -> Result<Vec<String>, Failure> {
        let default = aws_sdk_ec2::types::Filter::builder().name("default-for-az").values("true").build();
        let subnets = self.ec2.describe_subnets().filters(default).send().await?;
        let chosen = subnets.subnets().iter().filter(|subnet| matches!(subnet.availability_zone(), Some("us-east-1a" | "us-east-1b")));
        Ok(chosen.filter_map(|subnet| subnet.subnet_id().map(str::to_owned)).collect())
    }

    async fn group(&self, name: &str, carries: Carries<'_>) -> Tested {
        let create = self.ec2.create_security_group().group_name(name).description("theirs").vpc_id(&self.vpc);
        create.tag_specifications(tags(ResourceType::SecurityGroup, carries)).send().await?;
        Ok(())
    }

    async fn balancer(&self, name: &str, carries: Carries<'_>) -> Tested {
        use aws_sdk_elasticloadbalancing::types::{Listener, Tag};
        let elb = aws_sdk_elasticloadbalancing::Client::new(self.stage.account.config());
        let listener = Listener::builder().protocol("TCP").load_balancer_port(80).instance_port(80).build()?;
        let create = elb.create_load_balancer().load_balancer_name(name).listeners(listener).subnets(&self.subnet).scheme("internal");
        let tags: Result<Vec<_>, _> = carries.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build()).collect();
        create.set_tags(Some(tags?)).send().await?;
        Ok(())
    }

    async fn volume(&self, carries: Carries<'_>) -> Tested {
        let create = self.ec2.create_volume().availability_zone("us-east-1a").size(8).volume_type(VolumeType::Gp3);
        create.tag_specifications(tags(ResourceType::Volume, carries)).send().await?;
        Ok(())
    }

    async fn interface(&self, description: &str, carries: Carries<'_>) -> Tested {
        let create = self.ec2.create_network_interface().subnet_id(&self.subnet).description(description);
        create.tag_specifications(tags(ResourceType::NetworkInterface, carries)).send().await?;
        Ok(())
    }

    async fn address(&self, carries: Carries<'_>) -> Tested {
        let allocate = self.ec2.allocate_address().domain(DomainType::Vpc);
        allocate.tag_specifications(tags(ResourceType::ElasticIp, carries)).send().await?;
        Ok(())
    }

    async fn role(&self, name: &str, carries: Carries<'_>) -> Tested {
        let iam = aws_sdk_iam::Client::new(self.stage.account.config());
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        let mut create = iam.create_role().role_name(name).assume_role_policy_document(trust);
        for (key, value) in carries {
            create = create.tags(aws_sdk_iam::types::Tag::builder().key(*key).value(*value).build()?);
        }
        create.send().await?;
        Ok(())
    }

    async fn provider(&self, carries: Carries<'_>) -> Tested {
        let iam = aws_sdk_iam::Client::new(self.stage.account.config());
        let issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF";
        let mut create = iam.create_open_id_connect_provider().url(issuer).client_id_list("sts.amazonaws.com");
        for (key, value) in carries {
            create = create.tags(aws_sdk_iam::types::Tag::builder().key(*key).value(*value).build()?);
        }
        create.send().await?;
        Ok(())
    }
}

/// By what one would compare it: kind, id, tags, state, price.
fn items(stage: &Stage) -> Vec<Item> {
    stage.sim.inventory().items().to_vec()
}

/// Items that are not, or not so, in the other list.
fn unlike(these: &[Item], those: &[Item]) -> Vec<Item> {
    these.iter().filter(|item| !those.contains(item)).cloned().collect()
}

#[tokio::test(start_paused = true)]
async fn look_alikes_of_every_kind_survive_untouched() -> Tested {
    let stage = Stage::set().await?;
    let ours: BTreeSet<String> = items(&stage).into_iter().map(|item| item.id).collect();
    let others = Others::of(&stage).await?;
    let (shop, other) = (("kubernetes.io/cluster/shop", "owned"), (OWNER_TAG, "other"));

    // In their own VPC, with the tags that controllers of our cluster put on.
    others.group("k8s-elb-a0123456789abcdef0123456789abcde", &[shop]).await?;
    others.group("k8s-traffic-shop-0123456789", &[("elbv2.k8s.aws/cluster", "shop"), ("elbv2.k8s.aws/resource", "backend-sg")]).await?;
    others.balancer("a0123456789abcdef0123456789abcde", &[shop, ("kubernetes.io/service-name", "default/nginx")]).await?;
    others
        .interface("aws-K8S-i-0123456789abcdef0", &[("cluster.k8s.amazonaws.com/name", "shop"), ("eks:eni:owner", "amazon-vpc-cni")])
        .await?;
    // With another owner's mark, ours being there as well.
    let marked = [other, (KEY_TAG, "net/vpc"), shop];
    others.group("shop-public", &marked).await?;
    others.balancer("shop-other", &marked).await?;
    others.volume(&[other, shop, ("kubernetes.io/created-for/pvc/name", "pvc-a"), ("kubernetes.io/created-for/pv/name", "pvc-1")]).await?;
    others.address(&[other, (KEY_TAG, "net/elastic-ip/us-east-1a"), ("Name", "shop-elastic-ip-us-east-1a")]).await?;
    others.interface("aws-K8S-i-0123456789abcdef1", &marked).await?;
    // Of other clusters, whose names begin alike or are not ours.
    others.group("k8s-elb-shop2", &[("kubernetes.io/cluster/shop2", "owned")]).await?;
    others.balancer("shop2", &[("kubernetes.io/cluster/shop2", "owned")]).await?;
    others.volume(&[("kubernetes.io/cluster/shop2", "owned")]).await?;
    // Adopted by another owner; ours by name alone.
    others.group("theirs", &[other, ("eks-rs/adopted", ""), shop]).await?;
    others.group("shop-private", &[("Name", "shop-security-group-private")]).await?;
    others.volume(&[("Name", "shop-dynamic-pvc-1")]).await?;
    others.address(&[("Name", "shop-elastic-ip-us-east-1a")]).await?;
    others.role("shop-node-x-us-east-1", &[("Name", "shop-role-node-x")]).await?;
    others.role("shop-app-x-us-east-1", &[other, (KEY_TAG, "cluster/role/app/x"), ("eks-rs/cluster", "shop")]).await?;
    others.provider(&[other, ("eks-rs/cluster", "shop")]).await?;

    tokio::time::sleep(SETTLED).await;
    let theirs = |all: Vec<Item>| all.into_iter().filter(|item| !ours.contains(&item.id)).collect::<Vec<_>>();
    let before = theirs(items(&stage));
    assert!(before.len() >= 19, "{before:#?}");
    let torn = stage.torn_down().await?;
    let after = theirs(items(&stage));
    assert_eq!((unlike(&before, &after), unlike(&after, &before)), (vec![], vec![]), "all of it is there as it was");
    let of_ours = items(&stage).into_iter().filter(|item| ours.contains(&item.id)).count();
    assert_eq!(of_ours, 0, "and nothing of ours: {}", torn.ending.verdict);
    // What carries our cluster's tags and nobody's mark is told, with what speaks against it.
    let told: Vec<_> = torn.ending.verdict.survivors().iter().collect();
    assert_eq!(told.len(), 4, "{}", torn.ending.verdict);
    assert!(told.iter().all(|survivor| survivor.why.contains("it may be ours, but it lies in vpc-")), "{}", torn.ending.verdict);
    assert!(told.iter().all(|survivor| survivor.remedy.starts_with("if it is yours: aws ")), "{}", torn.ending.verdict);
    // It was in the list before, too.
    assert_eq!(torn.teardown.stays().len(), 4, "{}", torn.teardown);
    Ok(())
}

/// Ours is gone, and another team's cluster has its name now: nothing that carries the name is touched.
#[tokio::test(start_paused = true)]
async fn a_name_that_another_cluster_has_now() -> Tested {
    let stage = Stage::set().await?;
    let eks = aws_sdk_eks::Client::new(stage.account.config());
    eks.delete_cluster().name(OWNER).send().await?;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let ours: BTreeSet<String> = items(&stage).into_iter().map(|item| item.id).collect();
    let others = Others::of(&stage).await?;
    others.role("their-cluster", &[]).await?;
    let iam = aws_sdk_iam::Client::new(stage.account.config());
    let policy = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";
    iam.attach_role_policy().role_name("their-cluster").policy_arn(policy).send().await?;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let in_two_zones = others.in_two_zones().await?;
    let config = aws_sdk_eks::types::VpcConfigRequest::builder().set_subnet_ids(Some(in_two_zones)).build();
    let create = eks.create_cluster().name(OWNER).role_arn("arn:aws:iam::123456789012:role/their-cluster").resources_vpc_config(config);
    create.send().await?;
    tokio::time::sleep(Duration::from_secs(600)).await;
    others.balancer("a0123456789abcdef0123456789abcde", &[("kubernetes.io/cluster/shop", "owned")]).await?;
    others.volume(&[("kubernetes.io/cluster/shop", "owned"), ("kubernetes.io/created-for/pv/name", "pvc-1")]).await?;

    tokio::time::sleep(SETTLED).await;
    let theirs = |all: Vec<Item>| all.into_iter().filter(|item| !ours.contains(&item.id)).collect::<Vec<_>>();
    let before = theirs(items(&stage));
    assert!(before.iter().any(|item| item.kind == "eks/cluster"), "{before:#?}");
    let torn = stage.torn_down().await?;
    let after = theirs(items(&stage));
    assert_eq!((unlike(&before, &after), unlike(&after, &before)), (vec![], vec![]), "all of it is there as it was");
    assert!(torn.teardown.to_string().contains("there is a cluster shop that does not carry our tag"), "{}", torn.teardown);
    let told = torn.ids();
    assert!(before.iter().all(|item| !told.contains(&item.id)), "what is theirs is none of our business: {}", torn.ending.verdict);
    Ok(())
}

/// In a VPC that we did not make, what is provably of our cluster goes, and what an earlier cluster of its name left does not.
#[tokio::test(start_paused = true)]
async fn a_cluster_in_a_vpc_of_others() -> Tested {
    let stage = Stage::empty();
    let others = Others::of(&stage).await?;
    let shop = ("kubernetes.io/cluster/shop", "owned");
    others.balancer("a0123456789abcdef0123456789abcde", &[shop]).await?;
    others.group("k8s-elb-a0123456789abcdef0123456789abcde", &[shop]).await?;
    others.volume(&[shop, ("kubernetes.io/created-for/pv/name", "pvc-1")]).await?;
    tokio::time::sleep(SETTLED).await;
    let before = items(&stage);

    let (owner, config) = (Owner::new(OWNER)?, stage.account.config());
    let networks = Networks::new(config);
    let theirs = ExistingNetwork::builder(&owner).vpc(&others.vpc).cluster(OWNER).allow(Fix::Tags);
    let theirs = others.in_two_zones().await?.iter().fold(theirs, |theirs, id| theirs.public_subnet(id)).build()?;
    let survey = networks.survey(&theirs).await?;
    let clusters = Clusters::new(config);
    let spec = ClusterSpec::builder(&owner, OWNER.parse()?, KubernetesVersion::V1_36, survey.refs()).no_addons().build()?;
    let engine = stage.account.engine().driver(networks).driver(clusters.clone());
    Plan::join([survey.plan()?, clusters.plan(&spec).await?])?.apply(&engine).await?;
    let people = stage.people().await?;
    people.service("classic", false).await?;
    people.service("network", true).await?;
    assert_eq!(stage.sim.inventory().count("elb/load-balancer"), 3);

    let torn = stage.torn_down().await?;
    let after = items(&stage);
    assert_eq!(
        (unlike(&before, &after), unlike(&after, &before)),
        (vec![], vec![]),
        "theirs as it was, ours gone: {}",
        torn.ending.verdict
    );
    let told: Vec<_> = torn.ending.verdict.survivors().iter().map(|survivor| survivor.kind.as_str()).collect();
    assert_eq!(told, ["classic load balancer", "security group", "EBS volume"], "{}", torn.ending.verdict);
    assert!(torn.told("classic load balancer").contains("it is older than the cluster shop"), "{}", torn.ending.verdict);
    assert!(torn.told("EBS volume").contains("it is older than the cluster shop"), "{}", torn.ending.verdict);
    Ok(())
}
