//! What the component declares: exports, types, descriptions, and that it imports nothing.

use crate::build;
use crate::run::{compiled, sandbox};
use crate::support::{self, Random};
use serde_json::{Value as Json, json};
use terrarium_tools::compile::{DOCS_SECTION, STATE_SECTION, compile};
use terrarium_tools::surface::SurfaceTool;
use terrarium_tools::tree::Literal;
use terrarium_tools::value::{Value, World};
use terrarium_tools::{Error, Suite, Surface};
use wit_parser::{Resolve, TypeDefKind, WorldItem};

fn lab() -> (Suite, World) {
    let suite = support::language();
    let world = support::world(&suite, 5, &mut Random::new(7));
    (suite, world)
}

fn decoded(component: &[u8]) -> (Resolve, wit_parser::WorldId) {
    match wit_component::decode(component).expect("the component decodes") {
        wit_component::DecodedWasm::Component(resolve, world) => (resolve, world),
        wit_component::DecodedWasm::WitPackage(..) => panic!("a component, not a package"),
    }
}

fn section(component: &[u8], name: &str) -> Json {
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        if let wasmparser::Payload::CustomSection(section) = payload.expect("the component parses")
            && section.name() == name
        {
            return serde_json::from_slice(section.data()).expect("the section is JSON");
        }
    }
    panic!("no section {name}");
}

#[test]
fn the_component_exports_every_tool_and_imports_nothing() {
    let (suite, world) = lab();
    let compiled = compiled(&suite, &world);
    let (resolve, world) = decoded(&compiled.component);
    let world = &resolve.worlds[world];
    assert!(world.imports.is_empty(), "{:?}", world.imports);
    assert_eq!(world.exports.len(), 1);
    let (key, item) = world.exports.first().unwrap();
    assert_eq!(resolve.name_world_key(key), "terrarium:language-lab/tools");
    let WorldItem::Interface { id, .. } = item else { panic!("an interface") };
    let interface = &resolve.interfaces[*id];
    let names: Vec<_> = interface.functions.keys().cloned().collect();
    let expected: Vec<_> = suite.tools.iter().map(|t| t.name.replace('_', "-")).collect();
    assert_eq!(names, expected);
    for function in interface.functions.values() {
        let Some(wit_parser::Type::Id(id)) = function.result else { panic!("a result") };
        assert!(matches!(resolve.types[id].kind, TypeDefKind::Result(_)), "{}", function.name);
    }
    // Tables that no tool mentions are declared too: state readers find row layouts by these names.
    for table in &suite.tables {
        assert!(interface.types.contains_key(&table.name), "{}", table.name);
    }
}

#[test]
fn descriptions_and_tables_travel_in_sections() {
    let (suite, world) = lab();
    let component = compiled(&suite, &world).component;
    let docs = section(&component, DOCS_SECTION);
    assert_eq!(docs["suite"], "language-lab");
    let add = docs["tools"].as_array().unwrap().iter().find(|t| t["name"] == "add").unwrap();
    assert_eq!(add["writes"], true);
    assert_eq!(add["doc"], "A new item.");
    assert_eq!(add["params"]["shelf-id"], "Shelf.");
    let tables = json!([{"name": "shelf", "record": "shelf"}, {"name": "item", "record": "item"}]);
    assert_eq!(section(&component, STATE_SECTION), json!({"version": 1, "header": 1024, "tables": tables}));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let (suite, world) = lab();
    let (a, b) = (compiled(&suite, &world), compiled(&suite.clone(), &world.clone()));
    assert_eq!(a.component, b.component);
    // Pinned so that a change of the emitted bytes is noticed: `terrarium` promises that stored components replay, not
    // that a newer compiler makes the same ones, so a deliberate change may set these anew.
    assert!(a.core_bytes > a.data_bytes && a.component.len() > a.core_bytes);
}

#[test]
fn a_surface_renames_reorders_and_leaves_out() {
    let (suite, world) = lab();
    let mut surface = Surface::plain(&suite);
    let index = suite.tools.iter().position(|t| t.name == "make_report").unwrap();
    let text = |s: &str| s.to_owned();
    surface.tools = vec![SurfaceTool {
        tool: index,
        name: text("overview"),
        doc: text("Shows it."),
        parameters: vec![(2, text("latest_first"), text("")), (0, text("type"), text(""))],
    }];
    surface.parameters[0] = Literal::Int(1);
    let compiled = compile(&suite, &surface, &world).unwrap();
    let program = sandbox().load(&compiled.component).unwrap();
    let exports = program.tools();
    assert_eq!(exports.len(), 1);
    let names: Vec<_> = exports[0].parameters.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((exports[0].name.as_str(), names), ("overview", vec!["latest_first", "type"]));
    let mut desk = crate::run::Desk(program.instantiate().unwrap());
    let report = desk.ok("overview", json!({"latest_first": true}));
    assert_eq!(report["items"].as_array().unwrap().len(), 1, "the policy parameter `limit` is 1 here");
    assert_eq!(report["lines"].as_array().unwrap().len(), 5);
}

#[test]
fn what_does_not_fit_is_refused() {
    let (suite, world) = lab();
    let plain = Surface::plain(&suite);
    let refused = |surface: &Surface, world: &World| match compile(&suite, surface, world) {
        Err(Error::Mismatch { what, reason }) => format!("{what}: {reason}"),
        other => panic!("{:?}", other.map(|c| c.wit)),
    };
    let mut surface = plain.clone();
    surface.tools[0].name = "submit".into();
    assert_eq!(refused(&surface, &world), "surface: the name `submit` is reserved");
    surface.tools[0].name = "item".into();
    assert_eq!(refused(&surface, &world), "surface: two of its types and tools have the WIT name `item`");
    surface.tools[0] = surface.tools[1].clone();
    assert_eq!(refused(&surface, &world), "surface: two tools are called `charge`");
    let mut surface = plain.clone();
    surface.tools[0].parameters.pop();
    assert_eq!(refused(&surface, &world), "surface: `calculate` leaves out `op`, which has no default");
    let mut surface = plain.clone();
    surface.parameters[0] = Literal::Bool(true);
    assert!(refused(&surface, &world).contains("not a value of policy parameter `limit`"));

    let mut other = world.clone();
    other.tables[1].rows[2][0] = Value::Key("I-0001".into());
    assert_eq!(refused(&plain, &other), "world: two rows of `item` have the key I-0001");
    let mut other = world.clone();
    other.tables[1].next_key = 3;
    assert!(refused(&plain, &other).contains("its next key number is 3"));
    let mut other = world.clone();
    other.tables[0].rows[1][2] = Value::Str("heavy".into());
    assert!(refused(&plain, &other).starts_with("world: column `burden` in row 1 of `shelf` has type Int"));
    let mut other = world.clone();
    other.tables.pop();
    assert_eq!(refused(&plain, &other), "world: 1 tables for 2");
}

#[test]
fn deep_nesting_is_a_typed_error_and_recursion_is_refused() {
    use terrarium_tools::Type;
    let mut suite = build::suite(vec![build::table("a", "A", &[("id", Type::Key(0))])]);
    let mut deep = build::int(0);
    for _ in 0..500 {
        deep = build::expr(Type::Int, terrarium_tools::tree::ExprKind::Negate(build::b(deep)));
    }
    build::tool(&mut suite, "deep", &[], &[], Type::Int, false, vec![build::give(deep)]);
    let world = build::world(vec![build::rows("A", vec![])]);
    assert!(matches!(compile(&suite, &Surface::plain(&suite), &world), Err(Error::Limit { .. })));

    let mut suite = build::suite(vec![]);
    let call = build::expr(Type::Int, terrarium_tools::tree::ExprKind::Call { function: 0, arguments: vec![] });
    build::tool(&mut suite, "circle", &[], &[], Type::Int, false, vec![build::give(call)]);
    let world = build::world(vec![]);
    let error = compile(&suite, &Surface::plain(&suite), &world).unwrap_err();
    assert_eq!(error.to_string(), "compiler fault in call graph: `circle` calls itself");
}

#[test]
fn every_suite_of_the_library_compiles_to_a_valid_component() {
    for suite in support::library() {
        let world = support::world(&suite, 40, &mut Random::new(3));
        let compiled = compiled(&suite, &world);
        let program = sandbox().load(&compiled.component).expect("the component loads");
        assert_eq!(program.tools().len(), suite.tools.len(), "{}", suite.name);
    }
}
