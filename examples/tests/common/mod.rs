//! What the suites with foreign programs share: Python environments, servers on loopback.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

/// AWS's documentation uses these keys in its examples; the simulator's administrator has them, and moto takes any.
pub(crate) const KEYS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("AWS_REGION", "us-east-1"),
];

/// The Python of a virtual environment with a package of PyPI; made once.
pub(crate) fn environment(name: &str, package: &str) -> PathBuf {
    // One test makes it, the others find it.
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().expect("no test panicked while it made one");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let python = directory.join("bin/python");
    let complete = directory.join("complete");
    if std::fs::read_to_string(&complete).is_ok_and(|installed| installed == package) {
        return python;
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&directory));
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]));
    std::fs::write(&complete, package).expect("writable");
    python
}

pub(super) fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

/// A server on loopback; killed when dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) url: String,
}

impl Server {
    /// A server that a command starts on a port.
    pub(crate) fn start(command: impl FnOnce(u16) -> Command) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound").port();
        let process = command(port).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the server is installed");
        let server = Self { process, url: format!("http://127.0.0.1:{port}") };
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "the server does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone is as good as killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
