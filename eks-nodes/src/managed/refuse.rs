//! What cannot become what is wanted without losing nodes that work.

use eks_core::Error;

use crate::{
    observed::Observed,
    spec::WorkersSpec,
    status::{Next, Purpose},
};

pub(super) fn refused(subject: String, rule: String) -> Error {
    Error::Refused { subject, rule, remedy: "give the new workers another name, drain the old ones, then remove them".to_owned() }
}

impl WorkersSpec {
    /// Workers that are managed do not become a stack's, nor the other way round: their nodes stand on what would go.
    ///
    /// # Errors
    /// [`Error::Refused`] if the other kind is there under this name.
    pub(crate) fn keeps_its_kind(&self, now: &Observed) -> Result<(), Error> {
        let stands = |name: &str| {
            let stack = now.stack(name).filter(|stack| stack.key(now.owner()).is_some());
            stack.filter(|stack| stack.status.next(Purpose::Make) == Next::Compare)
        };
        if self.managed.is_some() {
            return match stands(self.name.as_str()) {
                Some(stack) => Err(refused(
                    format!("stack {}", stack.name),
                    "has workers of this name by CloudFormation, not managed by EKS".to_owned(),
                )),
                None => Ok(()),
            };
        }
        match stands(&self.base_name()).filter(|stack| stack.is_base_of_group()) {
            Some(stack) => Err(refused(format!("stack {}", stack.name), "is what a managed node group of this name stands on".to_owned())),
            None => Ok(()),
        }
    }
}
