//! What workers' stacks exist.

use std::collections::BTreeMap;

use eks_core::{Error, Facts, KEY_TAG, OWNER_TAG, Operation, Owner, StepKey};
use serde::{Deserialize, Serialize};

use crate::{
    amazon::TemplateSummary,
    fingerprint::TEMPLATE_TAG,
    instance::usd_per_month,
    managed::{GroupName, GroupStatus, NodeGroup},
    op::WorkersOp,
    sizing::{DESIRED_TAG, GroupSize},
    spec::WorkersSpec,
    status::{Next, Purpose, StackStatus},
    template::{TEMPLATE_ID, ZONES},
};

/// Which stacks to look at, and in which Region: stack names say nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// Those with these names.
    Named {
        /// The Region.
        region: String,
        /// The names.
        names: Vec<String>,
        /// The addresses of their templates, where these are not ours.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        templates: Vec<String>,
        /// Managed node groups.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        groups: Vec<GroupName>,
    },
    /// All that carry the owner's tag.
    Owned {
        /// The Region.
        region: String,
    },
}

impl Scope {
    /// The stacks of these groups of workers, in the Region of the first one's subnets.
    pub fn of<'a>(specs: impl IntoIterator<Item = &'a WorkersSpec>) -> Self {
        let (mut region, mut names, mut templates, mut groups) = (String::new(), Vec::new(), Vec::new(), Vec::new());
        for spec in specs {
            if region.is_empty() {
                spec.region().clone_into(&mut region);
            }
            names.extend(spec.amazon.is_none().then(|| spec.base_name()));
            names.push(spec.name.to_string());
            templates.extend(spec.amazon.as_ref().map(|template| template.url().to_owned()));
            groups
                .extend(spec.managed.is_some().then(|| GroupName { cluster: spec.cluster.name.to_string(), name: spec.name.to_string() }));
        }
        templates.sort();
        templates.dedup();
        Self::Named { region, names, templates, groups }
    }

    /// Every stack of the owner's in a Region.
    pub fn owned(region: impl Into<String>) -> Self {
        Self::Owned { region: region.into() }
    }

    /// The managed node groups that it names.
    pub fn groups(&self) -> &[GroupName] {
        match self {
            Self::Named { groups, .. } => groups,
            Self::Owned { .. } => &[],
        }
    }

    /// The Region.
    pub fn region(&self) -> &str {
        match self {
            Self::Named { region, .. } | Self::Owned { region } => region,
        }
    }
}

/// A stack, as CloudFormation describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data that tests and other observers build")]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub id: String,
    /// Its state.
    pub status: StackStatus,
    /// Why it is in that state, where CloudFormation says.
    pub reason: Option<String>,
    /// Its parameters, as they were given.
    pub parameters: BTreeMap<String, String>,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Stack {
    /// The step that made it, if this owner did.
    pub fn key(&self, owner: &Owner) -> Option<StepKey> {
        let key = self.tags.get(KEY_TAG)?.parse::<StepKey>().ok()?;
        (self.tags.get(OWNER_TAG).map(String::as_str) == Some(owner.as_str()) && key.layer() == WorkersOp::LAYER).then_some(key)
    }

    /// Whether a managed node group stands on it.
    pub(crate) fn is_base_of_group(&self) -> bool {
        self.outputs.contains_key(TEMPLATE_ID)
    }

    /// US dollars a month for what its parameters describe; nothing for a stack without instances.
    pub fn usd_per_month(&self) -> f64 {
        let number = |name| self.parameters.get(name).and_then(|text: &String| text.parse::<u32>().ok());
        let groups = self.outputs.get(ZONES).map_or(1, |zones| u32::try_from(zones.split(',').count()).unwrap_or(u32::MAX));
        match (self.parameters.get("NodeInstanceType"), number("NodeAutoScalingGroupDesiredCapacity")) {
            (Some(kind), Some(count)) => usd_per_month(kind, count.saturating_mul(groups), number("NodeVolumeSize").unwrap_or_default()),
            _ => 0.0,
        }
    }
}

/// The stacks that exist within a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    owner: Owner,
    scope: Scope,
    stacks: BTreeMap<String, Stack>,
    /// By address.
    templates: BTreeMap<String, TemplateSummary>,
    /// By stack. What an autoscaler moves is no fact that a plan rests on.
    sizes: BTreeMap<String, Vec<GroupSize>>,
    groups: BTreeMap<GroupName, NodeGroup>,
    /// Why nobody looked for managed groups.
    unseen: Option<String>,
}

impl Observed {
    /// What was found. Within [`Scope::Owned`], stacks of others are left out.
    ///
    /// # Errors
    /// [`Error::Refused`] if two stacks carry one key, naming both.
    pub fn new(owner: &Owner, scope: Scope, stacks: impl IntoIterator<Item = Stack>) -> Result<Self, Error> {
        let mut keys: BTreeMap<StepKey, String> = BTreeMap::new();
        let mut kept = BTreeMap::new();
        for stack in stacks.into_iter().filter(|stack| stack.status != StackStatus::DeleteComplete) {
            let key = stack.key(owner);
            if matches!(scope, Scope::Owned { .. }) && key.is_none() {
                continue;
            }
            if let Some(key) = key
                && let Some(other) = keys.insert(key.clone(), stack.id.clone())
            {
                return Err(Error::Refused {
                    subject: key.to_string(),
                    rule: format!("two stacks carry this key: {other} and {}", stack.id),
                    remedy: "delete the one that is not wanted, or take the tag off it".to_owned(),
                });
            }
            kept.insert(stack.name.clone(), stack);
        }
        let stacks = kept;
        let (templates, sizes, groups) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Ok(Self { owner: owner.clone(), scope, stacks, templates, sizes, groups, unseen: None })
    }

    /// With what CloudFormation tells of the template at an address.
    #[must_use]
    pub fn with_template(mut self, url: impl Into<String>, summary: TemplateSummary) -> Self {
        self.templates.insert(url.into(), summary);
        self
    }

    /// With the Auto Scaling groups of a stack as they are.
    #[must_use]
    pub fn with_sizes(mut self, stack: impl Into<String>, sizes: Vec<GroupSize>) -> Self {
        self.sizes.insert(stack.into(), sizes);
        self
    }

    /// What CloudFormation tells of the template at an address, if it was asked.
    pub fn template(&self, url: &str) -> Option<&TemplateSummary> {
        self.templates.get(url)
    }

    /// The Auto Scaling groups of a stack, as far as they were looked at.
    pub fn sizes(&self, stack: &str) -> &[GroupSize] {
        self.sizes.get(stack).map_or(&[], Vec::as_slice)
    }

    /// The same with managed node groups. Within [`Scope::Owned`], groups of others are left out.
    ///
    /// # Errors
    /// [`Error::Refused`] if something else carries a group's key, naming both.
    pub fn with_groups(mut self, groups: impl IntoIterator<Item = NodeGroup>) -> Result<Self, Error> {
        let mut keys: BTreeMap<StepKey, String> =
            self.stacks().filter_map(|stack| Some((stack.key(&self.owner)?, stack.id.clone()))).collect();
        for group in groups {
            let key = group.key(&self.owner);
            if matches!(self.scope, Scope::Owned { .. }) && key.is_none() {
                continue;
            }
            // A group that goes, and one of the name in another cluster, do not stand in one another's way.
            if let Some(key) = key.filter(|_| group.status != GroupStatus::Deleting)
                && let Some(other) = keys.insert(key.clone(), group.arn.clone())
            {
                return Err(Error::Refused {
                    subject: key.to_string(),
                    rule: format!("two things carry this key: {other} and {}", group.arn),
                    remedy: "delete the one that is not wanted, or take the tag off it".to_owned(),
                });
            }
            self.groups.insert(group.name.clone(), group);
        }
        Ok(self)
    }

    /// The same, where nobody can look for managed node groups.
    #[cfg(any(feature = "aws", test))]
    pub(crate) fn without_groups(mut self, why: String) -> Self {
        self.unseen = Some(why);
        self
    }

    /// Why nobody looked for managed node groups, if so.
    pub(crate) fn unseen(&self) -> Option<&str> {
        self.unseen.as_deref()
    }

    /// Why a stack must stay: a managed node group, which nobody could look for, may stand on it.
    pub(crate) fn stays(&self, stack: &Stack) -> Option<&str> {
        self.unseen().filter(|_| stack.is_base_of_group())
    }

    /// A managed node group.
    pub fn group(&self, cluster: &str, name: &str) -> Option<&NodeGroup> {
        self.groups.get(&GroupName { cluster: cluster.to_owned(), name: name.to_owned() })
    }

    /// The managed node groups, by cluster and name.
    pub fn groups(&self) -> impl Iterator<Item = &NodeGroup> {
        self.groups.values()
    }

    /// The owner it was observed for.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Which stacks were looked at.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The stack with this name.
    pub fn stack(&self, name: &str) -> Option<&Stack> {
        self.stacks.get(name)
    }

    /// The stacks, by name.
    pub fn stacks(&self) -> impl Iterator<Item = &Stack> {
        self.stacks.values()
    }

    /// Everything that a plan's decisions rest on.
    ///
    /// A stack that an operation brings to where it should be counts as being there: a plan that waits for it does not
    /// become stale by its arrival. In the same way, one of the owner's that is being deleted counts as being gone.
    pub fn facts(&self) -> Facts {
        let mut facts = Facts::new();
        for (url, template) in &self.templates {
            template.note(url, &mut facts);
        }
        self.groups().for_each(|group| group.note(&self.owner, &mut facts));
        for stack in self.stacks() {
            let ours = stack.key(&self.owner);
            let state = match stack.status.next(Purpose::Make) {
                Next::Recreate if ours.is_some() => continue,
                Next::Compare | Next::Wait => "standing".to_owned(),
                Next::Replace if stack.status != StackStatus::ReviewInProgress => "failed".to_owned(),
                _ => stack.status.to_string(),
            };
            let key = ours.map_or_else(|| format!("nodes/{}", stack.name), |key| key.to_string());
            facts.note(&key, "id", &stack.id);
            facts.note(&key, "name", &stack.name);
            facts.note(&key, "state", state);
            for tag in [OWNER_TAG, KEY_TAG, TEMPLATE_TAG] {
                facts.note(&key, tag, stack.tags.get(tag).map_or("none", String::as_str));
            }
            if let Some(desired) = stack.tags.get(DESIRED_TAG) {
                facts.note(&key, DESIRED_TAG, desired);
            }
            for (name, value) in &stack.parameters {
                facts.note(&key, format!("parameter {name}"), value);
            }
        }
        facts
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn stack(owner: &Owner, key: &str, name: &str, status: StackStatus) -> Stack {
        let key: StepKey = key.parse().expect("a key");
        Stack {
            name: name.to_owned(),
            id: format!("arn:aws:cloudformation:us-east-1:123456789012:stack/{name}/1"),
            status,
            reason: None,
            parameters: BTreeMap::new(),
            outputs: BTreeMap::new(),
            tags: owner.tags(&key).into_iter().collect(),
        }
    }

    #[test]
    fn two_stacks_with_one_key_are_refused() {
        let owner = Owner::new("o").expect("a name");
        let stacks = ["a", "b"].map(|name| stack(&owner, "nodes/a", name, StackStatus::CreateComplete));
        let error = Observed::new(&owner, Scope::owned("us-east-1"), stacks).expect_err("two");
        assert!(error.to_string().contains("stack/a/1 and arn:"), "{error}");
    }

    #[test]
    fn the_owned_scope_leaves_others_out() {
        let (owner, other) = (Owner::new("o").expect("a name"), Owner::new("p").expect("a name"));
        let stacks = [
            stack(&other, "nodes/a", "a", StackStatus::CreateComplete),
            stack(&owner, "net/vpc", "b", StackStatus::CreateComplete),
            stack(&owner, "nodes/c", "c", StackStatus::CreateComplete),
            stack(&owner, "nodes/d", "d", StackStatus::DeleteComplete),
        ];
        let observed = Observed::new(&owner, Scope::owned("us-east-1"), stacks).expect("no two");
        assert_eq!(observed.stacks().map(|stack| stack.name.as_str()).collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn arrival_is_no_difference() {
        let owner = Owner::new("o").expect("a name");
        let facts = |status| {
            let stacks = [stack(&owner, "nodes/a", "a", status)];
            Observed::new(&owner, Scope::owned("us-east-1"), stacks).expect("one").facts()
        };
        assert_eq!(facts(StackStatus::CreateInProgress), facts(StackStatus::CreateComplete));
        assert_ne!(facts(StackStatus::CreateInProgress), facts(StackStatus::RollbackComplete));
        assert_ne!(facts(StackStatus::ReviewInProgress), facts(StackStatus::RollbackComplete));
        assert_eq!(facts(StackStatus::DeleteInProgress), facts(StackStatus::DeleteComplete), "going is as good as gone");
        assert_ne!(facts(StackStatus::DeleteInProgress), facts(StackStatus::DeleteFailed));
    }
}
