//! Descriptions, questions and calls in words. The words say exactly what the goal says: every condition and every value is there.

use crate::say::grammar::{article, be, fill, pluralise, superlative};
use crate::say::values;
use crate::seed::Dice;
use crate::tasks::describe::called_columns;
use crate::tasks::goal::{Argument, Call, Case, Condition, Description, Query, Step, Test};
use crate::tasks::policy::{counted_table, grounds};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::{column_id, table_id, target};
use crate::vary::data::{inner, scalar};
use terrarium_tools::suite::{Column, Effect, Source, Suite, Table};
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::Value;

/// Puts goals of one suite into words.
pub struct Speaker<'a> {
    /// The suite.
    pub suite: &'a Suite,
}

/// Whether a description takes many words: an extreme, or what another suite says.
fn winding(description: &Description) -> bool {
    let mut found = false;
    description.walk(&mut |d| {
        found |= d.extremum.is_some() || d.conditions.iter().any(|c| matches!(c.test, Test::Shared { .. }));
    });
    found
}

/// How a relation is said.
#[derive(Clone, Copy)]
enum Relation {
    Below,
    AtMost,
    Above,
    AtLeast,
}

impl Speaker<'_> {
    fn table(&self, description: &Description) -> Verdict<(TableId, &Table)> {
        let table = table_id(self.suite, &description.table)?;
        Ok((table, &self.suite.tables[table]))
    }

    /// One row: `the loan of “The Last Clock” to Ann Lee due on 3 March 2026`.
    pub fn entity(&self, description: &Description, dice: &mut Dice) -> Verdict<String> {
        let (_, table) = self.table(description)?;
        let called = called_columns(table);
        // Only the last of what a row is called by may take many words: `the hearing in the case .. on 26 April`.
        let by_name = !called.is_empty()
            && description.conditions.len() >= called.len()
            && called.iter().zip(&description.conditions).enumerate().all(|(at, (c, condition))| {
                table.columns[*c].name == condition.column
                    && match &condition.test {
                        Test::Is(_) => true,
                        Test::Of(inner) => !inner.many && (at + 1 == called.len() || !winding(inner)),
                        _ => false,
                    }
            });
        let named = if by_name { called.len() } else { 0 };
        let phrases = self.phrases(table, &description.conditions[named..], false, dice)?;
        let base = if by_name {
            let mut base = table.called.clone();
            for (column, condition) in called.iter().zip(&description.conditions) {
                let column = &table.columns[*column];
                let text = match &condition.test {
                    Test::Of(inner) => self.entity(inner, dice)?,
                    Test::Is(value) => values::plain(self.suite, &column.ty, value),
                    _ => String::new(),
                };
                base = base.replacen(&format!("{{{}}}", column.name), &text, 1);
            }
            match (phrases.is_empty(), base.starts_with("the ")) {
                (true, _) => base,
                (false, true) => format!("{base} {phrases}"),
                (false, false) => format!("{base} (the {} {phrases})", table.label),
            }
        } else {
            format!("the {} {phrases}", table.label)
        };
        let Some(extremum) = &description.extremum else { return Ok(base.trim_end().to_owned()) };
        let column = &table.columns[column_id(table, &extremum.column)?];
        let superlative = superlative(column, extremum.greatest);
        if !by_name && dice.percent(50) {
            let phrases = self.phrases(table, &description.conditions, true, dice)?;
            return Ok(format!(
                "the {} with the {superlative} {} among the {} {phrases}",
                table.label, column.label, table.plural
            ));
        }
        Ok(format!("{base} (if there are several, the one with the {superlative} {})", column.label))
    }

    /// Rows of a set as a plural: `loans to Ann Lee that are still out`.
    pub fn plural(&self, description: &Description, dice: &mut Dice) -> Verdict<String> {
        let (_, table) = self.table(description)?;
        let phrases = self.phrases(table, &description.conditions, true, dice)?;
        Ok(format!("{} {phrases}", table.plural).trim_end().to_owned())
    }

    /// Each row of a set: `every loan to Ann Lee that is still out`.
    pub fn each(&self, description: &Description, dice: &mut Dice) -> Verdict<String> {
        let (_, table) = self.table(description)?;
        let phrases = self.phrases(table, &description.conditions, false, dice)?;
        let word = if dice.percent(70) { "every" } else { "each" };
        Ok(format!("{word} {} {phrases}", table.label).trim_end().to_owned())
    }

    /// Some row of a set: `a member on the student tier`.
    fn some(&self, description: &Description, dice: &mut Dice) -> Verdict<String> {
        let (_, table) = self.table(description)?;
        let phrases = self.phrases(table, &description.conditions, false, dice)?;
        Ok(format!("{} {} {phrases}", article(&table.label), table.label).trim_end().to_owned())
    }

    /// The phrases after a noun, short ones first, clauses joined by `and`.
    pub(super) fn phrases(
        &self,
        table: &Table,
        conditions: &[Condition],
        plural: bool,
        dice: &mut Dice,
    ) -> Verdict<String> {
        let mut short = Vec::new();
        let mut clauses = Vec::new();
        let mut last = Vec::new();
        let mut wordy_ones = Vec::new();
        for condition in conditions {
            let column = &table.columns[column_id(table, &condition.column)?];
            if let Test::Shared { of, .. } = &condition.test {
                // Last, since what follows it would be said of the other suite's rows.
                last.push(self.also(of, plural, dice)?);
                continue;
            }
            let phrase = self.condition(column, &condition.test, dice)?;
            // After a long description nobody knows any more what the next phrase is about.
            if let Test::Of(inner) = &condition.test
                && winding(inner)
            {
                last.push(if plural { pluralise(&phrase) } else { phrase });
                continue;
            }
            let is_clause = ["that ", "who ", "whose ", "which "].iter().any(|p| phrase.starts_with(p));
            let phrase = if plural { pluralise(&phrase) } else { phrase };
            // `with a quantity of 2 of the line with a quantity of 86`, not the other way round.
            let wordy = matches!(&condition.test, Test::Of(inner) if self.is_wordy(inner));
            match (is_clause, wordy) {
                (true, _) => clauses.push(phrase),
                (false, true) => wordy_ones.push(phrase),
                (false, false) => short.push(phrase),
            }
        }
        short.append(&mut wordy_ones);
        if !clauses.is_empty() {
            short.push(clauses.join(" and "));
        }
        for phrase in last {
            let clause = ["that ", "who ", "whose ", "which "].iter().any(|w| phrase.starts_with(w));
            match (clause, clauses.is_empty()) {
                (_, true) => short.push(phrase),
                (true, false) => short.push(format!("and {phrase}")),
                // `orders that are pending of the customer who ..`
                (false, false) => return reject("unsayable", "a long reference after a clause"),
            }
        }
        Ok(short.join(" "))
    }

    /// Whether a description says more than what its rows are called by.
    fn is_wordy(&self, description: &Description) -> bool {
        let Ok((_, table)) = self.table(description) else { return false };
        let called = called_columns(table);
        description.conditions.iter().any(|c| !called.iter().any(|k| table.columns[*k].name == c.column))
    }

    /// That rows are the same people as rows of another suite: `who is also a patient insured with ..`.
    fn also(&self, of: &Description, plural: bool, dice: &mut Dice) -> Verdict<String> {
        let (_, table) = self.table(of)?;
        let person = called_columns(table).iter().any(|c| *inner(&table.columns[*c].source) == Source::PersonName);
        let pronoun = if person { "who" } else { "that" };
        Ok(match (of.many, plural) {
            (true, true) => format!("{pronoun} are also {}", self.plural(of, dice)?),
            (true, false) => format!("{pronoun} is also {}", self.some(of, dice)?),
            (false, true) => format!("{pronoun} are also {}", self.entity(of, dice)?),
            (false, false) => format!("{pronoun} is also {}", self.entity(of, dice)?),
        })
    }

    /// A condition after a noun: `due before 3 March 2026`, `whose price is at least $4.00`.
    fn condition(&self, column: &Column, test: &Test, dice: &mut Dice) -> Verdict<String> {
        let label = &column.label;
        Ok(match test {
            Test::Is(value) => {
                if let (Value::Enum(case), Some(phrase)) = (value, self.case_phrase(column, value)) {
                    debug_assert!((*case as usize) < column.case_says.len());
                    return Ok(phrase);
                }
                self.with(column, &self.value(column, value), "")
            }
            Test::Of(inner) => {
                let noun = if inner.many { self.some(inner, dice)? } else { self.entity(inner, dice)? };
                self.with(column, &noun, "")
            }
            Test::Shared { of, .. } => self.also(of, false, dice)?,
            Test::Missing => format!("without {} {label}", article(label)),
            Test::Present => format!("with {} {label} on record", article(label)),
            Test::Below(value) => self.relation(column, Relation::Below, value),
            Test::AtMost(value) => self.relation(column, Relation::AtMost, value),
            Test::Above(value) => self.relation(column, Relation::Above, value),
            Test::AtLeast(value) => self.relation(column, Relation::AtLeast, value),
        })
    }

    fn case_phrase(&self, column: &Column, value: &Value) -> Option<String> {
        match value {
            Value::Enum(case) => column.case_says.get(*case as usize).filter(|p| !p.is_empty()).cloned(),
            _ => None,
        }
    }

    fn with(&self, column: &Column, text: &str, relation: &str) -> String {
        if column.says.contains("{}") {
            // The phrase may bring its own quotation marks.
            let bare = text.strip_prefix('“').and_then(|t| t.strip_suffix('”')).filter(|_| column.says.contains("“{}"));
            return fill(&column.says, bare.unwrap_or(text));
        }
        let relation = if relation.is_empty() { String::new() } else { format!("{relation} ") };
        format!("whose {} {} {relation}{text}", column.label, be(&column.label))
    }

    fn value(&self, column: &Column, value: &Value) -> String {
        values::quoted(self.suite, &column.ty, Some(&column.source), value)
    }

    fn relation(&self, column: &Column, relation: Relation, value: &Value) -> String {
        let text = self.value(column, value);
        let is_date = *scalar(&column.ty) == Type::Date;
        let says = column.says.as_str();
        if is_date && (says.contains(" on {}") || says.starts_with("on {}")) {
            let word = match relation {
                Relation::Below => "before {}",
                Relation::AtMost => "on or before {}",
                Relation::Above => "after {}",
                Relation::AtLeast => "on or after {}",
            };
            return says.replacen("on {}", word, 1).replacen("{}", &text, 1);
        }
        if !is_date && (says.contains(" in {}") || says.starts_with("in {}")) {
            let word = match relation {
                Relation::Below => "before {}",
                Relation::AtMost => "in {} or earlier",
                Relation::Above => "after {}",
                Relation::AtLeast => "in {} or later",
            };
            return says.replacen("in {}", word, 1).replacen("{}", &text, 1);
        }
        // `priced at {}`: `priced at $4.00 or more`, for `at at least` is no English.
        if !is_date && (says.contains(" at {}") || says.starts_with("at {}")) {
            let word = match relation {
                Relation::Below => format!("less than {text}"),
                Relation::AtMost => format!("{text} or less"),
                Relation::Above => format!("more than {text}"),
                Relation::AtLeast => format!("{text} or more"),
            };
            return says.replacen("{}", &word, 1);
        }
        if !is_date && says.contains("{}") {
            let less = if matches!(value, Value::Int(_)) { "fewer than" } else { "less than" };
            let word = match relation {
                Relation::Below => less,
                Relation::AtMost => "at most",
                Relation::Above => "more than",
                Relation::AtLeast => "at least",
            };
            return fill(says, &format!("{word} {text}"));
        }
        format!("whose {} {} {} {text}", column.label, be(&column.label), relation_word(is_date, relation))
    }

    /// What is asked for, as a noun phrase: `the due date of the loan ...`.
    pub fn wanted(&self, query: &Query, dice: &mut Dice) -> Verdict<String> {
        Ok(match query {
            Query::Lookup { of, path, column } => {
                let mut table = table_id(self.suite, &of.table)?;
                let mut text = self.entity(of, dice)?;
                for hop in path {
                    let reference = &self.suite.tables[table].columns[column_id(&self.suite.tables[table], hop)?];
                    text = format!("the {} of {text}", reference.label);
                    let Some(next) = target(&reference.ty) else { return reject("unknown_name", hop) };
                    table = next;
                }
                let column = &self.suite.tables[table].columns[column_id(&self.suite.tables[table], column)?];
                format!("the {} of {text}", column.label)
            }
            Query::Count(of) => format!("the number of {}", self.plural(of, dice)?),
            Query::Sum { of, column } => {
                let (label, all) = (self.label(of, column)?, self.plural(of, dice)?);
                if label.contains("total") || label.contains("sum") {
                    format!("the {label} of all {all} together")
                } else {
                    format!("the total {label} of all {all}")
                }
            }
            Query::Extreme { of, extremum } => {
                let (_, table) = self.table(of)?;
                let column = &table.columns[column_id(table, &extremum.column)?];
                let superlative = superlative(column, extremum.greatest);
                format!("the {superlative} {} among the {}", column.label, self.plural(of, dice)?)
            }
            Query::Names { of, column } => {
                let label = self.label(of, column)?;
                format!("the {} of all {}", plural_noun(label), self.plural(of, dice)?)
            }
            Query::MostReferred { of, by, column } => {
                let other = self.referred(of, by)?;
                let label = &other.columns[column_id(other, column)?].label;
                format!("the {label} of the {} with the most {}", self.role(of, by)?, self.plural(of, dice)?)
            }
            Query::Apart { left, right, column } => {
                let (_, table) = self.table(left)?;
                let column = &table.columns[column_id(table, column)?];
                let (left, right) = (self.entity(left, dice)?, self.entity(right, dice)?);
                if *scalar(&column.ty) == Type::Date {
                    format!("the number of days between the {0} of {left} and the {0} of {right}", column.label)
                } else {
                    format!("the difference between the {0} of {left} and the {0} of {right}", column.label)
                }
            }
        })
    }

    /// Whether a question asks for a person under another word than `name`: the farmer of a farm.
    fn asks_person(&self, query: &Query) -> bool {
        let Query::Lookup { of, path, column } = query else { return false };
        let mut table = self.table(of).map(|(_, t)| t).ok();
        for hop in path {
            let next = table.and_then(|t| target(&t.columns[column_id(t, hop).ok()?].ty));
            table = next.map(|t| &self.suite.tables[t]);
        }
        let column = table.and_then(|t| Some(&t.columns[column_id(t, column).ok()?]));
        column.is_some_and(|c| *inner(&c.source) == Source::PersonName && !c.label.contains("name"))
    }

    /// Whether a question asks for a number of days.
    pub fn asks_days(&self, query: &Query) -> bool {
        let Query::Apart { left, column, .. } = query else { return false };
        let table = self.table(left).ok();
        table.is_some_and(|(_, t)| column_id(t, column).is_ok_and(|c| *scalar(&t.columns[c].ty) == Type::Date))
    }

    /// The question, with a question mark.
    pub fn question(&self, query: &Query, dice: &mut Dice) -> Verdict<String> {
        Ok(match query {
            Query::Count(of) => format!("how many {} are there?", self.plural(of, dice)?),
            Query::MostReferred { of, by, .. } => {
                format!("which {} has the most {}?", self.role(of, by)?, self.plural(of, dice)?)
            }
            Query::Lookup { of, path, column } if path.is_empty() && of.extremum.is_some() => {
                let (_, table) = self.table(of)?;
                let (Some(extremum), Some(name)) = (&of.extremum, crate::tasks::describe::naming_column(table)) else {
                    return self.plain_question(query, dice);
                };
                if table.columns[name].name != *column {
                    return self.plain_question(query, dice);
                }
                let phrases = self.phrases(table, &of.conditions, false, dice)?;
                let key = &table.columns[column_id(table, &extremum.column)?];
                format!(
                    "which {} {phrases} has the {} {}?",
                    table.label,
                    superlative(key, extremum.greatest),
                    key.label
                )
            }
            other => self.plain_question(other, dice)?,
        })
    }

    fn plain_question(&self, query: &Query, dice: &mut Dice) -> Verdict<String> {
        let wanted = self.wanted(query, dice)?;
        let plural = match query {
            Query::Names { .. } => true,
            Query::Lookup { of, path, column } => {
                let mut table = table_id(self.suite, &of.table)?;
                for hop in path {
                    let columns = &self.suite.tables[table].columns;
                    table = target(&columns[column_id(&self.suite.tables[table], hop)?].ty).unwrap_or(table);
                }
                let definition = &self.suite.tables[table];
                be(&definition.columns[column_id(definition, column)?].label) == "are"
            }
            Query::Sum { of, column } => be(self.label(of, column)?) == "are",
            _ => false,
        };
        if self.asks_person(query) {
            return Ok(format!("who is {wanted}?"));
        }
        Ok(format!("what {} {wanted}?", if plural { "are" } else { "is" }))
    }

    fn label(&self, of: &Description, column: &str) -> Verdict<&str> {
        let (_, table) = self.table(of)?;
        Ok(&table.columns[column_id(table, column)?].label)
    }

    fn referred(&self, of: &Description, by: &str) -> Verdict<&Table> {
        let (_, table) = self.table(of)?;
        match target(&table.columns[column_id(table, by)?].ty) {
            Some(other) => Ok(&self.suite.tables[other]),
            None => reject("unknown_name", by),
        }
    }

    /// What a reference is called: its label, or the label of the table referred to.
    fn role(&self, of: &Description, by: &str) -> Verdict<&str> {
        let label = self.label(of, by)?;
        Ok(if label.is_empty() { &self.referred(of, by)?.label } else { label })
    }

    /// A step as an imperative phrase, without a full stop.
    pub fn step(&self, step: &Step, dice: &mut Dice) -> Verdict<String> {
        match step {
            Step::Call(call) => self.call(call, None, dice),
            Step::Each { rows, call } => {
                let each = self.each(rows, dice)?;
                self.call(call, Some(&each), dice)
            }
            Step::If { of, condition, then, otherwise } => {
                let (_, table) = self.table(of)?;
                let column = &table.columns[column_id(table, &condition.column)?];
                let entity = self.entity(of, dice)?;
                let label = &column.label;
                let is_date = *scalar(&column.ty) == Type::Date;
                let what = match &condition.test {
                    Test::Is(value) => self.value(column, value),
                    Test::Below(v) => format!("{} {}", relation_word(is_date, Relation::Below), self.value(column, v)),
                    Test::AtMost(v) => {
                        format!("{} {}", relation_word(is_date, Relation::AtMost), self.value(column, v))
                    }
                    Test::Above(v) => format!("{} {}", relation_word(is_date, Relation::Above), self.value(column, v)),
                    Test::AtLeast(v) => {
                        format!("{} {}", relation_word(is_date, Relation::AtLeast), self.value(column, v))
                    }
                    Test::Of(_) | Test::Shared { .. } | Test::Missing | Test::Present => {
                        return reject("unsayable", "a condition of a branch");
                    }
                };
                let (then, otherwise) = (self.call(then, None, dice)?, self.call(otherwise, None, dice)?);
                let be = be(label);
                Ok(format!("if the {label} of {entity} {be} {what}, {then}; otherwise, {otherwise}"))
            }
        }
    }

    /// A claim and what puts a record right that breaks it: `no loan that is still out may be due before 3 March 2026`, `mark the
    /// loan as returned`.
    pub fn claim(&self, step: &Step, dice: &mut Dice) -> Verdict<(String, String)> {
        let Step::Each { rows, call } = step else { return reject("unsayable", "a claim about one record") };
        let (_, table) = self.table(rows)?;
        let phrases = self.phrases(table, &rows.conditions, false, dice)?;
        let claim = format!("there should be no {} {phrases}", table.label);
        Ok((claim, self.call(call, Some(&format!("the {}", table.label)), dice)?))
    }

    /// What a refusal must give as evidence. It is the same whether the rule forbids the request or not.
    pub fn evidence(&self, case: &Case) -> Verdict<String> {
        let tool = self.suite.tools.iter().find(|t| t.name == case.request.tool);
        let Some(grounds) = tool.and_then(|t| t.needs.get(case.need)).and_then(grounds) else {
            return reject("no_evidence", &case.request.tool);
        };
        Ok(match (counted_table(&grounds), scalar(&grounds.ty)) {
            (Some(table), _) => format!("the ids of the {} that the rule counts", self.suite.tables[table].plural),
            (None, Type::Money) => "the amount on record that breaks it".to_owned(),
            (None, Type::Date) => "the date on record that breaks it".to_owned(),
            _ => "the number on record that breaks it".to_owned(),
        })
    }

    fn call(&self, call: &Call, each: Option<&str>, dice: &mut Dice) -> Verdict<String> {
        let Some(tool) = self.suite.tools.iter().find(|t| t.name == call.tool) else {
            return reject("unknown_name", &call.tool);
        };
        let function = &self.suite.functions[tool.function];
        let long = call.arguments.iter().filter(|(_, a)| matches!(a, Argument::Entity(d) if winding(d))).count();
        if long > 1 {
            return reject("unsayable", "two long descriptions in one sentence");
        }
        let mut text = call.ask.clone();
        for (name, argument) in &call.arguments {
            let Some(parameter) = function.parameters.iter().position(|p| p.name == *name) else {
                return reject("unknown_name", name);
            };
            let hole = format!("{{{name}}}");
            let said = match argument {
                Argument::Entity(description) => self.entity(description, dice)?,
                Argument::Each => each.unwrap_or_default().to_owned(),
                Argument::Created(_) => match &function.parameters[parameter].ty {
                    Type::Key(table) => format!("the new {}", self.suite.tables[*table].label),
                    _ => return reject("unsayable", "a created row"),
                },
                Argument::Value(value) => {
                    let source = source_of(self.suite, call, parameter);
                    let quoted_already = text.contains(&format!("“{hole}")) || text.contains(&format!("\"{hole}"));
                    let ty = &function.parameters[parameter].ty;
                    if quoted_already {
                        values::plain(self.suite, ty, value)
                    } else {
                        values::quoted(self.suite, ty, source, value)
                    }
                }
                Argument::Computed(query) => self.wanted(query, dice)?,
                Argument::Shifted { column, by, .. } => self.shifted(call, tool.effects.as_slice(), column, *by)?,
            };
            // Whatever follows a long description would be said of its last noun.
            let after = text.split_once(&hole).map_or("", |(_, after)| after);
            if matches!(argument, Argument::Entity(d) if winding(d)) && after.starts_with(' ') {
                return reject("unsayable", "a long description in the middle of a sentence");
            }
            if !text.contains(&hole) {
                return reject("unsayable", format!("`{}` does not mention `{name}`", call.ask));
            }
            // A number before a plural noun: `{extra_days} days` with 1.
            text = match argument {
                Argument::Value(Value::Int(1)) => fill(&text.replacen(&hole, "{}", 1), "1"),
                _ => text.replacen(&hole, &said, 1),
            };
        }
        if text.contains('{') {
            return reject("unsayable", format!("`{}` mentions more than is given", call.ask));
        }
        Ok(text)
    }

    fn shifted(&self, call: &Call, effects: &[Effect], column: &str, by: i64) -> Verdict<String> {
        for effect in effects {
            if let Effect::Update { table, .. } = effect
                && let Ok(index) = column_id(&self.suite.tables[*table], column)
            {
                let column = &self.suite.tables[*table].columns[index];
                let amount = by.unsigned_abs();
                let sign = if by < 0 { "minus" } else { "plus" };
                let amount = match scalar(&column.ty) {
                    Type::Money => values::money(amount as i64),
                    Type::Date if amount == 1 => "1 day".to_owned(),
                    Type::Date => format!("{amount} days"),
                    _ => amount.to_string(),
                };
                return Ok(format!("the present {} {sign} {amount}", column.label));
            }
        }
        reject("unsayable", &call.tool)
    }
}

fn relation_word(is_date: bool, relation: Relation) -> &'static str {
    match (is_date, relation) {
        (true, Relation::Below) => "before",
        (true, Relation::AtMost) => "on or before",
        (true, Relation::Above) => "after",
        (true, Relation::AtLeast) => "on or after",
        (false, Relation::Below) => "below",
        (false, Relation::AtMost) => "at most",
        (false, Relation::Above) => "above",
        (false, Relation::AtLeast) => "at least",
    }
}

pub(super) fn plural_noun(noun: &str) -> String {
    let (head, tail) = match noun.find(" of ") {
        Some(at) => noun.split_at(at),
        None => (noun, ""),
    };
    let head = if head.ends_with(['s', 'x']) || head.ends_with("ch") || head.ends_with("sh") {
        format!("{head}es")
    } else if let Some(stem) = head.strip_suffix('y').filter(|s| !s.ends_with(['a', 'e', 'i', 'o', 'u'])) {
        format!("{stem}ies")
    } else {
        format!("{head}s")
    };
    format!("{head}{tail}")
}

fn source_of<'a>(suite: &'a Suite, call: &Call, parameter: usize) -> Option<&'a Source> {
    let tool = suite.tools.iter().position(|t| t.name == call.tool)?;
    crate::tasks::arguments::source_of(suite, tool, parameter)
}
