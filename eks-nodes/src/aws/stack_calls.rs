//! The calls that change stacks.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_cloudformation::types::{Capability, Parameter, Tag};
use eks_core::{Class, Error, Ref, aws::failed, engine::StepContext};

use super::Workers;
use crate::{
    cause::Cause,
    fingerprint::TEMPLATE_TAG,
    request::{StackRequest, TemplateSource},
    sizing::DESIRED_TAG,
};

/// After this time CloudFormation gives up and rolls back, rather than waiting for instances that never come.
pub(super) const TIMEOUT_MINUTES: u16 = 20;

/// What an update call led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// An operation runs.
    Began,
    /// There was nothing to do.
    Nothing,
}

impl Workers {
    /// Begins the creation; tells the stack's ARN.
    pub(super) async fn create_stack(&self, request: &StackRequest, cx: &StepContext) -> Result<String, Error> {
        let (body, url) = source(&request.template);
        let made = self
            .client
            .create_stack()
            .stack_name(request.name.as_str())
            .set_template_body(body)
            .set_template_url(url)
            .set_parameters(Some(parameters(request, cx)?))
            .set_capabilities(capabilities(request))
            .set_tags(Some(tags(request, cx)))
            .timeout_in_minutes(TIMEOUT_MINUTES.into())
            .client_request_token(token(cx))
            .send()
            .await;
        let made = made.map_err(|error| judged(failed("cloudformation:CreateStack", format!("stack {}", request.name), error), request))?;
        made.stack_id.ok_or_else(|| Error::Plan { subject: format!("stack {}", request.name), reason: "was made without an id".to_owned() })
    }

    pub(super) async fn update_stack(&self, id: &str, request: &StackRequest, cx: &StepContext) -> Result<Call, Error> {
        let (body, url) = source(&request.template);
        let sent = self
            .client
            .update_stack()
            .stack_name(id)
            .set_template_body(body)
            .set_template_url(url)
            .set_parameters(Some(parameters(request, cx)?))
            .set_capabilities(capabilities(request))
            .set_tags(Some(tags(request, cx)))
            .client_request_token(token(cx))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Call::Began),
            Err(error) if error.as_service_error().and_then(|e| e.meta().message()).is_some_and(|text| text.contains("No updates")) => {
                Ok(Call::Nothing)
            }
            Err(error) => Err(judged(failed("cloudformation:UpdateStack", format!("stack {}", request.name), error), request)),
        }
    }

    /// Begins the deletion.
    ///
    /// # Errors
    /// [`Error::Refused`] if the stack is protected: whoever did that decides.
    pub(super) async fn delete_stack(&self, id: &str, cx: &StepContext) -> Result<(), Error> {
        let sent = self.client.delete_stack().stack_name(id).client_request_token(token(cx)).send().await;
        let Err(error) = sent.map_err(|error| failed("cloudformation:DeleteStack", id, error)) else { return Ok(()) };
        let cause = std::error::Error::source(&error).map_or(Cause::Unknown, |words| Cause::of(&words.to_string()));
        if cause == Cause::TerminationProtection {
            return Err(Error::Refused {
                subject: format!("stack {id}"),
                rule: "is protected from deletion".to_owned(),
                remedy: cause.remedy().to_string(),
            });
        }
        Err(error)
    }

    /// Begins to take back what an update that failed has left.
    pub(super) async fn roll_back(&self, id: &str, cx: &StepContext) -> Result<(), Error> {
        let sent = self.client.rollback_stack().stack_name(id).client_request_token(token(cx)).send().await;
        sent.map(drop).map_err(|error| failed("cloudformation:RollbackStack", id, error))
    }

    /// Goes on with a rollback that failed, but for these resources.
    pub(super) async fn continue_rollback(&self, id: &str, skip: Vec<String>, cx: &StepContext) -> Result<(), Error> {
        let call = self.client.continue_update_rollback().stack_name(id).client_request_token(token(cx));
        let sent = call.set_resources_to_skip((!skip.is_empty()).then_some(skip)).send().await;
        sent.map(drop).map_err(|error| failed("cloudformation:ContinueUpdateRollback", id, error))
    }
}

fn source(template: &TemplateSource) -> (Option<String>, Option<String>) {
    match template {
        TemplateSource::Body(body) => (Some(body.clone()), None),
        TemplateSource::Url(url) => (None, Some(url.clone())),
    }
}

fn parameters(request: &StackRequest, cx: &StepContext) -> Result<Vec<Parameter>, Error> {
    let parameter = |(name, argument): (&String, &crate::Argument)| {
        let value = argument.text(|reference| cx.resolve(reference))?;
        Ok(Parameter::builder().parameter_key(name).parameter_value(value).build())
    };
    request.parameters.iter().map(parameter).collect()
}

fn capabilities(request: &StackRequest) -> Option<Vec<Capability>> {
    let names = request.capabilities.iter().map(|capability| Capability::from(capability.as_str())).collect::<Vec<_>>();
    (!names.is_empty()).then_some(names)
}

/// CloudFormation puts them on everything that the stack makes, too.
fn tags(request: &StackRequest, cx: &StepContext) -> Vec<Tag> {
    let fingerprint = (TEMPLATE_TAG.to_owned(), request.template.fingerprint());
    let desired = request.desired.map(|desired| (DESIRED_TAG.to_owned(), desired.to_string()));
    let tag = |(key, value)| Tag::builder().key(key).value(value).build();
    cx.tags().into_iter().chain([fingerprint]).chain(desired).map(tag).collect()
}

/// A token of this very call, so that the SDK may repeat it.
///
/// It need not outlive the call, as a stack is found again by its name; and it must not, as CloudFormation refuses a token that
/// it has seen, and the name is free again after a deletion.
pub(crate) fn token(cx: &StepContext) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    cx.owner().token(cx.key(), &now.as_nanos().to_string())
}

/// What a refused request means.
///
/// CloudFormation asks EC2 whether what parameters name exists, and EC2 may not yet show what an earlier step made. Other words that say
/// what to do (no such SSM parameter, no such key pair) get their remedy.
fn judged(error: Error, request: &StackRequest) -> Error {
    if error.code() != Some("ValidationError") {
        return error;
    }
    let told = request.parameters.values().flat_map(|argument| argument.references()).any(|reference| matches!(reference, Ref::Output(_)));
    let words = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    match Cause::of(&words) {
        Cause::Missing if told => error.with_class(Class::Inconsistent),
        cause @ (Cause::KeyPairMissing | Cause::ParameterMissing { .. } | Cause::ImageMissing) => {
            with_remedy(error, format!("{words}; {}", cause.remedy()))
        }
        _ => error,
    }
}

fn with_remedy(error: Error, words: String) -> Error {
    match error {
        Error::Call { call, subject, class, code, request_id, .. } => {
            Error::Call { call, subject, class, code, request_id, source: words.into() }
        }
        other => other,
    }
}
