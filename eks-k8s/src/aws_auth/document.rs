//! The three lists of the document, and who is in them.

use std::collections::BTreeMap;

use eks_core::Error;
use serde_json::Value;

use super::{
    Mapping, Principal,
    list::List,
    mapping::{ADMINISTRATORS, field, groups},
    refused,
};

pub(super) const ROLES: &str = "mapRoles";
pub(super) const USERS: &str = "mapUsers";
pub(super) const ACCOUNTS: &str = "mapAccounts";

/// The data of the ConfigMap `aws-auth`, read.
///
/// The authenticator parses each list apart, so one that is broken does not hide the others here either: it is an error only for what
/// concerns it.
///
/// ```
/// use eks_k8s::{AuthEdit, AwsAuth, Guard, Mapping, Principal};
///
/// let text = "- rolearn: arn:aws:iam::123456789012:role/ops # on call\n  username: ops\n  groups: [system:masters]\n";
/// let document = AwsAuth::read(&serde_json::json!({"data": {"mapRoles": text}}))?;
/// let jane = Mapping::new(Principal::parse("arn:aws:iam::123456789012:user/jane")?, "jane").group("viewers");
/// let edited = document.edit(&[AuthEdit::Map(jane)], &Guard::default())?.expect("it changes something");
/// assert_eq!(edited.roles(), text, "not a byte");
/// assert_eq!(edited.users(), "- userarn: arn:aws:iam::123456789012:user/jane\n  username: jane\n  groups:\n  - viewers\n");
///
/// // Nobody saws off the branch that the others sit on.
/// let ops = Principal::parse("arn:aws:iam::123456789012:role/ops")?;
/// let error = edited.edit(&[AuthEdit::Unmap(ops)], &Guard::default()).unwrap_err();
/// assert!(error.to_string().contains("last administrator"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsAuth {
    texts: BTreeMap<&'static str, String>,
}

impl AwsAuth {
    /// Reads the ConfigMap: its `data`. What is broken is told by what needs it, and by [`crate::review_aws_auth`].
    ///
    /// # Errors
    /// [`Error::Refused`] if `mapRoles` is no list of entries; the line is shown.
    pub fn read(config_map: &Value) -> Result<Self, Error> {
        let document = Self::unchecked(config_map);
        document.list(ROLES)?;
        Ok(document)
    }

    /// Whether every list can be read.
    #[cfg(any(test, feature = "client"))]
    pub(crate) fn is_whole(&self) -> bool {
        [ROLES, USERS, ACCOUNTS].into_iter().all(|section| self.list(section).is_ok())
    }

    pub(crate) fn unchecked(config_map: &Value) -> Self {
        let text = |section: &str| config_map["data"][section].as_str().unwrap_or_default().to_owned();
        Self { texts: [ROLES, USERS, ACCOUNTS].into_iter().map(|section| (section, text(section))).collect() }
    }

    /// The text of `mapRoles`.
    pub fn roles(&self) -> &str {
        &self.texts[ROLES]
    }

    /// The text of `mapUsers`.
    pub fn users(&self) -> &str {
        &self.texts[USERS]
    }

    /// The text of `mapAccounts`.
    pub fn accounts(&self) -> &str {
        &self.texts[ACCOUNTS]
    }

    /// Whether nobody is mapped.
    pub fn is_empty(&self) -> bool {
        [ROLES, USERS, ACCOUNTS].into_iter().all(|section| self.list(section).is_ok_and(|list| list.is_empty()))
    }

    pub(super) fn text(&self, section: &'static str) -> &str {
        &self.texts[section]
    }

    pub(super) fn list(&self, section: &'static str) -> Result<List, Error> {
        List::parse(section, &self.texts[section])
    }

    pub(super) fn section_of(principal: &Principal) -> &'static str {
        if principal.is_role() { ROLES } else { USERS }
    }

    pub(super) fn put(&mut self, section: &'static str, list: &List) {
        self.texts.insert(section, list.as_str().to_owned());
    }

    /// Writes the lists that differ into the `data` of a ConfigMap.
    #[cfg(any(test, feature = "client"))]
    pub(crate) fn write_to(&self, config_map: &mut Value) {
        let before = Self::unchecked(config_map);
        if !config_map["data"].is_object() {
            config_map["data"] = serde_json::json!({});
        }
        for (section, text) in &self.texts {
            if before.texts[section] != *text {
                config_map["data"][section] = text.as_str().into();
            }
        }
    }

    /// Every mapping that is in effect, as the authenticator sees it: ARNs are compared literally, in lower case, so a form that never
    /// comes in (a role with a path, an assumed role) maps nobody; of several entries for one ARN the last holds, and `mapRoles` is asked
    /// before `mapUsers`. Lists that are broken are left out.
    pub fn mappings(&self) -> Vec<Mapping> {
        let mut all: BTreeMap<String, Mapping> = BTreeMap::new();
        for (section, key) in [(USERS, "userarn"), (ROLES, "rolearn")] {
            let Ok(list) = self.list(section) else { continue };
            for item in list.items() {
                let Some(arn) = field(item, key).and_then(serde_yaml_ng::Value::as_str) else { continue };
                if let Some(mapping) = Mapping::of(item, arn).filter(|mapping| mapping.principal.is(arn)) {
                    all.insert(arn.to_ascii_lowercase(), mapping);
                }
            }
        }
        all.into_values().collect()
    }

    /// The same as plain data, with the accounts: eks-cluster makes access entries of it.
    pub fn access(&self) -> eks_core::ConfigMapAccess {
        let mapping = |mapping: Mapping| eks_core::ConfigMapMapping {
            principal: mapping.principal.to_string(),
            username: mapping.username,
            groups: mapping.groups,
        };
        let accounts = self.list(ACCOUNTS).map(|list| list.items().iter().filter_map(|item| item.as_str().map(str::to_owned)).collect());
        eks_core::ConfigMapAccess { mappings: self.mappings().into_iter().map(mapping).collect(), accounts: accounts.unwrap_or_default() }
    }

    /// Who may do everything: members of `system:masters`.
    pub fn administrators(&self) -> Vec<Principal> {
        let administrators = self.mappings().into_iter().filter(|mapping| mapping.groups.iter().any(|group| group == ADMINISTRATORS));
        administrators.map(|mapping| mapping.principal).collect()
    }

    /// Whether the mapping is in effect, with its groups at least.
    pub fn has(&self, mapping: &Mapping) -> bool {
        self.entry(mapping, |item| mapping.agrees(item))
    }

    /// Whether any entry names the role or user.
    pub fn names(&self, principal: &Principal) -> bool {
        self.entry(&Mapping::new(principal.clone(), ""), |_| true)
    }

    /// Whether an entry says exactly this, and nothing more.
    pub(crate) fn has_exactly(&self, mapping: &Mapping) -> bool {
        self.list(Self::section_of(&mapping.principal)).is_ok_and(|list| list.items().iter().any(|item| mapping.equals(item)))
    }

    fn entry(&self, mapping: &Mapping, holds: impl Fn(&serde_yaml_ng::Value) -> bool) -> bool {
        let Ok(list) = self.list(Self::section_of(&mapping.principal)) else { return false };
        list.last(|item| mapping.is_of(item)).is_some_and(|at| holds(&list.items()[at]))
    }

    /// With the mapping in effect; `None` if it is.
    ///
    /// # Errors
    /// [`Error::Refused`] if the role or user is mapped to another user name, or if the text has a form that cannot be edited.
    pub(crate) fn with(&self, mapping: &Mapping) -> Result<Option<Self>, Error> {
        let section = Self::section_of(&mapping.principal);
        let list = self.list(section)?;
        let edited = match list.last(|item| mapping.is_of(item)) {
            None => list.append(&mapping.lines())?,
            Some(at) if mapping.agrees(&list.items()[at]) => return Ok(None),
            Some(at) if mapping.is_user(&list.items()[at]) && !groups(&list.items()[at]).is_empty() => {
                list.extend_groups(at, &mapping.lacking(&list.items()[at]))?
            }
            Some(at) => {
                let rule = format!("{} is mapped already, to another user or to no group ({})", mapping.principal, list.line_of(at));
                return Err(refused(section, rule));
            }
        };
        let mut document = self.clone();
        document.put(section, &edited);
        Ok(Some(document))
    }

    /// Without the last entry that says exactly this and nothing more; `None` if there is none. One with further groups is not what was
    /// added: someone has taken it over.
    ///
    /// # Errors
    /// [`Error::Refused`] if the text has a form from which an entry cannot be cut.
    #[cfg(any(test, feature = "client"))]
    pub(crate) fn without(&self, mapping: &Mapping) -> Result<Option<Self>, Error> {
        let section = Self::section_of(&mapping.principal);
        let list = self.list(section)?;
        let Some(at) = list.last(|item| mapping.equals(item)) else { return Ok(None) };
        let mut document = self.clone();
        document.put(section, &list.cut(at)?);
        Ok(Some(document))
    }
}

#[cfg(test)]
mod tests;
