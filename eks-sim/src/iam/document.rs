//! Policy documents: parsed and checked as IAM checks them (IAM user guide, "Grammar of the IAM JSON policy language").

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::error::ApiError;

/// What RFC 3986 leaves unescaped, as IAM does in the documents that it returns.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A document as IAM returns it: URL-encoded.
pub(super) fn encoded(document: &str) -> String {
    utf8_percent_encode(document, ESCAPED).to_string()
}

/// A role's trust policy.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TrustDocument {
    pub(super) text: String,
    statements: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq)]
struct Statement {
    allow: bool,
    /// Kind (`Service`, `AWS`, `Federated`) and name; `*` is an AWS principal.
    principals: Vec<(String, String)>,
    actions: Vec<String>,
    conditions: Vec<Condition>,
}

/// Operator, key and values.
type Condition = (String, String, Vec<String>);

fn malformed(message: impl Into<String>) -> ApiError {
    ApiError::new("MalformedPolicyDocument", message)
}

/// The statements of any policy document; the fields that both kinds share are checked.
pub(super) fn statements(text: &str) -> Result<Vec<Value>, ApiError> {
    let document: Value = serde_json::from_str(text).map_err(|_| malformed("This policy contains invalid Json"))?;
    let document = document.as_object().ok_or_else(|| malformed("Syntax errors in policy."))?;
    if document.keys().any(|key| !matches!(key.as_str(), "Version" | "Id" | "Statement")) {
        return Err(malformed("Syntax errors in policy."));
    }
    if document.get("Version").is_some_and(|version| version != "2012-10-17" && version != "2008-10-17") {
        return Err(malformed("The policy must contain a valid version string"));
    }
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) => statements.clone(),
        Some(statement @ Value::Object(_)) => vec![statement.clone()],
        _ => return Err(malformed("Syntax errors in policy.")),
    };
    for statement in &statements {
        let fields = statement.as_object().ok_or_else(|| malformed("Syntax errors in policy."))?;
        if !fields.get("Effect").is_some_and(|effect| effect == "Allow" || effect == "Deny") {
            return Err(malformed("Missing required field Effect"));
        }
        if !fields.contains_key("Action") && !fields.contains_key("NotAction") {
            return Err(malformed("Missing required field Action"));
        }
    }
    Ok(statements)
}

/// Checks a permissions policy (inline or managed).
pub(super) fn check_permissions(text: &str) -> Result<(), ApiError> {
    let mut any = false;
    for statement in statements(text)? {
        any = true;
        if statement.get("Principal").is_some() {
            return Err(malformed("Policy document should not specify a principal."));
        }
        if statement.get("Resource").is_none() && statement.get("NotResource").is_none() {
            return Err(malformed("Policy statement must contain resources."));
        }
    }
    if any { Ok(()) } else { Err(malformed("Syntax errors in policy.")) }
}

/// One string or a list of them.
pub(super) fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Conditions, flat: several keys, and several operators, must all be met (IAM user guide, "Condition operators").
pub(super) fn conditions(value: Option<&Value>) -> Vec<Condition> {
    let blocks = value.and_then(Value::as_object).into_iter().flatten();
    let keys = blocks.filter_map(|(operator, keys)| Some((operator, keys.as_object()?)));
    keys.flat_map(|(operator, keys)| keys.iter().map(|(key, values)| (operator.clone(), key.clone(), strings(Some(values))))).collect()
}

/// `*` stands for any text, `?` for one character.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| like(&pattern[1..], &text[at..])),
        Some('?') => text.chars().next().is_some_and(|first| like(&pattern[1..], &text[first.len_utf8()..])),
        Some(first) => text.strip_prefix(first).is_some_and(|rest| like(&pattern[first.len_utf8()..], rest)),
    }
}

impl TrustDocument {
    /// Parses and checks a trust policy. `known` tells whether an ARN of this account names a principal that exists.
    pub(super) fn parse(text: &str, known: impl Fn(&str) -> bool) -> Result<Self, ApiError> {
        let mut parsed = Vec::new();
        for statement in statements(text)? {
            if statement.get("Resource").is_some() || statement.get("NotResource").is_some() {
                return Err(malformed("Has prohibited field Resource"));
            }
            let principals = match statement.get("Principal") {
                Some(Value::String(text)) if text == "*" => vec![("AWS".to_owned(), "*".to_owned())],
                Some(Value::Object(kinds)) => {
                    kinds.iter().flat_map(|(kind, names)| strings(Some(names)).into_iter().map(move |name| (kind.clone(), name))).collect()
                }
                Some(_) => return Err(malformed("Invalid principal in policy.")),
                None => return Err(malformed("Missing required field Principal")),
            };
            if principals.is_empty() {
                return Err(malformed("Missing required field Principal cannot be empty!"));
            }
            if let Some((kind, name)) = principals.iter().find(|(kind, name)| !valid(kind, name, &known)) {
                return Err(malformed(format!("Invalid principal in policy: \"{}\":\"{name}\"", kind.to_uppercase())));
            }
            let actions = strings(statement.get("Action"));
            if actions.iter().any(|action| !action.to_lowercase().starts_with("sts:") && action != "*") {
                return Err(malformed("AssumeRole policy may only specify STS AssumeRole actions."));
            }
            let conditions = conditions(statement.get("Condition"));
            parsed.push(Statement { allow: statement["Effect"] == "Allow", principals, actions, conditions });
        }
        if parsed.is_empty() {
            return Err(malformed("Syntax errors in policy."));
        }
        Ok(Self { text: text.to_owned(), statements: parsed })
    }

    /// Conditions on a service's request (`aws:SourceArn`, `aws:SourceAccount`) count as met: they are ours to get right.
    pub(super) fn allows_service(&self, service: &str) -> bool {
        self.allows(|kind, name| kind == "Service" && name == service, |_, _| true)
    }

    /// Whether a principal that goes by any of these names, and gives this external id, can assume the role.
    pub(super) fn allows_aws(&self, names: &[String], external_id: Option<&str>) -> bool {
        let named = |kind: &str, name: &str| kind == "AWS" && (name == "*" || names.iter().any(|known| known == name));
        self.allows(named, |allow, condition| external_id_meets(condition, external_id).unwrap_or(!allow))
    }

    /// Whether a token of an identity provider can assume the role: the provider is named, and every condition is met by the
    /// token's claims (`sub`, `aud`), whose keys begin with the provider's URL (IAM user guide, "Available keys for AWS web
    /// identity federation"). A condition on anything else is not met.
    pub(super) fn allows_web_identity(&self, provider: &str, claims: &[(&str, &str)]) -> bool {
        let url = provider.split_once(":oidc-provider/").map_or("", |(_, url)| url);
        let met = |(operator, key, wanted): &Condition| {
            let claim = key.strip_prefix(url).and_then(|rest| rest.strip_prefix(':'));
            let value = claim.and_then(|claim| claims.iter().find(|(name, _)| *name == claim)).map(|(_, value)| *value);
            value.is_some_and(|value| match operator.as_str() {
                "StringEquals" => wanted.iter().any(|wanted| wanted == value),
                "StringLike" => wanted.iter().any(|wanted| like(wanted, value)),
                _ => false,
            })
        };
        let matching = |allow: bool| {
            self.statements.iter().any(|statement| {
                let action = |action: &String| matches!(action.to_lowercase().as_str(), "*" | "sts:*" | "sts:assumerolewithwebidentity");
                statement.allow == allow
                    && statement.actions.iter().any(action)
                    && statement.principals.iter().any(|(kind, name)| kind == "Federated" && name == provider)
                    && statement.conditions.iter().all(met)
            })
        };
        matching(true) && !matching(false)
    }

    /// `met` judges a condition of a statement that allows, or denies.
    fn allows(&self, named: impl Fn(&str, &str) -> bool, met: impl Fn(bool, &Condition) -> bool) -> bool {
        let assume = |action: &String| matches!(action.to_lowercase().as_str(), "*" | "sts:*" | "sts:assumerole" | "sts:assumerole*");
        let matching = |allow: bool| {
            self.statements.iter().any(|statement| {
                statement.allow == allow
                    && statement.actions.iter().any(assume)
                    && statement.principals.iter().any(|(kind, name)| named(kind, name))
                    && statement.conditions.iter().all(|condition| met(allow, condition))
            })
        };
        matching(true) && !matching(false)
    }
}

/// Whether a condition on `sts:ExternalId` is met; `None` if it is on another key, or by an operator that is not simulated: such a
/// statement allows nothing, and denies. Keys are not case-sensitive; a key that the request lacks does not match, which is what a
/// negated operator asks for (IAM user guide, "Condition operators").
fn external_id_meets((operator, key, wanted): &Condition, external_id: Option<&str>) -> Option<bool> {
    if !key.eq_ignore_ascii_case("sts:ExternalId") {
        return None;
    }
    let equal = external_id.is_some_and(|id| wanted.iter().any(|wanted| wanted == id));
    let alike = external_id.is_some_and(|id| wanted.iter().any(|wanted| like(wanted, id)));
    match operator.as_str() {
        "StringEquals" => Some(equal),
        "StringNotEquals" => Some(!equal),
        "StringLike" => Some(alike),
        "StringNotLike" => Some(!alike),
        _ => None,
    }
}

fn valid(kind: &str, name: &str, known: &impl Fn(&str) -> bool) -> bool {
    let account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    match kind {
        "Service" => name.split_once('.').is_some_and(|(_, domain)| {
            let domain = domain.strip_suffix(".cn").unwrap_or(domain);
            domain == "amazonaws.com" || domain.ends_with(".amazonaws.com")
        }),
        "AWS" if name == "*" || account(name) => true,
        "AWS" => {
            let parts: Vec<&str> = name.splitn(6, ':').collect();
            matches!(parts.as_slice(), ["arn", "aws", "iam" | "sts", "", id, _] if account(id)) && known(name)
        }
        "Federated" | "CanonicalUser" => !name.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(service: &str) -> String {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"{service}"}},"Action":["sts:AssumeRole","sts:TagSession"]}}]}}"#
        )
    }

    #[test]
    fn trusts_only_whom_it_names() -> Result<(), ApiError> {
        let document = TrustDocument::parse(&trust("eks.amazonaws.com"), |_| true)?;
        assert!(document.allows_service("eks.amazonaws.com"));
        assert!(!document.allows_service("ec2.amazonaws.com"));
        assert!(!document.allows_aws(&["arn:aws:iam::123456789012:root".to_owned()], None));
        Ok(())
    }

    #[test]
    fn web_identities_are_told_apart_by_their_claims() -> Result<(), ApiError> {
        let provider = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/AB";
        let url = "oidc.eks.us-east-1.amazonaws.com/id/AB";
        let text = |operator: &str, sub: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Federated":"{provider}"}},
                "Action":"sts:AssumeRoleWithWebIdentity","Condition":{{"StringEquals":{{"{url}:aud":"sts.amazonaws.com"}},
                "{operator}":{{"{url}:sub":"{sub}"}}}}}}]}}"#
            )
        };
        let allows = |text: &str, sub: &str, aud: &str| -> Result<bool, ApiError> {
            Ok(TrustDocument::parse(text, |_| true)?.allows_web_identity(provider, &[("sub", sub), ("aud", aud)]))
        };
        let exact = text("StringLike", "system:serviceaccount:shop:*");
        assert!(allows(&exact, "system:serviceaccount:shop:api", "sts.amazonaws.com")?);
        assert!(!allows(&exact, "system:serviceaccount:other:api", "sts.amazonaws.com")?);
        assert!(!allows(&exact, "system:serviceaccount:shop:api", "kubernetes.svc")?);
        // A wildcard is a character like others under StringEquals, and what is not known is not met.
        assert!(!allows(&text("ForAllValues:StringEquals", "x"), "x", "sts.amazonaws.com")?);
        assert!(!TrustDocument::parse(&exact, |_| true)?.allows_service("eks.amazonaws.com"));
        Ok(())
    }

    #[test]
    fn deny_wins() -> Result<(), ApiError> {
        let text = r#"{"Statement":[
            {"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"},
            {"Effect":"Deny","Principal":{"AWS":"123456789012"},"Action":"sts:*"}]}"#;
        let document = TrustDocument::parse(text, |_| true)?;
        assert!(!document.allows_aws(&["123456789012".to_owned()], None));
        assert!(document.allows_aws(&["210987654321".to_owned()], None));
        Ok(())
    }

    #[test]
    fn a_third_party_gives_the_id_that_was_agreed_on() -> Result<(), ApiError> {
        let allows = |effect: &str, condition: &str, id: Option<&str>| -> Result<bool, ApiError> {
            let text = format!(
                r#"{{"Statement":[{{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}},
                {{"Effect":"{effect}","Principal":"*","Action":"sts:AssumeRole","Condition":{{{condition}}}}}]}}"#
            );
            // A statement that allows stands alone.
            let text = if effect == "Allow" {
                text.replacen(r#"{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"},"#, "", 1)
            } else {
                text
            };
            Ok(TrustDocument::parse(&text, |_| true)?.allows_aws(&["123456789012".to_owned()], id))
        };
        let equals = r#""StringEquals":{"sts:externalid":["a1","b2"]}"#;
        assert!(allows("Allow", equals, Some("b2"))?);
        assert!(!allows("Allow", equals, Some("c3"))? && !allows("Allow", equals, None)?);
        let unequal = r#""StringNotEquals":{"sts:ExternalId":"a1"}"#;
        assert!(allows("Deny", unequal, Some("a1"))?);
        assert!(!allows("Deny", unequal, Some("b2"))? && !allows("Deny", unequal, None)?);
        let unknown = r#""IpAddress":{"aws:SourceIp":"10.0.0.0/8"}"#;
        assert!(!allows("Allow", unknown, None)? && !allows("Deny", unknown, None)?);
        Ok(())
    }

    #[test]
    fn refuses_what_iam_refuses() {
        for (text, message) in [
            ("{", "This policy contains invalid Json"),
            (r#"{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole"}]}"#, "Missing required field Principal"),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}}"#,
                "AssumeRole policy may only specify STS AssumeRole actions.",
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}}"#,
                "Has prohibited field Resource",
            ),
            (&trust("eks.example.com"), "Invalid principal in policy: \"SERVICE\":\"eks.example.com\""),
        ] {
            let error = TrustDocument::parse(text, |_| true).expect_err(text);
            assert_eq!((error.code.as_str(), error.message.as_str()), ("MalformedPolicyDocument", message));
        }
    }

    #[test]
    fn an_unknown_principal_of_this_account_is_refused() {
        let text =
            r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/none"},"Action":"sts:AssumeRole"}}"#;
        assert!(TrustDocument::parse(text, |_| false).is_err());
    }

    #[test]
    fn documents_return_url_encoded() {
        assert_eq!(encoded("{\"a\": \"b-c\"}"), "%7B%22a%22%3A%20%22b-c%22%7D");
    }
}
