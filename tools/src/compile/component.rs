//! The component around a core module, and the sections that travel with it.

use super::wit::{Interface, kebab};
use crate::error::{Error, Result};
use crate::suite::Suite;
use crate::surface::Surface;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use wasm_encoder::{ComponentSection, CustomSection, Encode};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// Section with the tools' names and descriptions, which WIT encoding drops.
pub const DOCS_SECTION: &str = "terrarium:docs";
/// Section that says that the state lies in memory as `data.rs` lays it out.
pub const STATE_SECTION: &str = "terrarium:state";

/// Wraps a core module.
pub(crate) fn wrap(suite: &Suite, surface: &Surface, interface: &Interface, mut core: Vec<u8>) -> Result<Vec<u8>> {
    let fault = |e| Error::Compiler { stage: "component", message: format!("{e:#}") };
    embed_component_metadata(&mut core, &interface.resolve, interface.world, StringEncoding::UTF8).map_err(fault)?;
    // The encoder checks the module's exports against the WIT anyway; validating every byte as well would cost as much
    // as all the rest, so the tests do that, on every suite of the library.
    let encoder = ComponentEncoder::default().validate(false);
    let mut component = encoder.module(&core).map_err(fault)?.encode().map_err(fault)?;
    section(&mut component, DOCS_SECTION, &docs(suite, surface));
    section(&mut component, STATE_SECTION, &state(suite));
    Ok(component)
}

fn section(component: &mut Vec<u8>, name: &str, value: &Value) {
    let section = CustomSection { name: name.into(), data: Cow::Owned(value.to_string().into_bytes()) };
    component.push(ComponentSection::id(&section));
    section.encode(component);
}

fn docs(suite: &Suite, surface: &Surface) -> Value {
    let tools: Vec<_> = surface
        .tools
        .iter()
        .map(|tool| {
            let params: Map<_, _> =
                tool.parameters.iter().map(|(_, name, doc)| (kebab(name), Value::from(doc.as_str()))).collect();
            json!({
                "name": kebab(&tool.name),
                "doc": tool.doc,
                "writes": suite.tools[tool.tool].writes,
                "params": params,
            })
        })
        .collect();
    json!({ "suite": suite.name, "title": suite.title, "tools": tools })
}

fn state(suite: &Suite) -> Value {
    let tables: Vec<_> =
        suite.tables.iter().map(|table| json!({ "name": table.name, "record": kebab(&table.name) })).collect();
    json!({ "version": 1, "header": super::data::HEADER, "tables": tables })
}
