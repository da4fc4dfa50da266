//! The calls that change stacks.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_cloudformation::types::{Capability, Parameter, Tag};
use eks_core::{Class, Error, Ref, aws::failed, engine::StepContext};

use super::Workers;
use crate::{
    fingerprint::TEMPLATE_TAG,
    request::{StackRequest, TemplateSource},
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
        let made =
            made.map_err(|error| too_new(failed("cloudformation:CreateStack", format!("stack {}", request.name), error), request))?;
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
            Err(error) => Err(too_new(failed("cloudformation:UpdateStack", format!("stack {}", request.name), error), request)),
        }
    }

    pub(super) async fn delete_stack(&self, id: &str, cx: &StepContext) -> Result<(), Error> {
        let sent = self.client.delete_stack().stack_name(id).client_request_token(token(cx)).send().await;
        sent.map(drop).map_err(|error| failed("cloudformation:DeleteStack", id, error))
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
    request.iam.then(|| vec![Capability::CapabilityIam])
}

/// CloudFormation puts them on everything that the stack makes, too.
fn tags(request: &StackRequest, cx: &StepContext) -> Vec<Tag> {
    let fingerprint = (TEMPLATE_TAG.to_owned(), request.template.fingerprint());
    let tag = |(key, value)| Tag::builder().key(key).value(value).build();
    cx.tags().into_iter().chain([fingerprint]).map(tag).collect()
}

/// A token of this very call, so that the SDK may repeat it.
///
/// It need not outlive the call, as a stack is found again by its name; and it must not, as CloudFormation refuses a token that
/// it has seen, and the name is free again after a deletion.
pub(crate) fn token(cx: &StepContext) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    cx.owner().token(cx.key(), &now.as_nanos().to_string())
}

/// CloudFormation asks EC2 whether what parameters name exists, and EC2 may not yet show what an earlier step made.
fn too_new(error: Error, request: &StackRequest) -> Error {
    let told = request.parameters.values().flat_map(|argument| argument.references()).any(|reference| matches!(reference, Ref::Output(_)));
    if told && error.code() == Some("ValidationError") && error.chain().contains("does not exist") {
        return error.with_class(Class::Inconsistent);
    }
    error
}
