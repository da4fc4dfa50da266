//! Surveys and plans of networks that others made.
