//! One IAM permission, as a step declares it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{OWNER_TAG, Owner};

/// Condition operator and key to the values that meet it.
pub(super) type Conditions = BTreeMap<(String, String), BTreeSet<String>>;

/// An IAM action, on which resources, under which conditions.
///
/// ARNs and values may hold `${Partition}`, `${Region}`, `${Account}` and `${Suffix}` (`amazonaws.com`, in China `amazonaws.com.cn`), which
/// [`crate::PolicyScope`] fills in; IAM's own policy variables are not for them.
///
/// ```
/// use eks_core::Permission;
///
/// let make = Permission::new("ec2:CreateVpc")
///     .on("arn:${Partition}:ec2:${Region}:${Account}:vpc/*")
///     .when("StringEquals", "aws:RequestTag/eks-rs/owner", ["shop"]);
/// assert_eq!(make.action(), "ec2:CreateVpc");
/// assert!(Permission::new("ec2:DescribeVpcs").is_plain());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub struct Permission {
    action: String,
    resources: BTreeSet<String>,
    conditions: Conditions,
}

impl Permission {
    /// `ec2:DescribeVpcs`, on every resource (`*`) until [`Permission::on`] says otherwise.
    pub fn new(action: impl Into<String>) -> Self {
        Self { action: action.into(), resources: BTreeSet::new(), conditions: Conditions::new() }
    }

    /// On this resource; on several, if said several times.
    #[must_use]
    pub fn on(mut self, resource: impl Into<String>) -> Self {
        self.resources.insert(resource.into());
        self
    }

    /// Only when this operator holds for the key and one of the values. All conditions must hold.
    #[must_use]
    pub fn when<V: Into<String>>(
        mut self,
        operator: impl Into<String>,
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.conditions.entry((operator.into(), key.into())).or_default().extend(values.into_iter().map(Into::into));
        self
    }

    /// Only to make what carries this owner's tag from the start.
    #[must_use]
    pub fn made_by(self, owner: &Owner) -> Self {
        self.when("StringEquals", format!("aws:RequestTag/{OWNER_TAG}"), [owner.as_str()])
    }

    /// Only on what carries this owner's tag.
    #[must_use]
    pub fn owned_by(self, owner: &Owner) -> Self {
        self.when("StringEquals", format!("aws:ResourceTag/{OWNER_TAG}"), [owner.as_str()])
    }

    /// The action.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// Resources; none for an action on every resource.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        self.resources.iter().map(String::as_str)
    }

    /// Conditions: operator, key and values.
    pub fn conditions(&self) -> impl Iterator<Item = (&str, &str, &BTreeSet<String>)> {
        self.conditions.iter().map(|((operator, key), values)| (operator.as_str(), key.as_str(), values))
    }

    /// Whether nothing but the action is said.
    pub fn is_plain(&self) -> bool {
        self.resources.is_empty() && self.conditions.is_empty()
    }

    pub(super) fn parts(&self) -> (&str, BTreeSet<String>, &Conditions) {
        let all = if self.resources.is_empty() { BTreeSet::from(["*".to_owned()]) } else { self.resources.clone() };
        (&self.action, all, &self.conditions)
    }

    /// These permissions, where a plain one is replaced by what `with` knows of its action: several narrower ones, none where the action
    /// is not called after all, and itself where `with` knows nothing.
    pub(crate) fn refine(all: BTreeSet<Self>, with: impl Fn(&str) -> Option<Vec<Self>>) -> BTreeSet<Self> {
        let each = all.into_iter().flat_map(|one| {
            let narrower = if one.is_plain() { with(&one.action) } else { None };
            narrower.unwrap_or_else(|| vec![one])
        });
        each.collect()
    }
}

impl<S: AsRef<str> + ?Sized> From<&S> for Permission {
    fn from(action: &S) -> Self {
        Self::new(action.as_ref())
    }
}

/// As a plan is saved: keys of a JSON object are text.
#[derive(Clone, Serialize, Deserialize)]
struct Saved {
    action: String,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    resources: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    conditions: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl From<Permission> for Saved {
    fn from(permission: Permission) -> Self {
        let mut conditions = BTreeMap::<String, BTreeMap<_, _>>::new();
        for ((operator, key), values) in permission.conditions {
            conditions.entry(operator).or_default().insert(key, values);
        }
        Self { action: permission.action, resources: permission.resources, conditions }
    }
}

impl From<Saved> for Permission {
    fn from(saved: Saved) -> Self {
        let flat = saved.conditions.into_iter();
        let flat = flat.flat_map(|(operator, keys)| keys.into_iter().map(move |(key, values)| ((operator.clone(), key), values)));
        Self { action: saved.action, resources: saved.resources, conditions: flat.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_and_read_again() {
        let plain = Permission::new("ec2:DescribeVpcs");
        assert_eq!(serde_json::to_string(&plain).unwrap(), r#"{"action":"ec2:DescribeVpcs"}"#);
        let narrow = Permission::new("iam:PassRole").on("arn:x").when("StringEquals", "iam:PassedToService", ["a", "b"]);
        let saved = serde_json::to_string(&narrow).unwrap();
        assert_eq!(serde_json::from_str::<Permission>(&saved).unwrap(), narrow);
    }

    #[test]
    fn only_plain_ones_are_refined() {
        let all = BTreeSet::from([
            Permission::new("a:Keep"),
            Permission::new("a:Drop"),
            Permission::new("a:Two"),
            Permission::new("a:X").on("y"),
        ]);
        let refined = Permission::refine(all, |action| match action {
            "a:Drop" | "a:X" => Some(Vec::new()),
            "a:Two" => Some(vec![Permission::new("a:Two").on("1"), Permission::new("a:Two").on("2")]),
            _ => None,
        });
        let told: Vec<_> = refined.iter().map(|one| (one.action(), one.resources().collect::<String>())).collect();
        assert_eq!(told, [("a:Keep", String::new()), ("a:Two", "1".into()), ("a:Two", "2".into()), ("a:X", "y".into())]);
    }
}
