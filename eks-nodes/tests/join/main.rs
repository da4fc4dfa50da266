//! Why instances do not become nodes: each cause is made in the account, and told by name long before any timeout.
#![cfg(feature = "diagnosis")]

#[path = "../account/mod.rs"]
#[expect(dead_code, reason = "the tests of stacks use the rest of it")]
mod account;

mod healthy;
mod joining;
mod launching;
mod pure;
mod stage;
