//! A cluster that EKS made, entered with `kube::Client` and a token signed by AWS's own signer.

mod entry;

use std::time::Duration;

use aws_sdk_eks::types::{AccessScope, AccessScopeType, VpcConfigRequest};
use eks_sim::{Outcome, Sim, TransportError};
use entry::{client, token};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Error,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

type Tested = Result<(), Box<dyn std::error::Error>>;

const CLUSTER: &str = "chap10";

fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> (u16, String) {
    match result.expect_err("a refusal") {
        Error::Api(status) => (status.code, status.message),
        other => panic!("not a refusal: {other}"),
    }
}

/// An account with an ACTIVE cluster; its endpoint.
async fn cluster(sim: &Sim) -> Result<String, Box<dyn std::error::Error>> {
    let config = sim.sdk_config();
    let (eks, ec2, iam) = (aws_sdk_eks::Client::new(&config), aws_sdk_ec2::Client::new(&config), aws_sdk_iam::Client::new(&config));
    let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await?.vpc().and_then(|vpc| vpc.vpc_id()).expect("an id").to_owned();
    let mut subnets = Vec::new();
    for (number, zone) in ["us-east-1a", "us-east-1b"].iter().enumerate() {
        let made = ec2.create_subnet().vpc_id(&vpc).cidr_block(format!("10.0.{number}.0/24")).availability_zone(*zone).send().await?;
        subnets.push(made.subnet().and_then(|subnet| subnet.subnet_id()).expect("an id").to_owned());
    }
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let role = iam.create_role().role_name("cluster").assume_role_policy_document(trust).send().await?;
    iam.attach_role_policy().role_name("cluster").policy_arn("arn:aws:iam::aws:policy/AmazonEKSClusterPolicy").send().await?;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let place = VpcConfigRequest::builder().set_subnet_ids(Some(subnets)).build();
    let arn = role.role().expect("a role").arn();
    let access = aws_sdk_eks::types::CreateAccessConfigRequest::builder()
        .authentication_mode(aws_sdk_eks::types::AuthenticationMode::Api)
        .bootstrap_cluster_creator_admin_permissions(true)
        .build();
    eks.create_cluster().name(CLUSTER).role_arn(arn).version("1.36").resources_vpc_config(place).access_config(access).send().await?;
    tokio::time::sleep(Duration::from_secs(480)).await;
    let cluster = eks.describe_cluster().name(CLUSTER).send().await?;
    Ok(cluster.cluster().and_then(|cluster| cluster.endpoint()).expect("an endpoint").to_owned())
}

#[tokio::test(start_paused = true)]
async fn the_creator_enters() -> Tested {
    let sim = Sim::new();
    let endpoint = cluster(&sim).await?;
    let token = token(&sim, CLUSTER, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")?;
    let client = client(&sim, &endpoint, &token)?;
    assert_eq!(client.apiserver_version().await?.minor, "36");
    let maps: Api<ConfigMap> = Api::namespaced(client, "kube-system");
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
    maps.patch("a", &PatchParams::apply("eks-rs"), &Patch::Apply(map)).await?;
    assert_eq!(sim.inventory().count("kubernetes/ConfigMap"), 1);
    assert_eq!(sim.log().count("kubernetes", "PATCH /api/v1/namespaces/kube-system/configmaps/a"), 1);
    // Tokens are good for fifteen minutes.
    tokio::time::sleep(Duration::from_secs(16 * 60)).await;
    assert_eq!(refusal(maps.get("a").await), (401, "Unauthorized".to_owned()));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_does_not_enter() -> Tested {
    let sim = Sim::new();
    let endpoint = cluster(&sim).await?;
    let client = client(&sim, &endpoint, &token(&sim, CLUSTER, "AKIAIOSFODNN7EXAMPLE", "not-the-secret")?)?;
    assert_eq!(refusal(client.apiserver_version().await), (401, "Unauthorized".to_owned()));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn access_policies_bound_what_a_user_may_do() -> Tested {
    let sim = Sim::new();
    let endpoint = cluster(&sim).await?;
    let eks = aws_sdk_eks::Client::new(&sim.sdk_config());
    let admin = "arn:aws:iam::123456789012:user/admin";
    let cluster_admin = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";
    let view = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy";
    let scope = AccessScope::builder().r#type(AccessScopeType::Cluster).build();
    eks.disassociate_access_policy().cluster_name(CLUSTER).principal_arn(admin).policy_arn(cluster_admin).send().await?;
    eks.associate_access_policy().cluster_name(CLUSTER).principal_arn(admin).policy_arn(view).access_scope(scope).send().await?;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let token = token(&sim, CLUSTER, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")?;
    let namespaces: Api<Namespace> = Api::all(client(&sim, &endpoint, &token)?);
    assert_eq!(namespaces.list(&ListParams::default()).await?.items.len(), 4);
    let (code, message) = refusal(namespaces.delete("default", &kube::api::DeleteParams::default()).await);
    assert_eq!(code, 403);
    assert!(message.contains("cannot delete resource \"namespaces\" in API group \"\" at the cluster scope"), "{message}");
    Ok(())
}

/// Whether the error is a broken connection.
fn is_reset<T: std::fmt::Debug>(result: Result<T, Error>) -> bool {
    match result.expect_err("no answer") {
        Error::Service(error) => error.downcast_ref() == Some(&TransportError::Reset),
        other => panic!("an answer: {other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_api_server_goes_before_the_cluster() -> Tested {
    let sim = Sim::new();
    let endpoint = cluster(&sim).await?;
    let client = client(&sim, &endpoint, &token(&sim, CLUSTER, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")?)?;
    let eks = aws_sdk_eks::Client::new(&sim.sdk_config());
    eks.delete_cluster().name(CLUSTER).send().await?;
    client.apiserver_version().await?;
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(is_reset(client.apiserver_version().await));
    let cluster = eks.describe_cluster().name(CLUSTER).send().await?;
    assert_eq!(cluster.cluster().and_then(|cluster| cluster.status()), Some(&aws_sdk_eks::types::ClusterStatus::Deleting));
    assert_eq!(sim.log().calls()[sim.log().len() - 2].outcome, Outcome::NeverArrived);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_private_endpoint_does_not_answer_from_outside() -> Tested {
    let sim = Sim::new();
    let endpoint = cluster(&sim).await?;
    let client = client(&sim, &endpoint, &token(&sim, CLUSTER, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")?)?;
    client.apiserver_version().await?;
    let eks = aws_sdk_eks::Client::new(&sim.sdk_config());
    let private = VpcConfigRequest::builder().endpoint_public_access(false).endpoint_private_access(true).build();
    eks.update_cluster_config().name(CLUSTER).resources_vpc_config(private).send().await?;
    tokio::time::sleep(Duration::from_secs(400)).await;
    assert!(is_reset(client.apiserver_version().await));
    // Nobody is known without a token; but the endpoint answers.
    let inside = kube::Client::new(sim.kube_service().inside_vpc(), "default");
    let request = http::Request::get(format!("{endpoint}/version")).body(Vec::new())?;
    assert!(matches!(inside.request_text(request).await, Ok(_) | Err(Error::Api(_))), "a private endpoint answers inside of the VPC");
    Ok(())
}
