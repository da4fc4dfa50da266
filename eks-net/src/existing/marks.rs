//! What we remember on things that we did not make, as there is no state file: which tags are ours.
//!
//! An adopted thing carries `eks-rs/adopted`, one that is only used `eks-rs/used-by/<owner>`. The value lists the keys of the
//! other tags that we added, so that a teardown takes off those and no others. A tag that several owners need is listed by each
//! of them, and goes with the last.

use std::collections::BTreeSet;

use eks_core::{KEY_TAG, OWNER_TAG, Owner, StepKey};

use crate::{
    egress::KINDS_TAG,
    tags::{self, Tags},
};

/// Tag of what carries our owner and key, and which we did not make.
pub(crate) const ADOPTED_TAG: &str = "eks-rs/adopted";
/// Longest value of a tag. (Amazon EC2 User Guide, "Tag restrictions".)
const LONGEST: usize = 256;

/// What the tags begin with by which owners remember what they put on things that they only use.
pub(crate) const USED_BY: &str = "eks-rs/used-by/";

/// Tag of what an owner only uses and has put tags on.
pub(crate) fn used_by(owner: &Owner) -> String {
    format!("{USED_BY}{owner}")
}

pub(crate) fn is_adopted(tags: &Tags) -> bool {
    tags.contains_key(ADOPTED_TAG)
}

/// The keys that a mark lists. Keys of Kubernetes and of owners have no spaces.
pub(crate) fn listed(mark: Option<&String>) -> BTreeSet<String> {
    mark.into_iter().flat_map(|text| text.split(' ')).filter(|key| !key.is_empty()).map(str::to_owned).collect()
}

/// The keys that marks list other than these.
fn listed_but_by(mine: &[&str], found: &Tags) -> BTreeSet<String> {
    let marks = found.iter().filter(|(key, _)| key.starts_with(USED_BY) || *key == ADOPTED_TAG);
    marks.filter(|(key, _)| !mine.contains(&key.as_str())).flat_map(|(_, text)| listed(Some(text))).collect()
}

/// A mark's value; `None` if there is not room for all keys.
fn list(keys: &BTreeSet<String>) -> Option<String> {
    let text = keys.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    (text.len() <= LONGEST && keys.iter().all(|key| !key.contains(' '))).then_some(text)
}

/// What a foreign thing gets: tags that it lacks, and the mark that remembers them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    /// To be put on.
    pub(crate) tags: Tags,
    /// How to say so.
    pub(crate) changes: Vec<String>,
    /// Keys that it has with another value, which stays.
    pub(crate) kept: Vec<String>,
    /// Whether the mark has no room for all keys.
    pub(crate) overflows: bool,
}

/// Adds `wanted` to what carries `found`, remembered under `mark`. What others gave a value stays; what we gave one ourselves is
/// set right. What another owner added, and we need as well, is remembered as ours, too.
pub(crate) fn add(mark: &str, wanted: &Tags, found: &Tags) -> Added {
    let mut ours = listed(found.get(mark));
    let shared = listed_but_by(&[mark], found);
    let mut joins = false;
    let mut put = Tags::new();
    let mut kept = Vec::new();
    for (key, value) in wanted {
        match found.get(key) {
            Some(other) if other == value => joins |= shared.contains(key) && ours.insert(key.clone()),
            Some(other) if !ours.contains(key) => kept.push(format!("tag {key} is {other:?}, not {value:?}")),
            _ => {
                put.insert(key.clone(), value.clone());
                ours.insert(key.clone());
            }
        }
    }
    if (joins || !put.is_empty()) && found.get(mark).is_none_or(|text| listed(Some(text)) != ours) {
        match list(&ours) {
            Some(text) => drop(put.insert(mark.to_owned(), text)),
            None => return Added { kept, overflows: true, ..Added::default() },
        }
    }
    let (tags, changes) = tags::drift(&put, found);
    Added { tags, changes, kept, overflows: false }
}

/// Adds our owner and key, and `wanted`, to something that we did not make.
pub(crate) fn adopt(owner: &Owner, key: &StepKey, wanted: &Tags, found: &Tags) -> Added {
    let mut added = add(ADOPTED_TAG, wanted, found);
    if added.overflows {
        return added;
    }
    let mut claim = Tags::from([(OWNER_TAG.to_owned(), owner.to_string()), (KEY_TAG.to_owned(), key.to_string())]);
    if !is_adopted(found) && !added.tags.contains_key(ADOPTED_TAG) {
        claim.insert(ADOPTED_TAG.to_owned(), String::new());
    }
    let (tags, changes) = tags::drift(&claim, found);
    added.tags.extend(tags);
    added.changes = changes.into_iter().chain(added.changes).collect();
    added
}

/// What a `NetworkSpec` changes about the tags of something that was adopted: its name, and what others gave a value, stay.
pub(crate) fn drift_of_adopted(wanted: &Tags, found: &Tags) -> (Tags, Vec<String>) {
    let rest = wanted.iter().filter(|(key, _)| !matches!(key.as_str(), "Name" | OWNER_TAG | KEY_TAG)).map(clone);
    // It tells what else may exist, so it must never be missing; being ours by its name, it needs no mark.
    let (kinds, rest): (Tags, Tags) = rest.partition(|(key, _)| key == KINDS_TAG);
    let mut added = add(ADOPTED_TAG, &rest, found);
    let (tags, changes) = tags::drift(&kinds, found);
    added.tags.extend(tags);
    added.changes.extend(changes);
    (added.tags, added.changes)
}

/// The tags that are ours on something that we did not make, with the values they have. One to which somebody has since given
/// a value that we never give is theirs; one that another owner needs, too, stays.
pub(crate) fn ours(owner: &Owner, found: &Tags) -> Tags {
    let used = used_by(owner);
    let adopted = found.get(OWNER_TAG).is_some_and(|name| name == owner.as_str()) && is_adopted(found);
    let mut keys = listed(found.get(&used));
    if adopted {
        keys.extend(listed(found.get(ADOPTED_TAG)));
    }
    let mine = [used.as_str(), ADOPTED_TAG];
    let needed = listed_but_by(if adopted { &mine } else { &mine[..1] }, found);
    keys.retain(|key| !needed.contains(key));
    keys.insert(used);
    if adopted {
        keys.extend([OWNER_TAG, KEY_TAG, ADOPTED_TAG, KINDS_TAG].map(str::to_owned));
    }
    found.iter().filter(|(key, value)| keys.contains(*key) && given(key).is_none_or(|given| given == *value)).map(clone).collect()
}

/// Likewise, of what is only used: only the marks on it are known.
pub(crate) fn ours_of_used(owner: &Owner, marks: &Tags) -> Tags {
    let used = used_by(owner);
    let needed = listed_but_by(&[&used], marks);
    let added = listed(marks.get(&used)).into_iter().filter(|key| !needed.contains(key));
    let added = added.filter_map(|key| given(&key).map(|value| (key.clone(), value.to_owned())));
    added.chain(marks.get_key_value(&used).map(clone)).collect()
}

/// The value that we give to a tag of Kubernetes's.
pub(crate) fn given(key: &str) -> Option<&'static str> {
    if key.starts_with("kubernetes.io/role/") {
        Some("1")
    } else if key.starts_with("kubernetes.io/cluster/") {
        Some("shared")
    } else {
        None
    }
}

fn clone((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags<const N: usize>(tags: [(&str, &str); N]) -> Tags {
        tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn only_what_is_lacking_is_added_and_only_that_is_taken_off() {
        let owner = Owner::new("shop").unwrap();
        let wanted = tags([("kubernetes.io/role/elb", "1"), ("kubernetes.io/cluster/a", "shared"), ("kubernetes.io/cluster/b", "shared")]);
        let theirs = tags([("Name", "x"), ("kubernetes.io/cluster/a", "owned"), ("kubernetes.io/cluster/b", "shared")]);
        let added = add(&used_by(&owner), &wanted, &theirs);
        assert_eq!(added.tags, tags([("eks-rs/used-by/shop", "kubernetes.io/role/elb"), ("kubernetes.io/role/elb", "1")]));
        assert_eq!(added.kept, ["tag kubernetes.io/cluster/a is \"owned\", not \"shared\""]);
        let mut after = theirs.clone();
        after.extend(added.tags.clone());
        assert_eq!(add(&used_by(&owner), &wanted, &after).tags, Tags::new(), "a fixpoint");
        assert_eq!(ours(&owner, &after), added.tags);
        // Somebody has made it theirs.
        after.insert("kubernetes.io/role/elb".to_owned(), "0".to_owned());
        assert_eq!(ours(&owner, &after), tags([("eks-rs/used-by/shop", "kubernetes.io/role/elb")]));
        let other = Owner::new("other").unwrap();
        assert_eq!(ours(&other, &after), Tags::new());
    }

    #[test]
    fn what_two_owners_need_goes_with_the_last() {
        let [one, two] = ["one", "two"].map(|name| Owner::new(name).unwrap());
        let wanted = tags([("kubernetes.io/role/elb", "1")]);
        let mut found = Tags::new();
        for owner in [&one, &two] {
            found.extend(add(&used_by(owner), &wanted, &found).tags);
            assert_eq!(add(&used_by(owner), &wanted, &found).tags, Tags::new(), "a fixpoint");
        }
        // The first to go leaves what the other needs; likewise if only the marks are known.
        let mark = tags([("eks-rs/used-by/one", "kubernetes.io/role/elb")]);
        let marks: Tags = found.iter().filter(|(key, _)| key.starts_with(USED_BY)).map(clone).collect();
        assert_eq!(ours(&one, &found), mark);
        assert_eq!(ours_of_used(&one, &marks), mark);
        found.remove("eks-rs/used-by/one");
        assert_eq!(ours(&two, &found), found);
        assert_eq!(ours_of_used(&two, &tags([("eks-rs/used-by/two", "kubernetes.io/role/elb")])), found);
        // An adopter is one of them.
        let key = "net/vpc".parse::<StepKey>().unwrap();
        found.extend(adopt(&one, &key, &wanted, &found).tags);
        assert_eq!(found.get(ADOPTED_TAG).map(String::as_str), Some("kubernetes.io/role/elb"));
        assert_eq!(ours(&two, &found).into_keys().collect::<Vec<_>>(), ["eks-rs/used-by/two"]);
        assert_eq!(ours(&one, &found).into_keys().collect::<Vec<_>>(), [ADOPTED_TAG, KEY_TAG, OWNER_TAG]);
    }

    #[test]
    fn adopting_tells_each_tag_and_a_later_plan_keeps_the_name() {
        let (owner, key) = (Owner::new("shop").unwrap(), "net/vpc".parse::<StepKey>().unwrap());
        let theirs = tags([("Name", "prod")]);
        let added = adopt(&owner, &key, &Tags::new(), &theirs);
        assert_eq!(added.changes, ["tag eks-rs/adopted: none → ", "tag eks-rs/key: none → net/vpc", "tag eks-rs/owner: none → shop"]);
        let mut after = theirs.clone();
        after.extend(added.tags.clone());
        let mut wanted: Tags = owner.tags(&key).into_iter().collect();
        assert_eq!(drift_of_adopted(&wanted, &after).0, Tags::new());
        wanted.insert("team".to_owned(), "a".to_owned());
        let (more, told) = drift_of_adopted(&wanted, &after);
        assert_eq!(told, ["tag eks-rs/adopted:  → team", "tag team: none → a"]);
        after.extend(more);
        let mut ours: Vec<_> = ours(&owner, &after).into_keys().collect();
        ours.sort();
        assert_eq!(ours, ["eks-rs/adopted", "eks-rs/key", "eks-rs/owner", "team"]);
    }

    #[test]
    fn a_mark_has_only_so_much_room() {
        let owner = Owner::new("shop").unwrap();
        let wanted: Tags = (0..4).map(|n| (format!("kubernetes.io/cluster/{}{n}", "c".repeat(90)), "shared".to_owned())).collect();
        assert!(add(&used_by(&owner), &wanted, &Tags::new()).overflows);
    }
}
