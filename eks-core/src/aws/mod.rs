//! What the crates that call AWS share: what an error means, and calls that must not be repeated blindly.

mod call;
mod classify;
mod limiter;
mod pages;

pub use call::{once, patient};
pub use classify::{class_of_code, failed};
pub use limiter::{Limiter, Rate};
pub use pages::{EndlessPages, PageLimit};
