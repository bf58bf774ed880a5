//! Compiled suites against the reference interpreter: any calls give equal results, and equal rows at the end.

#[path = "support/mod.rs"]
mod support;

use proptest::prelude::*;
use serde_json::{Map, Value as Json};
use std::sync::{Arc, OnceLock};
use support::Random;
use terrarium_sandbox::{CallOutcome, Config, Program, Sandbox};
use terrarium_tools::compile::compile;
use terrarium_tools::oracle::{Oracle, OracleReply};
use terrarium_tools::value::{World, to_json};
use terrarium_tools::{Suite, Surface};

/// A suite over a world, ready both ways.
struct Case {
    suite: Suite,
    surface: Surface,
    world: World,
    rows: usize,
    program: Arc<Program>,
}

impl Case {
    fn new(sandbox: &Sandbox, suite: &Suite, rows: usize) -> Case {
        let surface = Surface::plain(suite);
        let world = support::world(suite, rows, &mut Random::new(rows as u64));
        let compiled = compile(suite, &surface, &world).expect("the suite compiles");
        let program = sandbox.load(&compiled.component).expect("the component loads");
        Case { suite: suite.clone(), surface, world, rows, program }
    }

    /// Makes `calls` random calls both ways; gives how many succeeded.
    fn check(&self, calls: usize, seed: u64) -> usize {
        let mut random = Random::new(seed);
        let mut instance = self.program.instantiate().expect("the program starts");
        let mut oracle = Oracle::new(&self.suite, &self.surface, &self.world).expect("the printed suite loads");
        let mut succeeded = 0;
        for _ in 0..calls {
            let shown = &self.surface.tools[random.below(self.surface.tools.len())];
            let function = &self.suite.functions[self.suite.tools[shown.tool].function];
            let mut arguments = Map::new();
            for (index, name, _) in &shown.parameters {
                let ty = &function.parameters[*index].ty;
                let value = support::argument(&self.suite, ty, self.rows, &mut random);
                arguments.insert(name.clone(), to_json(&self.suite, ty, &value));
            }
            let arguments = Json::Object(arguments);
            let got = match instance.call(&shown.name, &arguments).expect("the sandbox works").outcome {
                CallOutcome::Ok(text) => Ok(serde_json::from_str::<Json>(&text).expect("results are JSON")),
                CallOutcome::ToolError { code, .. } => Err(code),
                other => panic!("{}({arguments}): {other:?}", shown.name),
            };
            let expected = match oracle.call(&shown.name, &arguments).expect("the oracle works") {
                OracleReply::Ok(json) => Ok(json),
                OracleReply::Error { code, .. } => Err(code),
            };
            assert_eq!(got, expected, "{} seed {seed}: {}({arguments})", self.suite.name, shown.name);
            succeeded += usize::from(got.is_ok());
        }
        let state = instance.state().expect("the state reads");
        assert_eq!(state, oracle.state(), "{} seed {seed}: end states", self.suite.name);
        succeeded
    }
}

fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| {
        let sandbox = Sandbox::new(Config::default()).expect("the sandbox starts");
        let mut suites = support::library();
        suites.push(support::language());
        suites.push(support::suite("values.star"));
        suites.extend(support::authored());
        let rows = |number: usize| if number.is_multiple_of(4) { &[1, 25][..] } else { &[25] };
        let numbered = suites.iter().enumerate();
        numbered.flat_map(|(n, suite)| rows(n).iter().map(|rows| Case::new(&sandbox, suite, *rows))).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// The same calls on any suite, by the compiled tools and by the interpreter, end in the same place.
    #[test]
    fn compiled_and_interpreted_agree(seed in any::<u64>(), pick in any::<prop::sample::Index>()) {
        cases()[pick.index(cases().len())].check(60, seed);
    }
}

#[test]
fn every_suite_agrees_and_most_calls_succeed() {
    for case in cases() {
        let succeeded = case.check(200, 42);
        assert!(case.rows == 1 || succeeded > 30, "{}: only {succeeded} of 200 succeeded", case.suite.name);
    }
}
