//! Questions in words: what is asked for as a noun phrase, and as a question.

use crate::say::grammar::{be, superlative};
use crate::say::phrase::{Speaker, plural_noun};
use crate::seed::Dice;
use crate::tasks::goal::{Description, Query};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::{column_id, table_id, target};
use crate::vary::data::{inner, scalar};
use terrarium_tools::suite::{Source, Table};
use terrarium_tools::types::Type;

impl Speaker<'_> {
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
                let (Some(extremum), Some(name)) = (&of.extremum, crate::tasks::columns::naming_column(table)) else {
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
}
