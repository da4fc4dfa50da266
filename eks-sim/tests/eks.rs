//! EKS through the AWS SDK, in a VPC made through EC2. Expected answers: EKS API reference and user guide.

#[path = "eks/plane.rs"]
mod plane;
mod table;

use std::{future::Future, time::Duration};

use aws_sdk_ec2::types::Filter;
use aws_sdk_eks::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::create_cluster::builders::CreateClusterFluentBuilder,
    types::{
        AccessScope, AccessScopeType, AddonStatus, AuthenticationMode, Cluster, ClusterStatus, CreateAccessConfigRequest,
        KubernetesNetworkConfigRequest, ResolveConflicts, UpdateAccessConfigRequest, UpdateStatus, VersionStatus, VpcConfigRequest,
    },
};
use eks_sim::Sim;

type Tested = Result<(), Box<dyn std::error::Error>>;

const CLUSTER_POLICY: &str = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";

fn trust(service: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"{service}"}},"Action":["sts:AssumeRole","sts:TagSession"]}}]}}"#
    )
}

/// An account with a VPC, a subnet in each of three zones, and a cluster role that EKS sees.
struct Account {
    sim: Sim,
    eks: Client,
    ec2: aws_sdk_ec2::Client,
    iam: aws_sdk_iam::Client,
    vpc: String,
    subnets: Vec<String>,
    role: String,
}

impl Account {
    async fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let sim = Sim::new();
        let config = sim.sdk_config();
        let (eks, ec2, iam) = (Client::new(&config), aws_sdk_ec2::Client::new(&config), aws_sdk_iam::Client::new(&config));
        let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await?.vpc().and_then(|vpc| vpc.vpc_id()).expect("an id").to_owned();
        let mut subnets = Vec::new();
        for (number, zone) in ["us-east-1a", "us-east-1b", "us-east-1c"].iter().enumerate() {
            let made = ec2.create_subnet().vpc_id(&vpc).cidr_block(format!("10.0.{number}.0/24")).availability_zone(*zone).send().await?;
            subnets.push(made.subnet().and_then(|subnet| subnet.subnet_id()).expect("an id").to_owned());
        }
        let made = iam.create_role().role_name("cluster").assume_role_policy_document(trust("eks.amazonaws.com")).send().await?;
        let role = made.role().expect("a role").arn().to_owned();
        iam.attach_role_policy().role_name("cluster").policy_arn(CLUSTER_POLICY).send().await?;
        seconds(15).await;
        Ok(Self { sim, eks, ec2, iam, vpc, subnets, role })
    }

    fn create(&self, name: &str) -> CreateClusterFluentBuilder {
        let vpc = VpcConfigRequest::builder().set_subnet_ids(Some(self.subnets.clone())).build();
        self.eks.create_cluster().name(name).role_arn(&self.role).version("1.36").resources_vpc_config(vpc)
    }

    /// A cluster that is ACTIVE.
    async fn cluster(&self, name: &str, mode: AuthenticationMode) -> Result<Cluster, Box<dyn std::error::Error>> {
        let access = CreateAccessConfigRequest::builder().authentication_mode(mode).build();
        self.create(name).access_config(access).send().await?;
        seconds(480).await;
        self.describe(name).await
    }

    async fn describe(&self, name: &str) -> Result<Cluster, Box<dyn std::error::Error>> {
        Ok(self.eks.describe_cluster().name(name).send().await?.cluster().expect("a cluster").clone())
    }

    async fn addon_status(&self, cluster: &str, addon: &str) -> Result<(AddonStatus, Vec<String>), Box<dyn std::error::Error>> {
        let got = self.eks.describe_addon().cluster_name(cluster).addon_name(addon).send().await?;
        let addon = got.addon().expect("an add-on");
        let issues = addon.health().map_or(&[][..], |health| health.issues());
        let codes = issues.iter().filter_map(|issue| issue.code()).map(|code| code.as_str().to_owned()).collect();
        Ok((addon.status().expect("a status").clone(), codes))
    }

    async fn interfaces(&self) -> Result<usize, Box<dyn std::error::Error>> {
        let of_eks = Filter::builder().name("description").values("Amazon EKS *").build();
        Ok(self.ec2.describe_network_interfaces().filters(of_eks).send().await?.network_interfaces().len())
    }
}

async fn seconds(number: u64) {
    tokio::time::sleep(Duration::from_secs(number)).await;
}

/// Code and message of a refusal.
async fn refusal<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug, R>(
    call: impl Future<Output = Result<T, SdkError<E, R>>>,
) -> (String, String)
where
    R: std::fmt::Debug,
{
    let error = call.await.expect_err("the call should have been refused");
    (error.code().unwrap_or_default().to_owned(), error.message().unwrap_or_default().to_owned())
}

#[tokio::test(start_paused = true)]
async fn the_default_version_is_not_the_newest() -> Tested {
    let eks = Client::new(&Sim::new().sdk_config());
    let all = eks.describe_cluster_versions().include_all(true).send().await?;
    let versions: Vec<_> = all.cluster_versions().iter().filter_map(|version| version.cluster_version()).collect();
    assert_eq!(versions, ["1.37", "1.36", "1.35", "1.34", "1.33", "1.32", "1.31", "1.30"]);
    let default = eks.describe_cluster_versions().default_only(true).send().await?;
    let default: Vec<_> = default.cluster_versions().iter().filter_map(|version| version.cluster_version()).collect();
    assert_eq!(default, ["1.35"]);
    let ended = eks.describe_cluster_versions().version_status(VersionStatus::Unsupported).send().await?;
    assert!(ended.cluster_versions().iter().any(|version| version.cluster_version() == Some("1.30")));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn each_add_on_has_one_default_version() -> Tested {
    let eks = Client::new(&Sim::new().sdk_config());
    let got = eks.describe_addon_versions().kubernetes_version("1.36").send().await?;
    assert!(got.addons().len() >= 8);
    for addon in got.addons() {
        let compatible = addon.addon_versions().iter().flat_map(|version| version.compatibilities());
        let defaults = compatible.filter(|fit| fit.cluster_version() == Some("1.36") && fit.default_version()).count();
        assert_eq!(defaults, 1, "{:?}", addon.addon_name());
    }
    let proxy = eks.describe_addon_versions().kubernetes_version("1.36").addon_name("kube-proxy").send().await?;
    let version = proxy.addons()[0].addon_versions()[0].addon_version().expect("a version").to_owned();
    assert!(version.starts_with("v1.36."));
    let schema = eks.describe_addon_configuration().addon_name("kube-proxy").addon_version(version).send().await?;
    assert!(schema.configuration_schema().is_some_and(|text| text.contains("properties")));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_cluster_lives_and_dies() -> Tested {
    let account = Account::new().await?;
    let made = account.create("prod").tags("team", "a").send().await?;
    let made = made.cluster().expect("a cluster");
    assert_eq!((made.status(), made.endpoint()), (Some(&ClusterStatus::Creating), None));
    assert_eq!(made.kubernetes_network_config().and_then(|config| config.service_ipv4_cidr()), Some("172.20.0.0/16"));
    let refused = refusal(account.eks.delete_cluster().name("prod").send()).await;
    assert_eq!(refused.0, "ResourceInUseException");

    seconds(480).await;
    let cluster = account.describe("prod").await?;
    assert_eq!(cluster.status(), Some(&ClusterStatus::Active));
    let took = account.sim.ledger().of("prod")[0].took;
    assert!((Duration::from_secs(340)..=Duration::from_secs(480)).contains(&took));
    assert!(cluster.endpoint().is_some_and(|url| url.starts_with("https://") && url.ends_with(".gr7.us-east-1.eks.amazonaws.com")));
    assert!(cluster.certificate_authority().and_then(|authority| authority.data()).is_some_and(|data| data.starts_with("LS0tLS1CRUdJTi")));
    let config = cluster.resources_vpc_config().expect("a VPC");
    assert_eq!(config.vpc_id(), Some(account.vpc.as_str()));
    let group = config.cluster_security_group_id().expect("a group");
    let groups = account.ec2.describe_security_groups().group_ids(group).send().await?;
    let group = &groups.security_groups()[0];
    assert!(group.group_name().is_some_and(|name| name.starts_with("eks-cluster-sg-prod-")));
    let tags: Vec<_> = group.tags().iter().filter_map(|tag| tag.key()).collect();
    assert!(tags.contains(&"kubernetes.io/cluster/prod") && tags.contains(&"aws:eks:cluster-name"), "{tags:?}");
    assert_eq!(account.interfaces().await?, 2);
    assert_eq!(account.sim.inventory().count("eks/cluster"), 1);

    account.eks.delete_cluster().name("prod").send().await?;
    assert_eq!(account.describe("prod").await?.status(), Some(&ClusterStatus::Deleting));
    let mut waited = 0;
    while account.eks.describe_cluster().name("prod").send().await.is_ok() {
        waited += 5;
        assert!(waited < 240, "a cluster is gone within 228 s");
        seconds(5).await;
    }
    assert_eq!(refusal(account.eks.describe_cluster().name("prod").send()).await.0, "ResourceNotFoundException");
    assert_eq!(account.interfaces().await?, 2, "the interfaces outlive the cluster");
    let subnet = account.subnets[0].as_str();
    assert_eq!(refusal(account.ec2.delete_subnet().subnet_id(subnet).send()).await.0, "DependencyViolation");
    seconds(150).await;
    assert_eq!(account.interfaces().await?, 0);
    account.ec2.delete_subnet().subnet_id(subnet).send().await?;
    assert!(account.sim.inventory().items().iter().all(|item| !item.id.starts_with("eks") && !item.kind.starts_with("eks/")));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_role_must_be_there_trusted_and_permitted() -> Tested {
    let account = Account::new().await?;
    let with = |role: &str| account.create("prod").role_arn(format!("arn:aws:iam::123456789012:role/{role}")).send();
    let make = |name: &str, service: &str| account.iam.create_role().role_name(name).assume_role_policy_document(trust(service)).send();
    assert!(refusal(with("none")).await.1.contains("does not exist"));
    make("bare", "eks.amazonaws.com").await?;
    assert!(refusal(with("bare")).await.1.contains("does not exist"), "not propagated yet");
    make("nodes", "ec2.amazonaws.com").await?;
    seconds(15).await;
    let (code, message) = refusal(with("bare")).await;
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains("The provided role doesn't have the Amazon EKS Managed Policies associated with it"));
    assert!(refusal(with("nodes")).await.1.contains("Role could not be assumed because the trusted entity is not correct"));
    account.iam.attach_role_policy().role_name("bare").policy_arn(CLUSTER_POLICY).send().await?;
    seconds(15).await;
    with("bare").await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn networks_keep_the_rules() -> Tested {
    let account = Account::new().await?;
    let with = |subnets: &[&str]| {
        let vpc = VpcConfigRequest::builder().set_subnet_ids(Some(subnets.iter().map(|id| (*id).to_owned()).collect())).build();
        account.create("prod").resources_vpc_config(vpc).send()
    };
    let (code, message) = refusal(with(&[&account.subnets[0]])).await;
    assert_eq!((code.as_str(), message.as_str()), ("InvalidParameterException", "Subnets specified must be in at least two different AZs"));
    let (code, message) = refusal(with(&[&account.subnets[0], "subnet-00000000000000000"])).await;
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains("InvalidSubnetID.NotFound"), "{message}");

    let zones = account.ec2.describe_availability_zones().send().await?;
    let zone = zones.availability_zones().iter().find(|zone| zone.zone_id() == Some("use1-az3")).and_then(|zone| zone.zone_name());
    let made =
        account.ec2.create_subnet().vpc_id(&account.vpc).cidr_block("10.0.9.0/24").availability_zone(zone.expect("a zone")).send().await?;
    let refused = made.subnet().and_then(|subnet| subnet.subnet_id()).expect("an id");
    let error = with(&[&account.subnets[0], refused]).await.expect_err("refused").into_service_error();
    assert!(error.is_unsupported_availability_zone_exception(), "{error:?}");

    let clash = KubernetesNetworkConfigRequest::builder().service_ipv4_cidr("10.0.0.0/16").build();
    assert_eq!(refusal(account.create("prod").kubernetes_network_config(clash).send()).await.0, "InvalidParameterException");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_network_that_goes_away_fails_the_cluster() -> Tested {
    let account = Account::new().await?;
    account.create("prod").send().await?;
    account.ec2.delete_subnet().subnet_id(&account.subnets[0]).send().await?;
    seconds(480).await;
    let cluster = account.describe("prod").await?;
    assert_eq!(cluster.status(), Some(&ClusterStatus::Failed));
    let issue = cluster.health().and_then(|health| health.issues().first()).and_then(|issue| issue.code());
    assert_eq!(issue.map(|code| code.as_str()), Some("Ec2SubnetNotFound"));
    account.eks.delete_cluster().name("prod").send().await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn names_versions_and_tokens_are_checked() -> Tested {
    let account = Account::new().await?;
    assert_eq!(refusal(account.create("-x").send()).await.0, "InvalidParameterException");
    let (code, message) = refusal(account.create("x").version("1.12").send()).await;
    assert_eq!((code.as_str(), message.as_str()), ("InvalidParameterException", "unsupported Kubernetes version 1.12"));
    let first = account.create("x").client_request_token("t").send().await?;
    let again = account.create("x").client_request_token("t").send().await?;
    assert_eq!(first.cluster().and_then(|cluster| cluster.arn()), again.cluster().and_then(|cluster| cluster.arn()));
    assert_eq!(refusal(account.create("y").client_request_token("t").send()).await.0, "InvalidParameterException");
    assert_eq!(refusal(account.create("x").send()).await.0, "ResourceInUseException");
    assert_eq!(account.eks.list_clusters().send().await?.clusters(), ["x"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn add_ons_settle() -> Tested {
    let account = Account::new().await?;
    account.cluster("prod", AuthenticationMode::Api).await?;
    let create = |name: &str| account.eks.create_addon().cluster_name("prod").addon_name(name);
    assert_eq!(refusal(create("nothing").send()).await.0, "InvalidParameterException");
    assert_eq!(refusal(create("coredns").addon_version("v0").send()).await.0, "InvalidParameterException");

    create("vpc-cni").send().await?;
    create("kube-proxy").resolve_conflicts(ResolveConflicts::Overwrite).send().await?;
    create("coredns").resolve_conflicts(ResolveConflicts::Overwrite).send().await?;
    assert_eq!(refusal(create("coredns").send()).await.0, "ResourceInUseException");
    assert_eq!(account.addon_status("prod", "coredns").await?.0, AddonStatus::Creating);
    seconds(60).await;
    let conflict = (AddonStatus::CreateFailed, vec!["ConfigurationConflict".to_owned()]);
    assert_eq!(account.addon_status("prod", "vpc-cni").await?, conflict);
    assert_eq!(account.addon_status("prod", "kube-proxy").await?, (AddonStatus::Active, vec![]));
    let lacking = (AddonStatus::Degraded, vec!["InsufficientNumberOfReplicas".to_owned()]);
    assert_eq!(account.addon_status("prod", "coredns").await?, lacking);

    account.eks.delete_addon().cluster_name("prod").addon_name("coredns").preserve(true).send().await?;
    seconds(30).await;
    assert_eq!(
        refusal(account.eks.describe_addon().cluster_name("prod").addon_name("coredns").send()).await.0,
        "ResourceNotFoundException"
    );
    create("coredns").send().await?;
    seconds(60).await;
    assert_eq!(account.addon_status("prod", "coredns").await?.0, AddonStatus::CreateFailed, "its software was preserved");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn access_entries_need_the_api_mode() -> Tested {
    let account = Account::new().await?;
    account.cluster("old", AuthenticationMode::ConfigMap).await?;
    let role = account.role.as_str();
    let create = |cluster: &str| account.eks.create_access_entry().cluster_name(cluster).principal_arn(role);
    assert_eq!(refusal(create("old").send()).await.0, "InvalidRequestException");
    let mode = UpdateAccessConfigRequest::builder().authentication_mode(AuthenticationMode::ApiAndConfigMap).build();
    account.eks.update_cluster_config().name("old").access_config(mode).send().await?;
    seconds(60).await;
    let entries = account.eks.list_access_entries().cluster_name("old").send().await?;
    assert_eq!(entries.access_entries(), ["arn:aws:iam::123456789012:user/admin"], "the creator's mapping became an entry");

    let made = create("old").r#type("EC2_LINUX").send().await?;
    let entry = made.access_entry().expect("an entry");
    assert_eq!(entry.username(), Some("system:node:{{EC2PrivateDNSName}}"));
    assert_eq!(entry.kubernetes_groups(), ["system:nodes"]);
    assert!(account.sim.ledger().of(entry.access_entry_arn().expect("an ARN"))[0].took <= Duration::from_secs(9));
    assert_eq!(refusal(create("old").send()).await.0, "ResourceInUseException");
    let nobody = create("old").principal_arn("arn:aws:iam::123456789012:role/none").send();
    assert_eq!(refusal(nobody).await.0, "InvalidParameterException");
    account.eks.delete_access_entry().cluster_name("old").principal_arn(role).send().await?;

    create("old").kubernetes_groups("viewers").send().await?;
    let policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy";
    let scope = AccessScope::builder().r#type(AccessScopeType::Cluster).build();
    account.eks.associate_access_policy().cluster_name("old").principal_arn(role).policy_arn(policy).access_scope(scope).send().await?;
    let associated = account.eks.list_associated_access_policies().cluster_name("old").principal_arn(role).send().await?;
    assert_eq!(associated.associated_access_policies()[0].policy_arn(), Some(policy));
    let with_policy = account.eks.list_access_entries().cluster_name("old").associated_policy_arn(policy).send().await?;
    assert_eq!(with_policy.access_entries(), [role]);
    account.eks.disassociate_access_policy().cluster_name("old").principal_arn(role).policy_arn(policy).send().await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn updates_go_one_at_a_time() -> Tested {
    let account = Account::new().await?;
    account.cluster("prod", AuthenticationMode::Api).await?;
    let to = |version: &str| account.eks.update_cluster_version().name("prod").version(version);
    assert_eq!(refusal(to("1.35").send()).await.0, "InvalidRequestException", "created at 1.36, nothing to go back to");
    let started = to("1.37").send().await?;
    let id = started.update().and_then(|update| update.id()).expect("an id").to_owned();
    assert_eq!(account.describe("prod").await?.status(), Some(&ClusterStatus::Updating));
    let two = account.eks.update_cluster_config().name("prod").deletion_protection(true).send();
    assert_eq!(refusal(two).await.0, "ResourceInUseException");
    seconds(900).await;
    let update = account.eks.describe_update().name("prod").update_id(&id).send().await?;
    assert_eq!(update.update().and_then(|update| update.status()), Some(&UpdateStatus::Successful));
    assert_eq!(account.describe("prod").await?.version(), Some("1.37"));
    to("1.36").send().await?;
    seconds(900).await;
    assert_eq!(account.describe("prod").await?.version(), Some("1.36"));

    account.eks.update_cluster_config().name("prod").deletion_protection(true).send().await?;
    seconds(60).await;
    assert_eq!(refusal(account.eks.delete_cluster().name("prod").send()).await.0, "InvalidRequestException");
    let private = VpcConfigRequest::builder().endpoint_private_access(true).build();
    let both = account.eks.update_cluster_config().name("prod").deletion_protection(false).resources_vpc_config(private).send();
    assert_eq!(refusal(both).await.0, "InvalidParameterException");
    assert_eq!(account.eks.list_updates().name("prod").send().await?.update_ids().len(), 3);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn pod_identity_and_tags() -> Tested {
    let account = Account::new().await?;
    let cluster = account.cluster("prod", AuthenticationMode::Api).await?;
    let made = account.iam.create_role().role_name("ebs").assume_role_policy_document(trust("pods.eks.amazonaws.com")).send().await?;
    let role = made.role().expect("a role").arn().to_owned();
    let associate = || {
        let call = account.eks.create_pod_identity_association().cluster_name("prod").namespace("kube-system");
        call.service_account("ebs-csi-controller-sa").role_arn(&role).send()
    };
    assert_eq!(refusal(associate()).await.0, "InvalidParameterException", "not propagated yet");
    seconds(15).await;
    let made = associate().await?;
    let association = made.association().expect("an association");
    let id = association.association_id().expect("an id");
    assert!(id.starts_with("a-"));
    assert_eq!(refusal(associate()).await.0, "ResourceInUseException");
    let listed = account.eks.list_pod_identity_associations().cluster_name("prod").namespace("kube-system").send().await?;
    assert_eq!(listed.associations().len(), 1);

    for arn in [cluster.arn(), association.association_arn()] {
        let arn = arn.expect("an ARN");
        account.eks.tag_resource().resource_arn(arn).tags("a", "1").tags("b", "2").send().await?;
        account.eks.untag_resource().resource_arn(arn).tag_keys("b").send().await?;
        let tags = account.eks.list_tags_for_resource().resource_arn(arn).send().await?;
        assert_eq!(tags.tags().map(|tags| tags.len()), Some(1));
    }
    account.eks.delete_pod_identity_association().cluster_name("prod").association_id(id).send().await?;
    assert_eq!(account.sim.inventory().count("eks/pod-identity-association"), 0);
    Ok(())
}
