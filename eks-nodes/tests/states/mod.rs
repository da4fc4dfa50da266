//! Leading stacks into each status, as faults and people do.

use std::time::Duration;

use aws_sdk_cloudformation::{
    Client,
    types::{Capability, ChangeSetType, OnFailure, Parameter, Tag},
};
use aws_sdk_ec2::types::{IpPermission, UserIdGroupPair};
use eks_nodes::{StackStatus, WorkersSpec};
use eks_sim::{Fault, When};
use serde_json::{Value, json};

use super::account::{Account, Tested, owner, security_group_of};

pub(crate) const BASE: &str = "chap10-worker-base";
pub(crate) const GROUP: &str = "chap10-worker";
const SSM: &str = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";

pub(crate) fn client(account: &Account) -> Client {
    Client::new(&account.sim.sdk_config())
}

fn iam(account: &Account) -> aws_sdk_iam::Client {
    aws_sdk_iam::Client::new(&account.sim.sdk_config())
}

/// Only imports lead there, and nothing of ours imports: the simulated account has none.
pub(crate) fn unreachable(status: StackStatus) -> bool {
    status.as_str().starts_with("IMPORT_")
}

pub(crate) async fn status_of(account: &Account, stack: &str) -> Tested<Option<StackStatus>> {
    let found = account.workers.observe(&owner(), eks_nodes::Scope::owned("us-east-1")).await?;
    Ok(found.stack(stack).map(|stack| stack.status))
}

/// Waits until the stack is in the status; states that last seconds are met, too.
async fn reach(account: &Account, stack: &str, status: StackStatus) -> Tested {
    for _ in 0..7200 {
        if status_of(account, stack).await? == Some(status) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err(format!("{stack} never came to {status}, but to {:?}", status_of(account, stack).await?).into())
}

/// Brings a stack of `spec()` into the status; tells the spec that is wanted next.
pub(crate) async fn bring(account: &Account, status: StackStatus) -> Tested<WorkersSpec> {
    use StackStatus as S;
    let spec = account.spec().build()?;
    match status {
        S::CreateInProgress => killed(account, &spec, "CreateStack").await?,
        S::CreateComplete | S::DeleteComplete => stand(account, &spec).await?,
        S::CreateFailed => create(account, GROUP, &failing(account), OnFailure::DoNothing).await?,
        S::RollbackInProgress | S::RollbackComplete => create(account, GROUP, &failing(account), OnFailure::Rollback).await?,
        S::RollbackFailed => {
            create(account, GROUP, &failing(account), OnFailure::Rollback).await?;
            tokio::time::sleep(Duration::from_secs(60)).await;
            hold(account, GROUP, "Held", "aws-K8S-i-0123456789abcdef0").await?;
        }
        S::ReviewInProgress => review(account).await?,
        S::UpdateInProgress | S::UpdateComplete => {
            stand(account, &account.spec().label("team", "books").build()?).await?;
            killed(account, &spec, "UpdateStack").await?;
        }
        S::UpdateCompleteCleanupInProgress => {
            stand(account, &spec).await?;
            grow_and_shrink(account).await?;
        }
        S::UpdateFailed => {
            stand(account, &spec).await?;
            update(account, BASE, true).await?;
        }
        S::UpdateRollbackInProgress | S::UpdateRollbackComplete | S::UpdateRollbackCompleteCleanupInProgress => {
            stand(account, &spec).await?;
            update(account, BASE, false).await?;
        }
        S::UpdateRollbackFailed => {
            stand(account, &spec).await?;
            update(account, BASE, false).await?;
            tokio::time::sleep(Duration::from_secs(60)).await;
            without_role(account).await?;
            reach(account, BASE, status).await?;
            with_role(account).await?;
        }
        S::DeleteInProgress => {
            stand(account, &spec).await?;
            client(account).delete_stack().stack_name(GROUP).send().await?;
        }
        S::DeleteFailed => {
            stand(account, &spec).await?;
            hold(account, BASE, "NodeSecurityGroup", "aws-K8S-i-0123456789abcdef0").await?;
            client(account).delete_stack().stack_name(GROUP).send().await?;
            tokio::time::sleep(Duration::from_secs(600)).await;
            client(account).delete_stack().stack_name(BASE).send().await?;
        }
        _ => return Err(format!("nobody knows how to reach {status}").into()),
    }
    match status {
        S::DeleteComplete => {
            client(account).delete_stack().stack_name(GROUP).send().await?;
            tokio::time::sleep(Duration::from_secs(600)).await;
        }
        S::DeleteFailed | S::UpdateFailed | S::UpdateRollbackFailed => reach(account, BASE, status).await?,
        _ if status.as_str().starts_with("UPDATE_ROLLBACK") => reach(account, BASE, status).await?,
        _ if [S::CreateInProgress, S::UpdateCompleteCleanupInProgress].contains(&status) => reach(account, BASE, status).await?,
        _ => reach(account, GROUP, status).await?,
    }
    Ok(spec)
}

pub(crate) async fn stand(account: &Account, spec: &WorkersSpec) -> Tested {
    account.apply(&account.workers.plan(spec).await?).await?;
    Ok(())
}

/// Begins with the spec, and dies once it has asked for this.
async fn killed(account: &Account, spec: &WorkersSpec, action: &str) -> Tested {
    let plan = account.workers.plan(spec).await?;
    account.sim.inject(When::Action { service: "cloudformation".to_owned(), action: action.to_owned(), nth: 1 }, Fault::KillAfter);
    assert!(account.apply(&plan).await.is_err());
    account.sim.revive();
    Ok(())
}

/// A template that fails two minutes after a security group stands: an instance profile takes so long.
fn failing(account: &Account) -> Value {
    let vpc = account.network.vpc.known().expect("known").to_string();
    let mut resources = slow_failure(&vpc);
    resources["Held"] = json!({"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "held", "VpcId": vpc}});
    json!({"Resources": resources})
}

fn slow_failure(vpc: &str) -> Value {
    let trust = json!({"Version": "2012-10-17", "Statement":
        [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    json!({
        "LaterRole": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}},
        "Later": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "LaterRole"}]}},
        // Outside the VPC's block.
        "Bad": {"Type": "AWS::EC2::Subnet", "DependsOn": "Later", "Properties": {"VpcId": vpc, "CidrBlock": "192.168.0.0/24"}},
    })
}

fn tags(stack: &str) -> Vec<Tag> {
    let key = if stack == BASE { "nodes/chap10-worker/base" } else { "nodes/chap10-worker" };
    let tags = owner().tags(&key.parse().expect("a key"));
    tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

async fn create(account: &Account, stack: &str, template: &Value, on_failure: OnFailure) -> Tested {
    let call = client(account).create_stack().stack_name(stack).template_body(template.to_string()).on_failure(on_failure);
    call.capabilities(Capability::CapabilityIam).set_tags(Some(tags(stack))).send().await?;
    Ok(())
}

/// A stack of change sets only.
async fn review(account: &Account) -> Tested {
    let call = client(account).create_change_set().stack_name(GROUP).change_set_name("by-hand").change_set_type(ChangeSetType::Create);
    let body = r#"{"Resources":{"G":{"Type":"AWS::EC2::InternetGateway"}}}"#;
    call.template_body(body).set_tags(Some(tags(GROUP))).send().await?;
    Ok(())
}

async fn template_of(account: &Account, stack: &str) -> Tested<Value> {
    let body = client(account).get_template().stack_name(stack).send().await?.template_body.expect("a template");
    Ok(serde_json::from_str(&body)?)
}

/// A role more, and then the template as it was before: CloudFormation deletes the role when the update is done.
async fn grow_and_shrink(account: &Account) -> Tested {
    let template = template_of(account, BASE).await?;
    let mut more = template.clone();
    more["Resources"]["More"] = template["Resources"]["NodeInstanceRole"].clone();
    change(account, BASE, &more, false).await?;
    reach(account, BASE, StackStatus::UpdateComplete).await?;
    change(account, BASE, &template, false).await
}

/// An update by hand that changes the role and fails later.
async fn update(account: &Account, stack: &str, stays: bool) -> Tested {
    let mut template = template_of(account, stack).await?;
    template["Resources"]["NodeInstanceRole"]["Properties"]["ManagedPolicyArns"].as_array_mut().expect("policies").push(SSM.into());
    let vpc = account.network.vpc.known().expect("known").to_string();
    for (name, resource) in slow_failure(&vpc).as_object().expect("resources") {
        template["Resources"][name] = resource.clone();
    }
    change(account, stack, &template, stays).await
}

/// An update by hand of the template alone.
async fn change(account: &Account, stack: &str, template: &Value, stays: bool) -> Tested {
    let client = client(account);
    let described = client.describe_stacks().stack_name(stack).send().await?;
    let kept = described.stacks()[0].parameters().iter().filter_map(|parameter| parameter.parameter_key());
    let kept = kept.map(|key| Parameter::builder().parameter_key(key).use_previous_value(true).build()).collect();
    let call = client.update_stack().stack_name(stack).template_body(template.to_string()).set_parameters(Some(kept));
    call.capabilities(Capability::CapabilityIam).disable_rollback(stays).send().await?;
    Ok(())
}

/// The physical id of a resource.
async fn physical(account: &Account, stack: &str, logical: &str) -> Tested<String> {
    let found = client(account).describe_stack_resource().stack_name(stack).logical_resource_id(logical).send().await?;
    Ok(found.stack_resource_detail().and_then(|detail| detail.physical_resource_id()).expect("made").to_owned())
}

/// Puts a network interface into a security group of the stack.
pub(crate) async fn hold(account: &Account, stack: &str, logical: &str, description: &str) -> Tested<String> {
    let group = physical(account, stack, logical).await?;
    let subnet = account.network.subnets[0].id.known().expect("known").to_string();
    let made = account.ec2.create_network_interface().subnet_id(subnet).groups(group).description(description).send().await?;
    Ok(made.network_interface().and_then(|interface| interface.network_interface_id()).expect("an id").to_owned())
}

pub(crate) async fn interface_is_gone(account: &Account, id: &str) -> Tested<bool> {
    Ok(account.ec2.describe_network_interfaces().network_interface_ids(id).send().await.is_err())
}

/// A rule by hand in the control plane's group, which names the nodes' group. Tells its id.
pub(crate) async fn rule_of_another_group(account: &Account) -> Tested<String> {
    let named = UserIdGroupPair::builder().group_id(security_group_of(account).await?).build();
    let rule = IpPermission::builder().ip_protocol("tcp").from_port(9443).to_port(9443).user_id_group_pairs(named).build();
    let group = account.cluster.security_groups[0].known().expect("known").to_string();
    let made = account.ec2.authorize_security_group_ingress().group_id(group).ip_permissions(rule).send().await?;
    Ok(made.security_group_rules()[0].security_group_rule_id().expect("an id").to_owned())
}

/// A policy attached by hand to the nodes' role. Tells its ARN.
pub(crate) async fn held_by_policy(account: &Account) -> Tested<String> {
    let role = physical(account, BASE, "NodeInstanceRole").await?;
    iam(account).attach_role_policy().role_name(role).policy_arn(SSM).send().await?;
    Ok(SSM.to_owned())
}

/// What a person does who reads the failure.
pub(crate) async fn repair(account: &Account, rule: &str, policy: &str) -> Tested {
    let group = account.cluster.security_groups[0].known().expect("known").to_string();
    account.ec2.revoke_security_group_ingress().group_id(group).security_group_rule_ids(rule).send().await?;
    let role = physical(account, BASE, "NodeInstanceRole").await?;
    iam(account).detach_role_policy().role_name(role).policy_arn(policy).send().await?;
    Ok(())
}

/// Deletes the nodes' role by hand, as no rollback can bear.
pub(crate) async fn without_role(account: &Account) -> Tested {
    let iam = iam(account);
    let role = physical(account, BASE, "NodeInstanceRole").await?;
    for profile in iam.list_instance_profiles_for_role().role_name(&role).send().await?.instance_profiles() {
        let name = profile.instance_profile_name();
        iam.remove_role_from_instance_profile().role_name(&role).instance_profile_name(name).send().await?;
    }
    for policy in iam.list_attached_role_policies().role_name(&role).send().await?.attached_policies() {
        iam.detach_role_policy().role_name(&role).policy_arn(policy.policy_arn().expect("an ARN")).send().await?;
    }
    iam.delete_role().role_name(&role).send().await?;
    Ok(())
}

/// Makes it again under its name: the repair.
async fn with_role(account: &Account) -> Tested {
    let (iam, role) = (iam(account), physical(account, BASE, "NodeInstanceRole").await?);
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let tag = |(key, value): (String, String)| aws_sdk_iam::types::Tag::builder().key(key).value(value).build();
    let tags = owner().tags(&"nodes/chap10-worker/base".parse()?).into_iter().map(tag).collect::<Result<Vec<_>, _>>()?;
    iam.create_role().role_name(&role).assume_role_policy_document(trust).set_tags(Some(tags)).send().await?;
    for policy in ["AmazonEC2ContainerRegistryPullOnly", "AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy"] {
        iam.attach_role_policy().role_name(&role).policy_arn(format!("arn:aws:iam::aws:policy/{policy}")).send().await?;
    }
    let profile = physical(account, BASE, "NodeInstanceProfile").await?;
    iam.add_role_to_instance_profile().role_name(&role).instance_profile_name(profile).send().await?;
    Ok(())
}

/// A stack of ours whose group wants more instances than the quota has, made by hand without a limit of time.
pub(crate) async fn endless_creation(account: &Account) -> Tested {
    let subnet = account.network.subnets[0].id.known().expect("known").to_string();
    let image = format!("{{{{resolve:ssm:{}}}}}", account.spec().build()?.image_parameter().expect("published"));
    let size = "40";
    let template = json!({"Resources": {
        "Template": {"Type": "AWS::EC2::LaunchTemplate", "Properties":
            {"LaunchTemplateData": {"ImageId": image, "InstanceType": "t3.medium"}}},
        "Group": {"Type": "AWS::AutoScaling::AutoScalingGroup", "Properties": {
            "MinSize": size, "MaxSize": size, "VPCZoneIdentifier": [subnet],
            "LaunchTemplate": {"LaunchTemplateId": {"Ref": "Template"}, "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]}},
        }},
    }});
    create(account, GROUP, &template, OnFailure::Rollback).await
}
