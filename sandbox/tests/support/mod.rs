//! Guests for the tests: core modules and WIT from `tests/guests`, wrapped as components.
#![allow(dead_code, reason = "each test file uses a part")]

use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;
use terrarium_sandbox::{Call, CallOutcome, Config, Instance, Limits, Path, Program, Sandbox};
use wasm_encoder::{ComponentSection, CustomSection};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

pub const DESK_WAT: &str = include_str!("../../../tests/guests/desk.wat");
pub const DESK_WIT: &str = include_str!("../../../tests/guests/desk.wit");
pub const DESK_STATE: &str =
    r#"{"version":1,"header":1024,"tables":[{"name":"member","record":"member"},{"name":"loan","record":"loan"}]}"#;
pub const HOSTILE_WAT: &str = include_str!("../../../tests/guests/hostile.wat");
pub const HOSTILE_WIT: &str = include_str!("../../../tests/guests/hostile.wit");

/// Wraps a core module (WAT) as a component of world `suite`.
pub fn component(core: &str, wit: &str) -> Vec<u8> {
    let mut module = wat::parse_str(core).expect("core module");
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("suite.wit", wit).expect("WIT");
    let world = resolve.select_world(&[package], Some("suite")).expect("world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
    ComponentEncoder::default().validate(true).module(&module).expect("module").encode().expect("component")
}

/// Appends a custom section.
pub fn with_section(mut component: Vec<u8>, name: &str, data: &[u8]) -> Vec<u8> {
    CustomSection { name: Cow::Borrowed(name), data: Cow::Borrowed(data) }.append_to_component(&mut component);
    component
}

/// The two-table suite.
pub fn desk() -> Vec<u8> {
    with_section(component(DESK_WAT, DESK_WIT), "terrarium:state", DESK_STATE.as_bytes())
}

/// Every way to misbehave that needs only one module.
pub fn hostile() -> Vec<u8> {
    component(HOSTILE_WAT, HOSTILE_WIT)
}

pub fn limits() -> Limits {
    Limits { fuel_per_call: 2_000_000, memory_bytes_max: 4 << 20, output_bytes_max: 64 << 10, ..Limits::default() }
}

pub fn sandbox() -> Sandbox {
    Sandbox::new(Config { limits: limits(), instances_max: 64, ..Config::default() }).expect("sandbox")
}

/// The same component on both paths.
pub fn both(sandbox: &Sandbox, bytes: &[u8]) -> [Arc<Program>; 2] {
    [Path::Core, Path::Component].map(|path| sandbox.load_as(bytes, path).expect("program"))
}

/// Calls a tool and expects a result.
pub fn ok(instance: &mut Instance, tool: &str, arguments: Value) -> Value {
    match instance.call(tool, &arguments).expect("call").outcome {
        CallOutcome::Ok(text) => serde_json::from_str(&text).expect("JSON"),
        other => panic!("{tool}({arguments}): {other:?}"),
    }
}

/// Calls a tool.
pub fn call(instance: &mut Instance, tool: &str, arguments: Value) -> Call {
    instance.call(tool, &arguments).expect("call")
}
