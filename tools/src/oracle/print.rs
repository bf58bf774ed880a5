//! Prints the typed tree as Starlark for the reference interpreter.
//!
//! Values: int, money, date, enum and row are Starlark integers (cents, days, case index, position in the table); a record
//! is a tuple; an option is its value or `None`. Lists are values, so `xs.append(e)` becomes `xs = xs + [e]`.

use crate::suite::Suite;
use crate::surface::Surface;
use crate::tree::{BinaryOp, Expr, ExprKind, Function, Iterable, Literal, Otherwise, Statement, StrMap};
use crate::types::Type;
use std::fmt::Write;

/// All functions of a suite; function `i` is `f<i>`.
pub(super) fn program(suite: &Suite, surface: &Surface) -> String {
    let mut out = String::from(include_str!("prelude.star"));
    for (id, e) in suite.enums.iter().enumerate() {
        let cases: Vec<_> = e.cases.iter().map(|case| text(case)).collect();
        line(&mut out, 0, &format!("ENUM_{id} = [{}]", cases.join(", ")));
    }
    for (id, function) in suite.functions.iter().enumerate() {
        let printer = Printer { surface };
        printer.function(id, function, &mut out);
    }
    out
}

fn line(out: &mut String, indent: usize, text: &str) {
    writeln!(out, "{:1$}{text}", "", 4 * indent).expect("writing to a string does not fail");
}

struct Printer<'a> {
    surface: &'a Surface,
}

impl Printer<'_> {
    fn function(&self, id: usize, function: &Function, out: &mut String) {
        let parameters: Vec<_> = (0..function.parameters.len()).map(|i| format!("v{i}")).collect();
        line(out, 0, &format!("def f{id}({}):", parameters.join(", ")));
        self.body(&function.body, 1, out);
    }

    fn body(&self, body: &[Statement], indent: usize, out: &mut String) {
        if body.is_empty() {
            line(out, indent, "pass");
        }
        for statement in body {
            self.statement(statement, indent, out);
        }
    }

    fn statement(&self, statement: &Statement, indent: usize, out: &mut String) {
        let mut put = |text: String| line(out, indent, &text);
        match statement {
            Statement::Assign { local, value } => put(format!("v{local} = {}", self.expr(value))),
            Statement::SetColumn { row, table, column, value } => {
                put(format!("host_set({}, {}, {table}, {column})", self.expr(value), self.expr(row)));
            }
            Statement::If { arms, otherwise } => {
                for (i, (condition, body)) in arms.iter().enumerate() {
                    let word = if i == 0 { "if" } else { "elif" };
                    line(out, indent, &format!("{word} {}:", self.expr(condition)));
                    self.body(body, indent + 1, out);
                }
                if !otherwise.is_empty() {
                    line(out, indent, "else:");
                    self.body(otherwise, indent + 1, out);
                }
            }
            Statement::For { local, iterable, body } => {
                put(format!("for {} in {}:", target(*local, iterable), self.iterable(iterable)));
                if let Iterable::Table(table) = iterable {
                    line(out, indent + 1, &format!("if not host_live({table}, v{local}):"));
                    line(out, indent + 2, "continue");
                }
                self.body(body, indent + 1, out);
            }
            Statement::Break => put("break".into()),
            Statement::Continue => put("continue".into()),
            Statement::Return(None) => put("return None".into()),
            Statement::Return(Some(value)) => put(format!("return {}", self.expr(value))),
            Statement::Append { list, value } => put(format!("v{list} = v{list} + [{}]", self.expr(value))),
            Statement::SetElement { list, index, value } => {
                put(format!("v{list} = std_put({}, {}, v{list})", self.expr(value), self.expr(index)));
            }
            Statement::SetEntry { dict, key, value } => {
                put(format!("v{dict} = std_with({}, {}, v{dict})", self.expr(value), self.expr(key)));
            }
            Statement::Delete { table, row } => put(format!("host_delete({table}, {})", self.expr(row))),
            Statement::Require { condition, code, message } => {
                put(format!("if not {}:", self.expr(condition)));
                line(out, indent + 1, &format!("host_fail({}, {})", text(code), self.expr(message)));
            }
            Statement::Fail { code, message } => put(format!("host_fail({}, {})", text(code), self.expr(message))),
            Statement::Expr(value) => put(self.expr(value)),
        }
    }

    fn iterable(&self, iterable: &Iterable) -> String {
        match iterable {
            Iterable::Table(table) => format!("host_rows({table})"),
            Iterable::List(list) | Iterable::Unpack { list, .. } => self.expr(list),
            Iterable::Range { start, stop } => format!("std_range({}, {})", self.expr(start), self.expr(stop)),
        }
    }

    fn all(&self, exprs: &[Expr]) -> String {
        exprs.iter().map(|e| self.expr(e)).collect::<Vec<_>>().join(", ")
    }

    fn expr(&self, e: &Expr) -> String {
        let p = |e: &Expr| self.expr(e);
        match &e.kind {
            ExprKind::Literal(value) => literal(value),
            ExprKind::Local(local) => format!("v{local}"),
            ExprKind::Parameter(parameter) => literal(&self.surface.parameters[*parameter]),
            ExprKind::Today => "host_today()".into(),
            ExprKind::Column { row, table, column } => format!("host_column({}, {table}, {column})", p(row)),
            ExprKind::Field { record, field } => format!("{}[{field}]", p(record)),
            ExprKind::Record { fields, .. } => format!("({},)", self.all(fields)),
            ExprKind::RowKey(row) => {
                let Type::Row(table) = row.ty else { return "host_fail(\"fault\", \"key of no row\")".into() };
                format!("host_column({}, {table}, 0)", p(row))
            }
            ExprKind::Some(inner) | ExprKind::Unwrap(inner) => p(inner),
            ExprKind::IsNone(inner) => format!("({} == None)", p(inner)),
            ExprKind::List(items) => format!("[{}]", self.all(items)),
            ExprKind::Comprehension { local, iterable, condition, value } => {
                let mut clauses = format!("for {} in {}", target(*local, iterable), self.iterable(iterable));
                if let Iterable::Table(table) = iterable {
                    clauses += &format!(" if host_live({table}, v{local})");
                }
                if let Some(condition) = condition {
                    clauses += &format!(" if {}", p(condition));
                }
                format!("[{} {clauses}]", p(value))
            }
            ExprKind::Call { function, arguments } => format!("f{function}({})", self.all(arguments)),
            ExprKind::Get { table, key } => format!("host_get({table}, {})", p(key)),
            ExprKind::Find { table, key } => format!("host_find({table}, {})", p(key)),
            ExprKind::Insert { table, values } => format!("host_insert({table}, [{}])", self.all(values)),
            ExprKind::Negate(value) if value.ty == Type::Float => format!("(-{})", p(value)),
            ExprKind::Negate(value) => format!("std_i64(-{})", p(value)),
            ExprKind::Not(value) => format!("(not {})", p(value)),
            ExprKind::Binary { op, left, right } => binary(*op, &left.ty, &right.ty, &p(left), &p(right)),
            ExprKind::And(left, right) => format!("({} and {})", p(left), p(right)),
            ExprKind::Or(left, right) => format!("({} or {})", p(left), p(right)),
            ExprKind::Conditional { condition, then, otherwise } => {
                format!("({} if {} else {})", p(then), p(condition), p(otherwise))
            }
            ExprKind::Len(of) => format!("len({})", p(of)),
            ExprKind::Sum(list) if e.ty == Type::Float => format!("std_sum_floats({})", p(list)),
            ExprKind::Sum(list) => format!("std_sum({})", p(list)),
            ExprKind::Extreme { list, max } => format!("{}(std_some({}))", if *max { "max" } else { "min" }, p(list)),
            ExprKind::AnyAll { list, all } => format!("{}({})", if *all { "all" } else { "any" }, p(list)),
            ExprKind::Sorted { list, local, key, reverse } => {
                let reverse = if *reverse { "True" } else { "False" };
                format!("sorted({}, key = lambda v{local}: {}, reverse = {reverse})", p(list), p(key))
            }
            ExprKind::Index { list, index } => format!("std_index({}, {})", p(list), p(index)),
            ExprKind::Slice { list, start, stop } => {
                let bound = |e: &Option<Box<Expr>>| e.as_ref().map_or("None".to_owned(), |e| p(e));
                format!("std_slice({}, {}, {})", p(list), bound(start), bound(stop))
            }
            ExprKind::InList { item, list } => format!("({} in {})", p(item), p(list)),
            ExprKind::InStr { part, text } => format!("({} in {})", p(part), p(text)),
            ExprKind::StrMap { op: StrMap::Lower, text } => format!("host_lower({})", p(text)),
            ExprKind::StrMap { op: StrMap::Upper, text } => format!("host_upper({})", p(text)),
            ExprKind::StrMap { op: StrMap::Strip, text } => format!("{}.strip(\" \\t\\n\\x0c\\r\")", p(text)),
            ExprKind::StrTest { end, text, part } => {
                format!("{}.{}({})", p(text), if *end { "endswith" } else { "startswith" }, p(part))
            }
            ExprKind::Format(pieces) => {
                let pieces: Vec<_> = pieces.iter().map(|piece| self.piece(piece)).collect();
                format!("\"\".join([{}])", pieces.join(", "))
            }
            ExprKind::IntToFloat(value) => format!("float({})", p(value)),
            ExprKind::Percent { value, percent } => format!("std_percent({}, {})", p(value), p(percent)),
            ExprKind::Tuple(parts) => format!("({},)", self.all(parts)),
            ExprKind::Part { tuple, index } => format!("{}[{index}]", p(tuple)),
            ExprKind::Enumerate { list, start } => format!("list(enumerate({}, {start}))", p(list)),
            ExprKind::Zip(lists) => format!("list(zip({}))", self.all(lists)),
            ExprKind::DictOf(pairs) => format!("dict({})", p(pairs)),
            ExprKind::Items(dict) => format!("{}.items()", p(dict)),
            ExprKind::Lookup { dict, key, otherwise } => match otherwise {
                Otherwise::Fail => format!("std_lookup({}, {})", p(dict), p(key)),
                Otherwise::None => format!("{}.get({})", p(dict), p(key)),
                Otherwise::Value(default) => format!("{}.get({}, {})", p(dict), p(key), p(default)),
            },
            ExprKind::InDict { key, dict } => format!("({} in {})", p(key), p(dict)),
            ExprKind::Builtin { op, operands } => {
                let float = operands.first().is_some_and(|e| e.ty == Type::Float);
                let operands: Vec<_> = operands.iter().map(p).collect();
                super::builtins::print(*op, &operands, float)
            }
        }
    }

    fn piece(&self, e: &Expr) -> String {
        let value = self.expr(e);
        match e.ty {
            Type::Int | Type::Bool => format!("str({value})"),
            Type::Money => format!("std_money({value})"),
            Type::Date => format!("host_date({value})"),
            Type::Enum(id) => format!("ENUM_{id}[{value}]"),
            _ => value,
        }
    }
}

/// The variables of a loop.
fn target(local: usize, iterable: &Iterable) -> String {
    match iterable {
        Iterable::Unpack { into, .. } => {
            format!("({},)", into.iter().map(|local| format!("v{local}")).collect::<Vec<_>>().join(", "))
        }
        _ => format!("v{local}"),
    }
}

fn binary(op: BinaryOp, left: &Type, right: &Type, a: &str, b: &str) -> String {
    let sign = match op {
        BinaryOp::Add => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => return format!("({a} / std_divisor({b}))"),
        BinaryOp::FloorDivide => return format!("std_i64({a} // std_divisor({b}))"),
        BinaryOp::Modulo => return format!("({a} % std_divisor({b}))"),
        BinaryOp::Equal => "==",
        BinaryOp::NotEqual => "!=",
        BinaryOp::Less => "<",
        BinaryOp::LessEqual => "<=",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterEqual => ">=",
    };
    let plain = format!("({a} {sign} {b})");
    if !matches!(op, BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply) {
        return plain;
    }
    match (left, right) {
        (Type::Date, Type::Date) => plain,
        (Type::Date, _) | (_, Type::Date) => format!("std_day{plain}"),
        (Type::Int | Type::Money, _) => format!("std_i64{plain}"),
        _ => plain,
    }
}

fn literal(literal: &Literal) -> String {
    match literal {
        Literal::None => "None".into(),
        Literal::Bool(true) => "True".into(),
        Literal::Bool(false) => "False".into(),
        Literal::Int(n) | Literal::Money(n) => format!("({n})"),
        Literal::Float(x) => format!("({x:?})"),
        Literal::Str(s) => text(s),
        Literal::Date(days) => format!("({days})"),
        Literal::Enum(_, case) => case.to_string(),
    }
}

/// A Starlark string literal.
fn text(s: &str) -> String {
    let mut out = String::from("\"");
    for c in s.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
