//! One call as a service sees it, whatever protocol brought it.

use serde_json::Value;

use crate::error::ApiError;

/// The AWS services that the simulator has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Service {
    AutoScaling,
    CloudFormation,
    Ec2,
    Eks,
    Elb,
    Iam,
    Ssm,
    Sts,
}

impl Service {
    /// The service that a SigV4 credential scope names.
    pub(crate) fn from_signing_name(name: &str) -> Option<Self> {
        Some(match name {
            "autoscaling" => Self::AutoScaling,
            "cloudformation" => Self::CloudFormation,
            "ec2" => Self::Ec2,
            "eks" => Self::Eks,
            "elasticloadbalancing" => Self::Elb,
            "iam" => Self::Iam,
            "ssm" => Self::Ssm,
            "sts" => Self::Sts,
            _ => return None,
        })
    }

    /// The name used in SigV4 scopes, IAM actions and the call log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AutoScaling => "autoscaling",
            Self::CloudFormation => "cloudformation",
            Self::Ec2 => "ec2",
            Self::Eks => "eks",
            Self::Elb => "elasticloadbalancing",
            Self::Iam => "iam",
            Self::Ssm => "ssm",
            Self::Sts => "sts",
        }
    }
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// `arn:aws:iam::123456789012:user/admin`, or an assumed role's session.
    pub(crate) arn: String,
    /// The unique id behind the ARN, as GetCallerIdentity tells it.
    pub(crate) user_id: String,
}

/// Parameters of a call as a tree: query parameters unflattened (`Filter.1.Name` becomes `Filter[0].Name`, `.member`
/// dropped, everything a string), JSON bodies as they came, path parameters merged in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Args(pub(crate) Value);

impl Args {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// A parameter that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.str(name).filter(|text| !text.is_empty()).ok_or_else(|| ApiError::missing(name))
    }

    /// A boolean in any protocol's form.
    pub(crate) fn bool(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Value::Bool(value) => Some(*value),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// An integer in any protocol's form.
    pub(crate) fn int(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The members of a list parameter; empty when absent.
    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The members of a list parameter as nested parameters.
    pub(crate) fn nested(&self, name: &str) -> Vec<Self> {
        self.list(name).iter().cloned().map(Self).collect()
    }

    /// A structure parameter as nested parameters; empty when absent.
    pub(crate) fn sub(&self, name: &str) -> Self {
        Self(self.get(name).cloned().unwrap_or(Value::Null))
    }

    /// The members of a list of strings; empty when absent.
    pub(crate) fn strings(&self, name: &str) -> Vec<String> {
        self.list(name).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

impl From<Value> for Args {
    fn from(value: Value) -> Self {
        Self(value)
    }
}
