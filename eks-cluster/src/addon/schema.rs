//! The schema of an add-on's configuration, and what breaks it.

use std::fmt;

use serde_json::Value;

/// The JSON schema of an add-on's configuration values, as DescribeAddonConfiguration tells it.
#[derive(Clone, Debug)]
pub struct AddonSchema(jsonschema::Validator);

/// A place of configuration values that breaks the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// JSON pointer of the place: `/controller/replicaCount`; empty for all of it.
    pub pointer: String,
    /// The rule, and how it is broken.
    pub rule: String,
}

/// Why configuration values could not be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// What EKS tells is no schema.
    #[error("EKS tells no valid JSON schema: {0}")]
    Schema(String),
    /// The values are neither JSON nor YAML.
    #[error("the values are neither JSON nor YAML: {0}")]
    Values(String),
}

impl AddonSchema {
    /// Reads a schema. References to other documents are not followed.
    ///
    /// # Errors
    /// [`SchemaError::Schema`] if it is none.
    pub fn new(schema: &str) -> Result<Self, SchemaError> {
        let schema: Value = serde_json::from_str(schema).map_err(|error| SchemaError::Schema(error.to_string()))?;
        // `format` is EKS's hint that a text holds a number or a boolean; drafts 6 and 7 refuse nothing by it.
        let validator = jsonschema::options().should_validate_formats(false).build(&schema);
        validator.map(Self).map_err(|error| SchemaError::Schema(error.to_string()))
    }

    /// What of `values`, JSON or YAML, breaks the schema: everything at once. Values that say nothing break nothing.
    ///
    /// # Errors
    /// [`SchemaError::Values`] if they cannot be read.
    pub fn violations(&self, values: &str) -> Result<Vec<Violation>, SchemaError> {
        let values = parse(values).map_err(SchemaError::Values)?;
        if values.is_null() {
            return Ok(Vec::new());
        }
        let violation =
            |error: jsonschema::ValidationError<'_>| Violation { pointer: error.instance_path().to_string(), rule: error.to_string() };
        Ok(self.0.iter_errors(&values).map(violation).collect())
    }
}

/// JSON is nearly YAML, but what begins as JSON is read as such, so that its errors are told in its terms.
pub(crate) fn parse(values: &str) -> Result<Value, String> {
    if values.trim_start().starts_with('{') {
        return serde_json::from_str(values).map_err(|error| error.to_string());
    }
    serde_yaml_ng::from_str(values).map_err(|error| error.to_string())
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() { "the values" } else { &self.pointer };
        write!(f, "{pointer}: {}", self.rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AWS CLI command reference, "describe-addon-configuration", of coredns v1.8.7.
    const COREDNS: &str = r##"{"$ref":"#/definitions/Coredns","$schema":"http://json-schema.org/draft-06/schema#","definitions":{"Coredns":{"additionalProperties":false,"properties":{"computeType":{"type":"string"},"nodeSelector":{"additionalProperties":{"type":"string"},"type":"object"},"replicaCount":{"type":"integer"},"resources":{"$ref":"#/definitions/Resources"}},"title":"Coredns","type":"object"},"Limits":{"additionalProperties":false,"properties":{"cpu":{"type":"string"},"memory":{"type":"string"}},"title":"Limits","type":"object"},"Resources":{"additionalProperties":false,"properties":{"limits":{"$ref":"#/definitions/Limits"},"requests":{"$ref":"#/definitions/Limits"}},"title":"Resources","type":"object"}}}"##;

    fn pointers(values: &str) -> Vec<String> {
        let mut found: Vec<_> =
            AddonSchema::new(COREDNS).unwrap().violations(values).unwrap().into_iter().map(|found| found.pointer).collect();
        found.sort();
        found
    }

    #[test]
    fn everything_that_breaks_the_schema_is_told_with_its_place() {
        assert!(pointers(r#"{"replicaCount":3,"resources":{"limits":{"memory":"170Mi"}}}"#).is_empty());
        assert!(pointers("replicaCount: 3\nresources:\n  limits:\n    memory: 170Mi\n").is_empty());
        assert!(pointers("").is_empty());
        assert_eq!(
            pointers(r#"{"replicaCount":"3","resources":{"limits":{"memory":170}},"nodeSelector":{"a":1}}"#),
            ["/nodeSelector/a", "/replicaCount", "/resources/limits/memory"]
        );
        assert_eq!(pointers("replicas: 3"), [""], "what is there too much is of the object around it");
        let all = AddonSchema::new(COREDNS).unwrap().violations("replicas: 3").unwrap();
        assert_eq!(all[0].to_string(), "the values: Additional properties are not allowed ('replicas' was unexpected)");
    }

    #[test]
    fn what_cannot_be_read_is_told_apart() {
        assert!(matches!(AddonSchema::new("{"), Err(SchemaError::Schema(_))));
        assert!(matches!(AddonSchema::new(r#"{"type":"no such"}"#), Err(SchemaError::Schema(_))));
        let schema = AddonSchema::new(COREDNS).unwrap();
        assert!(matches!(schema.violations(r#"{"a""#), Err(SchemaError::Values(_))));
        assert!(matches!(schema.violations("a: [b"), Err(SchemaError::Values(_))));
    }
}
