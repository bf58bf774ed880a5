//! Bugs planted on purpose: each must be caught by the certificate. A verifier that forgets something, a tool that does something else,
//! a prompt that leaves a value out.

use std::sync::Arc;
use terrarium_envs::environment::{Environment, Split};
use terrarium_envs::sandbox::{Config, Sandbox};
use terrarium_envs::task::Kind;
use terrarium_envs::verifier::program::Constraint;
use terrarium_envs::verifier::{Answer, Expected, Verifier};
use terrarium_synth::candidate::draw;
use terrarium_synth::certify::Workshop;
use terrarium_synth::library::{self, ParsedSuite};
use terrarium_synth::say::phrase::Speaker;
use terrarium_synth::say::prompts::Prompts;
use terrarium_synth::seed::Dice;
use terrarium_synth::tasks::goal::{Demand, Goal};
use terrarium_synth::vary::{self, Made};
use terrarium_tools::Suite;
use terrarium_tools::tree::{Expr, ExprKind, Statement};

/// A goal that passed, with what it passed with.
struct Passed {
    world: usize,
    goal: Goal,
    prompt: String,
    verifier: Verifier,
}

/// Some worlds, none of whose tools are lenient unless asked for.
struct Worlds {
    sandbox: Sandbox,
    made: Vec<(&'static ParsedSuite, Made, Arc<Environment>)>,
}

impl Worlds {
    fn new(lenient: bool) -> Self {
        let sandbox = Sandbox::new(Config::default()).expect("a sandbox");
        let suites = library::parsed().expect("the library checks");
        let made = (0..6).map(|index| {
            let parsed = &suites[index % suites.len()];
            let mut recipe = vary::recipe(&parsed.suite, &parsed.digest, 11, index as u64);
            recipe.lenient = lenient;
            let made = vary::make(&parsed.suite, recipe).expect("rows");
            let environment = vary::environment(&parsed.suite, &made, Split::Train, 0).expect("it compiles");
            (parsed, made, Arc::new(environment))
        });
        Worlds { made: made.collect(), sandbox }
    }

    fn workshop(&self, world: usize) -> Workshop<'_> {
        let (parsed, made, environment) = &self.made[world];
        Workshop::new(&parsed.suite, made, environment, &self.sandbox).expect("it runs")
    }

    /// Certified goals of a kind, from every world.
    fn passed(&self, kind: Kind, each: usize) -> Vec<Passed> {
        let prompts = Prompts::new().expect("templates");
        let mut all = Vec::new();
        for world in 0..self.made.len() {
            let mut workshop = self.workshop(world);
            let speaker = Speaker { suite: &self.made[world].0.suite };
            let mut found = 0;
            for attempt in 0..400 {
                let mut dice = Dice::new(5, &format!("{}/{world}/{attempt}", kind.name()));
                let Ok(goal) = draw(&workshop, kind, 0, &mut dice) else { continue };
                let Ok(verifier) = workshop.verifier(&goal) else { continue };
                let Ok(prompt) = prompts.say(&speaker, &goal, verifier.answer.as_ref(), &mut dice) else { continue };
                if workshop.certify(&goal, &prompt, &verifier).is_ok() {
                    all.push(Passed { world, goal, prompt, verifier });
                    found += 1;
                    if found == each {
                        break;
                    }
                }
            }
        }
        assert!(all.len() >= 4, "only {} goals of kind {}", all.len(), kind.name());
        all
    }

    /// How many verifiers with the bug are turned down, and how many there are.
    fn share_caught(&self, passed: &[Passed], bug: &dyn Fn(&Goal, &mut Verifier) -> bool) -> (usize, usize) {
        let (mut caught, mut of) = (0, 0);
        for one in passed {
            let mut verifier = one.verifier.clone();
            if bug(&one.goal, &mut verifier) {
                of += 1;
                let verdict = self.workshop(one.world).certify(&one.goal, &one.prompt, &verifier);
                caught += usize::from(verdict.is_err());
            }
        }
        (caught, of)
    }

    /// Every verifier with the bug is turned down; gives how many had it.
    fn caught(&self, passed: &[Passed], bug: &dyn Fn(&Goal, &mut Verifier) -> bool) -> usize {
        let mut with_bug = 0;
        for one in passed {
            let mut verifier = one.verifier.clone();
            if !bug(&one.goal, &mut verifier) {
                continue;
            }
            with_bug += 1;
            let verdict = self.workshop(one.world).certify(&one.goal, &one.prompt, &verifier);
            assert!(verdict.is_err(), "not caught: {}\n{:?}", one.prompt, one.goal);
        }
        with_bug
    }

    /// Every prompt with the bug is turned down.
    fn prompts_caught(&self, passed: &[Passed], bug: &dyn Fn(&Passed) -> Option<String>) -> usize {
        let mut with_bug = 0;
        for one in passed {
            let Some(prompt) = bug(one) else { continue };
            with_bug += 1;
            let verdict = self.workshop(one.world).certify(&one.goal, &prompt, &one.verifier);
            assert!(verdict.is_err(), "not caught: {prompt}");
        }
        with_bug
    }

    /// Under tools with the bug, goals are turned down; gives how many were, and how many there are.
    fn tools_caught(&self, passed: &[Passed], bug: &dyn Fn(&mut Suite)) -> (usize, usize) {
        let mut caught = 0;
        for (world, (parsed, made, _)) in self.made.iter().enumerate() {
            let mut suite = parsed.suite.clone();
            bug(&mut suite);
            let broken = Arc::new(vary::environment(&suite, made, Split::Train, 0).expect("it compiles"));
            let mut workshop = Workshop::new(&parsed.suite, made, &broken, &self.sandbox).expect("it runs");
            for one in passed.iter().filter(|p| p.world == world) {
                caught += usize::from(workshop.certify(&one.goal, &one.prompt, &one.verifier).is_err());
            }
        }
        (caught, passed.len())
    }
}

/// A tool that forgets the last column it should set.
fn forgetful(suite: &mut Suite) {
    for function in &mut suite.functions {
        if let Some(at) = function.body.iter().rposition(|s| matches!(s, Statement::SetColumn { .. })) {
            function.body.remove(at);
        }
    }
}

/// Tools that enforce the opposite of every rule of the policy.
fn contrary(suite: &mut Suite) {
    for function in &mut suite.functions {
        for statement in &mut function.body {
            if let Statement::Require { condition, code, .. } = statement
                && code == "policy"
            {
                let inner = condition.clone();
                *condition = Expr { ty: inner.ty.clone(), span: inner.span, kind: ExprKind::Not(Box::new(inner)) };
            }
        }
    }
}

/// A verifier that takes anything for one column of a changed row.
fn ignores_a_column(_: &Goal, verifier: &mut Verifier) -> bool {
    let inserted = verifier.change.inserted.iter_mut().flat_map(|i| i.columns.iter_mut());
    let updated = verifier.change.updated.iter_mut().flat_map(|u| u.columns.iter_mut());
    let Some(column) = updated.chain(inserted).map(|(_, expected)| expected).find(|e| matches!(e, Expected::Exact(_)))
    else {
        return false;
    };
    *column = Expected::Free;
    true
}

/// A verifier that forgets one changed row.
fn forgets_a_row(_: &Goal, verifier: &mut Verifier) -> bool {
    let change = &mut verifier.change;
    let changed = change.updated.len() + change.deleted.len();
    if changed > 1 {
        let gone = change.updated.pop().is_some() || change.deleted.pop().is_some();
        return gone;
    }
    false
}

#[test]
fn policy_bugs_are_caught() {
    let worlds = Worlds::new(false);
    let passed = worlds.passed(Kind::Policy, 4);
    let wrong_rule = |_: &Goal, verifier: &mut Verifier| match &mut verifier.answer {
        Some(Answer::Refusal { rule, .. }) => {
            *rule += 1;
            true
        }
        _ => false,
    };
    assert!(worlds.caught(&passed, &wrong_rule) > 0);
    // A verifier that does not look at the evidence would take whatever the reference gives, and anything else.
    let any_evidence = |_: &Goal, verifier: &mut Verifier| match &mut verifier.answer {
        Some(Answer::Refusal { evidence, .. }) => {
            **evidence = Answer::Text("unknown".to_owned());
            true
        }
        _ => false,
    };
    assert!(worlds.caught(&passed, &any_evidence) > 0);
    assert!(worlds.caught(&passed, &forgets_a_row) + worlds.caught(&passed, &changes_expected_of_a_refusal) > 0);
    let (caught, of) = worlds.tools_caught(&passed, &contrary);
    assert!(caught * 4 >= of, "tools that enforce the opposite: {caught} of {of}");
    let lenient = Worlds::new(true);
    let passed = lenient.passed(Kind::Policy, 3);
    assert!(
        passed.iter().any(|p| p.verifier.change.is_empty()) && passed.iter().any(|p| !p.verifier.change.is_empty())
    );
}

/// The expected answer of a refusal dropped: nothing at all would be right.
fn changes_expected_of_a_refusal(_: &Goal, verifier: &mut Verifier) -> bool {
    matches!(verifier.answer.take(), Some(Answer::Refusal { .. }))
}

#[test]
fn repair_bugs_are_caught() {
    let worlds = Worlds::new(false);
    let passed = worlds.passed(Kind::Repair, 3);
    assert!(worlds.caught(&passed, &forgets_a_row) > 0);
    let (caught, of) = worlds.tools_caught(&passed, &forgetful);
    assert!(caught * 4 >= of, "forgetful tools: {caught} of {of}");
}

#[test]
fn plan_bugs_are_caught() {
    let worlds = Worlds::new(false);
    let passed = worlds.passed(Kind::Plan, 6);
    // A constraint program that forgot a demand, whichever.
    for forgotten in 0..4 {
        let forgets = |_: &Goal, verifier: &mut Verifier| match &mut verifier.answer {
            Some(Answer::Plan(program)) if program.constraints.len() > forgotten => {
                program.constraints.remove(forgotten);
                true
            }
            _ => false,
        };
        assert!(worlds.caught(&passed, &forgets) > 0);
    }
    // One that is off by one.
    let lax = |_: &Goal, verifier: &mut Verifier| match &mut verifier.answer {
        Some(Answer::Plan(program)) => program.constraints.iter_mut().any(|c| match c {
            Constraint::Several { least, .. } => {
                *least -= 1;
                true
            }
            _ => false,
        }),
        _ => false,
    };
    let (caught, of) = worlds.share_caught(&passed, &lax);
    assert!(of > 0 && caught * 2 >= of, "off by one: {caught} of {of}");
    // One that takes its example alone.
    let narrow = |_: &Goal, verifier: &mut Verifier| match &mut verifier.answer {
        Some(Answer::Plan(program)) => {
            let only = program.example.clone();
            program.candidates = only.iter().map(|c| program.candidates[*c].clone()).collect();
            program.example = (0..only.len()).collect();
            true
        }
        _ => false,
    };
    assert!(worlds.caught(&passed, &narrow) > 0);
    // A prompt that leaves a bound out.
    let silent = |one: &Passed| {
        let Goal::Plan(choice) = &one.goal else { return None };
        let total = choice.demands.iter().find_map(|d| match d {
            Demand::Total { most: Some(most), .. } => Some(most.clone()),
            _ => None,
        })?;
        let text = terrarium_synth::say::values::plain(
            &worlds.made[one.world].0.suite,
            &terrarium_tools::types::Type::Str,
            &total,
        );
        Some(one.prompt.replace(&text, "what we have"))
    };
    assert!(worlds.prompts_caught(&passed, &silent) > 0);
}

#[test]
fn long_bugs_are_caught() {
    let worlds = Worlds::new(false);
    let passed = worlds.passed(Kind::LongHorizon, 2);
    assert!(worlds.caught(&passed, &forgets_a_row) > 0);
    assert!(worlds.caught(&passed, &ignores_a_column) > 0);
    let one_answer = |_: &Goal, verifier: &mut Verifier| match verifier.answer.take() {
        Some(Answer::Each(answers)) => {
            verifier.answer = answers.first().cloned();
            true
        }
        other => {
            verifier.answer = other;
            false
        }
    };
    assert!(worlds.caught(&passed, &one_answer) > 0);
    let (caught, of) = worlds.tools_caught(&passed, &forgetful);
    assert!(caught * 2 >= of, "forgetful tools: {caught} of {of}");
}
