//! Compiled tools against the tree evaluator, which shares no code with the compiler: equal answers, equal end states.

use crate::run::Desk;
use crate::support::{self, Random};
use serde_json::{Map, Value as Json};
use terrarium_tools::eval::Evaluator;
use terrarium_tools::value::{Value, to_json};
use terrarium_tools::{Suite, Surface, Type};

/// Runs random calls both ways; gives how many succeeded.
fn check(suite: &Suite, rows: usize, calls: usize, seed: u64) -> usize {
    let mut random = Random::new(seed);
    let world = support::world(suite, rows, &mut random);
    let surface = Surface::plain(suite);
    let mut desk = Desk::new(suite, &world);
    let mut evaluator = Evaluator::new(suite, &surface.parameters, &world);
    let mut succeeded = 0;
    for round in 0..calls {
        let tool = &suite.tools[random.below(suite.tools.len())];
        let function = &suite.functions[tool.function];
        let arguments: Vec<Value> =
            function.parameters.iter().map(|p| support::argument(suite, &p.ty, rows, &mut random)).collect();
        let json: Map<String, Json> = function
            .parameters
            .iter()
            .zip(&arguments)
            .map(|(p, value)| (p.name.clone(), to_json(suite, &p.ty, value)))
            .collect();
        let expected = evaluator.call(tool, &arguments);
        let expected = match expected {
            Ok(_) if function.returns == Type::Unit => Ok(Json::Null),
            Ok(value) => Ok(to_json(suite, &function.returns, &value)),
            Err(error) => Err(error.code),
        };
        let got =
            desk.call(&tool.name, Json::Object(json.clone())).map_err(|e| e.split(':').next().unwrap().to_owned());
        assert_eq!(got, expected, "{} round {round}: {}({})", suite.name, tool.name, Json::Object(json));
        succeeded += usize::from(got.is_ok());
    }
    let state = evaluator.rows().to_world();
    for (table, rows) in suite.tables.iter().zip(&state.tables) {
        let ty = Type::Row(suite.tables.iter().position(|t| t.name == table.name).unwrap());
        let expected: Vec<Json> =
            rows.rows.iter().map(|row| to_json(suite, &ty, &Value::Record(row.clone()))).collect();
        assert_eq!(desk.rows(&table.name), Json::Array(expected), "{}: table {}", suite.name, table.name);
    }
    succeeded
}

#[test]
fn every_construct_agrees_with_the_evaluator() {
    let suite = support::language();
    let mut succeeded = 0;
    for seed in 0..30 {
        succeeded += check(&suite, [0, 1, 3, 12, 70][seed as usize % 5].max(1), 200, seed);
    }
    assert!(succeeded > 2000, "only {succeeded} calls succeeded");
}

#[test]
fn values_agree_with_the_evaluator() {
    let suite = support::suite("values.star");
    let succeeded: usize = (0..20).map(|seed| check(&suite, [1, 3, 12, 70][seed as usize % 4], 200, seed)).sum();
    assert!(succeeded > 2000, "only {succeeded} calls succeeded");
}

#[test]
fn suites_of_new_authors_agree_with_the_evaluator() {
    for suite in support::authored() {
        let succeeded: usize = (0..6).map(|seed| check(&suite, 25, 200, seed)).sum();
        assert!(succeeded > 300, "{}: only {succeeded} calls succeeded", suite.name);
    }
}

#[test]
fn the_library_agrees_with_the_evaluator() {
    for suite in support::library() {
        let succeeded: usize = (0..2).map(|seed| check(&suite, 25, 200, seed)).sum();
        assert!(succeeded > 60, "{}: only {succeeded} calls succeeded", suite.name);
    }
}
