//! StorageClasses: how volumes are made.

mod check;
mod class;
mod default_class;
mod manifest;
#[cfg(test)]
mod tests;
mod volume_type;

pub use class::{Binding, Provisioner, Reclaim, StorageClass};
pub(crate) use default_class::{DEFAULT_ANNOTATIONS, default_annotations, is_of_add_on};
pub(crate) use volume_type::{Performance, volume_price};
pub use volume_type::{VolumeType, VolumeTypeError};
