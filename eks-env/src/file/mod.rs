//! An environment as a file, in YAML or TOML.

mod closest;
mod de;
pub(crate) mod document;
mod error;
mod locate;
mod parse;
mod read;
mod source;
mod tree;

pub use self::error::{FileError, FileProblem};
use self::{
    document::Document,
    read::Format,
    source::Source,
    tree::{Node, Path, Step, shown},
};
use crate::{Environment, specs::Part};

/// A file that says what an environment should be: read, of the right form, and free of every problem that can be told without a call.
///
/// ```
/// use eks_env::EnvironmentFile;
///
/// let file = EnvironmentFile::from_yaml("shop.yaml", r#"
/// apiVersion: eks-rs.dev/v1
/// owner: shop
/// network:
///   cidr: 10.0.0.0/16
///   zones: [us-east-1a, us-east-1b]
/// cluster:
///   version: "1.36"
///   publicAccessCidrs: [198.51.100.0/24]
/// workers:
///   - name: shop-web
///     instanceTypes: [m7g.large]
///     capacity: {min: 2, desired: 3, max: 6}
/// "#)?;
/// assert_eq!(file.environment().workers().len(), 1);
/// assert!(file.to_toml().contains("instanceTypes = [\"m7g.large\"]"));
/// # Ok::<(), eks_env::FileError>(())
/// ```
///
/// What is wrong is told with its line, all at once:
///
/// ```
/// use eks_env::EnvironmentFile;
///
/// let wrong = EnvironmentFile::from_yaml("shop.yaml", r#"
/// apiVersion: eks-rs.dev/v1
/// owner: shop
/// network:
///   cird: 10.0.0.0/16
///   cidr: 10.0.0.0/30
///   zones: [us-east-1a, us-east-1b]
/// "#).unwrap_err();
/// let told: Vec<_> = wrong.problems().iter().map(|problem| (problem.line, problem.column, problem.code.as_str())).collect();
/// assert_eq!(told[0], (5, 3, "unknown-field"));
/// assert!(told.contains(&(6, 9, "vpc-size")));
/// ```
#[derive(Clone, Debug)]
pub struct EnvironmentFile {
    document: Document,
    environment: Environment,
}

impl EnvironmentFile {
    /// From YAML; `name` is what problems call the text.
    ///
    /// # Errors
    /// [`FileError::Problems`] with everything that is wrong, at its line.
    pub fn from_yaml(name: &str, text: &str) -> Result<Self, FileError> {
        read(&Source { name, text }, Format::Yaml)
    }

    /// From TOML; `name` is what problems call the text.
    ///
    /// # Errors
    /// [`FileError::Problems`] with everything that is wrong, at its line.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, FileError> {
        read(&Source { name, text }, Format::Toml)
    }

    /// From a file whose name ends in `.yaml`, `.yml` or `.toml`.
    ///
    /// # Errors
    /// [`FileError`] if it cannot be read, its name tells no format, or something is wrong with it.
    pub fn from_path(path: impl AsRef<std::path::Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("yaml" | "yml") => Format::Yaml,
            Some("toml") => Format::Toml,
            _ => return Err(FileError::Format { file }),
        };
        let text = std::fs::read_to_string(path).map_err(|source| FileError::Read { file: file.clone(), source })?;
        read(&Source { name: &file, text: &text }, format)
    }

    /// The environment.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The file as YAML, without comments.
    pub fn to_yaml(&self) -> String {
        serde_saphyr::to_string(&self.document).unwrap_or_else(|_| unreachable!("a document has words and numbers alone"))
    }

    /// The file as TOML, without comments.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.document).unwrap_or_else(|_| unreachable!("a document has words and numbers alone"))
    }
}

impl Environment {
    /// The environment that a YAML text says. See [`EnvironmentFile`].
    ///
    /// # Errors
    /// As [`EnvironmentFile::from_yaml`]; problems call the text `environment.yaml`.
    pub fn from_yaml(text: &str) -> Result<Self, FileError> {
        EnvironmentFile::from_yaml("environment.yaml", text).map(|file| file.environment)
    }

    /// The environment that a TOML text says. See [`EnvironmentFile`].
    ///
    /// # Errors
    /// As [`EnvironmentFile::from_toml`]; problems call the text `environment.toml`.
    pub fn from_toml(text: &str) -> Result<Self, FileError> {
        EnvironmentFile::from_toml("environment.toml", text).map(|file| file.environment)
    }

    /// The environment that a file says. See [`EnvironmentFile`].
    ///
    /// # Errors
    /// As [`EnvironmentFile::from_path`].
    pub fn from_path(path: impl AsRef<std::path::Path>) -> Result<Self, FileError> {
        EnvironmentFile::from_path(path).map(|file| file.environment)
    }
}

fn read(source: &Source<'_>, format: Format) -> Result<EnvironmentFile, FileError> {
    let tree = read::tree(source, format).map_err(|problem| FileError::Problems(vec![*problem]))?;
    let (document, mut misfits) = read::document(&tree);
    misfits.extend(read::nothings(&tree));
    let misfit_paths: Vec<Path> = misfits.iter().map(|misfit| misfit.path.clone()).collect();
    let mut problems: Vec<FileProblem> = misfits.into_iter().map(|misfit| read::located(source, &tree, misfit)).collect();
    let environment = document.as_ref().map(Document::environment);
    match (document, environment) {
        (Some(document), Some(Ok(environment))) if problems.is_empty() => return Ok(EnvironmentFile { document, environment }),
        (_, Some(Err(wrong))) => {
            for (part, error) in wrong {
                problems.extend(error.problems.iter().filter_map(|problem| told(source, &tree, part, problem, &misfit_paths)));
            }
        }
        _ => {}
    }
    problems.sort_by(|a, b| (a.line, a.column, &a.code, &a.rule).cmp(&(b.line, b.column, &b.code, &b.rule)));
    problems.dedup();
    Err(FileError::Problems(problems))
}

/// Problems that a value leaves behind which was taken out, because it is of the wrong form and told.
const FOLLOW: [&str; 5] = ["endpoint-kind", "rule-aim", "rule-icmp-code", "rule-ports-none", "rule-protocol-form"];

/// A layer's problem at its line, unless it follows from what is told already.
fn told(source: &Source<'_>, tree: &Node, part: Part, problem: &eks_core::Problem, misfits: &[Path]) -> Option<FileProblem> {
    let (path, place) = locate::locate(tree, part, problem);
    let item = path.iter().rposition(|step| matches!(step, Step::Item(_))).map_or(&path[..], |last| &path[..=last]);
    if FOLLOW.contains(&problem.code) && misfits.iter().any(|misfit| misfit.starts_with(item)) {
        return None;
    }
    let said = (problem.rule.clone(), problem.remedy.clone());
    Some(FileProblem::new(source, place, shown(&path), problem.code, Some(problem.subject.clone()), said))
}
