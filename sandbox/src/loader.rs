//! From bytes to a program: validation, the ban on imports, types of the exports, compilation.

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::outline::{Outline, check_imports};
use crate::program::{Code, CoreCode, Export, ExportCode, Path, Program, Reply, required_exports};
use crate::sandbox::Shared;
use crate::state::StateLayout;
use crate::store::Host;
use crate::summary::{self, Sections, Summary};
use crate::types::{CoreType, Field, Record, ValueType, snake};
use crate::wit::Types;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use wasmtime::component::Component;
use wasmtime::{Engine, Linker, Module};
use wit_component::DecodedWasm;
use wit_parser::{Function, FunctionKind, Resolve, WorldId, WorldItem};

/// Largest component accepted.
const COMPONENT_BYTES_MAX: usize = 64 << 20;

/// Most functions that a component may export.
const TOOLS_MAX: usize = 1_000;

/// The section that makes a component one of our suites.
const STATE_SECTION: &str = "terrarium:state";

/// Core values beyond which parameters travel through memory (canonical ABI: MAX_FLAT_PARAMS).
const FLAT_PARAMETERS_MAX: usize = 16;

pub(crate) fn load(shared: &Arc<Shared>, bytes: &[u8], digest: blake3::Hash, path: Path) -> Result<Program> {
    if bytes.len() > COMPONENT_BYTES_MAX {
        return Err(Error::TooLarge { bytes: bytes.len(), bytes_max: COMPONENT_BYTES_MAX });
    }
    if path != Path::Component
        && let Some(program) = recall(shared, bytes, digest, path)
    {
        return Ok(program);
    }
    let outline = Outline::read(bytes)?;
    let (resolve, world) = match wit_component::decode(bytes) {
        Ok(DecodedWasm::Component(resolve, world)) => (resolve, world),
        Ok(DecodedWasm::WitPackage(..)) => {
            return Err(Error::Invalid("it is a WIT package, not a component".to_owned()));
        }
        Err(error) => return Err(Error::Invalid(format!("{error:#}"))),
    };
    check_imports(&resolve, world)?;
    let state = outline.sections.iter().find(|(name, _)| name == STATE_SECTION).map(|(_, at)| &bytes[at.clone()]);
    let core = match path {
        Path::Auto => state.is_some(),
        Path::Core => true,
        Path::Component => false,
    };
    let cache = shared.cache.as_ref();
    let (exports, code, state) = if core {
        let range = outline.core_module(bytes)?;
        let engine = &shared.engines.own;
        let module = Module::new(engine, &bytes[range]).map_err(|e| Error::Invalid(format!("{e:#}")))?;
        let (exports, names) = core_exports(&resolve, world, &module)?;
        let layout = match state {
            Some(json) => {
                let mut types = Types::new(&resolve).map_err(Error::Contract)?;
                Some(StateLayout::read(json, |record| named_record(&resolve, world, &mut types, record))?)
            }
            None => None,
        };
        let code = core_code(engine, &module)?;
        let guest = code.start(shared)?;
        if let Some(layout) = &layout {
            layout.check(guest.memory.data(&guest.store))?;
        }
        if let (Some(cache), Some(notes)) =
            (cache, summary::write(&exports, &names, layout.as_ref(), &outline.sections))
        {
            cache.keep_module(engine, &digest, &module, &notes);
        }
        (exports, Code::Core(code), layout)
    } else {
        let (engines, plain) = (&shared.engines, outline.core_module(bytes).is_ok());
        let compile = |engine| Cache::component(cache, engine, &digest, || Component::new(engine, bytes));
        // What is built like our own suites runs in the strict engine, whose pool starts it several times as fast; unless it uses
        // something else that this engine lacks.
        let component = if plain {
            compile(&engines.own).or_else(|_| compile(&engines.foreign))
        } else {
            compile(&engines.foreign)
        };
        let component = component.map_err(|e| Error::Invalid(format!("{e:#}")))?;
        let exports = component_exports(&resolve, world, &component)?;
        let linker = wasmtime::component::Linker::<Host>::new(component.engine());
        let pre = linker.instantiate_pre(&component).map_err(|e| Error::Invalid(format!("{e:#}")))?;
        (exports, Code::Component(pre), None)
    };
    let sections = contents(outline.sections, bytes);
    Ok(Program { shared: Arc::clone(shared), digest, exports, code, state, sections })
}

/// A core-path program from what the cache kept of an earlier load of the same bytes.
fn recall(shared: &Arc<Shared>, bytes: &[u8], digest: blake3::Hash, path: Path) -> Option<Program> {
    let engine = &shared.engines.own;
    let (module, notes) = shared.cache.as_ref()?.module(engine, &digest)?;
    let Summary { exports, state, sections } = summary::read(&notes, |name| core_function(&module, name).ok())?;
    if path == Path::Auto && state.is_none() {
        return None;
    }
    let code = Code::Core(core_code(engine, &module).ok()?);
    let sections = contents(sections, bytes);
    Some(Program { shared: Arc::clone(shared), digest, exports, code, state, sections })
}

/// Contents of sections. Their places come from these very bytes, or from a cache that has seen them.
fn contents(sections: Sections, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    sections.into_iter().map(|(name, at)| (name, bytes[at].to_vec())).collect()
}

fn core_code(engine: &Engine, module: &Module) -> Result<CoreCode> {
    let (memory, realloc) = required_exports(module)?;
    let pre = Linker::<Host>::new(engine).instantiate_pre(module).map_err(|e| Error::Invalid(format!("{e:#}")))?;
    Ok(CoreCode { pre, memory, realloc, image: OnceLock::new() })
}

/// The code of an exported function of the core module.
fn core_function(module: &Module, name: &str) -> Result<ExportCode> {
    let function = module
        .get_export_index(name)
        .ok_or_else(|| Error::Contract(format!("the core module does not export `{name}`")))?;
    let post_return = module.get_export_index(&format!("cabi_post_{name}"));
    Ok(ExportCode::Core { function, post_return })
}

/// A function of the world with the names by which its code is found.
struct Found<'r> {
    function: &'r Function,
    /// Name of the exported interface, as in the component.
    interface: Option<String>,
    /// Snake case; with the interface's name in front where two interfaces share a function name.
    name: String,
}

fn functions(resolve: &Resolve, world: WorldId) -> Result<Vec<Found<'_>>> {
    let mut found = Vec::new();
    for (key, item) in &resolve.worlds[world].exports {
        match item {
            WorldItem::Function(function) => {
                found.push(Found { name: snake(&function.name), function, interface: None });
            }
            WorldItem::Interface { id, .. } => {
                let interface = resolve.name_world_key(key);
                for function in resolve.interfaces[*id].functions.values() {
                    found.push(Found { name: snake(&function.name), function, interface: Some(interface.clone()) });
                }
            }
            WorldItem::Type { .. } => {}
        }
    }
    if found.len() > TOOLS_MAX {
        return Err(Error::Invalid(format!("it exports {} functions, more than the {TOOLS_MAX} allowed", found.len())));
    }
    let shared: HashSet<String> = {
        let mut once = HashSet::new();
        found.iter().filter(|f| !once.insert(f.name.clone())).map(|f| f.name.clone()).collect()
    };
    for f in found.iter_mut().filter(|f| shared.contains(&f.name)) {
        if let Some(interface) = &f.interface {
            let short = interface.rsplit(['/', ':']).next().unwrap_or(interface);
            let short = short.split('@').next().unwrap_or(short);
            f.name = format!("{}_{}", snake(short), f.name);
        }
    }
    let mut names = HashSet::new();
    if let Some(twice) = found.iter().find(|f| !names.insert(f.name.clone())) {
        return Err(Error::DuplicateTool(twice.name.clone()));
    }
    if found.is_empty() { Err(Error::NoTools) } else { Ok(found) }
}

/// The exports, and by which names the core module exports their code.
fn core_exports(resolve: &Resolve, world: WorldId, module: &Module) -> Result<(Vec<Export>, Vec<String>)> {
    let mut names = Vec::new();
    let exports = exports(resolve, world, |found| {
        let name = found.function.legacy_core_export_name(found.interface.as_deref()).into_owned();
        let code = core_function(module, &name)?;
        names.push(name);
        Ok(code)
    })?;
    for (export, name) in exports.iter().zip(&names) {
        // A result with a payload in either case takes more than one core value, so it comes back as an address.
        let Reply::Fallible(ValueType::Result(result)) = &export.reply else {
            return Err(Error::Contract(format!("tool `{}` does not return a result", export.name)));
        };
        let mut parameters = Vec::new();
        export.parameters.iter().for_each(|(_, ty)| ty.flatten(&mut parameters));
        if export.indirect.is_some() {
            parameters = vec![CoreType::I32];
        }
        let post = format!("cabi_post_{name}");
        let post_fits = module.get_export(&post).is_none_or(|ty| fits(&ty, &[CoreType::I32], &[]));
        let fits = module.get_export(name).is_some_and(|ty| fits(&ty, &parameters, &[CoreType::I32]));
        if result.flat.is_empty() || !fits || !post_fits {
            return Err(Error::Contract(format!("core function `{name}` has another signature than its type says")));
        }
    }
    Ok((exports, names))
}

/// Whether a core export is a function of this signature. The component around the module says so too, but is not run on the core path.
fn fits(ty: &wasmtime::ExternType, parameters: &[CoreType], results: &[CoreType]) -> bool {
    let Some(f) = ty.func() else { return false };
    f.params().map(|t| core_type(&t)).eq(parameters.iter().map(|t| Some(*t)))
        && f.results().map(|t| core_type(&t)).eq(results.iter().map(|t| Some(*t)))
}

fn core_type(ty: &wasmtime::ValType) -> Option<CoreType> {
    Some(match ty {
        wasmtime::ValType::I32 => CoreType::I32,
        wasmtime::ValType::I64 => CoreType::I64,
        wasmtime::ValType::F32 => CoreType::F32,
        wasmtime::ValType::F64 => CoreType::F64,
        _ => return None,
    })
}

fn component_exports(resolve: &Resolve, world: WorldId, component: &Component) -> Result<Vec<Export>> {
    exports(resolve, world, |found| {
        let parent = found.interface.as_ref().and_then(|i| component.get_export_index(None, i));
        let index = match (&found.interface, parent) {
            (Some(_), None) => None,
            (_, parent) => component.get_export_index(parent.as_ref(), &found.function.name),
        };
        index
            .map(ExportCode::Component)
            .ok_or_else(|| Error::Invalid(format!("export `{}` is not found", found.function.name)))
    })
}

fn exports(
    resolve: &Resolve,
    world: WorldId,
    mut code: impl FnMut(&Found) -> Result<ExportCode>,
) -> Result<Vec<Export>> {
    let functions = functions(resolve, world)?;
    let unsupported = |tool: &str, what: String| Error::UnsupportedType { tool: tool.to_owned(), what };
    let mut types = Types::new(resolve).map_err(|what| unsupported("(any)", what))?;
    let mut exports = Vec::with_capacity(functions.len());
    for found in functions {
        let function = found.function;
        if !matches!(function.kind, FunctionKind::Freestanding) {
            return Err(unsupported(&found.name, "an asynchronous function or a resource's method".to_owned()));
        }
        let fail = |what| unsupported(&found.name, what);
        let mut parameters = Vec::with_capacity(function.params.len());
        for parameter in &function.params {
            parameters.push((snake(&parameter.name), types.get(&parameter.ty).map_err(fail)?));
        }
        let result = function.result.as_ref().map(|ty| types.get(ty)).transpose().map_err(fail)?;
        let (result, reply) = match result {
            Some(ty @ ValueType::Result(_)) => {
                let ok = if let ValueType::Result(v) = &ty { v.cases[0].ty.clone() } else { None };
                (ok, Reply::Fallible(ty))
            }
            other => (other.clone(), Reply::Plain(other)),
        };
        let indirect = indirect(&parameters);
        exports.push(Export { parameters, result, reply, indirect, code: code(&found)?, name: found.name });
    }
    Ok(exports)
}

/// The record that many parameters travel in.
pub(crate) fn indirect(parameters: &[(String, ValueType)]) -> Option<Record> {
    let mut flat = Vec::new();
    for (_, ty) in parameters {
        ty.flatten(&mut flat);
    }
    if flat.len() <= FLAT_PARAMETERS_MAX {
        return None;
    }
    let (mut end, mut align) = (0_u32, 1_u32);
    let mut fields = Vec::with_capacity(parameters.len());
    for (name, ty) in parameters {
        let offset = end.next_multiple_of(ty.align());
        end = offset + ty.size();
        align = align.max(ty.align());
        fields.push(Field { name: name.clone(), ty: ty.clone(), wit: String::new(), offset, json_key: String::new() });
    }
    Some(Record { fields, size: end.next_multiple_of(align), align })
}

/// A record type of an exported interface, by its WIT name.
fn named_record(resolve: &Resolve, world: WorldId, types: &mut Types, name: &str) -> Option<Arc<Record>> {
    for item in resolve.worlds[world].exports.values() {
        let WorldItem::Interface { id, .. } = item else { continue };
        if let Some(ty) = resolve.interfaces[*id].types.get(name) {
            return match types.get(&wit_parser::Type::Id(*ty)) {
                Ok(ValueType::Record(record)) => Some(record),
                _ => None,
            };
        }
    }
    None
}
