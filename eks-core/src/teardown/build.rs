//! Making and joining teardowns.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::{
    Finding, Op, OpError, Operation, Owner, Permission, PlanError, Policy, PolicyScope, StepKey, Survivor,
    plan::{longest_chain, sort},
    saved,
};

/// What must be gone before something can be removed. What is not part of the teardown is gone already.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum After {
    /// One removal.
    Key(StepKey),
    /// Every removal of a layer.
    Layer(String),
    /// Every removal whose key begins so: `net/nat/`.
    Prefix(String),
}

/// One removal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Removal {
    /// The key of what is removed; for what no step made, a key of its own kind (`net/leftover/eni-…`).
    pub key: StepKey,
    /// What is removed, for people.
    pub title: String,
    /// Its id.
    pub id: String,
    /// What must be gone first.
    pub after: Vec<After>,
    /// How long it typically takes.
    pub typical: Duration,
    /// What it costs while it is there.
    pub usd_per_month: f64,
    /// What removing it must be permitted.
    pub permissions: BTreeSet<Permission>,
    /// The operation.
    pub op: Op,
}

impl Removal {
    /// A removal that waits for nothing.
    ///
    /// # Errors
    /// If the operation cannot be serialised.
    pub fn new<O: Operation>(key: StepKey, title: impl Into<String>, id: impl Into<String>, operation: &O) -> Result<Self, OpError> {
        Ok(Self {
            key,
            title: title.into(),
            id: id.into(),
            after: Vec::new(),
            typical: Duration::ZERO,
            usd_per_month: 0.0,
            permissions: BTreeSet::new(),
            op: Op::encode(operation)?,
        })
    }

    /// What must be gone first.
    #[must_use]
    pub fn after(mut self, after: After) -> Self {
        self.after.push(after);
        self
    }

    /// How long it typically takes.
    #[must_use]
    pub fn takes(mut self, typical: Duration) -> Self {
        self.typical = typical;
        self
    }

    /// What it costs while it is there.
    #[must_use]
    pub fn saves(mut self, usd_per_month: f64) -> Self {
        self.usd_per_month = usd_per_month;
        self
    }

    /// What it must be permitted: [`Permission`]s, or IAM actions on every resource.
    #[must_use]
    pub fn permits<P: Into<Permission>>(mut self, permissions: impl IntoIterator<Item = P>) -> Self {
        self.permissions.extend(permissions.into_iter().map(Into::into));
        self
    }

    /// Says more of the IAM actions that are permitted on every resource: what `with` tells of one takes its place.
    #[must_use]
    pub fn refine(mut self, with: impl Fn(&str) -> Option<Vec<Permission>>) -> Self {
        self.permissions = Permission::refine(self.permissions, with);
        self
    }

    /// IAM actions that it needs.
    pub fn iam_actions(&self) -> BTreeSet<&str> {
        self.permissions.iter().map(Permission::action).collect()
    }
}

/// What will be removed, and in which order. Made from what was observed; it names nothing that we did not make. Its serialised form carries
/// a digest ([`saved`]): what was changed is refused when it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Teardown {
    owner: Owner,
    removals: Vec<Removal>,
    /// By layer: what its driver needs to look for survivors.
    scopes: BTreeMap<String, Value>,
    /// What observing before, and looking for survivors after, must be permitted.
    observing: BTreeSet<Permission>,
    /// What a reviewer should see.
    findings: Vec<Finding>,
    /// What stays, and why.
    stays: Vec<Survivor>,
    /// Why none of it may be carried out.
    refuses: Vec<Finding>,
}

/// The serialised form, but for the digest.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Teardown")]
struct Parts {
    owner: Owner,
    removals: Vec<Removal>,
    scopes: BTreeMap<String, Value>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    observing: BTreeSet<Permission>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    findings: Vec<Finding>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stays: Vec<Survivor>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refuses: Vec<Finding>,
}

impl Serialize for Teardown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = Parts::serialize(self, serde_json::value::Serializer).map_err(serde::ser::Error::custom)?;
        saved::seal(parts, None).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Teardown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(Value::deserialize(deserializer)?, None).map_err(serde::de::Error::custom)
    }
}

/// Collects the removals of one layer.
#[derive(Clone, Debug)]
pub struct TeardownBuilder(Teardown);

impl TeardownBuilder {
    /// Adds a removal.
    #[must_use]
    pub fn removal(mut self, removal: Removal) -> Self {
        self.0.removals.push(removal);
        self
    }

    /// What observing before, and looking for survivors after, must be permitted.
    #[must_use]
    pub fn observes<P: Into<Permission>>(mut self, permissions: impl IntoIterator<Item = P>) -> Self {
        self.0.observing.extend(permissions.into_iter().map(Into::into));
        self
    }

    /// Adds something that a reviewer should see: what could not be looked through, say.
    #[must_use]
    pub fn finding(mut self, finding: Finding) -> Self {
        self.0.findings.push(finding);
        self
    }

    /// Adds something that will stay, with the reason: a volume that is retained, say. Its verdict will tell of it again.
    #[must_use]
    pub fn stays(mut self, survivor: Survivor) -> Self {
        self.0.stays.push(survivor);
        self
    }

    /// It may be shown, and not carried out: what one layer cannot remove would stand there without what the others remove.
    #[must_use]
    pub fn refuses(mut self, why: Finding) -> Self {
        self.0.refuses.push(why);
        self
    }

    /// The teardown.
    ///
    /// # Errors
    /// On duplicate keys and cycles.
    pub fn build(self) -> Result<Teardown, PlanError> {
        self.0.ordered()
    }
}

impl Teardown {
    /// Starts the teardown of one layer; `scope` is what its driver needs to look for survivors.
    pub fn builder(owner: &Owner, layer: impl Into<String>, scope: Value) -> TeardownBuilder {
        let scopes = BTreeMap::from([(layer.into(), scope)]);
        let (removals, observing, findings, stays) = (Vec::new(), BTreeSet::new(), Vec::new(), Vec::new());
        TeardownBuilder(Self { owner: owner.clone(), removals, scopes, observing, findings, stays, refuses: Vec::new() })
    }

    /// Makes the teardowns of several layers one.
    ///
    /// # Errors
    /// On duplicate keys, cycles, teardowns of different owners, and two teardowns of one layer.
    pub fn join(teardowns: impl IntoIterator<Item = Self>) -> Result<Self, PlanError> {
        let mut teardowns = teardowns.into_iter();
        let mut joined = teardowns.next().ok_or(PlanError::Empty)?;
        for teardown in teardowns {
            if teardown.owner != joined.owner {
                return Err(PlanError::Owners { one: joined.owner, other: teardown.owner });
            }
            if let Some(layer) = teardown.scopes.keys().find(|layer| joined.scopes.contains_key(*layer)) {
                return Err(PlanError::SameLayer { layer: layer.clone() });
            }
            joined.removals.extend(teardown.removals);
            joined.scopes.extend(teardown.scopes);
            joined.observing.extend(teardown.observing);
            joined.findings.extend(teardown.findings);
            joined.refuses.extend(teardown.refuses);
            // Two layers may tell of one thing; the first knows it as its own.
            for survivor in teardown.stays {
                if !joined.stays.iter().any(|told| (&told.kind, &told.id) == (&survivor.kind, &survivor.id)) {
                    joined.stays.push(survivor);
                }
            }
        }
        joined.ordered()
    }

    /// The teardown as JSON, to be reviewed and carried out later, exactly. As with [`Plan::to_json`](crate::Plan::to_json), its digest tells
    /// of changes, and anybody can write another one.
    ///
    /// # Errors
    /// Never in practice: every part has a JSON form.
    pub fn to_json(&self) -> Result<String, PlanError> {
        self.saved(None)
    }

    /// The same, signed with a key.
    ///
    /// # Errors
    /// As [`Teardown::to_json`].
    pub fn to_signed_json(&self, key: &[u8]) -> Result<String, PlanError> {
        self.saved(Some(key))
    }

    /// A saved teardown.
    ///
    /// # Errors
    /// If it cannot be read, was changed since it was saved, is signed, or its removals wait for one another.
    pub fn from_json(text: &str) -> Result<Self, PlanError> {
        Self::read(serde_json::from_str(text).map_err(PlanError::Unreadable)?, None)
    }

    /// A saved teardown that was signed with this key.
    ///
    /// # Errors
    /// As [`Teardown::from_json`], and if it was not signed, or with another key.
    pub fn from_signed_json(text: &str, key: &[u8]) -> Result<Self, PlanError> {
        Self::read(serde_json::from_str(text).map_err(PlanError::Unreadable)?, Some(key))
    }

    fn saved(&self, key: Option<&[u8]>) -> Result<String, PlanError> {
        let parts = Parts::serialize(self, serde_json::value::Serializer).map_err(PlanError::Unreadable)?;
        serde_json::to_string_pretty(&saved::seal(parts, key).map_err(PlanError::Saved)?).map_err(PlanError::Unreadable)
    }

    fn read(value: Value, key: Option<&[u8]>) -> Result<Self, PlanError> {
        let parts = saved::open(value, key).map_err(PlanError::Saved)?;
        Parts::deserialize(parts).map_err(PlanError::Unreadable)?.ordered()
    }

    fn ordered(mut self) -> Result<Self, PlanError> {
        let mut seen = BTreeSet::new();
        if let Some(twice) = self.removals.iter().find(|removal| !seen.insert(removal.key.clone())) {
            return Err(PlanError::Duplicate { key: twice.key.clone() });
        }
        let nodes: Vec<_> = self.removals.iter().map(|removal| (removal.key.clone(), self.needs(removal))).collect();
        let order = sort(&nodes).map_err(|path| PlanError::Cycle { path })?;
        let mut removals: Vec<_> = std::mem::take(&mut self.removals).into_iter().map(Some).collect();
        self.removals = order.into_iter().filter_map(|at| removals[at].take()).collect();
        Ok(self)
    }

    /// Keys of the removals that must come before `removal`.
    pub fn needs(&self, removal: &Removal) -> BTreeSet<StepKey> {
        let before = |other: &&Removal| {
            other.key != removal.key
                && removal.after.iter().any(|after| match after {
                    After::Key(key) => *key == other.key,
                    After::Layer(layer) => other.key.layer() == layer,
                    After::Prefix(prefix) => other.key.as_str().starts_with(prefix.as_str()),
                })
        };
        self.removals.iter().filter(before).map(|other| other.key.clone()).collect()
    }

    /// The owner.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The removals, each after what must be gone first.
    pub fn removals(&self) -> &[Removal] {
        &self.removals
    }

    /// By layer: what its driver needs to look for survivors.
    pub fn scopes(&self) -> &BTreeMap<String, Value> {
        &self.scopes
    }

    /// What a reviewer should see.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What will stay, and why.
    pub fn stays(&self) -> &[Survivor] {
        &self.stays
    }

    /// Why it is not carried out, if it is not: [`Teardown::apply`] does nothing then.
    pub fn refuses(&self) -> &[Finding] {
        &self.refuses
    }

    /// Whether nothing is there to remove.
    pub fn is_empty(&self) -> bool {
        self.removals.is_empty()
    }

    /// The chain of removals that takes longest, and how long it typically takes.
    pub fn critical_path(&self) -> (Duration, Vec<&StepKey>) {
        let needs: Vec<_> = self.removals.iter().map(|removal| self.needs(removal)).collect();
        let (total, chain) = longest_chain(self.removals.iter().zip(&needs).map(|(removal, needs)| (&removal.key, needs, removal.typical)));
        let keys = chain.iter().filter_map(|key| self.removals.iter().map(|removal| &removal.key).find(|own| own == key)).collect();
        (total, keys)
    }

    /// IAM actions that it needs, its observations included.
    pub fn iam_actions(&self) -> BTreeSet<&str> {
        self.permissions().map(Permission::action).collect()
    }

    fn permissions(&self) -> impl Iterator<Item = &Permission> {
        self.observing.iter().chain(self.removals.iter().flat_map(|removal| &removal.permissions))
    }

    /// The least policy under which it is carried out, from its observation to its verdict.
    pub fn policy(&self, scope: &PolicyScope) -> Policy {
        Policy::new(self.permissions(), scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct TestOp;

    impl Operation for TestOp {
        const LAYER: &'static str = "t";
    }

    fn removal(key: &str, after: Vec<After>) -> Removal {
        let removal = Removal::new(key.parse().unwrap(), key, "id", &TestOp).unwrap();
        after.into_iter().fold(removal, Removal::after)
    }

    #[test]
    fn what_is_gone_already_is_not_waited_for() {
        let owner = Owner::new("o").unwrap();
        let vpc = removal("net/vpc", vec![After::Prefix("net/subnet/".into()), After::Key("net/igw".parse().unwrap())]);
        let subnet = removal("net/subnet/a", vec![After::Layer("cluster".into())]);
        let net = Teardown::builder(&owner, "net", Value::Null).removal(vpc).removal(subnet).build().unwrap();
        let cluster = Teardown::builder(&owner, "cluster", Value::Null).removal(removal("cluster/control-plane", vec![])).build().unwrap();
        let joined = Teardown::join([net, cluster]).unwrap();
        let order: Vec<_> = joined.removals().iter().map(|removal| removal.key.as_str()).collect();
        assert_eq!(order, ["cluster/control-plane", "net/subnet/a", "net/vpc"]);
    }

    #[test]
    fn two_of_one_layer_would_hide_one_another() {
        let owner = Owner::new("o").unwrap();
        let of = |key: &str, scope: &str| Teardown::builder(&owner, "t", scope.into()).removal(removal(key, vec![])).build().unwrap();
        let refused = Teardown::join([of("t/a", "one"), of("t/b", "other")]).unwrap_err();
        assert!(matches!(&refused, PlanError::SameLayer { layer } if layer == "t"), "{refused}");
    }

    #[test]
    fn everything_is_shown_by_layer() {
        let owner = Owner::new("o").unwrap();
        let net = Teardown::builder(&owner, "net", Value::Null)
            .removal(removal("net/nat", vec![After::Layer("k8s".into())]).takes(Duration::from_secs(80)).saves(32.85))
            .removal(removal("net/vpc", vec![After::Key("net/nat".parse().unwrap())]))
            .build()
            .unwrap();
        let left = || Survivor::new("EBS volume", "vol-1", "it is retained", "aws ec2 delete-volume --volume-id vol-1", 0.8);
        let k8s = Teardown::builder(&owner, "k8s", Value::Null)
            .removal(removal("k8s/service/a", vec![]).saves(18.25))
            .stays(left())
            .finding(Finding::warning("k8s/aws-auth".parse().unwrap(), "not looked through"))
            .build()
            .unwrap();
        let joined = Teardown::join([net, k8s]).unwrap();
        insta::assert_snapshot!(joined, @r"
        teardown of o: 3 to remove, about 1m 20s, saves $51.10 a month
          k8s: 1, $18.25 a month
            - k8s/service/a  k8s/service/a id ($18.25 a month)
          net: 2, $32.85 a month
            - net/nat        net/nat id ($32.85 a month)
            - net/vpc        net/vpc id
          stays: 1, $0.80 a month
            = EBS volume vol-1: it is retained; aws ec2 delete-volume --volume-id vol-1 ($0.80 a month)
          ! k8s/aws-auth: not looked through
        ");
        let other = Teardown::builder(&owner, "leftovers", Value::Null).stays(left()).build().unwrap();
        assert_eq!(Teardown::join([joined, other]).unwrap().stays().len(), 1, "told once");
    }

    #[test]
    fn findings_are_shown() {
        let owner = Owner::new("o").unwrap();
        let finding = Finding::warning("t/a".parse().unwrap(), "not looked through");
        let teardown = Teardown::builder(&owner, "t", Value::Null).finding(finding).build().unwrap();
        assert_eq!(teardown.to_string(), "teardown of o: nothing is there\n  ! t/a: not looked through");
        assert_eq!(Teardown::join([teardown]).unwrap().findings().len(), 1);
    }
}
