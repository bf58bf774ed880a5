//! The worlds that are measured, and the calls that are made in them.
//!
//! `service_desk` is the library's it-service-desk (25 tools, 6 tables) at twice its declared size, 20 rows a page: a real suite, compiled
//! by our compiler. `compiled_desk` and `written_desk` are three tools over 200 rows, from Starlark and by hand in WebAssembly text.

use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;
use terrarium_envs::certificate::Certificate;
use terrarium_envs::environment::{Environment, Split};
use terrarium_envs::sandbox::{CallOutcome, Instance, Path, Program, Sandbox};
use terrarium_envs::task::{Difficulty, Kind, Task, ToolCall};
use terrarium_envs::verifier::{Expected, ExpectedChange, ExpectedUpdate, Verifier};
use terrarium_synth::library;
use terrarium_synth::vary::data::{self, Size};
use terrarium_synth::vary::{self, Made};
use terrarium_tools::compile::{Compiled, compile};
use terrarium_tools::tree::Literal;
use terrarium_tools::{Suite, Surface, World};
use wasm_encoder::{ComponentSection, CustomSection, Encode};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// A tool call as an agent writes it: name and JSON text.
pub type Call = (String, String);

fn call(tool: &str, arguments: &Value) -> Call {
    (tool.to_owned(), arguments.to_string())
}

/// A suite with rows, before compiling.
pub struct Source {
    pub suite: Suite,
    pub surface: Surface,
    pub world: World,
    recipe: vary::Recipe,
}

impl Source {
    fn new(slug: &str, source: &str, size: Size) -> Source {
        let parsed =
            library::parse(&format!("{slug}.star"), source, Split::Train, &library::module).expect("the suite checks");
        let suite = parsed.suite;
        let mut recipe = vary::recipe(&suite, &parsed.digest, 7, 0);
        recipe.data.size = size;
        recipe.data.keys = suite.tables.iter().map(|t| t.key.clone()).collect();
        let mut surface = Surface::plain(&suite);
        if let Some(page_size) = suite.parameters.iter().position(|p| p.name == "page_size") {
            surface.parameters[page_size] = Literal::Int(20);
        }
        let world = data::world(&suite, &surface.parameters, &recipe.data).expect("the world can be filled");
        Source { suite, surface, world, recipe }
    }

    pub fn compile(&self) -> Compiled {
        compile(&self.suite, &self.surface, &self.world).expect("the suite compiles")
    }

    /// Rows of all tables together.
    pub fn rows(&self) -> usize {
        self.world.tables.iter().map(|t| t.rows.len()).sum()
    }

    fn environment(&self) -> Arc<Environment> {
        let made = Made { recipe: self.recipe.clone(), world: self.world.clone(), surface: self.surface.clone() };
        Arc::new(vary::environment(&self.suite, &made, Split::Train, 0).expect("the environment compiles"))
    }
}

/// The IT service desk of the library.
pub fn service_desk() -> Source {
    let suite = library::suites().iter().find(|s| s.slug == "it-service-desk").expect("it is in the library");
    Source::new(suite.slug, suite.source, Size::Large)
}

/// Ten calls of the service desk: six keyed reads, three searches of 20 rows, one write.
pub fn ten_calls(program: &Arc<Program>) -> Vec<Call> {
    let world = program.instantiate().expect("a world");
    let state = world.state().expect("its state");
    let rows = |table: &str| state["tables"][table].as_array().expect("rows").clone();
    let tickets = rows("ticket");
    let write = tickets
        .iter()
        .flat_map(|t| rows("agent").into_iter().map(move |a| json!({"ticket_id": t["id"], "agent_id": a["id"]})))
        .map(|arguments| call("assign_ticket", &arguments))
        .find(|c| matches!(run(&mut program.instantiate().expect("a world"), c), CallOutcome::Ok(_)))
        .expect("some ticket can be assigned");
    let get = |tool: &str, key: &str, row: &Value| call(tool, &json!({ key: row["id"] }));
    let (employees, devices) = (rows("employee"), rows("device"));
    vec![
        call("find_tickets", &json!({"status": "open", "page": 1})),
        get("get_ticket", "ticket_id", &tickets[4]),
        get("get_ticket", "ticket_id", &tickets[tickets.len() / 2]),
        get("get_ticket", "ticket_id", &tickets[tickets.len() - 1]),
        call("find_employees", &json!({"name": "a", "page": 1})),
        get("get_employee", "employee_id", &employees[11]),
        get("get_employee", "employee_id", &employees[employees.len() - 2]),
        call("find_devices", &json!({"state": "in_use", "page": 1})),
        get("get_device", "device_id", &devices[devices.len() / 3]),
        write,
    ]
}

/// Makes one call, from JSON text to JSON text.
pub fn run(world: &mut Instance, (tool, arguments): &Call) -> CallOutcome {
    let arguments: Value = serde_json::from_str(arguments).expect("JSON");
    world.call(tool, &arguments).expect("our side works").outcome
}

/// The results of calls from a fresh world on, all of which must succeed.
pub fn results(program: &Arc<Program>, calls: &[Call]) -> Vec<String> {
    let mut world = program.instantiate().expect("a world");
    let text = |c: &Call| match run(&mut world, c) {
        CallOutcome::Ok(text) => text,
        other => panic!("{c:?}: {other:?}"),
    };
    calls.iter().map(text).collect()
}

/// An environment with a task whose solution is the ten calls and `submit`.
pub fn task(source: &Source, sandbox: &Sandbox, calls: &[Call]) -> (Arc<Environment>, Arc<Task>) {
    let environment = source.environment();
    let program = sandbox.load(&environment.component).expect("it loads");
    let mut world = program.instantiate().expect("a world");
    calls.iter().for_each(|c| drop(run(&mut world, c)));
    let updated = world.net_diff().expect("its change").tables.into_iter().flat_map(|table| {
        table.updated.into_iter().map(move |row| ExpectedUpdate {
            table: table.table.clone(),
            key: row.key,
            columns: row.after.into_iter().map(|(column, value)| (column, Expected::Exact(value))).collect(),
        })
    });
    let change = ExpectedChange { updated: updated.collect(), ..ExpectedChange::default() };
    let mut solution: Vec<ToolCall> = calls
        .iter()
        .map(|(tool, text)| ToolCall { name: tool.clone(), arguments: serde_json::from_str(text).expect("JSON") })
        .collect();
    solution.push(ToolCall { name: "submit".to_owned(), arguments: json!({}) });
    let task = Task {
        id: format!("{}/00000000", environment.id),
        environment_id: environment.id.clone(),
        split: environment.split,
        kind: Kind::Act,
        prompt: "Assign the ticket.".to_owned(),
        goal: json!({}),
        verifier: Verifier { change, answer: None },
        solution,
        certificate: Certificate::default(),
        difficulty: Difficulty::default(),
    };
    (environment, Arc::new(task))
}

/// Both desks of three tools on the core path, and ten calls for them.
pub fn desks(sandbox: &Sandbox) -> ([Arc<Program>; 2], Vec<Call>) {
    let source = Source::new("tickets", include_str!("desk.star"), Size::Medium);
    let compiled = source.compile();
    let written = written_desk(&compiled);
    let load = |bytes: &[u8]| sandbox.load_as(bytes, Path::Core).expect("it loads");
    let get = |n: u32| call("get_ticket", &json!({"ticket_id": format!("T-{n:05}")}));
    let desks = [load(&compiled.component), load(&written)];
    let state = desks[0].instantiate().expect("a world").state().expect("its state");
    let status = if state["tables"]["ticket"][76]["status"] == "open" { "resolved" } else { "open" };
    let calls = vec![
        call("find_tickets", &json!({"status": "open", "page": 1})),
        get(5),
        get(100),
        get(200),
        call("find_tickets", &json!({"title": "VPN", "page": 1})),
        get(17),
        get(42),
        call("find_tickets", &json!({"page": 3})),
        get(77),
        call("set_status", &json!({"ticket_id": "T-00077", "status": status})),
    ];
    let answers = desks.each_ref().map(|d| results(d, &calls));
    assert_eq!(answers[0], answers[1], "the two desks answer alike");
    (desks, calls)
}

/// Messages of desk.wat, by address.
const MESSAGES: [(usize, &str); 6] = [
    (256, "not_found"),
    (272, "there is no ticket with id "),
    (304, "no_change"),
    (320, "this is its state already"),
    (352, "bad_page"),
    (368, "pages are counted from 1"),
];

/// The component around desk.wat, with the compiled desk's first memory.
fn written_desk(compiled: &Compiled) -> Vec<u8> {
    let (start, mut data, pages) = first_memory(&compiled.component);
    for (address, message) in MESSAGES {
        data[address - start..][..message.len()].copy_from_slice(message.as_bytes());
    }
    let mut text = String::from(include_str!("desk.wat"));
    write!(text, "(memory (export \"memory\") {pages}) (data (i32.const {start}) \"").expect("text");
    data.iter().for_each(|byte| write!(text, "\\{byte:02x}").expect("text"));
    text.push_str("\"))");
    let mut core = wat::parse_str(&text).expect("desk.wat");
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("suite.wit", &compiled.wit).expect("WIT");
    let world = resolve.select_world(&[package], Some("suite")).expect("a world");
    embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8).expect("metadata");
    let mut component =
        ComponentEncoder::default().validate(true).module(&core).expect("a module").encode().expect("a component");
    let state = json!({"version": 1, "header": 1024, "tables": [
        {"name": "employee", "record": "employee"}, {"name": "ticket", "record": "ticket"}]});
    let section = CustomSection { name: "terrarium:state".into(), data: state.to_string().into_bytes().into() };
    component.push(ComponentSection::id(&section));
    section.encode(&mut component);
    component
}

/// The one data segment of a compiled suite: address, bytes; and the pages of its memory.
fn first_memory(component: &[u8]) -> (usize, Vec<u8>, u64) {
    let mut pages = 0;
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        match payload.expect("a valid component") {
            wasmparser::Payload::MemorySection(memories) => {
                pages = memories.into_iter().next().expect("a memory").expect("a memory").initial;
            }
            wasmparser::Payload::DataSection(segments) => {
                let segment = segments.into_iter().next().expect("a segment").expect("a segment");
                let wasmparser::DataKind::Active { offset_expr, .. } = segment.kind else { panic!("not active") };
                let wasmparser::Operator::I32Const { value } =
                    offset_expr.get_operators_reader().read().expect("an offset")
                else {
                    panic!("not constant")
                };
                return (value as usize, segment.data.to_vec(), pages);
            }
            _ => {}
        }
    }
    panic!("no data")
}
