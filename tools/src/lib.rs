//! The suite language: typed Starlark in, WebAssembly components out.
//!
//! [`parse_suite`] checks a file completely, [`parse_suite_with`] one that loads modules, and gives a [`Suite`]: tables, tools and their declared meaning as data, and
//! bodies as a typed tree. Everything else in this crate reads that. Nothing here touches files, clocks or the network.

pub mod builtin;
pub mod calendar;
mod check;
pub mod compile;
pub mod error;
pub mod eval;
pub mod explain;
pub mod join;
#[cfg(feature = "oracle")]
pub mod oracle;
pub mod schema;
pub mod suite;
pub mod surface;
mod syntax;
mod text;
pub mod tree;
pub mod types;
pub mod value;
pub mod visit;
mod wrap;

pub use builtin::Builtin;
pub use check::{parse_suite, parse_suite_with};
pub use error::{Diagnostic, Error, Result};
pub use suite::Suite;
pub use surface::Surface;
pub use types::{Span, Type};
pub use value::{Value, World};
pub use wrap::wrap;
