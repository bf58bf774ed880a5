//! The declared effects of write tools, and derived columns.

use super::rows::{RowId, Rows};
use super::values::EvalValue;
use super::{Evaluator, ToolError};
use crate::suite::{Effect, Source, Suite, Tool};
use crate::tree::{Expr, Literal};
use crate::types::{LocalId, TableId};
use crate::value::{Value, World};
use std::collections::BTreeSet;

/// What happens to one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// The row is new.
    Insert,
    /// Columns of it have new values.
    Update,
    /// The row is gone.
    Delete,
}

/// The net change of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowChange {
    /// Its table.
    pub table: TableId,
    /// What happens.
    pub kind: ChangeKind,
    /// Its key; of a new row the key that the counter gives.
    pub key: String,
    /// Update: the columns whose value differs, in column order. Insert and delete: all columns but the key.
    pub columns: Vec<ColumnChange>,
}

/// The change of one column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnChange {
    /// Column index.
    pub column: usize,
    /// Value before; `None` in a new row.
    pub before: Value,
    /// Value after; `None` in a deleted row.
    pub after: Value,
}

/// A row operation with all its values known.
enum Operation {
    Insert(TableId, Vec<EvalValue>),
    Update(TableId, RowId, Vec<(usize, EvalValue)>),
    Delete(TableId, RowId),
}

/// Apply the declared effects of a call to a world; gives the net change of each row, by table, then in row order.
/// `needs` is not asked. For many calls over one world use [`Evaluator::apply`].
///
/// # Errors
/// The tool error of an expression or of integrity; the world is unchanged then.
pub fn apply_effects(
    suite: &Suite,
    parameters: &[Literal],
    world: &mut World,
    tool: &Tool,
    arguments: &[Value],
) -> Result<Vec<RowChange>, ToolError> {
    let mut evaluator = Evaluator::new(suite, parameters, world);
    let changes = evaluator.apply(tool, arguments)?;
    *world = evaluator.rows().to_world();
    Ok(changes)
}

/// Compute the derived columns of a world, in file order: a derived column may use earlier ones.
///
/// # Errors
/// The tool error of an expression; the world is unchanged then.
pub fn fill_derived(suite: &Suite, parameters: &[Literal], world: &mut World) -> Result<(), ToolError> {
    let mut evaluator = Evaluator::new(suite, parameters, world);
    for (table, definition) in suite.tables.iter().enumerate() {
        for (column, definition) in definition.columns.iter().enumerate() {
            let Source::Derived { locals, value } = &definition.source else { continue };
            let rows: Vec<RowId> = evaluator.rows.live(table).collect();
            for row in rows {
                let mut values = vec![None; locals.len()];
                *values.first_mut().ok_or_else(|| ToolError::fault("a derived column without a row"))? =
                    Some(EvalValue::Row(row));
                let value = evaluator.eval(value, &mut values)?;
                evaluator.rows.set(table, row, column, value);
            }
        }
    }
    *world = evaluator.rows.to_world();
    Ok(())
}

impl Evaluator<'_> {
    /// The net changes that a call's declared effects would make; the rows stay as they are.
    ///
    /// # Errors
    /// The tool error of an expression or of integrity.
    pub fn effects(&mut self, tool: &Tool, arguments: &[Value]) -> Result<Vec<RowChange>, ToolError> {
        let before = self.rows.clone();
        let changes = self.apply(tool, arguments);
        self.rows = before;
        changes
    }

    /// Make the changes that a call's effects declare. All expressions see the rows as they were before; then the
    /// operations happen, and references, unique columns and deleted rows are checked on the outcome.
    ///
    /// # Errors
    /// The tool error of an expression or of integrity; the rows are unchanged then.
    pub fn apply(&mut self, tool: &Tool, arguments: &[Value]) -> Result<Vec<RowChange>, ToolError> {
        let mut locals = Self::goal_locals(tool, arguments)?;
        self.steps = 0;
        let mut operations = Vec::new();
        for effect in &tool.effects {
            self.operations(effect, &mut locals, &mut operations)?;
        }
        let before = self.rows.clone();
        let result = self.perform(&before, operations);
        if result.is_err() {
            self.rows = before;
        }
        result
    }

    fn operations(
        &mut self,
        effect: &Effect,
        locals: &mut [Option<EvalValue>],
        out: &mut Vec<Operation>,
    ) -> Result<(), ToolError> {
        match effect {
            Effect::Insert { table, values } => {
                let values = values.iter().map(|value| self.expr(value, locals)).collect::<Result<_, _>>()?;
                out.push(Operation::Insert(*table, values));
            }
            Effect::Update { table, key, values } => {
                let row = self.keyed(*table, key, locals)?;
                out.push(Operation::Update(*table, row, self.columns(values, locals)?));
            }
            Effect::UpdateAll { table, local, condition, values } => {
                for row in self.matching(*table, *local, condition, locals)? {
                    locals[*local] = Some(EvalValue::Row(row));
                    out.push(Operation::Update(*table, row, self.columns(values, locals)?));
                }
            }
            Effect::Delete { table, key } => {
                let row = self.keyed(*table, key, locals)?;
                out.push(Operation::Delete(*table, row));
            }
            Effect::DeleteAll { table, local, condition } => {
                let rows = self.matching(*table, *local, condition, locals)?;
                out.extend(rows.into_iter().map(|row| Operation::Delete(*table, row)));
            }
        }
        Ok(())
    }

    fn keyed(&mut self, table: TableId, key: &Expr, locals: &mut [Option<EvalValue>]) -> Result<RowId, ToolError> {
        match self.expr(key, locals)? {
            EvalValue::Row(row) => Ok(row),
            key => self.rows.get(self.suite, table, key.str()?),
        }
    }

    fn columns(
        &mut self,
        values: &[(usize, Expr)],
        locals: &mut [Option<EvalValue>],
    ) -> Result<Vec<(usize, EvalValue)>, ToolError> {
        values.iter().map(|(column, value)| Ok((*column, self.expr(value, locals)?))).collect()
    }

    /// The rows for which a condition over `local` holds.
    pub(super) fn matching(
        &mut self,
        table: TableId,
        local: LocalId,
        condition: &Expr,
        locals: &mut [Option<EvalValue>],
    ) -> Result<Vec<RowId>, ToolError> {
        let rows: Vec<RowId> = self.rows.live(table).collect();
        let mut found = Vec::new();
        for row in rows {
            self.step()?;
            *locals.get_mut(local).ok_or_else(|| ToolError::fault("no such local"))? = Some(EvalValue::Row(row));
            if self.condition(condition, locals)? {
                found.push(row);
            }
        }
        Ok(found)
    }

    fn perform(&mut self, before: &Rows, operations: Vec<Operation>) -> Result<Vec<RowChange>, ToolError> {
        let mut touched: BTreeSet<(TableId, RowId)> = BTreeSet::new();
        for operation in operations {
            match operation {
                Operation::Insert(table, values) => {
                    let row = self.rows.insert(table, values);
                    touched.insert((table, row));
                }
                Operation::Update(table, row, columns) => {
                    for (column, value) in columns {
                        self.rows.set(table, row, column, value);
                    }
                    touched.insert((table, row));
                }
                // A row may be named by two effects.
                Operation::Delete(table, row) => {
                    if self.rows.is_live(table, row) {
                        self.rows.delete(table, row);
                    }
                    touched.insert((table, row));
                }
            }
        }
        let mut changes = Vec::new();
        for (table, row) in touched {
            changes.extend(self.change(before, table, row)?);
        }
        Ok(changes)
    }

    /// The net change of a row, with integrity checked; `None` if it is as before.
    fn change(&self, before: &Rows, table: TableId, row: RowId) -> Result<Option<RowChange>, ToolError> {
        let existed = before.is_live(table, row);
        let kind = match (existed, self.rows.is_live(table, row)) {
            (true, true) => ChangeKind::Update,
            (true, false) => ChangeKind::Delete,
            (false, true) => ChangeKind::Insert,
            (false, false) => return Ok(None),
        };
        let old = existed.then(|| before.snapshot(table, row));
        let new = self.rows.snapshot(table, row);
        let mut columns = Vec::new();
        for column in 1..new.len() {
            let was = old.as_ref().map_or(&EvalValue::None, |values| &values[column]);
            let is = if kind == ChangeKind::Delete { &EvalValue::None } else { &new[column] };
            if kind == ChangeKind::Update && was == is {
                continue;
            }
            if kind != ChangeKind::Delete {
                self.rows.check_value(self.suite, table, column, is, Some(row))?;
            }
            columns.push(ColumnChange { column, before: was.plain(), after: is.plain() });
        }
        if kind == ChangeKind::Update && columns.is_empty() {
            return Ok(None);
        }
        if kind == ChangeKind::Delete {
            self.rows.check_unreferenced(self.suite, table, row)?;
        }
        Ok(Some(RowChange { table, kind, key: self.rows.key(table, row).to_owned(), columns }))
    }
}
