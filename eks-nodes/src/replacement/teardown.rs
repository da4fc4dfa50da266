//! What a replacement that was not ended leaves in AWS: rules between two security groups, which keep either from being deleted.

use std::collections::BTreeSet;

use eks_core::{Error, Owner, Removal, SecurityGroupId, Survivor, Teardown};

use super::{
    actions,
    observed::CrossRule,
    op::ReplaceOp,
    plan::{CALL, fault},
};

/// The rules of every replacement of this owner.
pub(crate) fn teardown(owner: &Owner, region: &str, rules: &[CrossRule]) -> Result<Teardown, Error> {
    let mut teardown = Teardown::builder(owner, "replace", serde_json::json!({ "region": region }));
    let groups: BTreeSet<&SecurityGroupId> = rules.iter().map(|rule| &rule.group).collect();
    if !groups.is_empty() {
        let key = "replace/rules".parse().map_err(fault)?;
        let ids = rules.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>().join(", ");
        let op = ReplaceOp::CloseRules { groups: groups.into_iter().cloned().collect() };
        let removal = Removal::new(key, "rules between old and new nodes", ids, &op).map_err(fault)?;
        teardown = teardown.removal(removal.takes(CALL).permits(actions::CLOSE_RULES));
    }
    teardown.build().map_err(fault)
}

/// Those that are still there.
pub(crate) fn survivors(rules: &[CrossRule]) -> Vec<Survivor> {
    let remedy = "revoke it: aws ec2 revoke-security-group-ingress";
    let survivor = |rule: &CrossRule| {
        let why = format!("security group {} still lets {} in", rule.group, rule.peer);
        Survivor::new("security group rule", rule.id.as_str(), why, remedy, 0.0)
    };
    rules.iter().map(survivor).collect()
}
