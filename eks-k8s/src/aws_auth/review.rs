//! What is wrong with a document, or soon will be.
//!
//! The authenticator tells of its troubles only in the control plane's log: a list that it cannot parse maps nobody, an entry that it
//! cannot read is dropped. (aws-iam-authenticator, `pkg/mapper/configmap`; EKS user guide, "Troubleshooting IAM".)

use std::{collections::BTreeMap, fmt};

use eks_core::Severity;
use serde_json::Value;
use serde_yaml_ng::Value as Yaml;

use super::{
    AwsAuth, Principal,
    document::{ACCOUNTS, ROLES, USERS},
    list::List,
    mapping::{ADMINISTRATORS, arn, field, groups},
};

/// Something in the document that does not do what its author meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthFinding {
    /// How much it matters.
    pub severity: Severity,
    /// `mapRoles`, `mapUsers`, `mapAccounts`, or another key of the data.
    pub section: String,
    /// The line within the section, from 1, where it can be told.
    pub line: Option<usize>,
    /// What is so.
    pub rule: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for AuthFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.section)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}; {}", self.rule, self.remedy)
    }
}

/// Everything that is wrong with a ConfigMap `aws-auth`, section by section.
///
/// ```
/// let map = serde_json::json!({"data": {"mapRoles": "- rolearn: arn:aws:iam::123456789012:instance-profile/node\n  username: x\n"}});
/// let found = eks_k8s::review_aws_auth(&map);
/// assert!(found[0].to_string().starts_with("mapRoles, line 1: \"arn:aws:iam::123456789012:instance-profile/node\" is an instance profile"));
/// ```
pub fn review(config_map: &Value) -> Vec<AuthFinding> {
    let mut review = Review { found: Vec::new() };
    review.keys(&config_map["data"]);
    let document = AwsAuth::unchecked(config_map);
    for section in [ROLES, USERS, ACCOUNTS] {
        review.section(&document, section);
    }
    review.found
}

struct Review {
    found: Vec<AuthFinding>,
}

impl Review {
    fn add(&mut self, severity: Severity, section: &str, line: Option<usize>, rule: impl Into<String>, remedy: impl Into<String>) {
        let (section, rule, remedy) = (section.to_owned(), rule.into(), remedy.into());
        self.found.push(AuthFinding { severity, section, line, rule, remedy });
    }

    fn warn(&mut self, section: &str, line: Option<usize>, rule: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Warning, section, line, rule, remedy);
    }

    fn keys(&mut self, data: &Value) {
        for (key, value) in data.as_object().into_iter().flatten() {
            let known = [ROLES, USERS, ACCOUNTS].into_iter().find(|known| known.eq_ignore_ascii_case(key));
            match known {
                Some(known) if known != key => {
                    self.warn(key, None, "the authenticator does not read this key", format!("write {known}"));
                }
                Some(_) if !value.is_string() => {
                    let rule = "it is a list, and must be one text that holds YAML";
                    self.warn(key, None, rule, format!("write a bar behind the key: `{key}: |`"));
                }
                Some(_) => {}
                None => self.add(Severity::Note, key, None, "nobody reads this key", "remove it, if it is a slip"),
            }
        }
    }

    fn section(&mut self, document: &AwsAuth, section: &'static str) {
        let text = document.text(section);
        if text.contains('\r') {
            self.add(
                Severity::Note,
                section,
                None,
                "lines end with a carriage return",
                "keep them so, or save the whole text with line feeds",
            );
        }
        let list = match document.list(section) {
            Ok(list) => list,
            Err(_) => return self.broken(document, section, text),
        };
        if section == ACCOUNTS {
            return self.accounts(&list);
        }
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for (index, item) in list.items().iter().enumerate() {
            self.entry(section, list.number_of(index), item);
            let Some(arn) = arn(item).and_then(Yaml::as_str) else { continue };
            if seen.insert(arn.to_lowercase(), index).is_some() {
                let rule = format!("{arn} has an entry above already, and only the last one counts");
                self.warn(section, list.number_of(index), rule, "merge their groups into one");
            }
        }
    }

    /// Why nothing of a section is in effect.
    fn broken(&mut self, document: &AwsAuth, section: &'static str, text: &str) {
        let nobody = "so nobody in it is mapped";
        let folded = text.trim_end().lines().count() == 1 && text.matches(": ").count() > 1;
        let tab = text.lines().position(|line| line.trim_start_matches(' ').starts_with('\t'));
        if folded {
            let rule = format!("all of it stands on one line, {nobody}: the bar behind the key was lost");
            self.warn(section, Some(1), rule, format!("write `{section}: |` and each field on its own line"));
        } else if let Some(tab) = tab {
            self.warn(section, Some(tab + 1), format!("a tab indents it, {nobody}"), "indent with blanks");
        } else if let Err(eks_core::Error::Refused { rule, .. }) = document.list(section) {
            let line = rule.strip_prefix("line ").and_then(|rest| rest.split(' ').next()).and_then(|number| number.parse().ok());
            self.warn(section, line, format!("{rule}, {nobody}"), "align the entries, and remove what is not theirs");
        }
    }

    fn accounts(&mut self, list: &List) {
        for (index, item) in list.items().iter().enumerate() {
            let digits = item.as_str().filter(|text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()));
            let quoted = |digits: &str| ["'", "\""].iter().any(|quote| list.as_str().contains(&format!("{quote}{digits}{quote}")));
            let fine = digits.is_some_and(|digits| !digits.starts_with('0') || quoted(digits));
            if !fine {
                let shown = serde_yaml_ng::to_string(item).unwrap_or_default();
                let rule = format!("{} is not 12 digits in quotes, and YAML reads leading zeros as octal", shown.trim());
                self.warn(ACCOUNTS, list.number_of(index), rule, "write the account's number in quotes");
            }
        }
    }

    fn entry(&mut self, section: &'static str, line: Option<usize>, item: &Yaml) {
        let key = if section == ROLES { "rolearn" } else { "userarn" };
        let Some(fields) = item.as_mapping() else {
            return self.warn(section, line, "it is no entry, and is dropped", format!("write {key}, username and groups"));
        };
        for name in fields.keys() {
            let known = name.as_str().is_some_and(|name| [key, "username", "groups"].iter().any(|known| known.eq_ignore_ascii_case(name)));
            if !known {
                let shown = name.as_str().unwrap_or("a key that is no text");
                self.add(
                    Severity::Note,
                    section,
                    line,
                    format!("{shown} means nothing here"),
                    format!("the fields are {key}, username, groups"),
                );
            }
        }
        let Some(arn) = field(item, key).and_then(Yaml::as_str) else {
            return self.warn(section, line, format!("it has no {key}, and is dropped"), format!("name the {}", &key[..4]));
        };
        self.arn(section, line, arn);
        let username = field(item, "username").and_then(Yaml::as_str);
        if username.is_none_or(str::is_empty) {
            self.warn(section, line, "it has no username", "give one; a placeholder such as {{SessionName}} needs quotes");
        }
        let given = field(item, "groups");
        if given.is_some_and(|given| !given.is_sequence()) || groups(item).contains(&None) {
            self.warn(
                section,
                line,
                "its groups are no list of texts, and the entry is dropped",
                "write each group on a line, behind a dash",
            );
        }
        self.node(section, line, item, username.unwrap_or_default());
    }

    fn arn(&mut self, section: &'static str, line: Option<usize>, arn: &str) {
        if arn.contains('<') || arn.contains("{{") {
            return self.warn(section, line, format!("{arn:?} is a placeholder that was left in"), "put the ARN in its place");
        }
        match Principal::parse(arn) {
            Err(error) => self.warn(section, line, format!("{:?} {}", error.arn, error.rule), error.remedy),
            Ok(principal) if principal.is_role() != (section == ROLES) => {
                let right = AwsAuth::section_of(&principal);
                self.warn(section, line, format!("{arn} does not belong here"), format!("move it to {right}"));
            }
            Ok(principal) if principal.as_str() != arn => {
                let rule = format!("{arn} is compared literally, and whoever comes in is seen as {principal}");
                self.warn(section, line, rule, format!("write {principal}"));
            }
            Ok(_) => {}
        }
    }

    /// What nodes need to join. (EKS user guide, "Grant IAM users access to Kubernetes with a ConfigMap".)
    fn node(&mut self, section: &'static str, line: Option<usize>, item: &Yaml, username: &str) {
        let groups = groups(item);
        let is = |group: &str| groups.contains(&Some(group));
        let (named, node) = (username.starts_with("system:node:"), is("system:nodes"));
        let remedy = "nodes have the user name system:node:{{EC2PrivateDNSName}} and the groups system:bootstrappers and system:nodes";
        if named && !(node && is("system:bootstrappers")) {
            self.warn(section, line, "nodes that come in by it lack a group, and stay NotReady", remedy);
        }
        if node && !named {
            self.warn(section, line, format!("it is for nodes, and no node is called {username:?}"), remedy);
        }
        if (node || named) && is(ADMINISTRATORS) {
            self.warn(section, line, format!("every node, and every Pod that reaches its credentials, is in {ADMINISTRATORS}"), remedy);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NODE: &str = "arn:aws:iam::123456789012:role/node";

    /// A corruption that people have suffered, and part of what is said of it.
    #[test]
    fn every_typical_corruption_is_told() {
        let node = format!(
            "- rolearn: {NODE}\n  username: system:node:{{{{EC2PrivateDNSName}}}}\n  groups:\n  - system:bootstrappers\n  - system:nodes\n"
        );
        assert_eq!(review(&json!({"data": {"mapRoles": node}})), []);
        for (data, told) in [
            (json!({"mapRoles": [{"rolearn": NODE}]}), "mapRoles: it is a list, and must be one text"),
            (
                json!({"mapRoles": format!("- rolearn: {NODE} username: x groups: - system:nodes")}),
                "mapRoles, line 1: all of it stands on one line",
            ),
            (json!({"mapRoles": format!("- rolearn: {NODE}\n\tusername: x\n")}), "mapRoles, line 2: a tab indents it"),
            (json!({"mapRoles": format!("{node} - rolearn: {NODE}\n")}), "is no YAML"),
            (json!({"mapRoles": format!("{node}>\n")}), "is no YAML"),
            (json!({"mapRoles": format!("{node}trailing text\n")}), "is no YAML"),
            (json!({"mapRoles": node.replace(":role/", ":instance-profile/")}), "is an instance profile"),
            (json!({"mapRoles": node.replace(NODE, "<ARN of instance role (not instance profile)>")}), "placeholder that was left in"),
            (json!({"mapRoles": node.replace(":role/", ":role/team/")}), "compared literally"),
            (
                json!({"mapRoles": node.replace(":iam:", ":sts:").replace(":role/node", ":assumed-role/node/i-1")}),
                "is seen as arn:aws:iam::123456789012:role/node",
            ),
            (
                json!({"mapRoles": format!("{node}{node}")}),
                "mapRoles, line 6: arn:aws:iam::123456789012:role/node has an entry above already",
            ),
            (json!({"mapRoles": node.replace('\n', "\r\n")}), "carriage return"),
            (json!({"mapRoles": node.replace("  - system:nodes\n", "")}), "lack a group, and stay NotReady"),
            (json!({"mapRoles": node.replace("system:node:{{EC2PrivateDNSName}}", "node")}), "no node is called \"node\""),
            (json!({"mapRoles": format!("{node}  - system:masters\n")}), "is in system:masters"),
            (json!({"mapRoles": node.replace("rolearn", "rolearns")}), "it has no rolearn, and is dropped"),
            (
                json!({"mapRoles": node.replace("groups:\n  - system:bootstrappers\n  - system:nodes", "groups: system:nodes")}),
                "no list of texts",
            ),
            (json!({"mapRoles": "- just text\n"}), "it is no entry"),
            (json!({"mapUsers": node}), "it has no userarn"),
            (json!({"mapUsers": node.replace("rolearn", "userarn")}), "move it to mapRoles"),
            (json!({"mapAccounts": "- 012345670123\n"}), "mapAccounts, line 1"),
            (json!({"maproles": node}), "write mapRoles"),
            (json!({"mapGroups": node}), "nobody reads this key"),
        ] {
            let found: Vec<String> = review(&json!({"data": data})).iter().map(ToString::to_string).collect();
            assert!(found.iter().any(|finding| finding.contains(told)), "{data}\n{told}\n{found:#?}");
        }
    }
}
