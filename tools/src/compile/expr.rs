//! Expressions: each leaves its value on the stack, one WebAssembly value for each leaf of its type.

use super::data::HEADER;
use super::emitter::Emitter;
use super::layout::Form;
use super::lists::Reduction;
use super::runtime::Helper;
use super::tables::TableOperation;
use crate::error::{Error, Result};
use crate::tree::{Expr, ExprKind, Literal, StrMap};
use crate::types::{LocalId, TableId, Type};
use wasm_encoder::{BlockType, MemArg, ValType};

impl Emitter<'_, '_> {
    /// Emits an expression.
    pub fn expr(&mut self, expr: &Expr) -> Result<()> {
        self.nested(|e| e.expr_kind(expr))
    }

    fn expr_kind(&mut self, expr: &Expr) -> Result<()> {
        match &expr.kind {
            ExprKind::Literal(literal) => self.literal(&expr.ty, literal),
            ExprKind::Local(local) => {
                let locals = self.variables[*local].clone();
                self.get_all(&locals);
                self.share(*local);
                Ok(())
            }
            ExprKind::Parameter(parameter) => {
                let literal = self.m.surface.parameters[*parameter].clone();
                self.literal(&expr.ty, &literal)
            }
            ExprKind::Today => {
                let at = MemArg { offset: u64::from(HEADER + 32), align: 2, memory_index: 0 };
                self.ins().i32_const(0).i32_load(at);
                Ok(())
            }
            ExprKind::Column { row, table, column } => {
                let address = self.live_row(row, *table)?;
                let offset = self.m.layouts.row(*table).0[*column];
                self.load(&expr.ty, address, offset);
                Ok(())
            }
            ExprKind::Field { record, field } => {
                let Type::Record(id) = record.ty else { return Err(fault("a field of what is no record")) };
                let address = self.address(record)?;
                let offset = self.m.layouts.record(id, Form::Inner).0[*field];
                self.load(&expr.ty, address, offset);
                Ok(())
            }
            ExprKind::Record { record, fields } => self.record(*record, fields),
            ExprKind::RowKey(row) => {
                let Type::Row(table) = row.ty else { return Err(fault("the key of what is no row")) };
                let address = self.live_row(row, table)?;
                self.load(&Type::Key(table), address, 0);
                Ok(())
            }
            ExprKind::Some(inner) => {
                self.i32(1);
                self.expr(inner)
            }
            ExprKind::Unwrap(option) => {
                let locals = self.in_locals(option)?;
                self.get_all(&locals[1..]);
                Ok(())
            }
            ExprKind::IsNone(option) => {
                let locals = self.in_locals(option)?;
                self.get(locals[0]);
                self.ins().i32_eqz();
                Ok(())
            }
            ExprKind::List(items) => self.list(&expr.ty, items),
            ExprKind::Comprehension { local, iterable, condition, value } => {
                self.comprehension(*local, iterable, condition.as_deref(), value)
            }
            ExprKind::Call { function, arguments } => {
                for argument in arguments {
                    self.expr(argument)?;
                }
                let index = self.m.suite_function(*function);
                self.ins().call(index);
                self.check();
                Ok(())
            }
            ExprKind::Get { table, key } => {
                self.i32(*table as u32);
                self.expr(key)?;
                self.call_checked(Helper::GetRow);
                Ok(())
            }
            ExprKind::Find { table, key } => {
                self.i32(*table as u32);
                self.expr(key)?;
                self.call(Helper::FindRow);
                let row = self.temporary_i32();
                self.ins().local_tee(row).i32_const(0).i32_ne().local_get(row);
                Ok(())
            }
            ExprKind::Insert { table, values } => {
                for value in values {
                    self.expr(value)?;
                }
                let insert = self.m.table_operation(TableOperation::Insert(*table));
                self.ins().call(insert);
                self.check();
                Ok(())
            }
            ExprKind::Negate(value) if value.ty == Type::Float => {
                self.expr(value)?;
                self.ins().f64_neg();
                Ok(())
            }
            ExprKind::Negate(value) => {
                self.ins().i64_const(0);
                self.expr(value)?;
                self.call_checked(Helper::Subtract);
                Ok(())
            }
            ExprKind::Not(value) => {
                self.expr(value)?;
                self.ins().i32_eqz();
                Ok(())
            }
            ExprKind::Binary { op, left, right } => self.binary(*op, left, right),
            ExprKind::And(left, right) => {
                self.expr(left)?;
                self.if_(BlockType::Result(ValType::I32));
                self.expr(right)?;
                self.else_();
                self.i32(0);
                self.end();
                Ok(())
            }
            ExprKind::Or(left, right) => {
                self.expr(left)?;
                self.if_(BlockType::Result(ValType::I32));
                self.i32(1);
                self.else_();
                self.expr(right)?;
                self.end();
                Ok(())
            }
            ExprKind::Conditional { condition, then, otherwise } => {
                self.expr(condition)?;
                let flat = self.m.layouts.flat(&expr.ty);
                let ty = self.m.block_type(&flat);
                self.if_(ty);
                self.expr(then)?;
                self.else_();
                self.expr(otherwise)?;
                self.end();
                Ok(())
            }
            ExprKind::Len(of) => {
                self.peek(of)?;
                if of.ty == Type::Str || matches!(of.ty, Type::Key(_)) {
                    self.call(Helper::Characters);
                } else {
                    let length = self.temporary_i32();
                    self.ins().local_set(length).drop().local_get(length);
                }
                self.ins().i64_extend_i32_u();
                Ok(())
            }
            ExprKind::Sum(list) => self.reduce(list, Reduction::Sum),
            ExprKind::Extreme { list, max } => self.reduce(list, Reduction::Extreme { max: *max }),
            ExprKind::AnyAll { list, all } => self.reduce(list, Reduction::AnyAll { all: *all }),
            ExprKind::Sorted { list, local, key, reverse } => self.sorted(list, *local, key, *reverse),
            ExprKind::Index { list, index } => self.index(list, index),
            ExprKind::Slice { list, start, stop } => self.slice(list, start.as_deref(), stop.as_deref()),
            ExprKind::InList { item, list } => self.in_list(item, list),
            ExprKind::InStr { part, text } => {
                // What nearly every search does to every row, without a copy of either text.
                if let (
                    ExprKind::StrMap { op: StrMap::Lower, text: part },
                    ExprKind::StrMap { op: StrMap::Lower, text },
                ) = (&part.kind, &text.kind)
                {
                    self.expr(part)?;
                    self.expr(text)?;
                    self.call(Helper::ContainsFolded);
                    return Ok(());
                }
                self.expr(part)?;
                self.expr(text)?;
                self.call(Helper::Contains);
                Ok(())
            }
            ExprKind::StrMap { op, text } => {
                self.expr(text)?;
                match op {
                    StrMap::Lower => self.i32(u32::from(b'A')),
                    StrMap::Upper => self.i32(u32::from(b'a')),
                    StrMap::Strip => {}
                }
                self.call(if *op == StrMap::Strip { Helper::Strip } else { Helper::Fold });
                Ok(())
            }
            ExprKind::StrTest { end, text, part } => {
                self.expr(text)?;
                self.expr(part)?;
                self.i32(u32::from(*end));
                self.call(Helper::TextTest);
                Ok(())
            }
            ExprKind::Format(pieces) => self.format(pieces),
            ExprKind::IntToFloat(value) => {
                self.expr(value)?;
                self.ins().f64_convert_i64_s();
                Ok(())
            }
            ExprKind::Percent { value, percent } => {
                self.expr(value)?;
                self.expr(percent)?;
                self.call_checked(Helper::Percent);
                Ok(())
            }
            ExprKind::Tuple(parts) => parts.iter().try_for_each(|part| self.expr(part)),
            ExprKind::Part { tuple, index } => self.part(tuple, *index),
            ExprKind::Enumerate { list, start } => self.enumerate(&expr.ty, list, *start),
            ExprKind::Zip(lists) => self.zip(&expr.ty, lists),
            ExprKind::DictOf(pairs) => self.dict_of(&expr.ty, pairs),
            ExprKind::Items(dict) => self.expr(dict),
            ExprKind::Lookup { dict, key, otherwise } => self.lookup(dict, key, otherwise),
            ExprKind::InDict { key, dict } => self.in_dict(key, dict),
            ExprKind::Builtin { op, operands } => self.builtin(*op, operands),
        }
    }

    /// A literal as a value of a type.
    pub fn literal(&mut self, ty: &Type, literal: &Literal) -> Result<()> {
        match literal {
            Literal::None => {
                for ty in self.m.layouts.flat(ty) {
                    self.zero(ty);
                }
            }
            literal if matches!(ty, Type::Option(_)) => {
                let Type::Option(inner) = ty else { return Err(fault("an option that is none")) };
                self.i32(1);
                self.literal(inner, literal)?;
            }
            Literal::Bool(v) => self.i32(u32::from(*v)),
            Literal::Int(v) | Literal::Money(v) => {
                self.ins().i64_const(*v);
            }
            Literal::Float(v) => {
                self.ins().f64_const((*v).into());
            }
            Literal::Str(v) => self.text(v)?,
            Literal::Date(v) => self.i32(*v as u32),
            Literal::Enum(_, case) => self.i32(*case),
        }
        Ok(())
    }

    /// A list or dict that is only looked into before its variable can change.
    pub fn peek(&mut self, expr: &Expr) -> Result<()> {
        match &expr.kind {
            ExprKind::Local(local) => {
                let locals = self.variables[*local].clone();
                self.get_all(&locals);
                Ok(())
            }
            ExprKind::Items(dict) => self.peek(dict),
            _ => self.expr(expr),
        }
    }

    /// Notes that a variable's memory is no longer its own alone.
    pub fn share(&mut self, local: LocalId) {
        if let (Some(true), Some(Some(capacity))) = (self.in_place.get(local), self.capacities.get(local).copied()) {
            self.ins().i32_const(0).local_set(capacity);
        }
    }

    /// The value in locals, to be used before any variable changes: a variable's own, or temporaries.
    pub fn in_locals(&mut self, expr: &Expr) -> Result<Vec<u32>> {
        if let ExprKind::Local(local) = expr.kind {
            return Ok(self.variables[local].clone());
        }
        if let ExprKind::Unwrap(option) = &expr.kind
            && let ExprKind::Local(local) = option.kind
        {
            return Ok(self.variables[local][1..].to_vec());
        }
        if let ExprKind::Part { tuple, index } = &expr.kind {
            return self.part_locals(tuple, *index);
        }
        self.expr(expr)?;
        Ok(self.keep(&expr.ty))
    }

    /// The address of a row or record in a local.
    fn address(&mut self, expr: &Expr) -> Result<u32> {
        match self.in_locals(expr)?[..] {
            [address] => Ok(address),
            _ => Err(fault("an address that is not one value")),
        }
    }

    /// The address of a row in a local; fails with `deleted_row` where that can be.
    pub fn live_row(&mut self, row: &Expr, table: TableId) -> Result<u32> {
        let address = self.address(row)?;
        if self.may_be_deleted[table] {
            self.get(address);
            self.call_checked(Helper::Alive);
        }
        Ok(address)
    }

    fn record(&mut self, record: usize, fields: &[Expr]) -> Result<()> {
        let (offsets, extent) = self.m.layouts.record(record, Form::Inner);
        self.alloc(extent.size, extent.align);
        let address = self.temporary_i32();
        self.set(address);
        for (field, offset) in fields.iter().zip(offsets) {
            self.expr(field)?;
            self.store_stack(&field.ty, address, offset)?;
        }
        self.get(address);
        Ok(())
    }

    /// Concatenates pieces as text.
    fn format(&mut self, pieces: &[Expr]) -> Result<()> {
        let mut parts = Vec::new();
        for piece in pieces {
            self.expr(piece)?;
            self.piece_text(&piece.ty)?;
            parts.push((self.temporary_i32(), self.temporary_i32()));
            let (address, length) = parts[parts.len() - 1];
            self.set_all(&[address, length]);
        }
        match parts[..] {
            [] => return self.text(""),
            [(address, length)] => {
                self.get_all(&[address, length]);
                return Ok(());
            }
            _ => {}
        }
        let (total, to, at) = (self.temporary_i32(), self.temporary_i32(), self.temporary_i32());
        self.i32(0);
        for (_, length) in &parts {
            self.ins().local_get(*length).i32_add();
        }
        self.ins().local_tee(total).i32_const(1);
        self.call(Helper::Alloc);
        self.ins().local_tee(to).local_set(at);
        for (address, length) in parts {
            self.get_all(&[at, address, length]);
            self.ins().memory_copy(0, 0).local_get(at).local_get(length).i32_add().local_set(at);
        }
        self.get_all(&[to, total]);
        Ok(())
    }

    /// Turns the value on the stack into text.
    fn piece_text(&mut self, ty: &Type) -> Result<()> {
        match ty {
            Type::Str | Type::Key(_) => {}
            Type::Int => self.call(Helper::IntText),
            Type::Money => self.call(Helper::MoneyText),
            Type::Date => self.call(Helper::DateText),
            Type::Bool => {
                let ty = self.m.block_type(&[ValType::I32, ValType::I32]);
                self.if_(ty);
                self.text("True")?;
                self.else_();
                self.text("False")?;
                self.end();
            }
            Type::Enum(id) => {
                let names = self.m.image.enum_texts(self.m.suite, *id)?;
                let at = self.temporary_i32();
                self.ins().i32_const(3).i32_shl().i32_const(names as i32).i32_add().local_set(at);
                self.load(&Type::Str, at, 0);
            }
            other => return Err(fault(&format!("text of {other:?}"))),
        }
        Ok(())
    }
}

/// A tree that the checker would not have made.
pub(crate) fn fault(message: &str) -> Error {
    Error::Compiler { stage: "code", message: message.to_owned() }
}
