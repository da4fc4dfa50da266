//! A table of rules: what a call must answer, by AWS's documentation, and what came.

use std::future::Future;

use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// What stands for a call that must succeed.
pub(crate) const DONE: &str = "done";

#[derive(Default)]
pub(crate) struct Table {
    rows: usize,
    wrong: Vec<String>,
}

impl Table {
    /// A call that must answer the error `code`, or succeed.
    pub(crate) async fn row<T, E: ProvideErrorMetadata>(&mut self, rule: &str, code: &str, call: impl Future<Output = Result<T, E>>) {
        let (came, message) = match call.await {
            Ok(_) => (DONE.to_owned(), String::new()),
            Err(error) => (error.code().unwrap_or("no code").to_owned(), error.message().unwrap_or_default().to_owned()),
        };
        self.rows += 1;
        if came != code {
            self.wrong.push(format!("{rule}: must be {code}, is {came} ({message})"));
        }
    }

    /// A fact that must hold.
    pub(crate) fn fact<T: PartialEq + std::fmt::Debug>(&mut self, rule: &str, expected: T, came: T) {
        self.rows += 1;
        if came != expected {
            self.wrong.push(format!("{rule}: must be {expected:?}, is {came:?}"));
        }
    }

    /// All rows at once, so that one wrong row hides no other.
    pub(crate) fn check(self) {
        assert!(self.wrong.is_empty(), "{} of {} rows:\n{}", self.wrong.len(), self.rows, self.wrong.join("\n"));
    }
}
