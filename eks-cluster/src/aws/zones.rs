//! EKS's refusal of Availability Zones.

use aws_sdk_eks::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use eks_core::{ClusterName, Error, aws::failed};

use super::cluster::heals;
use crate::UnsupportedZones;

/// What a call failed with; if EKS refuses zones, with those that it would take as the source. `told` is the list that the error's own
/// shape carries.
pub(super) fn refusal<E>(call: &str, name: &ClusterName, error: SdkError<E, HttpResponse>, told: impl Fn(&E) -> Option<&[String]>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let answer = error.as_service_error();
    let message = answer.and_then(|answer| answer.message()).unwrap_or_default();
    let refuses = answer.is_some_and(|answer| answer.code() == Some("UnsupportedAvailabilityZoneException"));
    let zones = answer.filter(|_| refuses).and_then(|answer| UnsupportedZones::from_answer(told(answer).unwrap_or_default(), message));
    match (heals(failed(call, name.as_str(), error)), zones) {
        (Error::Call { call, subject, class, code, request_id, .. }, Some(zones)) => {
            Error::Call { call, subject, class, code, request_id, source: Box::new(zones) }
        }
        (error, _) => error,
    }
}
