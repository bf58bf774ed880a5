//! Two programs work out what a goal comes to: one by rows, one through tools alone. Over the whole library they must agree: a goal that
//! the rows accept is either out of the planner's reach or leads to what the verifier expects. A planner that compares the wrong
//! way round shows here and not only as a lower yield.

use std::collections::BTreeMap;
use std::sync::Arc;
use terrarium_envs::environment::Split;
use terrarium_envs::sandbox::{Config, Sandbox};
use terrarium_envs::task::Kind;
use terrarium_synth::candidate::draw;
use terrarium_synth::certify::Workshop;
use terrarium_synth::say::phrase::Speaker;
use terrarium_synth::say::prompts::Prompts;
use terrarium_synth::seed::Dice;
use terrarium_synth::tasks::goal::{Goal, Query, Test};
use terrarium_synth::vary::{self, Draw};
use terrarium_synth::{library, link};

/// Reasons that say the planner came to something else than the rows, once the rows have accepted the goal.
const DISAGREEMENTS: [&str; 8] = [
    "disagree",
    "planner_ambiguous",
    "write_refused",
    "tie",
    "no_value",
    "batch_size",
    "nothing_matches",
    "noop_solves",
];
/// Draws of each kind in each suite's world.
const DRAWS: usize = 8;

/// Whether a goal needs the row or value at one end of a column.
fn has_extremum(goal: &Goal) -> bool {
    let mut found = matches!(goal, Goal::Ask(Query::Extreme { .. }));
    for description in goal.descriptions() {
        description.walk(&mut |d| found |= d.extremum.is_some());
    }
    found
}

/// Whether a goal tells a row by what another suite says about the same person.
fn is_shared(goal: &Goal) -> bool {
    let mut found = false;
    for description in goal.descriptions() {
        description.walk(&mut |d| found |= d.conditions.iter().any(|c| matches!(c.test, Test::Shared { .. })));
    }
    found
}

#[test]
fn rows_and_tools_agree_over_the_library() {
    let sandbox = Sandbox::new(Config::default()).expect("a sandbox");
    let prompts = Prompts::new().expect("templates");
    let mut tried: BTreeMap<Kind, usize> = BTreeMap::new();
    let (mut extrema, mut shared) = (0, 0);
    let mut disagreements: Vec<String> = Vec::new();
    let library = library::parsed().expect("the library checks");
    let mut linked = 0;
    for index in 0..library.len() as u64 {
        // Every suite, most of them linked with another.
        let stock = link::stock(library, 23, Draw::first(index));
        linked += u64::from(!stock.parts.is_empty());
        let parsed = &stock.parsed;
        let recipe = vary::recipe_of(&stock, 23, Draw::first(index));
        let made = vary::make(&parsed.suite, recipe).expect("rows");
        let environment = vary::environment(&parsed.suite, &made, Split::Train, 0).expect("it compiles");
        let mut workshop =
            Workshop::new(&parsed.suite, &made, &Arc::new(environment), &sandbox).expect("the world runs");
        workshop.cross = !stock.parts.is_empty();
        let speaker = Speaker { suite: &parsed.suite };
        for kind in Kind::ALL {
            for attempt in 0..DRAWS {
                let mut dice = Dice::new(3, &format!("{index}/{}/{attempt}", kind.name()));
                let Ok(goal) = draw(&workshop, kind, 0, &mut dice) else { continue };
                let Ok(verifier) = workshop.verifier(&goal) else { continue };
                let Ok(prompt) = prompts.say(&speaker, &goal, verifier.answer.as_ref(), &mut dice) else { continue };
                *tried.entry(kind).or_default() += 1;
                extrema += usize::from(has_extremum(&goal));
                shared += usize::from(is_shared(&goal));
                if let Err(reject) = workshop.certify(&goal, &prompt, &verifier)
                    && DISAGREEMENTS.contains(&&*reject.reason)
                {
                    disagreements.push(format!("{}: {} {}: {prompt}", parsed.suite.name, reject.reason, reject.detail));
                }
            }
        }
    }
    for kind in Kind::ALL {
        let tried = tried.get(&kind).copied().unwrap_or(0);
        assert!(tried >= 25, "only {tried} goals of kind {}", kind.name());
    }
    assert!(linked >= 10, "only {linked} linked worlds");
    assert!(shared >= 50, "only {shared} goals tell rows by another suite's records");
    assert!(extrema >= 50, "only {extrema} goals ask for an extreme");
    let goals: usize = tried.values().sum();
    println!("{goals} goals, {} disagreements", disagreements.len());
    assert!(disagreements.is_empty(), "{}:\n{}", disagreements.len(), disagreements.join("\n"));
}
