//! `record(...)`: fields and their types.

use super::{Checker, Declaration, names};
use crate::suite::RecordType;
use crate::types::{RecordId, Type};

/// Most fields of a record.
const FIELDS_MAX: usize = 48;

impl Checker<'_> {
    pub(super) fn records(&mut self, declared: &[Declaration<'_>]) {
        // Names first, so that records may hold each other.
        for Declaration { file, name, value: expr } in declared {
            self.enter_file(*file);
            let own = match self.call(expr).and_then(|a| a.positional.first().copied()) {
                Some(first) => self.text(first, "the record's name").unwrap_or_else(|_| name.clone()),
                None => name.clone(),
            };
            if !names::is_camel(&own) {
                let hint = "write upper camel case, as in `LoanLine = record(\"LoanLine\", ...)`";
                self.report(expr.span, format!("`{own}` cannot name a record"), hint);
            }
            let span = self.place(expr.span);
            self.suite.records.push(RecordType { name: own, fields: Vec::new(), span });
        }
        for (id, Declaration { file, value: expr, .. }) in declared.iter().enumerate() {
            self.enter_file(*file);
            let Some(mut arguments) = self.call(expr) else { continue };
            arguments.next();
            if let Some(extra) = arguments.positional.first() {
                self.report(extra.span, "the fields of a record are named", "write `title = str`");
            }
            for field in &arguments.named {
                if !names::is_snake(field.name) {
                    let hint = names::snake_fault("field", field.name).map(|f| f.1).unwrap_or_default();
                    self.report(field.span, format!("the field `{}` is not lower_snake", field.name), hint);
                }
                if let Ok(ty) = self.annotation(field.value) {
                    if ty == Type::Unit {
                        self.report(field.value.span, "a field has a value", "write its type");
                    }
                    if ty.is_inner() {
                        let message = format!("a field cannot be {}", self.type_name(&ty));
                        self.report(field.value.span, message, "records can leave a tool: use a list of records");
                    }
                    self.suite.records[id].fields.push((field.name.to_owned(), ty));
                } else {
                    self.broken_records.insert(id);
                }
            }
            let count = self.suite.records[id].fields.len();
            if count == 0 && arguments.named.is_empty() || count > FIELDS_MAX {
                let message = format!("a record has 1 to {FIELDS_MAX} fields, not {count}");
                self.report(expr.span, message, "write `LoanLine = record(\"LoanLine\", title = str)`");
            }
        }
        for (id, Declaration { file, value: expr, .. }) in declared.iter().enumerate() {
            self.enter_file(*file);
            if self.holds(id, id) {
                let message = format!("the record `{}` holds itself", self.suite.records[id].name);
                self.report(expr.span, message, "hold a key instead: `key_of(table)`");
            }
        }
    }

    /// Whether a record holds another, directly or through records, options and lists.
    fn holds(&self, from: RecordId, target: RecordId) -> bool {
        let mut met: Vec<RecordId> = Vec::new();
        let mut todo = vec![from];
        while let Some(id) = todo.pop() {
            for (_, ty) in &self.suite.records[id].fields {
                let Some(inner) = record_in(ty) else { continue };
                if inner == target {
                    return true;
                }
                if !met.contains(&inner) {
                    met.push(inner);
                    todo.push(inner);
                }
            }
        }
        false
    }
}

fn record_in(ty: &Type) -> Option<RecordId> {
    match ty {
        Type::Record(id) => Some(*id),
        Type::Option(inner) | Type::List(inner) => record_in(inner),
        _ => None,
    }
}
