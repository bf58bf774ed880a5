//! A started guest, and one call into it on either path.

use crate::error::Result;
use crate::json::Out;
use crate::lift::Reader;
use crate::limits::Limits;
use crate::lower::Lowering;
use crate::outcome::CallOutcome;
use crate::program::{Code, CoreGuest, Export, ExportCode, Program, Reply, start_error};
use crate::store::{CallFailure, Host, fuel_used, new_store, start_meter};
use crate::types::ValueType;
use crate::values::{to_val, write_val};
use serde_json::Value;
use wasmtime::{Extern, Store, Val};

/// Bytes that wasmtime charges for a lifted value of one byte of JSON, at most: a `Val` and its box for `0,`.
const HOSTCALL_FUEL_PER_OUTPUT_BYTE: usize = 64;

/// A started guest.
pub(crate) enum Guest {
    Core { guest: CoreGuest, scratch: Vec<Val> },
    Component { store: Store<Host>, instance: wasmtime::component::Instance },
}

impl Guest {
    pub(crate) fn start(program: &Program) -> Result<Self> {
        let shared = &program.shared;
        match &program.code {
            Code::Core(code) => Ok(Guest::Core { guest: code.start(shared)?, scratch: Vec::with_capacity(16) }),
            Code::Component(pre) => {
                let mut store = new_store(shared, pre.engine())?;
                let output = shared.config.limits.output_bytes_max;
                store.set_hostcall_fuel(output.saturating_mul(HOSTCALL_FUEL_PER_OUTPUT_BYTE));
                let instance = pre.instantiate(&mut store).map_err(|e| start_error(&store, e))?;
                Ok(Guest::Component { store, instance })
            }
        }
    }

    /// Calls a tool with checked arguments. Returns what happened and the fuel it took; after a failure the guest must be dropped.
    pub(crate) fn call(
        &mut self,
        export: &Export,
        arguments: &Value,
        limits: &Limits,
    ) -> Result<(Result<CallOutcome, CallFailure>, u64)> {
        start_meter(self.store_mut(), limits)?;
        let outcome = match self {
            Guest::Core { guest, scratch } => call_core(guest, scratch, export, arguments, limits),
            Guest::Component { store, instance } => call_component(store, instance, export, arguments, limits),
        };
        Ok((outcome, fuel_used(self.store(), limits)))
    }

    /// Whether memory or table elements were refused during the last call.
    pub(crate) fn was_refused(&self) -> bool {
        self.store().data().limiter.refused
    }

    fn store(&self) -> &Store<Host> {
        match self {
            Guest::Core { guest, .. } => &guest.store,
            Guest::Component { store, .. } => store,
        }
    }

    fn store_mut(&mut self) -> &mut Store<Host> {
        match self {
            Guest::Core { guest, .. } => &mut guest.store,
            Guest::Component { store, .. } => store,
        }
    }
}

const MISSING: CallFailure = CallFailure::Internal("an export is missing from its instance");

fn call_core(
    guest: &mut CoreGuest,
    scratch: &mut Vec<Val>,
    export: &Export,
    arguments: &Value,
    limits: &Limits,
) -> Result<CallOutcome, CallFailure> {
    let CoreGuest { store, instance, memory, realloc } = guest;
    let (ExportCode::Core { function, post_return }, Some(arguments)) = (&export.code, arguments.as_object()) else {
        return Err(MISSING);
    };
    Lowering { store, memory: *memory, realloc, flat: scratch }.parameters(export, arguments)?;
    let function = instance.get_module_export(&mut *store, function).and_then(Extern::into_func).ok_or(MISSING)?;
    let mut result = [Val::I32(0)];
    function.call(&mut *store, scratch, &mut result).map_err(CallFailure::Trap)?;
    let address = result[0].i32().ok_or(MISSING)? as u32;
    let Reply::Fallible(ty) = &export.reply else { return Err(MISSING) };
    let outcome = lift_core(memory.data(&*store), address, ty, limits)?;
    if let Some(post_return) = post_return {
        let post = instance.get_module_export(&mut *store, post_return).and_then(Extern::into_func).ok_or(MISSING)?;
        post.call(&mut *store, &result, &mut []).map_err(CallFailure::Trap)?;
    }
    Ok(outcome)
}

fn lift_core(memory: &[u8], address: u32, ty: &ValueType, limits: &Limits) -> Result<CallOutcome, CallFailure> {
    let ValueType::Result(result) = ty else { return Err(MISSING) };
    let reader = Reader(memory);
    if !address.is_multiple_of(result.align) {
        return Err(CallFailure::InvalidReply);
    }
    reader.bytes(address, result.size)?;
    let (case, payload) = reader.case(address, result)?;
    let mut out = Out::new(limits.output_bytes_max);
    let inner = result.cases[case as usize].ty.as_ref();
    match inner {
        Some(inner) => reader.write_json(payload, inner, &mut out)?,
        None => out.raw(b"null"),
    }
    finish(case == 0, inner, out)
}

fn call_component(
    store: &mut Store<Host>,
    instance: &wasmtime::component::Instance,
    export: &Export,
    arguments: &Value,
    limits: &Limits,
) -> Result<CallOutcome, CallFailure> {
    let (ExportCode::Component(index), Some(arguments)) = (&export.code, arguments.as_object()) else {
        return Err(MISSING);
    };
    let mut parameters = Vec::with_capacity(export.parameters.len());
    for (name, ty) in &export.parameters {
        parameters.push(to_val(ty, arguments.get(name).unwrap_or(&Value::Null))?);
    }
    let function = instance.get_func(&mut *store, index).ok_or(MISSING)?;
    let mut results = match &export.reply {
        Reply::Plain(None) => vec![],
        _ => vec![wasmtime::component::Val::Bool(false)],
    };
    function.call(&mut *store, &parameters, &mut results).map_err(CallFailure::Trap)?;
    let mut out = Out::new(limits.output_bytes_max);
    match (&export.reply, results.first()) {
        (Reply::Plain(Some(ty)), Some(val)) => {
            write_val(val, ty, &mut out)?;
            finish(true, Some(ty), out)
        }
        (Reply::Fallible(ValueType::Result(ty)), Some(wasmtime::component::Val::Result(result))) => {
            let (case, payload) = match result {
                Ok(payload) => (0, payload),
                Err(payload) => (1, payload),
            };
            let inner = ty.cases[case].ty.as_ref();
            match (inner, payload) {
                (Some(inner), Some(val)) => write_val(val, inner, &mut out)?,
                _ => out.raw(b"null"),
            }
            finish(case == 0, inner, out)
        }
        _ => {
            out.raw(b"null");
            finish(true, None, out)
        }
    }
}

/// The outcome that the JSON text of a result or an error stands for.
fn finish(ok: bool, ty: Option<&ValueType>, out: Out) -> Result<CallOutcome, CallFailure> {
    let text = out.finish()?;
    if ok {
        return Ok(CallOutcome::Ok(text));
    }
    let error: Value = serde_json::from_str(&text).map_err(|_| CallFailure::Internal("written JSON does not parse"))?;
    let field = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    let plain = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let generic = || "error".to_owned();
    let (code, message) = match (ty, &error) {
        (None, _) => (generic(), String::new()),
        (Some(ValueType::Record(_)), _) if field("code").is_some() && field("message").is_some() => {
            (field("code").unwrap_or_default(), field("message").unwrap_or_default())
        }
        (Some(ValueType::Enum(_) | ValueType::Variant(_)), Value::String(case)) => (case.clone(), String::new()),
        (Some(ValueType::Variant(_)), Value::Object(case)) => {
            case.iter().next().map_or_else(|| (generic(), String::new()), |(case, v)| (case.clone(), plain(v)))
        }
        (_, other) => (generic(), plain(other)),
    };
    Ok(CallOutcome::ToolError { code, message })
}
