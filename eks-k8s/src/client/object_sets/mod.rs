//! Sets of any objects: observed, applied, pruned and torn down through a `kube::Client`.

mod apply;
mod discovery;
mod driver;
mod handle;
mod members;
mod observe;

pub use handle::ObjectSets;
