//! Templates that are no stacks yet: what CloudFormation tells of them, and where it reads them from.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::{Client, error::ProvideErrorMetadata, types::Capability};
use eks_sim::Sim;

const NODES: &str = r#"
Description: nodes
Metadata: {"AWS::CloudFormation::Interface": {ParameterGroups: []}}
Parameters:
  Name: {Type: String}
  Size: {Type: Number, Default: 2, MinValue: 0}
  Mode: {Type: String, Default: "false", AllowedValues: ["false", "true"], Description: one of two}
  Secret: {Type: String, NoEcho: true}
  Subnets: {Type: 'List<AWS::EC2::Subnet::Id>'}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: 'sts:AssumeRole'}]
  Profile: {Type: 'AWS::IAM::InstanceProfile', Properties: {Roles: [!Ref Role]}}
"#;
const URL: &str = "https://s3.us-west-2.amazonaws.com/templates/nodes.yaml";

#[tokio::test]
async fn a_summary_tells_what_a_template_declares() {
    let sim = Sim::new();
    let client = Client::new(&sim.sdk_config());
    sim.serve_template(URL, NODES);
    let summary = client.get_template_summary().template_url(URL).send().await.expect("there");
    let parameters: BTreeMap<_, _> = summary.parameters().iter().map(|one| (one.parameter_key().expect("a key"), one)).collect();
    assert_eq!(parameters.keys().copied().collect::<Vec<_>>(), ["Mode", "Name", "Secret", "Size", "Subnets"]);
    let default = |name: &str| parameters[name].default_value();
    assert_eq!((default("Name"), default("Size"), default("Mode")), (None, Some("2"), Some("false")));
    let hidden: Vec<_> = parameters.iter().filter(|(_, one)| one.no_echo() == Some(true)).map(|(name, _)| *name).collect();
    assert_eq!(hidden, ["Secret"]);
    assert_eq!(parameters["Subnets"].parameter_type(), Some("List<AWS::EC2::Subnet::Id>"));
    let allowed = |name: &str| parameters[name].parameter_constraints().expect("always there").allowed_values().to_vec();
    assert_eq!(
        (allowed("Mode"), allowed("Size")),
        (vec!["false".to_owned(), "true".to_owned()], Vec::new()),
        "other constraints are not told"
    );
    assert_eq!(parameters["Mode"].description(), Some("one of two"));
    assert_eq!(summary.capabilities(), [Capability::CapabilityIam]);
    assert!(summary.capabilities_reason().is_some_and(|reason| reason.contains("AWS::IAM::Role")));
    assert_eq!(summary.resource_types(), ["AWS::IAM::InstanceProfile", "AWS::IAM::Role"]);
    assert!(summary.metadata().is_some_and(|text| text.contains("AWS::CloudFormation::Interface")));
    assert_eq!(summary.description(), Some("nodes"));

    // Names that a template chooses need another acknowledgement.
    sim.serve_template(URL, NODES.replace("Properties: {Roles", "Properties: {InstanceProfileName: mine, Roles"));
    let summary = client.get_template_summary().template_url(URL).send().await.expect("there");
    assert_eq!(summary.capabilities(), [Capability::CapabilityNamedIam]);
}

#[tokio::test]
async fn templates_are_read_from_s3_only() {
    let sim = Sim::new();
    let client = Client::new(&sim.sdk_config());
    let told = |url: &str, body: Option<&str>| {
        let asked = client.get_template_summary().template_url(url).set_template_body(body.map(str::to_owned)).send();
        async move { asked.await.map_err(|error| (error.code().unwrap_or_default().to_owned(), error.message().unwrap_or_default().to_owned())) }
    };
    let refusal = |result: Result<_, (String, String)>| result.map(drop).expect_err("refused");
    let (code, message) = refusal(told(URL, None).await);
    assert_eq!(code, "ValidationError");
    assert!(message.starts_with("S3 error: Access Denied"), "{message}");
    sim.serve_template("https://example.com/nodes.yaml", NODES);
    assert_eq!(refusal(told("https://example.com/nodes.yaml", None).await).1, "TemplateURL must be a supported URL.");
    sim.serve_template(URL, NODES);
    assert!(refusal(told(URL, Some(NODES)).await).1.starts_with("You must specify only one"));
    assert!(told(&format!("{URL}?versionId=1"), None).await.is_ok(), "a query is no part of the name");

    // A template by its address may be larger than one in the request: 1 MB.
    let large = format!("{NODES}# {}\n", "x".repeat(60_000));
    sim.serve_template(URL, &large);
    assert!(told(URL, None).await.is_ok());
    assert!(client.get_template_summary().template_body(&large).send().await.is_err());
    sim.serve_template(URL, format!("{NODES}# {}\n", "x".repeat(1_000_000)));
    assert!(refusal(told(URL, None).await).1.contains("1000000 bytes"));
}
