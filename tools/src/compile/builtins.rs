//! Predeclared functions on plain values: operands on the stack, then a helper.

use super::data::ERROR_EMPTY;
use super::emitter::Emitter;
use super::expr::fault;
use super::runtime::Helper;
use crate::builtin::Builtin;
use crate::error::Result;
use crate::tree::{Expr, ExprKind, Literal};
use crate::types::Type;
use wasm_encoder::{BlockType, Instruction};

impl Emitter<'_, '_> {
    /// Emits a predeclared function.
    pub fn builtin(&mut self, op: Builtin, operands: &[Expr]) -> Result<()> {
        match (op, operands) {
            (Builtin::Fixed, [value, decimals]) => return self.fixed(value, decimals),
            (Builtin::First, [list]) => return self.first(list),
            _ => operands.iter().try_for_each(|operand| self.expr(operand))?,
        }
        let ty = operands.first().map_or(&Type::Unit, |operand| &operand.ty);
        match op {
            Builtin::LeftStrip => self.call(Helper::LeftStrip),
            Builtin::RightStrip => self.call(Helper::RightStrip),
            Builtin::Title => self.call_with(Helper::Title, 1),
            Builtin::Capitalize => self.call_with(Helper::Title, 0),
            Builtin::Replace => self.call(Helper::Replace),
            Builtin::Split => self.call_checked(Helper::Split),
            Builtin::Words => self.call(Helper::Words),
            Builtin::Join => self.call(Helper::Join),
            Builtin::Find => self.call(Helper::Find),
            Builtin::Count => {
                self.call(Helper::Occurrences);
                self.emit(&Instruction::I64ExtendI32U);
            }
            Builtin::RemovePrefix => self.call_with(Helper::RemoveAffix, 0),
            Builtin::RemoveSuffix => self.call_with(Helper::RemoveAffix, 1),
            Builtin::PadLeft => self.call_with(Helper::Pad, 1),
            Builtin::PadRight => self.call_with(Helper::Pad, 0),
            Builtin::ZeroFill => self.call(Helper::ZeroFill),
            Builtin::IsDigit => self.call_with(Helper::TextClass, 1),
            Builtin::IsAlpha => self.call_with(Helper::TextClass, 2),
            Builtin::IsAlnum => self.call_with(Helper::TextClass, 3),
            Builtin::IsSpace => self.call_with(Helper::TextClass, 4),
            Builtin::IsUpper => self.call_with(Helper::TextClass, 5),
            Builtin::IsLower => self.call_with(Helper::TextClass, 6),
            Builtin::Matches => self.call(Helper::Matches),
            Builtin::Absolute if *ty == Type::Float => self.emit(&Instruction::F64Abs),
            Builtin::Absolute => self.call_checked(Helper::Absolute),
            Builtin::ParseInt => self.call_checked(Helper::ParseInt),
            Builtin::Truncate => self.call_checked(Helper::Truncate),
            Builtin::Round => {
                self.emit(&Instruction::F64Nearest);
                self.call_checked(Helper::Truncate);
            }
            Builtin::MoneyOfFloat => {
                self.ins().f64_const(100.0.into());
                self.call_checked(Helper::Scaled);
            }
            Builtin::RoundToStep => self.call_checked(Helper::RoundToStep),
            Builtin::FloatOfMoney => {
                self.ins().f64_convert_i64_s().f64_const(100.0.into()).f64_div();
            }
            Builtin::Year => self.call_with(Helper::DatePart, 0),
            Builtin::Month => self.call_with(Helper::DatePart, 1),
            Builtin::DayOfMonth => self.call_with(Helper::DatePart, 2),
            Builtin::DaysInMonth => self.call_with(Helper::DatePart, 3),
            Builtin::Weekday => self.call_with(Helper::DatePart, 4),
            Builtin::AddMonths => self.call_checked(Helper::AddMonths),
            Builtin::MakeDate => self.call_checked(Helper::MakeDate),
            Builtin::Range => self.call(Helper::Range),
            Builtin::Reversed => {
                let stride = self.stride_of(ty)?;
                self.call_with(Helper::Reversed, stride);
            }
            Builtin::Flatten => {
                let Type::List(inner) = ty else { return Err(fault("flattening what is no list")) };
                let stride = self.stride_of(inner)?;
                self.call_with(Helper::Flatten, stride);
            }
            Builtin::Fixed | Builtin::First => return Err(fault("a predeclared function with other operands")),
        }
        Ok(())
    }

    /// Calls a helper that takes a constant last.
    fn call_with(&mut self, helper: Helper, constant: u32) {
        self.i32(constant);
        self.call(helper);
    }

    fn stride_of(&self, list: &Type) -> Result<u32> {
        match list {
            Type::List(element) => Ok(self.stride(element)),
            _ => Err(fault("elements of what is no list")),
        }
    }

    fn fixed(&mut self, value: &Expr, decimals: &Expr) -> Result<()> {
        let ExprKind::Literal(Literal::Int(decimals)) = decimals.kind else {
            return Err(fault("decimals that are no literal"));
        };
        self.expr(value)?;
        let scale = 10f64.powi(decimals as i32);
        self.ins().f64_const(scale.into()).i32_const(decimals as i32);
        self.call_checked(Helper::Fixed);
        Ok(())
    }

    fn first(&mut self, list: &Expr) -> Result<()> {
        let Type::List(element) = &list.ty else { return Err(fault("an element of what is no list")) };
        let list = self.in_locals(list)?;
        self.ins().local_get(list[1]).i32_eqz();
        self.if_(BlockType::Empty);
        self.ins().i32_const(ERROR_EMPTY);
        self.call_checked(Helper::Raise);
        self.end();
        self.load(element, list[0], 0);
        Ok(())
    }
}
