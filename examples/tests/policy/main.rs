//! Least privilege: each flow passes under exactly the policy that its plan or teardown renders, and under no less.

mod chapter;
mod cluster;
mod flow;
mod leftovers;
mod machines;
mod net;
mod partitions;
mod security;
