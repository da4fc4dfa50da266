//! Files that say a whole environment.

use eks_env::{EnvironmentFile, FileError};

/// An environment as YAML, and the same bytes as TOML: what is read is written, in either form, as what is read as the same.
pub fn environment(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for read in [EnvironmentFile::from_yaml, EnvironmentFile::from_toml] {
        let file = match read("input", text) {
            Ok(file) => file,
            Err(error) => {
                assert!(!matches!(error, FileError::Problems { .. }) || !error.problems().is_empty(), "it says what is wrong");
                drop(error.problems().iter().map(|problem| problem.report()).collect::<Vec<_>>());
                continue;
            }
        };
        let (yaml, toml) = (file.to_yaml(), file.to_toml());
        let again = |read: Result<EnvironmentFile, FileError>| read.unwrap_or_else(|error| panic!("was written: {error}"));
        for again in [again(EnvironmentFile::from_yaml("written", &yaml)), again(EnvironmentFile::from_toml("written", &toml))] {
            assert_eq!((again.to_yaml(), again.to_toml()), (yaml.clone(), toml.clone()));
        }
    }
}
