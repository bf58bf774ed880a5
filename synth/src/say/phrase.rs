//! Descriptions in words. The words say exactly what the goal says: every condition and every value is there.

use crate::say::grammar::{article, be, fill, pluralise, superlative};
use crate::say::values;
use crate::seed::Dice;
use crate::tasks::describe::called_columns;
use crate::tasks::goal::{Condition, Description, Test};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::{column_id, table_id};
use crate::vary::data::{inner, scalar};
use terrarium_tools::suite::{Column, Source, Suite, Table};
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::Value;

/// Puts goals of one suite into words.
pub struct Speaker<'a> {
    /// The suite.
    pub suite: &'a Suite,
}

/// Whether a description takes many words: an extreme, or what another suite says.
pub(super) fn winding(description: &Description) -> bool {
    let mut found = false;
    description.walk(&mut |d| {
        found |= d.extremum.is_some() || d.conditions.iter().any(|c| matches!(c.test, Test::Shared { .. }));
    });
    found
}

/// How a relation is said.
#[derive(Clone, Copy)]
pub(super) enum Relation {
    Below,
    AtMost,
    Above,
    AtLeast,
}

impl Speaker<'_> {
    pub(super) fn table(&self, description: &Description) -> Verdict<(TableId, &Table)> {
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
    pub(super) fn some(&self, description: &Description, dice: &mut Dice) -> Verdict<String> {
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

    pub(super) fn value(&self, column: &Column, value: &Value) -> String {
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
}

pub(super) fn relation_word(is_date: bool, relation: Relation) -> &'static str {
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
