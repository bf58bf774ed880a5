//! The hand-written helpers of `runtime.wat`, assembled once per process and copied into every module.
//!
//! Helpers keep their function indexes, and the module's types start with theirs, so bodies are copied byte for byte.
//! A helper that a module does not reach keeps its index with the body `unreachable`: it costs no compile time.

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use wasm_encoder::{Encode, ValType};
use wasmparser::{FunctionBody, Name, NameSectionReader, Operator, Parser, Payload};

macro_rules! helpers {
    ($($variant:ident $name:literal,)*) => {
        /// A helper that emitted code calls.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Helper { $(#[doc = $name] $variant,)* }
        const NAMES: &[&str] = &[$($name,)*];
    };
}

helpers! {
    Alloc "alloc", Realloc "cabi_realloc", Begin "begin", Settle "settle", PostReturn "post_return", Fail "fail",
    Raise "raise", NoteColumn "note_column", Rollback "rollback", Alive "alive", RowNew "row_new",
    RowLink "row_link", RowDelete "row_delete", FindRow "find_row", GetRow "get_row",
    ColumnHolds "column_holds", MakeKey "make_key", TextEqual "text_equal", TextCompare "text_compare", Concat "concat",
    ContainsFolded "contains_folded",
    Contains "contains", TextTest "text_test", Fold "fold", Strip "strip", Characters "characters",
    IntText "int_text", MoneyText "money_text", DateText "date_text", Add "add",
    Subtract "subtract", Multiply "multiply", FloorDivide "floor_divide", Modulo "modulo", Percent "percent",
    FloatDivide "float_divide", DateCheck "date_check", DateAdd "date_add", DateSubtract "date_subtract",
    ListGrow "list_grow", ListJoin "list_join", Snapshot "snapshot", Index "index", Clamp "clamp", Sort "sort",
    Gather "gather", FloatKey "float_key", LeftStrip "left_strip", RightStrip "right_strip",
    RemoveAffix "remove_affix", Find "find", Occurrences "occurrences", Replace "replace", Split "split", Words "words",
    Join "join", Title "title", Pad "pad", ZeroFill "zero_fill", TextClass "text_class", Matches "matches",
    TextSlice "text_slice", DatePart "date_part", AddMonths "add_months", MakeDate "make_date", Absolute "absolute",
    ParseInt "parse_int", Truncate "truncate", Scaled "scaled", Fixed "fixed", RoundToStep "round_to_step",
    AllocLarge "alloc_large", Range "range", Reversed "reversed", Flatten "flatten",
}

/// The assembled helpers.
pub(crate) struct Runtime {
    /// Function types: parameters, results.
    pub types: Vec<(Vec<ValType>, Vec<ValType>)>,
    /// Every helper in index order.
    functions: Vec<RuntimeFunction>,
    /// Function index of each [`Helper`].
    indexes: Vec<u32>,
}

struct RuntimeFunction {
    type_index: u32,
    /// Locals and code, without the length in front.
    body: Vec<u8>,
    calls: Vec<u32>,
}

impl Runtime {
    /// The helpers, assembled on first use.
    pub fn get() -> Result<&'static Runtime> {
        static RUNTIME: OnceLock<std::result::Result<Runtime, String>> = OnceLock::new();
        RUNTIME
            .get_or_init(assemble)
            .as_ref()
            .map_err(|message| Error::Compiler { stage: "run-time helpers", message: message.clone() })
    }

    /// Number of functions: the first free index.
    pub fn len(&self) -> u32 {
        self.functions.len() as u32
    }

    /// Function index of a helper.
    pub fn index(&self, helper: Helper) -> u32 {
        self.indexes[helper as usize]
    }

    /// Type index of a function.
    pub fn type_of(&self, function: u32) -> u32 {
        self.functions[function as usize].type_index
    }

    /// Bodies in index order; those not reached from `used` only trap.
    pub fn bodies(&self, used: &[bool]) -> Vec<Vec<u8>> {
        let mut reached = vec![false; self.functions.len()];
        let mut open: Vec<u32> = (0..self.len()).filter(|i| used.get(*i as usize) == Some(&true)).collect();
        while let Some(index) = open.pop() {
            if !std::mem::replace(&mut reached[index as usize], true) {
                open.extend(&self.functions[index as usize].calls);
            }
        }
        let stub = || {
            let mut body = Vec::new();
            0u32.encode(&mut body);
            body.extend([0x00, 0x0b]); // unreachable, end
            body
        };
        self.functions.iter().zip(reached).map(|(f, used)| if used { f.body.clone() } else { stub() }).collect()
    }
}

fn assemble() -> std::result::Result<Runtime, String> {
    let bytes = wat::parse_str(include_str!("runtime.wat")).map_err(|e| e.to_string())?;
    let mut runtime = Runtime { types: Vec::new(), functions: Vec::new(), indexes: Vec::new() };
    let mut type_indexes = Vec::new();
    let mut names = BTreeMap::new();
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.map_err(|e| e.to_string())? {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    let ty = ty.map_err(|e| e.to_string())?;
                    let convert = |types: &[wasmparser::ValType]| types.iter().map(val_type).collect::<Result<_, _>>();
                    runtime.types.push((convert(ty.params())?, convert(ty.results())?));
                }
            }
            Payload::FunctionSection(section) => {
                for index in section {
                    type_indexes.push(index.map_err(|e| e.to_string())?);
                }
            }
            Payload::CodeSectionEntry(body) => {
                let type_index = type_indexes[runtime.functions.len()];
                let calls = calls(&body).map_err(|e| e.to_string())?;
                runtime.functions.push(RuntimeFunction { type_index, body: body.as_bytes().to_vec(), calls });
            }
            Payload::CustomSection(section) if section.name() == "name" => {
                let reader = wasmparser::BinaryReader::new(section.data(), section.data_offset());
                for name in NameSectionReader::new(reader) {
                    if let Name::Function(map) = name.map_err(|e| e.to_string())? {
                        for naming in map {
                            let naming = naming.map_err(|e| e.to_string())?;
                            names.insert(naming.name.to_owned(), naming.index);
                        }
                    }
                }
            }
            _ => {}
        }
    }
    for name in NAMES {
        runtime.indexes.push(*names.get(*name).ok_or_else(|| format!("runtime.wat has no ${name}"))?);
    }
    Ok(runtime)
}

fn calls(body: &FunctionBody) -> Result<Vec<u32>, wasmparser::BinaryReaderError> {
    let mut calls = Vec::new();
    for operator in body.get_operators_reader()? {
        if let Operator::Call { function_index } = operator? {
            calls.push(function_index);
        }
    }
    Ok(calls)
}

fn val_type(ty: &wasmparser::ValType) -> std::result::Result<ValType, String> {
    match ty {
        wasmparser::ValType::I32 => Ok(ValType::I32),
        wasmparser::ValType::I64 => Ok(ValType::I64),
        wasmparser::ValType::F64 => Ok(ValType::F64),
        other => Err(format!("runtime.wat uses {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_assemble_validate_and_are_all_named() {
        let bytes = wat::parse_str(include_str!("runtime.wat")).unwrap();
        wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::WASM2).validate_all(&bytes).unwrap();
        assert_eq!(Runtime::get().unwrap().indexes.len(), NAMES.len());
    }

    #[test]
    fn unreached_helpers_become_traps() {
        let runtime = Runtime::get().unwrap();
        let mut used = vec![false; runtime.len() as usize];
        used[runtime.index(Helper::TextEqual) as usize] = true;
        let bodies = runtime.bodies(&used);
        let kept = bodies.iter().filter(|b| b.as_slice() != [0, 0, 0x0b]).count();
        // `out_of_memory` has that very body; `text_equal` calls nothing.
        assert_eq!(kept, 1);
    }
}
