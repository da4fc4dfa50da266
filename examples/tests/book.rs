//! README, guide and the other pages stay true: links lead somewhere, commands exist, and every code of an error is explained.

#[path = "book/codes.rs"]
mod codes;
#[path = "book/commands.rs"]
mod commands;
#[path = "book/links.rs"]
mod links;
#[path = "book/pages.rs"]
mod pages;
#[path = "book/readmes.rs"]
mod readmes;
#[path = "book/source.rs"]
mod source;
