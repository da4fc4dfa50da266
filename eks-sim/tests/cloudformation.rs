//! Stacks over the wire: what a template says is made, in order, and goes again.

use std::time::Duration;

use aws_sdk_cloudformation::{
    Client,
    error::ProvideErrorMetadata,
    types::{Capability, ChangeSetType, ChangeSource, OnFailure, Parameter, Replacement, RequiresRecreation, Stack, StackStatus, Tag},
};
use aws_sdk_iam as iam;
use eks_sim::Sim;

/// A network and workers, as a self-managed node group's stack has them.
const WORKERS: &str = r#"
AWSTemplateFormatVersion: "2010-09-09"
Description: workers
Parameters:
  Cidr: {Type: String, Default: 10.0.0.0/16, AllowedPattern: '[0-9./]+'}
  Desired: {Type: Number, Default: 2, MinValue: 0}
  Image: {Type: 'AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>', Default: /aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/standard/recommended/image_id}
Conditions:
  Any: !Not [!Equals [!Ref Desired, "0"]]
Resources:
  Vpc: {Type: 'AWS::EC2::VPC', Properties: {CidrBlock: !Ref Cidr, EnableDnsHostnames: true}}
  A: {Type: 'AWS::EC2::Subnet', Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, AvailabilityZone: !Select [0, !GetAZs '']}}
  B: {Type: 'AWS::EC2::Subnet', Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24, AvailabilityZone: !Select [1, !GetAZs '']}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: 'sts:AssumeRole'}]
      ManagedPolicyArns: [!Sub 'arn:${AWS::Partition}:iam::aws:policy/AmazonEKSWorkerNodePolicy']
  Profile: {Type: 'AWS::IAM::InstanceProfile', Properties: {Roles: [!Ref Role]}}
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: workers
      VpcId: !Ref Vpc
      SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: !Ref Cidr}]
  Self:
    Type: AWS::EC2::SecurityGroupIngress
    Properties: {GroupId: !GetAtt Group.GroupId, SourceSecurityGroupId: !Ref Group, IpProtocol: "-1"}
  Template:
    Type: AWS::EC2::LaunchTemplate
    Properties:
      LaunchTemplateData:
        ImageId: !Ref Image
        InstanceType: t3.small
        IamInstanceProfile: {Arn: !GetAtt Profile.Arn}
        SecurityGroupIds: [!Ref Group]
        MetadataOptions: {HttpTokens: required, HttpPutResponseHopLimit: 2}
        UserData: !Base64
          Fn::Sub: "echo ${AWS::StackName}"
  Workers:
    Type: AWS::AutoScaling::AutoScalingGroup
    Condition: Any
    Properties:
      MinSize: 0
      MaxSize: 4
      DesiredCapacity: !Ref Desired
      VPCZoneIdentifier: [!Ref A, !Ref B]
      LaunchTemplate: {LaunchTemplateId: !Ref Template, Version: !GetAtt Template.LatestVersionNumber}
      Tags: [{Key: Name, Value: !Sub '${AWS::StackName}-node', PropagateAtLaunch: true}]
Outputs:
  NodeInstanceRole: {Value: !GetAtt Role.Arn}
  Workers: {Condition: Any, Value: !Ref Workers}
"#;

fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(result: Result<T, E>) -> (String, String) {
    let error = result.expect_err("must be refused");
    (error.code().unwrap_or_default().to_owned(), error.message().unwrap_or_default().to_owned())
}

fn parameter(key: &str, value: &str) -> Parameter {
    Parameter::builder().parameter_key(key).parameter_value(value).build()
}

async fn stack(client: &Client, name: &str) -> Stack {
    let reply = client.describe_stacks().stack_name(name).send().await.expect("there");
    reply.stacks().first().expect("one").clone()
}

/// Waits until nothing is in progress.
async fn settled(client: &Client, name: &str) -> Stack {
    for _ in 0..2_000 {
        let found = stack(client, name).await;
        if !found.stack_status().is_some_and(|status| status.as_str().ends_with("_IN_PROGRESS")) {
            return found;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    panic!("{name} does not settle");
}

async fn events(client: &Client, name: &str) -> Vec<(String, String, String)> {
    let pages = client.describe_stack_events().stack_name(name).into_paginator().items().send();
    let mut found: Vec<_> = pages
        .collect::<Result<Vec<_>, _>>()
        .await
        .expect("events")
        .into_iter()
        .map(|event| {
            let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
            (
                text(event.logical_resource_id()),
                text(event.resource_status().map(|status| status.as_str())),
                text(event.resource_status_reason()),
            )
        })
        .collect();
    found.reverse();
    found
}

#[tokio::test(start_paused = true)]
async fn workers_are_made_changed_and_deleted() {
    let sim = Sim::builder().standard_vcpus(64).build();
    let client = Client::new(&sim.sdk_config());
    let create = || client.create_stack().stack_name("w").template_body(WORKERS).tags(Tag::builder().key("team").value("t").build());
    let (denied, message) = code(create().send().await);
    assert_eq!((denied.as_str(), message.as_str()), ("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]"));
    let id = create().capabilities(Capability::CapabilityIam).send().await.expect("accepted").stack_id.expect("id");
    assert_eq!(code(create().capabilities(Capability::CapabilityIam).send().await).0, "AlreadyExistsException");

    let made = settled(&client, "w").await;
    let log = events(&client, "w").await;
    assert_eq!(made.stack_status(), Some(&StackStatus::CreateComplete), "{log:#?}");
    assert_eq!(made.stack_id(), Some(id.as_str()));
    let output = |stack: &Stack, key: &str| {
        stack.outputs().iter().find(|output| output.output_key() == Some(key)).and_then(|output| output.output_value()).map(str::to_owned)
    };
    assert!(output(&made, "NodeInstanceRole").expect("output").starts_with("arn:aws:iam::123456789012:role/w-Role-"));
    let position = |logical: &str, status: &str| log.iter().position(|event| event.0 == logical && event.1 == status).expect("event");
    assert!(position("Profile", "CREATE_COMPLETE") < position("Template", "CREATE_IN_PROGRESS"));
    assert!(position("Template", "CREATE_COMPLETE") < position("Workers", "CREATE_IN_PROGRESS"));
    assert_eq!(sim.inventory().count("ec2/instance"), 2);
    let instance = sim.inventory().items().iter().find(|item| item.kind == "ec2/instance").expect("one").clone();
    for (key, value) in [("Name", "w-node"), ("team", "t"), ("aws:cloudformation:stack-name", "w")] {
        assert!(instance.tags.contains(&(key.to_owned(), value.to_owned())), "{key} in {:?}", instance.tags);
    }
    // The whole, and the two minutes that an instance profile is held.
    let took = sim.ledger().of("w").iter().find(|time| time.kind == "StackCreate").expect("recorded").took;
    assert!(took > Duration::from_secs(110), "{took:?}");

    let update = |desired: &str, body: &str| {
        client
            .update_stack()
            .stack_name("w")
            .template_body(body)
            .capabilities(Capability::CapabilityIam)
            .parameters(parameter("Desired", desired))
    };
    assert_eq!(code(update("2", WORKERS).send().await), ("ValidationError".to_owned(), "No updates are to be performed.".to_owned()));
    update("3", WORKERS).send().await.expect("accepted");
    assert_eq!(settled(&client, "w").await.stack_status(), Some(&StackStatus::UpdateComplete));
    assert_eq!(sim.inventory().count("ec2/instance"), 3);

    // Instances follow a new launch template only by the policy for rolling updates, one at a time.
    let rolling = WORKERS.replace("InstanceType: t3.small", "InstanceType: t3.large").replace(
        "    Condition: Any\n    Properties:",
        "    Condition: Any\n    UpdatePolicy: {AutoScalingRollingUpdate: {MaxBatchSize: 1, MinInstancesInService: !Ref Desired, PauseTime: PT1M}}\n    Properties:",
    );
    update("3", &rolling).send().await.expect("accepted");
    assert_eq!(settled(&client, "w").await.stack_status(), Some(&StackStatus::UpdateComplete), "{:#?}", events(&client, "w").await);
    tokio::time::sleep(Duration::from_secs(120)).await;
    let workers = sim.inventory();
    let workers: Vec<_> = workers.items().iter().filter(|item| item.kind == "ec2/instance").collect();
    // t3.large costs 0.0832 an hour.
    assert!(workers.len() == 3 && workers.iter().all(|item| item.usd_per_month > 60.0), "{workers:?}");

    // The subnet cannot be made: the launch template that was changed beside it is changed back.
    let bad =
        WORKERS.replace("InstanceType: t3.small", "InstanceType: t3.medium").replace("CidrBlock: 10.0.2.0/24", "CidrBlock: 10.9.2.0/24");
    update("3", &bad).send().await.expect("accepted");
    assert_eq!(settled(&client, "w").await.stack_status(), Some(&StackStatus::UpdateRollbackComplete), "{:#?}", events(&client, "w").await);

    client.delete_stack().stack_name("w").send().await.expect("accepted");
    let gone = settled(&client, &id).await;
    assert_eq!(gone.stack_status(), Some(&StackStatus::DeleteComplete), "{:#?}", events(&client, &id).await);
    let (missing, message) = code(client.describe_stacks().stack_name("w").send().await);
    assert_eq!((missing.as_str(), message.as_str()), ("ValidationError", "Stack with id w does not exist"));
    let left = sim.inventory();
    assert!(left.items().is_empty(), "{:?}", left.items());
    assert!(sim.ledger().of("w").iter().any(|time| time.kind == "StackDelete"));
}

#[tokio::test(start_paused = true)]
async fn a_failed_creation_rolls_back_and_can_only_be_deleted() {
    let sim = Sim::new();
    let client = Client::new(&sim.sdk_config());
    let body = WORKERS.replace("CidrBlock: 10.0.2.0/24", "CidrBlock: 192.168.0.0/24");
    let create = |name: &str| client.create_stack().stack_name(name).template_body(&body).capabilities(Capability::CapabilityIam);
    create("w").send().await.expect("accepted");
    let failed = settled(&client, "w").await;
    assert_eq!(failed.stack_status(), Some(&StackStatus::RollbackComplete));
    let log = events(&client, "w").await;
    let first = log.iter().find(|event| event.1.ends_with("FAILED")).expect("a failure");
    assert!(first.0 == "B" && first.2.contains("InvalidSubnet.Range"), "{first:?}");
    assert!(log.iter().any(|event| event.2 == "Resource creation cancelled"));
    assert!(sim.inventory().items().iter().all(|item| item.kind == "cloudformation/stack"));
    let (refused, message) =
        code(client.update_stack().stack_name("w").template_body(WORKERS).capabilities(Capability::CapabilityIam).send().await);
    assert_eq!(refused, "ValidationError");
    assert!(message.ends_with("is in ROLLBACK_COMPLETE state and can not be updated."), "{message}");

    create("kept").on_failure(OnFailure::DoNothing).send().await.expect("accepted");
    assert_eq!(settled(&client, "kept").await.stack_status(), Some(&StackStatus::CreateFailed));
    assert!(sim.inventory().count("ec2/vpc") == 1);
    client.rollback_stack().stack_name("kept").send().await.expect("accepted");
    assert_eq!(settled(&client, "kept").await.stack_status(), Some(&StackStatus::RollbackComplete));
    assert!(sim.inventory().count("ec2/vpc") == 0);
}

#[tokio::test(start_paused = true)]
async fn a_policy_attached_by_hand_keeps_the_role() {
    let sim = Sim::new();
    let client = Client::new(&sim.sdk_config());
    let iam = iam::Client::new(&sim.sdk_config());
    let create = client.create_stack().stack_name("w").template_body(WORKERS).capabilities(Capability::CapabilityIam);
    create.parameters(parameter("Desired", "0")).send().await.expect("accepted");
    assert_eq!(settled(&client, "w").await.stack_status(), Some(&StackStatus::CreateComplete));
    let role = client.describe_stack_resource().stack_name("w").logical_resource_id("Role").send().await.expect("there");
    let role = role.stack_resource_detail().and_then(|detail| detail.physical_resource_id()).expect("id").to_owned();
    let arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
    iam.attach_role_policy().role_name(&role).policy_arn(arn).send().await.expect("attached");

    client.delete_stack().stack_name("w").send().await.expect("accepted");
    let failed = settled(&client, "w").await;
    assert_eq!(failed.stack_status(), Some(&StackStatus::DeleteFailed));
    assert_eq!(failed.stack_status_reason(), Some("The following resource(s) failed to delete: [Role]. "));
    assert!(events(&client, "w").await.iter().any(|event| event.0 == "Role" && event.2.contains("DeleteConflict")));
    let id = failed.stack_id().expect("id").to_owned();
    client.delete_stack().stack_name("w").retain_resources("Role").send().await.expect("accepted");
    assert_eq!(settled(&client, &id).await.stack_status(), Some(&StackStatus::DeleteComplete));
    assert_eq!(sim.inventory().count("iam/role"), 1);
}

#[tokio::test(start_paused = true)]
async fn requests_are_checked_in_the_words_of_aws() {
    let sim = Sim::new();
    let client = Client::new(&sim.sdk_config());
    let create = |name: &str| client.create_stack().stack_name(name).template_body(WORKERS).capabilities(Capability::CapabilityIam);
    for (request, message) in [
        (create("9w"), "1 validation error detected: Value '9w' at 'stackName' failed to satisfy constraint"),
        (create("w").parameters(parameter("Nope", "1")), "Parameters: [Nope] do not exist in the template"),
        (create("w").parameters(parameter("Cidr", "x")), "Parameter 'Cidr' must match pattern [0-9./]+"),
        (create("w").parameters(parameter("Desired", "x")), "Parameter 'Desired' must be a number"),
        (create("w").parameters(parameter("Image", "/no/such")), "Unable to fetch parameters [/no/such] from parameter store"),
        (create("w").template_body("{}"), "Template format error: At least one Resources member must be defined."),
        (create("w").template_body(" ".repeat(51_201)), "1 validation error detected: Value at 'templateBody' failed"),
    ] {
        let (code, actual) = code(request.send().await);
        assert_eq!(code, "ValidationError");
        assert!(actual.starts_with(message), "{actual}");
    }
    let needs = r#"{"Parameters": {"P": {"Type": "String"}}, "Resources": {"H": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}}"#;
    let (_, message) = code(client.create_stack().stack_name("w").template_body(needs).send().await);
    assert_eq!(message, "Parameters: [P] must have values");
    let config = r#"{"Resources": {"C": {"Type": "AWS::AutoScaling::LaunchConfiguration", "Properties": {"ImageId": "ami-1", "InstanceType": "t3.nano"}}}}"#;
    client.create_stack().stack_name("old").template_body(config).send().await.expect("accepted");
    assert_eq!(settled(&client, "old").await.stack_status(), Some(&StackStatus::RollbackComplete));

    let summary = client.get_template_summary().template_body(WORKERS).send().await.expect("valid");
    assert_eq!(summary.capabilities(), [Capability::CapabilityIam]);
    assert_eq!(summary.parameters().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn tokens_protection_and_change_sets() {
    let sim = Sim::new();
    let client = Client::new(&sim.sdk_config());
    let body = r#"{"Parameters": {"Name": {"Type": "String", "Default": "a"}}, "Resources": {"Vpc": {"Type": "AWS::EC2::VPC", "Properties":
        {"CidrBlock": "10.0.0.0/16", "Tags": [{"Key": "Name", "Value": {"Ref": "Name"}}]}}}}"#;
    let create =
        || client.create_stack().stack_name("n").template_body(body).client_request_token("t1").enable_termination_protection(true);
    let id = create().send().await.expect("accepted").stack_id;
    assert_eq!(create().send().await.expect("again").stack_id, id);
    settled(&client, "n").await;
    let (refused, _) = code(client.update_stack().stack_name("n").template_body(body).client_request_token("t1").send().await);
    assert_eq!(refused, "TokenAlreadyExistsException");
    let (_, message) = code(client.delete_stack().stack_name("n").send().await);
    assert_eq!(message, "Stack [n] cannot be deleted while TerminationProtection is enabled");

    let set = client.create_change_set().stack_name("n").change_set_name("c").use_previous_template(true);
    set.parameters(parameter("Name", "b")).send().await.expect("accepted");
    let pending = client.describe_change_set().stack_name("n").change_set_name("c").send().await.expect("there");
    assert_eq!((pending.status().map(|status| status.as_str()), pending.changes().len()), (Some("CREATE_IN_PROGRESS"), 0));
    tokio::time::sleep(Duration::from_secs(10)).await;
    let shown = client.describe_change_set().stack_name("n").change_set_name("c").send().await.expect("there");
    let change = shown.changes().first().and_then(|change| change.resource_change()).expect("one");
    assert_eq!((change.logical_resource_id(), change.replacement()), (Some("Vpc"), Some(&Replacement::False)));
    let detail = change.details().first().expect("one");
    let target = detail.target().expect("a target");
    assert_eq!((target.name(), target.requires_recreation()), (Some("Tags"), Some(&RequiresRecreation::Never)));
    assert_eq!((detail.change_source(), detail.causing_entity()), (Some(&ChangeSource::ParameterReference), Some("Name")));
    client.execute_change_set().stack_name("n").change_set_name("c").send().await.expect("accepted");
    assert_eq!(settled(&client, "n").await.stack_status(), Some(&StackStatus::UpdateComplete));
    let vpc = sim.inventory().items().iter().find(|item| item.kind == "ec2/vpc").expect("one").clone();
    assert!(vpc.tags.contains(&("Name".to_owned(), "b".to_owned())), "{:?}", vpc.tags);

    let set = client.create_change_set().stack_name("m").change_set_name("c").change_set_type(ChangeSetType::Create);
    set.template_body(body).send().await.expect("accepted");
    assert_eq!(stack(&client, "m").await.stack_status(), Some(&StackStatus::ReviewInProgress));
    tokio::time::sleep(Duration::from_secs(10)).await;
    client.execute_change_set().stack_name("m").change_set_name("c").send().await.expect("accepted");
    assert_eq!(settled(&client, "m").await.stack_status(), Some(&StackStatus::CreateComplete));
}

/// API Reference, "ResourceChangeDetail": what changes, why, and whether that is certain; and "DescribeChangeSet", ExecutionStatus.
#[tokio::test(start_paused = true)]
async fn change_sets_tell_causes_and_become_obsolete() {
    let sim = Sim::new();
    let client = Client::new(&sim.sdk_config());
    let create = client.create_stack().stack_name("w").template_body(WORKERS).capabilities(Capability::CapabilityIam);
    create.parameters(parameter("Desired", "0")).send().await.expect("accepted");
    settled(&client, "w").await;
    // Another name of the group: another group, so what names it may have to be another, too.
    let body = WORKERS.replace("GroupDescription: workers", "GroupDescription: others");
    assert_ne!(body, WORKERS);
    let set = |name: &str| client.create_change_set().stack_name("w").change_set_name(name).capabilities(Capability::CapabilityIam);
    for name in ["a", "b"] {
        set(name).template_body(&body).parameters(parameter("Desired", "0")).send().await.expect("accepted");
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let pages = client.describe_change_set().stack_name("w").change_set_name("a").into_paginator().send();
    let pages = pages.collect::<Result<Vec<_>, _>>().await.expect("there");
    let changes: Vec<_> = pages.iter().flat_map(|page| page.changes()).filter_map(|change| change.resource_change()).collect();
    let group = changes.iter().find(|change| change.logical_resource_id() == Some("Group")).expect("changes");
    assert_eq!(group.replacement(), Some(&Replacement::True));
    let others: Vec<_> = changes.iter().filter(|change| change.logical_resource_id() != Some("Group")).collect();
    assert!(!others.is_empty());
    for other in others {
        let detail = other.details().first().expect("a detail");
        assert_eq!(detail.evaluation().map(|evaluation| evaluation.as_str()), Some("Dynamic"), "{other:?}");
        assert!(
            detail
                .causing_entity()
                .is_some_and(|entity| changes.iter().any(|change| entity.starts_with(change.logical_resource_id().expect("an id"))))
        );
    }
    let update = client.update_stack().stack_name("w").template_body(WORKERS).capabilities(Capability::CapabilityIam);
    update.parameters(parameter("Desired", "1")).send().await.expect("accepted");
    settled(&client, "w").await;
    let (refused, message) = code(client.execute_change_set().stack_name("w").change_set_name("b").send().await);
    assert_eq!(refused, "InvalidChangeSetStatus");
    assert!(message.ends_with("current execution status of [OBSOLETE]"), "{message}");
}
