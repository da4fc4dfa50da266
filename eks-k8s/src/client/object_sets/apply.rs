//! Server-side apply, with its refusals told by meaning.

use eks_core::Error;
use kube::{
    api::{Patch, PatchParams},
    core::Status,
};
use serde_json::Value;

use super::super::api::{Collection, value};
use crate::{FieldConflict, owned::MANAGER};

/// Why the API server does not apply a manifest.
pub(super) enum Refusal {
    /// Other managers have set fields of it to other values.
    Conflicts(Vec<FieldConflict>),
    /// It breaks a rule of its kind.
    Invalid(String),
    /// The call failed.
    Failed(Error),
}

pub(super) async fn apply(collection: &Collection, name: &str, manifest: &Value, force: bool, dry_run: bool) -> Result<Value, Refusal> {
    let params = PatchParams { dry_run, force, ..PatchParams::apply(MANAGER) };
    match collection.api.patch(name, &params, &Patch::Apply(manifest)).await {
        Ok(applied) => value(applied).map_err(Refusal::Failed),
        Err(kube::Error::Api(status)) if !conflicts(&status).is_empty() => Err(Refusal::Conflicts(conflicts(&status))),
        Err(kube::Error::Api(status)) if is_invalid(&status) => Err(Refusal::Invalid(status.message.clone())),
        Err(error) => Err(Refusal::Failed(collection.failed("apply", name, error))),
    }
}

/// Whether the manifest is at fault. What does not fit its kind's schema was an internal error before Kubernetes 1.23.
fn is_invalid(status: &Status) -> bool {
    [400, 422].contains(&status.code) || (status.code == 500 && status.message.starts_with("failed to create typed patch object"))
}

/// The fields that a conflict names (Kubernetes, "Server-Side Apply", Conflicts).
fn conflicts(status: &Status) -> Vec<FieldConflict> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| FieldConflict {
            manager: cause.message.strip_prefix("conflict with ").unwrap_or(&cause.message).to_owned(),
            field: cause.field.clone(),
        })
        .collect()
}
