//! Client tokens ("Ensuring idempotency in Amazon EC2 API requests").

use std::collections::BTreeMap;

use serde_json::Value;

use super::State;
use crate::{call::Args, error::ApiError};

/// What each token of each action asked for, and what it made.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens(BTreeMap<(&'static str, String), (Value, Vec<String>)>);

impl State {
    /// What an earlier call with the same token made; refused if it asked for something else.
    pub(super) fn made_before(&self, action: &'static str, args: &Args) -> Result<Option<&[String]>, ApiError> {
        let Some(token) = token(args) else { return Ok(None) };
        if token.len() > 64 || !token.is_ascii() {
            return Err(ApiError::new("InvalidClientToken", "The client token must be at most 64 ASCII characters."));
        }
        match self.tokens.0.get(&(action, token.to_owned())) {
            None => Ok(None),
            Some((asked, made)) if *asked == args.0 => Ok(Some(made)),
            Some(_) => Err(ApiError::new(
                "IdempotentParameterMismatch",
                "The client token has already been used with different request parameters.",
            )),
        }
    }

    /// Remembers what a call with a token made.
    pub(super) fn remember(&mut self, action: &'static str, args: &Args, made: Vec<String>) {
        if let Some(token) = token(args) {
            self.tokens.0.insert((action, token.to_owned()), (args.0.clone(), made));
        }
    }
}

fn token(args: &Args) -> Option<&str> {
    args.str("ClientToken").filter(|token| !token.is_empty())
}
