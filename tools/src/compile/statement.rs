//! Statements.

use super::emitter::Emitter;
use super::expr::fault;
use super::lists::Growing;
use super::reach::Node;
use super::tables::TableOperation;
use crate::error::Result;
use crate::tree::{Expr, ExprKind, Iterable, Statement};
use crate::types::{LocalId, Type};
use wasm_encoder::BlockType;

impl Emitter<'_, '_> {
    /// Emits statements in order.
    pub fn body(&mut self, body: &[Statement]) -> Result<()> {
        body.iter().try_for_each(|statement| self.nested(|e| e.statement(statement)))
    }

    fn statement(&mut self, statement: &Statement) -> Result<()> {
        match statement {
            Statement::Assign { local, value } => {
                self.expr(value)?;
                self.set_variable(*local);
            }
            Statement::SetColumn { row, table, column, value } => {
                self.expr(value)?;
                self.expr(row)?;
                let set = self.m.table_operation(TableOperation::Set(*table, *column));
                self.ins().call(set);
                self.check();
            }
            Statement::If { arms, otherwise } => {
                for (condition, body) in arms {
                    self.expr(condition)?;
                    self.if_(BlockType::Empty);
                    self.body(body)?;
                    self.else_();
                }
                self.body(otherwise)?;
                for _ in arms {
                    self.end();
                }
            }
            Statement::For { local, iterable, body } => {
                if let Iterable::List(list) | Iterable::Unpack { list, .. } = iterable {
                    self.share_looped(list);
                }
                self.iterate(*local, iterable, &[Node::Body(body)], |e| e.body(body))?;
            }
            Statement::Break => {
                let labels = *self.loops.last().ok_or_else(|| fault("`break` outside a loop"))?;
                self.br(labels.leave);
            }
            Statement::Continue => {
                let labels = *self.loops.last().ok_or_else(|| fault("`continue` outside a loop"))?;
                self.br(labels.next);
            }
            Statement::Return(value) => {
                if let Some(value) = value {
                    self.expr(value)?;
                }
                self.ins().i32_const(0).return_();
            }
            Statement::Append { list, value } => {
                self.expr(value)?;
                let (variable, capacity) = (&self.variables[*list], self.capacities[*list]);
                let (&[address, length], Some(capacity)) = (variable.as_slice(), capacity) else {
                    return Err(fault("append to what is no list"));
                };
                self.append(Growing { address, length, capacity }, &value.ty)?;
            }
            Statement::SetElement { list, index, value } => self.set_element(*list, index, value)?,
            Statement::SetEntry { dict, key, value } => self.set_dict_entry(*dict, key, value)?,
            Statement::Delete { table, row } => {
                self.expr(row)?;
                let delete = self.m.table_operation(TableOperation::Delete(*table));
                self.ins().call(delete);
                self.check();
            }
            Statement::Require { condition, code, message } => {
                self.expr(condition)?;
                self.ins().i32_eqz();
                self.if_(BlockType::Empty);
                self.fail_with_message(code, message)?;
                self.end();
            }
            Statement::Fail { code, message } => self.fail_with_message(code, message)?,
            Statement::Expr(value) => {
                self.expr(value)?;
                for _ in self.m.layouts.flat(&value.ty) {
                    self.ins().drop();
                }
            }
        }
        Ok(())
    }

    fn fail_with_message(&mut self, code: &str, message: &Expr) -> Result<()> {
        if !matches!(message.ty, Type::Str | Type::Key(_)) {
            return Err(fault("an error message that is no text"));
        }
        self.text(code)?;
        self.expr(message)?;
        self.call(super::runtime::Helper::Fail);
        self.fail();
        Ok(())
    }

    /// A loop runs over what a variable held when it started.
    fn share_looped(&mut self, list: &Expr) {
        match &list.kind {
            ExprKind::Local(local) => self.share(*local),
            ExprKind::Items(inner) | ExprKind::Enumerate { list: inner, .. } => self.share_looped(inner),
            _ => {}
        }
    }

    /// Takes a value from the stack into a variable, which from then on shares its memory with others.
    pub fn set_variable(&mut self, local: LocalId) {
        let locals = self.variables[local].clone();
        self.set_all(&locals);
        if let Some(Some(capacity)) = self.capacities.get(local).copied() {
            self.ins().i32_const(0).local_set(capacity);
        }
    }
}
