//! A loaded program: its tools, its compiled code and, for our own suites, the layout of its state.

use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::lower::Realloc;
use crate::sandbox::Shared;
use crate::state::StateLayout;
use crate::store::{Host, new_store};
use crate::types::{Record, ValueType};
use std::sync::{Arc, OnceLock};
use wasmtime::component::ComponentExportIndex;
use wasmtime::{Memory, Module, ModuleExport, Store};

/// How a program is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Path {
    /// Core for components with a `terrarium:state` section, component for all others.
    #[default]
    Auto,
    /// The single nested core module, with our own lowering and lifting.
    Core,
    /// The whole component, with wasmtime's lowering and lifting. No state, no diff.
    Component,
}

/// An exported function: a tool.
#[derive(Clone, Debug)]
pub struct Export {
    /// Snake case.
    pub name: String,
    /// Parameters in order: name in snake case, type.
    pub parameters: Vec<(String, ValueType)>,
    /// Type of a successful result; `None` is `null`.
    pub result: Option<ValueType>,
    /// What the function returns.
    pub(crate) reply: Reply,
    /// Parameters as one record, when there are more than 16 core values.
    pub(crate) indirect: Option<Record>,
    pub(crate) code: ExportCode,
}

/// What a function returns.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Nothing, or a value that is not a result.
    Plain(Option<ValueType>),
    /// `result<ok, error>`, a variant of two cases.
    Fallible(ValueType),
}

/// Handles on a function's code.
#[derive(Clone)]
pub(crate) enum ExportCode {
    Core { function: ModuleExport, post_return: Option<ModuleExport> },
    Component(ComponentExportIndex),
}

impl std::fmt::Debug for ExportCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ExportCode::Core { .. } => "Core",
            ExportCode::Component(_) => "Component",
        })
    }
}

/// Compiled code, ready to be instantiated.
pub(crate) enum Code {
    Core(CoreCode),
    Component(wasmtime::component::InstancePre<Host>),
}

pub(crate) struct CoreCode {
    pub(crate) pre: wasmtime::InstancePre<Host>,
    pub(crate) memory: ModuleExport,
    pub(crate) realloc: ModuleExport,
    /// Memory right after instantiation, up to its last byte that is not zero; the first guest leaves it here.
    pub(crate) image: OnceLock<Vec<u8>>,
}

/// Memory without the zeros at its end.
fn trimmed(memory: &[u8]) -> Vec<u8> {
    const STEP: usize = 4096;
    let blank = |chunk: &&[u8]| chunk.iter().all(|b| *b == 0);
    let end = memory.len() - memory.rchunks(STEP).take_while(blank).map(<[u8]>::len).sum::<usize>();
    memory[..memory[..end].iter().rposition(|b| *b != 0).map_or(0, |last| last + 1)].to_vec()
}

/// A running core module.
pub(crate) struct CoreGuest {
    pub(crate) store: Store<Host>,
    pub(crate) instance: wasmtime::Instance,
    pub(crate) memory: Memory,
    pub(crate) realloc: Realloc,
}

/// A loaded program. Cheap to share; instances keep it alive.
pub struct Program {
    pub(crate) shared: Arc<Shared>,
    pub(crate) digest: blake3::Hash,
    pub(crate) exports: Vec<Export>,
    pub(crate) code: Code,
    pub(crate) state: Option<StateLayout>,
    pub(crate) sections: Vec<(String, Vec<u8>)>,
}

impl Program {
    /// The tools, in the component's order.
    pub fn tools(&self) -> &[Export] {
        &self.exports
    }

    /// BLAKE3 of the component's bytes, in hex.
    pub fn digest(&self) -> String {
        self.digest.to_hex().to_string()
    }

    /// Whether `state`, `diff` and `net_diff` work: the component is one of our suites and runs on the core path.
    pub fn has_state(&self) -> bool {
        self.state.is_some()
    }

    /// Contents of a custom section of the component whose name starts with `terrarium:`, such as `terrarium:docs`.
    pub fn section(&self, name: &str) -> Option<&[u8]> {
        self.sections.iter().find(|(n, _)| n == name).map(|(_, data)| data.as_slice())
    }

    /// A fresh instance.
    ///
    /// # Errors
    /// `TooManyInstances`; `StartTrap` if a foreign component traps in its start function.
    pub fn instantiate(self: &Arc<Self>) -> Result<Instance> {
        Instance::new(Arc::clone(self))
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("digest", &self.digest())
            .field("tools", &self.exports.len())
            .finish_non_exhaustive()
    }
}

/// Starts a core module in a fresh store.
pub(crate) fn start_core(
    shared: &Shared,
    pre: &wasmtime::InstancePre<Host>,
    memory: &ModuleExport,
    realloc: &ModuleExport,
) -> Result<CoreGuest> {
    let mut store = new_store(shared, &shared.engines.own)?;
    let instance = pre.instantiate(&mut store).map_err(|e| start_error(&store, e))?;
    let missing = |what: &str| Error::Contract(format!("the core module does not export {what}"));
    let memory = instance
        .get_module_export(&mut store, memory)
        .and_then(wasmtime::Extern::into_memory)
        .ok_or_else(|| missing("its memory as `memory`"))?;
    let realloc = instance
        .get_module_export(&mut store, realloc)
        .and_then(wasmtime::Extern::into_func)
        .and_then(|f| f.typed(&store).ok())
        .ok_or_else(|| missing("`cabi_realloc` with its usual signature"))?;
    Ok(CoreGuest { store, instance, memory, realloc })
}

impl CoreCode {
    /// A fresh guest; the first leaves its memory as the image that snapshots are taken against.
    pub(crate) fn start(&self, shared: &Shared) -> Result<CoreGuest> {
        let guest = start_core(shared, &self.pre, &self.memory, &self.realloc)?;
        self.image.get_or_init(|| trimmed(guest.memory.data(&guest.store)));
        Ok(guest)
    }
}

/// Why an instance could not be made.
pub(crate) fn start_error(store: &Store<Host>, error: wasmtime::Error) -> Error {
    if error.is::<wasmtime::Trap>() {
        match crate::store::CallFailure::Trap(error).trap(store.data().limiter.refused) {
            Ok(trap) => Error::StartTrap(trap),
            Err(error) => error,
        }
    } else {
        Error::Invalid(format!("{error:#}"))
    }
}

/// The core module's exports that every suite has.
pub(crate) fn required_exports(module: &Module) -> Result<(ModuleExport, ModuleExport)> {
    let get = |name: &str| {
        module
            .get_export_index(name)
            .ok_or_else(|| Error::Contract(format!("the core module does not export `{name}`")))
    };
    Ok((get("memory")?, get("cabi_realloc")?))
}
