//! Runs tool suites, which are WebAssembly components, sealed, metered and deterministic. Knows no tool and no task.
//!
//! ```no_run
//! # fn main() -> terrarium_sandbox::Result<()> {
//! use terrarium_sandbox::{CallOutcome, Config, Sandbox};
//!
//! let sandbox = Sandbox::new(Config::default())?;
//! let program = sandbox.load(&std::fs::read("library-desk.wasm").unwrap_or_default())?;
//! let mut instance = program.instantiate()?;
//! let mark = instance.mark();
//! let call = instance.call("get_member", &serde_json::json!({"id": "M-0042"}))?;
//! if let CallOutcome::Ok(text) = call.outcome {
//!     assert!(instance.diff(mark)?.is_empty(), "a read wrote something; it answered {text}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A call's arguments are a JSON object and its result is JSON text, in the forms that [`ValueType`] states. There are two ways across that
//! border, which give the same bytes, the same errors and the same fuel:
//! - **core path**, for our own suites (components with a `terrarium:state` section): their single core module is run directly, arguments are
//!   lowered into and results lifted out of its memory by this crate. State, differences and cheap forks exist here only;
//! - **component path**, for components from elsewhere: wasmtime lowers and lifts. Forks and recovery are by replay.
//!
//! # What is covered
//! Each promise has a test that attacks it (`tests/`, guests in the workspace's `tests/guests`).
//!
//! | promise | test |
//! | --- | --- |
//! | a component that imports anything but types (WASI, say) is refused, and the import named | `hostile::whoever_imports_more_than_types_is_refused_by_name`, `a_state_section_does_not_allow_imports` |
//! | a call ends: fuel (deterministic), and behind it a wall clock; a start function is metered too | `hostile::misdeeds_end_in_typed_traps`, `the_wall_clock_backstop_works`, `bombs::a_start_function_is_metered_too` |
//! | memory, tables, stack and reply size are capped | `hostile::misdeeds_end_in_typed_traps`, `bombs_are_refused_when_started`, `a_reply_may_fill_the_output_limit_and_no_more`, `bombs::a_growing_table_is_stopped`, `memories_are_limited_together` |
//! | a small file does not unfold into thousands of instances or tools, or types of a million parts | `bombs::thousands_of_instances_are_refused`, `thousands_of_tools_are_refused`, `hostile_types_are_refused_or_run`, `sections_are_limited` |
//! | arguments of any size trap in the guest or pass, and a message about wrong ones is short | `bombs::arguments_of_megabytes_trap_in_the_guest_and_not_in_the_host`, `a_message_about_bad_arguments_is_short_whatever_they_are`, `hostile::arguments_larger_than_the_memory_trap` |
//! | an export whose type has no JSON form is refused, and the tool named | `hostile::what_is_no_tool_suite_is_refused` |
//! | no address, length, tag, character or UTF-8 from a guest is believed | `hostile::misdeeds_end_in_typed_traps`, `a_lying_allocator_is_caught`, `state::no_state_makes_the_host_panic` |
//! | bytes that are no component are refused, none make the host panic | `hostile::damaged_components_never_panic`, `what_is_no_tool_suite_is_refused` |
//! | after a trap the instance is as before the call | `desk::a_trap_in_the_middle_of_a_write_leaves_no_trace`, `long_histories_survive_traps_and_forks` |
//! | instances, forks and threads do not see each other | `desk::forks_are_independent`, `state::threads_do_not_share_state` |
//! | the same calls give the same bytes and burn the same fuel | `hostile::runs_repeat_exactly`, `nans_are_canonical` |
//! | both paths agree, for any types and values | `paths::both_paths_agree`, `desk::both_paths_answer_and_burn_alike` |
//! | a journal or table that lies is an error, and reading it is bounded | `state::lies_in_the_journal_are_found`, `lies_in_the_tables_are_found`, `the_state_is_read_within_a_budget` |
//! | a compiled file that this cache did not write is not run | `cache::damaged_and_foreign_files_are_compiled_anew`, `another_caches_files_are_not_believed`, `a_cached_program_is_the_compiled_one` |
//!
//! # What is not covered
//! - Bugs in wasmtime and Cranelift, and side channels such as timing between guests: one process holds all guests. For hostile code from
//!   strangers put the process into a container too.
//! - Time and memory of *compiling* a component are bounded only by its size (64 MiB) and the 1,000 instances it may make.
//! - [`Trap::StackOverflow`] and [`Trap::EpochDeadline`] depend on the machine; all other outcomes do not.
//! - A reply that is both too large and broken may be reported as either.
//! - A guest that claims to be one of our suites and keeps live data above its heap pointer loses it in a fork.
//! - NaN and infinities are null in JSON.
//! - The cache's key protects against other users of the machine, not against code that runs as its owner.

#![allow(clippy::enum_glob_use, reason = "matches over all of `ValueType` read better without its name on each line")]

mod arguments;
mod cache;
mod diff;
mod engine;
mod error;
mod guest;
mod history;
mod instance;
mod journal;
mod json;
mod lift;
mod limits;
mod loader;
mod lower;
mod outcome;
mod outline;
mod program;
mod sandbox;
mod scalar;
mod schema;
mod snapshot;
mod state;
mod store;
mod summary;
mod types;
mod values;
mod wit;

pub use diff::{RowUpdate, StateDiff, TableDiff};
pub use error::{Error, Result};
pub use history::{FOREIGN_BYTES_MAX, FOREIGN_CALLS_MAX};
pub use instance::{Instance, Mark};
pub use limits::{Config, Limits};
pub use outcome::{Call, CallOutcome, Trap};
pub use program::{Export, Path, Program};
pub use sandbox::Sandbox;
pub use state::Row;
pub use types::{Case, Field, Names, Record, ValueType, Variant};
