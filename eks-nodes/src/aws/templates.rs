//! What a template declares.

use aws_sdk_cloudformation::{operation::get_template_summary::GetTemplateSummaryError, types};
use eks_core::{Error, aws::failed};

use super::Workers;
use crate::amazon::{TemplateParameter, TemplateSummary};

const CALL: &str = "cloudformation:GetTemplateSummary";

impl Workers {
    /// CloudFormation reads the template with its caller's rights.
    pub(super) async fn summary(&self, url: &str) -> Result<TemplateSummary, Error> {
        let asked = self.client.get_template_summary().template_url(url).send().await;
        let answer = asked.map_err(|error| match error.as_service_error().and_then(unreadable) {
            Some(rule) => Error::Refused {
                subject: format!("template {url}"),
                rule: format!("cannot be read by CloudFormation: {rule}"),
                remedy: "give the address of a template that you may read in S3".to_owned(),
            },
            None => failed(CALL, format!("template {url}"), error),
        })?;
        // A capability that this version does not know cannot be acknowledged: the creation fails, and says so.
        let capabilities = answer.capabilities().iter().filter_map(|one| one.as_str().parse().ok()).collect();
        let resource_types = answer.resource_types().iter().cloned().collect();
        let parameters = answer.parameters.unwrap_or_default().into_iter().filter_map(parameter).collect();
        Ok(TemplateSummary { parameters, capabilities, resource_types })
    }
}

/// "S3 error: Access Denied", "TemplateURL must be a supported URL", "Template format error": all are ValidationErrors.
fn unreadable(error: &GetTemplateSummaryError) -> Option<String> {
    let meta = error.meta();
    (meta.code() == Some("ValidationError")).then(|| meta.message().unwrap_or_default().lines().next().unwrap_or_default().to_owned())
}

fn parameter(declared: types::ParameterDeclaration) -> Option<(String, TemplateParameter)> {
    let name = declared.parameter_key?;
    let parameter = TemplateParameter {
        kind: declared.parameter_type.unwrap_or_else(|| "String".to_owned()),
        default: declared.default_value,
        no_echo: declared.no_echo.unwrap_or_default(),
        allowed: declared.parameter_constraints.and_then(|constraints| constraints.allowed_values).unwrap_or_default(),
    };
    Some((name, parameter))
}
