//! Amazon's template, by each of its generations, on the simulated account.
//!
//! The templates under `tests/amazon` have the parameters, resources and outputs of Amazon's; the words are ours.

mod account;

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use account::{Account, Tested, minutes, owner, security_group_of};
use aws_sdk_ec2::primitives::Blob;
use eks_core::{Action, AmiId, AuthenticationMode, Error, Plan, Ref, StackName, Verdict};
use eks_nodes::{
    Capacity, CustomTemplate, NodeGroup2018, NodeGroup2022, NodeGroup2025, NodeGroupTemplate, RoleMapping, Scope, TaintEffect,
    TemplateAuthentication, UpdateEffect, WorkersOp, WorkersSpecBuilder,
};
use eks_sim::{Fault, Sim, When};

const OF_2018: &str = include_str!("amazon/2018-12-10.yaml");
const OF_2022: &str = include_str!("amazon/2022-12-23.yaml");
const OF_2025: &str = include_str!("amazon/2025-11-26.yaml");
const PUBLIC_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIgQST6KVgqb/WNVOqMEECxMDpGYr5NbSY8KkdJ3h+Ie me@example.org";
const IMAGE: &str = "/aws/service/eks/optimized-ami/1.32/amazon-linux-2/recommended/image_id";

fn url(date: &str) -> String {
    format!("https://s3.us-west-2.amazonaws.com/amazon-eks/cloudformation/{date}/amazon-eks-nodegroup.yaml")
}

/// An account that can read the templates and has a key pair.
async fn account(version: &str) -> Tested<Account> {
    prepared(Account::on(Sim::builder().standard_vcpus(64).starting_at(today()).build(), version).await?).await
}

/// 2026-11-22: Kubernetes 1.32, the last with Amazon Linux 2, is in extended support.
fn today() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_305_600)
}

/// The image that an SSM parameter names.
async fn image(account: &Account, parameter: &str) -> Tested<AmiId> {
    let found = aws_sdk_ssm::Client::new(&account.sim.sdk_config()).get_parameter().name(parameter).send().await?;
    Ok(found.parameter().and_then(|parameter| parameter.value()).expect("published").parse()?)
}

async fn prepared(account: Account) -> Tested<Account> {
    for (date, template) in [("2018-12-10", OF_2018), ("2022-12-23", OF_2022), ("2025-11-26", OF_2025)] {
        account.sim.serve_template(url(date), template);
    }
    account.ec2.import_key_pair().key_name("my-key").public_key_material(Blob::new(PUBLIC_KEY)).send().await?;
    Ok(account)
}

fn key() -> String {
    "my-key".to_owned()
}

fn ready(account: &Account) -> usize {
    let ledger = account.sim.ledger();
    ledger.iter().filter(|(_, times)| times.iter().any(|time| time.kind == "NodeReady")).count()
}

/// What CloudFormation was asked to do with stacks.
fn stack_calls(account: &Account) -> usize {
    ["CreateStack", "UpdateStack", "CreateChangeSet"].iter().map(|call| account.sim.log().count("cloudformation", call)).sum()
}

fn request(plan: &Plan) -> eks_nodes::StackRequest {
    let [step] = plan.steps() else { panic!("one stack: {plan}") };
    match step.op.decode().expect("an operation") {
        WorkersOp::CreateStack { stack } | WorkersOp::UpdateStack { stack, .. } => stack,
        other => panic!("{other:?}"),
    }
}

fn parameter(plan: &Plan, name: &str) -> Option<String> {
    request(plan).parameters.get(name).map(ToString::to_string)
}

async fn torn_down(account: &Account) -> Tested {
    let ending = account.workers.teardown(&owner()).await?.apply(&account.engine()).await?;
    assert_eq!(ending.verdict, Verdict::Clean);
    assert_eq!(account.ours(), [""; 0]);
    assert_eq!(account.count("autoscaling/group"), 0);
    Ok(())
}

/// Of the rules that are broken: name, and the parameter.
async fn problems(account: &Account, spec: WorkersSpecBuilder) -> Tested<Vec<(&'static str, String)>> {
    let before = stack_calls(account);
    let told = match account.workers.plan(&spec.build()?).await {
        Err(Error::Spec(told)) => told.problems.into_iter().map(|problem| (problem.code, problem.to_string())).collect(),
        other => panic!("{other:?}"),
    };
    assert_eq!(stack_calls(account), before, "refused before any stack is touched");
    Ok(told)
}

#[tokio::test(start_paused = true)]
async fn the_template_of_2025_makes_nodes_that_join() -> Tested {
    let account = account("1.35").await?;
    let spec = account.spec().amazon_template(NodeGroup2025::new(key())).build()?;
    assert_eq!(spec.mapping(), RoleMapping::AccessEntry);
    let before = account.sim.log().calls().len();
    let plan = account.workers.plan(&spec).await?;
    assert_eq!(account.sim.log().calls().len() - before, 2, "the stack and its template");
    assert_eq!(parameter(&plan, "AuthenticationMode").as_deref(), Some("EKS API"));
    assert_eq!(parameter(&plan, "DisableIMDSv1").as_deref(), Some("true"));
    assert_eq!(
        parameter(&plan, "NodeImageIdSSMParam").as_deref(),
        Some("/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/standard/recommended/image_id")
    );
    let report = account.apply(&plan).await?;
    assert!(report.output("nodes/chap10-worker", "NodeInstanceRole").is_some_and(|role| role.starts_with("arn:aws:iam::")));
    let group = security_group_of(&account).await?;
    assert_eq!(report.output("nodes/chap10-worker", "NodeSecurityGroup"), Some(group.as_str()));
    minutes(3).await;
    assert_eq!((account.running_instances(), ready(&account)), (2, 2));
    let before = account.sim.log().calls().len();
    let again = account.workers.plan(&spec).await?;
    assert!(again.is_noop(), "{again}");
    assert_eq!(account.sim.log().calls().len() - before, 3, "the stack, its template, and the group's size");
    // What is called is listed, in an update, too.
    let larger = account.spec().volume_gib(30).amazon_template(NodeGroup2025::new(key())).build()?;
    let update = account.workers.plan(&larger).await?;
    account.apply(&update).await?;
    let teardown = account.workers.teardown(&owner()).await?;
    torn_down(&account).await?;
    let listed: BTreeSet<_> = update.iam_actions().into_iter().chain(teardown.iam_actions()).collect();
    let log = account.sim.log();
    let asked = log.calls().iter().filter(|call| ["autoscaling", "cloudformation"].contains(&&*call.service));
    let asked: BTreeSet<_> = asked.map(|call| format!("{}:{}", call.service, call.action)).collect();
    assert!(asked.contains("cloudformation:DescribeStackResource") && asked.contains("cloudformation:GetTemplateSummary"), "{asked:?}");
    assert_eq!(asked.iter().filter(|action| !listed.contains(action.as_str())).collect::<Vec<_>>(), [""; 0]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_template_of_2022_makes_nodes_that_join_once_their_role_is_mapped() -> Tested {
    let account = account("1.32").await?;
    let spec = account
        .spec()
        .label("team", "books")
        .taint("dedicated", "books", TaintEffect::NoSchedule)
        .max_pods(20)
        .amazon_template(NodeGroup2022::new(key()).bootstrap_arguments("--aws-api-retry-attempts 5"))
        .build()?;
    // It makes no access entry.
    assert_eq!(spec.mapping(), RoleMapping::AwsAuth);
    let plan = account.workers.plan(&spec).await?;
    assert_eq!(
        parameter(&plan, "BootstrapArguments").as_deref(),
        Some(
            "--aws-api-retry-attempts 5 --use-max-pods false --kubelet-extra-args \
             '--node-labels=eks-rs/workers=chap10-worker,team=books --register-with-taints=dedicated=books:NoSchedule --max-pods=20'"
        )
    );
    assert_eq!(parameter(&plan, "NodeImageIdSSMParam").as_deref(), Some(IMAGE));
    let report = account.apply(&plan).await?;
    let role = report.output("nodes/chap10-worker", "NodeInstanceRole").expect("an output").to_owned();
    minutes(3).await;
    assert_eq!((account.running_instances(), ready(&account)), (2, 0), "nobody let them in");
    let eks = aws_sdk_eks::Client::new(&account.sim.sdk_config());
    eks.create_access_entry().cluster_name("chap10").principal_arn(&role).r#type("EC2_LINUX").send().await?;
    minutes(3).await;
    assert_eq!(ready(&account), 2);
    assert!(account.workers.plan(&spec).await?.is_noop());
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn the_template_of_2018_is_refused_by_accounts_of_today() -> Tested {
    let account = account("1.32").await?;
    let image = image(&account, IMAGE).await?;
    let spec = account.spec().amazon_template(NodeGroup2018::new(key(), image)).build()?;
    let plan = account.workers.plan(&spec).await?;
    let told = plan.to_string();
    assert!(told.contains("makes a launch configuration: accounts made since 2024-10-01 cannot create one"), "{told}");
    assert!(plan.iam_actions().contains("autoscaling:CreateLaunchConfiguration"));
    let error = account.apply(&plan).await.expect_err("a new account").to_string();
    assert!(error.contains("AWS::AutoScaling::LaunchConfiguration NodeLaunchConfig"), "{error}");
    assert!(error.contains("Use launch templates"), "{error}");
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn the_template_of_2018_still_works_in_old_accounts() -> Tested {
    let sim = Sim::builder().standard_vcpus(64).starting_at(today()).launch_configurations(true).build();
    let account = prepared(Account::on(sim, "1.32").await?).await?;
    let template = NodeGroup2018::new(key(), image(&account, IMAGE).await?);
    let spec = account.spec().label("team", "books").amazon_template(template).build()?;
    let report = account.apply(&account.workers.plan(&spec).await?).await?;
    let role = report.output("nodes/chap10-worker", "NodeInstanceRole").expect("an output").to_owned();
    let eks = aws_sdk_eks::Client::new(&account.sim.sdk_config());
    eks.create_access_entry().cluster_name("chap10").principal_arn(&role).r#type("EC2_LINUX").send().await?;
    minutes(4).await;
    assert_eq!((account.running_instances(), ready(&account)), (2, 2));
    // Its stack does not tell the group's name: its size is found by the resource, and only when it is changed.
    autoscaled(&account, 3).await?;
    assert!(account.workers.plan(&spec).await?.is_noop());
    let wider = account.spec().capacity(Capacity::new(1, 2, 6)?).label("team", "books");
    let wider = wider.amazon_template(NodeGroup2018::new(key(), image(&account, IMAGE).await?)).build()?;
    account.apply(&account.workers.plan(&wider).await?).await?;
    assert_eq!(account.running_instances(), 3);
    assert!(account.workers.plan(&wider).await?.is_noop());
    torn_down(&account).await
}

/// Wrong, unknown and missing parameters are found by what CloudFormation tells of the template, all at once.
#[tokio::test(start_paused = true)]
async fn what_the_template_does_not_declare_is_refused() -> Tested {
    let account = account("1.32").await?;
    let image = image(&account, IMAGE).await?;
    let found = problems(
        &account,
        account
            .spec()
            .instance_type("m5a.large")
            .amazon_template(NodeGroup2018::new(key(), image).parameter("NodeImageIdSSMParameter", "x".to_owned())),
    )
    .await?;
    let codes: Vec<_> = found.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, ["parameter-unknown", "parameter-value"], "{found:?}");
    assert!(found[0].1.starts_with("parameter NodeImageIdSSMParameter: is not declared"), "{}", found[0].1);
    assert!(found[1].1.contains("10 values that the template lists, such as \"m5.large\""), "{}", found[1].1);

    // A template of another generation at the address.
    let found = problems(&account, account.spec().amazon_template(NodeGroup2022::new(key()).at(url("2025-11-26")))).await?;
    let unknown = found.iter().find(|(code, _)| *code == "parameter-unknown").expect("BootstrapArguments");
    assert!(unknown.1.contains("BootstrapArguments") && unknown.1.contains("looks like that of 2025-11-26"), "{}", unknown.1);
    let missing: Vec<_> = found.iter().filter(|(code, _)| *code == "parameter-missing").map(|(_, text)| text.as_str()).collect();
    assert_eq!(missing.len(), 4, "{missing:?}");
    assert!(missing[0].starts_with("parameter ApiServerEndpoint: is declared without a default (String)"), "{}", missing[0]);

    // One of your own is told what it declares; what is misspelt is told the nearest name.
    let own = CustomTemplate::new(url("2018-12-10")).parameter("KeyNam", "my-key".to_owned());
    let found = problems(&account, account.spec().amazon_template(own)).await?;
    let texts: Vec<_> = found.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "parameter KeyNam: is not declared by the template at this address; did you mean KeyName?",
            "parameter KeyName: is declared without a default (AWS::EC2::KeyPair::KeyName), and is not given; give it with key_pair()",
            "parameter NodeImageId: is declared without a default (AWS::EC2::Image::Id), and is not given; give it with parameter()",
        ]
    );
    let own = CustomTemplate::new(url("2025-11-26")).parameter("AuthenticationMode", "API_AND_CONFIG_MAP".to_owned());
    let found = problems(&account, account.spec().key_pair("my-key").amazon_template(own)).await?;
    assert!(found[0].1.contains(r#"must be one of "EKS API", "EKS API and ConfigMap", "ConfigMap""#), "{found:?}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_template_that_cannot_be_read_is_told() -> Tested {
    let account = account("1.35").await?;
    let spec = account.spec().amazon_template(NodeGroup2025::new(key()).at("https://mine.s3.amazonaws.com/gone.yaml")).build()?;
    let error = account.workers.plan(&spec).await.expect_err("nothing is there").to_string();
    assert!(error.contains("cannot be read by CloudFormation: S3 error: Access Denied"), "{error}");
    Ok(())
}

/// What the template is asked to acknowledge is what CloudFormation says; and a template that reads otherwise makes a plan stale.
#[tokio::test(start_paused = true)]
async fn capabilities_are_told_and_a_changed_template_is_noticed() -> Tested {
    let account = account("1.35").await?;
    let address = "https://mine.s3.amazonaws.com/nodes.yaml";
    let named = OF_2025.replace(
        "  NodeInstanceRole:\n    Type: AWS::IAM::Role\n    Properties:\n",
        "  NodeInstanceRole:\n    Type: AWS::IAM::Role\n    Properties:\n      RoleName: nodes\n",
    );
    assert_ne!(named, OF_2025);
    account.sim.serve_template(address, named);
    let spec = account.spec().amazon_template(NodeGroup2025::new(key()).at(address)).build()?;
    let plan = account.workers.plan(&spec).await?;
    let capabilities: Vec<_> = request(&plan).capabilities.iter().map(ToString::to_string).collect();
    assert_eq!(capabilities, ["CAPABILITY_NAMED_IAM"]);
    assert!(plan.to_string().contains("acknowledges CAPABILITY_NAMED_IAM"), "{plan}");
    account.sim.serve_template(address, OF_2025);
    let error = account.apply(&plan).await.expect_err("the template has changed").to_string();
    assert!(error.contains("capabilities") && error.contains("CAPABILITY_NAMED_IAM"), "{error}");
    account.apply(&account.workers.plan(&spec).await?).await?;
    torn_down(&account).await
}

/// A value that CloudFormation does not echo cannot be compared, and is no difference; and no plan holds it.
#[tokio::test(start_paused = true)]
async fn what_is_not_echoed_is_no_difference_and_in_no_plan() -> Tested {
    const SECRET: &str = "{{resolve:secretsmanager:nodes}}";
    let account = account("1.35").await?;
    let address = "https://mine.s3.amazonaws.com/nodes.yaml";
    let hidden = OF_2025.replace("Parameters:\n", "Parameters:\n  Secret: {Type: String, NoEcho: true}\n");
    let template = || NodeGroup2025::new(key()).at(address);
    account.sim.serve_template(address, hidden.replace(", NoEcho: true", ", Default: plainly"));
    let shown = account.spec().amazon_template(template().parameter("Secret", "plainly".to_owned())).build()?;
    account.apply(&account.workers.plan(&shown).await?).await?;

    account.sim.serve_template(address, hidden);
    let found = problems(&account, account.spec().amazon_template(template())).await?;
    assert!(found[0].1.starts_with("parameter Secret: is declared without a default"), "{found:?}");
    for value in ["hush", "{{resolve:ssm:a}}hush}}", "hush{{resolve:ssm:a}}"] {
        let found = problems(&account, account.spec().amazon_template(template().parameter("Secret", value.to_owned()))).await?;
        assert!(found[0].0 == "parameter-secret" && !found[0].1.contains("hush"), "{found:?}");
    }
    let spec = account.spec().amazon_template(template().parameter("Secret", SECRET.to_owned())).build()?;
    let plan = account.workers.plan(&spec).await?;
    assert!(!plan.to_string().contains("resolve:") && !plan.to_string().contains("plainly"), "{plan}");
    assert_eq!(plan.steps()[0].changes, ["Secret: changes, which is not shown"]);
    assert_eq!(serde_json::to_string(&plan)?.matches(SECRET).count(), 1, "the request alone has the reference");
    torn_down(&account).await?;
    account.apply(&account.workers.plan(&spec).await?).await?;
    assert!(account.workers.plan(&spec).await?.is_noop());

    // An answer is lost, and what is hidden does not look like a change.
    let larger = account.spec().volume_gib(30).amazon_template(template().parameter("Secret", SECRET.to_owned())).build()?;
    let plan = account.workers.plan_with_change_sets(&[&larger]).await?;
    let executed = When::Action { service: "cloudformation".to_owned(), action: "ExecuteChangeSet".to_owned(), nth: 1 };
    account.sim.inject(executed, Fault::LoseAnswer);
    account.apply(&plan).await?;
    assert!(account.workers.plan(&larger).await?.is_noop());
    torn_down(&account).await
}

/// Resizes the group, as an autoscaler does.
async fn autoscaled(account: &Account, desired: i32) -> Tested {
    let scaling = aws_sdk_autoscaling::Client::new(&account.sim.sdk_config());
    let groups = scaling.describe_auto_scaling_groups().send().await?;
    for group in groups.auto_scaling_groups() {
        let name = group.auto_scaling_group_name().expect("a name");
        scaling.set_desired_capacity().auto_scaling_group_name(name).desired_capacity(desired).send().await?;
    }
    minutes(3).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_an_autoscaler_moved_stays_in_amazons_template() -> Tested {
    let account = account("1.35").await?;
    let with = |capacity, gib| account.spec().capacity(capacity).volume_gib(gib).amazon_template(NodeGroup2025::new(key())).build();
    let first = with(Capacity::new(1, 2, 6)?, 20)?;
    account.apply(&account.workers.plan(&first).await?).await?;
    autoscaled(&account, 4).await?;
    let again = account.workers.plan(&first).await?;
    assert!(again.is_noop(), "{again}");

    // An update for another reason keeps the number; even one that comes after the plan.
    let larger = with(Capacity::new(1, 2, 6)?, 30)?;
    let plan = account.workers.plan(&larger).await?;
    assert_eq!(plan.steps()[0].action, Action::Update);
    assert!(plan.to_string().contains("stays 4, as it is now; the spec says 2"), "{plan}");
    autoscaled(&account, 5).await?;
    account.apply(&plan).await?;
    minutes(3).await;
    assert_eq!(account.running_instances(), 5);
    let again = account.workers.plan(&larger).await?;
    assert!(again.is_noop(), "the stack has 5, and the spec says 2 as ever: {again}");

    // Another number in the spec is meant.
    let plan = account.workers.plan(&with(Capacity::new(1, 3, 6)?, 30)?).await?;
    assert!(plan.to_string().contains("5 → 3"), "{plan}");
    account.apply(&plan).await?;
    minutes(3).await;
    assert_eq!(account.running_instances(), 3);
    torn_down(&account).await
}

/// The image that AWS recommends is looked for in each update: new sizes may replace every node.
#[tokio::test(start_paused = true)]
async fn new_sizes_leave_nodes_alone_only_if_the_image_is_pinned() -> Tested {
    let account = account("1.35").await?;
    let pinned = image(&account, "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/standard/recommended/image_id").await?;
    for (template, effect) in
        [(NodeGroup2025::new(key()).image(pinned), UpdateEffect::Sizes), (NodeGroup2025::new(key()), UpdateEffect::Rolls)]
    {
        let with = |most| {
            let capacity = Capacity::new(1, 2, most)?;
            Ok::<_, Box<dyn std::error::Error>>(account.spec().capacity(capacity).amazon_template(template.clone()).build()?)
        };
        account.apply(&account.workers.plan(&with(6)?).await?).await?;
        let larger = with(7)?;
        let now = account.workers.observe(&owner(), Scope::of([&larger])).await?;
        assert_eq!(larger.update_effect(&now)?, Some(effect));
        let told = larger.plan(&now)?.to_string();
        assert_eq!(
            told.contains("any update, of sizes too, may take the newest recommended image"),
            effect == UpdateEffect::Rolls,
            "{told}"
        );
    }
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn a_subnet_is_not_taken_from_under_nodes() -> Tested {
    let mut account = account("1.35").await?;
    let spec = |account: &Account| account.spec().amazon_template(NodeGroup2025::new(key())).build();
    account.apply(&account.workers.plan(&spec(&account)?).await?).await?;
    let gone = account.network.subnets.pop().expect("two").id.to_string();
    let error = account.workers.plan(&spec(&account)?).await.expect_err("its nodes would be replaced").to_string();
    assert!(
        error.contains(&format!("has {gone}, and Auto Scaling replaces")) && error.contains("give the new workers another name"),
        "{error}"
    );
    torn_down(&account).await
}

/// A change set holds the number that there was when it was made.
#[tokio::test(start_paused = true)]
async fn a_change_set_with_another_size_than_the_groups_is_refused() -> Tested {
    let account = account("1.35").await?;
    let with = |gib| {
        let capacity = Capacity::new(1, 2, 6)?;
        Ok::<_, Box<dyn std::error::Error>>(
            account.spec().capacity(capacity).volume_gib(gib).amazon_template(NodeGroup2025::new(key())).build()?,
        )
    };
    account.apply(&account.workers.plan(&with(20)?).await?).await?;
    autoscaled(&account, 4).await?;
    let larger = with(30)?;
    let plan = account.workers.plan_with_change_sets(&[&larger]).await?;
    autoscaled(&account, 5).await?;
    let error = account.apply(&plan).await.expect_err("the number has moved");
    let (_, error) = error.report().and_then(|report| report.failures().next()).expect("tried");
    assert!(error.to_string().contains("has 5 instances now, and its change set would set 4 again; plan again"), "{error}");
    assert_eq!(account.running_instances(), 5);
    account.apply(&account.workers.plan_with_change_sets(&[&larger]).await?).await?;
    minutes(3).await;
    assert_eq!(account.running_instances(), 5);
    assert!(account.workers.plan(&larger).await?.is_noop());
    torn_down(&account).await
}

/// Without asking: what types cannot say, rules do.
#[tokio::test(start_paused = true)]
async fn what_a_generation_cannot_be_told() -> Tested {
    let account = Account::new().await?;
    let codes = |spec: WorkersSpecBuilder| match spec.build() {
        Ok(_) => Vec::new(),
        Err(error) => error.problems.iter().map(|problem| problem.code).collect::<Vec<_>>(),
    };
    let spec = || account.spec();
    // Amazon Linux 2 has no image for 1.35.
    assert_eq!(codes(spec().amazon_template(NodeGroup2022::new(key()))), ["image-version"]);
    assert_eq!(codes(spec().amazon_template(NodeGroup2022::new(key()).image_parameter("/my/image"))), [""; 0]);
    assert_eq!(codes(spec().label("a", "b").amazon_template(NodeGroup2025::new(key()))), ["amazon-template"]);
    assert_eq!(codes(spec().key_pair("other").amazon_template(NodeGroup2025::new(key()))), ["amazon-template"]);
    assert_eq!(codes(spec().amazon_template(NodeGroup2025::new(key()).parameter("KeyName", key()))), ["parameter-typed"]);
    assert_eq!(codes(spec().amazon_template(NodeGroup2025::new(key()).parameter("a b", key()))), ["parameter-name"]);
    assert_eq!(codes(spec().amazon_template(NodeGroup2025::new(key()).at("https://example.com/x.yaml"))), ["template-url"]);
    assert_eq!(codes(spec().amazon_template(NodeGroup2025::new(key()).release("latest"))), ["image-release"]);
    let twice = NodeGroup2025::new(key()).release("v20261118").image_parameter("no path");
    assert_eq!(codes(spec().amazon_template(twice)), ["image-parameter", "image-twice"]);
    let arguments =
        NodeGroup2022::new(key()).image_parameter("/my/image").bootstrap_arguments("--kubelet-extra-args=x --use-max-pods false");
    assert_eq!(codes(spec().amazon_template(arguments)), ["bootstrap-arguments"; 2]);
    assert_eq!(codes(spec().amazon_template(NodeGroup2025::new(Ref::output("net/key-pair/k".parse()?, "name")))), [""; 0]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn mapping_and_authentication_go_together() -> Tested {
    let account = account("1.35").await?;
    let mode = |spec: WorkersSpecBuilder, template: NodeGroup2025| {
        let workers = account.workers.clone();
        async move {
            Ok::<_, Box<dyn std::error::Error>>(parameter(
                &workers.plan(&spec.amazon_template(template).build()?).await?,
                "AuthenticationMode",
            ))
        }
    };
    let template = || NodeGroup2025::new(key());
    assert_eq!(mode(account.spec().mapping(RoleMapping::AwsAuth), template()).await?.as_deref(), Some("ConfigMap"));
    let both = template().authentication(TemplateAuthentication::EksApiAndConfigMap);
    assert_eq!(mode(account.spec(), both).await?.as_deref(), Some("EKS API and ConfigMap"));
    // Access entries alone: the older generations map nothing.
    let mut cluster = account.cluster.clone();
    cluster.authentication = AuthenticationMode::Api;
    let older = NodeGroupTemplate::from(NodeGroup2022::new(key()).image_parameter("/my/image"));
    let spec = eks_nodes::WorkersSpec::builder(&owner(), StackName::new("other")?, cluster, account.network.clone())
        .amazon_template(older)
        .build()?;
    assert_eq!(spec.mapping(), RoleMapping::None);
    assert!(account.workers.plan(&spec).await?.to_string().contains("the template maps no role"));
    Ok(())
}
