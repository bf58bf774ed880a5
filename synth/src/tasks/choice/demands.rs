//! The demands of a plan: what may be asked of the rows chosen, drawn so that a given plan keeps it.

use crate::seed::Dice;
use crate::tasks::bounds;
use crate::tasks::choice::{ChoiceWriter, choosing_column};
use crate::tasks::columns::{is_additive, is_comparable, naming_column};
use crate::tasks::goal::{Demand, Place, Test};
use crate::tasks::rows::{number, target};
use crate::vary::data::inner;
use terrarium_tools::suite::{Column, Source};
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::Value;

/// Places that a demand may name: columns of the table, and of what it refers to.
pub(super) struct Places {
    pub(super) groups: Vec<Place>,
    amounts: Vec<Place>,
    sums: Vec<Place>,
}

/// What bounds of sums are multiples of, so that people would say them.
fn unit(money: bool, total: i64) -> i64 {
    match (money, total) {
        (true, 20_000..) => 1_000,
        (true, _) => 500,
        (false, 2_000..) => 100,
        (false, 200..) => 10,
        (false, _) => 1,
    }
}

impl ChoiceWriter<'_> {
    pub(super) fn places(&self, table: TableId) -> Places {
        let suite = self.describer.rows.suite;
        let reach = self.describer.reach;
        let mut places = Places { groups: Vec::new(), amounts: Vec::new(), sums: Vec::new() };
        let mut add = |via: Option<String>, t: TableId, c: usize, column: &terrarium_tools::suite::Column| {
            if !reach.listed(t, c) || matches!(column.ty, Type::Option(_)) {
                return;
            }
            let place = Place { via, column: column.name.clone() };
            match &column.ty {
                Type::Enum(e) if suite.enums[*e].cases.len() >= 2 => places.groups.push(place),
                Type::Key(_) if place.via.is_none() => places.groups.push(place),
                Type::Str if matches!(inner(&column.source), Source::City | Source::Choice { .. }) => {
                    places.groups.push(place);
                }
                _ if is_comparable(column) => {
                    // What belongs to a row referred to would be counted once for each row that refers to it.
                    if is_additive(column) && place.via.is_none() {
                        places.sums.push(place.clone());
                    }
                    places.amounts.push(place);
                }
                _ => {}
            }
        };
        let naming = choosing_column(&suite.tables[table]);
        for (c, column) in suite.tables[table].columns.iter().enumerate().skip(1) {
            if Some(c) == naming {
                continue;
            }
            add(None, table, c, column);
            if let Type::Key(to) = column.ty
                && reach.listed(table, c)
            {
                // `in a vault whose name is Gemini` is said as the vault itself.
                let named = naming_column(&suite.tables[to]);
                for (c, inner) in suite.tables[to].columns.iter().enumerate().skip(1).filter(|(c, _)| Some(*c) != named)
                {
                    add(Some(column.name.clone()), to, c, inner);
                }
            }
        }
        places
    }

    /// A test that every chosen row must pass, and the rows that do.
    pub(super) fn filter(&self, table: TableId, places: &Places, dice: &mut Dice) -> Option<(Demand, Vec<usize>)> {
        let count = self.describer.rows.table(table).len();
        let anchor = dice.below(count);
        let (place, test) = self.test(table, anchor, places, dice)?;
        let passing: Vec<usize> = (0..count).filter(|r| passes(&self.value(table, *r, &place), &test)).collect();
        (passing.len() * 10 >= count * 3 && passing.len() < count)
            .then_some((Demand::Each { slot: None, place, test }, passing))
    }

    /// A test that a row passes.
    fn test(&self, table: TableId, row: usize, places: &Places, dice: &mut Dice) -> Option<(Place, Test)> {
        let amount = dice.percent(50);
        let place = dice.pick(if amount { &places.amounts } else { &places.groups })?.clone();
        let value = self.value(table, row, &place);
        let at_least = dice.percent(50);
        let test = match &value {
            Value::Enum(_) | Value::Str(_) => Test::Is(value),
            _ => bounds::limit(self.column(table, &place)?, &value, at_least)?,
        };
        Some((place, test))
    }

    fn column(&self, table: TableId, place: &Place) -> Option<&Column> {
        let tables = &self.describer.rows.suite.tables;
        let named = |t: TableId, name: &str| tables[t].columns.iter().find(|c| c.name == name);
        match &place.via {
            None => named(table, &place.column),
            Some(via) => named(target(&named(table, via)?.ty)?, &place.column),
        }
    }

    /// That values differ, or are the same, as they are in a plan.
    pub(super) fn spread(&self, table: TableId, place: &Place, plan: &[usize]) -> Option<Demand> {
        let values: Vec<Value> = plan.iter().map(|r| self.value(table, *r, place)).collect();
        let same = values.iter().all(|v| *v == values[0]);
        let differ = (0..values.len()).all(|i| !values[..i].contains(&values[i]));
        match (differ, same) {
            (true, _) => Some(Demand::Differ(place.clone())),
            (_, true) => Some(Demand::Same(place.clone())),
            _ => None,
        }
    }

    /// A demand that a plan keeps.
    pub(super) fn demand(&self, table: TableId, places: &Places, plan: &[usize], dice: &mut Dice) -> Option<Demand> {
        match dice.weighted(&[4, 6, 4, 3, 5, 2]) {
            0 => {
                let slot = dice.below(plan.len());
                let (place, test) = self.test(table, plan[slot], places, dice)?;
                Some(Demand::Each { slot: Some(slot), place, test })
            }
            1 => self.total(table, places, plan, dice),
            2 => {
                let place = dice.pick(&places.amounts)?.clone();
                let (low, high) = (dice.below(plan.len()), dice.below(plan.len()));
                let value = |slot: usize| number(&self.value(table, plan[slot], &place));
                (value(low)? < value(high)?).then_some(Demand::Rising { low, high, place })
            }
            3 => {
                let (place, test) = self.test(table, plan[dice.below(plan.len())], places, dice)?;
                let passing = plan.iter().filter(|r| passes(&self.value(table, **r, &place), &test)).count();
                (passing >= 2 && passing < plan.len()).then_some(Demand::Several { least: passing, place, test })
            }
            4 => self.depends(table, places, plan, dice),
            _ => self.spread(table, dice.pick(&places.groups)?, plan),
        }
    }

    /// That a sum lies near what it is in a plan.
    fn total(&self, table: TableId, places: &Places, plan: &[usize], dice: &mut Dice) -> Option<Demand> {
        let place = dice.pick(&places.sums)?.clone();
        let values: Option<Vec<i64>> = plan.iter().map(|r| number(&self.value(table, *r, &place))).collect();
        let total: i64 = values?.iter().sum();
        let money = matches!(self.value(table, plan[0], &place), Value::Money(_));
        let unit = unit(money, total);
        let room = (total / 12).max(unit);
        let wrap = |n: i64| if money { Value::Money(n) } else { Value::Int(n) };
        let least = ((total - dice.between(0, room)) / unit * unit).max(0);
        let mut most = (total + dice.between(0, room) + unit - 1) / unit * unit;
        if most == 0 {
            return None;
        }
        // `between 17 and 17` would be no range, `at least 0` no demand.
        if least == most {
            most += unit;
        }
        let (least, most) = ((least > 0).then(|| wrap(least)), wrap(most));
        Some(match dice.below(3) {
            0 => Demand::Total { place, least: None, most: Some(most) },
            1 => Demand::Total { place, least: Some(least?), most: None },
            _ => Demand::Total { place, least: Some(least?), most: Some(most) },
        })
    }

    /// That a bound on the others depends on the first.
    fn depends(&self, table: TableId, places: &Places, plan: &[usize], dice: &mut Dice) -> Option<Demand> {
        let place = dice.pick(&places.sums)?.clone();
        let values: Option<Vec<i64>> = plan.iter().map(|r| number(&self.value(table, *r, &place))).collect();
        let values = values?;
        let others: i64 = values[1..].iter().sum();
        let money = matches!(self.value(table, plan[0], &place), Value::Money(_));
        let unit = unit(money, others);
        let wrap = |n: i64| if money { Value::Money(n) } else { Value::Int(n) };
        let count = self.describer.rows.table(table).len();
        let threshold = number(&self.value(table, dice.below(count), &place))?;
        let threshold = if money { threshold / 100 * 100 } else { threshold };
        let own = (others + dice.between(0, (others / 8).max(unit)) + unit - 1) / unit * unit;
        let step = (others / 4).max(unit) / unit * unit;
        // Where the first is large, less is left for the others.
        let (large, small) = if values[0] >= threshold { (own, own + step) } else { (own - step, own) };
        (large > 0 && threshold > 0).then_some(Demand::Depends {
            place,
            threshold: wrap(threshold),
            large: wrap(large),
            small: wrap(small),
        })
    }
}

/// Whether two demands are about the same thing, so that a second one would sound like a slip.
pub(super) fn same_ground(a: &Demand, b: &Demand) -> bool {
    match (a, b) {
        (Demand::Each { slot: a, place: p, .. }, Demand::Each { slot: b, place: q, .. }) => {
            p == q && (a == b || a.is_none() || b.is_none())
        }
        (Demand::Several { place: p, .. }, Demand::Each { slot: None, place: q, .. })
        | (Demand::Each { slot: None, place: p, .. }, Demand::Several { place: q, .. })
        | (Demand::Several { place: p, .. }, Demand::Several { place: q, .. })
        | (Demand::Total { place: p, .. }, Demand::Total { place: q, .. })
        | (Demand::Depends { place: p, .. }, Demand::Depends { place: q, .. })
        | (Demand::Differ(p) | Demand::Each { place: p, .. }, Demand::Same(q))
        | (Demand::Same(p), Demand::Differ(q) | Demand::Each { place: q, .. }) => p == q,
        // `the same state. .. the same state of the pier`.
        (Demand::Same(p), Demand::Same(q)) | (Demand::Differ(p), Demand::Differ(q)) => p.column == q.column,
        (Demand::Rising { low: a, high: b, .. }, Demand::Rising { low: c, high: d, .. }) => {
            (a, b) == (c, d) || (a, b) == (d, c)
        }
        _ => false,
    }
}

/// Whether a value passes a test.
fn passes(value: &Value, test: &Test) -> bool {
    let order = |other: &Value| crate::tasks::rows::compare(value, other);
    match test {
        Test::Is(other) => value == other,
        Test::AtMost(other) => order(other).is_some_and(std::cmp::Ordering::is_le),
        Test::AtLeast(other) => order(other).is_some_and(std::cmp::Ordering::is_ge),
        Test::Below(other) => order(other).is_some_and(std::cmp::Ordering::is_lt),
        Test::Above(other) => order(other).is_some_and(std::cmp::Ordering::is_gt),
        Test::Of(_) | Test::Shared { .. } | Test::Missing | Test::Present => false,
    }
}
