//! Plans by tools: the rows are listed, and a right choice is searched for among what the results show. Of the calls, those remain
//! that the chosen rows rest on.

use crate::solve::query::{Learned, order, passes};
use crate::solve::toolbox::Toolbox;
use crate::tasks::choice::choosing_column;
use crate::tasks::goal::{Choice, Condition, Demand, Description, Place};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::{column_id, table_id, target};
use std::collections::BTreeSet;
use terrarium_envs::verifier::Answer;
use terrarium_tools::types::TableId;
use terrarium_tools::value::Value;

/// Rows tried before a search is given up.
const STEPS_MAX: usize = 60_000;

/// A row as far as the demands look at it.
struct Candidate {
    name: String,
    /// One value a place.
    values: Vec<Value>,
    calls: BTreeSet<usize>,
}

impl Toolbox<'_> {
    /// A right choice, by names.
    ///
    /// # Errors
    /// `unreachable`, `too_long` as for descriptions; `no_plan` where the search finds none.
    pub fn choose(&mut self, choice: &Choice) -> Verdict<(Answer, Learned)> {
        let table = table_id(self.suite, &choice.table)?;
        let definition = &self.suite.tables[table];
        let Some(naming) = choosing_column(definition) else { return reject("no_choice", &choice.table) };
        let mut places: Vec<&Place> = Vec::new();
        for demand in &choice.demands {
            if !places.contains(&demand.place()) {
                places.push(demand.place());
            }
        }
        // What is asked of every row narrows the listing.
        let conditions = choice.demands.iter().filter_map(|d| match d {
            Demand::Each { slot: None, place: Place { via: None, column }, test } => {
                Some(Condition { column: column.clone(), test: test.clone() })
            }
            _ => None,
        });
        let of = Description { conditions: conditions.collect(), ..Description::all(&choice.table) };
        let mut wanted = vec![naming];
        for place in &places {
            wanted.push(column_id(definition, place.via.as_ref().unwrap_or(&place.column))?);
        }
        // A solver that looks at one row at a time still sees the list, but never takes a choice back.
        let greedy = self.effort.rows == 1;
        let rows = std::mem::replace(&mut self.effort.rows, usize::MAX);
        let found = self.find(&of, &wanted);
        self.effort.rows = rows;
        let found = found?;
        for place in &places {
            if let Some(via) = &place.via
                && let Some(to) = target(&definition.columns[column_id(definition, via)?].ty)
            {
                let column = column_id(&self.suite.tables[to], &place.column)?;
                self.search(to, &[], &BTreeSet::from([column]))?;
            }
        }
        let mut options = Vec::with_capacity(found.keys.len());
        for key in &found.keys {
            let mut calls = BTreeSet::new();
            let (name, call) = self.column(table, key, naming)?;
            calls.insert(call);
            let name = match name {
                Value::Str(name) => name,
                Value::Int(n) => n.to_string(),
                _ => return reject("no_value", &definition.columns[naming].name),
            };
            let mut values = Vec::with_capacity(places.len());
            for place in &places {
                values.push(self.at(table, key, place, &mut calls)?);
            }
            options.push(Candidate { name, values, calls });
        }
        let search = Search { choice, places: &places, options: &options };
        let (mut plan, mut steps) = (Vec::new(), 0);
        if greedy {
            search.first_fit(&mut plan);
        }
        if !(plan.len() == choice.slots || !greedy && search.go(&mut plan, &mut steps)) {
            return reject("no_plan", format!("{steps} rows tried"));
        }
        let used = plan.iter().flat_map(|o| options[*o].calls.iter().copied()).collect();
        let moved = self.trace.keep(&used);
        let calls = used.iter().filter_map(|c| moved.get(c).copied()).collect();
        let names: Vec<Value> = plan.iter().map(|o| Value::Str(options[*o].name.clone())).collect();
        let answer = Answer::Each(plan.iter().map(|o| Answer::Text(options[*o].name.clone())).collect());
        Ok((answer, Learned { value: Value::List(names), calls, how: "choice that keeps every demand".to_owned() }))
    }

    fn at(&mut self, table: TableId, key: &str, place: &Place, calls: &mut BTreeSet<usize>) -> Verdict<Value> {
        let definition = &self.suite.tables[table];
        let (first, second) = match &place.via {
            None => (column_id(definition, &place.column)?, None),
            Some(via) => (column_id(definition, via)?, Some(&place.column)),
        };
        let (value, call) = self.column(table, key, first)?;
        calls.insert(call);
        let Some(second) = second else { return Ok(value) };
        let (Value::Key(other), Some(to)) = (value, target(&definition.columns[first].ty)) else {
            return Ok(Value::None);
        };
        let (value, call) = self.column(to, &other, column_id(&self.suite.tables[to], second)?)?;
        calls.insert(call);
        Ok(value)
    }
}

/// The search for a choice, over what results showed.
struct Search<'a> {
    choice: &'a Choice,
    places: &'a [&'a Place],
    options: &'a [Candidate],
}

impl Search<'_> {
    /// The first row that still fits, slot by slot.
    fn first_fit(&self, plan: &mut Vec<usize>) {
        for next in 0..self.options.len() {
            if plan.len() == self.choice.slots {
                return;
            }
            plan.push(next);
            if !self.choice.demands.iter().all(|d| self.still(d, plan)) {
                plan.pop();
            }
        }
    }

    fn go(&self, plan: &mut Vec<usize>, steps: &mut usize) -> bool {
        if plan.len() == self.choice.slots {
            return true;
        }
        for next in 0..self.options.len() {
            if plan.contains(&next) {
                continue;
            }
            *steps += 1;
            if *steps > STEPS_MAX {
                return false;
            }
            plan.push(next);
            if self.choice.demands.iter().all(|d| self.still(d, plan)) && self.go(plan, steps) {
                return true;
            }
            plan.pop();
        }
        false
    }

    fn value(&self, plan: &[usize], slot: usize, place: &Place) -> &Value {
        let at = self.places.iter().position(|p| *p == place).unwrap_or(0);
        &self.options[plan[slot]].values[at]
    }

    /// Whether a demand holds of what is chosen so far, as far as it can be told.
    fn still(&self, demand: &Demand, plan: &[usize]) -> bool {
        let (chosen, last) = (plan.len(), plan.len() - 1);
        let full = chosen == self.choice.slots;
        let amount = |slot: usize, place: &Place| match self.value(plan, slot, place) {
            Value::Int(n) | Value::Money(n) => *n,
            _ => 0,
        };
        let bound = |value: &Value| match value {
            Value::Int(n) | Value::Money(n) => *n,
            _ => 0,
        };
        match demand {
            Demand::Each { slot, place, test } => {
                slot.is_some_and(|s| s != last) || passes(self.value(plan, last, place), test)
            }
            Demand::Several { least, place, test } => {
                let passing = (0..chosen).filter(|s| passes(self.value(plan, *s, place), test)).count();
                passing + (self.choice.slots - chosen) >= *least
            }
            Demand::Differ(place) => (0..last).all(|s| self.value(plan, s, place) != self.value(plan, last, place)),
            Demand::Same(place) => self.value(plan, 0, place) == self.value(plan, last, place),
            Demand::Total { place, least, most } => {
                let sum: i64 = (0..chosen).map(|s| amount(s, place)).sum();
                most.as_ref().is_none_or(|m| sum <= bound(m))
                    && (!full || least.as_ref().is_none_or(|l| sum >= bound(l)))
            }
            Demand::Rising { low, high, place } => {
                (*low).max(*high) >= chosen
                    || order(self.value(plan, *low, place), self.value(plan, *high, place)).is_some_and(|o| o.is_lt())
            }
            Demand::Depends { place, threshold, large, small } => {
                let sum: i64 = (1..chosen).map(|s| amount(s, place)).sum();
                sum <= bound(if amount(0, place) >= bound(threshold) { large } else { small })
            }
        }
    }
}
