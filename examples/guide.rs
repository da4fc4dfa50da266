//! The programs of the README and of the guide: `cargo test --doc` compiles them, and runs those that work on the simulator.

#[doc = include_str!("../README.md")]
struct Readme;

#[doc = include_str!("../docs/src/concepts.md")]
struct Concepts;

#[doc = include_str!("../docs/src/embed.md")]
struct Embed;

#[doc = include_str!("../docs/src/existing-vpc.md")]
struct ExistingVpc;

#[doc = include_str!("../docs/src/private-cluster.md")]
struct PrivateCluster;

#[doc = include_str!("../docs/src/upgrade.md")]
struct Upgrade;

#[doc = include_str!("../docs/src/teardown.md")]
struct Teardown;

#[doc = include_str!("../docs/src/testing.md")]
struct Testing;

#[doc = include_str!("../docs/src/permissions.md")]
struct Permissions;

#[doc = include_str!("../docs/src/costs.md")]
struct Costs;

#[doc = include_str!("../docs/src/migrate.md")]
struct Migrate;

#[doc = include_str!("../docs/src/seeing.md")]
struct Seeing;
