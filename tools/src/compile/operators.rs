//! Binary operators and equality.

use super::emitter::Emitter;
use super::expr::fault;
use super::runtime::Helper;
use crate::error::Result;
use crate::tree::{BinaryOp, Expr};
use crate::types::Type;
use wasm_encoder::{BlockType, Instruction, ValType};

impl Emitter<'_, '_> {
    /// Emits `left op right`.
    pub fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr) -> Result<()> {
        match op {
            BinaryOp::Equal => self.equal(left, right),
            BinaryOp::NotEqual => {
                self.equal(left, right)?;
                self.ins().i32_eqz();
                Ok(())
            }
            BinaryOp::Less | BinaryOp::LessEqual | BinaryOp::Greater | BinaryOp::GreaterEqual => {
                self.expr(left)?;
                self.expr(right)?;
                self.compare(op, &left.ty)
            }
            _ => self.arithmetic(op, left, right),
        }
    }

    fn arithmetic(&mut self, op: BinaryOp, left: &Expr, right: &Expr) -> Result<()> {
        self.expr(left)?;
        self.expr(right)?;
        match (op, &left.ty, &right.ty) {
            (BinaryOp::Add, Type::Str | Type::Key(_), _) => self.call(Helper::Concat),
            (BinaryOp::Add, Type::List(element), _) => {
                let stride = self.stride(element);
                self.i32(stride);
                self.call(Helper::ListJoin);
            }
            (BinaryOp::Add, Type::Date, Type::Int) => self.call_checked(Helper::DateAdd),
            (BinaryOp::Add, Type::Int, Type::Date) => {
                let date = self.temporary_i32();
                let days = self.temporary(ValType::I64);
                self.set_all(&[days, date]);
                self.get_all(&[date, days]);
                self.call_checked(Helper::DateAdd);
            }
            (BinaryOp::Subtract, Type::Date, Type::Int) => self.call_checked(Helper::DateSubtract),
            (BinaryOp::Subtract, Type::Date, Type::Date) => {
                // Two 32-bit day numbers: their difference fits.
                let right = self.temporary_i32();
                self.set(right);
                self.ins().i64_extend_i32_s().local_get(right).i64_extend_i32_s().i64_sub();
            }
            (_, Type::Float, _) => match op {
                BinaryOp::Add => self.emit(&Instruction::F64Add),
                BinaryOp::Subtract => self.emit(&Instruction::F64Sub),
                BinaryOp::Multiply => self.emit(&Instruction::F64Mul),
                BinaryOp::Divide => self.call_checked(Helper::FloatDivide),
                _ => return Err(fault(&format!("{op:?} on floats"))),
            },
            (_, Type::Int | Type::Money, Type::Int | Type::Money) => {
                let helper = match op {
                    BinaryOp::Add => Helper::Add,
                    BinaryOp::Subtract => Helper::Subtract,
                    BinaryOp::Multiply => Helper::Multiply,
                    BinaryOp::FloorDivide => Helper::FloorDivide,
                    BinaryOp::Modulo => Helper::Modulo,
                    _ => return Err(fault(&format!("{op:?} on integers"))),
                };
                self.call_checked(helper);
            }
            (op, left, right) => return Err(fault(&format!("{op:?} on {left:?} and {right:?}"))),
        }
        Ok(())
    }

    /// An ordering of the two values on the stack.
    pub fn compare(&mut self, op: BinaryOp, ty: &Type) -> Result<()> {
        use Instruction as I;
        let choices = match ty {
            Type::Int | Type::Money => [I::I64LtS, I::I64LeS, I::I64GtS, I::I64GeS],
            Type::Float => [I::F64Lt, I::F64Le, I::F64Gt, I::F64Ge],
            // Enum cases are small, so signed is right for them too.
            Type::Date | Type::Enum(_) | Type::Bool => [I::I32LtS, I::I32LeS, I::I32GtS, I::I32GeS],
            Type::Str | Type::Key(_) => {
                self.call(Helper::TextCompare);
                self.i32(0);
                [I::I32LtS, I::I32LeS, I::I32GtS, I::I32GeS]
            }
            other => return Err(fault(&format!("order of {other:?}"))),
        };
        let choice = match op {
            BinaryOp::Less => 0,
            BinaryOp::LessEqual => 1,
            BinaryOp::Greater => 2,
            _ => 3,
        };
        self.emit(&choices[choice]);
        Ok(())
    }

    fn equal(&mut self, left: &Expr, right: &Expr) -> Result<()> {
        if let Type::Option(_) | Type::Tuple(_) = left.ty {
            let a = self.in_locals(left)?;
            let b = self.in_locals(right)?;
            return self.equal_locals(&left.ty, &a, &b);
        }
        self.expr(left)?;
        self.expr(right)?;
        self.equal_stack(&left.ty)
    }

    /// Equality of two values in locals.
    pub fn equal_locals(&mut self, ty: &Type, a: &[u32], b: &[u32]) -> Result<()> {
        if let Type::Tuple(parts) = ty {
            let mut start = 0;
            self.i32(1);
            for part in parts {
                let end = start + self.m.layouts.flat(part).len();
                self.equal_locals(part, &a[start..end], &b[start..end])?;
                self.ins().i32_and();
                start = end;
            }
            return Ok(());
        }
        let Type::Option(inner) = ty else {
            self.get_all(a);
            self.get_all(b);
            return self.equal_stack(ty);
        };
        // Both absent, or both present and equal.
        self.get_all(&[a[0], b[0]]);
        self.ins().i32_and();
        self.if_(BlockType::Result(ValType::I32));
        self.equal_locals(inner, &a[1..], &b[1..])?;
        self.else_();
        self.get_all(&[a[0], b[0]]);
        self.ins().i32_eq();
        self.end();
        Ok(())
    }

    /// Equality of the two values, not options, on the stack.
    fn equal_stack(&mut self, ty: &Type) -> Result<()> {
        match ty {
            Type::Int | Type::Money => self.emit(&Instruction::I64Eq),
            Type::Float => self.emit(&Instruction::F64Eq),
            Type::Str | Type::Key(_) => self.call(Helper::TextEqual),
            Type::Bool | Type::Date | Type::Enum(_) | Type::Row(_) => self.emit(&Instruction::I32Eq),
            other => return Err(fault(&format!("equality of {other:?}"))),
        }
        Ok(())
    }
}
