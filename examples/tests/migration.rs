//! From aws-auth to access entries on the simulator: both ways in live until the entries are proven; then the mappings go, then the mode.

use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_types::SdkConfig;
use eks_cluster::{ClusterSpec, ClusterSpecBuilder, Clusters, Connector, KubernetesIdentity, KubernetesVersion, who_am_i};
use eks_core::{AuthenticationMode, ClusterAccess, ClusterName, NetworkRefs, Owner, Ref, SubnetRef, Tier, engine::Engine};
use eks_k8s::{AuthEdit, AwsAuth, Guard, Mapping, Principal, client::Objects};
use eks_sim::Sim;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

type Failed = Box<dyn std::error::Error + Send + Sync>;

struct Stage {
    sim: Sim,
    config: SdkConfig,
    clusters: Clusters,
    owner: Owner,
    network: NetworkRefs,
}

impl Stage {
    async fn new() -> Result<Self, Failed> {
        let sim = Sim::new();
        let config = sim.sdk_config();
        let ec2 = aws_sdk_ec2::Client::new(&config);
        let mut subnets = Vec::new();
        let mut vpc = String::new();
        for subnet in ec2.describe_subnets().send().await?.subnets() {
            if let (Some(zone @ ("us-east-1a" | "us-east-1b")), Some(id)) = (subnet.availability_zone(), subnet.subnet_id()) {
                subnet.vpc_id().unwrap_or_default().clone_into(&mut vpc);
                subnets.push(SubnetRef { id: Ref::Known(id.parse()?), zone: zone.parse()?, tier: Tier::Public });
            }
        }
        let cidrs = vec!["172.31.0.0/16".to_owned()];
        let network =
            NetworkRefs { vpc: Ref::Known(vpc.parse()?), cidrs, subnets, security_groups: Default::default(), egress: Vec::new() };
        Ok(Self { clusters: Clusters::new(&config), owner: Owner::new("shop")?, network, sim, config })
    }

    fn spec(&self, mode: AuthenticationMode) -> Result<ClusterSpecBuilder, Failed> {
        let name = ClusterName::new("shop")?;
        let builder = ClusterSpec::builder(&self.owner, name, KubernetesVersion::V1_36, self.network.clone());
        Ok(builder.no_addons().authentication(mode))
    }

    async fn apply(&self, builder: ClusterSpecBuilder) -> Result<(), Failed> {
        let engine = Engine::new().driver(self.clusters.clone());
        self.clusters.plan(&builder.build()?).await?.apply(&engine).await?;
        Ok(())
    }

    async fn access(&self) -> Result<ClusterAccess, Failed> {
        Ok(self.clusters.access(&ClusterName::new("shop")?).await?.ok_or("not reachable")?)
    }

    async fn client(&self, config: &SdkConfig) -> Result<kube::Client, Failed> {
        let sim = self.sim.clone();
        Ok(Connector::new(config).with_transport(move |_| sim.kube_service()).connect(&self.access().await?)?)
    }

    /// Who somebody is in the cluster who works under a role.
    async fn identity_of(&self, role: &str) -> Result<KubernetesIdentity, Failed> {
        let provider = AssumeRoleProvider::builder(role).session_name("work").configure(&self.config).build().await;
        let provider = aws_credential_types::provider::SharedCredentialsProvider::new(provider);
        let config = self.config.to_builder().credentials_provider(provider).build();
        Ok(who_am_i(&self.client(&config).await?).await?)
    }

    async fn role(&self, path: &str, name: &str) -> Result<String, Failed> {
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;
        let iam = aws_sdk_iam::Client::new(&self.config);
        let made = iam.create_role().path(path).role_name(name).assume_role_policy_document(trust).send().await?;
        Ok(made.role().ok_or("no role")?.arn().to_owned())
    }

    async fn aws_auth(&self) -> Result<AwsAuth, Failed> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client(&self.config).await?, "kube-system");
        Ok(AwsAuth::read(&serde_json::to_value(maps.get("aws-auth").await?)?)?)
    }
}

#[tokio::test(start_paused = true)]
async fn both_ways_in_until_entries_are_proven() -> Result<(), Failed> {
    let stage = Stage::new().await?;
    // Single sign-on makes roles with a path, which aws-auth cannot have.
    let admins = stage.role("/aws-reserved/sso.amazonaws.com/us-east-1/", "AWSReservedSSO_Admin_0a1b").await?;
    let viewers = stage.role("/", "viewers").await?;
    let nodes = stage.role("/", "nodes").await?;
    stage.apply(stage.spec(AuthenticationMode::ConfigMap)?).await?;
    let access = stage.access().await?;

    // As it was: everybody in aws-auth.
    let mapped = |arn: &str, username: &str| Ok::<_, Failed>(Mapping::new(Principal::parse(arn)?, username));
    let objects = Objects::new(stage.client(&stage.config).await?);
    let edits = [
        AuthEdit::Map(mapped(&admins, "sso:{{SessionName}}")?.group("system:masters")),
        AuthEdit::Map(mapped(&viewers, "viewers")?.group("viewers")),
        AuthEdit::Map(Mapping::node(&nodes.parse()?)),
    ];
    objects.edit_aws_auth(&stage.owner, Some(&access), &edits, &Guard::default()).await?;
    let by_map = stage.identity_of(&admins).await?;
    assert!(by_map.groups.contains("system:masters"), "{by_map:?}");

    // An entry for each; the plan says that the mode has no way back.
    let name = ClusterName::new("shop")?;
    let migration = stage.clusters.migration(&name, &stage.aws_auth().await?.access(), []).await?;
    assert_eq!(migration.entries().len(), 3);
    assert!(migration.findings().iter().any(|finding| finding.code == "migrate-path" && finding.message.contains(&admins)));
    let both = || Ok::<_, Failed>(stage.spec(AuthenticationMode::ApiAndConfigMap)?.access_entries(migration.entries().to_vec()));
    let plan = stage.clusters.plan(&both()?.build()?).await?;
    assert!(plan.findings().iter().any(|finding| finding.message.contains("EKS has no way back to CONFIG_MAP")), "{plan}");
    assert_eq!(plan.changes().count(), 4, "the mode and three entries");
    plan.apply(&Engine::new().driver(stage.clusters.clone())).await?;

    // Not proven yet: too young, and nobody was seen.
    let early = stage.clusters.prove_access(&name, migration.entries()).await?;
    let told = migration.removable(&early).unwrap_err().to_string();
    assert!(told.contains("younger than a minute") && told.contains("no administrator was seen"), "{told}");
    tokio::time::sleep(Duration::from_secs(120)).await;
    let by_entry = stage.identity_of(&admins).await?;
    assert_eq!(by_entry.username, "sso:work");
    assert!(!by_entry.groups.contains("system:masters"), "the entry comes first: {by_entry:?}");
    let proof = stage.clusters.prove_access(&name, migration.entries()).await?.entered(&admins, by_entry.clone());

    // Only now the mappings go. Everybody stays in, as before.
    let principals: Vec<_> = migration.removable(&proof)?.into_iter().map(Principal::parse).collect::<Result<_, _>>()?;
    assert_eq!(principals.len(), 3);
    let unmaps: Vec<_> = principals.into_iter().map(AuthEdit::Unmap).collect();
    assert!(migration.last_mode(&stage.aws_auth().await?.access()).is_err(), "they are still mapped");
    objects.edit_aws_auth(&stage.owner, Some(&access), &unmaps, &Guard::default().even_if_locked_out()).await?;
    assert_eq!(stage.identity_of(&admins).await?, by_entry);
    let viewer = stage.identity_of(&viewers).await?;
    assert_eq!((viewer.username.as_str(), viewer.groups.contains("viewers")), ("viewers", true));

    // Last, and for ever: aws-auth is read no more.
    let last = migration.last_mode(&stage.aws_auth().await?.access())?;
    assert_eq!(last, AuthenticationMode::Api);
    let end = || Ok::<_, Failed>(stage.spec(last)?.access_entries(migration.entries().to_vec()));
    stage.apply(end()?).await?;
    assert!(stage.clusters.plan(&end()?.build()?).await?.is_noop());
    assert_eq!(stage.identity_of(&admins).await?, by_entry);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_role_made_again_has_no_proof() -> Result<(), Failed> {
    let stage = Stage::new().await?;
    let admins = stage.role("/", "admins").await?;
    let name = ClusterName::new("shop")?;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let entry = eks_cluster::AccessEntry::standard(&admins).policy(eks_cluster::AccessPolicy::cluster_admin());
    stage.apply(stage.spec(AuthenticationMode::ApiAndConfigMap)?.access_entry(entry.clone())).await?;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let entries = [entry];
    assert_eq!(stage.clusters.prove_access(&name, &entries).await?.standing(&admins), Some(&eks_cluster::Standing::Stands));
    assert!(stage.identity_of(&admins).await.is_ok());

    aws_sdk_iam::Client::new(&stage.config).delete_role().role_name("admins").send().await?;
    assert_eq!(stage.clusters.prove_access(&name, &entries).await?.standing(&admins), Some(&eks_cluster::Standing::RoleGone));
    stage.role("/", "admins").await?;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.clusters.prove_access(&name, &entries).await?.standing(&admins), Some(&eks_cluster::Standing::OfEarlierRole));
    assert!(stage.identity_of(&admins).await.is_err(), "EKS holds the unique id of the earlier role");
    Ok(())
}
