//! The sections of a component: what it imports (only types may be), its core modules, our custom sections.

use crate::error::{Error, Result};
use crate::summary::Sections;
use std::ops::Range;
use wasmparser::{ComponentInstance, ComponentTypeRef, Encoding, Instance, Parser, Payload, TypeBounds};
use wit_parser::{Resolve, TypeDefKind, WorldId, WorldItem};

/// Largest total of `terrarium:` custom sections that is kept.
const SECTIONS_BYTES_MAX: usize = 4 << 20;

/// Most instances of modules and components that a component may make, those of the components in it included. The engine unfolds them
/// all when it compiles, so a few hundred bytes could otherwise ask for millions.
const INSTANCES_MAX: u64 = 1_000;

/// What a pass over the component's sections finds.
pub(crate) struct Outline {
    modules: Vec<Range<usize>>,
    /// Custom sections whose name starts with `terrarium:`, and where their contents lie.
    pub(crate) sections: Sections,
}

impl Outline {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        let invalid = |e: wasmparser::BinaryReaderError| Error::Invalid(e.to_string());
        let mut outline = Outline { modules: Vec::new(), sections: Vec::new() };
        let mut kept = 0;
        // Nested modules and components are entered by `parse_all`; `depth` says how deep.
        let mut depth = 0_usize;
        // Instances that each open component makes, outermost first, and the most that a closed one makes. Which component is instantiated
        // is not followed through aliases: any counts as the largest.
        let mut made: Vec<u64> = Vec::new();
        let mut largest = 0_u64;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(invalid)? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(Error::Invalid("it is a core module, not a component".to_owned()));
                }
                Payload::Version { .. } => {
                    depth += 1;
                    made.push(0);
                }
                Payload::End(_) => {
                    depth = depth.saturating_sub(1);
                    largest = largest.max(made.pop().unwrap_or_default());
                }
                Payload::InstanceSection(instances) => {
                    for instance in instances {
                        // A bundle of exports runs nothing.
                        if matches!(instance.map_err(invalid)?, Instance::Instantiate { .. }) {
                            add(&mut made, 1)?;
                        }
                    }
                }
                Payload::ComponentInstanceSection(instances) => {
                    for instance in instances {
                        if matches!(instance.map_err(invalid)?, ComponentInstance::Instantiate { .. }) {
                            add(&mut made, largest.saturating_add(1))?;
                        }
                    }
                }
                Payload::ModuleSection { unchecked_range, .. } => outline.modules.push(unchecked_range),
                Payload::ComponentImportSection(imports) if depth == 1 => {
                    for import in imports {
                        let import = import.map_err(invalid)?;
                        if let Some(kind) = forbidden(import.ty) {
                            return Err(Error::Import { kind, name: import.name.name.to_owned() });
                        }
                    }
                }
                Payload::CustomSection(section) if depth == 1 && section.name().starts_with("terrarium:") => {
                    kept += section.data().len();
                    if kept > SECTIONS_BYTES_MAX {
                        return Err(Error::TooLarge { bytes: kept, bytes_max: SECTIONS_BYTES_MAX });
                    }
                    let start = section.data_offset();
                    outline.sections.push((section.name().to_owned(), start..start + section.data().len()));
                }
                _ => {}
            }
        }
        Ok(outline)
    }

    /// The nested core module, which must be the only one and keep its whole state in its memory.
    pub(crate) fn core_module(&self, bytes: &[u8]) -> Result<Range<usize>> {
        let [range] = self.modules.as_slice() else {
            return Err(Error::Contract(format!("it holds {} core modules instead of one", self.modules.len())));
        };
        let broken = |what: &str| Err(Error::Contract(format!("its core module has {what}")));
        let invalid = |e: wasmparser::BinaryReaderError| Error::Invalid(e.to_string());
        let module = bytes.get(range.clone()).ok_or_else(|| Error::Invalid("a section passes the end".to_owned()))?;
        for payload in Parser::new(0).parse_all(module) {
            match payload.map_err(invalid)? {
                Payload::ImportSection(imports) if imports.count() > 0 => return broken("imports"),
                Payload::StartSection { .. } => return broken("a start function"),
                Payload::TableSection(tables) if tables.count() > 0 => return broken("a table"),
                Payload::GlobalSection(globals) => {
                    for global in globals {
                        if global.map_err(invalid)?.ty.mutable {
                            return broken("a mutable global");
                        }
                    }
                }
                Payload::DataSection(segments) => {
                    for segment in segments {
                        if matches!(segment.map_err(invalid)?.kind, wasmparser::DataKind::Passive) {
                            return broken("a passive data segment");
                        }
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export.map_err(invalid)?;
                        if export.name == "memory" && export.kind != wasmparser::ExternalKind::Memory {
                            return broken("an export `memory` that is no memory");
                        }
                    }
                }
                Payload::TypeSection(_) | Payload::FunctionSection(_) | Payload::MemorySection(_) => {}
                _ => {}
            }
        }
        Ok(range.clone())
    }
}

/// Counts instances that the innermost open component makes.
fn add(made: &mut [u64], count: u64) -> Result<()> {
    let Some(innermost) = made.last_mut() else { return Ok(()) };
    *innermost = innermost.saturating_add(count);
    if *innermost > INSTANCES_MAX {
        return Err(Error::Invalid(format!("it makes more than {INSTANCES_MAX} instances of modules and components")));
    }
    Ok(())
}

/// Kinds of import that are refused at sight. Instances are looked into once their types are known.
fn forbidden(ty: ComponentTypeRef) -> Option<&'static str> {
    match ty {
        ComponentTypeRef::Type(TypeBounds::Eq(_)) | ComponentTypeRef::Instance(_) => None,
        ComponentTypeRef::Type(TypeBounds::SubResource) => Some("the resource"),
        ComponentTypeRef::Module(_) => Some("the module"),
        ComponentTypeRef::Func(_) => Some("the function"),
        ComponentTypeRef::Value(_) => Some("the value"),
        ComponentTypeRef::Component(_) => Some("the component"),
    }
}

/// Refuses whatever is imported besides types.
pub(crate) fn check_imports(resolve: &Resolve, world: WorldId) -> Result<()> {
    for (key, item) in &resolve.worlds[world].imports {
        let kind = match item {
            WorldItem::Type { .. } => continue,
            WorldItem::Function(_) => "the function",
            WorldItem::Interface { id, .. } => {
                let interface = &resolve.interfaces[*id];
                let resource = |ty: &wit_parser::TypeId| matches!(resolve.types[*ty].kind, TypeDefKind::Resource);
                if interface.functions.is_empty() && !interface.types.values().any(resource) {
                    continue;
                }
                "the interface"
            }
        };
        return Err(Error::Import { kind, name: resolve.name_world_key(key) });
    }
    Ok(())
}
