//! The text of a kubeconfig.

use std::{collections::BTreeSet, fmt};

use serde_yaml_ng::{Mapping, Value};

use super::{
    KubeconfigEntry,
    error::KubeconfigError,
    list::{self, Section},
    scalar::scalar,
};

pub(super) const CLUSTERS: &str = "clusters";
pub(super) const CONTEXTS: &str = "contexts";
pub(super) const USERS: &str = "users";
const CURRENT: &str = "current-context";
/// A new file, in the order of kubectl and the AWS CLI.
const NEW: &str = "apiVersion: v1\nclusters: []\ncontexts: []\ncurrent-context: \"\"\nkind: Config\npreferences: {}\nusers: []\n";

/// A kubeconfig: its text, which edits change as little as possible.
///
/// It may hold the secrets of others, so `Debug` does not show it.
#[derive(Clone, PartialEq)]
pub struct Kubeconfig {
    text: String,
    value: Value,
}

impl fmt::Debug for Kubeconfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubeconfig").field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}

impl Kubeconfig {
    /// Reads a text; an empty one is a kubeconfig without entries.
    ///
    /// # Errors
    /// [`KubeconfigError::Broken`] with the line, [`KubeconfigError::NoKubeconfig`].
    pub fn parse(text: impl Into<String>) -> Result<Self, KubeconfigError> {
        let text = text.into();
        let value: Value = serde_yaml_ng::from_str(&text).map_err(|error| KubeconfigError::broken(&text, error))?;
        let document = Self { text, value };
        document.check()?;
        Ok(document)
    }

    fn check(&self) -> Result<(), KubeconfigError> {
        let wrong = |rule: String| Err(KubeconfigError::NoKubeconfig { rule });
        let fields = match &self.value {
            Value::Null => return Ok(()),
            Value::Mapping(fields) => fields,
            _ => return wrong("it is no mapping".to_owned()),
        };
        match fields.get("kind") {
            None | Some(Value::Null) => {}
            Some(kind) if kind.as_str() == Some("Config") => {}
            Some(_) => return wrong("its kind is not Config".to_owned()),
        }
        for section in [CLUSTERS, CONTEXTS, USERS] {
            match fields.get(section) {
                None | Some(Value::Null) => {}
                Some(Value::Sequence(items)) if items.iter().all(Value::is_mapping) => {}
                Some(_) => return wrong(format!("{section} is not a list of entries")),
            }
        }
        Ok(())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The current context, if one is set.
    pub fn current_context(&self) -> Option<&str> {
        self.value.get(CURRENT).and_then(Value::as_str).filter(|name| !name.is_empty())
    }

    /// Whether there is a cluster of this name.
    pub fn has_cluster(&self, name: &str) -> bool {
        self.position(CLUSTERS, name).is_some()
    }

    /// With the entry in it: its cluster, and a user who runs a program for tokens of this cluster, replace those of the same names,
    /// as `aws eks update-kubeconfig` does; a context that leads to them already stays as it is, with its namespace. Users with keys
    /// or for other clusters, and contexts of other clusters, are not replaced, which `aws eks update-kubeconfig` would do.
    ///
    /// # Errors
    /// [`KubeconfigError::Foreign`] if the user or the context of this name is another cluster's; [`KubeconfigError::Form`] if an
    /// entry cannot be put in without touching the others.
    pub fn with(&self, entry: &KubeconfigEntry) -> Result<Self, KubeconfigError> {
        let merged = self.with_entries(entry)?;
        if entry.is_current() { merged.pointing_to(entry.context()) } else { Ok(merged) }
    }

    /// Without the entry: its context, and its cluster and user if no other context uses them. A context of the same name that leads
    /// elsewhere stays, as does a user who runs no program for tokens of this cluster. If the context was the current one, none is.
    ///
    /// # Errors
    /// [`KubeconfigError::Form`] if an entry cannot be cut without touching the others.
    pub fn without(&self, entry: &KubeconfigEntry) -> Result<Self, KubeconfigError> {
        self.without_unless(entry, &BTreeSet::new())
    }

    /// Whether the names of the entry's user and context are free, or its own.
    pub(super) fn is_free_for(&self, entry: &KubeconfigEntry) -> Result<(), KubeconfigError> {
        let foreign = |what, of: &str| Err(KubeconfigError::Foreign { what, name: of.to_owned() });
        if self.named(USERS, entry.user()).any(|user| !runs_for(user, entry)) {
            return foreign("user", entry.user());
        }
        let leads_here = |context: &Value| uses(context).any(|using| using == (CLUSTERS, entry.cluster()));
        if !self.named(CONTEXTS, entry.context()).all(leads_here) {
            return foreign("context", entry.context());
        }
        Ok(())
    }

    pub(super) fn with_entries(&self, entry: &KubeconfigEntry) -> Result<Self, KubeconfigError> {
        self.is_free_for(entry)?;
        let document = if self.value.is_null() { self.started()? } else { self.clone() };
        document.put(CLUSTERS, entry.cluster(), &entry.cluster_lines())?.put(CONTEXTS, entry.context(), &entry.context_lines())?.put(
            USERS,
            entry.user(),
            &entry.user_lines(),
        )
    }

    /// With this context as the current one.
    pub(super) fn pointing_to(&self, context: &str) -> Result<Self, KubeconfigError> {
        if self.value.get(CURRENT).and_then(Value::as_str) == Some(context) {
            return Ok(self.clone());
        }
        let mut wanted = self.fields();
        wanted.insert(CURRENT.into(), context.into());
        verified(list::set(&self.text, CURRENT, &scalar(context)), Value::Mapping(wanted))
    }

    /// As [`Kubeconfig::without`]; `used` are clusters and users (list and name) that contexts of other files use.
    pub(super) fn without_unless(&self, entry: &KubeconfigEntry, used: &BTreeSet<(&'static str, String)>) -> Result<Self, KubeconfigError> {
        let mut document = self.clone();
        let leads = |context: &Value| {
            name(context) == Some(entry.context())
                && uses(context).all(|(list, of)| of == if list == CLUSTERS { entry.cluster() } else { entry.user() })
        };
        if document.items(CONTEXTS).iter().any(leads) {
            document = document.cut(CONTEXTS, entry.context())?;
            if document.current_context() == Some(entry.context()) {
                document = document.pointing_to("")?;
            }
        }
        for (list, of) in [(CLUSTERS, entry.cluster()), (USERS, entry.user())] {
            let here = document.items(CONTEXTS).iter().any(|context| uses(context).any(|using| using == (list, of)));
            let ours = list == CLUSTERS || document.named(list, of).all(|user| runs_for(user, entry));
            if ours && !here && !used.contains(&(list, of.to_owned())) {
                document = document.cut(list, of)?;
            }
        }
        Ok(document)
    }

    /// Clusters and users that contexts use.
    pub(super) fn used(&self) -> BTreeSet<(&'static str, String)> {
        self.items(CONTEXTS).iter().flat_map(uses).map(|(list, of)| (list, of.to_owned())).collect()
    }

    /// A file without content, begun; comments stay.
    fn started(&self) -> Result<Self, KubeconfigError> {
        let mut text = self.text.clone();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(NEW);
        Self::parse(text)
    }

    fn put(&self, list: &'static str, of: &str, lines: &[String]) -> Result<Self, KubeconfigError> {
        let parsed: Vec<Value> = serde_yaml_ng::from_str(&lines.join("\n")).map_err(KubeconfigError::form)?;
        let item = parsed.into_iter().next().unwrap_or_default();
        let mut items = self.items(list).to_vec();
        let (section, count) = (Section::find(list, &self.text), items.len());
        let text = match self.position(list, of) {
            Some(at) if items[at] == item || (list == CONTEXTS && uses(&items[at]).eq(uses(&item))) => return Ok(self.clone()),
            Some(at) => {
                items[at] = item;
                section.replace(at, count, lines)?
            }
            None => {
                items.push(item);
                section.append(count, lines)?
            }
        };
        verified(text, self.value_with(list, items))
    }

    fn cut(&self, list: &'static str, of: &str) -> Result<Self, KubeconfigError> {
        let mut items = self.items(list).to_vec();
        let Some(at) = self.position(list, of) else { return Ok(self.clone()) };
        let text = Section::find(list, &self.text).cut(at, items.len())?;
        items.remove(at);
        verified(text, self.value_with(list, items))
    }

    fn items(&self, list: &str) -> &[Value] {
        self.value.get(list).and_then(Value::as_sequence).map_or(&[], Vec::as_slice)
    }

    fn named(&self, list: &str, of: &str) -> impl Iterator<Item = &Value> {
        self.items(list).iter().filter(move |item| name(item) == Some(of))
    }

    fn position(&self, list: &str, of: &str) -> Option<usize> {
        self.items(list).iter().position(|item| name(item) == Some(of))
    }

    fn fields(&self) -> Mapping {
        self.value.as_mapping().cloned().unwrap_or_default()
    }

    fn value_with(&self, list: &str, items: Vec<Value>) -> Value {
        let mut fields = self.fields();
        fields.insert(list.into(), Value::Sequence(items));
        Value::Mapping(fields)
    }
}

/// The text, if it means exactly this.
fn verified(text: String, wanted: Value) -> Result<Kubeconfig, KubeconfigError> {
    match Kubeconfig::parse(text) {
        Ok(document) if document.value == wanted => Ok(document),
        _ => Err(KubeconfigError::form("its form does not allow one entry to be changed without touching the others")),
    }
}

fn name(item: &Value) -> Option<&str> {
    item.get("name")?.as_str()
}

/// The cluster and the user of a context.
fn uses(context: &Value) -> impl Iterator<Item = (&'static str, &str)> {
    [(CLUSTERS, "cluster"), (USERS, "user")]
        .into_iter()
        .filter_map(|(list, field)| Some((list, context.get("context")?.get(field)?.as_str()?)))
}

/// Whether a user runs a program for tokens of the entry's cluster: its arguments tell the cluster's name and, if they tell a Region,
/// the cluster's.
fn runs_for(user: &Value, entry: &KubeconfigEntry) -> bool {
    let arguments = user.get("user").and_then(|user| user.get("exec")?.get("args")?.as_sequence());
    let arguments: Vec<&str> = arguments.into_iter().flatten().filter_map(Value::as_str).collect();
    let tells =
        |argument: &&str| *argument == entry.cluster_name() || argument.split_once('=').is_some_and(|(_, is)| is == entry.cluster_name());
    let elsewhere = arguments.windows(2).any(|pair| pair[0] == "--region" && pair[1] != entry.region());
    arguments.iter().any(tells) && !elsewhere
}

#[cfg(test)]
mod tests;
