//! A whole environment as one value, or one file.
