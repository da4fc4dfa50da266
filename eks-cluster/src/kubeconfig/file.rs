//! Kubeconfig files.

use std::{
    collections::BTreeSet,
    env,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{Kubeconfig, KubeconfigEntry, error::KubeconfigError};

/// How long we wait for whoever holds the lock: kubectl holds it for milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);
/// How often somebody else may be quicker.
const ATTEMPTS: usize = 20;

/// The files that kubectl reads as one: those of KUBECONFIG, or `~/.kube/config`.
///
/// Each is written whole or not at all: a file beside it is renamed over it, with mode 600 or stricter; a symbolic link stays and
/// its target is replaced. kubectl's lock (`<file>.lock`) is held meanwhile, and what someone who takes no lock wrote in between is
/// not lost: the edit is made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeconfigPaths(Vec<PathBuf>);

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// Whether its text changed.
    pub changed: bool,
}

impl KubeconfigPaths {
    /// These files, the first of which gets what is new.
    ///
    /// # Errors
    /// [`KubeconfigError::Nowhere`] if there are none.
    pub fn new<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Result<Self, KubeconfigError> {
        let paths: Vec<PathBuf> = paths.into_iter().map(Into::into).filter(|path| !path.as_os_str().is_empty()).collect();
        if paths.is_empty() { Err(KubeconfigError::Nowhere) } else { Ok(Self(paths)) }
    }

    /// As kubectl looks for them: KUBECONFIG, which may name several, else `~/.kube/config`.
    ///
    /// # Errors
    /// [`KubeconfigError::Nowhere`] if KUBECONFIG is not set and there is no home directory.
    pub fn from_env() -> Result<Self, KubeconfigError> {
        let named = env::var_os("KUBECONFIG").map(|paths| env::split_paths(&paths).collect::<Vec<_>>()).unwrap_or_default();
        Self::new(named).or_else(|_| Self::new(env::home_dir().map(|home| home.join(".kube").join("config"))))
    }

    /// The files.
    pub fn paths(&self) -> &[PathBuf] {
        &self.0
    }

    /// Puts an entry in: into the file that has a cluster of its name, else into the first, which is made if it is not there. The current
    /// context is set in the first file that sets one, as that is the one that counts; else beside the entry.
    ///
    /// # Errors
    /// [`KubeconfigError`]; if one of the files is broken, or has a user or a context of the entry's name that is another cluster's, none
    /// is written.
    pub fn write(&self, entry: &KubeconfigEntry) -> Result<Vec<Written>, KubeconfigError> {
        let documents = self.read()?;
        let home = documents.iter().position(|document| document.has_cluster(entry.cluster())).unwrap_or(0);
        let pointer = documents.iter().position(|document| document.current_context().is_some()).unwrap_or(home);
        // For kubectl, the first file that has a name counts, wherever the entry is.
        for (document, path) in documents.iter().zip(&self.0) {
            document.is_free_for(entry).map_err(|error| error.in_file(path))?;
        }
        // All edits are tried before the first file is written.
        documents[home].with_entries(entry).map_err(|error| error.in_file(&self.0[home]))?;
        if entry.is_current() {
            documents[pointer].pointing_to(entry.context()).map_err(|error| error.in_file(&self.0[pointer]))?;
        }
        let mut written = vec![edit(&self.0[home], |document| {
            let merged = document.with_entries(entry)?;
            if entry.is_current() && pointer == home { merged.pointing_to(entry.context()) } else { Ok(merged) }
        })?];
        if entry.is_current() && pointer != home {
            written.push(edit(&self.0[pointer], |document| document.pointing_to(entry.context()))?);
        }
        Ok(written)
    }

    /// Takes an entry out, wherever it is: its context, and its cluster and user if no context of any file uses them.
    ///
    /// # Errors
    /// [`KubeconfigError`]; if one of the files is broken or cannot be edited, none is written.
    pub fn remove(&self, entry: &KubeconfigEntry) -> Result<Vec<Written>, KubeconfigError> {
        let documents = self.read()?;
        let without = |(document, path): (&Kubeconfig, &PathBuf)| document.without(entry).map_err(|error| error.in_file(path));
        // The same entry in another file goes, too, and uses nothing any more.
        let using: Vec<_> =
            documents.iter().zip(&self.0).map(without).map(|left| left.map(|left| left.used())).collect::<Result<_, _>>()?;
        let present = self.0.iter().enumerate().filter(|(_, path)| path.exists());
        let edits = present.map(|(at, path)| {
            let elsewhere = using.iter().enumerate().filter(|(other, _)| *other != at);
            let used: BTreeSet<_> = elsewhere.flat_map(|(_, used)| used.iter().cloned()).collect();
            edit(path, |document| document.without_unless(entry, &used))
        });
        edits.collect()
    }

    fn read(&self) -> Result<Vec<Kubeconfig>, KubeconfigError> {
        let parsed = |path: &PathBuf| Kubeconfig::parse(text(path)?.unwrap_or_default()).map_err(|error| error.in_file(path));
        self.0.iter().map(parsed).collect()
    }
}

/// The text of a file; `None` if there is none.
fn text(path: &Path) -> Result<Option<String>, KubeconfigError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(KubeconfigError::io(path, "read")(error)),
    }
}

/// Edits a file under kubectl's lock.
fn edit(path: &Path, change: impl Fn(&Kubeconfig) -> Result<Kubeconfig, KubeconfigError>) -> Result<Written, KubeconfigError> {
    let target = target(path).map_err(KubeconfigError::io(path, "follow the link"))?;
    for directory in [path.parent(), target.parent()].into_iter().flatten() {
        make_directory(directory).map_err(KubeconfigError::io(path, "make the directory"))?;
    }
    let _lock = Lock::take(path, PATIENCE)?;
    for _ in 0..ATTEMPTS {
        let before = text(&target)?;
        let document = Kubeconfig::parse(before.clone().unwrap_or_default()).map_err(|error| error.in_file(path))?;
        let after = change(&document).map_err(|error| error.in_file(path))?;
        if before.as_deref() == Some(after.as_str()) {
            protect(&target).map_err(KubeconfigError::io(path, "protect"))?;
            return Ok(Written { path: path.to_owned(), changed: false });
        }
        let new = Beside::write(&target, after.as_str()).map_err(KubeconfigError::io(path, "write"))?;
        // Someone who takes no lock may have written since we read.
        if text(&target)? == before {
            new.put(&target).map_err(KubeconfigError::io(path, "replace"))?;
            return Ok(Written { path: path.to_owned(), changed: true });
        }
    }
    Err(KubeconfigError::Changing { path: path.to_owned() })
}

/// What a path leads to, over links, whether it exists or not.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    // As many links as Linux follows.
    for _ in 0..40 {
        match fs::read_link(&target) {
            Ok(link) => target = target.parent().unwrap_or(Path::new("")).join(link),
            // It is no link, or not there.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => return Ok(target),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "the link leads to itself"))
}

fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}

/// Takes rights of group and others away.
fn protect(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path)?.permissions().mode() & 0o7777;
        if mode & 0o7177 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o600))?;
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// kubectl's lock: a file that is made only if it is not there (client-go, `clientcmd/loader.go`).
struct Lock(PathBuf);

impl Lock {
    fn take(path: &Path, patience: Duration) -> Result<Self, KubeconfigError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        let began = Instant::now();
        loop {
            match OpenOptions::new().write(true).create_new(true).open(&lock) {
                Ok(_) => return Ok(Self(lock)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && began.elapsed() < patience => thread::sleep(PAUSE),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(KubeconfigError::Locked { path: path.to_owned(), lock });
                }
                Err(error) => return Err(KubeconfigError::io(path, "lock")(error)),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Whoever removed it for us has done our work.
        let _ = fs::remove_file(&self.0);
    }
}

/// A file beside the target, which replaces it or goes.
struct Beside(PathBuf);

impl Beside {
    fn write(target: &Path, text: &str) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let path = target.with_file_name(format!(".{name}.{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path)?;
        let beside = Self(path);
        file.write_all(text.as_bytes())?;
        beside.resemble(target)?;
        file.sync_all()?;
        Ok(beside)
    }

    /// The owner of the target, if we may give files away; its mode, if that is stricter than 600.
    fn resemble(&self, target: &Path) -> io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
            match fs::metadata(target) {
                Ok(was) => {
                    let is = fs::metadata(&self.0)?;
                    if (was.uid(), was.gid()) != (is.uid(), is.gid()) {
                        // Only the superuser may; for others a file of their own is what they can have.
                        let _ = chown(&self.0, Some(was.uid()), Some(was.gid()));
                    }
                    fs::set_permissions(&self.0, fs::Permissions::from_mode(was.permissions().mode() & 0o600))?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        #[cfg(not(unix))]
        let _ = target;
        Ok(())
    }

    fn put(self, target: &Path) -> io::Result<()> {
        fs::rename(&self.0, target)?;
        // The name is in the directory, which is written for itself.
        if cfg!(unix) {
            let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(directory)?.sync_all()?;
        }
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Renamed already, or of no use.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests;
