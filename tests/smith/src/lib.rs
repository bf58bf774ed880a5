//! Random core modules by `wasm-smith`, with given exports.

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

/// Linear memory that a module may start with, in bytes: what a foreign component in the soak may use.
const MEMORY_BYTES_MAX: u64 = 1 << 20;

/// A valid module with the exports of `exports`, names and types, and bodies that follow from `entropy`.
///
/// Half of all modules cannot trap by themselves, so that replies of theirs get as far as being lifted.
///
/// # Errors
/// When `wasm-smith` makes nothing of the entropy, in its words.
pub fn module(exports: &[u8], entropy: &[u8]) -> Result<Vec<u8>, String> {
    let first = entropy.first().copied().unwrap_or_default();
    let config = Config {
        exports: Some(exports.to_vec()),
        max_imports: 0,
        max_memories: 1,
        max_memory32_bytes: MEMORY_BYTES_MAX,
        max_funcs: 6,
        max_instructions: 80,
        max_types: 20,
        max_data_segments: 6,
        max_tables: 1,
        max_table_elements: 500,
        max_element_segments: 6,
        max_globals: 8,
        allow_start_export: first % 16 == 1,
        disallow_traps: first & 2 == 0,
        reference_types_enabled: false, // external references, which the sandbox is built without
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        ..Config::default()
    };
    let made = Module::new(config, &mut Unstructured::new(entropy)).map_err(|e| e.to_string())?;
    Ok(made.to_bytes())
}
