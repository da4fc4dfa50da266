//! The independent server, from PyPI.

use std::process::Command;

use super::common::{Server, environment};

const MOTO: &str = "moto[server]==5.2.5";

/// The Python that moto is installed for; it has boto3, too.
pub(crate) fn python() -> std::path::PathBuf {
    environment("moto", MOTO)
}

/// moto, as strict as it can be.
pub(crate) fn moto() -> Server {
    let server = python().with_file_name("moto_server");
    Server::start(|port| {
        let mut command = Command::new(server);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).envs([
            ("MOTO_IAM_LOAD_MANAGED_POLICIES", "true"),
            ("MOTO_ENABLE_AMI_VALIDATION", "true"),
            ("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "true"),
            ("MOTO_ENABLE_KEYPAIR_VALIDATION", "true"),
        ]);
        command
    })
}
