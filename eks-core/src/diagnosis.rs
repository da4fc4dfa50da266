//! Why something will not become what it should.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A cause that is certain, with what shows it and what to do about it. Plain data, so that a layer can be told by another one that
/// it knows nothing of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "whoever diagnoses builds it")]
pub struct Diagnosis {
    /// The cause's name, in kebab case: programs tell causes apart by it.
    pub cause: String,
    /// The cause for people, in one line.
    pub told: String,
    /// What was seen, a line each.
    pub evidence: Vec<String>,
    /// What to do about it.
    pub fix: String,
    /// The page of AWS's or Kubernetes' documentation that it rests on.
    pub page: String,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.told, self.cause)?;
        self.evidence.iter().try_for_each(|line| write!(f, "\n    seen: {line}"))?;
        write!(f, "\n    fix: {}\n    see: {}", self.fix, self.page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_is_on_a_line_of_its_own() {
        let diagnosis = Diagnosis {
            cause: "no-route".to_owned(),
            told: "subnet-1 has no way out".to_owned(),
            evidence: vec!["rtb-1 has no default route".to_owned()],
            fix: "add one".to_owned(),
            page: "Nodes fail to join cluster".to_owned(),
        };
        let text = diagnosis.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "subnet-1 has no way out (no-route)",
                "    seen: rtb-1 has no default route",
                "    fix: add one",
                "    see: Nodes fail to join cluster"
            ]
        );
    }
}
