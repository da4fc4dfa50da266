//! IAM through the AWS SDK. Expected answers: IAM API reference, each action.

use std::time::Duration;

use aws_sdk_iam::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::Tag,
};
use eks_sim::Sim;

const TRUST: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const CLUSTER_POLICY: &str = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";

type Tested = Result<(), Box<dyn std::error::Error>>;

fn iam() -> (Sim, Client) {
    let sim = Sim::new();
    let client = Client::new(&sim.sdk_config());
    (sim, client)
}

#[track_caller]
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(result: Result<T, SdkError<E>>) -> String {
    let error = result.expect_err("the call should have been refused");
    error.code().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_role_lives_and_dies() -> Tested {
    let (sim, iam) = iam();
    let tag = Tag::builder().key("owner").value("a&b").build()?;
    let made = iam.create_role().role_name("eksServiceRole").assume_role_policy_document(TRUST).tags(tag).send().await?;
    let role = made.role().expect("a role");
    assert_eq!(role.arn(), "arn:aws:iam::123456789012:role/eksServiceRole");
    assert!(role.role_id().starts_with("AROA"));
    assert!(role.assume_role_policy_document().is_some_and(|text| text.starts_with("%7B%22Version%22%3A%222012-10-17%22")));

    iam.attach_role_policy().role_name("eksServiceRole").policy_arn(CLUSTER_POLICY).send().await?;
    iam.attach_role_policy().role_name("eksServiceRole").policy_arn(CLUSTER_POLICY).send().await?;
    let attached = iam.list_attached_role_policies().role_name("eksServiceRole").send().await?;
    let names: Vec<_> = attached.attached_policies().iter().filter_map(|policy| policy.policy_name()).collect();
    assert_eq!(names, ["AmazonEKSClusterPolicy"]);

    let got = iam.get_role().role_name("eksServiceRole").send().await?;
    let tags: Vec<_> = got.role().expect("a role").tags().iter().map(|tag| (tag.key(), tag.value())).collect();
    assert_eq!(tags, [("owner", "a&b")]);
    assert_eq!(sim.inventory().count("iam/role"), 1);

    assert_eq!(code(iam.delete_role().role_name("eksServiceRole").send().await), "DeleteConflict");
    iam.detach_role_policy().role_name("eksServiceRole").policy_arn(CLUSTER_POLICY).send().await?;
    assert_eq!(code(iam.detach_role_policy().role_name("eksServiceRole").policy_arn(CLUSTER_POLICY).send().await), "NoSuchEntity");
    iam.delete_role().role_name("eksServiceRole").send().await?;
    let gone = iam.get_role().role_name("eksServiceRole").send().await.expect_err("gone").into_service_error();
    assert!(gone.is_no_such_entity_exception());
    assert!(sim.inventory().items().is_empty());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn refusals_have_iams_codes() -> Tested {
    let (_sim, iam) = iam();
    let create = |name: &str, trust: &str| iam.create_role().role_name(name).assume_role_policy_document(trust).send();
    create("one", TRUST).await?;
    assert_eq!(code(create("ONE", TRUST).await), "EntityAlreadyExists");
    assert_eq!(code(create("two", "{}").await), "MalformedPolicyDocument");
    assert_eq!(code(create("two/three", TRUST).await), "ValidationError");
    assert_eq!(code(create(&"x".repeat(65), TRUST).await), "ValidationError");
    assert_eq!(code(create("long", &TRUST.replace("eks.", &format!("eks{}.", "x".repeat(2_048)))).await), "LimitExceeded");
    let unknown = iam.attach_role_policy().role_name("one").policy_arn("arn:aws:iam::aws:policy/AmazonEKSNothing").send().await;
    assert_eq!(code(unknown), "NoSuchEntity");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn inline_policies_come_back_as_written() -> Tested {
    let (_sim, iam) = iam();
    iam.create_role().role_name("node").assume_role_policy_document(TRUST).send().await?;
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:*","Resource":"*"}]}"#;
    iam.put_role_policy().role_name("node").policy_name("extra").policy_document(document).send().await?;
    let got = iam.get_role_policy().role_name("node").policy_name("extra").send().await?;
    assert!(got.policy_document().starts_with("%7B%22Version%22"));
    assert_eq!(iam.list_role_policies().role_name("node").send().await?.policy_names(), ["extra"]);
    assert_eq!(
        code(iam.put_role_policy().role_name("node").policy_name("bad").policy_document(TRUST).send().await),
        "MalformedPolicyDocument"
    );
    assert_eq!(code(iam.delete_role().role_name("node").send().await), "DeleteConflict");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_instance_profile_holds_one_role() -> Tested {
    let (sim, iam) = iam();
    iam.create_role().role_name("node").assume_role_policy_document(TRUST).send().await?;
    iam.create_role().role_name("other").assume_role_policy_document(TRUST).send().await?;
    iam.create_instance_profile().instance_profile_name("nodes").send().await?;
    iam.add_role_to_instance_profile().instance_profile_name("nodes").role_name("node").send().await?;
    assert_eq!(code(iam.add_role_to_instance_profile().instance_profile_name("nodes").role_name("other").send().await), "LimitExceeded");
    let profile = iam.get_instance_profile().instance_profile_name("nodes").send().await?;
    let roles: Vec<_> = profile.instance_profile().expect("a profile").roles().iter().map(|role| role.role_name()).collect();
    assert_eq!(roles, ["node"]);
    let of_role = iam.list_instance_profiles_for_role().role_name("node").send().await?;
    assert_eq!(of_role.instance_profiles().len(), 1);
    assert_eq!(code(iam.delete_role().role_name("node").send().await), "DeleteConflict");
    assert_eq!(code(iam.delete_instance_profile().instance_profile_name("nodes").send().await), "DeleteConflict");
    iam.remove_role_from_instance_profile().instance_profile_name("nodes").role_name("node").send().await?;
    iam.delete_instance_profile().instance_profile_name("nodes").send().await?;
    iam.delete_role().role_name("node").send().await?;
    assert_eq!(sim.inventory().count("iam/instance-profile"), 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages() -> Tested {
    let (_sim, iam) = iam();
    for number in 0..5 {
        let path = if number < 3 { "/team/" } else { "/" };
        iam.create_role().role_name(format!("role-{number}")).path(path).assume_role_policy_document(TRUST).send().await?;
    }
    let first = iam.list_roles().path_prefix("/team/").max_items(2).send().await?;
    assert!(first.is_truncated());
    let second = iam.list_roles().path_prefix("/team/").set_marker(first.marker().map(str::to_owned)).send().await?;
    assert!(!second.is_truncated());
    let names: Vec<_> = first.roles().iter().chain(second.roles()).map(|role| role.role_name()).collect();
    assert_eq!(names, ["role-0", "role-1", "role-2"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn own_policies_and_identity_providers() -> Tested {
    let (sim, iam) = iam();
    let document = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}"#;
    let policy = iam.create_policy().policy_name("reader").policy_document(document).send().await?;
    let arn = policy.policy().and_then(|policy| policy.arn()).expect("an ARN").to_owned();
    iam.create_role().role_name("app").assume_role_policy_document(TRUST).send().await?;
    iam.attach_role_policy().role_name("app").policy_arn(&arn).send().await?;
    assert_eq!(code(iam.delete_policy().policy_arn(&arn).send().await), "DeleteConflict");
    let count = iam.get_policy().policy_arn(&arn).send().await?.policy().and_then(|policy| policy.attachment_count());
    assert_eq!(count, Some(1));

    let issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF";
    let made = iam.create_open_id_connect_provider().url(issuer).client_id_list("sts.amazonaws.com").send().await?;
    let provider = made.open_id_connect_provider_arn().expect("an ARN");
    let got = iam.get_open_id_connect_provider().open_id_connect_provider_arn(provider).send().await?;
    assert_eq!(got.url(), issuer.strip_prefix("https://"));
    assert_eq!(code(iam.create_open_id_connect_provider().url(issuer).send().await), "EntityAlreadyExists");
    iam.delete_open_id_connect_provider().open_id_connect_provider_arn(provider).send().await?;
    assert_eq!(sim.inventory().count("iam/oidc-provider"), 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn policies_have_versions_and_bound_roles() -> Tested {
    let (_sim, iam) = iam();
    let document =
        |action: &str| format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{action}","Resource":"*"}}}}"#);
    let made = iam.create_policy().policy_name("edge").policy_document(document("s3:*")).send().await?;
    let arn = made.policy().and_then(|policy| policy.arn()).expect("an ARN").to_owned();
    let another = |action: &str, default: bool| {
        iam.create_policy_version().policy_arn(&arn).policy_document(document(action)).set_as_default(default).send()
    };
    let second = another("s3:GetObject", true).await?;
    assert_eq!(second.policy_version().and_then(|version| version.version_id()), Some("v2"));
    let told = iam.get_policy().policy_arn(&arn).send().await?;
    assert_eq!(told.policy().and_then(|policy| policy.default_version_id()), Some("v2"));
    for _ in 0..3 {
        another("s3:ListBucket", false).await?;
    }
    assert_eq!(code(another("s3:PutObject", false).await), "LimitExceeded", "five at most");
    let v2 = iam.get_policy_version().policy_arn(&arn).version_id("v2").send().await?;
    assert!(v2.policy_version().and_then(|version| version.document()).is_some_and(|text| text.contains("s3%3AGetObject")));
    assert_eq!(code(iam.delete_policy_version().policy_arn(&arn).version_id("v2").send().await), "DeleteConflict", "the default");
    assert_eq!(code(iam.get_policy_version().policy_arn(&arn).version_id("v9").send().await), "NoSuchEntity");

    iam.create_role().role_name("app").assume_role_policy_document(TRUST).permissions_boundary(&arn).send().await?;
    let role = iam.get_role().role_name("app").send().await?;
    let boundary = role.role().and_then(|role| role.permissions_boundary()).and_then(|boundary| boundary.permissions_boundary_arn());
    assert_eq!(boundary, Some(arn.as_str()));
    assert_eq!(code(iam.delete_policy().policy_arn(&arn).send().await), "DeleteConflict", "it bounds a role");
    iam.delete_role_permissions_boundary().role_name("app").send().await?;
    assert_eq!(code(iam.delete_role_permissions_boundary().role_name("app").send().await), "NoSuchEntity");
    assert_eq!(
        code(iam.put_role_permissions_boundary().role_name("app").permissions_boundary("arn:aws:iam::1:policy/x").send().await),
        "NoSuchEntity"
    );
    assert_eq!(code(iam.delete_policy().policy_arn(&arn).send().await), "DeleteConflict", "it has other versions");
    for version in ["v1", "v3", "v4", "v5"] {
        iam.delete_policy_version().policy_arn(&arn).version_id(version).send().await?;
    }
    iam.delete_policy().policy_arn(&arn).send().await?;
    assert_eq!(code(iam.delete_policy().policy_arn(CLUSTER_POLICY).send().await), "AccessDenied", "AWS's own");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn providers_have_audiences_and_tags() -> Tested {
    let (_sim, iam) = iam();
    let issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/AB";
    let made = iam.create_open_id_connect_provider().url(issuer).send().await?;
    let arn = made.open_id_connect_provider_arn().expect("an ARN");
    assert_eq!(arn, "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/AB");
    for _ in 0..2 {
        iam.add_client_id_to_open_id_connect_provider().open_id_connect_provider_arn(arn).client_id("sts.amazonaws.com").send().await?;
    }
    iam.tag_open_id_connect_provider().open_id_connect_provider_arn(arn).tags(Tag::builder().key("a").value("1").build()?).send().await?;
    let got = iam.get_open_id_connect_provider().open_id_connect_provider_arn(arn).send().await?;
    assert_eq!((got.client_id_list(), got.tags().len(), got.thumbprint_list().len()), (["sts.amazonaws.com".to_owned()].as_slice(), 1, 1));
    iam.remove_client_id_from_open_id_connect_provider().open_id_connect_provider_arn(arn).client_id("none").send().await?;
    iam.untag_open_id_connect_provider().open_id_connect_provider_arn(arn).tag_keys("a").send().await?;
    assert!(iam.list_open_id_connect_provider_tags().open_id_connect_provider_arn(arn).send().await?.tags().is_empty());
    assert_eq!(code(iam.get_open_id_connect_provider().open_id_connect_provider_arn("none").send().await), "InvalidInput");
    let other = arn.replace("/AB", "/CD");
    assert_eq!(code(iam.get_open_id_connect_provider().open_id_connect_provider_arn(other).send().await), "NoSuchEntity");
    let http = iam.create_open_id_connect_provider().url("http://example.com").send().await;
    assert_eq!(code(http), "ValidationError");
    let short = iam.create_open_id_connect_provider().url("https://example.com").thumbprint_list("abc").send().await;
    assert_eq!(code(short), "InvalidInput");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn roles_are_told_whole_and_in_pages() -> Tested {
    let (_sim, iam) = iam();
    for name in ["a", "b", "c"] {
        iam.create_role()
            .role_name(name)
            .assume_role_policy_document(TRUST)
            .tags(Tag::builder().key("k").value(name).build()?)
            .send()
            .await?;
    }
    iam.attach_role_policy().role_name("b").policy_arn(CLUSTER_POLICY).send().await?;
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:*","Resource":"*"}]}"#;
    iam.put_role_policy().role_name("b").policy_name("extra").policy_document(document).send().await?;
    let ask = || iam.get_account_authorization_details().filter(aws_sdk_iam::types::EntityType::Role);
    let first = ask().max_items(2).send().await?;
    assert!(first.is_truncated() && first.role_detail_list().len() == 2);
    let b = &first.role_detail_list()[1];
    assert_eq!((b.role_name(), b.tags()[0].value()), (Some("b"), "b"));
    assert_eq!(b.attached_managed_policies()[0].policy_arn(), Some(CLUSTER_POLICY));
    assert!(b.role_policy_list()[0].policy_document().is_some_and(|text| text.starts_with("%7B%22Version%22")));
    let second = ask().set_marker(first.marker().map(str::to_owned)).send().await?;
    assert_eq!((second.is_truncated(), second.role_detail_list().len(), second.policies().len()), (false, 1, 0));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn service_linked_roles_are_the_services_own() -> Tested {
    let (sim, iam) = iam();
    let made = iam.create_service_linked_role().aws_service_name("eks.amazonaws.com").send().await?;
    let name = made.role().expect("a role").role_name().to_owned();
    assert_eq!(name, "AWSServiceRoleForAmazonEKS");
    assert_eq!(code(iam.create_service_linked_role().aws_service_name("eks.amazonaws.com").send().await), "InvalidInput");
    assert_eq!(code(iam.delete_role().role_name(name).send().await), "UnmodifiableEntity");
    assert!(sim.inventory().items().is_empty());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn changes_take_seconds_to_reach_other_services() -> Tested {
    let (sim, iam) = iam();
    iam.create_role().role_name("slow").assume_role_policy_document(TRUST).send().await?;
    let took = sim.ledger().of("slow").first().expect("a propagation").took;
    assert!((Duration::from_secs(4)..=Duration::from_secs(14)).contains(&took), "{took:?}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn policies_are_simulated_for_users_and_roles() -> Tested {
    let (_, iam) = iam();
    let decisions = async |arn: &str, actions: &[&str]| -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        let answer = iam.simulate_principal_policy().policy_source_arn(arn).set_action_names(Some(actions)).send().await?;
        Ok(answer.evaluation_results().iter().map(|result| result.eval_decision().as_str().to_owned()).collect())
    };
    assert_eq!(decisions("arn:aws:iam::123456789012:user/admin", &["eks:CreateCluster"]).await?, ["allowed"]);

    iam.create_role().role_name("deployer").assume_role_policy_document(TRUST).send().await?;
    let arn = "arn:aws:iam::123456789012:role/deployer";
    assert_eq!(decisions(arn, &["eks:CreateCluster"]).await?, ["implicitDeny"]);
    iam.attach_role_policy().role_name("deployer").policy_arn("arn:aws:iam::aws:policy/PowerUserAccess").send().await?;
    let denies = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"eks:Delete*","Resource":"*"}}"#;
    iam.put_role_policy().role_name("deployer").policy_name("keep").policy_document(denies).send().await?;
    let asked = ["eks:CreateCluster", "eks:DeleteCluster", "iam:CreateRole", "iam:CreateServiceLinkedRole"];
    assert_eq!(decisions(arn, &asked).await?, ["allowed", "explicitDeny", "implicitDeny", "allowed"]);

    // A boundary takes away what it does not allow, and is told.
    let reads = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["eks:Describe*","eks:List*"],"Resource":"*"}}"#;
    let made = iam.create_policy().policy_name("reads").policy_document(reads).send().await?;
    let boundary = made.policy().and_then(|policy| policy.arn()).expect("an ARN");
    iam.put_role_permissions_boundary().role_name("deployer").permissions_boundary(boundary).send().await?;
    let answer = iam.simulate_principal_policy().policy_source_arn(arn).action_names("eks:CreateCluster").send().await?;
    let [result] = answer.evaluation_results() else { panic!("one result") };
    assert_eq!(result.eval_decision().as_str(), "implicitDeny");
    assert!(!result.permissions_boundary_decision_detail().expect("a boundary").allowed_by_permissions_boundary());

    let session = iam.simulate_principal_policy().policy_source_arn("arn:aws:sts::123456789012:assumed-role/deployer/me");
    assert_eq!(code(session.action_names("eks:CreateCluster").send().await), "InvalidInput");
    let none = iam.simulate_principal_policy().policy_source_arn("arn:aws:iam::123456789012:role/none");
    assert_eq!(code(none.action_names("eks:CreateCluster").send().await), "NoSuchEntity");
    Ok(())
}
