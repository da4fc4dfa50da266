//! A run as one HTML page that needs nothing else: no script, no font, no picture from elsewhere.

mod html;
mod page;
mod sections;
mod timeline;

pub use page::Page;
