//! On AWS.

/// x
#[derive(Debug)]
pub struct Networks;
