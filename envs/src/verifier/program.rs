//! Constraint programs: whether a plan, a list of chosen rows in order, keeps to everything that was asked. There may be many right
//! plans. The rows that can be chosen, with the columns that matter, are part of the program, so it needs no world.

use super::answer::text;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// A value of a candidate: a number, an amount in cents, days since 1970-01-01, or a text (also a case's name or a key).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// No value.
    None,
    /// A number, amount or date.
    Number(i64),
    /// A text.
    Text(String),
}

/// A row that may be chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its key.
    pub key: String,
    /// What people call it; no two candidates share it.
    pub name: String,
    /// One value a column of the program.
    pub cells: Vec<Cell>,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// Equal.
    Is,
    /// Less.
    Below,
    /// Less or equal.
    AtMost,
    /// Greater.
    Above,
    /// Greater or equal.
    AtLeast,
}

/// A test of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellTest {
    /// The column, counted from 0.
    pub column: usize,
    /// How it is compared.
    pub compare: Compare,
    /// With what.
    pub value: Cell,
}

/// Something a plan must keep to. Slots are counted from 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// Each of these slots passes a test.
    Each {
        /// The slots.
        slots: Vec<usize>,
        /// The test.
        test: CellTest,
    },
    /// At least so many slots pass a test.
    Several {
        /// How many.
        least: usize,
        /// The test.
        test: CellTest,
    },
    /// No two slots share the value of a column.
    Differ(usize),
    /// All slots share the value of a column.
    Same(usize),
    /// The sum over some slots lies within bounds.
    Total {
        /// The slots.
        slots: Vec<usize>,
        /// The column.
        column: usize,
        /// Least sum.
        least: Option<i64>,
        /// Greatest sum.
        most: Option<i64>,
    },
    /// The value of one slot is less than that of another.
    Rising {
        /// The slot with the lesser value.
        low: usize,
        /// The slot with the greater value.
        high: usize,
        /// The column.
        column: usize,
    },
    /// What holds depends on a test of one slot.
    Depends {
        /// The slot.
        slot: usize,
        /// The test.
        test: CellTest,
        /// What must hold if it passes.
        then: Box<Constraint>,
        /// What must hold if it does not.
        otherwise: Box<Constraint>,
    },
}

/// A constraint program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// Number of slots; all are filled by different candidates.
    pub slots: usize,
    /// Names of the columns, for reports.
    pub columns: Vec<String>,
    /// What may be chosen.
    pub candidates: Vec<Candidate>,
    /// What the plan must keep to.
    pub constraints: Vec<Constraint>,
    /// One right plan, as positions of candidates: what reports show.
    pub example: Vec<usize>,
}

impl CellTest {
    /// Whether a value passes; no value passes nothing.
    pub fn passes(&self, cell: &Cell) -> bool {
        match (self.compare, cell, &self.value) {
            (_, Cell::None, _) => false,
            (Compare::Is, a, b) => a == b,
            (compare, Cell::Number(a), Cell::Number(b)) => match compare {
                Compare::Below => a < b,
                Compare::AtMost => a <= b,
                Compare::Above => a > b,
                Compare::AtLeast => a >= b,
                Compare::Is => a == b,
            },
            _ => false,
        }
    }
}

impl Program {
    /// The candidates that a submission names, in order, by name or key; `None` where it is no list of as many different candidates as
    /// there are slots.
    pub fn read(&self, submitted: &Value) -> Option<Vec<usize>> {
        let items = submitted.as_array()?;
        if items.len() != self.slots {
            return None;
        }
        let mut plan = Vec::with_capacity(items.len());
        for item in items {
            let said = match item {
                Value::String(said) => text(said),
                Value::Number(said) => said.to_string(),
                _ => return None,
            };
            let found = self.candidates.iter().position(|c| text(&c.name) == said || text(&c.key) == said)?;
            if plan.contains(&found) {
                return None;
            }
            plan.push(found);
        }
        Some(plan)
    }

    /// The constraints that a plan breaks, by position. The plan has one candidate a slot.
    pub fn broken(&self, plan: &[usize]) -> Vec<usize> {
        (0..self.constraints.len()).filter(|c| !self.keeps(&self.constraints[*c], plan)).collect()
    }

    /// Whether a plan is right.
    pub fn holds(&self, plan: &[usize]) -> bool {
        self.constraints.iter().all(|c| self.keeps(c, plan))
    }

    /// A plan as an agent would submit it.
    pub fn shown(&self, plan: &[usize]) -> Value {
        plan.iter().map(|c| Value::from(self.candidates[*c].name.as_str())).collect()
    }

    fn cell(&self, plan: &[usize], slot: usize, column: usize) -> &Cell {
        &self.candidates[plan[slot]].cells[column]
    }

    fn keeps(&self, constraint: &Constraint, plan: &[usize]) -> bool {
        match constraint {
            Constraint::Each { slots, test } => slots.iter().all(|s| test.passes(self.cell(plan, *s, test.column))),
            Constraint::Several { least, test } => {
                (0..self.slots).filter(|s| test.passes(self.cell(plan, *s, test.column))).count() >= *least
            }
            Constraint::Differ(column) => {
                let values: BTreeSet<&Cell> = (0..self.slots).map(|s| self.cell(plan, s, *column)).collect();
                values.len() == self.slots
            }
            Constraint::Same(column) => {
                let values: BTreeSet<&Cell> = (0..self.slots).map(|s| self.cell(plan, s, *column)).collect();
                values.len() == 1
            }
            Constraint::Total { slots, column, least, most } => {
                let mut total = 0_i64;
                for slot in slots {
                    match self.cell(plan, *slot, *column) {
                        Cell::Number(n) => total = total.saturating_add(*n),
                        _ => return false,
                    }
                }
                least.is_none_or(|l| total >= l) && most.is_none_or(|m| total <= m)
            }
            Constraint::Rising { low, high, column } => {
                match (self.cell(plan, *low, *column), self.cell(plan, *high, *column)) {
                    (Cell::Number(a), Cell::Number(b)) => a < b,
                    _ => false,
                }
            }
            Constraint::Depends { slot, test, then, otherwise } => {
                let branch = if test.passes(self.cell(plan, *slot, test.column)) { then } else { otherwise };
                self.keeps(branch, plan)
            }
        }
    }

    /// What is wrong with the program itself, if anything: a slot or column that it does not have, an example that breaks it.
    pub fn fault(&self) -> Option<String> {
        fn places(constraint: &Constraint, slots: &mut Vec<usize>, columns: &mut Vec<usize>) {
            match constraint {
                Constraint::Each { slots: s, test } => {
                    slots.extend(s);
                    columns.push(test.column);
                }
                Constraint::Several { test, .. } => columns.push(test.column),
                Constraint::Differ(column) | Constraint::Same(column) => columns.push(*column),
                Constraint::Total { slots: s, column, .. } => {
                    slots.extend(s);
                    columns.push(*column);
                }
                Constraint::Rising { low, high, column } => {
                    slots.extend([*low, *high]);
                    columns.push(*column);
                }
                Constraint::Depends { slot, test, then, otherwise } => {
                    slots.push(*slot);
                    columns.push(test.column);
                    places(then, slots, columns);
                    places(otherwise, slots, columns);
                }
            }
        }
        let (mut slots, mut columns) = (Vec::new(), Vec::new());
        self.constraints.iter().for_each(|c| places(c, &mut slots, &mut columns));
        if slots.iter().any(|s| *s >= self.slots) || columns.iter().any(|c| *c >= self.columns.len()) {
            return Some("a constraint names a slot or column that the program does not have".to_owned());
        }
        if self.candidates.iter().any(|c| c.cells.len() != self.columns.len()) {
            return Some("a candidate has another number of values than there are columns".to_owned());
        }
        let example = self.example.len() == self.slots && self.example.iter().all(|c| *c < self.candidates.len());
        if !example || self.constraints.is_empty() || !self.holds(&self.example) {
            return Some("the example of a right plan breaks a constraint".to_owned());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn program(constraints: Vec<Constraint>) -> Program {
        let candidate = |key: &str, name: &str, price: i64, kind: &str| Candidate {
            key: key.to_owned(),
            name: name.to_owned(),
            cells: vec![Cell::Number(price), Cell::Text(kind.to_owned())],
        };
        Program {
            slots: 2,
            columns: vec!["price".to_owned(), "kind".to_owned()],
            candidates: vec![
                candidate("P-1", "Lamp", 100, "a"),
                candidate("P-2", "Bowl", 200, "a"),
                candidate("P-3", "Tray", 300, "b"),
            ],
            constraints,
            example: vec![0, 2],
        }
    }

    #[test]
    fn plans_are_read_by_name_or_key() {
        let program = program(vec![Constraint::Differ(1)]);
        assert_eq!(program.read(&json!(["lamp", "P-3"])), Some(vec![0, 2]));
        for wrong in
            [json!(["Lamp"]), json!(["Lamp", "Lamp"]), json!(["Lamp", "P-1"]), json!(["Lamp", "Pot"]), json!("Lamp")]
        {
            assert_eq!(program.read(&wrong), None, "{wrong}");
        }
        assert_eq!(program.read(&program.shown(&[2, 1])), Some(vec![2, 1]));
    }

    #[test]
    fn every_constraint_can_hold_and_break() {
        let test = |compare, value| CellTest { column: 0, compare, value: Cell::Number(value) };
        let total = |least, most| Constraint::Total { slots: vec![0, 1], column: 0, least, most };
        let cases = [
            (Constraint::Each { slots: vec![0], test: test(Compare::AtMost, 200) }, vec![0, 2], vec![2, 0]),
            (Constraint::Several { least: 1, test: test(Compare::Above, 200) }, vec![0, 2], vec![0, 1]),
            (Constraint::Differ(1), vec![0, 2], vec![0, 1]),
            (Constraint::Same(1), vec![0, 1], vec![0, 2]),
            (total(Some(400), None), vec![0, 2], vec![0, 1]),
            (total(None, Some(300)), vec![0, 1], vec![1, 2]),
            (Constraint::Rising { low: 0, high: 1, column: 0 }, vec![0, 1], vec![1, 0]),
            (
                Constraint::Depends {
                    slot: 0,
                    test: test(Compare::AtLeast, 200),
                    then: Box::new(total(None, Some(300))),
                    otherwise: Box::new(total(Some(400), None)),
                },
                vec![1, 0],
                vec![0, 1],
            ),
        ];
        for (constraint, right, wrong) in cases {
            let program = program(vec![constraint.clone()]);
            assert!(program.holds(&right), "{constraint:?}");
            assert_eq!(program.broken(&wrong), [0], "{constraint:?}");
        }
    }

    #[test]
    fn broken_programs_are_found() {
        assert_eq!(program(vec![Constraint::Differ(1)]).fault(), None);
        assert!(program(vec![Constraint::Differ(2)]).fault().is_some());
        assert!(program(vec![Constraint::Rising { low: 0, high: 2, column: 0 }]).fault().is_some());
        assert!(program(vec![Constraint::Same(1)]).fault().is_some(), "the example breaks it");
        assert!(program(Vec::new()).fault().is_some());
    }
}
