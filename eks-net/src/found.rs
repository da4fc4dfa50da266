//! What carries tags, and so tells whose it is.

use std::collections::{BTreeSet, HashMap};

use eks_core::{Error, Facts, KEY_TAG, OWNER_TAG, Owner, StepKey};

use crate::tags::Tags;

/// Something that was observed.
pub(crate) trait Found {
    /// The layer whose steps make it.
    const LAYER: &'static str;

    fn id(&self) -> &str;
    fn tags(&self) -> &Tags;

    /// The key of the step that made it, if this owner's did.
    fn key(&self, owner: &Owner) -> Option<StepKey> {
        let owned = self.tags().get(OWNER_TAG).is_some_and(|name| name == owner.as_str());
        let key = self.tags().get(KEY_TAG).and_then(|key| key.parse::<StepKey>().ok());
        key.filter(|key| owned && key.layer() == Self::LAYER)
    }

    /// Whether this step of the owner's made it.
    fn is_made_by(&self, owner: &Owner, key: &StepKey) -> bool {
        let is = |tag: &str, value: &str| self.tags().get(tag).is_some_and(|found| found == value);
        is(KEY_TAG, key.as_str()) && is(OWNER_TAG, owner.as_str())
    }
}

macro_rules! found {
    ($layer:ident: $($name:ident)*) => {$(
        impl $crate::found::Found for $name {
            const LAYER: &'static str = $layer;

            fn id(&self) -> &str {
                self.id.as_ref()
            }

            fn tags(&self) -> &$crate::tags::Tags {
                &self.tags
            }
        }
    )*};
}
pub(crate) use found;

/// Those of the owner, with their keys.
pub(crate) fn ours<'a, T: Found>(owner: &Owner, all: &'a [T]) -> Vec<(StepKey, &'a T)> {
    all.iter().filter_map(|found| Some((found.key(owner)?, found))).collect()
}

/// The one that the step `key` made.
///
/// # Errors
/// [`Error::Refused`] if there are two.
pub(crate) fn made_by<'a, T: Found + 'a>(
    owner: &Owner,
    all: impl IntoIterator<Item = &'a T>,
    key: &StepKey,
) -> Result<Option<&'a T>, Error> {
    the_one(all.into_iter().filter(|found| found.is_made_by(owner, key)), key)
}

fn the_one<'a, T: Found + 'a>(mut made: impl Iterator<Item = &'a T>, key: &StepKey) -> Result<Option<&'a T>, Error> {
    match (made.next(), made.next()) {
        (Some(one), Some(other)) => Err(Error::Refused {
            subject: key.to_string(),
            rule: format!("{} and {} both carry this key", one.id(), other.id()),
            remedy: format!("delete the one that is not in use, or remove its tag {KEY_TAG}"),
        }),
        (found, _) => Ok(found),
    }
}

/// Things of an owner by the keys of the steps that made them: for those who look up many.
pub(crate) struct ByKey<'a, T>(HashMap<&'a str, Vec<&'a T>>);

impl<'a, T: Found> ByKey<'a, T> {
    pub(crate) fn new(owner: &Owner, all: &'a [T]) -> Self {
        let mut by_key: HashMap<&str, Vec<&T>> = HashMap::with_capacity(all.len());
        let of_owner = all.iter().filter(|found| found.tags().get(OWNER_TAG).is_some_and(|name| name == owner.as_str()));
        for (key, found) in of_owner.filter_map(|found| Some((found.tags().get(KEY_TAG)?, found))) {
            by_key.entry(key).or_default().push(found);
        }
        Self(by_key)
    }

    /// The one that the step `key` made.
    ///
    /// # Errors
    /// [`Error::Refused`] if there are two.
    pub(crate) fn get(&self, key: &StepKey) -> Result<Option<&'a T>, Error> {
        the_one(self.0.get(key.as_str()).into_iter().flatten().copied(), key)
    }
}

/// Notes the owner's things as facts: id, tags, and what `fields` tells.
pub(crate) fn note<T: Found>(owner: &Owner, facts: &mut Facts, all: &[T], fields: impl Fn(&T, &mut dyn FnMut(&str, String))) {
    let mut seen: BTreeSet<StepKey> = BTreeSet::new();
    for (key, found) in ours(owner, all) {
        // A plan refuses two of one key; that there are two is a fact all the same.
        let twice = !seen.insert(key.clone());
        facts.note(&key, if twice { "another id" } else { "id" }, found.id());
        if twice {
            continue;
        }
        for (name, value) in found.tags().iter().filter(|(name, _)| !name.starts_with("aws:")) {
            facts.note(&key, format!("tag {name}"), value);
        }
        fields(found, &mut |field, value| facts.note(&key, field, value));
    }
}
