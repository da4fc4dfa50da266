//! How a person sees what the crates do.
