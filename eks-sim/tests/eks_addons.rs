//! Add-ons through the AWS SDK: configuration, namespaces, roles. Expected answers: EKS API reference and user guide.

use std::time::Duration;

use aws_sdk_eks::{
    Client,
    error::ProvideErrorMetadata,
    types::{
        AddonNamespaceConfigRequest, AddonPodIdentityAssociations, AuthenticationMode, CreateAccessConfigRequest, ResolveConflicts,
        VpcConfigRequest,
    },
};
use eks_sim::Sim;

type Failure = Box<dyn std::error::Error>;

const POLICY: &str = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";

fn trust(service: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"{service}"}},"Action":["sts:AssumeRole","sts:TagSession"]}}]}}"#
    )
}

async fn seconds(number: u64) {
    tokio::time::sleep(Duration::from_secs(number)).await;
}

/// A cluster `prod` that is ACTIVE, without add-ons, and two roles that Pods can take.
async fn account() -> Result<(Sim, Client), Failure> {
    let sim = Sim::new();
    let config = sim.sdk_config();
    let (eks, ec2, iam) = (Client::new(&config), aws_sdk_ec2::Client::new(&config), aws_sdk_iam::Client::new(&config));
    let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await?.vpc().and_then(|vpc| vpc.vpc_id()).ok_or("no VPC")?.to_owned();
    let mut network = VpcConfigRequest::builder();
    for (number, zone) in ["us-east-1a", "us-east-1b"].into_iter().enumerate() {
        let made = ec2.create_subnet().vpc_id(&vpc).cidr_block(format!("10.0.{number}.0/24")).availability_zone(zone).send().await?;
        network = network.subnet_ids(made.subnet().and_then(|subnet| subnet.subnet_id()).ok_or("no subnet")?);
    }
    for (name, service) in [("cluster", "eks.amazonaws.com"), ("one", "pods.eks.amazonaws.com"), ("two", "pods.eks.amazonaws.com")] {
        iam.create_role().role_name(name).assume_role_policy_document(trust(service)).send().await?;
    }
    iam.attach_role_policy().role_name("cluster").policy_arn(POLICY).send().await?;
    seconds(15).await;
    let access = CreateAccessConfigRequest::builder().authentication_mode(AuthenticationMode::Api).build();
    let create = eks.create_cluster().name("prod").role_arn("arn:aws:iam::123456789012:role/cluster").resources_vpc_config(network.build());
    create.access_config(access).bootstrap_self_managed_addons(false).send().await?;
    seconds(480).await;
    Ok((sim, eks))
}

fn role(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

#[tokio::test(start_paused = true)]
async fn configuration_keeps_the_schema_that_is_told() -> Result<(), Failure> {
    let (_sim, eks) = account().await?;
    let versions = eks.describe_addon_versions().addon_name("coredns").send().await?;
    let newest = versions.addons()[0].addon_versions()[0].addon_version().ok_or("no version")?.to_owned();
    let told = eks.describe_addon_configuration().addon_name("coredns").addon_version(newest).send().await?;
    let schema: serde_json::Value = serde_json::from_str(told.configuration_schema().ok_or("no schema")?)?;
    assert_eq!(schema["definitions"]["Coredns"]["properties"]["replicaCount"]["type"], "integer");

    let create = |values: &str| eks.create_addon().cluster_name("prod").addon_name("coredns").configuration_values(values).send();
    let refused = create(r#"{"replicaCount":"3","nothing":1}"#).await.expect_err("it breaks the schema").into_service_error();
    assert_eq!(refused.code(), Some("InvalidParameterException"));
    let message = refused.message().unwrap_or_default();
    for part in [
        "ConfigurationValue provided in request is not supported: Json schema validation failed with error: [",
        "$.replicaCount: string found, integer expected",
        "$.nothing: is not defined in the schema and the schema does not allow additional properties",
    ] {
        assert!(message.contains(part), "{message}");
    }
    create("replicaCount: 3\n").await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_add_on_runs_in_the_namespace_that_it_is_given() -> Result<(), Failure> {
    let (_sim, eks) = account().await?;
    let create = |namespace: &str| {
        let config = AddonNamespaceConfigRequest::builder().namespace(namespace).build();
        eks.create_addon().cluster_name("prod").addon_name("metrics-server").namespace_config(config).send()
    };
    let refused = create("Not_A_Label").await.expect_err("no label").into_service_error();
    assert_eq!(refused.code(), Some("InvalidParameterException"));
    create("metrics").await?;
    let told = eks.describe_addon().cluster_name("prod").addon_name("metrics-server").send().await?;
    let namespace = told.addon().and_then(|addon| addon.namespace_config()).and_then(|config| config.namespace());
    assert_eq!(namespace, Some("metrics"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_add_ons_association_keeps_its_id_when_its_role_changes() -> Result<(), Failure> {
    let (_sim, eks) = account().await?;
    let association =
        |name: &str| AddonPodIdentityAssociations::builder().service_account("ebs-csi-controller-sa").role_arn(role(name)).build();
    let create = eks.create_addon().cluster_name("prod").addon_name("aws-ebs-csi-driver");
    let made = create.pod_identity_associations(association("one")?).send().await?;
    let arn = made.addon().map(|addon| addon.pod_identity_associations()[0].clone()).ok_or("no association")?;
    seconds(60).await;
    let update = || eks.update_addon().cluster_name("prod").addon_name("aws-ebs-csi-driver");
    update().pod_identity_associations(association("two")?).send().await?;
    seconds(60).await;
    let told = eks.describe_addon().cluster_name("prod").addon_name("aws-ebs-csi-driver").send().await?;
    assert_eq!(told.addon().map(|addon| addon.pod_identity_associations().to_vec()), Some(vec![arn.clone()]));
    let id = arn.rsplit('/').next().unwrap_or_default();
    let told = eks.describe_pod_identity_association().cluster_name("prod").association_id(id).send().await?;
    let told = told.association().ok_or("no association")?;
    assert_eq!((told.role_arn(), told.namespace()), (Some(role("two").as_str()), Some("kube-system")));
    assert!(told.owner_arn().is_some_and(|owner| owner.contains(":addon/prod/aws-ebs-csi-driver/")));

    // None given leaves it; an empty list takes it away.
    update().send().await?;
    seconds(60).await;
    assert_eq!(eks.list_pod_identity_associations().cluster_name("prod").send().await?.associations().len(), 1);
    update().set_pod_identity_associations(Some(vec![])).send().await?;
    seconds(60).await;
    assert!(eks.list_pod_identity_associations().cluster_name("prod").send().await?.associations().is_empty());
    Ok(())
}

/// API reference, UpdateAddon: without a role, "the add-on uses the permissions assigned to the node IAM role".
#[tokio::test(start_paused = true)]
async fn an_update_that_names_no_role_leaves_none() -> Result<(), Failure> {
    let (_sim, eks) = account().await?;
    let create = eks.create_addon().cluster_name("prod").addon_name("vpc-cni").resolve_conflicts(ResolveConflicts::Overwrite);
    create.service_account_role_arn(role("one")).send().await?;
    seconds(60).await;
    for wanted in [Some(role("one")), None] {
        let update = eks.update_addon().cluster_name("prod").addon_name("vpc-cni");
        update.set_service_account_role_arn(wanted.clone()).send().await?;
        seconds(60).await;
        let told = eks.describe_addon().cluster_name("prod").addon_name("vpc-cni").send().await?;
        assert_eq!(told.addon().and_then(|addon| addon.service_account_role_arn()), wanted.as_deref());
    }
    Ok(())
}
