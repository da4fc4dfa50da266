//! Edits that people ask for, and what keeps them from locking themselves out.

use eks_core::Error;
use serde::{Deserialize, Serialize};

use super::{
    AwsAuth, Mapping, Principal,
    document::ACCOUNTS,
    list::List,
    mapping::{ADMINISTRATORS, arn},
    refused,
};

/// A change of the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuthEdit {
    /// Maps a role or user, beside what is there; an entry of the same ARN and user name gets the groups that it lacks.
    Map(Mapping),
    /// Takes every entry of a role or user out.
    Unmap(Principal),
    /// Lets every user and role of an account in, each by its own ARN. 12 digits.
    MapAccount(String),
    /// No longer.
    UnmapAccount(String),
}

/// Who must not be locked out by an edit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    caller: Option<Principal>,
    may_lock_out: bool,
}

impl Guard {
    /// Refuses an edit after which the caller is no longer mapped as before.
    pub fn caller(principal: Principal) -> Self {
        Self { caller: Some(principal), may_lock_out: false }
    }

    /// Lets an edit take away the caller's or the last administrator's way in, because there is another: an access entry, or the
    /// identity that created the cluster.
    #[must_use]
    pub fn even_if_locked_out(mut self) -> Self {
        self.may_lock_out = true;
        self
    }

    /// Whether a document may stand in for another: nobody who is mapped now is forgotten.
    #[cfg(any(test, feature = "client"))]
    pub(crate) fn check_replacement(&self, before: &AwsAuth, after: &AwsAuth) -> Result<(), Error> {
        let (kept, accounts) = (after.mappings(), after.list(ACCOUNTS));
        let is_kept = |mapping: &Mapping| {
            let same = |other: &&Mapping| other.principal.is(mapping.principal.as_str());
            kept.iter().find(same).is_some_and(|other| mapping.groups.iter().all(|group| other.groups.contains(group)))
        };
        let mut forgotten: Vec<String> =
            before.mappings().iter().filter(|mapping| !is_kept(mapping)).map(|mapping| mapping.principal.to_string()).collect();
        let account_is_kept = |account: &serde_yaml_ng::Value| accounts.as_ref().is_ok_and(|list| list.items().contains(account));
        if let Ok(list) = before.list(ACCOUNTS) {
            forgotten.extend(
                list.items().iter().filter(|account| !account_is_kept(account)).filter_map(|account| Some(account.as_str()?.to_owned())),
            );
        }
        if !forgotten.is_empty() && !self.may_lock_out {
            let remedy = "map them anew afterwards, and say so (Guard::even_if_locked_out)".to_owned();
            let rule = format!("the document is whole, and maps whom or what the other does not: {}", forgotten.join(", "));
            return Err(Error::Refused { subject: "ConfigMap kube-system/aws-auth".to_owned(), rule, remedy });
        }
        self.check(before, after)
    }

    fn check(&self, before: &AwsAuth, after: &AwsAuth) -> Result<(), Error> {
        if self.may_lock_out {
            return Ok(());
        }
        let lockout = |rule: String| {
            let remedy = "map another administrator first, or say that there is another way in (Guard::even_if_locked_out)".to_owned();
            Err(Error::Refused { subject: "ConfigMap kube-system/aws-auth".to_owned(), rule, remedy })
        };
        let (were, are) = (before.administrators(), after.administrators());
        if are.is_empty()
            && let Some(last) = were.first()
        {
            return lockout(format!("the edit takes the last administrator away: {last} was in {ADMINISTRATORS}"));
        }
        let Some(caller) = &self.caller else { return Ok(()) };
        let among = |all: &[Principal]| all.iter().any(|principal| principal.is(caller.as_str()));
        if among(&were) && !among(&are) {
            return lockout(format!("the edit takes the caller {caller} out of {ADMINISTRATORS}"));
        }
        let way = |document: &AwsAuth| document.mappings().into_iter().find(|mapping| mapping.principal.is(caller.as_str()));
        let by_account = |document: &AwsAuth| {
            let account = caller.as_str().split(':').nth(4);
            document.list(ACCOUNTS).is_ok_and(|list| list.items().iter().any(|item| item.as_str() == account))
        };
        let kept = match (way(before), way(after)) {
            (Some(was), Some(is)) => is.username == was.username && was.groups.iter().all(|group| is.groups.contains(group)),
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (None, None) => !by_account(before) || by_account(after),
        };
        if !kept {
            return lockout(format!("the edit takes away the way in of the caller {caller}"));
        }
        Ok(())
    }
}

impl AwsAuth {
    /// The document with these changes; `None` if it has them already. Every byte that no edit concerns stays.
    ///
    /// # Errors
    /// [`Error::Refused`] if a list that is concerned is broken or has a form that cannot be edited, if a role or user is mapped to
    /// another user name, or if the guard forbids it.
    pub fn edit(&self, edits: &[AuthEdit], guard: &Guard) -> Result<Option<Self>, Error> {
        let mut document = self.clone();
        for edit in edits {
            match edit {
                AuthEdit::Map(mapping) => document = document.with(mapping)?.unwrap_or(document),
                AuthEdit::Unmap(principal) => {
                    let section = Self::section_of(principal);
                    document.remove_all(section, |item| {
                        arn(item).and_then(serde_yaml_ng::Value::as_str).is_some_and(|arn| principal.is(arn))
                    })?;
                }
                AuthEdit::MapAccount(account) => document.map_account(account)?,
                AuthEdit::UnmapAccount(account) => document.remove_all(ACCOUNTS, |item| item.as_str() == Some(account))?,
            }
        }
        guard.check(self, &document)?;
        Ok((document != *self).then_some(document))
    }

    fn remove_all(&mut self, section: &'static str, which: impl Fn(&serde_yaml_ng::Value) -> bool) -> Result<(), Error> {
        let mut list: List = self.list(section)?;
        while let Some(at) = list.last(&which) {
            list = list.cut(at)?;
        }
        self.put(section, &list);
        Ok(())
    }

    fn map_account(&mut self, account: &str) -> Result<(), Error> {
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refused(ACCOUNTS, format!("{account:?} is not the number of an account: 12 digits")));
        }
        let list = self.list(ACCOUNTS)?;
        if list.last(|item| item.as_str() == Some(account)).is_none() {
            // In quotes: YAML would read leading zeros as an octal number.
            let list = list.append(&[format!("- \"{account}\"")])?;
            self.put(ACCOUNTS, &list);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OPS: &str = "arn:aws:iam::123456789012:role/ops";
    const JANE: &str = "arn:aws:iam::123456789012:user/jane";

    fn principal(arn: &str) -> Principal {
        Principal::parse(arn).unwrap()
    }

    fn document(roles: &str, users: &str) -> AwsAuth {
        AwsAuth::read(&json!({"data": {"mapRoles": roles, "mapUsers": users}})).unwrap()
    }

    fn admin(arn: &str) -> Mapping {
        Mapping::new(principal(arn), "boss").group("system:masters")
    }

    #[test]
    fn the_last_administrator_and_the_caller_stay() {
        let edit = |document: &AwsAuth, arn: &str, guard: &Guard| document.edit(&[AuthEdit::Unmap(principal(arn))], guard);
        let one = document("", "").edit(&[AuthEdit::Map(admin(OPS))], &Guard::default()).unwrap().unwrap();
        assert!(edit(&one, OPS, &Guard::default()).unwrap_err().to_string().contains("last administrator"));
        let two = one.edit(&[AuthEdit::Map(admin(JANE))], &Guard::default()).unwrap().unwrap();
        assert_eq!(two.administrators(), [principal(OPS), principal(JANE)]);
        assert!(edit(&two, OPS, &Guard::default()).unwrap().is_some(), "another one is left");
        let error = edit(&two, OPS, &Guard::caller(principal("arn:aws:sts::123456789012:assumed-role/ops/jane"))).unwrap_err();
        assert!(error.to_string().contains("the caller arn:aws:iam::123456789012:role/ops"), "{error}");
        assert!(edit(&one, OPS, &Guard::caller(principal(OPS)).even_if_locked_out()).unwrap().unwrap().is_empty());
    }

    #[test]
    fn a_caller_who_is_no_administrator_stays_too() {
        let document = document("", "- userarn: arn:aws:iam::123456789012:user/jane\n  username: jane\n");
        let error = document.edit(&[AuthEdit::Unmap(principal(JANE))], &Guard::caller(principal(JANE))).unwrap_err();
        assert!(error.to_string().contains("takes away the way in"), "{error}");
    }

    #[test]
    fn entries_of_one_arn_are_merged_where_they_stand() {
        let block = format!("# ops\n- rolearn: {OPS}\n  username: boss\n  groups:\n    - viewers # all\n  extra: 1\n- rolearn: x\n");
        let flow = format!("- username: boss\n  groups: [ viewers ]  # all\n  rolearn: {OPS}\n");
        for (text, merged) in [
            (&block, block.replace("# all\n", "# all\n    - system:masters\n")),
            (&flow, flow.replace("[ viewers ]", "[ viewers , system:masters]")),
        ] {
            let edited = document(text, "").edit(&[AuthEdit::Map(admin(OPS))], &Guard::default()).unwrap().unwrap();
            assert_eq!(edited.roles(), merged);
            assert_eq!(edited.edit(&[AuthEdit::Map(admin(OPS))], &Guard::default()).unwrap(), None);
        }
        let other = document(&format!("- rolearn: {OPS}\n  username: other\n  groups: [a]\n"), "");
        assert!(other.edit(&[AuthEdit::Map(admin(OPS))], &Guard::default()).unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn every_entry_of_an_arn_goes() {
        let text = format!(
            "- rolearn: {OPS}\n  username: a\n# between\n- rolearn: {}\n  username: b\n",
            OPS.to_uppercase().replace("ARN:AWS:IAM", "arn:aws:iam")
        );
        let edited = document(&text, "").edit(&[AuthEdit::Unmap(principal(OPS))], &Guard::default()).unwrap().unwrap();
        assert_eq!(edited.roles(), "# between\n");
    }

    #[test]
    fn accounts_are_quoted() {
        let edited = document("", "").edit(&[AuthEdit::MapAccount("012345678901".into())], &Guard::default()).unwrap().unwrap();
        assert_eq!(edited.accounts(), "- \"012345678901\"\n");
        assert!(edited.edit(&[AuthEdit::UnmapAccount("012345678901".into())], &Guard::default()).unwrap().unwrap().accounts().is_empty());
        assert!(edited.edit(&[AuthEdit::MapAccount("12345".into())], &Guard::default()).is_err());
    }
}
