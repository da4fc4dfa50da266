//! Steps for access entries.

use std::time::Duration;

use eks_core::{Action, Error, KEY_TAG, Step, StepKey};

use super::{broken, control_plane_key, refused};
use crate::{
    AccessKind, ClusterOp, ClusterSpec, Observed, ObservedAccess,
    access::{ADMIN_POLICY, Access, AccessRequest},
    observed::is_owned,
};

impl ClusterSpec {
    pub(super) fn access_step(&self, entry: &Access, now: &Observed) -> Result<Step, Error> {
        let key = entry.key().map_err(broken)?;
        let policy = (entry.kind == AccessKind::Admin).then(|| self.partition().access_policy(ADMIN_POLICY));
        let title = match entry.kind {
            AccessKind::Admin => format!("administrator {}", entry.principal),
            AccessKind::NodeLinux => format!("nodes of role {} may join", entry.principal),
        };
        let request = AccessRequest { kind: entry.kind, principal: entry.principal.clone(), policy };
        let found = self.find(entry, &key, now);
        let action = match found {
            None => Action::Create,
            Some(found) if found.is(entry.kind) && (entry.kind == AccessKind::NodeLinux || found.is_admin) => Action::Keep,
            Some(found) if !found.is(entry.kind) || !is_owned(&found.tags, &self.owner) => {
                return Err(refused(
                    format!("access entry of {}", found.principal),
                    format!("exists with type {} and is not what the spec asks for", found.type_name),
                    "delete it by aws eks delete-access-entry, or leave it out of the spec",
                ));
            }
            Some(_) => Action::Update,
        };
        let op = ClusterOp::Access { cluster: self.name.clone(), entry: request };
        let mut step = Step::new(key, action, title, &op)
            .map_err(broken)?
            .after(control_plane_key())
            .uses(&entry.principal)
            .takes(Duration::from_secs(1))
            .permits(["eks:CreateAccessEntry", "eks:DescribeAccessEntry", "eks:ListAccessEntries", "eks:TagResource"]);
        step = match entry.kind {
            AccessKind::Admin => step.permits(["eks:AssociateAccessPolicy"]),
            AccessKind::NodeLinux => step.permits(["iam:PassRole"]),
        };
        if action == Action::Update {
            step = step.changes([format!("policies: associate {ADMIN_POLICY}")]);
        }
        Ok(match found {
            Some(found) => step.knows("id", &found.principal),
            None => step,
        })
    }

    /// By principal where it is known, else by the key that its tags carry.
    fn find<'a>(&self, entry: &Access, key: &StepKey, now: &'a Observed) -> Option<&'a ObservedAccess> {
        now.access.iter().find(|found| match entry.principal.known() {
            Some(principal) => found.principal == *principal,
            None => is_owned(&found.tags, &self.owner) && found.tags.get(KEY_TAG).is_some_and(|tag| tag == key.as_str()),
        })
    }
}
