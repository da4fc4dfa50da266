//! An account whose workers are waited for, by the runner, with a diagnostician.

use std::time::Duration;

use eks_cluster::Connector;
use eks_core::{
    ClusterAccess, Diagnosis, Plan, Ref, WorkersRefs,
    engine::{ApplyError, Engine},
};
use eks_k8s::{ObjectsSpec, client::Objects};
use eks_nodes::{
    Capacity, Workers, WorkersSpec, WorkersSpecBuilder,
    join::{Cause, Diagnostician},
};

use crate::account::{Account, Tested, minutes, owner};

/// What others need twenty minutes and more for.
const LIMIT: Duration = Duration::from_secs(180);
/// A node registers after 50 to 90 seconds, is seen at the next look, is without its network for 90 seconds, and two looks agree: 203 to 220
/// seconds as measured here. A plugin that is merely slow must not end a wait.
const NETWORK_LIMIT: Duration = Duration::from_secs(225);

pub(crate) struct Stage {
    pub(crate) account: Account,
    pub(crate) diagnostician: Diagnostician,
    pub(crate) eks: aws_sdk_eks::Client,
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) scaling: aws_sdk_autoscaling::Client,
    workers: Workers,
    pub(crate) objects: Objects,
    connector: Connector,
}

/// How a wait for nodes failed.
#[derive(Debug)]
pub(crate) struct Doom {
    pub(crate) cause: Cause,
    pub(crate) diagnosis: Diagnosis,
    /// Since the instances were asked for, or launched if they were.
    pub(crate) after: Duration,
}

impl Doom {
    /// The cause, told in time, with a fix that names these things.
    pub(crate) fn is(&self, cause: Cause, names: &[&str]) {
        self.is_within(LIMIT, cause, names);
    }

    /// The same of a node that registered, whose network plugin gets its 90 seconds.
    pub(crate) fn is_of_network_plugin(&self, cause: Cause, names: &[&str]) {
        self.is_within(NETWORK_LIMIT, cause, names);
    }

    fn is_within(&self, limit: Duration, cause: Cause, names: &[&str]) {
        let Self { diagnosis, after, .. } = self;
        assert_eq!(self.cause, cause, "{diagnosis}");
        assert!(*after < limit, "{cause} after {} s", after.as_secs());
        for name in names {
            assert!(diagnosis.fix.contains(name), "the fix does not name {name}: {diagnosis}");
        }
        assert!(!diagnosis.evidence.is_empty() && !diagnosis.page.is_empty(), "{diagnosis}");
    }
}

impl Stage {
    pub(crate) async fn new() -> Tested<Self> {
        Self::on(Account::new().await?)
    }

    pub(crate) fn on(account: Account) -> Tested<Self> {
        let config = account.sim.sdk_config();
        let workers = Workers::new(&config).diagnosing();
        let diagnostician = workers.diagnostician();
        let sim = account.sim.clone();
        let connector = Connector::new(&config).with_transport(move |_| sim.kube_service());
        let kept = connector.clone();
        let connect = move |access: ClusterAccess| std::future::ready(connector.connect(&access).map_err(eks_core::BoxError::from));
        Ok(Self {
            objects: Objects::connecting(connect).diagnosing(diagnostician.clone()),
            workers,
            eks: aws_sdk_eks::Client::new(&config),
            iam: aws_sdk_iam::Client::new(&config),
            scaling: aws_sdk_autoscaling::Client::new(&config),
            connector: kept,
            diagnostician,
            account,
        })
    }

    /// The chapter's workers: two of t3.medium.
    pub(crate) fn spec(&self) -> WorkersSpecBuilder {
        self.account.spec()
    }

    pub(crate) fn engine(&self) -> Engine {
        Engine::new().driver(self.workers.clone()).driver(self.objects.clone())
    }

    fn access(&self) -> ClusterAccess {
        let known = |text: &Ref<String>| text.known().expect("known").clone();
        let cluster = &self.account.cluster;
        ClusterAccess {
            name: cluster.name.clone(),
            endpoint: known(&cluster.endpoint),
            certificate_authority: known(&cluster.certificate_authority),
        }
    }

    /// A client of the cluster's administrator.
    pub(crate) fn client(&self) -> Tested<kube::Client> {
        Ok(self.connector.connect(&self.access())?)
    }

    async fn nodes_plan(&self, workers: WorkersRefs) -> Tested<Plan> {
        let spec = ObjectsSpec::builder(&owner(), self.account.cluster.clone()).nodes(workers).build()?;
        Ok(self.objects.plan(&spec, Some(self.access())).await?)
    }

    /// Makes the workers and waits for their nodes, as one plan.
    pub(crate) async fn apply(&self, spec: &WorkersSpec) -> Tested<Result<(), ApplyError>> {
        let plan = Plan::join([self.workers.plan(spec).await?, self.nodes_plan(spec.refs()).await?])?;
        Ok(plan.apply(&self.engine()).await.map(drop))
    }

    /// Makes the workers and waits for their nodes, in vain.
    pub(crate) async fn doomed(&self, spec: WorkersSpecBuilder) -> Tested<Doom> {
        let error = self.apply(&spec.build()?).await?.expect_err("they cannot join");
        self.doom(&error)
    }

    /// The workers without an instance: what they stand on may be tampered with.
    pub(crate) async fn empty(&self, spec: WorkersSpecBuilder) -> Tested<WorkersSpec> {
        let spec = spec.capacity(Capacity::new(0, 0, 4)?).build()?;
        self.workers.plan(&spec).await?.apply(&self.engine()).await?;
        Ok(spec)
    }

    /// The Auto Scaling group.
    pub(crate) async fn group(&self) -> Tested<aws_sdk_autoscaling::types::AutoScalingGroup> {
        let told = self.scaling.describe_auto_scaling_groups().send().await?;
        Ok(told.auto_scaling_groups().first().expect("a group").clone())
    }

    /// Asks an empty group for two instances and waits for their nodes, in vain.
    pub(crate) async fn doomed_later(&self, spec: &WorkersSpec) -> Tested<Doom> {
        self.doomed_refs(spec.refs()).await
    }

    pub(crate) async fn doomed_refs(&self, workers: WorkersRefs) -> Tested<Doom> {
        let error = self.nodes_come(workers).await?.expect_err("they cannot join");
        self.doom(&error)
    }

    /// Asks the group for two instances and waits for their nodes.
    pub(crate) async fn nodes_come(&self, mut workers: WorkersRefs) -> Tested<Result<(), ApplyError>> {
        let group = self.group().await?;
        self.scaling
            .set_desired_capacity()
            .auto_scaling_group_name(group.auto_scaling_group_name().expect("a name"))
            .desired_capacity(2)
            .send()
            .await?;
        workers.desired = 2;
        workers.running = Vec::new();
        Ok(self.nodes_plan(workers).await?.apply(&self.engine()).await.map(drop))
    }

    fn doom(&self, error: &ApplyError) -> Tested<Doom> {
        let report = error.report().ok_or("nothing was tried")?;
        let told = report.failures().find_map(|(_, error)| Some((Cause::of(error)?, error.diagnosis()?.clone())));
        let (cause, diagnosis) = told.ok_or_else(|| format!("no diagnosis: {error}"))?;
        let ledger = self.account.sim.ledger();
        let began = |kind: &str| ledger.iter().flat_map(|(_, times)| times).filter(|time| time.kind == kind).map(|time| time.began).min();
        let since = began("InstanceLaunch").or_else(|| began("ScalingActivity")).ok_or("nothing was asked for")?;
        Ok(Doom { cause, diagnosis, after: self.account.sim.clock().now() - since })
    }

    /// Another version of the group's launch template, with what `change` says, which the group's next instances get.
    pub(crate) async fn tampered(
        &self,
        change: impl FnOnce(
            aws_sdk_ec2::types::builders::RequestLaunchTemplateDataBuilder,
            String,
        ) -> aws_sdk_ec2::types::builders::RequestLaunchTemplateDataBuilder,
    ) -> Tested {
        let group = self.group().await?;
        let template = group.launch_template().expect("a template");
        let id = template.launch_template_id().expect("an id");
        let told = self.account.ec2.describe_launch_template_versions().launch_template_id(id).versions("$Latest").send().await?;
        let data = told.launch_template_versions()[0].launch_template_data().expect("data").clone();
        let user_data = data.user_data().expect("user data").to_owned();
        let changed = change(aws_sdk_ec2::types::RequestLaunchTemplateData::builder(), user_data).build();
        let source = told.launch_template_versions()[0].version_number().expect("a number").to_string();
        let make = self.account.ec2.create_launch_template_version().launch_template_id(id).source_version(source);
        make.launch_template_data(changed).send().await?;
        let latest = aws_sdk_autoscaling::types::LaunchTemplateSpecification::builder().launch_template_id(id).version("$Latest").build();
        let name = group.auto_scaling_group_name().expect("a name");
        self.scaling.update_auto_scaling_group().auto_scaling_group_name(name).launch_template(latest).send().await?;
        Ok(())
    }

    /// User data in base64 with one text put in another's place.
    pub(crate) async fn tampered_user_data(&self, from: &str, to: &str) -> Tested {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        self.tampered(|data, packed| {
            let text = String::from_utf8(STANDARD.decode(packed).expect("base64")).expect("text");
            assert!(text.contains(from), "{text}");
            data.user_data(STANDARD.encode(text.replace(from, to)))
        })
        .await
    }

    /// The nodes' role.
    pub(crate) async fn role(&self) -> Tested<(String, String)> {
        let stack = aws_sdk_cloudformation::Client::new(&self.account.sim.sdk_config());
        let told = stack.describe_stacks().stack_name("chap10-worker-base").send().await?;
        let outputs = told.stacks()[0].outputs();
        let arn = outputs.iter().find(|output| output.output_key() == Some("NodeInstanceRole")).and_then(|output| output.output_value());
        let arn = arn.expect("a role").to_owned();
        let name = arn.rsplit('/').next().expect("a name").to_owned();
        Ok((arn, name))
    }

    pub(crate) async fn detach(&self, policy: &str) -> Tested {
        let (_, name) = self.role().await?;
        self.iam.detach_role_policy().role_name(name).policy_arn(format!("arn:aws:iam::aws:policy/{policy}")).send().await?;
        minutes(1).await;
        Ok(())
    }
}
