use std::cell::Cell;

use eks_core::ClusterAccess;

use super::*;

/// A directory of its own, which goes with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("eks-cluster-{}-{name}", std::process::id()));
        // Of an earlier process with our id.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn entry(name: &str) -> KubeconfigEntry {
    let endpoint = format!("https://{name}.gr7.us-east-1.eks.amazonaws.com");
    let access = ClusterAccess { name: name.parse().unwrap(), endpoint, certificate_authority: "LS0t".to_owned() };
    KubeconfigEntry::builder(&access, format!("arn:aws:eks:us-east-1:123456789012:cluster/{name}")).build().unwrap()
}

fn paths(paths: &[&PathBuf]) -> KubeconfigPaths {
    KubeconfigPaths::new(paths.iter().copied()).unwrap()
}

fn read(path: &Path) -> Kubeconfig {
    Kubeconfig::parse(fs::read_to_string(path).unwrap()).unwrap()
}

const FOREIGN: &str = "apiVersion: v1\nkind: Config\nclusters:\n- name: k\n  cluster: {server: http://k}\ncurrent-context: k\n";

#[test]
fn a_file_comes_to_be_with_its_directory() {
    let directory = Directory::new("new");
    let file = directory.0.join(".kube").join("config");
    let written = paths(&[&file]).write(&entry("a")).unwrap();
    assert!(written.len() == 1 && written[0].changed);
    assert_eq!(read(&file).current_context(), Some(entry("a").context()));
    assert!(!paths(&[&file]).write(&entry("a")).unwrap()[0].changed);
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "neither lock nor copy stays");
    let removed = paths(&[&file]).remove(&entry("a")).unwrap();
    assert!(removed[0].changed && !read(&file).has_cluster(entry("a").cluster()));
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new("mode");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let new = directory.0.join("new");
    paths(&[&new]).write(&entry("a")).unwrap();
    assert_eq!(mode(&new), 0o600);
    for (was, is) in [(0o644, 0o600), (0o777, 0o600), (0o400, 0o400)] {
        let file = directory.file(&format!("{was:o}"), FOREIGN);
        fs::set_permissions(&file, fs::Permissions::from_mode(was)).unwrap();
        assert!(paths(&[&file]).write(&entry("a")).unwrap()[0].changed);
        assert_eq!(mode(&file), is, "{was:o}");
    }
    // What is in it already is no reason to leave it open.
    fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(!paths(&[&new]).write(&entry("a")).unwrap()[0].changed);
    assert_eq!(mode(&new), 0o600);
}

#[cfg(unix)]
#[test]
fn links_stay() {
    let directory = Directory::new("link");
    fs::create_dir(directory.0.join("dotfiles")).unwrap();
    let (file, link) = (directory.0.join("dotfiles").join("kubeconfig"), directory.0.join("config"));
    std::os::unix::fs::symlink("dotfiles/kubeconfig", &link).unwrap();
    paths(&[&link]).write(&entry("a")).unwrap();
    paths(&[&link]).write(&entry("b")).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(!fs::symlink_metadata(&file).unwrap().is_symlink() && read(&file).has_cluster(entry("b").cluster()));
}

/// kubectl: an entry is changed where it is; what is new goes into the first file; the first current context counts.
#[test]
fn several_files_are_one() {
    let directory = Directory::new("several");
    let absent = directory.0.join("absent");
    let (first, second) = (directory.file("first", "apiVersion: v1\nkind: Config\n"), directory.file("second", FOREIGN));
    let files = paths(&[&absent, &first, &second]);
    fs::write(&second, read(&second).with(&entry("a")).unwrap().as_str()).unwrap();
    fs::write(&second, read(&second).pointing_to("k").unwrap().as_str()).unwrap();
    let written = files.write(&entry("a")).unwrap();
    assert_eq!(written.iter().map(|written| &written.path).collect::<Vec<_>>(), [&second]);
    assert_eq!(read(&second).current_context(), Some(entry("a").context()));

    let written = files.write(&entry("b")).unwrap();
    assert_eq!(written.iter().map(|written| &written.path).collect::<Vec<_>>(), [&absent, &second], "the entry, and the pointer");
    assert!(read(&absent).has_cluster(entry("b").cluster()));
    assert_eq!(read(&second).current_context(), Some(entry("b").context()));
    assert_eq!(read(&absent).current_context(), None);

    // A context in another file uses the cluster still.
    let using = format!("contexts:\n- name: x\n  context: {{cluster: \"{}\", user: me}}\n", entry("b").cluster());
    fs::write(&first, using).unwrap();
    files.remove(&entry("b")).unwrap();
    assert!(read(&absent).has_cluster(entry("b").cluster()) && !fs::read_to_string(&absent).unwrap().contains("get-token"));
    fs::write(&first, "").unwrap();
    files.remove(&entry("b")).unwrap();
    assert!(!read(&absent).has_cluster(entry("b").cluster()));
}

/// For kubectl, the first file that has a name counts: the current context would be another cluster's.
#[test]
fn names_are_free_in_every_file() {
    let directory = Directory::new("names");
    let theirs = format!("contexts:\n- name: {}\n  context: {{cluster: k, user: k}}\n", entry("a").context());
    let (first, second) = (directory.file("first", &theirs), directory.file("second", FOREIGN));
    let held = read(&second).with_entries(&entry("a")).unwrap().as_str().to_owned();
    for second_text in [FOREIGN, &held] {
        fs::write(&second, second_text).unwrap();
        for files in [paths(&[&first, &second]), paths(&[&second, &first])] {
            let error = files.write(&entry("a")).unwrap_err();
            let KubeconfigError::In { path, source } = &error else { panic!("{error}") };
            assert!(*path == first && matches!(**source, KubeconfigError::Foreign { what: "context", .. }), "{error}: {source}");
            assert_eq!(
                (fs::read_to_string(&first).unwrap(), fs::read_to_string(&second).unwrap()),
                (theirs.clone(), second_text.to_owned())
            );
        }
    }
}

#[test]
fn a_file_that_cannot_be_edited_keeps_the_entry_in_the_others() {
    let directory = Directory::new("form");
    let good = directory.file("good", FOREIGN);
    fs::write(&good, read(&good).with(&entry("a")).unwrap().as_str()).unwrap();
    let cluster = format!("clusters: [{{name: \"{}\", cluster: {{server: \"https://a\"}}}}]\n", entry("a").cluster());
    let flow = directory.file("flow", &cluster);
    let before = fs::read_to_string(&good).unwrap();
    for files in [paths(&[&good, &flow]), paths(&[&flow, &good])] {
        let error = files.remove(&entry("a")).unwrap_err();
        let KubeconfigError::In { path, source } = &error else { panic!("{error}") };
        assert!(*path == flow && matches!(**source, KubeconfigError::Form { .. }), "{error}: {source}");
        assert_eq!((fs::read_to_string(&good).unwrap(), fs::read_to_string(&flow).unwrap()), (before.clone(), cluster.clone()));
    }
}

#[test]
fn a_broken_file_is_told_and_left() {
    let directory = Directory::new("broken");
    let broken = "clusters:\n- name: [\nusers: x\n";
    let (good, bad) = (directory.file("good", FOREIGN), directory.file("bad", broken));
    for files in [paths(&[&bad]), paths(&[&good, &bad]), paths(&[&bad, &good])] {
        for error in [files.write(&entry("a")).unwrap_err(), files.remove(&entry("a")).unwrap_err()] {
            let KubeconfigError::In { path, source } = &error else { panic!("{error}") };
            assert!(*path == bad && matches!(**source, KubeconfigError::Broken { line: 3, .. }), "{error}: {source}");
        }
    }
    assert_eq!((fs::read_to_string(&good).unwrap(), fs::read_to_string(&bad).unwrap()), (FOREIGN.to_owned(), broken.to_owned()));
    assert_eq!(directory.names(), ["bad", "good"]);
}

#[test]
fn writers_do_not_lose_each_others_entries() {
    let directory = Directory::new("writers");
    let file = directory.file("config", FOREIGN);
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    thread::scope(|scope| {
        for name in names {
            let file = &file;
            scope.spawn(move || paths(&[file]).write(&entry(name)).unwrap());
        }
    });
    let document = read(&file);
    assert!(names.iter().all(|name| document.has_cluster(entry(name).cluster())));
    assert_eq!(directory.names(), ["config"]);
}

/// The AWS CLI takes no lock.
#[test]
fn what_is_written_meanwhile_is_not_lost() {
    let directory = Directory::new("meanwhile");
    let file = directory.file("config", FOREIGN);
    let first = Cell::new(true);
    let change = |document: &Kubeconfig| {
        if first.replace(false) {
            fs::write(&file, document.with(&entry("theirs")).unwrap().as_str()).unwrap();
        }
        document.with(&entry("ours"))
    };
    assert!(edit(&file, change).unwrap().changed);
    let document = read(&file);
    assert!(document.has_cluster(entry("theirs").cluster()) && document.has_cluster(entry("ours").cluster()));
    let restless = |document: &Kubeconfig| {
        let count = fs::read_to_string(&file).unwrap().len();
        fs::write(&file, format!("{}# {count}\n", document.as_str())).unwrap();
        document.with(&entry("late"))
    };
    assert!(matches!(edit(&file, restless), Err(KubeconfigError::Changing { .. })));
}

#[test]
fn kubectls_lock_is_respected() {
    let directory = Directory::new("lock");
    let file = directory.file("config", FOREIGN);
    directory.file("config.lock", "");
    assert!(matches!(Lock::take(&file, Duration::ZERO), Err(KubeconfigError::Locked { .. })));
    fs::remove_file(directory.0.join("config.lock")).unwrap();
    drop(Lock::take(&file, Duration::ZERO).unwrap());
    assert_eq!(directory.names(), ["config"]);
}
