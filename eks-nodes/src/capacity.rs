//! How many instances.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Size of an Auto Scaling group: 0 ≤ min ≤ desired ≤ max, and max at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Capacity {
    min: u32,
    desired: u32,
    max: u32,
}

/// Numbers that are no size of an Auto Scaling group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("capacity min {min}, desired {desired}, max {max}: must be min ≤ desired ≤ max, with max at least 1")]
#[non_exhaustive]
pub struct CapacityError {
    /// Fewest instances.
    pub min: u32,
    /// Instances now.
    pub desired: u32,
    /// Most instances.
    pub max: u32,
}

impl Capacity {
    /// Checks the order of the numbers.
    ///
    /// # Errors
    /// [`CapacityError`] unless min ≤ desired ≤ max and max is at least 1.
    pub fn new(min: u32, desired: u32, max: u32) -> Result<Self, CapacityError> {
        if min <= desired && desired <= max && max >= 1 { Ok(Self { min, desired, max }) } else { Err(CapacityError { min, desired, max }) }
    }

    /// Fewest instances.
    pub fn min(self) -> u32 {
        self.min
    }

    /// Instances that are wanted now.
    pub fn desired(self) -> u32 {
        self.desired
    }

    /// Most instances.
    pub fn max(self) -> u32 {
        self.max
    }
}

impl Default for Capacity {
    /// Two instances, at most three.
    fn default() -> Self {
        Self { min: 2, desired: 2, max: 3 }
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}–{}–{}", self.min, self.desired, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order() {
        for (min, desired, max) in [(0, 0, 1), (2, 2, 3), (1, 5, 5)] {
            assert!(Capacity::new(min, desired, max).is_ok());
        }
        for (min, desired, max) in [(0, 0, 0), (3, 2, 3), (1, 4, 3)] {
            assert_eq!(Capacity::new(min, desired, max), Err(CapacityError { min, desired, max }));
        }
    }
}
