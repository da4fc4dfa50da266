//! What is wrong with a file, at its line.

use std::fmt;

use super::source::{Place, Source};

/// One thing that is wrong with a file.
///
/// `Display` is one line, as compilers write it: `environment.yaml:7:11: …`; [`FileProblem::report`] shows the line as well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileProblem {
    /// Stable name of the rule, for programs: `unknown-field`, `subnet-overlap`.
    pub code: String,
    /// The file's name.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The way to the value: `network.subnets[1].cidr`. Empty for the file as a whole.
    pub path: String,
    /// The thing concerned, where a layer names it.
    pub subject: Option<String>,
    /// The rule, and how it is broken.
    pub rule: String,
    /// What to do about it.
    pub remedy: String,
    snippet: String,
}

impl FileProblem {
    pub(crate) fn new(
        source: &Source<'_>,
        place: Place,
        path: String,
        code: &str,
        subject: Option<String>,
        said: (String, String),
    ) -> Self {
        let (line, column) = source.line_and_column(place.from);
        let (rule, remedy) = said;
        let (code, file) = (code.to_owned(), source.name.to_owned());
        Self { code, file, line, column, path, subject, rule, remedy, snippet: source.snippet(place) }
    }

    /// The problem with its line, a caret under what is wrong, and the remedy.
    pub fn report(&self) -> String {
        let subject = self.subject.iter().map(|subject| format!("{subject}: ")).collect::<String>();
        let margin = " ".repeat(self.line.to_string().len());
        let at = if self.path.is_empty() { String::new() } else { format!(" ({})", self.path) };
        format!(
            "{}{} [{}]\n{margin}--> {}:{}:{}{at}\n{}\n{margin} = {}",
            subject, self.rule, self.code, self.file, self.line, self.column, self.snippet, self.remedy
        )
    }
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if let Some(subject) = &self.subject {
            write!(f, "{subject}: ")?;
        }
        write!(f, "{}; {}", self.rule, self.remedy)
    }
}

/// Why a file is no environment. Nothing was called.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It cannot be read from the disk.
    #[error("{file} cannot be read")]
    Read {
        /// Its path.
        file: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Its name tells neither YAML nor TOML.
    #[error("{file} ends neither in .yaml, .yml nor .toml; rename it, or read its text with from_yaml or from_toml")]
    Format {
        /// Its path.
        file: String,
    },
    /// It breaks rules: all of them, in the order of their lines.
    #[error("{}", Reports(.0))]
    Problems(Vec<FileProblem>),
}

impl FileError {
    /// Every problem, in the order of their lines.
    pub fn problems(&self) -> &[FileProblem] {
        match self {
            Self::Problems(problems) => problems,
            _ => &[],
        }
    }
}

struct Reports<'a>(&'a [FileProblem]);

impl fmt::Display for Reports<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.0 {
            writeln!(f, "{}\n", problem.report())?;
        }
        let files: std::collections::BTreeSet<_> = self.0.iter().map(|problem| problem.file.as_str()).collect();
        let names = files.into_iter().collect::<Vec<_>>().join(", ");
        write!(f, "{names}: {} problem{}", self.0.len(), if self.0.len() == 1 { "" } else { "s" })
    }
}
