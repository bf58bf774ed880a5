//! The compiler: a checked suite, a surface and a world's rows in, a WebAssembly component out.
//!
//! Pure Rust, no external tools, and the same bytes for the same input in every process. The core module imports
//! nothing, has no start function and no mutable globals: linear memory is the whole state (`data.rs`, `runtime.wat`).
//! Each suite function becomes one WebAssembly function that returns its value and a status; a tool error passes through
//! callers as status 1 and the tool's wrapper undoes the call's writes from the journal.
//!
//! Limits: nesting of 200 levels, 40,000 locals and 4 MiB of code a function, 256 MiB of data; beyond them compiling
//! fails with [`crate::Error::Limit`]. The suite must come from the checker: a tree that it would not make is refused as
//! [`crate::Error::Compiler`] where that is seen, but its indices are trusted.

mod border;
mod builtins;
mod component;
mod data;
mod dicts;
mod emitter;
mod expr;
mod layout;
mod lists;
mod module;
mod operators;
mod reach;
mod runtime;
mod statement;
mod tables;
mod wit;

pub use component::{DOCS_SECTION, STATE_SECTION};
pub use data::{DIRECTORY, HEADER, JOURNAL_CAPACITY, MAGIC};

pub(crate) use reach::{Node, statements as expressions_and_statements};
pub(crate) use wit::{kebab, tool_type};

use crate::error::Result;
use crate::suite::Suite;
use crate::surface::Surface;
use crate::value::World;

/// A compiled environment.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The component: the package and the contract.
    pub component: Vec<u8>,
    /// Its interface as WIT text.
    pub wit: String,
    /// Size of the core module inside, data included.
    pub core_bytes: usize,
    /// Size of the data segment: the world's rows, texts and tables.
    pub data_bytes: usize,
    /// Code size in bytes of each function of the suite that some tool uses, callees before callers. Helpers of the language, which functions
    /// share, are not in it.
    pub function_bytes: Vec<(String, usize)>,
}

/// Compiles a suite under a surface over a world's rows.
///
/// # Errors
/// [`crate::Error::Mismatch`] when the surface or the world does not fit the suite, [`crate::Error::Limit`] when
/// something is too large, [`crate::Error::Compiler`] for a fault of this crate.
pub fn compile(suite: &Suite, surface: &Surface, world: &World) -> Result<Compiled> {
    let layouts = layout::Layouts::new(suite)?;
    let interface = wit::interface(suite, surface)?;
    let reach = reach::reach(suite, surface)?;
    let image = data::Image::new(suite, &layouts, world, border::result_bytes(suite, surface, &layouts))?;
    let mut module = module::Module::new(suite, surface, layouts, reach, image)?;
    module.emit_functions()?;
    border::emit(&mut module, &interface)?;
    module.emit_operations()?;
    let function_bytes = module.function_bytes();
    let (core, data_bytes) = module.assemble()?;
    let core_bytes = core.len();
    let component = component::wrap(suite, surface, &interface, core)?;
    Ok(Compiled { component, wit: interface.text, core_bytes, data_bytes, function_bytes })
}
