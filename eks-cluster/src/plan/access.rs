//! Steps for access entries.

use std::time::Duration;

use eks_core::{Action, Error, Finding, KEY_TAG, Ref, Step, StepKey};

use super::{broken, control_plane_key, refused};
use crate::{AccessEntry, AccessType, ClusterOp, ClusterSpec, Observed, ObservedAccess, change::rank};

impl ClusterSpec {
    pub(super) fn access_step(&self, entry: &AccessEntry, now: &Observed) -> Result<Step, Error> {
        let key = entry.key().map_err(broken)?;
        let request = entry.request(self.partition());
        let found = self.find(entry, &key, now);
        self.refuse_other_account(entry, now)?;
        let step = |action| {
            let op = ClusterOp::Access { cluster: self.name.clone(), entry: request.clone() };
            let step = Step::new(key.clone(), action, entry.title(), &op).map_err(broken)?;
            let step = step.after(control_plane_key()).uses(&entry.principal).takes(Duration::from_secs(1));
            Ok::<_, Error>(step.permits(["eks:DescribeAccessEntry", "eks:ListAssociatedAccessPolicies"]))
        };
        let Some(found) = found else {
            let step = step(Action::Create)?.permits(["eks:CreateAccessEntry", "eks:TagResource"]);
            let step = if entry.policies.is_empty() { step } else { step.permits(["eks:AssociateAccessPolicy"]) };
            return Ok(if entry.kind.passes_role() { step.permits(["iam:PassRole"]) } else { step });
        };
        let subject = format!("access entry of {}", found.principal);
        if !found.is_owned_by(&self.owner) {
            let lacks = request.lacks(found);
            if lacks.is_empty() {
                return Ok(step(Action::Keep)?.knows("id", &found.principal));
            }
            return Err(refused(
                subject,
                format!("is not ours, and {}", lacks.join("; ")),
                "change or delete it by aws eks, or leave it out of the spec; what others made is never touched",
            ));
        }
        if let Some(role) = self.remade_role(entry, found, now) {
            return Err(refused(
                subject,
                format!("was made for an earlier role {role}, and lets only that one in"),
                "delete it by aws eks delete-access-entry, and plan again",
            ));
        }
        if found.type_name != entry.kind.as_str() {
            return Err(refused(
                subject,
                format!("its type is {}, the spec says {}; EKS cannot change it", found.type_name, entry.kind),
                "delete it by aws eks delete-access-entry, and plan again",
            ));
        }
        let drift = request.drift(found);
        let step = if drift.is_none() { step(Action::Keep)? } else { step(Action::Update)?.permits(drift.iam_actions()) };
        Ok(step.changes(drift.lines).knows("id", &found.principal))
    }

    /// Whether every entry of the spec is there.
    pub(super) fn entries_stand(&self, now: &Observed) -> bool {
        self.access.iter().all(|entry| entry.key().is_ok_and(|key| self.find(entry, &key, now).is_some()))
    }

    /// The role of ours that an entry is for, if the one that it lets in is gone. EKS User Guide, "Create access entries": an entry is for
    /// the principal that was there when it was made, and not for a later one of the same ARN.
    fn remade_role(&self, entry: &AccessEntry, found: &ObservedAccess, now: &Observed) -> Option<String> {
        let Ref::Output(output) = &entry.principal else { return None };
        let role = self.own_roles().into_iter().find(|role| role.kind.key() == output.step)?;
        let is_there = now.roles.get(&role.kind).is_some_and(|is| is.arn.as_str() == found.principal);
        (!is_there).then_some(role.name)
    }

    /// By principal where it is known, else by the key that its tags carry.
    fn find<'a>(&self, entry: &AccessEntry, key: &StepKey, now: &'a Observed) -> Option<&'a ObservedAccess> {
        now.access.iter().find(|found| match entry.principal.known() {
            Some(principal) => found.principal == *principal,
            None => found.is_owned_by(&self.owner) && found.tags.get(KEY_TAG).is_some_and(|tag| tag == key.as_str()),
        })
    }

    /// Whether an earlier plan of ours made the entry; other layers have entries of their own.
    fn made(&self, found: &ObservedAccess) -> bool {
        found.is_owned_by(&self.owner) && found.tags.get(KEY_TAG).is_some_and(|key| key.starts_with("cluster/access/"))
    }

    /// Once the cluster is there, its account is known.
    fn refuse_other_account(&self, entry: &AccessEntry, now: &Observed) -> Result<(), Error> {
        let account = |arn: &str| arn.split(':').nth(4).map(str::to_owned);
        let Some(principal) = entry.principal.known().filter(|_| entry.kind != AccessType::Standard) else { return Ok(()) };
        match now.cluster.as_ref().and_then(|cluster| account(&cluster.arn)) {
            Some(ours) if account(principal).is_some_and(|theirs| theirs != ours) => Err(refused(
                format!("access entry of {principal}"),
                format!("an entry of type {} is for a role of the cluster's account, {ours}", entry.kind),
                "give a role of that account",
            )),
            _ => Ok(()),
        }
    }

    /// What a reviewer should see about who may enter.
    pub(super) fn access_findings(&self, now: &Observed) -> Result<Vec<Finding>, Error> {
        let key = control_plane_key();
        let mut found = Vec::new();
        let helps = |entry: &&AccessEntry| entry.kind == AccessType::Standard && !(entry.groups.is_empty() && entry.policies.is_empty());
        if !self.creator_admin && !self.access.iter().any(|entry| helps(&entry)) {
            let message = "nobody can enter until an access entry is made: the creator is left out, and no admin is given";
            found.push(Finding::warning(key.clone(), message));
        }
        if !self.authentication.has_access_entries() {
            found.push(Finding::note(key.clone(), "the ConfigMap aws-auth is deprecated by EKS; access entries succeed it"));
        }
        let mode = now.cluster.as_ref().and_then(|cluster| cluster.authentication);
        if let Some(mode) = mode.filter(|mode| rank(*mode) < rank(self.authentication)) {
            let (to, from) = (self.authentication.as_str(), mode.as_str());
            found.push(Finding::warning(key.clone(), format!("authentication mode {to}: EKS has no way back to {from}")));
            if !self.authentication.has_config_map() {
                let message = "aws-auth is read no more: whoever has no access entry is locked out, nodes included";
                found.push(Finding::warning(key, message));
            }
        }
        let wanted = self.access.iter().map(|entry| Ok((entry, entry.key().map_err(broken)?))).collect::<Result<Vec<_>, Error>>()?;
        for left in now.access.iter().filter(|found| self.made(found)) {
            if !wanted.iter().any(|(entry, key)| self.find(entry, key, now).is_some_and(|found| found.principal == left.principal)) {
                let principal = &left.principal;
                let message = format!(
                    "the access entry of {principal} is not in the spec; whoever it lets in stays in; delete it by aws eks delete-access-entry"
                );
                found.push(Finding::warning(control_plane_key(), message));
            }
        }
        for entry in self.access.iter().filter(|entry| entry.kind == AccessType::Standard && !helps(entry)) {
            let message = "gives neither groups nor policies: role bindings for its user name are all that it can have";
            found.push(Finding::note(entry.key().map_err(broken)?, message));
        }
        Ok(found)
    }
}
