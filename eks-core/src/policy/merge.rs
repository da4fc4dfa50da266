//! From permissions to few statements that allow exactly the same.

use std::collections::{BTreeMap, BTreeSet};

use super::permission::{Conditions, Permission};

/// Actions, resources and conditions of a statement.
pub(super) type Parts = (BTreeSet<String>, BTreeSet<String>, Conditions);

/// Operators of which any value will do: two conditions that differ only in their values are one with all values.
const ANY_VALUE: [&str; 4] = ["ArnEquals", "ArnLike", "StringEquals", "StringLike"];

/// Statements that allow what these permissions say, and nothing else. Permissions that a wider one covers are left out.
pub(super) fn merge(permissions: &BTreeSet<Permission>) -> Vec<Parts> {
    let each: Vec<_> = permissions.iter().map(Permission::parts).collect();
    let covered = |one: &(&str, BTreeSet<String>, &Conditions)| {
        each.iter().any(|other| {
            let wider = other.0 == one.0 && other.2.iter().all(|(key, values)| one.2.get(key).is_some_and(|own| own.is_subset(values)));
            wider && other != one && one.1.iter().all(|resource| other.1.iter().any(|pattern| like(pattern, resource)))
        })
    };
    let kept = each.iter().filter(|one| !covered(one));
    // The same action under the same conditions: its resources together; then the same resources and conditions: their actions together.
    let mut by_action: BTreeMap<(&str, &Conditions), BTreeSet<String>> = BTreeMap::new();
    for (action, resources, conditions) in kept {
        by_action.entry((action, conditions)).or_default().extend(resources.iter().cloned());
    }
    let mut by_place: BTreeMap<(BTreeSet<String>, Conditions), BTreeSet<String>> = BTreeMap::new();
    for ((action, conditions), resources) in by_action {
        by_place.entry((resources, conditions.clone())).or_default().insert(action.to_owned());
    }
    let parts = by_place.into_iter().map(|((resources, conditions), actions)| (actions, resources, conditions)).collect();
    join_values(parts)
}

/// Joins statements that differ in the values of one condition only.
fn join_values(mut parts: Vec<Parts>) -> Vec<Parts> {
    let mut joined: Vec<Parts> = Vec::new();
    parts.sort();
    for part in parts {
        let partner = joined.iter_mut().find_map(|other| {
            let key = differing(other, &part)?;
            Some((other, key))
        });
        match partner {
            Some((other, key)) => {
                let values = part.2.get(&key).cloned().unwrap_or_default();
                other.2.entry(key).or_default().extend(values);
            }
            None => joined.push(part),
        }
    }
    joined.sort();
    joined
}

/// The one condition whose values two statements differ in, if that is all.
fn differing(one: &Parts, other: &Parts) -> Option<(String, String)> {
    if (&one.0, &one.1) != (&other.0, &other.1) || !one.2.keys().eq(other.2.keys()) {
        return None;
    }
    let mut keys = one.2.iter().filter(|(key, values)| other.2.get(*key) != Some(values)).map(|(key, _)| key.clone());
    let key = keys.next()?;
    (keys.next().is_none() && ANY_VALUE.contains(&key.0.as_str())).then_some(key)
}

/// Whether a pattern with `*` covers a text; a `*` of the text is covered by one of the pattern only.
fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text
            .strip_prefix(before)
            .is_some_and(|rest| rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| like(after, &rest[at..]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(all: impl IntoIterator<Item = Permission>) -> Vec<(Vec<String>, Vec<String>, usize)> {
        let merged = merge(&all.into_iter().collect());
        merged
            .into_iter()
            .map(|(actions, resources, conditions)| (actions.into_iter().collect(), resources.into_iter().collect(), conditions.len()))
            .collect()
    }

    fn owned(list: &[&str]) -> Vec<String> {
        list.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn equal_places_are_one_statement() {
        let merged = set([Permission::new("a:Y").on("r"), Permission::new("a:X").on("r"), Permission::new("a:Z")]);
        assert_eq!(merged, [(owned(&["a:X", "a:Y"]), owned(&["r"]), 0), (owned(&["a:Z"]), owned(&["*"]), 0)]);
    }

    #[test]
    fn what_a_wider_one_covers_is_left_out() {
        let wide = Permission::new("a:X").on("arn:vpc/*");
        let narrow = wide.clone().when("StringEquals", "k", ["v"]);
        let one = Permission::new("a:X").on("arn:vpc/vpc-1");
        assert_eq!(set([wide, narrow, one]), [(owned(&["a:X"]), owned(&["arn:vpc/*"]), 0)]);
        // Another action, another place: neither covers the other.
        assert_eq!(set([Permission::new("a:X").on("arn:vpc/*"), Permission::new("a:Y").on("arn:vpc/1")]).len(), 2);
    }

    #[test]
    fn values_join_where_any_of_them_will_do() {
        let of = |operator: &str, value: &str| Permission::new("ec2:CreateTags").when(operator, "ec2:CreateAction", [value]);
        assert_eq!(merge(&[of("StringEquals", "CreateVpc"), of("StringEquals", "CreateSubnet")].into()).len(), 1);
        assert_eq!(merge(&[of("StringNotEquals", "CreateVpc"), of("StringNotEquals", "CreateSubnet")].into()).len(), 2);
        // Two keys differ: together they would allow what neither does.
        let two = |a: &str, b: &str| Permission::new("x:Y").when("StringEquals", "a", [a]).when("StringEquals", "b", [b]);
        assert_eq!(merge(&[two("1", "1"), two("2", "2")].into()).len(), 2);
    }

    #[test]
    fn patterns_cover_patterns() {
        assert!(like("arn:*", "arn:vpc/*") && like("*", "x") && like("a*c", "abbc"));
        assert!(!like("arn:vpc/1", "arn:vpc/*") && !like("a*c", "ab"));
    }
}
