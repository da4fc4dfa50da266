//! The bodies of the fuzz targets. `cargo fuzz` feeds them what it invents; `cargo test --test fuzz` what is in `seeds` and `regressions`.
//!
//! A body panics if something of ours panics, or if it does not hold what its parser promises.

mod documents;
mod environment;
mod net;
mod saved;
mod sim;
mod values;

pub use documents::{aws_auth, kubeconfig, objects, policy};
pub use environment::environment;
pub use net::cidr;
pub use saved::plan;
pub use sim::{sim_api_server, sim_requests, sim_template, token};
pub use values::{small, user_data};

/// A target: what it is called, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 13] = [
    ("aws_auth", aws_auth),
    ("cidr", cidr),
    ("environment", environment),
    ("kubeconfig", kubeconfig),
    ("objects", objects),
    ("plan", plan),
    ("policy", policy),
    ("sim_api_server", sim_api_server),
    ("sim_requests", sim_requests),
    ("sim_template", sim_template),
    ("small", small),
    ("token", token),
    ("user_data", user_data),
];

/// The parts of an input, which lines of three hyphens and an at sign (`---@`) part.
fn parts(text: &str) -> Vec<&str> {
    text.split("\n---@\n").collect()
}
