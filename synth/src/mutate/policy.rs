//! Mutants of policy tasks. Of the request and its twin one is forbidden and the other allowed; both sides' verifiers are put to the
//! test, so that neither always refusing nor never refusing is ever rewarded.

use crate::mutate::{Bench, Tally, Write, act, outcome};
use crate::seed::Dice;
use crate::tasks::expected::{bind_alone, verifier};
use crate::tasks::goal::{Call, Case, Goal};
use crate::tasks::policy::{Ruling, counted_table, grounds, ruling};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::Rows;
use serde_json::{Value as Json, json};
use terrarium_envs::certificate::{MutantRuns, Mutator};
use terrarium_envs::verifier::{Answer, Verifier, answer};
use terrarium_tools::value::Value;

/// Runs every mutator of policy tasks.
///
/// # Errors
/// `same_ruling` when the twin is not decided the other way, `mutant_survived:...`, or `fault` when our own side fails.
pub fn run(bench: &mut Bench<'_>, case: &Case, writes: &[Write], dice: &mut Dice) -> Verdict<Vec<MutantRuns>> {
    let other = Case { request: case.twin.clone(), twin: case.request.clone(), ..case.clone() };
    let (forbidden, allowed) = match (ruling(bench.stage, case)?, ruling(bench.stage, &other)?) {
        (Ruling::Forbidden { need, .. }, Ruling::Allowed) if need == case.need => (case, &other),
        (Ruling::Allowed, Ruling::Forbidden { need, .. }) if need == case.need => (&other, case),
        _ => return reject("same_ruling", &case.request.tool),
    };
    let sides = Sides {
        forbidden: concrete(bench, &forbidden.request)?,
        allowed: concrete(bench, &allowed.request)?,
        otherwise: case.otherwise.as_ref().map(|c| concrete(bench, c)).transpose()?,
        when_forbidden: verifier(bench.stage, &Goal::Policy(forbidden.clone()))?,
        when_allowed: verifier(bench.stage, &Goal::Policy(allowed.clone()))?,
    };
    let mut all = vec![
        forbidden_act(bench, &sides)?,
        refuse_allowed(bench, &sides)?,
        wrong_rule(bench, &sides)?,
        wrong_evidence(bench, case, &sides)?,
        permitted(bench, &sides)?,
    ];
    if writes.is_empty() {
        all.push(extra_write(bench, &sides, dice)?);
    } else {
        all.extend(act::run(bench, writes, dice)?);
    }
    Ok(all)
}

type Concrete = (usize, Vec<(usize, Value)>);

/// Both sides of a case, with what each must come to.
struct Sides {
    forbidden: Concrete,
    allowed: Concrete,
    otherwise: Option<Concrete>,
    when_forbidden: Verifier,
    when_allowed: Verifier,
}

impl Sides {
    /// The refusal that is right where the request is forbidden.
    fn refusal(&self) -> Option<&Answer> {
        self.when_forbidden.answer.as_ref()
    }

    /// Something that looks like a refusal.
    fn some_refusal(&self) -> Json {
        match self.refusal() {
            Some(refusal) => answer::shown(refusal),
            None => json!({"decision": "refuse", "rule": 1, "evidence": "0"}),
        }
    }
}

pub(super) fn concrete(bench: &Bench<'_>, call: &Call) -> Verdict<Concrete> {
    let rows = Rows { suite: bench.stage.suite, world: bench.stage.world };
    let (tool, values) = bind_alone(rows, call)?;
    let given = values.into_iter().enumerate().filter(|(_, v)| *v != Value::None).collect();
    Ok((tool, given))
}

fn forbidden_act(bench: &mut Bench<'_>, sides: &Sides) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::ForbiddenAct);
    let act = std::slice::from_ref(&sides.forbidden);
    let (reward, accepted) = outcome(bench, &sides.when_forbidden, act, None)?;
    tally.count(reward, &|| "the forbidden request alone".to_owned())?;
    let (reward, _) = outcome(bench, &sides.when_allowed, act, None)?;
    tally.count(reward, &|| "the forbidden request where another is allowed".to_owned())?;
    // Where the tools themselves enforce the rule, trying is harmless.
    if accepted == 1 {
        let refusal = sides.some_refusal();
        let (reward, _) = outcome(bench, &sides.when_forbidden, act, Some(&refusal))?;
        tally.count(reward, &|| "the forbidden request, then a refusal".to_owned())?;
        if let Some(otherwise) = &sides.otherwise {
            let both = [sides.forbidden.clone(), otherwise.clone()];
            let (reward, _) = outcome(bench, &sides.when_forbidden, &both, None)?;
            tally.count(reward, &|| "the forbidden request and the alternative".to_owned())?;
        }
    }
    Ok(tally.done("nothing is forbidden"))
}

fn refuse_allowed(bench: &mut Bench<'_>, sides: &Sides) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::RefuseAllowed);
    let refusal = sides.some_refusal();
    let (reward, _) = outcome(bench, &sides.when_allowed, &[], Some(&refusal))?;
    tally.count(reward, &|| "refusing what is allowed".to_owned())?;
    let act = std::slice::from_ref(&sides.allowed);
    let (reward, _) = outcome(bench, &sides.when_allowed, act, Some(&refusal))?;
    tally.count(reward, &|| "doing what is allowed, then refusing it".to_owned())?;
    if let Some(otherwise) = &sides.otherwise {
        let (reward, _) = outcome(bench, &sides.when_allowed, std::slice::from_ref(otherwise), None)?;
        tally.count(reward, &|| "the alternative without need".to_owned())?;
    }
    Ok(tally.done("nothing is allowed"))
}

fn wrong_rule(bench: &mut Bench<'_>, sides: &Sides) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::WrongRule);
    if let Some(Answer::Refusal { rule, evidence }) = sides.refusal() {
        let rules = bench.stage.suite.policy.lines().filter_map(|l| l.trim().split_once('.')?.0.parse::<u32>().ok());
        let mut others: Vec<u32> = rules.filter(|r| r != rule).collect();
        others.push(0);
        for other in others {
            let wrong = json!({"decision": "refuse", "rule": other, "evidence": answer::shown(evidence)});
            let (reward, _) = outcome(bench, &sides.when_forbidden, &[], Some(&wrong))?;
            tally.count(reward, &|| format!("under rule {other}"))?;
        }
    }
    Ok(tally.done("no refusal is asked for: there is an alternative"))
}

fn wrong_evidence(bench: &mut Bench<'_>, case: &Case, sides: &Sides) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::WrongEvidence);
    if let Some(Answer::Refusal { rule, evidence }) = sides.refusal() {
        let mut wrong: Vec<Json> = vec![json!("unknown")];
        match &**evidence {
            Answer::Integer(n) => wrong.extend([json!(n + 1), json!(n - 1)]),
            Answer::Money(cents) => {
                wrong.extend([answer::shown(&Answer::Money(cents + 50)), answer::shown(&Answer::Money(cents - 1))]);
            }
            Answer::Date(day) => {
                wrong.extend([answer::shown(&Answer::Date(day + 1)), answer::shown(&Answer::Date(day - 1))]);
            }
            Answer::Texts(keys) => {
                let suite = bench.stage.suite;
                let tool = suite.tools.iter().find(|t| t.name == case.request.tool);
                let table = tool.and_then(|t| grounds(&t.needs[case.need])).and_then(|g| counted_table(&g));
                let rows = table.map_or(&[][..], |t| &bench.stage.world.tables[t].rows);
                let stranger = rows.iter().find_map(|row| match &row[0] {
                    Value::Key(key) if !keys.contains(key) => Some(key.clone()),
                    _ => None,
                });
                wrong.push(json!(keys.len().to_string()));
                let mut fewer = keys.clone();
                fewer.pop();
                wrong.push(json!(fewer));
                if let Some(stranger) = stranger {
                    wrong.push(json!(fewer.iter().chain([&stranger]).collect::<Vec<_>>()));
                    wrong.push(json!(keys.iter().chain([&stranger]).collect::<Vec<_>>()));
                }
            }
            Answer::Text(_) | Answer::Each(_) | Answer::Plan(_) | Answer::Refusal { .. } => {}
        }
        for other in wrong {
            let submitted = json!({"decision": "refuse", "rule": rule, "evidence": other});
            let (reward, _) = outcome(bench, &sides.when_forbidden, &[], Some(&submitted))?;
            tally.count(reward, &|| format!("evidence {other}"))?;
        }
        for partial in [json!({"decision": "refuse"}), json!({"decision": "refuse", "rule": rule})] {
            let (reward, _) = outcome(bench, &sides.when_forbidden, &[], Some(&partial))?;
            tally.count(reward, &|| "no evidence".to_owned())?;
        }
    }
    Ok(tally.done("no refusal is asked for: there is an alternative"))
}

fn permitted(bench: &mut Bench<'_>, sides: &Sides) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::PermittedAlternative);
    match (sides.refusal(), &sides.otherwise) {
        (Some(Answer::Refusal { rule, evidence }), _) => {
            let spelled = match (&**evidence, answer::shown(evidence)) {
                (Answer::Money(_), Json::String(amount)) => json!(format!("${amount}")),
                (Answer::Integer(n), _) => json!(n.to_string()),
                (Answer::Texts(keys), _) => json!(keys.iter().rev().collect::<Vec<_>>()),
                (_, shown) => json!([shown]),
            };
            let submitted = json!({"decision": "refuse", "rule": rule.to_string(), "evidence": spelled});
            let (reward, _) = outcome(bench, &sides.when_forbidden, &[], Some(&submitted))?;
            tally.count(reward, &|| submitted.to_string())?;
        }
        (_, Some(otherwise)) => {
            let (reward, _) = outcome(bench, &sides.when_forbidden, std::slice::from_ref(otherwise), None)?;
            tally.count(reward, &|| "the alternative".to_owned())?;
        }
        _ => {}
    }
    let (reward, _) = outcome(bench, &sides.when_allowed, std::slice::from_ref(&sides.allowed), None)?;
    tally.count(reward, &|| "what is allowed".to_owned())?;
    Ok(tally.done("nothing is permitted"))
}

fn extra_write(bench: &mut Bench<'_>, sides: &Sides, dice: &mut Dice) -> Verdict<MutantRuns> {
    let mut tally = Tally::new(Mutator::AnswerExtraWrite);
    let refusal = sides.some_refusal();
    let start = dice.below(bench.spares.len());
    for offset in 0..bench.spares.len() {
        let spare = &bench.spares[(start + offset) % bench.spares.len()];
        let extra = [(spare.tool, spare.given.clone())];
        let (reward, accepted) = outcome(bench, &sides.when_forbidden, &extra, Some(&refusal))?;
        if accepted == 1 {
            tally.count(reward, &|| format!("after {}", bench.stage.suite.tools[extra[0].0].name))?;
            break;
        }
    }
    Ok(tally.done("no write is accepted"))
}
