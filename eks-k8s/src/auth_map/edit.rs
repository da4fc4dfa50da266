//! Editing the ConfigMap: adding our entries, and taking away those that we added.

use eks_core::{Error, KEY_TAG, OWNER_TAG, Owner, RoleArn};
use serde_json::{Value, json};

use super::{AuthMap, Entry, KEY, NAME, NAMESPACE};
use crate::RoleMapping;

/// What should become of the ConfigMap.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    Delete,
    Keep,
    Write(Value),
}

impl AuthMap {
    /// A ConfigMap that does not exist yet.
    pub(crate) fn absent(owner: &Owner) -> Result<Self, Error> {
        let body = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {OWNER_TAG: owner.as_str()}, "annotations": {KEY_TAG: KEY}},
            "data": {},
        });
        Self::read(body, owner)
    }

    /// Whether we created it.
    fn is_ours(&self) -> bool {
        self.body.pointer("/metadata/labels").and_then(|all| all.get(OWNER_TAG)).and_then(Value::as_str) == Some(self.owner.as_str())
    }

    /// With these roles, by group.
    ///
    /// # Errors
    /// [`Error::Refused`] if a role is mapped otherwise already.
    pub(crate) fn with(mut self, roles: &[(String, RoleArn)]) -> Result<Fate, Error> {
        let before = (self.roles.clone(), self.record.clone());
        for (group, role) in roles {
            let mapping = RoleMapping::node(role);
            let added = match self.roles.with(&mapping)? {
                Some(roles) => {
                    self.roles = roles;
                    true
                }
                None => self.record.get(&mapping.role).is_some_and(|entry| entry.added),
            };
            self.record.insert(mapping.role, Entry { group: group.clone(), added });
        }
        if before == (self.roles.clone(), self.record.clone()) { Ok(Fate::Keep) } else { self.written() }
    }

    /// Without entries that we added. A ConfigMap that we created and that holds nothing else goes too.
    ///
    /// # Errors
    /// [`Error::Refused`] if an entry cannot be cut out.
    pub(crate) fn without(mut self, mappings: &[RoleMapping]) -> Result<Fate, Error> {
        let before = (self.roles.clone(), self.record.clone());
        for mapping in mappings {
            let added = self.record.get(&mapping.role).is_some_and(|entry| entry.added);
            match if added { self.roles.without(mapping)? } else { None } {
                Some(roles) => self.roles = roles,
                // Someone has changed it. It stays on record, so that a teardown tells of it.
                None if added && self.roles.names(&mapping.role) => continue,
                None => {}
            }
            self.record.remove(&mapping.role);
        }
        let foreign_data = self.body["data"].as_object().is_some_and(|data| {
            data.iter().any(|(key, value)| key != "mapRoles" && value.as_str().is_some_and(|text| !text.trim().is_empty()))
        });
        let foreign_record = self.body["metadata"]["annotations"]
            .as_object()
            .is_some_and(|all| all.keys().any(|key| key.starts_with("eks-rs/aws-auth.") && *key != self.annotation));
        if self.is_ours() && self.roles.is_empty() && !foreign_data && !foreign_record && self.record.values().all(|entry| !entry.added) {
            return Ok(Fate::Delete);
        }
        if before == (self.roles.clone(), self.record.clone()) { Ok(Fate::Keep) } else { self.written() }
    }

    fn written(mut self) -> Result<Fate, Error> {
        let record = serde_json::to_string(&self.record)
            .map_err(|error| Error::Plan { subject: KEY.to_owned(), reason: format!("the record of roles has no JSON form: {error}") })?;
        if !self.body["data"].is_object() {
            self.body["data"] = json!({});
        }
        self.body["data"]["mapRoles"] = json!(self.roles.as_str());
        if !self.body["metadata"]["annotations"].is_object() {
            self.body["metadata"]["annotations"] = json!({});
        }
        if !self.record.is_empty() {
            self.body["metadata"]["annotations"][&self.annotation] = json!(record);
        } else if let Some(annotations) = self.body["metadata"]["annotations"].as_object_mut() {
            annotations.remove(&self.annotation);
        }
        Ok(Fate::Write(self.body))
    }
}
