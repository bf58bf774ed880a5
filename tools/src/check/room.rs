//! What can be checked of columns once all tables are known: e-mail addresses, uniqueness, derived values.

use super::{Checker, names};
use crate::suite::Source;
use crate::syntax::Reported;
use crate::types::TableId;

impl Checker<'_> {
    /// What can only be checked when all columns of a table are known.
    pub(super) fn column_sources(&mut self, table: TableId) {
        let rows = u64::from(self.suite.tables[table].rows.1);
        let mut faults: Vec<(crate::types::Span, String, String)> = Vec::new();
        for column in &self.suite.tables[table].columns {
            let inner = if let Source::Maybe { inner, .. } = &column.source { inner } else { &column.source };
            if let Source::Email { of } = inner {
                let columns = &self.suite.tables[table].columns;
                let fits = columns
                    .iter()
                    .any(|c| c.name == *of && matches!(c.source, Source::PersonName | Source::CompanyName));
                if !fits {
                    let people =
                        columns.iter().filter(|c| matches!(c.source, Source::PersonName | Source::CompanyName));
                    let hint = names::did_you_mean(of, people.map(|c| c.name.as_str()));
                    let message = format!("`of` names a person or company name of the same table, and `{of}` is none");
                    faults.push((column.span, message, hint));
                }
            }
            let room = match inner {
                _ if !column.unique => u64::MAX,
                Source::Phrase { parts } => parts.iter().fold(1, |room: u64, p| room.saturating_mul(p.len() as u64)),
                Source::Choice { values } => values.len() as u64,
                Source::Integer { low, high, step } | Source::Money { low, high, step } => {
                    (high.abs_diff(*low) / (*step).unsigned_abs()).saturating_add(1)
                }
                Source::Date { from_days, to_days } => u64::from(to_days.abs_diff(*from_days)) + 1,
                Source::Reference { table } => u64::from(self.suite.tables[*table].rows.0),
                _ => u64::MAX,
            };
            if room < rows {
                let message = format!(
                    "`{}` is unique, and its source makes only {room} values for up to {rows} rows",
                    column.name
                );
                faults.push((column.span, message, "offer more values, or fewer rows".into()));
            }
        }
        for (span, message, hint) in faults {
            self.diagnostics.report(span, message, hint);
        }
    }

    /// Check the expressions of derived columns, in file order.
    pub(super) fn derived_columns(&mut self, derived: &[super::tables::DerivedColumn<'_>]) {
        for (table, column, lambda) in derived {
            self.enter_file(self.suite.tables[*table].span.file as usize);
            match self.derived(*table, lambda) {
                Ok((locals, value)) => {
                    self.pending.remove(&(*table, *column));
                    let column = &mut self.suite.tables[*table].columns[*column];
                    column.ty = value.ty.clone();
                    column.source = Source::Derived { locals, value: Box::new(value) };
                }
                Err(Reported) => {
                    self.pending.remove(&(*table, *column));
                    self.broken.insert((*table, *column));
                }
            }
        }
    }
}
