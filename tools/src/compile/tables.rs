//! The functions that write: one for each table inserted into or deleted from and each column assigned, emitted on demand.
//!
//! Checks come in column order, for each column first its reference (`not_found` unless the key exists), then its
//! uniqueness (`duplicate`; `None` is never one). A row that others refer to cannot be deleted (`still_referenced`).

use super::data::DIRECTORY;
use super::emitter::Emitter;
use super::layout::Form;
use super::module::Module;
use super::runtime::Helper;
use crate::error::Result;
use crate::types::{TableId, Type};
use wasm_encoder::{BlockType, MemArg, ValType};

/// A write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableOperation {
    /// Values of columns 1.. -> row, status.
    Insert(TableId),
    /// Value, row -> status.
    Set(TableId, usize),
    /// Row -> status.
    Delete(TableId),
}

/// Parameters and results of an operation.
pub(crate) fn signature(m: &Module, operation: TableOperation) -> (Vec<ValType>, Vec<ValType>) {
    let columns = |table: TableId| &m.suite.tables[table].columns;
    match operation {
        TableOperation::Insert(table) => {
            let parameters = columns(table)[1..].iter().flat_map(|c| m.layouts.flat(&c.ty)).collect();
            (parameters, vec![ValType::I32, ValType::I32])
        }
        TableOperation::Set(table, column) => {
            let mut parameters = m.layouts.flat(&columns(table)[column].ty);
            parameters.push(ValType::I32);
            (parameters, vec![ValType::I32])
        }
        TableOperation::Delete(_) => (vec![ValType::I32], vec![ValType::I32]),
    }
}

/// The body of an operation.
pub(crate) fn emit(m: &mut Module, operation: TableOperation) -> Result<Vec<u8>> {
    let (parameters, _) = signature(m, operation);
    let mut e = Emitter::new(m, &parameters);
    match operation {
        TableOperation::Insert(table) => e.insert(table),
        TableOperation::Set(table, column) => e.set_column(table, column, parameters.len() as u32 - 1),
        TableOperation::Delete(table) => e.delete(table),
    }?;
    e.finish(if matches!(operation, TableOperation::Insert(_)) { &[ValType::I32] } else { &[] })
}

impl Emitter<'_, '_> {
    fn insert(&mut self, table: TableId) -> Result<()> {
        let suite = self.m.suite;
        let columns = &suite.tables[table].columns;
        let (offsets, extent) = self.m.layouts.row(table);
        let mut next = 0;
        let mut values = Vec::new();
        for column in &columns[1..] {
            let count = self.m.layouts.flat(&column.ty).len() as u32;
            values.push((next..next + count).collect::<Vec<_>>());
            next += count;
        }
        for (i, value) in values.iter().enumerate() {
            self.nested(|e| e.check_value(table, i + 1, value, None))?;
        }
        let row = self.temporary_i32();
        self.i32(table as u32);
        self.i32(extent.size);
        self.call(Helper::RowNew);
        self.set(row);
        self.i32(table as u32);
        self.call(Helper::MakeKey);
        self.store_stack(&Type::Str, row, 0)?;
        for ((value, column), offset) in values.iter().zip(&columns[1..]).zip(&offsets[1..]) {
            self.store(&column.ty, value, row, *offset);
        }
        self.i32(table as u32);
        self.get(row);
        self.call(Helper::RowLink);
        self.ins().local_get(row).i32_const(0).return_();
        Ok(())
    }

    fn set_column(&mut self, table: TableId, column: usize, row: u32) -> Result<()> {
        let suite = self.m.suite;
        self.get(row);
        self.call_checked(Helper::Alive);
        let value: Vec<_> = (0..row).collect();
        self.nested(|e| e.check_value(table, column, &value, Some(row)))?;
        self.get(row);
        self.i32(table as u32);
        self.i32(column as u32);
        self.call(Helper::NoteColumn);
        let offset = self.m.layouts.row(table).0[column];
        self.store(&suite.tables[table].columns[column].ty, &value, row, offset);
        self.ins().i32_const(0).return_();
        Ok(())
    }

    fn delete(&mut self, table: TableId) -> Result<()> {
        let suite = self.m.suite;
        self.get(0);
        self.call_checked(Helper::Alive);
        for (other, referring) in suite.tables.iter().enumerate() {
            let offsets = self.m.layouts.row(other).0;
            for (column, offset) in referring.columns.iter().zip(offsets).skip(1) {
                let Some(optional) = reference_to(&column.ty, table) else { continue };
                self.i32(other as u32);
                self.i32(offset);
                self.i32(u32::from(optional));
                self.load(&Type::Key(table), 0, 0);
                // A row that refers to itself does not stand in its own way.
                if other == table {
                    self.get(0);
                } else {
                    self.i32(0);
                }
                self.call(Helper::ColumnHolds);
                self.if_(BlockType::Empty);
                let (label, by) = (&suite.tables[table].label, &referring.label);
                self.fail_with("still_referenced", &format!("a {by} still refers to this {label}"))?;
                self.end();
            }
        }
        self.i32(table as u32);
        self.get(0);
        self.call(Helper::RowDelete);
        self.ins().i32_const(0).return_();
        Ok(())
    }

    /// Fails unless a value may stand in a column; `row` is the row that gets it, unless that is new.
    fn check_value(&mut self, table: TableId, column: usize, value: &[u32], row: Option<u32>) -> Result<()> {
        let definition = &self.m.suite.tables[table].columns[column];
        let target = match &definition.ty {
            Type::Key(target) => Some(*target),
            Type::Option(inner) => {
                if let Type::Key(target) = **inner {
                    Some(target)
                } else {
                    None
                }
            }
            _ => None,
        };
        let optional = matches!(definition.ty, Type::Option(_));
        let present = if optional { &value[1..] } else { value };
        if target.is_none() && !definition.unique {
            return Ok(());
        }
        if optional {
            self.get(value[0]);
            self.if_(BlockType::Empty);
        }
        if let Some(target) = target {
            self.i32(target as u32);
            self.get_all(present);
            self.call(Helper::GetRow);
            let status = self.temporary_i32();
            self.ins().local_set(status).drop().local_get(status);
            self.check();
        }
        if definition.unique {
            let offset = self.m.layouts.row(table).0[column];
            self.find_equal(table, &definition.ty, offset, value, row)?;
            self.if_(BlockType::Empty);
            let message = format!("another {} has this {}", self.m.suite.tables[table].label, definition.label);
            self.fail_with("duplicate", &message)?;
            self.end();
        }
        if optional {
            self.end();
        }
        Ok(())
    }

    /// Leaves whether a row other than `except` has a value, not `None`, in a column.
    fn find_equal(&mut self, table: TableId, ty: &Type, offset: u32, value: &[u32], except: Option<u32>) -> Result<()> {
        let optional = matches!(ty, Type::Option(_));
        let inner = if let Type::Option(inner) = ty { inner } else { ty };
        if matches!(inner, Type::Str | Type::Key(_)) {
            self.i32(table as u32);
            self.i32(offset);
            self.i32(u32::from(optional));
            self.get_all(if optional { &value[1..] } else { value });
            match except {
                Some(row) => self.get(row),
                None => self.i32(0),
            }
            self.call(Helper::ColumnHolds);
            return Ok(());
        }
        let word = |offset| {
            let entry = u64::from(DIRECTORY + 32 * table as u32);
            MemArg { offset: entry + offset, align: 2, memory_index: 0 }
        };
        let [slot, end, row, found] = [(); 4].map(|()| self.temporary_i32());
        self.ins().i32_const(0).local_set(found).i32_const(0).i32_load(word(0)).local_tee(slot);
        self.ins().i32_const(0).i32_load(word(4)).i32_const(2).i32_shl().i32_add().local_set(end);
        let leave = self.block(BlockType::Empty);
        let again = self.loop_();
        self.get_all(&[slot, end]);
        self.ins().i32_ge_u();
        self.br_if(leave);
        self.load(&Type::Row(table), slot, 0);
        self.set(row);
        self.ins().local_get(slot).i32_const(4).i32_add().local_set(slot);
        self.get(row);
        match except {
            Some(except) => self.get(except),
            None => self.i32(0),
        }
        self.ins().i32_eq();
        self.br_if(again);
        self.load(ty, row, offset);
        let candidate = self.keep(ty);
        self.equal_locals(ty, &candidate, value)?;
        self.ins().i32_eqz();
        self.br_if(again);
        self.ins().i32_const(1).local_set(found);
        self.end();
        self.end();
        self.get(found);
        Ok(())
    }
}

/// Whether a column refers to a table, and if so whether it may be `None`.
fn reference_to(ty: &Type, table: TableId) -> Option<bool> {
    match ty {
        Type::Key(target) => (*target == table).then_some(false),
        Type::Option(inner) => (**inner == Type::Key(table)).then_some(true),
        _ => None,
    }
}

/// Size of the record that a table's rows have at the border.
pub(crate) fn row_bytes(m: &Module, table: TableId) -> u32 {
    m.layouts.extent(&Type::Row(table), Form::Canonical).size
}
