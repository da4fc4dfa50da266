//! A network as a picture: SVG for a design document, Mermaid for a page of text.

mod found;
mod gateways;
mod groups;
mod layout;
mod lists;
mod matrix;
mod mermaid;
mod model;
mod planned;
mod scene;
mod svg;
#[cfg(test)]
mod tests;
mod text;

pub use model::Picture;
