//! Descriptions in words. The words say exactly what the goal says: every condition and every value is there.

use crate::say::grammar::{article, be, fill, pluralise, superlative};
use crate::say::relation::Relation;
use crate::say::values;
use crate::seed::Dice;
use crate::tasks::columns::called_columns;
use crate::tasks::goal::{Condition, Description, Test};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::{column_id, table_id};
use crate::vary::data::inner;
use terrarium_tools::suite::{Column, Source, Suite, Table};
use terrarium_tools::types::TableId;
use terrarium_tools::value::Value;

/// Whether a phrase is a clause of its own.
fn is_clause(phrase: &str) -> bool {
    const OPENINGS: [&str; 8] = ["that ", "who ", "whose ", "which ", "where ", "for which ", "of which ", "on which "];
    OPENINGS.iter().any(|opening| phrase.starts_with(opening))
}

/// Whether a phrase has a clause in it.
pub(super) fn has_clause(phrase: &str) -> bool {
    [" that ", " who ", " whose ", " which ", " where "].iter().any(|word| phrase.contains(word))
}

/// The rest of a phrase after a pronoun, if no second clause follows.
fn phrase_after<'p>(phrase: &'p str, pronoun: &str) -> Option<&'p str> {
    phrase.strip_prefix(pronoun).filter(|rest| !rest.contains(" and whose ") && !rest.contains(" and that "))
}

/// Where a phrase stands: `of 6 days in the hall with the state “reserved” due on 3 May to Ann Lee`.
fn rank(phrase: &str, reference: bool) -> u8 {
    let first = phrase.split(' ').next().unwrap_or_default();
    match first {
        "of" => 0,
        _ if reference => 4,
        "in" | "on" | "at" | "for" | "to" | "by" | "from" | "under" | "before" | "after" => 1,
        "with" | "without" => 2,
        _ => 3,
    }
}

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
        let long_name =
            description.conditions[..named].iter().any(|c| matches!(&c.test, Test::Of(inner) if winding(inner)));
        if long_name && !phrases.is_empty() {
            return reject("unsayable", "more after a long description");
        }
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

    /// The phrases after a noun. What rows say of themselves comes first, then what they refer to, then clauses joined by `and`, then
    /// what takes many words. Where a clause after a reference could be said of either (`reports against a project in the field of
    /// games that are open`), the reference becomes a clause, too: `that are open and whose project is one in the field of games`.
    pub(super) fn phrases(
        &self,
        table: &Table,
        conditions: &[Condition],
        plural: bool,
        dice: &mut Dice,
    ) -> Verdict<String> {
        let mut short: Vec<(u8, String)> = Vec::new();
        let mut clauses = Vec::new();
        let mut wordy: Vec<(&Column, &Description)> = Vec::new();
        let mut others = Vec::new();
        for condition in conditions {
            let column = &table.columns[column_id(table, &condition.column)?];
            match &condition.test {
                Test::Shared { of, .. } => others.push(self.also(of, plural, dice)?),
                Test::Of(inner) if winding(inner) || self.is_wordy(inner) => wordy.push((column, inner)),
                // `the child of the household of Simi Njoku who is 23 months old`: who is?
                Test::Of(inner) if self.says_who(table, conditions) => wordy.push((column, inner)),
                test => {
                    let phrase = self.condition(column, test, dice)?;
                    let phrase = if plural { pluralise(&phrase) } else { phrase };
                    if is_clause(&phrase) {
                        clauses.push(phrase);
                    } else {
                        short.push((rank(&phrase, matches!(test, Test::Of(_))), phrase));
                    }
                }
            }
        }
        // Two long descriptions, or one and what another suite says, are more than one noun can carry.
        let long = wordy.iter().filter(|(_, d)| winding(d)).count() + others.len();
        if long > 1 {
            return reject("unsayable", "two long descriptions of one thing");
        }
        short.sort_by_key(|(rank, phrase)| (*rank, has_clause(phrase)));
        let inside = short.iter().any(|(_, phrase)| has_clause(phrase));
        let mut said: Vec<String> = Vec::with_capacity(short.len());
        for (_, phrase) in short {
            match (phrase.strip_prefix("with "), said.last_mut()) {
                // `with 3 places and the level 2`.
                (Some(rest), Some(before)) if before.starts_with("with ") => {
                    let again = if before.contains(" and ") { "and with" } else { "and" };
                    before.push_str(&format!(" {again} {rest}"));
                }
                _ => said.push(phrase),
            }
        }
        if wordy.len() + clauses.len() + others.len() > 1 {
            wordy.sort_by_key(|(_, d)| winding(d));
            for (column, inner) in wordy {
                clauses.push(self.whose(column, inner, dice)?);
            }
        } else {
            for (column, inner) in wordy {
                let phrase = self.condition(column, &Test::Of(Box::new(inner.clone())), dice)?;
                said.push(if plural { pluralise(&phrase) } else { phrase });
            }
        }
        clauses.extend(others);
        if !clauses.is_empty() {
            let joined = clauses.join(" and ");
            said.push(if inside { format!("and {joined}") } else { joined });
        }
        Ok(said.join(" "))
    }

    /// A reference as a clause: `whose project is open`, `whose seat is one at the window`, `whose debtor is the customer from Paris`.
    fn whose(&self, column: &Column, inner: &Description, dice: &mut Dice) -> Verdict<String> {
        let (_, table) = self.table(inner)?;
        let label = if column.label.is_empty() { &table.label } else { &column.label };
        let named = called_columns(table).iter().any(|c| {
            let name = &table.columns[*c].name;
            inner.conditions.iter().any(|k| k.column == *name && !matches!(k.test, Test::Shared { .. }))
        });
        // `whose writer is also the grower with ..`, not `whose writer is the writer who is also the grower with ..`.
        if (inner.many || !named) && inner.extremum.is_none() {
            let phrases = self.phrases(table, &inner.conditions, false, dice)?;
            if let Some(rest) = ["that ", "who "].iter().find_map(|pronoun| phrase_after(&phrases, pronoun)) {
                return Ok(format!("whose {label} {rest}"));
            }
            if inner.many {
                return Ok(format!("whose {label} is one {phrases}"));
            }
        }
        Ok(format!("whose {label} is {}", self.entity(inner, dice)?))
    }

    /// Whether one of the conditions is said with `who`.
    fn says_who(&self, table: &Table, conditions: &[Condition]) -> bool {
        let who = |column: &Column, test: &Test| match test {
            Test::Is(value @ Value::Enum(_)) => self.case_phrase(column, value).is_some_and(|p| p.starts_with("who ")),
            Test::Of(_) | Test::Shared { .. } => false,
            _ => column.says.starts_with("who "),
        };
        conditions.iter().any(|c| column_id(table, &c.column).is_ok_and(|id| who(&table.columns[id], &c.test)))
    }

    /// Whether a description says more than what its rows are called by, or is of several rows.
    fn is_wordy(&self, description: &Description) -> bool {
        if description.many {
            return true;
        }
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
