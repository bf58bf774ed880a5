//! Whole prompts: a goal in words, in one of several voices (`synth/prompts/*.j2`, minijinja).

use crate::error::{Error, Result};
use crate::say::grammar::capital;
use crate::say::phrase::Speaker;
use crate::say::values::enumerate;
use crate::seed::Dice;
use crate::tasks::goal::{Goal, Query};
use crate::tasks::reject::{Verdict, reject};
use minijinja::{Environment, context};
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

const GREETINGS: [&str; 6] = ["Hello.", "Hi.", "Good morning.", "Hello there.", "Good afternoon.", ""];
const THANKS: [&str; 5] = ["Thank you.", "Thanks.", "Many thanks.", "", ""];
const NUMBERS: [&str; 7] = ["no", "one", "two", "three", "four", "five", "six"];

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
        for (name, text) in ACT.iter().chain(&ASK) {
            templates
                .add_template(name, text)
                .map_err(|source| Error::Template { template: (*name).to_owned(), source })?;
        }
        templates.add_filter("capital", |text: String| capital(&text));
        templates.add_filter("chain", |steps: Vec<String>| chain(&steps, ""));
        templates.add_filter("chain_to", |steps: Vec<String>| chain(&steps, "to "));
        Ok(Prompts { templates })
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
                let count_word = NUMBERS.get(steps.len()).copied().unwrap_or("several");
                let name = ACT[voices[dice.below(voices.len())]].0;
                (name, context! { steps, greeting, thanks, count_word, title => speaker.suite.title.as_str() })
            }
            Goal::Ask(query) => {
                let name = ASK[dice.below(ASK.len())].0;
                let wanted = speaker.wanted(query, dice)?;
                let question = speaker.question(query, dice)?;
                let form = form(query, answer, dice);
                (name, context! { question, wanted, form, greeting, thanks })
            }
        };
        let template = self.templates.get_template(name);
        match template.and_then(|t| t.render(values)) {
            Ok(text) => Ok(tidy(&text)),
            Err(error) => reject("template", format!("{name}: {error}")),
        }
    }
}

/// How the answer is to be given.
fn form(query: &Query, answer: Option<&Answer>, dice: &mut Dice) -> String {
    let money = ["Give the amount alone, like 12.50.", "Answer with the amount as a number with two decimals."];
    let date = ["Give the date as YYYY-MM-DD.", "Answer with the date in the form YYYY-MM-DD."];
    let number = ["Answer with the number alone.", "Just the number, please.", "Give only the number."];
    let texts = ["Give them as a list.", "Answer with the list and nothing else."];
    let text = ["Answer with that alone.", "Nothing else, please.", "Give just that as the answer."];
    let days = ["Answer with the number of days.", "Give the number of days alone."];
    let choices: &[&str] = match (query, answer) {
        (Query::Apart { .. }, Some(Answer::Integer(_))) => &days,
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
            format!("{first}, {}, and finally {before}{last}", enumerate(&middle, "and"))
        }
    }
}

/// Single spaces, no spaces at the ends of lines.
fn tidy(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}
