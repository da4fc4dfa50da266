//! Calls under permissions policies: what is refused, and in which words (Service Authorization Reference; IAM user guide, "Troubleshoot
//! access denied error messages"; EC2 user guide, "Grant permission to tag Amazon EC2 resources on creation").

use aws_sdk_ec2::{
    error::ProvideErrorMetadata,
    types::{ResourceType, Tag, TagSpecification},
};
use eks_sim::Sim;
use serde_json::{Value, json};

type Tested = Result<(), Box<dyn std::error::Error>>;

fn document(statements: &[Value]) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn allow(action: &str, resource: &str, condition: Value) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource, "Condition": condition})
}

/// Code and message of a refusal.
fn refusal<T: std::fmt::Debug, E: ProvideErrorMetadata>(result: Result<T, E>) -> (String, String) {
    let error = result.expect_err("refused");
    (error.code().unwrap_or_default().to_owned(), error.message().unwrap_or_default().to_owned())
}

fn tags(owner: &str) -> TagSpecification {
    let tag = Tag::builder().key("owner").value(owner).build();
    TagSpecification::builder().resource_type(ResourceType::Vpc).tags(tag).build()
}

/// Making needs the tag, and tagging in the same call the permission to tag.
#[tokio::test(start_paused = true)]
async fn tags_on_creation_are_asked_for_twice() -> Tested {
    let sim = Sim::new();
    let ec2 = aws_sdk_ec2::Client::new(&sim.sdk_config());
    let make =
        allow("ec2:CreateVpc", "arn:aws:ec2:us-east-1:123456789012:vpc/*", json!({"StringEquals": {"aws:RequestTag/owner": "shop"}}));
    let tag = |call: &str| allow("ec2:CreateTags", "*", json!({"StringEquals": {"ec2:CreateAction": call}}));
    let create = || ec2.create_vpc().cidr_block("10.0.0.0/16");

    sim.enforce([document(std::slice::from_ref(&make))])?;
    let (code, message) = refusal(create().send().await);
    assert_eq!(code, "UnauthorizedOperation");
    let told = "User: arn:aws:iam::123456789012:user/admin is not authorized to perform: ec2:CreateVpc on resource: \
                arn:aws:ec2:us-east-1:123456789012:vpc/* because no identity-based policy allows the ec2:CreateVpc action";
    assert!(message.contains(told), "{message}");
    assert!(refusal(create().tag_specifications(tags("other")).send().await).1.contains("ec2:CreateVpc"));
    assert!(refusal(create().tag_specifications(tags("shop")).send().await).1.contains("perform: ec2:CreateTags on resource"));
    sim.enforce([document(&[make.clone(), tag("CreateSubnet")])])?;
    assert!(refusal(create().tag_specifications(tags("shop")).send().await).1.contains("perform: ec2:CreateTags on resource"));
    sim.enforce([document(&[make, tag("CreateVpc")])])?;
    create().tag_specifications(tags("shop")).send().await?;
    let asked: Vec<_> = sim.trust().into_iter().map(|one| (one.action, one.allowed)).collect();
    assert_eq!(asked, [("ec2:CreateVpc".to_owned(), true), ("ec2:CreateTags".to_owned(), true)]);
    Ok(())
}

/// What exists is told by its tags; what does not exist is told so, whoever asks.
#[tokio::test(start_paused = true)]
async fn what_exists_goes_by_its_tags() -> Tested {
    let sim = Sim::new();
    let ec2 = aws_sdk_ec2::Client::new(&sim.sdk_config());
    let mut made = Vec::new();
    for owner in ["shop", "other"] {
        let answer = ec2.create_vpc().cidr_block("10.0.0.0/16").tag_specifications(tags(owner)).send().await?;
        made.push(answer.vpc().and_then(|vpc| vpc.vpc_id()).ok_or("an id")?.to_owned());
    }
    sim.enforce([document(&[allow("ec2:DeleteVpc", "*", json!({"StringEquals": {"aws:ResourceTag/owner": "shop"}}))])])?;
    assert_eq!(refusal(ec2.delete_vpc().vpc_id(&made[1]).send().await).0, "UnauthorizedOperation");
    ec2.delete_vpc().vpc_id(&made[0]).send().await?;
    assert_eq!(refusal(ec2.delete_vpc().vpc_id(&made[0]).send().await).0, "InvalidVpcID.NotFound");
    sim.trust();
    ec2.delete_vpc().vpc_id(&made[1]).send().await?;
    Ok(())
}

/// A statement that denies wins, and is told.
#[tokio::test(start_paused = true)]
async fn each_service_refuses_in_its_own_words() -> Tested {
    let sim = Sim::new();
    let config = sim.sdk_config();
    let deny = json!({"Effect": "Deny", "Action": "iam:GetRole", "Resource": "*"});
    sim.enforce([document(&[allow("iam:*", "*", json!({})), deny])])?;
    let (code, message) = refusal(aws_sdk_iam::Client::new(&config).get_role().role_name("x").send().await);
    assert_eq!(code, "AccessDenied");
    assert!(
        message.ends_with("iam:GetRole on resource: arn:aws:iam::123456789012:role/x with an explicit deny in an identity-based policy")
    );
    let (code, message) = refusal(aws_sdk_eks::Client::new(&config).describe_cluster().name("c").send().await);
    assert_eq!(code, "AccessDeniedException");
    assert!(
        message.contains("perform: eks:DescribeCluster on resource: arn:aws:eks:us-east-1:123456789012:cluster/c because"),
        "{message}"
    );
    let parameter = aws_sdk_ssm::Client::new(&config).get_parameter().name("/aws/service/x").send().await;
    let (code, message) = refusal(parameter);
    assert_eq!(code, "AccessDeniedException");
    assert!(message.contains("arn:aws:ssm:us-east-1::parameter/aws/service/x"), "{message}");
    assert_eq!(refusal(aws_sdk_cloudformation::Client::new(&config).describe_stacks().send().await).0, "AccessDenied");
    // "No permissions are required to perform this operation." (API reference, GetCallerIdentity.)
    aws_sdk_sts::Client::new(&config).get_caller_identity().send().await?;
    Ok(())
}

/// A role is given to a service by who may pass it, to that service.
#[tokio::test(start_paused = true)]
async fn roles_are_passed_by_permission() -> Tested {
    let sim = Sim::new();
    let iam = aws_sdk_iam::Client::new(&sim.sdk_config());
    let trust = r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    iam.create_role().role_name("node").assume_role_policy_document(trust).send().await?;
    iam.create_instance_profile().instance_profile_name("nodes").send().await?;
    let pass = |service: &str| {
        allow("iam:PassRole", "arn:aws:iam::123456789012:role/node", json!({"StringEquals": {"iam:PassedToService": service}}))
    };
    let add = allow("iam:AddRoleToInstanceProfile", "arn:aws:iam::123456789012:instance-profile/nodes", json!({}));
    let send = async || iam.add_role_to_instance_profile().instance_profile_name("nodes").role_name("node").send().await;
    sim.enforce([document(&[add.clone(), pass("eks.amazonaws.com")])])?;
    assert!(refusal(send().await).1.contains("perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/node"));
    sim.enforce([document(&[add, pass("ec2.amazonaws.com")])])?;
    send().await?;
    Ok(())
}

/// CloudFormation makes what a stack holds with the permissions of whoever asked, and says that it does.
#[tokio::test(start_paused = true)]
async fn a_stack_is_made_with_its_callers_permissions() -> Tested {
    let sim = Sim::new();
    let stacks = aws_sdk_cloudformation::Client::new(&sim.sdk_config());
    let body = json!({"Resources": {"Profile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": []}}}}).to_string();
    let via = json!({"ForAnyValue:StringEquals": {"aws:CalledVia": "cloudformation.amazonaws.com"}});
    let stack = allow("cloudformation:*", "arn:aws:cloudformation:us-east-1:123456789012:stack/*", json!({}));
    let ends = async |name: &str| -> Result<(String, String), Box<dyn std::error::Error>> {
        let capability = aws_sdk_cloudformation::types::Capability::CapabilityIam;
        stacks.create_stack().stack_name(name).template_body(&body).capabilities(capability).send().await?;
        tokio::time::sleep(std::time::Duration::from_secs(600)).await;
        let told = stacks.describe_stacks().stack_name(name).send().await?;
        let status = told.stacks().first().and_then(|stack| stack.stack_status()).ok_or("a status")?.as_str().to_owned();
        let events = stacks.describe_stack_events().stack_name(name).send().await?;
        let why = events.stack_events().iter().filter_map(|event| event.resource_status_reason()).collect::<Vec<_>>().join("\n");
        Ok((status, why))
    };
    sim.enforce([document(std::slice::from_ref(&stack))])?;
    let (status, why) = ends("poor").await?;
    assert_eq!(status, "ROLLBACK_COMPLETE");
    assert!(why.contains("is not authorized to perform: iam:CreateInstanceProfile on resource"), "{why}");
    sim.enforce([document(&[stack, allow("iam:*", "arn:aws:iam::123456789012:instance-profile/rich-*", via)])])?;
    assert_eq!(ends("rich").await?.0, "CREATE_COMPLETE");
    let direct = aws_sdk_iam::Client::new(&sim.sdk_config()).create_instance_profile().instance_profile_name("rich-1").send().await;
    assert_eq!(refusal(direct).0, "AccessDenied", "by way of CloudFormation alone");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn documents_are_those_of_managed_policies() {
    let sim = Sim::new();
    assert!(sim.enforce(["{}"]).is_err());
    assert!(sim.enforce([document(&[json!({"Effect": "Allow", "Action": "*"})])]).is_err(), "no resource");
    let long = document(&[allow("ec2:*", &"x".repeat(6_144), json!({}))]);
    assert!(sim.enforce([long]).is_err(), "6,144 characters at most");
    assert!(sim.enforce::<String>([]).is_ok(), "nothing is allowed");
    let vpcs = aws_sdk_ec2::Client::new(&sim.sdk_config()).describe_vpcs().send().await;
    assert_eq!(refusal(vpcs).0, "UnauthorizedOperation");
}
