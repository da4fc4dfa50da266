//! Editing the ConfigMap: adding our entries, and taking away those that we added.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{Error, KEY_TAG, OWNER_TAG, Owner, RoleArn};
use serde_json::{Value, json};

use super::{AuthMap, Entry, KEY, NAME, NAMESPACE, RECORDS};
use crate::aws_auth::{AuthEdit, AwsAuth, Guard, Mapping, Principal};

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

    /// The document as it is.
    pub(crate) fn document(&self) -> &AwsAuth {
        &self.document
    }

    /// Whether we created it.
    fn is_ours(&self) -> bool {
        self.body.pointer("/metadata/labels").and_then(|all| all.get(OWNER_TAG)).and_then(Value::as_str) == Some(self.owner.as_str())
    }

    /// With these roles, by group of workers.
    ///
    /// # Errors
    /// [`Error::Refused`] if a role is mapped otherwise already.
    pub(crate) fn with(mut self, roles: &[(String, RoleArn)]) -> Result<Fate, Error> {
        let before = (self.document.clone(), self.record.clone());
        for (group, role) in roles {
            let (mapping, role) = (Mapping::node(role), role.without_path());
            let was_there = self.document.names(&mapping.principal);
            let ours = self.record.get(&role).is_some_and(|entry| entry.added);
            if let Some(document) = self.document.with(&mapping)? {
                self.document = document;
            }
            let entry = self.record.entry(role).or_insert_with(|| Entry { groups: BTreeSet::new(), added: false });
            entry.groups.insert(group.clone());
            // An entry of others that got the groups that nodes need stays theirs.
            entry.added = ours || !was_there;
        }
        if before == (self.document.clone(), self.record.clone()) { Ok(Fate::Keep) } else { self.written() }
    }

    /// Without entries that we added, whichever groups need them. A ConfigMap that we created and that holds nothing else goes too.
    ///
    /// # Errors
    /// [`Error::Refused`] if an entry cannot be cut out.
    pub(crate) fn without(mut self, mappings: &[Mapping]) -> Result<Fate, Error> {
        let before = (self.document.clone(), self.record.clone());
        let ours: Vec<RoleArn> = self.record.keys().cloned().collect();
        for role in ours.into_iter().filter(|role| mappings.iter().any(|mapping| mapping.principal == Principal::from(role))) {
            self.drop_entry(&role)?;
        }
        self.ended(&before)
    }

    /// Without one group's need of a role. The entry goes with the last group that needs it, and if we added it.
    ///
    /// # Errors
    /// [`Error::Refused`] if the entry cannot be cut out.
    pub(crate) fn release(mut self, group: &str, role: &RoleArn) -> Result<Fate, Error> {
        let (before, role) = ((self.document.clone(), self.record.clone()), role.without_path());
        let Some(entry) = self.record.get_mut(&role).filter(|entry| entry.groups.contains(group)) else { return Ok(Fate::Keep) };
        if entry.groups.len() > 1 {
            entry.groups.remove(group);
        } else {
            self.drop_entry(&role)?;
        }
        self.ended(&before)
    }

    /// With a person's edits; what we have on record stays.
    ///
    /// # Errors
    /// As [`AwsAuth::edit`].
    pub(crate) fn edited(mut self, edits: &[AuthEdit], guard: &Guard) -> Result<Fate, Error> {
        match self.document.edit(edits, guard)? {
            Some(document) => {
                self.document = document;
                self.written()
            }
            None => Ok(Fate::Keep),
        }
    }

    /// With another document in place of this one.
    pub(crate) fn replaced(mut self, document: AwsAuth) -> Result<Fate, Error> {
        if self.document == document {
            return Ok(Fate::Keep);
        }
        self.document = document;
        self.written()
    }

    /// With a document in place of one that could not be read: written in any case.
    pub(crate) fn mended(mut self, document: AwsAuth) -> Result<Fate, Error> {
        self.document = document;
        self.written()
    }

    fn drop_entry(&mut self, role: &RoleArn) -> Result<(), Error> {
        let mapping = Mapping::node(role);
        let added = self.record.get(role).is_some_and(|entry| entry.added);
        if added && !self.hand_over(role)? {
            match self.document.without(&mapping)? {
                Some(document) => self.document = document,
                // Someone has changed it. It stays on record, so that a teardown tells of it.
                None if self.document.names(&mapping.principal) => return Ok(()),
                None => {}
            }
        }
        self.record.remove(role);
        Ok(())
    }

    /// Gives an entry of ours to another owner whose workers run under the same role: cut out, it would cut them off.
    fn hand_over(&mut self, role: &RoleArn) -> Result<bool, Error> {
        let (ours, Some(annotations)) = (self.annotation.clone(), self.body["metadata"]["annotations"].as_object_mut()) else {
            return Ok(false);
        };
        for (_, value) in annotations.iter_mut().filter(|(key, _)| key.starts_with(RECORDS) && **key != ours) {
            // A record that cannot be read is its owner's trouble: that owner's next run tells of it.
            let Some(Ok(mut record)) = value.as_str().map(serde_json::from_str::<BTreeMap<RoleArn, Entry>>) else { continue };
            let Some(entry) = record.get_mut(role) else { continue };
            entry.added = true;
            *value = json!(text_of(&record)?);
            return Ok(true);
        }
        Ok(false)
    }

    fn ended(self, before: &(AwsAuth, BTreeMap<RoleArn, Entry>)) -> Result<Fate, Error> {
        let foreign_data = self.body["data"].as_object().is_some_and(|data| {
            data.iter().any(|(key, value)| key != "mapRoles" && value.as_str().is_some_and(|text| !text.trim().is_empty()))
        });
        let foreign_record = self.body["metadata"]["annotations"]
            .as_object()
            .is_some_and(|all| all.keys().any(|key| key.starts_with(RECORDS) && *key != self.annotation));
        let left = foreign_data || foreign_record || !self.document.is_empty() || self.record.values().any(|entry| entry.added);
        if self.is_ours() && !left {
            return Ok(Fate::Delete);
        }
        if (&self.document, &self.record) == (&before.0, &before.1) { Ok(Fate::Keep) } else { self.written() }
    }

    fn written(mut self) -> Result<Fate, Error> {
        self.document.write_to(&mut self.body);
        if !self.body["metadata"]["annotations"].is_object() {
            self.body["metadata"]["annotations"] = json!({});
        }
        if !self.record.is_empty() {
            self.body["metadata"]["annotations"][&self.annotation] = json!(text_of(&self.record)?);
        } else if let Some(annotations) = self.body["metadata"]["annotations"].as_object_mut() {
            annotations.remove(&self.annotation);
        }
        Ok(Fate::Write(self.body))
    }
}

fn text_of(record: &BTreeMap<RoleArn, Entry>) -> Result<String, Error> {
    serde_json::to_string(record)
        .map_err(|error| Error::Plan { subject: KEY.to_owned(), reason: format!("the record of roles has no JSON form: {error}") })
}
