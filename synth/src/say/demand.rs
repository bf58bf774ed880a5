//! The demands of a plan in words.

use crate::say::grammar::{article, be, pluralise};
use crate::say::phrase::{Speaker, plural_noun};
use crate::say::values;
use crate::seed::Dice;
use crate::tasks::choice::choosing_column;
use crate::tasks::columns::is_year;
use crate::tasks::goal::{Choice, Condition, Demand, Description, Place, Test};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::{column_id, table_id, target};
use crate::vary::data::scalar;
use terrarium_tools::suite::{Column, Table};
use terrarium_tools::types::Type;
use terrarium_tools::value::Value;

const ORDINALS: [&str; 6] = ["first", "second", "third", "fourth", "fifth", "sixth"];
const NUMBERS: [&str; 7] = ["no", "one", "two", "three", "four", "five", "six"];

/// A small number as a word.
pub fn number_word(n: usize) -> String {
    NUMBERS.get(n).map_or_else(|| n.to_string(), |word| (*word).to_owned())
}

fn ordinal(slot: usize) -> &'static str {
    ORDINALS.get(slot).copied().unwrap_or("last")
}

impl Speaker<'_> {
    /// One demand as a sentence without its final stop.
    ///
    /// # Errors
    /// `unsayable` where it has no words.
    pub fn demand(&self, choice: &Choice, demand: &Demand, dice: &mut Dice) -> Verdict<String> {
        let table = &self.suite.tables[table_id(self.suite, &choice.table)?];
        let noun = &table.label;
        Ok(match demand {
            Demand::Each { slot, place, test } => {
                let phrase = self.placed(table, place, test, dice)?;
                let who = match slot {
                    None => "each of them".to_owned(),
                    Some(slot) => format!("the {}", ordinal(*slot)),
                };
                format!("{who} must be {} {noun} {phrase}", article(noun))
            }
            Demand::Several { least, place, test } => {
                let phrase = pluralise(&self.placed(table, place, test, dice)?);
                format!("at least {} of them must be {} {phrase}", number_word(*least), table.plural)
            }
            Demand::Differ(place) => format!("no two of them may have the same {}", self.label_of(table, place)?),
            Demand::Same(place) => format!("all of them must have the same {}", self.label_of(table, place)?),
            Demand::Total { place, least, most } => {
                let column = self.column_of(table, place)?;
                let said = |v: &Value| values::plain(self.suite, &column.ty, v);
                let bounds = match (least, most) {
                    (Some(least), Some(most)) => format!("between {} and {}", said(least), said(most)),
                    (Some(least), None) => format!("at least {}", said(least)),
                    (None, Some(most)) => format!("at most {}", said(most)),
                    (None, None) => return reject("unsayable", "a sum without bounds"),
                };
                format!(
                    "the {} of all {} together must be {bounds}",
                    self.label_of(table, place)?,
                    number_word(choice.slots)
                )
            }
            Demand::Rising { low, high, place } => {
                let column = self.column_of(table, place)?;
                let less = if *scalar(&column.ty) == Type::Date || is_year(column) { "earlier" } else { "lower" };
                let label = self.label_of(table, place)?;
                let that = if be(&column.label) == "are" { "those" } else { "that" };
                format!("the {label} of the {} must be {less} than {that} of the {}", ordinal(*low), ordinal(*high))
            }
            Demand::Depends { place, threshold, large, small } => {
                let column = self.column_of(table, place)?;
                let said = |v: &Value| values::plain(self.suite, &column.ty, v);
                let label = self.label_of(table, place)?;
                format!(
                    "if the {label} of the first {} {} or more, {} of the others together must be at most {}, otherwise at most {}",
                    be(&column.label),
                    said(threshold),
                    if be(&column.label) == "are" { "those" } else { "that" },
                    said(large),
                    said(small)
                )
            }
        })
    }

    /// How the answer to a plan is to be given.
    ///
    /// # Errors
    /// `no_choice` for a table whose rows have no name.
    pub fn plan_form(&self, choice: &Choice) -> Verdict<String> {
        let table = &self.suite.tables[table_id(self.suite, &choice.table)?];
        let Some(naming) = choosing_column(table) else { return reject("no_choice", &choice.table) };
        let ordered = choice
            .demands
            .iter()
            .any(|d| matches!(d, Demand::Each { slot: Some(_), .. } | Demand::Rising { .. } | Demand::Depends { .. }));
        let label = plural_noun(&table.columns[naming].label);
        let order = if ordered { ", in that order" } else { "" };
        // `their names`, but `the names of the deceased`.
        let whose = if label.contains(" of ") { "the" } else { "their" };
        Ok(format!("Answer with the list of {whose} {label}{order}."))
    }

    /// A test of a place as a phrase after the noun.
    fn placed(&self, table: &Table, place: &Place, test: &Test, dice: &mut Dice) -> Verdict<String> {
        let own = |column: &str, test: &Test, table: &Table, dice: &mut Dice| {
            let condition = Condition { column: column.to_owned(), test: test.clone() };
            self.phrases(table, std::slice::from_ref(&condition), false, dice)
        };
        match &place.via {
            None => own(&place.column, test, table, dice),
            Some(via) => {
                let Some(to) = target(&table.columns[column_id(table, via)?].ty) else {
                    return reject("unknown_name", via);
                };
                let condition = Condition { column: place.column.clone(), test: test.clone() };
                let inner =
                    Description { conditions: vec![condition], ..Description::all(&self.suite.tables[to].name) };
                own(via, &Test::Of(Box::new(inner)), table, dice)
            }
        }
    }

    fn column_of(&self, table: &Table, place: &Place) -> Verdict<&Column> {
        match &place.via {
            None => {
                let table = &self.suite.tables[table_id(self.suite, &table.name)?];
                Ok(&table.columns[column_id(table, &place.column)?])
            }
            Some(via) => {
                let Some(to) = target(&table.columns[column_id(table, via)?].ty) else {
                    return reject("unknown_name", via);
                };
                Ok(&self.suite.tables[to].columns[column_id(&self.suite.tables[to], &place.column)?])
            }
        }
    }

    /// What a place is called: `price`, `nightly rate of the room type`.
    fn label_of(&self, table: &Table, place: &Place) -> Verdict<String> {
        let column = self.column_of(table, place)?;
        Ok(match &place.via {
            None => column.label.clone(),
            Some(via) => format!("{} of the {}", column.label, table.columns[column_id(table, via)?].label),
        })
    }
}
