//! Whole prompts: a goal in words, in one of several voices (`synth/prompts/*.j2`, minijinja).

use crate::error::{Error, Result};
use crate::say::demand::number_word;
use crate::say::grammar::capital;
use crate::say::phrase::Speaker;
use crate::seed::Dice;
use crate::tasks::goal::{Case, Goal, Query, Step};
use crate::tasks::reject::{Verdict, reject};
use minijinja::{Environment, context};
use std::collections::BTreeMap;
use terrarium_envs::verifier::Answer;

/// Templates for act goals.
const ACT: [(&str, &str); 7] = [
    ("act_plain", include_str!("../../prompts/act_plain.j2")),
    ("act_polite", include_str!("../../prompts/act_polite.j2")),
    ("act_list", include_str!("../../prompts/act_list.j2")),
    ("act_need", include_str!("../../prompts/act_need.j2")),
    ("act_could", include_str!("../../prompts/act_could.j2")),
    ("act_sentences", include_str!("../../prompts/act_sentences.j2")),
    ("act_desk", include_str!("../../prompts/act_desk.j2")),
];

/// Templates for ask goals.
const ASK: [(&str, &str); 6] = [
    ("ask_plain", include_str!("../../prompts/ask_plain.j2")),
    ("ask_greeting", include_str!("../../prompts/ask_greeting.j2")),
    ("ask_need", include_str!("../../prompts/ask_need.j2")),
    ("ask_find", include_str!("../../prompts/ask_find.j2")),
    ("ask_report", include_str!("../../prompts/ask_report.j2")),
    ("ask_tell", include_str!("../../prompts/ask_tell.j2")),
];

/// Templates for requests that are refused where a rule forbids them.
const REFUSE: [(&str, &str); 4] = [
    ("policy_refuse_plain", include_str!("../../prompts/policy_refuse_plain.j2")),
    ("policy_refuse_polite", include_str!("../../prompts/policy_refuse_polite.j2")),
    ("policy_refuse_check", include_str!("../../prompts/policy_refuse_check.j2")),
    ("policy_refuse_desk", include_str!("../../prompts/policy_refuse_desk.j2")),
];

/// Templates for requests with something else to do where a rule forbids them.
const INSTEAD: [(&str, &str); 4] = [
    ("policy_instead_plain", include_str!("../../prompts/policy_instead_plain.j2")),
    ("policy_instead_polite", include_str!("../../prompts/policy_instead_polite.j2")),
    ("policy_instead_check", include_str!("../../prompts/policy_instead_check.j2")),
    ("policy_instead_need", include_str!("../../prompts/policy_instead_need.j2")),
];

/// Templates for plans.
const PLAN: [(&str, &str); 3] = [
    ("plan_list", include_str!("../../prompts/plan_list.j2")),
    ("plan_text", include_str!("../../prompts/plan_text.j2")),
    ("plan_find", include_str!("../../prompts/plan_find.j2")),
];

/// What things are chosen for.
const PURPOSES: [&str; 7] = [
    "",
    "",
    " for a spot check",
    " for a training example",
    " for a brochure",
    " for a comparison",
    " for a visit by the press",
];

/// Templates for repairs.
const REPAIR: [(&str, &str); 4] = [
    ("repair_audit", include_str!("../../prompts/repair_audit.j2")),
    ("repair_polite", include_str!("../../prompts/repair_polite.j2")),
    ("repair_rules", include_str!("../../prompts/repair_rules.j2")),
    ("repair_list", include_str!("../../prompts/repair_list.j2")),
];

/// Templates for long goals.
const LONG: [(&str, &str); 3] = [
    ("long_list", include_str!("../../prompts/long_list.j2")),
    ("long_handover", include_str!("../../prompts/long_handover.j2")),
    ("long_letter", include_str!("../../prompts/long_letter.j2")),
];

const GREETINGS: [&str; 6] = ["Hello.", "Hi.", "Good morning.", "Hello there.", "Good afternoon.", ""];
const THANKS: [&str; 5] = ["Thank you.", "Thanks.", "Many thanks.", "", ""];

/// The templates, parsed once.
pub struct Prompts {
    templates: Environment<'static>,
}

impl Prompts {
    /// Parses the templates.
    ///
    /// # Errors
    /// [`Error::Template`] for a broken one.
    pub fn new() -> Result<Self> {
        let mut templates = Environment::new();
        for (name, text) in
            ACT.iter().chain(&ASK).chain(&REFUSE).chain(&INSTEAD).chain(&PLAN).chain(&REPAIR).chain(&LONG)
        {
            templates
                .add_template(name, text)
                .map_err(|source| Error::Template { template: (*name).to_owned(), source })?;
        }
        templates.add_filter("capital", |text: String| capital(&text));
        templates.add_filter("chain", |steps: Vec<String>| chain(&steps, ""));
        templates.add_filter("chain_to", |steps: Vec<String>| chain(&steps, "to "));
        Ok(Prompts { templates })
    }

    fn claims(speaker: &Speaker<'_>, claims: &[Step], dice: &mut Dice) -> Verdict<Vec<Claim>> {
        let said = claims.iter().map(|step| {
            let (claim, repair) = speaker.claim(step, dice)?;
            Ok(Claim::from([("claim", claim), ("repair", repair)]))
        });
        said.collect()
    }

    /// The prompt of a goal.
    ///
    /// # Errors
    /// `unsayable` where a part of the goal has no words, `template` where a template fails.
    pub fn say(&self, speaker: &Speaker<'_>, goal: &Goal, answer: Option<&Answer>, dice: &mut Dice) -> Verdict<String> {
        let greeting = GREETINGS[dice.below(GREETINGS.len())];
        let thanks = THANKS[dice.below(THANKS.len())];
        let (name, values) = match goal {
            Goal::Act(steps) => {
                let steps = steps.iter().map(|s| speaker.step(s, dice)).collect::<Verdict<Vec<String>>>()?;
                // A branch in the middle of a chain would swallow what comes after it.
                let branches = steps.iter().any(|s| s.starts_with("if ") || s.contains("; otherwise"));
                let voices: &[usize] = match (branches, steps.len()) {
                    (true, _) => &[2, 5],
                    (false, 1 | 2) => &[0, 1, 2, 3, 4, 5, 6],
                    (false, _) => &[1, 2, 3, 5, 5],
                };
                let count_word = number_word(steps.len());
                let name = ACT[voices[dice.below(voices.len())]].0;
                (name, context! { steps, greeting, thanks, count_word, title => speaker.suite.title.as_str() })
            }
            Goal::Ask(query) => {
                let name = ASK[dice.below(ASK.len())].0;
                let wanted = speaker.wanted(query, dice)?;
                let question = speaker.question(query, dice)?;
                let form = form(speaker, query, answer, dice);
                (name, context! { question, wanted, form, greeting, thanks })
            }
            Goal::Plan(choice) => {
                let demands = choice.demands.iter().map(|d| speaker.demand(choice, d, dice));
                let demands = demands.collect::<Verdict<Vec<String>>>()?;
                let (count, form) = (number_word(choice.slots), speaker.plan_form(choice)?);
                let plural = speaker.suite.tables.iter().find(|t| t.name == choice.table).map(|t| t.plural.as_str());
                let purpose = PURPOSES[dice.below(PURPOSES.len())];
                let name = PLAN[dice.below(PLAN.len())].0;
                (name, context! { count, plural, purpose, demands, form, greeting, thanks })
            }
            Goal::Repair(claims) => {
                let title = speaker.suite.title.as_str();
                let claims = Self::claims(speaker, claims, dice)?;
                // The first two have room for one claim only.
                let voices = if claims.len() == 1 { 0..4 } else { 2..4 };
                let name = REPAIR[voices.start + dice.below(voices.len())].0;
                (name, context! { claims, greeting, thanks, title })
            }
            Goal::Long(parts) => {
                let title = speaker.suite.title.as_str();
                let mut said = Vec::with_capacity(parts.len());
                let mut questions = Vec::new();
                for part in parts {
                    said.push(match part {
                        Goal::Ask(query) => {
                            questions.push(query);
                            let word = ["Find out", "Look up", "Tell me"][dice.below(3)];
                            format!("{word} {}.", speaker.wanted(query, dice)?)
                        }
                        Goal::Act(steps) => {
                            let steps =
                                steps.iter().map(|s| speaker.step(s, dice)).collect::<Verdict<Vec<String>>>()?;
                            sentences(&steps)
                        }
                        Goal::Policy(Case { request, otherwise: Some(otherwise), .. }) => {
                            let request = speaker.step(&Step::Call(request.clone()), dice)?;
                            let otherwise = speaker.step(&Step::Call(otherwise.clone()), dice)?;
                            format!("{}. If the policy does not allow that, {otherwise} instead.", capital(&request))
                        }
                        Goal::Repair(claims) => {
                            let claims = Self::claims(speaker, claims, dice)?;
                            let said = claims.iter().map(|c| {
                                format!(
                                    "From today on {}: find every one there still is and {}.",
                                    c["claim"], c["repair"]
                                )
                            });
                            said.collect::<Vec<_>>().join(" ")
                        }
                        Goal::Plan(_) | Goal::Policy(_) | Goal::Long(_) => {
                            return reject("unsayable", "a part of a long goal");
                        }
                    });
                }
                let closing = match questions.as_slice() {
                    [] => String::new(),
                    [one] => format!("Submit the answer to the question. {}", form(speaker, one, answer, dice)),
                    _ => {
                        "Submit the answers to the questions as one list, in this order: amounts like 12.50, dates as \
                          YYYY-MM-DD, everything else as it stands."
                            .to_owned()
                    }
                };
                let name = LONG[dice.below(LONG.len())].0;
                (name, context! { parts => said, closing, greeting, thanks, title })
            }
            Goal::Policy(case) => {
                let title = speaker.suite.title.as_str();
                let request = speaker.step(&Step::Call(case.request.clone()), dice)?;
                match &case.otherwise {
                    Some(otherwise) => {
                        let otherwise = speaker.step(&Step::Call(otherwise.clone()), dice)?;
                        let name = INSTEAD[dice.below(INSTEAD.len())].0;
                        (name, context! { request, otherwise, greeting, thanks, title })
                    }
                    None => {
                        let evidence = speaker.evidence(case)?;
                        let name = REFUSE[dice.below(REFUSE.len())].0;
                        (name, context! { request, evidence, greeting, thanks, title })
                    }
                }
            }
        };
        let template = self.templates.get_template(name);
        match template.and_then(|t| t.render(values)) {
            Ok(text) => {
                let text = tidy(&text);
                match doubled(&text) {
                    Some(words) => reject("unsayable", format!("`{words}` twice in a row")),
                    None => Ok(text),
                }
            }
            Err(error) => reject("template", format!("{name}: {error}")),
        }
    }
}

/// A claim in words: `claim`, and `repair`, what is done with each record that breaks it.
type Claim = BTreeMap<&'static str, String>;

/// How the answer is to be given.
fn form(speaker: &Speaker<'_>, query: &Query, answer: Option<&Answer>, dice: &mut Dice) -> String {
    let money = ["Give the amount alone, like 12.50.", "Answer with the amount as a number with two decimals."];
    let date = ["Give the date as YYYY-MM-DD.", "Answer with the date in the form YYYY-MM-DD."];
    let number = ["Answer with the number alone.", "Just the number, please.", "Give only the number."];
    let texts = ["Give them as a list.", "Answer with the list and nothing else."];
    let text = ["Answer with that alone.", "Nothing else, please.", "Give just that as the answer."];
    let days = ["Answer with the number of days.", "Give the number of days alone."];
    let choices: &[&str] = match (speaker.asks_days(query), answer) {
        (true, Some(Answer::Integer(_))) => &days,
        (_, Some(Answer::Money(_))) => &money,
        (_, Some(Answer::Date(_))) => &date,
        (_, Some(Answer::Integer(_))) => &number,
        (_, Some(Answer::Texts(_))) => &texts,
        _ => &text,
    };
    choices[dice.below(choices.len())].to_owned()
}

/// Steps in one sentence: `a, then b and finally c`.
fn chain(steps: &[String], before: &str) -> String {
    match steps {
        [] => String::new(),
        [one] => one.clone(),
        [first, second] => format!("{first}, and then {before}{second}"),
        [first, middle @ .., last] => {
            let middle: Vec<String> = middle.iter().map(|m| format!("then {before}{m}")).collect();
            format!("{first}, {}, and finally {before}{last}", middle.join(", "))
        }
    }
}

/// Steps in sentences of their own: `A. Then b. Finally, c.`
fn sentences(steps: &[String]) -> String {
    let mut text = String::new();
    for (index, step) in steps.iter().enumerate() {
        match index {
            0 => text.push_str(&capital(step)),
            n if n + 1 == steps.len() && n > 1 => text.push_str(&format!(" Finally, {step}")),
            _ => text.push_str(&format!(" Then {step}")),
        }
        text.push('.');
    }
    text
}

/// Single spaces, no spaces at the ends of lines.
fn tidy(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    // `have it played instead` already says it.
    lines.collect::<Vec<_>>().join("\n").trim().replace(" instead instead", " instead")
}

/// Words that stand twice in a row, as in `the total total of` or `of the reservation of the reservation`.
fn doubled(text: &str) -> Option<String> {
    const WORDS_MAX: usize = 4;
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        for length in 1..=WORDS_MAX {
            let found = words.windows(2 * length).find(|w| {
                let (first, second) = w.split_at(length);
                let letters = first.iter().any(|word| word.contains(char::is_alphabetic));
                letters && first == second
            });
            if let Some(found) = found {
                return Some(found[..length].join(" "));
            }
        }
        // `the guest of the stay of the guest Ann Lee`.
        for length in 1..=2 {
            let found = words.windows(5 + 2 * length).find(|w| {
                let (noun, rest) = w.split_at(length);
                let (of, rest) = rest.split_at(2);
                rest[1..].starts_with(&["of", "the"]) && of == ["of", "the"] && rest[3..] == *noun
            });
            if let Some(found) = found {
                return Some(found.join(" "));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_twice_in_a_row() {
        let check = |text: &str, words: Option<&str>| assert_eq!(doubled(text).as_deref(), words, "{text}");
        check("the total total of all fees", Some("total"));
        check("the day of the reservation of the reservation due on 3 May", Some("of the reservation"));
        check("priced at at least $4.00", Some("at"));
        check("check out the guest of the stay of the guest Ann Lee", Some("guest of the stay of the guest"));
        check("the guest of the stay in room 4", None);
        check("the loan of “Time and Time Again” to Ann Lee", None);
        check("10 10 is no word", None);
    }

    #[test]
    fn every_template_puts_the_title_where_a_name_can_stand() {
        let prompts = Prompts::new().expect("templates");
        let title = "Taxi dispatch desk";
        let claim = Claim::from([("claim", "there should be no x".to_owned()), ("repair", "delete the x".to_owned())]);
        for (name, _) in prompts.templates.templates() {
            let values = context! {
                title, greeting => "", thanks => "", steps => ["a"], count_word => "one", question => "what?", wanted => "it", form => "",
                count => "two", plural => "xs", purpose => "", demands => ["a"], claims => [claim.clone()], parts => ["a"],
                closing => "", request => "a", otherwise => "b", evidence => "c"
            };
            let template = prompts.templates.get_template(name).expect("there");
            let text = template.render(values).expect("it renders");
            for place in ["at the desk of", "records of", "at Taxi", "of Taxi", "at the Taxi"] {
                assert!(!text.contains(place), "{name}: {text}");
            }
        }
    }
}
