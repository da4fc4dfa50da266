//! The JSON Schema of an environment's file.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::{Environment, file::document::Document};

impl Environment {
    /// The JSON Schema (draft 2020-12) of YAML and TOML files, for editors and for programs that write them: names, types, choices,
    /// patterns, and what each field means.
    ///
    /// What layers check beyond the form (blocks that overlap, zones that lack a subnet) is told by reading the file.
    pub fn json_schema() -> Value {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = false);
        let mut schema = settings.into_generator().into_root_schema_for::<Document>();
        schema.insert("$id".to_owned(), "https://eks-rs.dev/schema/v1/environment.json".into());
        schema.insert("title".to_owned(), "An Amazon EKS environment".into());
        schema.to_value()
    }
}
