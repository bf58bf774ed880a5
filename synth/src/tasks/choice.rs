//! Plan goals: choose rows of a table, in order, so that everything asked of them holds. Many choices are right; a random one hardly
//! ever is. The demands are drawn around a choice that keeps them, and each must be one that can be broken alone.

use crate::seed::Dice;
use crate::tasks::describe::{Describer, called_columns, is_ordered};
use crate::tasks::goal::{Choice, Demand, Goal, Place, Test};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::{Rows, column_id, number, table_id, target};
use crate::vary::data::{inner, scalar};
use terrarium_envs::verifier::program::{Candidate, Cell, CellTest, Compare, Constraint, Program};
use terrarium_tools::Suite;
use terrarium_tools::suite::{Source, Table};
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
/// Neighbours of right plans that are looked at.
const NEIGHBOURS: usize = 900;
/// Neighbours looked at even when everything was found before.
const NEIGHBOURS_MIN: usize = 250;

/// The column that tells the rows of a table apart for people, so that an answer can name them.
pub fn choosing_column(table: &Table) -> Option<usize> {
    match called_columns(table).as_slice() {
        [column] if table.columns[*column].unique && matches!(table.columns[*column].ty, Type::Str | Type::Int) => {
            Some(*column)
        }
        _ => None,
    }
}

/// Places that a demand may name: columns of the table, and of what it refers to.
struct Places {
    groups: Vec<Place>,
    amounts: Vec<Place>,
    sums: Vec<Place>,
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

    fn places(&self, table: TableId) -> Places {
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
                ty if is_ordered(ty) => {
                    if *ty == Type::Money || crate::tasks::ask::additive_label(&column.label) {
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
                for (c, inner) in suite.tables[to].columns.iter().enumerate().skip(1) {
                    add(Some(column.name.clone()), to, c, inner);
                }
            }
        }
        places
    }

    /// A test that every chosen row must pass, and the rows that do.
    fn filter(&self, table: TableId, places: &Places, dice: &mut Dice) -> Option<(Demand, Vec<usize>)> {
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
            Value::Int(n) => {
                if at_least {
                    Test::AtLeast(Value::Int(*n))
                } else {
                    Test::AtMost(Value::Int(*n))
                }
            }
            Value::Money(cents) => {
                let round = if *cents >= 5_000 { 1_000 } else { 100 };
                if at_least {
                    Test::AtLeast(Value::Money(cents / round * round))
                } else {
                    Test::AtMost(Value::Money((cents + round - 1) / round * round))
                }
            }
            Value::Date(_) => {
                if at_least {
                    Test::AtLeast(value)
                } else {
                    Test::AtMost(value)
                }
            }
            _ => return None,
        };
        Some((place, test))
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

    /// That values differ, or are the same, as they are in a plan.
    fn spread(&self, table: TableId, place: &Place, plan: &[usize]) -> Option<Demand> {
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
    fn demand(&self, table: TableId, places: &Places, plan: &[usize], dice: &mut Dice) -> Option<Demand> {
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
        let unit = if money { if total >= 20_000 { 1_000 } else { 500 } } else { 1 };
        let room = (total / 12).max(unit);
        let wrap = |n: i64| if money { Value::Money(n) } else { Value::Int(n) };
        let least = wrap(((total - dice.between(0, room)) / unit * unit).max(0));
        let most = wrap((total + dice.between(0, room) + unit - 1) / unit * unit);
        Some(match dice.below(3) {
            0 => Demand::Total { place, least: None, most: Some(most) },
            1 => Demand::Total { place, least: Some(least), most: None },
            _ => Demand::Total { place, least: Some(least), most: Some(most) },
        })
    }

    /// That a bound on the others depends on the first.
    fn depends(&self, table: TableId, places: &Places, plan: &[usize], dice: &mut Dice) -> Option<Demand> {
        let place = dice.pick(&places.sums)?.clone();
        let values: Option<Vec<i64>> = plan.iter().map(|r| number(&self.value(table, *r, &place))).collect();
        let values = values?;
        let others: i64 = values[1..].iter().sum();
        let money = matches!(self.value(table, plan[0], &place), Value::Money(_));
        let unit = if money { if others >= 20_000 { 1_000 } else { 500 } } else { 1 };
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
fn same_ground(a: &Demand, b: &Demand) -> bool {
    match (a, b) {
        (Demand::Each { slot: a, place: p, .. }, Demand::Each { slot: b, place: q, .. }) => {
            p == q && (a == b || a.is_none() || b.is_none())
        }
        (Demand::Several { place: p, .. }, Demand::Each { slot: None, place: q, .. })
        | (Demand::Each { slot: None, place: p, .. }, Demand::Several { place: q, .. })
        | (Demand::Several { place: p, .. }, Demand::Several { place: q, .. })
        | (Demand::Total { place: p, .. }, Demand::Total { place: q, .. })
        | (Demand::Depends { place: p, .. }, Demand::Depends { place: q, .. })
        | (Demand::Differ(p) | Demand::Same(p), Demand::Differ(q) | Demand::Same(q))
        | (Demand::Same(p), Demand::Each { place: q, .. })
        | (Demand::Each { place: p, .. }, Demand::Same(q)) => p == q,
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

/// The value at a place of a row.
fn at(rows: Rows<'_>, table: TableId, row: &[Value], place: &Place) -> Verdict<Value> {
    let definition = &rows.suite.tables[table];
    match &place.via {
        None => Ok(row[column_id(definition, &place.column)?].clone()),
        Some(via) => {
            let via = column_id(definition, via)?;
            let Some(to) = target(&definition.columns[via].ty) else { return reject("unknown_name", &place.column) };
            match rows.by_key(to, &row[via]) {
                Some(other) => Ok(other[column_id(&rows.suite.tables[to], &place.column)?].clone()),
                None => Ok(Value::None),
            }
        }
    }
}

fn type_at<'a>(suite: &'a Suite, table: TableId, place: &Place) -> Verdict<&'a Type> {
    let definition = &suite.tables[table];
    match &place.via {
        None => Ok(&definition.columns[column_id(definition, &place.column)?].ty),
        Some(via) => {
            let via = &definition.columns[column_id(definition, via)?];
            let Some(to) = target(&via.ty) else { return reject("unknown_name", &place.column) };
            Ok(&suite.tables[to].columns[column_id(&suite.tables[to], &place.column)?].ty)
        }
    }
}

fn cell(suite: &Suite, ty: &Type, value: &Value) -> Cell {
    match value {
        Value::Int(n) | Value::Money(n) => Cell::Number(*n),
        Value::Date(day) => Cell::Number(i64::from(*day)),
        Value::Enum(case) => match scalar(ty) {
            Type::Enum(e) => Cell::Text(suite.enums[*e].cases.get(*case as usize).cloned().unwrap_or_default()),
            _ => Cell::None,
        },
        Value::Str(text) | Value::Key(text) => Cell::Text(text.clone()),
        _ => Cell::None,
    }
}

/// The constraint program of a choice, by rows; `example` is a right plan, as row positions.
///
/// # Errors
/// `unknown_name`, and `same_name` where rows share what they are called by.
pub fn program(rows: Rows<'_>, choice: &Choice, example: &[usize]) -> Verdict<Program> {
    let suite = rows.suite;
    let table = table_id(suite, &choice.table)?;
    let Some(naming) = choosing_column(&suite.tables[table]) else { return reject("no_choice", &choice.table) };
    let mut places: Vec<Place> = Vec::new();
    for place in choice.demands.iter().map(Demand::place) {
        if !places.contains(place) {
            places.push(place.clone());
        }
    }
    let types = places.iter().map(|p| type_at(suite, table, p)).collect::<Verdict<Vec<&Type>>>()?;
    let mut candidates = Vec::with_capacity(rows.table(table).len());
    for row in rows.table(table) {
        let cells = places.iter().zip(&types).map(|(p, ty)| Ok(cell(suite, ty, &at(rows, table, row, p)?)));
        let key = match &row[0] {
            Value::Key(key) => key.clone(),
            _ => return reject("unknown_name", "a row without key"),
        };
        let name = match &row[naming] {
            Value::Str(name) => name.clone(),
            Value::Int(n) => n.to_string(),
            _ => return reject("same_name", &choice.table),
        };
        candidates.push(Candidate { key, name, cells: cells.collect::<Verdict<Vec<Cell>>>()? });
    }
    let column = |place: &Place| places.iter().position(|p| p == place).unwrap_or(0);
    let test = |place: &Place, test: &Test| {
        let (compare, value) = match test {
            Test::Is(v) => (Compare::Is, v),
            Test::Below(v) => (Compare::Below, v),
            Test::AtMost(v) => (Compare::AtMost, v),
            Test::Above(v) => (Compare::Above, v),
            Test::AtLeast(v) => (Compare::AtLeast, v),
            Test::Of(_) | Test::Shared { .. } | Test::Missing | Test::Present => {
                return reject("unsayable", "a demand of this form");
            }
        };
        let at = column(place);
        Ok(CellTest { column: at, compare, value: cell(suite, types[at], value) })
    };
    let all: Vec<usize> = (0..choice.slots).collect();
    let constraints = choice.demands.iter().map(|demand| {
        Ok(match demand {
            Demand::Each { slot, place, test: t } => {
                Constraint::Each { slots: slot.map_or_else(|| all.clone(), |s| vec![s]), test: test(place, t)? }
            }
            Demand::Several { least, place, test: t } => Constraint::Several { least: *least, test: test(place, t)? },
            Demand::Differ(place) => Constraint::Differ(column(place)),
            Demand::Same(place) => Constraint::Same(column(place)),
            Demand::Total { place, least, most } => Constraint::Total {
                slots: all.clone(),
                column: column(place),
                least: least.as_ref().and_then(number),
                most: most.as_ref().and_then(number),
            },
            Demand::Rising { low, high, place } => Constraint::Rising { low: *low, high: *high, column: column(place) },
            Demand::Depends { place, threshold, large, small } => {
                let bound = |most: &Value| {
                    let column = column(place);
                    Box::new(Constraint::Total { slots: all[1..].to_vec(), column, least: None, most: number(most) })
                };
                Constraint::Depends {
                    slot: 0,
                    test: test(place, &Test::AtLeast(threshold.clone()))?,
                    then: bound(large),
                    otherwise: bound(small),
                }
            }
        })
    });
    let constraints = constraints.collect::<Verdict<Vec<Constraint>>>()?;
    let columns = places
        .iter()
        .map(|p| p.via.as_ref().map_or_else(|| p.column.clone(), |via| format!("{via}.{}", p.column)))
        .collect();
    Ok(Program { slots: choice.slots, columns, candidates, constraints, example: example.to_vec() })
}

/// What there is around a right plan.
pub struct Explored {
    /// Other right plans, up to [`OTHER_PLANS_MIN`] and some more.
    pub others: Vec<Vec<usize>>,
    /// For each constraint a plan that breaks it and nothing else.
    pub breakers: Vec<Option<Vec<usize>>>,
}

/// Looks around a right plan: one or two rows exchanged at a time, from every right plan found so far.
pub fn explore(program: &Program, start: &[usize], dice: &mut Dice) -> Explored {
    const OTHERS_MAX: usize = 12;
    let mut explored = Explored { others: Vec::new(), breakers: vec![None; program.constraints.len()] };
    let mut excess = vec![i64::MAX; program.constraints.len()];
    for looked in 0..NEIGHBOURS {
        let found = explored.breakers.iter().all(Option::is_some);
        if found && explored.others.len() >= OTHER_PLANS_MIN && looked >= NEIGHBOURS_MIN {
            break;
        }
        let from = dice.below(explored.others.len() + 1);
        let mut plan = explored.others.get(from).map_or(start, Vec::as_slice).to_vec();
        if dice.percent(15) {
            let (a, b) = (dice.below(plan.len()), dice.below(plan.len()));
            plan.swap(a, b);
        } else {
            for _ in 0..=dice.below(2) {
                let (slot, other) = (dice.below(plan.len()), dice.below(program.candidates.len()));
                if !plan.contains(&other) {
                    plan[slot] = other;
                }
            }
        }
        match program.broken(&plan).as_slice() {
            // The same rows in another order are no other plan: a verifier that knows these rows alone would take them too.
            [] if explored.others.len() >= OTHERS_MAX
                || explored.others.iter().map(Vec::as_slice).chain([start]).any(|known| same_rows(known, &plan)) => {}
            [] => explored.others.push(plan),
            [only] => {
                // The plan that breaks it by least tells a bound from the next one.
                let by = exceeds(program, &program.constraints[*only], &plan);
                if by < excess[*only] {
                    excess[*only] = by;
                    explored.breakers[*only] = Some(plan);
                }
            }
            _ => {}
        }
    }
    explored
}

/// Whether two plans choose the same rows, in whatever order.
fn same_rows(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && a.iter().all(|row| b.contains(row))
}

/// By how much a plan breaks a constraint; 1 where that is no matter of degree.
fn exceeds(program: &Program, constraint: &Constraint, plan: &[usize]) -> i64 {
    let cell = |slot: usize, column: usize| &program.candidates[plan[slot]].cells[column];
    match constraint {
        Constraint::Several { least, test } => {
            let passing = (0..plan.len()).filter(|s| test.passes(cell(*s, test.column))).count();
            least.saturating_sub(passing) as i64
        }
        Constraint::Total { slots, column, least, most } => {
            let sum: i64 = slots
                .iter()
                .map(|s| match cell(*s, *column) {
                    Cell::Number(n) => *n,
                    _ => 0,
                })
                .sum();
            let below = least.map_or(0, |l| l - sum);
            let above = most.map_or(0, |m| sum - m);
            below.max(above)
        }
        Constraint::Depends { slot, test, then, otherwise } => {
            exceeds(program, if test.passes(cell(*slot, test.column)) { then } else { otherwise }, plan)
        }
        _ => 1,
    }
}

/// Different candidates at random.
pub fn random_plan(program: &Program, dice: &mut Dice) -> Vec<usize> {
    let mut plan: Vec<usize> = Vec::with_capacity(program.slots);
    while plan.len() < program.slots.min(program.candidates.len()) {
        let next = dice.below(program.candidates.len());
        if !plan.contains(&next) {
            plan.push(next);
        }
    }
    plan
}

/// A right plan, by search over the rows: depth first in row order, with what is filled checked as it goes.
///
/// # Errors
/// `no_plan` where there is none within the search's limit.
pub fn example(program: &Program) -> Verdict<Vec<usize>> {
    const STEPS_MAX: usize = 60_000;
    fn go(program: &Program, plan: &mut Vec<usize>, steps: &mut usize) -> bool {
        if plan.len() == program.slots {
            return program.holds(plan);
        }
        for next in 0..program.candidates.len() {
            *steps += 1;
            if *steps > STEPS_MAX {
                return false;
            }
            if plan.contains(&next) {
                continue;
            }
            plan.push(next);
            if possible(program, plan) && go(program, plan, steps) {
                return true;
            }
            plan.pop();
        }
        false
    }
    let (mut plan, mut steps) = (Vec::new(), 0);
    if go(program, &mut plan, &mut steps) { Ok(plan) } else { reject("no_plan", format!("{steps} steps")) }
}

/// Whether what is filled so far may still become a right plan.
fn possible(program: &Program, plan: &[usize]) -> bool {
    let filled = plan.len();
    let cell = |slot: usize, column: usize| &program.candidates[plan[slot]].cells[column];
    let last = filled - 1;
    program.constraints.iter().all(|constraint| match constraint {
        Constraint::Each { slots, test } => !slots.contains(&last) || test.passes(cell(last, test.column)),
        Constraint::Differ(column) => (0..last).all(|s| cell(s, *column) != cell(last, *column)),
        Constraint::Same(column) => cell(0, *column) == cell(last, *column),
        Constraint::Rising { low, high, column } => {
            (*low).max(*high) != last
                || matches!((cell(*low, *column), cell(*high, *column)), (Cell::Number(a), Cell::Number(b)) if a < b)
        }
        Constraint::Total { slots, column, most, .. } => most.is_none_or(|most| {
            let sum = |s: &usize| match cell(*s, *column) {
                Cell::Number(n) => *n,
                _ => 0,
            };
            slots.iter().filter(|s| **s < filled).map(sum).sum::<i64>() <= most
        }),
        Constraint::Several { least, test } => {
            let passing = (0..filled).filter(|s| test.passes(cell(*s, test.column))).count();
            passing + program.slots - filled >= *least
        }
        Constraint::Depends { .. } => true,
    })
}
