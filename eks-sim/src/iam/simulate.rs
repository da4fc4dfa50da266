//! SimulatePrincipalPolicy: what a user's or role's policies say of actions (API reference, SimulatePrincipalPolicy; IAM user guide,
//! "Policy evaluation logic").

use std::{collections::BTreeSet, fmt};

use serde_json::{Value, json};

use super::{
    condition,
    document::{conditions, like, statements, strings},
    no_such, page, policy, principal, required, role,
};
use crate::{call::Args, error::ApiError, world::World};

/// Documents of AWS's managed policies, as the AWS managed policy reference guide gives them. Those of the others are not in the
/// simulator, and count as if they allowed nothing.
const MANAGED: &[(&str, &str)] = &[
    ("AdministratorAccess", r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#),
    (
        "PowerUserAccess",
        r#"{"Statement":[{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},{"Effect":"Allow","Action":["account:GetAccountInformation","account:GetPrimaryEmail","account:ListRegions","iam:CreateServiceLinkedRole","iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeOrganization"],"Resource":"*"}]}"#,
    ),
];

/// A policy by the name under which matched statements tell it.
struct Document {
    name: String,
    kind: &'static str,
    statements: Vec<Value>,
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidInput", message)
}

fn managed(world: &World, arn: &str) -> Option<Document> {
    let text = match MANAGED.iter().find(|(name, _)| arn.ends_with(&format!(":aws:policy/{name}"))) {
        Some((_, text)) => (*text).to_owned(),
        None => {
            let policy = policy::find(world, arn).ok()?;
            policy.versions.get(&policy.default)?.document.clone()
        }
    };
    let name = arn.rsplit('/').next().unwrap_or(arn).to_owned();
    Some(Document { name, kind: "IAM Policy", statements: statements(&text).ok()? })
}

/// The identity's policies, and its boundary if it has one.
fn policies(world: &World, source: &str) -> Result<(Vec<Document>, Option<Document>), ApiError> {
    let resource = source.splitn(6, ':').nth(5).unwrap_or_default();
    let is_entity = source.split(':').nth(2) == Some("iam") && ["role/", "user/", "group/"].iter().any(|kind| resource.starts_with(kind));
    if !is_entity {
        return Err(invalid(format!("Invalid Entity Arn: {source} does not clearly define entity type and name.")));
    }
    if source == principal::admin_arn(world) {
        return Ok((managed(world, "arn:aws:iam::aws:policy/AdministratorAccess").into_iter().collect(), None));
    }
    let role = role::by_arn(world, source).ok_or_else(|| no_such(format!("The entity {source} cannot be found.")))?;
    let inline = role.inline.iter().filter_map(|(name, text)| {
        let statements = statements(text).ok()?;
        Some(Document { name: format!("role_{}_{name}", role.name), kind: "IAM Policy", statements })
    });
    let attached = role.attached.iter().filter_map(|arn| managed(world, arn));
    let nothing = |arn: &String| Document { name: arn.clone(), kind: "Permissions Boundary Policy", statements: Vec::new() };
    let boundary = role.boundary.as_ref().map(|arn| managed(world, arn).unwrap_or_else(|| nothing(arn)));
    Ok((attached.chain(inline).collect(), boundary))
}

/// What one evaluation asks.
struct Question<'a> {
    action: &'a str,
    resource: &'a str,
    /// Context keys with their values, keys in lower case.
    context: &'a [(String, Vec<String>)],
}

#[derive(Default)]
struct Verdict {
    allowed: Vec<(String, &'static str)>,
    denied: Vec<(String, &'static str)>,
    missing: BTreeSet<String>,
}

impl Question<'_> {
    fn ask(&self, documents: &[Document]) -> Verdict {
        let mut verdict = Verdict::default();
        for document in documents {
            for statement in &document.statements {
                if !self.is_about(statement) || !self.meets(statement, &mut verdict.missing) {
                    continue;
                }
                let matched = if statement["Effect"] == "Allow" { &mut verdict.allowed } else { &mut verdict.denied };
                matched.push((document.name.clone(), document.kind));
            }
        }
        verdict
    }

    /// Actions match in any case; resources do not. A pattern in the question stands for itself: `*` is every resource, which a
    /// statement about some resources does not allow.
    fn is_about(&self, statement: &Value) -> bool {
        let action = |field: &str| strings(statement.get(field)).iter().any(|one| like(&one.to_lowercase(), &self.action.to_lowercase()));
        let resource = |field: &str| strings(statement.get(field)).iter().any(|one| like(one, self.resource));
        let acts = if statement.get("NotAction").is_some() { !action("NotAction") } else { action("Action") };
        let concerns = if statement.get("NotResource").is_some() { !resource("NotResource") } else { resource("Resource") };
        acts && concerns
    }

    /// A condition whose key is not supplied is told, and met only by operators that say so.
    fn meets(&self, statement: &Value, missing: &mut BTreeSet<String>) -> bool {
        let mut met = true;
        for (operator, key, wanted) in conditions(statement.get("Condition")) {
            let supplied = self.context.iter().find(|(name, _)| *name == key.to_lowercase()).map(|(_, values)| values.as_slice());
            let holds = condition::is_met(&operator, &wanted, supplied);
            if supplied.is_none() && !holds {
                missing.insert(key);
            }
            met &= holds;
        }
        met
    }
}

/// What policies say of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// A statement allows it, and none denies it.
    Allowed,
    /// A statement denies it.
    ExplicitlyDenied,
    /// No statement is about it.
    ImplicitlyDenied,
}

/// The policies of a principal.
pub(crate) struct Identity(Vec<Document>);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.0.len()).finish()
    }
}

impl Identity {
    /// Managed policies, each within IAM's grammar and size.
    pub(crate) fn parse(documents: &[String]) -> Result<Self, ApiError> {
        let one = |(number, text): (usize, &String)| {
            policy::checked_document(text)?;
            Ok(Document { name: format!("policy-{}", number + 1), kind: "IAM Policy", statements: statements(text)? })
        };
        documents.iter().enumerate().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// What they say of an action on a resource; the context's keys in lower case.
    pub(crate) fn decide(&self, action: &str, resource: &str, context: &[(String, Vec<String>)]) -> Decision {
        let said = Question { action, resource, context }.ask(&self.0);
        match (said.denied.is_empty(), said.allowed.is_empty()) {
            (false, _) => Decision::ExplicitlyDenied,
            (true, false) => Decision::Allowed,
            (true, true) => Decision::ImplicitlyDenied,
        }
    }
}

fn matched(statements: &[(String, &str)]) -> Vec<Value> {
    statements.iter().map(|(name, kind)| json!({"SourcePolicyId": name, "SourcePolicyType": kind})).collect()
}

pub(super) fn principal(world: &World, args: &Args) -> Result<Value, ApiError> {
    let (documents, boundary) = policies(world, required(args, "PolicySourceArn")?)?;
    let actions = args.strings("ActionNames");
    if actions.is_empty() {
        return Err(ApiError::new(
            "ValidationError",
            "1 validation error detected: Value null at 'actionNames' failed to satisfy constraint: Member must not be null",
        ));
    }
    if let Some(action) =
        actions.iter().find(|action| action.split_once(':').is_none_or(|(service, name)| service.is_empty() || name.is_empty()))
    {
        return Err(invalid(format!("Invalid action {action}: Action should be of the form service:action")));
    }
    let mut resources = args.strings("ResourceArns");
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    let entries = args.nested("ContextEntries");
    let context: Vec<_> = entries
        .iter()
        .map(|entry| (entry.str("ContextKeyName").unwrap_or_default().to_lowercase(), entry.strings("ContextKeyValues")))
        .collect();
    let mut results = Vec::new();
    for action in &actions {
        for resource in &resources {
            let question = Question { action, resource, context: &context };
            let said = question.ask(&documents);
            let bound = boundary.as_ref().map(|boundary| question.ask(std::slice::from_ref(boundary)));
            let within = bound.as_ref().is_none_or(|bound| !bound.allowed.is_empty());
            let denied: Vec<_> = said.denied.iter().chain(bound.iter().flat_map(|bound| &bound.denied)).cloned().collect();
            let (decision, statements) = match (denied.is_empty(), said.allowed.is_empty()) {
                (false, _) => ("explicitDeny", denied),
                (true, false) if within => ("allowed", said.allowed),
                _ => ("implicitDeny", Vec::new()),
            };
            let missing: BTreeSet<_> = said.missing.into_iter().chain(bound.into_iter().flat_map(|bound| bound.missing)).collect();
            results.push(json!({
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": decision,
                "MatchedStatements": matched(&statements),
                "MissingContextValues": missing,
                "PermissionsBoundaryDecisionDetail": boundary.as_ref().map(|_| json!({"AllowedByPermissionsBoundary": within})),
            }));
        }
    }
    page("EvaluationResults", results, args)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(document: &str, action: &str, resource: &str) -> (bool, bool, Vec<String>) {
        let documents = [Document { name: "x".to_owned(), kind: "IAM Policy", statements: statements(document).expect("a policy") }];
        let context = [("aws:requestedregion".to_owned(), vec!["eu-west-1".to_owned()])];
        let said = Question { action, resource, context: &context }.ask(&documents);
        (!said.allowed.is_empty(), !said.denied.is_empty(), said.missing.into_iter().collect())
    }

    #[test]
    fn actions_and_resources_by_pattern() {
        let eks = r#"{"Statement":{"Effect":"Allow","Action":["EKS:Describe*","eks:List?lusters"],"Resource":"*"}}"#;
        assert!(decide(eks, "eks:DescribeCluster", "*").0);
        assert!(decide(eks, "eks:ListClusters", "*").0);
        assert!(!decide(eks, "eks:CreateCluster", "*").0);
        let others = r#"{"Statement":{"Effect":"Allow","NotAction":"iam:*","NotResource":"arn:aws:eks:us-east-1:1:cluster/prod"}}"#;
        assert!(decide(others, "eks:DeleteCluster", "arn:aws:eks:us-east-1:1:cluster/test").0);
        assert!(!decide(others, "eks:DeleteCluster", "arn:aws:eks:us-east-1:1:cluster/prod").0);
        assert!(!decide(others, "iam:GetRole", "*").0);
        let some = r#"{"Statement":{"Effect":"Allow","Action":"iam:CreateRole","Resource":"arn:aws:iam::1:role/shop-*"}}"#;
        assert!(decide(some, "iam:CreateRole", "arn:aws:iam::1:role/shop-cluster").0);
        assert!(!decide(some, "iam:CreateRole", "*").0, "some resources are not all");
    }

    #[test]
    fn conditions_need_their_keys() {
        let region = |operator: &str, value: &str| {
            format!(
                r#"{{"Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"{operator}":{{"aws:RequestedRegion":"{value}"}}}}}}}}"#
            )
        };
        assert!(decide(&region("StringEquals", "eu-west-1"), "eks:CreateCluster", "*").0);
        assert!(decide(&region("StringLike", "eu-*"), "eks:CreateCluster", "*").0);
        assert!(!decide(&region("StringEquals", "us-east-1"), "eks:CreateCluster", "*").0);
        let tagged =
            r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"x"}}}}"#;
        assert_eq!(decide(tagged, "eks:CreateCluster", "*"), (false, false, vec!["aws:RequestTag/team".to_owned()]));
    }
}
