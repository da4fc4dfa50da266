//! What the layers above are told of the workers.

use eks_core::{Ref, WorkersRefs};

use crate::spec::{WORKERS_LABEL, WorkersSpec};

impl WorkersSpec {
    /// The workers, for the layers above.
    pub fn refs(&self) -> WorkersRefs {
        let role_of = if self.amazon.is_some() { self.key() } else { self.base_key() };
        let role = || Ref::output(role_of, "NodeInstanceRole");
        WorkersRefs {
            name: self.name.to_string(),
            role: self.managed.as_ref().map_or_else(role, |settings| self.managed_role(settings)),
            desired: self.capacity.desired().saturating_mul(self.groups()),
            node_label: (WORKERS_LABEL.to_owned(), self.name.to_string()),
            running: vec![self.key()],
        }
    }
}
