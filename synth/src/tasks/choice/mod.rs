//! Plan goals: choose rows of a table, in order, so that everything asked of them holds. Many choices are right; a random one hardly
//! ever is. The demands are drawn around a choice that keeps them, and each must be one that can be broken alone.

mod demands;
mod explore;
mod program;
mod search;

pub use explore::{Explored, explore, random_plan};
pub use program::program;
pub use search::example;

use crate::seed::Dice;
use crate::tasks::columns::called_columns;
use crate::tasks::describe::Describer;
use crate::tasks::goal::{Choice, Demand, Goal, Place};
use crate::tasks::reject::{Verdict, reject};
use demands::same_ground;
use program::at;
use terrarium_tools::suite::Table;
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::Value;

/// Rows to choose.
const SLOTS: std::ops::RangeInclusive<i64> = 3..=5;
/// Rows that levels of difficulty add at most.
const SLOTS_MORE: usize = 1;
/// Rows a table must have.
const CANDIDATES_MIN: usize = 12;
/// Demands.
const DEMANDS_MIN: usize = 4;
/// Tests of single rows among them.
const SINGLES_MAX: usize = 2;
/// Demands at most, reached where a random plan would pass too often.
const DEMANDS_MAX: usize = 7;
/// Random plans that are tried.
pub const RANDOM_PLANS: usize = 300;
/// Of these, those that may pass: less than one in a hundred.
pub const RANDOM_PASSES_MAX: usize = 2;
/// Other right plans that there must be.
pub const OTHER_PLANS_MIN: usize = 3;
/// The column that tells the rows of a table apart for people, so that an answer can name them.
pub fn choosing_column(table: &Table) -> Option<usize> {
    match called_columns(table).as_slice() {
        [column] if table.columns[*column].unique && matches!(table.columns[*column].ty, Type::Str | Type::Int) => {
            Some(*column)
        }
        _ => None,
    }
}

/// Draws plan goals in one environment.
pub struct ChoiceWriter<'a> {
    /// Descriptions, rows and reach.
    pub describer: Describer<'a>,
}

impl ChoiceWriter<'_> {
    /// A goal; each level adds a row to choose.
    ///
    /// # Errors
    /// `no_choice` where no table offers one, `redundant` and `too_easy` where the demands drawn ask for too little.
    pub fn draw(&self, level: usize, dice: &mut Dice) -> Verdict<Goal> {
        let rows = self.describer.rows;
        let reach = self.describer.reach;
        let tables: Vec<TableId> = (0..rows.suite.tables.len())
            .filter(|t| rows.table(*t).len() >= CANDIDATES_MIN && reach.searchable(*t))
            .filter(|t| choosing_column(&rows.suite.tables[*t]).is_some_and(|c| reach.listed(*t, c)))
            .collect();
        let Some(table) = dice.pick(&tables).copied() else { return reject("no_choice", "no table to choose from") };
        let places = self.places(table);
        let slots = dice.between(*SLOTS.start(), *SLOTS.end()) as usize + level.min(SLOTS_MORE);
        let mut choice = Choice { table: rows.suite.tables[table].name.clone(), slots, demands: Vec::new() };
        // A filter over everything comes first: the plan that keeps all demands is then made of rows that pass it.
        let mut pool: Vec<usize> = (0..rows.table(table).len()).collect();
        if dice.percent(70)
            && let Some((demand, passing)) = self.filter(table, &places, dice)
            && passing.len() >= slots + 4
        {
            choice.demands.push(demand);
            pool = passing;
        }
        let wanted = dice.between(DEMANDS_MIN as i64, DEMANDS_MAX as i64 - 1) as usize;
        let group = dice.pick(&places.groups).cloned();
        let plan = self.witness(table, &pool, slots, group.as_ref(), dice)?;
        if let Some(place) = group {
            choice.demands.extend(self.spread(table, &place, &plan));
        }
        for _ in 0..DEMANDS_MAX * 6 {
            if choice.demands.len() >= wanted && self.easy(&choice, &plan, dice)? == 0 {
                break;
            }
            if choice.demands.len() >= DEMANDS_MAX {
                break;
            }
            // Too many tests of single rows make a lookup of a search.
            let single = |d: &Demand| matches!(d, Demand::Each { slot: Some(_), .. });
            let singles = choice.demands.iter().filter(|d| single(d)).count();
            if let Some(demand) = self.demand(table, &places, &plan, dice)
                && !choice.demands.iter().any(|d| same_ground(d, &demand))
                && !(single(&demand) && singles >= SINGLES_MAX)
            {
                choice.demands.push(demand);
            }
        }
        // What cannot be broken alone says nothing new.
        let explored = explore(&program(rows, &choice, &plan)?, &plan, dice);
        let mut index = 0;
        choice.demands.retain(|_| {
            index += 1;
            explored.breakers[index - 1].is_some()
        });
        if choice.demands.len() < DEMANDS_MIN {
            return reject("redundant", format!("{} demands are left", choice.demands.len()));
        }
        Ok(Goal::Plan(choice))
    }

    fn value(&self, table: TableId, row: usize, place: &Place) -> Value {
        at(self.describer.rows, table, &self.describer.rows.table(table)[row], place).unwrap_or(Value::None)
    }

    /// Passing random plans among a few.
    fn easy(&self, choice: &Choice, plan: &[usize], dice: &mut Dice) -> Verdict<usize> {
        let program = program(self.describer.rows, choice, plan)?;
        Ok((0..RANDOM_PLANS / 3).filter(|_| program.holds(&random_plan(&program, dice))).count())
    }

    /// Different rows of the pool; where they can, all with different values of a column.
    fn witness(
        &self,
        table: TableId,
        pool: &[usize],
        slots: usize,
        group: Option<&Place>,
        dice: &mut Dice,
    ) -> Verdict<Vec<usize>> {
        let mut order = pool.to_vec();
        dice.shuffle(&mut order);
        let mut plan: Vec<usize> = Vec::new();
        if let Some(place) = group {
            let mut taken: Vec<Value> = Vec::new();
            for row in &order {
                let value = self.value(table, *row, place);
                if plan.len() < slots && !taken.contains(&value) {
                    taken.push(value);
                    plan.push(*row);
                }
            }
        }
        if plan.len() < slots {
            plan = order.iter().take(slots).copied().collect();
        }
        if plan.len() < slots { reject("no_choice", "too few rows") } else { Ok(plan) }
    }
}
