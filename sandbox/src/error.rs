//! What can fail on our side of the border. A guest that traps or answers wrongly is an outcome, not an error.

use crate::outcome::Trap;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Failures of loading, instantiating and reading programs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A limit of the configuration makes no sense.
    #[error("limit {name} = {value} is outside {least}..={most}")]
    Limit {
        /// Field of `Limits` or `Config`.
        name: &'static str,
        /// The value given.
        value: u64,
        /// Least allowed.
        least: u64,
        /// Greatest allowed.
        most: u64,
    },
    /// The WebAssembly engine could not be made on this machine.
    #[error("the WebAssembly engine could not be set up: {0}")]
    Engine(String),
    /// The component is larger than the loader accepts.
    #[error("the component has {bytes} bytes, more than the {bytes_max} allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The bytes are not a component that this engine accepts.
    #[error("not a valid component: {0}")]
    Invalid(String),
    /// The component wants something from outside; worlds are sealed.
    #[error("the component imports {kind} `{name}`; a tool suite may import types only")]
    Import {
        /// `the instance`, `the function`, ...
        kind: &'static str,
        /// Import name as written in the component.
        name: String,
    },
    /// The component exports no function.
    #[error("the component exports no function that could be a tool")]
    NoTools,
    /// An exported function uses a type that has no JSON form.
    #[error("tool `{tool}` uses {what}, which has no JSON form")]
    UnsupportedType {
        /// Export name.
        tool: String,
        /// The type.
        what: String,
    },
    /// Two exports have the same name in snake case.
    #[error("two exports are both called `{0}`")]
    DuplicateTool(String),
    /// The component claims to be one of our suites (it has a `terrarium:state` section) but does not keep to the layout.
    #[error("the component breaks the suite layout: {0}")]
    Contract(String),
    /// As many instances are alive as the configuration allows.
    #[error("{instances_max} instances are alive, no more are allowed")]
    TooManyInstances {
        /// The limit.
        instances_max: u32,
    },
    /// The guest trapped while it was being started.
    #[error("the component trapped at start: {0}")]
    StartTrap(Trap),
    /// State and differences exist only for suites that run as core modules.
    #[error("this program keeps no readable state: it is a foreign component, or runs on the component path")]
    NoState,
    /// The guest's journal or tables are not what the layout says.
    #[error("the guest's state is corrupt: {0}")]
    CorruptState(String),
    /// The state is larger than may be read out.
    #[error("the guest's state as JSON passes {bytes_max} bytes")]
    StateTooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// A mark lies beyond the journal, so it belongs to another instance.
    #[error("mark {mark} is beyond the journal's {entries} entries")]
    BadMark {
        /// The mark.
        mark: u32,
        /// Length of the journal.
        entries: u32,
    },
    /// A step that this instance did not make, or whose state it no longer keeps.
    #[error("there is no step {step} to go back to; this instance keeps steps {first} to {last}")]
    BadStep {
        /// The step.
        step: u32,
        /// First step kept.
        first: u32,
        /// Last step.
        last: u32,
    },
    /// A foreign component made more calls than are kept for replay, so it cannot be forked or rebuilt.
    #[error("more than {calls_max} calls or {bytes_max} bytes of arguments; this instance cannot be rebuilt by replay")]
    LogFull {
        /// Calls kept.
        calls_max: usize,
        /// Bytes of arguments kept.
        bytes_max: usize,
    },
    /// Replaying the calls of an instance gave another result than the first time.
    #[error("replay of call {call} to `{tool}` ended differently: {what}")]
    ReplayDiverged {
        /// Position in the log.
        call: usize,
        /// Tool.
        tool: String,
        /// How.
        what: String,
    },
    /// An assumption of this crate does not hold.
    #[error("internal error of the sandbox: {0}")]
    Internal(String),
}
