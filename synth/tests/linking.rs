//! Environments over several linked suites: the same people in both, one component, tasks that need both, and certificates that hold.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use terrarium_envs::environment::{Environment, Split};
use terrarium_envs::sandbox::{Config, Sandbox};
use terrarium_envs::task::{Kind, Task};
use terrarium_synth::certify::Recertifier;
use terrarium_synth::tasks::columns::naming_column;
use terrarium_synth::vary::{self, Draw, Recipe};
use terrarium_synth::{Error, Options, Report, Resume, Synthesizer, library, link};
use terrarium_tools::value::Value;

/// Candidates looked at.
const CANDIDATES: u64 = 40;

#[test]
fn linked_worlds_share_people_and_offer_every_suites_tools() {
    let library = library::parsed().expect("the library checks");
    let mut linked = 0;
    for index in 0..CANDIDATES {
        let stock = link::stock(library, 3, Draw::first(index));
        if stock.parts.is_empty() {
            continue;
        }
        linked += 1;
        let suite = &stock.parsed.suite;
        for part in &stock.parts {
            let own = library.iter().find(|p| p.suite.name == part.suite).expect("a suite of the library");
            assert_eq!(own.split, stock.parsed.split, "linked only within a split");
        }
        let recipe = vary::recipe_of(&stock, 3, Draw::first(index));
        assert_eq!(link::suite_of(library, &recipe).expect("the same again").suite, *suite);
        let made = vary::make(suite, recipe).expect("rows");
        for (here, there) in &stock.links {
            let names = |table: &String| -> BTreeSet<String> {
                let t = suite.tables.iter().position(|t| t.name == *table).expect("a table");
                let column = naming_column(&suite.tables[t]).expect("named rows");
                let texts = made.world.tables[t].rows.iter().map(|row| match &row[column] {
                    Value::Str(name) => name.clone(),
                    other => panic!("{other:?} is no name"),
                });
                texts.collect()
            };
            let (here, there) = (names(here), names(there));
            let shared = here.intersection(&there).count();
            assert!(shared * 2 > here.len().min(there.len()), "{shared} of {} and {}", here.len(), there.len());
        }
        let environment = vary::environment(suite, &made, Split::Train, index).expect("it compiles");
        let names: BTreeSet<&str> = environment.tools.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names.len(), environment.tools.len(), "tools are told apart by name");
        let used = link::parts_used(&stock.parts, made.surface.tools.iter().map(|t| t.tool));
        assert_eq!(used.len(), stock.parts.len(), "every suite's tools are offered");
        assert!(environment.system.contains("with the same name are the same"));
    }
    assert!(linked * 2 > CANDIDATES, "{linked} of {CANDIDATES} are linked");
}

/// Environments with their tasks.
type Made = Vec<(Arc<Environment>, Vec<Task>)>;

fn made(options: Options, sandbox: &Sandbox) -> (Made, Report) {
    let synthesizer = Synthesizer::new(options, sandbox).expect("options");
    let mut all = Vec::new();
    let report = synthesizer.run::<Error>(Resume::default(), &AtomicBool::new(false), |made, _| {
        all.push((made.environment, made.tasks));
        Ok(())
    });
    (all, report.expect("synthesis"))
}

#[test]
fn shares_of_kinds_depth_and_crossing_hold() {
    let sandbox = Sandbox::new(Config::default()).expect("a sandbox");
    let options = Options { seed: 5, envs: 40, tasks: 1000, threads: 2, ..Options::default() };
    let (all, report) = made(options, &sandbox);
    let tasks: Vec<&Task> = all.iter().flat_map(|(_, tasks)| tasks).collect();
    let percent = |kind: Kind| tasks.iter().filter(|t| t.kind == kind).count() * 100 / tasks.len();
    for (kind, least) in [
        (Kind::Act, 20),
        (Kind::Ask, 10),
        (Kind::Plan, 15),
        (Kind::Policy, 10),
        (Kind::Repair, 5),
        (Kind::LongHorizon, 5),
    ] {
        assert!(percent(kind) >= least, "{} % are of kind {}", percent(kind), kind.name());
    }
    assert!(report.crossing * 100 >= report.tasks * 30, "{} of {} cross", report.crossing, report.tasks);
    let mut depths: Vec<u32> = tasks.iter().map(|t| t.difficulty.depth).collect();
    depths.sort_unstable();
    assert!(depths[depths.len() / 2] >= 4, "median depth {}", depths[depths.len() / 2]);
    let mut calls: Vec<u32> = tasks.iter().map(|t| t.difficulty.calls).collect();
    calls.sort_unstable();
    assert!(calls.iter().sum::<u32>() as usize >= 8 * calls.len(), "fewer than eight calls on average");
    assert!(calls[calls.len() * 95 / 100] >= 20, "95th percentile {}", calls[calls.len() * 95 / 100]);
    assert!(calls[calls.len() - 1] >= 40, "longest {:?}", calls.last());
}

#[test]
fn certificates_of_linked_tasks_come_out_the_same_again() {
    let sandbox = Sandbox::new(Config::default()).expect("a sandbox");
    let options = Options { seed: 9, envs: 4, tasks: 32, threads: 2, ..Options::default() };
    let (all, report) = made(options, &sandbox);
    assert!(report.linked > 0 && report.crossing > 0);
    for (environment, tasks) in &all {
        let recipe: Recipe = serde_json::from_value(environment.recipe.clone()).expect("a recipe");
        if recipe.parts.is_empty() {
            continue;
        }
        let mut recertifier = Recertifier::new(&sandbox, environment).expect("the same world");
        for task in tasks {
            let certificate = recertifier.certificate(task).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(certificate, task.certificate);
        }
    }
}

#[test]
fn suites_that_share_a_module_can_be_linked() {
    let module = "payer = needs_table(name = str)\n\
        page_size = parameter(5, choices = [5, 10])\n\
        fee = table(\"fee\", key(\"F\", 3), rows(8, 12), called = \"the fee of {payer} due on {due}\",\n\
        \x20   payer = ref(payer, says = \"of {}\"), amount = money(\"1.00\", \"9.00\", step = \"0.50\"),\n\
        \x20   due = date(-20, 20, label = \"due date\", says = \"due on {}\"), state = one_of(\"open\", \"paid\"))\n\
        FeePage = record(\"FeePage\", items = list[fee], more = bool)\n\
        def find_fees(payer_id: option[key_of(payer)] = None, page: int = 1) -> FeePage:\n\
        \x20   \"\"\"Search fees.\n\n    Args:\n        payer_id: Of this payer.\n        page: From 1.\n    \"\"\"\n\
        \x20   found = [f for f in fee if payer_id == None or f.payer == payer_id]\n\
        \x20   return FeePage(items = found[(page - 1) * page_size:page * page_size], more = len(found) > page * page_size)\n\
        tool(find_fees, finds = fee, match = {\"payer_id\": \"payer\"}, page = \"page\")\n\
        def settle(fee_id: key_of(fee)) -> fee:\n\
        \x20   \"\"\"Settle an open fee.\n\n    Args:\n        fee_id: The fee.\n    \"\"\"\n\
        \x20   f = fee.get(fee_id)\n    require(f.state == \"open\", \"not_open\", \"it is paid\")\n    f.state = \"paid\"\n    return f\n\
        tool(settle, ask = [\"settle {fee_id}\"], needs = [fee.get(fee_id).state == \"open\"],\n\
        \x20   effect = [update(fee, fee_id, state = \"paid\")])\n";
    let suite = |slug: &str, table: &str| {
        format!(
            "load(\"processes/fees.star\", \"find_fees\", \"settle\")\n\
             suite(\"{slug}\", title = \"The {slug}\", domain = \"d\", policy = \"Be kind.\")\n\
             supply(\"processes/fees.star\", payer = {table})\n\
             {table} = table(\"{table}\", key(\"P\", 3), rows(10, 14), called = \"{{name}}\", name = person_name(unique = True),\n\
             \x20   points = integer(0, 90))\n\
             def list_{table}s() -> list[{table}]:\n    \"\"\"List all.\"\"\"\n    return [p for p in {table}]\n\
             tool(list_{table}s, finds = {table})\n"
        )
    };
    let find = |path: &str| (path == "processes/fees.star").then(|| module.to_owned());
    let parse = |slug: &str, table: &str| {
        library::parse("s.star", &suite(slug, table), Split::Train, &find).unwrap_or_else(|e| panic!("{e:?}"))
    };
    let suites = vec![parse("swimming-pool", "swimmer"), parse("music-school", "pupil")];
    let sandbox = Sandbox::new(Config::default()).expect("a sandbox");
    let options = Options {
        seed: 2,
        // Two suites of so few tools give no more worlds that are apart.
        envs: 2,
        tasks: 12,
        kinds: vec![Kind::Act, Kind::Ask],
        threads: 2,
        suites,
        ..Options::default()
    };
    let (all, report) = made(options, &sandbox);
    assert!(report.linked > 0 && report.crossing > 0, "{report:?}");
    let linked = all.iter().find(|(e, _)| e.suite.contains("-and-")).expect("a linked environment");
    for tool in ["swimming-pool.find_fees(", "music-school.find_fees("] {
        assert!(linked.0.signature.iter().any(|s| s.starts_with(tool)), "{tool} in {:?}", linked.0.signature);
    }
}
