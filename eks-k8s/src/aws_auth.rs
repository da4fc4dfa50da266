//! The ConfigMap `aws-auth` as a document that others edit too.
//!
//! `mapRoles` is one string of YAML on which every node's and role's access hangs: one bad byte in it cuts all of them off.
//! So an entry is added and removed as text, every other byte stays, and the result is parsed and compared before it is
//! written. What cannot be parsed is refused, never overwritten. (EKS user guide, "Grant IAM users access to Kubernetes with
//! a ConfigMap"; aws-iam-authenticator, "CRD and ConfigMap".)

use std::collections::BTreeSet;

use eks_core::{Error, RoleArn};
use serde::{Deserialize, Serialize};
use serde_yaml_ng::Value;

/// Who a role becomes in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RoleMapping {
    /// The role, without path: the authenticator compares it so.
    pub role: RoleArn,
    /// User name, with the authenticator's placeholders.
    pub username: String,
    /// Groups.
    pub groups: Vec<String>,
}

impl RoleMapping {
    /// The mapping that Linux nodes join by.
    pub fn node(role: &RoleArn) -> Self {
        Self {
            role: role.without_path(),
            username: "system:node:{{EC2PrivateDNSName}}".to_owned(),
            groups: vec!["system:bootstrappers".to_owned(), "system:nodes".to_owned()],
        }
    }

    fn item(&self, indent: &str, newline: &str) -> String {
        let mut lines = vec![
            format!("{indent}- rolearn: {}", self.role),
            format!("{indent}  username: {}", self.username),
            format!("{indent}  groups:"),
        ];
        lines.extend(self.groups.iter().map(|group| format!("{indent}  - {group}")));
        lines.iter().flat_map(|line| [line.as_str(), newline]).collect()
    }

    fn value(&self) -> Result<Value, Error> {
        let list: Vec<Value> =
            serde_yaml_ng::from_str(&self.item("", "\n")).map_err(|error| refused(format!("the new entry is no YAML: {error}")))?;
        list.into_iter().next().ok_or_else(|| refused("the new entry is empty"))
    }
}

fn refused(rule: impl Into<String>) -> Error {
    Error::Refused {
        subject: "ConfigMap kube-system/aws-auth, mapRoles".to_owned(),
        rule: rule.into(),
        remedy: "correct it by hand (kubectl -n kube-system edit configmap aws-auth) and plan again; nothing was written".to_owned(),
    }
}

/// The text of `mapRoles`, parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct MapRoles {
    text: String,
    items: Vec<Value>,
}

impl MapRoles {
    /// Reads the text of `data.mapRoles`.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is no YAML list; the line is shown.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let value: Value = serde_yaml_ng::from_str(text).map_err(|error| {
            let at = error.location().map_or(0, |location| location.line());
            let line = text.lines().nth(at.saturating_sub(1)).unwrap_or_default();
            refused(format!("line {at} is no YAML ({error}): {line:?}"))
        })?;
        let items = match value {
            Value::Null => Vec::new(),
            Value::Sequence(items) => items,
            _ => return Err(refused(format!("it is not a list; it begins with {:?}", text.lines().next().unwrap_or_default()))),
        };
        Ok(Self { text: text.to_owned(), items })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether no entry is left.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether the role is mapped as `mapping` says, with its groups at least.
    pub fn has(&self, mapping: &RoleMapping) -> bool {
        self.effective(&mapping.role).is_some_and(|item| agrees(item, mapping))
    }

    /// Whether an entry says exactly what `mapping` does, and nothing more.
    pub fn has_exactly(&self, mapping: &RoleMapping) -> bool {
        self.items.iter().any(|item| equals(item, mapping))
    }

    /// Whether any entry names the role.
    pub fn names(&self, role: &RoleArn) -> bool {
        self.effective(role).is_some()
    }

    /// The last entry of a role: the authenticator keeps that one.
    fn effective(&self, role: &RoleArn) -> Option<&Value> {
        self.items.iter().rev().find(|item| is_of(item, role))
    }

    /// With an entry for `mapping` appended; `None` if one that does the same is there already.
    ///
    /// # Errors
    /// [`Error::Refused`] if the role is mapped otherwise, or if the text has a form to which nothing can be appended
    /// without touching what is there.
    pub fn with(&self, mapping: &RoleMapping) -> Result<Option<Self>, Error> {
        if let Some(item) = self.effective(&mapping.role) {
            if agrees(item, mapping) {
                return Ok(None);
            }
            let line = self.line_of(&mapping.role);
            return Err(refused(format!(
                "{} is mapped already, to another user or without the groups that nodes need ({line})",
                mapping.role
            )));
        }
        let newline = if self.text.contains("\r\n") { "\r\n" } else { "\n" };
        let mut text = self.text.clone();
        if self.items.is_empty() {
            // An empty list in flow form is the one thing that has to go: nothing can be appended to it.
            if text.trim() == "[]" {
                text = text.replacen("[]", "", 1).trim_end_matches(' ').to_owned();
            }
            if matches!(text.trim(), "null" | "~") {
                return Err(refused(format!("it is {:?}", text.trim())));
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push_str(newline);
        }
        let indent: String = self.indent().unwrap_or_default();
        text.push_str(&mapping.item(&indent, newline));
        let mut wanted = self.items.clone();
        wanted.push(mapping.value()?);
        Self::verified(text, wanted).map(Some)
    }

    /// Without the last entry that says exactly what `mapping` does, and nothing more; `None` if there is none. One with further
    /// groups is not what was added: someone has taken it over.
    ///
    /// # Errors
    /// [`Error::Refused`] if the text has a form from which an entry cannot be cut without touching the others.
    pub fn without(&self, mapping: &RoleMapping) -> Result<Option<Self>, Error> {
        let Some(ours) = self.items.iter().rposition(|item| equals(item, mapping)) else { return Ok(None) };
        let mut wanted = self.items.clone();
        wanted.remove(ours);
        let lines: Vec<&str> = self.text.split_inclusive('\n').collect();
        let indent = self.indent().ok_or_else(|| refused("its entries are not each on a line of its own"))?;
        let starts: Vec<usize> = (0..lines.len()).filter(|at| is_dash(lines[*at], &indent)).collect();
        if starts.len() != self.items.len() {
            return Err(refused(format!("it has {} entries on {} lines that begin one", self.items.len(), starts.len())));
        }
        let start = starts[ours];
        let next = starts.get(ours + 1).copied().unwrap_or(lines.len());
        // Comments and blank lines behind the entry belong to whatever follows.
        let content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let last = (start..next).rev().find(|line| content(lines[*line])).unwrap_or(start);
        let text = lines[..start].iter().chain(&lines[last + 1..]).copied().collect();
        Self::verified(text, wanted).map(Some)
    }

    /// The text, if it parses to exactly these items.
    fn verified(text: String, wanted: Vec<Value>) -> Result<Self, Error> {
        let result = Self::parse(&text)?;
        if result.items == wanted {
            Ok(result)
        } else {
            Err(refused("its form does not allow one entry to be changed without touching the others"))
        }
    }

    /// Blanks before the dash of the first entry.
    fn indent(&self) -> Option<String> {
        let line = self.text.lines().find(|line| line.trim_start_matches(' ').starts_with('-') && line.trim_end() != "---")?;
        Some(line.chars().take_while(|c| *c == ' ').collect())
    }

    fn line_of(&self, role: &RoleArn) -> String {
        let name = role.name().to_lowercase();
        let found = self.text.lines().enumerate().filter(|(_, line)| line.to_lowercase().contains(&name)).last();
        found.map_or_else(String::new, |(at, line)| format!("line {}: {:?}", at + 1, line.trim()))
    }
}

fn is_dash(line: &str, indent: &str) -> bool {
    line.strip_prefix(indent).is_some_and(|rest| rest == "-" || rest.starts_with("- ") || rest.trim_end() == "-")
        && line.trim_end() != "---"
}

/// A field of an entry; the authenticator reads keys in any case.
fn field<'a>(item: &'a Value, name: &str) -> Option<&'a Value> {
    item.as_mapping()?.iter().find(|(key, _)| key.as_str().is_some_and(|key| key.eq_ignore_ascii_case(name))).map(|(_, value)| value)
}

fn is_of(item: &Value, role: &RoleArn) -> bool {
    // Compared in lower case, as the authenticator does; not without path, as it does not match an ARN that has one.
    field(item, "rolearn").and_then(Value::as_str).is_some_and(|arn| arn.eq_ignore_ascii_case(role.without_path().as_str()))
}

/// Whether an entry gives the mapping's user name and groups, whatever other groups it gives.
fn agrees(item: &Value, mapping: &RoleMapping) -> bool {
    let groups = groups(item);
    field(item, "username").and_then(Value::as_str) == Some(mapping.username.as_str())
        && mapping.groups.iter().all(|group| groups.contains(&Some(group.as_str())))
}

/// Whether an entry says what the mapping does and nothing more, in whatever order.
fn equals(item: &Value, mapping: &RoleMapping) -> bool {
    is_of(item, &mapping.role)
        && agrees(item, mapping)
        && groups(item).len() == mapping.groups.len()
        && item.as_mapping().is_some_and(|fields| fields.len() == 3)
}

/// The groups of an entry; `None` for what is no text.
fn groups(item: &Value) -> BTreeSet<Option<&str>> {
    field(item, "groups").and_then(Value::as_sequence).into_iter().flatten().map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STOCK: &str = "- rolearn: arn:aws:iam::123456789012:role/old-NodeInstanceRole-1X\n  username: system:node:{{EC2PrivateDNSName}}\n  groups:\n    - system:bootstrappers\n    - system:nodes\n";

    fn node(name: &str) -> RoleMapping {
        RoleMapping::node(&RoleArn::new(format!("arn:aws:iam::123456789012:role/team/{name}")).unwrap())
    }

    fn map(text: &str) -> MapRoles {
        MapRoles::parse(text).unwrap()
    }

    #[test]
    fn an_entry_is_added_beside_the_old_one_and_taken_away_again() {
        let added = map(STOCK).with(&node("new")).unwrap().unwrap();
        let expected = format!(
            "{STOCK}- rolearn: arn:aws:iam::123456789012:role/new\n  username: system:node:{{{{EC2PrivateDNSName}}}}\n  groups:\n  - system:bootstrappers\n  - system:nodes\n"
        );
        assert_eq!(added.as_str(), expected);
        assert!(added.has(&node("new")) && added.has(&node("old-NodeInstanceRole-1X")));
        assert_eq!(added.with(&node("new")).unwrap(), None, "adding twice adds once");
        assert_eq!(added.without(&node("new")).unwrap().unwrap().as_str(), STOCK);
        assert_eq!(map(STOCK).without(&node("new")).unwrap(), None);
    }

    #[test]
    fn every_foreign_byte_stays() {
        for text in [
            "",
            "\n",
            "# nobody yet\n",
            "  - rolearn: arn:aws:iam::1:role/x # ops\n    groups: [a,   b]\n    username: 'x'\n\n# end\n",
            "- {rolearn: x, username: y}\n- not an entry\n-\n  rolearn: z",
            "- rolearn: x\r\n  username: y\r\n",
            "---\n- rolearn: x\n",
        ] {
            let added = map(text).with(&node("new")).unwrap().unwrap_or_else(|| panic!("{text:?}"));
            assert!(added.as_str().starts_with(text), "{text:?} → {:?}", added.as_str());
            let back = added.without(&node("new")).unwrap().unwrap();
            assert!(back.as_str() == text || back.as_str().strip_suffix('\n') == Some(text), "{text:?} → {:?}", back.as_str());
        }
        assert!(
            map("- rolearn: x\r\n").with(&node("new")).unwrap().unwrap().as_str().split_inclusive('\n').all(|line| line.ends_with("\r\n"))
        );
        assert!(map("[]").with(&node("new")).unwrap().unwrap().as_str().starts_with("- rolearn"));
    }

    #[test]
    fn broken_documents_are_refused() {
        for (text, shown) in [
            ("- rolearn: a\n\tusername: b\n", "username: b"),
            ("- rolearn: a\n - rolearn: b\n", "line 2"),
            ("rolearn: a\nusername: b\n", "not a list"),
            ("- rolearn: {{NODE_ROLE\n", "line"),
        ] {
            let error = MapRoles::parse(text).unwrap_err();
            assert!(matches!(error, Error::Refused { .. }) && error.to_string().contains(shown), "{text:?}: {error}");
        }
        for text in ["[{rolearn: a, username: b}]", "- rolearn: a\n...\n"] {
            assert!(map(text).with(&node("new")).is_err(), "{text:?}");
        }
        let other = "- rolearn: arn:aws:iam::123456789012:role/new\n  username: admin\n  groups: [system:masters]\n";
        let error = map(other).with(&node("new")).unwrap_err().to_string();
        assert!(error.contains("line 1: \"- rolearn: arn:aws:iam::123456789012:role/new\""), "{error}");
    }

    #[test]
    fn an_entry_of_someone_else_that_does_the_same_is_enough() {
        let text = "- RoleArn: arn:aws:iam::123456789012:role/NEW\n  username: system:node:{{EC2PrivateDNSName}}\n  groups: [system:nodes, system:bootstrappers, extra]\n";
        assert_eq!(map(text).with(&node("new")).unwrap(), None);
        let with_path = "- rolearn: arn:aws:iam::123456789012:role/team/new\n  username: x\n";
        assert!(map(with_path).with(&node("new")).unwrap().is_some(), "an ARN with a path matches no role");
        let twice = format!("{text}- rolearn: arn:aws:iam::123456789012:role/new\n  username: x\n");
        assert!(map(&twice).with(&node("new")).is_err(), "of two entries the last one holds");
    }

    #[test]
    fn only_what_equals_ours_is_cut_and_only_once() {
        let entry = "- rolearn: arn:aws:iam::123456789012:role/new\n  username: system:node:{{EC2PrivateDNSName}}\n  groups:\n  - system:bootstrappers\n  - system:nodes\n";
        for (more, what) in [("  - system:masters\n", "a further group"), ("  extra: x\n", "a further field")] {
            let wider = map(&format!("{entry}{more}"));
            assert!(wider.has(&node("new")) && !wider.has_exactly(&node("new")), "{what}");
            assert_eq!(wider.without(&node("new")).unwrap(), None, "{what}");
            let both = format!("{entry}{more}# end\n");
            assert_eq!(map(&format!("{entry}{both}")).without(&node("new")).unwrap().unwrap().as_str(), both, "{what}");
        }
        let twice = map(&format!("{entry}# one of us\n{entry}"));
        assert_eq!(twice.without(&node("new")).unwrap().unwrap().as_str(), format!("{entry}# one of us\n"));
    }

    proptest! {
        /// Any document is either refused or grows by exactly our entry, and shrinks back.
        #[test]
        fn any_document(text in "([ ]{0,2}(- |-)?(rolearn|username|groups|x)?(: )?[a-z\\[\\]{}#'\"|>]{0,6}\r?\n?){0,8}") {
            if let Ok(before) = MapRoles::parse(&text)
                && let Ok(Some(after)) = before.with(&node("new"))
            {
                prop_assert!(after.as_str().starts_with(&text) || text.trim() == "[]");
                prop_assert_eq!(&after.items[..before.items.len()], &before.items[..]);
                prop_assert_eq!(after.items.len(), before.items.len() + 1);
                prop_assert!(after.has(&node("new")));
                if let Ok(back) = after.without(&node("new")) {
                    prop_assert_eq!(back.expect("it was there").items, before.items);
                }
            }
        }

        #[test]
        fn several_roles(names in proptest::collection::btree_set("[a-z]{1,8}", 1..6)) {
            let mut document = map(STOCK);
            for name in &names {
                document = document.with(&node(name)).unwrap().expect("new");
            }
            for name in &names {
                prop_assert!(document.has(&node(name)));
                document = document.without(&node(name)).unwrap().expect("there");
            }
            prop_assert_eq!(document.as_str(), STOCK);
        }
    }
}
