//! What an update in place would take away though it works: such a change is refused.

use std::collections::BTreeSet;

use eks_core::Error;

use crate::{
    mapping::RoleMapping,
    observed::{Observed, Stack},
    spec::WorkersSpec,
    status::{Next, Purpose},
    template::{ACCESS_ENTRY_TYPE, ZONES},
};

impl WorkersSpec {
    /// # Errors
    /// [`Error::Refused`] if CloudFormation would delete an Auto Scaling group with its nodes, or the access entry that lets them in, or
    /// take a subnet from under nodes.
    pub(crate) fn keeps_what_works(&self, now: &Observed) -> Result<(), Error> {
        let stack = now.stack(self.name.as_str()).filter(|stack| stack.key(now.owner()) == Some(self.key()));
        let Some(stack) = stack.filter(|stack| stack.status.next(Purpose::Make) == Next::Compare) else {
            return Ok(());
        };
        // Our template is told the nodes' role; Amazon's makes it.
        if stack.parameters.contains_key("NodeInstanceRole") == self.amazon.is_some() {
            return Err(refused(stack, "is of another template, whose role and security group its nodes stand on"));
        }
        if self.amazon.is_none() {
            self.keeps_groups(stack)?;
            self.keeps_access(stack)?;
        }
        self.keeps_subnets(stack)
    }

    /// Auto Scaling replaces what is in a zone that a group loses (EC2 Auto Scaling User Guide, "Availability Zone rebalancing": "You
    /// change the Availability Zones associated with your Auto Scaling group").
    fn keeps_subnets(&self, stack: &Stack) -> Result<(), Error> {
        let found = stack.parameters.get("Subnets").into_iter().flat_map(|subnets| subnets.split(','));
        let (mut known, mut unknown) = (BTreeSet::new(), 0);
        for subnet in &self.network.subnets {
            match subnet.id.known() {
                Some(id) => drop(known.insert(id.as_str())),
                // Another layer's step will tell one that may be there already.
                None => unknown += 1,
            }
        }
        let lost: BTreeSet<_> = found.map(str::trim).filter(|id| !id.is_empty() && !known.contains(id)).collect();
        if lost.len() <= unknown {
            return Ok(());
        }
        let lost = if unknown == 0 { lost.into_iter().collect::<Vec<_>>().join(", ") } else { "more subnets than are wanted".to_owned() };
        Err(refused(stack, &format!("has {lost}, and Auto Scaling replaces the nodes of what a group loses, undrained")))
    }

    /// A group has the logical id of its zone, or that of all zones.
    fn keeps_groups(&self, stack: &Stack) -> Result<(), Error> {
        let found: BTreeSet<_> = stack.outputs.get(ZONES).into_iter().flat_map(|zones| zones.split(',')).collect();
        let wanted: BTreeSet<_> = if self.per_zone { self.zones().keys().map(|zone| zone.as_str()).collect() } else { BTreeSet::new() };
        let lost = match (found.is_empty(), wanted.is_empty()) {
            (true, true) => return Ok(()),
            (true, false) => "one Auto Scaling group over all zones".to_owned(),
            (false, _) => {
                let lost: Vec<_> = found.difference(&wanted).copied().collect();
                if lost.is_empty() {
                    return Ok(());
                }
                format!("an Auto Scaling group of its own in {}", lost.join(", "))
            }
        };
        Err(refused(stack, &format!("has {lost}, which an update would delete with its nodes, undrained")))
    }

    /// The type of an access entry cannot be changed, and a new one cannot stand beside it.
    fn keeps_access(&self, stack: &Stack) -> Result<(), Error> {
        let Some(found) = stack.outputs.get(ACCESS_ENTRY_TYPE) else { return Ok(()) };
        let wanted = (self.mapping == RoleMapping::AccessEntry).then(|| self.family.access_entry());
        if wanted == Some(found) {
            return Ok(());
        }
        Err(refused(stack, &format!("has an access entry of type {found}, without which its nodes are shut out")))
    }
}

fn refused(stack: &Stack, rule: &str) -> Error {
    Error::Refused {
        subject: format!("stack {}", stack.name),
        rule: rule.to_owned(),
        remedy: "give the new workers another name, drain the old ones, then remove them".to_owned(),
    }
}
