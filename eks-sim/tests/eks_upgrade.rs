//! Version updates, insights and rollbacks through the AWS SDK. Expected answers: EKS API reference (UpdateClusterVersion, ListInsights,
//! CancelUpdate) and user guide ("Update existing cluster to new Kubernetes version", "View cluster insights", "Rollback cluster").

use std::{
    future::Future,
    time::{Duration, SystemTime},
};

use aws_sdk_eks::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{
        BlockStorage, Category, ComputeConfigRequest, CreateAccessConfigRequest, ElasticLoadBalancing, InsightStatusValue, InsightsFilter,
        InsightsRefreshStatus, KubernetesNetworkConfigRequest, RollbackConfig, StorageConfigRequest, SupportType, Update, UpdateStatus,
        UpdateType, UpgradePolicyRequest, VpcConfigRequest,
    },
};
use eks_sim::{DeprecatedUse, Sim};

type Tested = Result<(), Box<dyn std::error::Error>>;

/// 2026-11-22T12:00:00Z: 1.31 to 1.33 are in extended support, 1.34 to 1.37 in standard support.
const TODAY: Duration = Duration::from_secs(1_795_348_800);
const DAY: u64 = 86_400;

struct Account {
    sim: Sim,
    eks: Client,
    ec2: aws_sdk_ec2::Client,
    subnets: Vec<String>,
}

impl Account {
    /// An account with a cluster `prod` of a version that is ACTIVE, in two small subnets.
    async fn new(version: &str, auto_mode: bool) -> Result<Self, Box<dyn std::error::Error>> {
        let sim = Sim::builder().starting_at(SystemTime::UNIX_EPOCH + TODAY).build();
        let config = sim.sdk_config();
        let (eks, ec2, iam) = (Client::new(&config), aws_sdk_ec2::Client::new(&config), aws_sdk_iam::Client::new(&config));
        let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await?.vpc().and_then(|vpc| vpc.vpc_id()).expect("an id").to_owned();
        let mut subnets = Vec::new();
        for (number, zone) in ["us-east-1a", "us-east-1b"].iter().enumerate() {
            let made = ec2.create_subnet().vpc_id(&vpc).cidr_block(format!("10.0.{number}.0/28")).availability_zone(*zone).send().await?;
            subnets.push(made.subnet().and_then(|subnet| subnet.subnet_id()).expect("an id").to_owned());
        }
        let trust = |service: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"{service}"}},"Action":["sts:AssumeRole","sts:TagSession"]}}]}}"#
            )
        };
        for (name, service) in [("cluster", "eks.amazonaws.com"), ("nodes", "ec2.amazonaws.com")] {
            iam.create_role().role_name(name).assume_role_policy_document(trust(service)).send().await?;
        }
        for policy in ["Cluster", "Compute", "BlockStorage", "LoadBalancing", "Networking"] {
            let arn = format!("arn:aws:iam::aws:policy/AmazonEKS{policy}Policy");
            iam.attach_role_policy().role_name("cluster").policy_arn(arn).send().await?;
        }
        seconds(15).await;
        let vpc = VpcConfigRequest::builder().set_subnet_ids(Some(subnets.clone())).build();
        let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
        let access = CreateAccessConfigRequest::builder().authentication_mode("API".into()).build();
        let mut create = eks.create_cluster().name("prod").role_arn(role("cluster")).version(version).resources_vpc_config(vpc);
        // Pods without nodes would be looked at by the scheduler all these days.
        create = create.bootstrap_self_managed_addons(false);
        create = create.access_config(access).upgrade_policy(UpgradePolicyRequest::builder().support_type(SupportType::Extended).build());
        if auto_mode {
            let compute = ComputeConfigRequest::builder().enabled(true).node_pools("system").node_role_arn(role("nodes")).build();
            let storage = StorageConfigRequest::builder().block_storage(BlockStorage::builder().enabled(true).build()).build();
            let balancing = ElasticLoadBalancing::builder().enabled(true).build();
            let network = KubernetesNetworkConfigRequest::builder().elastic_load_balancing(balancing).build();
            create = create.compute_config(compute).storage_config(storage).kubernetes_network_config(network);
        }
        create.send().await?;
        seconds(500).await;
        Ok(Self { sim, eks, ec2, subnets })
    }

    fn to(&self, version: &str) -> aws_sdk_eks::operation::update_cluster_version::builders::UpdateClusterVersionFluentBuilder {
        self.eks.update_cluster_version().name("prod").version(version)
    }

    /// Moves to a version, and waits.
    async fn moved(&self, version: &str) -> Result<Update, Box<dyn std::error::Error>> {
        let id = self.to(version).send().await?.update().and_then(|update| update.id()).expect("an id").to_owned();
        seconds(700).await;
        self.update(&id).await
    }

    async fn update(&self, id: &str) -> Result<Update, Box<dyn std::error::Error>> {
        let told = self.eks.describe_update().name("prod").update_id(id).send().await?;
        Ok(told.update().expect("an update").clone())
    }

    async fn version(&self) -> Result<(String, String), Box<dyn std::error::Error>> {
        let told = self.eks.describe_cluster().name("prod").send().await?;
        let cluster = told.cluster().expect("a cluster");
        Ok((cluster.version().unwrap_or_default().to_owned(), cluster.status().map(|s| s.as_str().to_owned()).unwrap_or_default()))
    }

    /// Name, version and status of each insight of a category.
    async fn insights(&self, category: Category) -> Result<Vec<(String, String, String)>, Box<dyn std::error::Error>> {
        let filter = InsightsFilter::builder().categories(category).build();
        let told = self.eks.list_insights().cluster_name("prod").filter(filter).send().await?;
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let insights = told.insights().iter().map(|insight| {
            let status = insight.insight_status().and_then(|status| status.status()).map(|status| status.as_str());
            (text(insight.name()), text(insight.kubernetes_version()), text(status))
        });
        let mut insights: Vec<_> = insights.collect();
        insights.sort();
        Ok(insights)
    }

    async fn refresh(&self) -> Tested {
        let begun = self.eks.start_insights_refresh().cluster_name("prod").send().await?;
        assert_eq!(begun.status(), Some(&InsightsRefreshStatus::InProgress));
        let state = || self.eks.describe_insights_refresh().cluster_name("prod").send();
        assert_eq!(state().await?.status(), Some(&InsightsRefreshStatus::InProgress));
        seconds(100).await;
        assert_eq!(state().await?.status(), Some(&InsightsRefreshStatus::Completed));
        assert!(state().await?.ended_at().is_some());
        Ok(())
    }

    /// When EKS looked last.
    async fn looked(&self) -> Result<i64, Box<dyn std::error::Error>> {
        let told = self.eks.list_insights().cluster_name("prod").send().await?;
        Ok(told.insights().first().and_then(|insight| insight.last_refresh_time()).expect("a time").secs())
    }
}

async fn seconds(number: u64) {
    tokio::time::sleep(Duration::from_secs(number)).await;
}

async fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug, R: std::fmt::Debug>(
    call: impl Future<Output = Result<T, SdkError<E, R>>>,
) -> String {
    call.await.expect_err("the call should have been refused").code().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_goes_up_by_one_supported_version() -> Tested {
    let account = Account::new("1.34", false).await?;
    // Out of support, unknown, the same, two up, two down.
    for wrong in ["1.30", "1.99", "x", "1.34", "1.36", "1.32"] {
        assert_eq!(code(account.to(wrong).send()).await, "InvalidParameterException", "{wrong}");
    }
    let begun = account.to("1.35").client_request_token("t").send().await?;
    let update = begun.update().expect("an update");
    assert_eq!((update.r#type(), update.status()), (Some(&UpdateType::VersionUpdate), Some(&UpdateStatus::InProgress)));
    let again = account.to("1.35").client_request_token("t").send().await?;
    assert_eq!(again.update().and_then(|update| update.id()), update.id(), "the same token, the same update");
    assert_eq!(code(account.to("1.35").send()).await, "ResourceInUseException");
    assert_eq!(account.version().await?, ("1.34".to_owned(), "UPDATING".to_owned()));
    seconds(700).await;
    assert_eq!(account.version().await?, ("1.35".to_owned(), "ACTIVE".to_owned()));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn without_five_addresses_the_update_fails_and_the_version_stays() -> Tested {
    let account = Account::new("1.34", false).await?;
    for subnet in &account.subnets {
        while account.ec2.create_network_interface().subnet_id(subnet).send().await.is_ok() {}
    }
    let failed = account.moved("1.35").await?;
    assert_eq!(failed.status(), Some(&UpdateStatus::Failed));
    assert_eq!(failed.errors()[0].error_code().map(|code| code.as_str()), Some("IpNotAvailable"));
    assert_eq!(account.version().await?, ("1.34".to_owned(), "ACTIVE".to_owned()));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn insights_are_looked_for_daily_and_on_demand() -> Tested {
    let account = Account::new("1.34", false).await?;
    let names = ["Cluster health issues", "EKS add-on version compatibility", "Kubelet version skew", "kube-proxy version skew"];
    let expected = names.map(|name| (name.to_owned(), "1.35".to_owned(), "PASSING".to_owned()));
    assert_eq!(account.insights(Category::UpgradeReadiness).await?, expected);
    assert!(account.insights(Category::RollbackReadiness).await?.is_empty(), "created at its version");
    assert!(account.insights(Category::Misconfiguration).await?.is_empty());
    let first = account.looked().await?;
    seconds(DAY / 2).await;
    assert_eq!(account.looked().await?, first);
    account.refresh().await?;
    let asked = account.looked().await?;
    assert!(asked > first);
    seconds(DAY + 60).await;
    assert_eq!(account.looked().await?, asked + i64::try_from(DAY)?);
    assert_eq!(code(account.eks.describe_insight().cluster_name("prod").id("x").send()).await, "ResourceNotFoundException");
    let wrong = InsightsFilter::builder().categories(Category::from("OTHER")).build();
    assert_eq!(code(account.eks.list_insights().cluster_name("prod").filter(wrong).send()).await, "InvalidParameterException");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn deprecated_apis_are_errors_before_the_version_and_warnings_earlier() -> Tested {
    let account = Account::new("1.34", false).await?;
    let used = |version: &str| DeprecatedUse {
        usage: "/apis/example/v1beta1/things".to_owned(),
        replaced_with: "/apis/example/v1/things".to_owned(),
        stop_serving_version: version.to_owned(),
        user_agent: "old-controller/v1".to_owned(),
        requests: 7,
    };
    account.sim.use_deprecated_api("prod", used("1.35"));
    account.sim.use_deprecated_api("prod", used("1.36"));
    account.refresh().await?;
    let of = |insights: Vec<(String, String, String)>| {
        insights
            .into_iter()
            .filter(|(name, ..)| name.starts_with("Deprecated"))
            .map(|(_, version, status)| (version, status))
            .collect::<Vec<_>>()
    };
    let told = of(account.insights(Category::UpgradeReadiness).await?);
    assert_eq!(told, [("1.35", "ERROR"), ("1.36", "WARNING")].map(|(v, s)| (v.to_owned(), s.to_owned())));

    let filter = InsightsFilter::builder().statuses(InsightStatusValue::Error).kubernetes_versions("1.35").build();
    let listed = account.eks.list_insights().cluster_name("prod").filter(filter).send().await?;
    let [summary] = listed.insights() else { panic!("{listed:?}") };
    let described = account.eks.describe_insight().cluster_name("prod").id(summary.id().unwrap_or_default()).send().await?;
    let insight = described.insight().expect("an insight");
    let detail = &insight.category_specific_summary().expect("a summary").deprecation_details()[0];
    assert_eq!((detail.usage(), detail.replaced_with()), (Some("/apis/example/v1beta1/things"), Some("/apis/example/v1/things")));
    assert_eq!(detail.stop_serving_version(), Some("1.35"));
    assert_eq!(detail.client_stats()[0].number_of_requests_last30_days(), 7);
    assert!(insight.recommendation().is_some());

    // Blocking was introduced, and is withdrawn for now: either way.
    account.sim.enforce_upgrade_insights(true);
    assert_eq!(code(account.to("1.35").send()).await, "InvalidStateException");
    seconds(31 * DAY).await;
    let told = of(account.insights(Category::UpgradeReadiness).await?);
    assert_eq!(told, [("1.35", "PASSING"), ("1.36", "PASSING")].map(|(v, s)| (v.to_owned(), s.to_owned())));
    account.sim.use_deprecated_api("prod", used("1.35"));
    assert_eq!(code(account.to("1.35").send()).await, "InvalidStateException", "EKS looks again before it acts");
    account.to("1.35").force(true).send().await?;
    seconds(700).await;
    assert_eq!(account.version().await?.0, "1.35");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn back_goes_one_version_within_seven_days() -> Tested {
    let account = Account::new("1.34", false).await?;
    assert_eq!(code(account.to("1.33").send()).await, "InvalidRequestException", "created at its version");
    account.moved("1.35").await?;
    let names: Vec<_> = account.insights(Category::RollbackReadiness).await?.into_iter().map(|(_, version, _)| version).collect();
    assert_eq!(names, ["1.34"; 4]);
    let short = RollbackConfig::builder().timeout_minutes(119).build();
    assert_eq!(code(account.to("1.34").rollback_config(short).send()).await, "InvalidParameterException");
    seconds(6 * DAY).await;
    let back = account.moved("1.34").await?;
    assert_eq!((back.r#type(), back.status()), (Some(&UpdateType::VersionRollback), Some(&UpdateStatus::Successful)));
    assert_eq!(code(account.to("1.33").send()).await, "InvalidRequestException", "a rollback has no rollback");
    assert!(account.insights(Category::RollbackReadiness).await?.is_empty());
    account.moved("1.35").await?;
    seconds(7 * DAY).await;
    assert_eq!(code(account.to("1.34").force(true).send()).await, "InvalidRequestException", "force skips no prerequisite");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn back_into_extended_support_needs_the_policy() -> Tested {
    let account = Account::new("1.33", false).await?;
    account.moved("1.34").await?;
    let policy = |support| UpgradePolicyRequest::builder().support_type(support).build();
    let set = |support| account.eks.update_cluster_config().name("prod").upgrade_policy(policy(support)).send();
    set(SupportType::Standard).await?;
    seconds(60).await;
    assert_eq!(code(account.to("1.33").send()).await, "InvalidRequestException");
    set(SupportType::Extended).await?;
    seconds(60).await;
    account.moved("1.33").await?;
    assert_eq!(account.version().await?.0, "1.33");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn rollback_insights_in_error_block_without_force() -> Tested {
    let account = Account::new("1.34", false).await?;
    account.moved("1.35").await?;
    let create = account.eks.create_addon().cluster_name("prod").addon_name("kube-proxy").addon_version("v1.35.1-eksbuild.1");
    create.resolve_conflicts("OVERWRITE".into()).send().await?;
    seconds(60).await;
    // kube-proxy must not be newer than the API server.
    assert_eq!(code(account.to("1.34").send()).await, "InvalidStateException");
    account.refresh().await?;
    let told = account.insights(Category::RollbackReadiness).await?;
    assert!(told.contains(&("kube-proxy version skew".to_owned(), "1.34".to_owned(), "ERROR".to_owned())), "{told:?}");
    account.to("1.34").force(true).send().await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn only_the_nodes_of_an_auto_mode_rollback_can_be_cancelled() -> Tested {
    let account = Account::new("1.34", true).await?;
    let up = account.to("1.35").send().await?;
    let cancel = |id: &str| account.eks.cancel_update().name("prod").update_id(id).send();
    assert_eq!(code(cancel(up.update().and_then(|update| update.id()).expect("an id"))).await, "InvalidRequestException");
    seconds(700).await;
    let back = account.to("1.34").send().await?;
    let id = back.update().and_then(|update| update.id()).expect("an id").to_owned();
    seconds(60).await;
    assert_eq!(account.version().await?, ("1.35".to_owned(), "ACTIVE".to_owned()), "nodes first, and the cluster stays ACTIVE");
    cancel(&id).await?;
    seconds(3_000).await;
    assert_eq!(account.update(&id).await?.status(), Some(&UpdateStatus::Cancelled));
    assert_eq!(account.version().await?, ("1.35".to_owned(), "ACTIVE".to_owned()));
    let back = account.to("1.34").send().await?;
    let id = back.update().and_then(|update| update.id()).expect("an id").to_owned();
    seconds(1_900).await;
    assert_eq!(code(cancel(&id)).await, "InvalidRequestException", "the control plane has begun");
    seconds(700).await;
    assert_eq!(account.version().await?.0, "1.34");
    Ok(())
}
