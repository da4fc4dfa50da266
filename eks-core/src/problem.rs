//! What is wrong with a spec: everything at once, each with the rule and the remedy.

use std::fmt;

/// One rule that a spec breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{subject}: {rule}; {remedy}")]
#[non_exhaustive]
pub struct Problem {
    /// Stable name of the rule, for programs: `subnet-overlap`.
    pub code: &'static str,
    /// The thing concerned, as the user named it.
    pub subject: String,
    /// The rule, and how it is broken.
    pub rule: String,
    /// What to do about it.
    pub remedy: String,
}

/// A spec that breaks rules: all of them, in the order found. Nothing was called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct SpecError {
    /// What was specified: `network chap10`.
    pub spec: String,
    /// Every broken rule; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "{}: {count} problem{}", self.spec, if count == 1 { "" } else { "s" })?;
        for problem in &self.problems {
            write!(f, "\n  - {problem}")?;
        }
        Ok(())
    }
}

/// Collects problems while a spec is checked.
#[derive(Clone, Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// None so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn add(&mut self, code: &'static str, subject: impl fmt::Display, rule: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Problem { code, subject: subject.to_string(), rule: rule.into(), remedy: remedy.into() });
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `value` if there are none.
    ///
    /// # Errors
    /// [`SpecError`] with all of them otherwise.
    pub fn finish<T>(self, spec: impl Into<String>, value: impl FnOnce() -> T) -> Result<T, SpecError> {
        if self.0.is_empty() { Ok(value()) } else { Err(SpecError { spec: spec.into(), problems: self.0 }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_at_once() {
        let mut problems = Problems::new();
        problems.add("a", "subnet x", "is too big", "make it smaller");
        problems.add("b", "subnet y", "overlaps x", "move it");
        let error = problems.finish("network n", || ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "network n: 2 problems\n  - subnet x: is too big; make it smaller\n  - subnet y: overlaps x; move it"
        );
        assert_eq!(Problems::new().finish("n", || 1), Ok(1));
    }
}
