//! Programs of the workspace, and the simulator served by one.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Once,
};

use super::common::{Server, run};

/// A program of the workspace, built as the whole workspace is.
pub(crate) fn built(program: &str) -> PathBuf {
    static BUILD: Once = Once::new();
    BUILD.call_once(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("examples/ lies in the workspace");
        let programs = ["--examples", "--bin", "eks-sim"];
        run(Command::new(env!("CARGO")).args(["build", "--quiet"]).args(programs).current_dir(workspace));
    });
    let test = std::env::current_exe().expect("a path");
    test.ancestors().nth(2).expect("target/debug").join(program)
}

/// The simulator, so many times as fast as AWS.
pub(crate) fn simulator(speed: f64) -> Server {
    Server::start(|port| {
        let mut command = Command::new(built("eks-sim"));
        command.args(["serve", "--speed", &speed.to_string(), "--addr", &format!("127.0.0.1:{port}")]);
        command
    })
}
