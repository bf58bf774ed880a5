//! What read tools declare to find.

use super::rows::RowId;
use super::values::EvalValue;
use super::{Evaluator, ToolError, operators};
use crate::suite::{Finds, Relation};
use crate::value::Value;

impl Evaluator<'_> {
    /// The rows that match, in insertion order, all pages together. An argument `None` matches everything; a row whose
    /// column is `None` matches no given argument.
    ///
    /// # Errors
    /// Only faults: arguments that are not of the parameters' types.
    pub fn finds(&self, finds: &Finds, arguments: &[Value]) -> Result<Vec<RowId>, ToolError> {
        let arguments: Vec<EvalValue> = arguments.iter().map(EvalValue::from).collect();
        let mut found = Vec::new();
        for row in self.rows.live(finds.table) {
            if self.row_matches(finds, &arguments, row)? {
                found.push(row);
            }
        }
        Ok(found)
    }

    fn row_matches(&self, finds: &Finds, arguments: &[EvalValue], row: RowId) -> Result<bool, ToolError> {
        let values = self.rows.values(finds.table, row);
        for (parameter, column, relation) in &finds.matches {
            let wanted = arguments.get(*parameter).ok_or_else(|| ToolError::fault("an argument is missing"))?;
            let has = &values[*column];
            if *wanted == EvalValue::None {
                continue;
            }
            if *has == EvalValue::None || !related(has, *relation, wanted)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// `has RELATION wanted`.
fn related(has: &EvalValue, relation: Relation, wanted: &EvalValue) -> Result<bool, ToolError> {
    let order = || Ok(operators::order(has, wanted)?.ok_or(()));
    Ok(match relation {
        Relation::Equal => has == wanted,
        Relation::Contains => has.str()?.to_ascii_lowercase().contains(&wanted.str()?.to_ascii_lowercase()),
        Relation::Less => order()?.is_ok_and(std::cmp::Ordering::is_lt),
        Relation::AtMost => order()?.is_ok_and(std::cmp::Ordering::is_le),
        Relation::Greater => order()?.is_ok_and(std::cmp::Ordering::is_gt),
        Relation::AtLeast => order()?.is_ok_and(std::cmp::Ordering::is_ge),
    })
}
