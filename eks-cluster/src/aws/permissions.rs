//! Asking IAM's policy simulator.

use std::collections::BTreeMap;

use eks_core::{Class, Error, Finding, Plan, aws::failed};

use super::{Clusters, found};
use crate::permissions::{self, Denial, Source};

/// Actions of one call. The API names no limit; results come in pages of at most a thousand.
const BATCH: usize = 100;

impl Clusters {
    /// What a plan, of this layer or joined with others, needs and `caller` (as GetCallerIdentity tells it) may not do: a
    /// warning for each action, at the step that needs it. One call for a hundred actions, and one more for a session, whose ARN
    /// lacks its role's path. Where IAM refuses to simulate, that is the only finding.
    ///
    /// The simulator judges by the policies of the user or role, its boundary and the organisation's, for all resources (`*`): a
    /// policy that is limited to some resources, or by conditions, may allow more than is told here. It knows neither session
    /// policies nor those of resources.
    ///
    /// # Errors
    /// If a call fails otherwise than by refusal.
    pub async fn check_permissions(&self, plan: &Plan, caller: &str) -> Result<Vec<Finding>, Error> {
        let needed = permissions::needed(plan);
        if needed.is_empty() {
            return Ok(Vec::new());
        }
        let unchecked = |why: &str| Ok(permissions::unchecked(&needed, why));
        let source = match Source::of(caller) {
            Source::Entity(arn) => arn,
            Source::Role(name) => {
                let sent = self.iam.get_role().role_name(&name).send().await;
                match found(sent.map_err(|error| failed("iam:GetRole", &name, error))) {
                    Ok(Some(answer)) => answer.role.map(|role| role.arn).unwrap_or_default(),
                    Ok(None) => return unchecked(&format!("the account has no role {name}")),
                    Err(error) if error.class() == Class::Denied => return unchecked(&error.chain()),
                    Err(error) => return Err(error),
                }
            }
            Source::Nobody => return unchecked(&format!("IAM does not simulate the policies of {caller}")),
        };
        let actions: Vec<_> = needed.keys().cloned().collect();
        let mut denied = BTreeMap::new();
        for batch in actions.chunks(BATCH) {
            match self.simulate(&source, batch).await {
                Ok(more) => denied.extend(more),
                Err(error) if matches!(error.class(), Class::Denied | Class::NotFound) => return unchecked(&error.chain()),
                Err(error) => return Err(error),
            }
        }
        Ok(permissions::findings(&needed, &denied, &source))
    }

    async fn simulate(&self, source: &str, actions: &[String]) -> Result<BTreeMap<String, Denial>, Error> {
        let request = self.iam.simulate_principal_policy().policy_source_arn(source).set_action_names(Some(actions.to_vec()));
        let mut pages = request.into_paginator().page_size(1000).items().send();
        let mut denied = BTreeMap::new();
        while let Some(result) = pages.next().await {
            let result = result.map_err(|error| failed("iam:SimulatePrincipalPolicy", source, error))?;
            if result.eval_decision().as_str() == "allowed" {
                continue;
            }
            let denial = Denial {
                explicit: result.eval_decision().as_str() == "explicitDeny",
                by_organization: result.organizations_decision_detail().is_some_and(|told| !told.allowed_by_organizations()),
                by_boundary: result.permissions_boundary_decision_detail().is_some_and(|told| !told.allowed_by_permissions_boundary()),
                missing: result.missing_context_values().iter().cloned().collect(),
            };
            denied.insert(result.eval_action_name().to_owned(), denial);
        }
        Ok(denied)
    }
}
