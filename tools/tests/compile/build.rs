//! Short names for building typed trees by hand.

use terrarium_tools::suite::{Column, KeyStyle, Source, Suite, Table, Tool};
use terrarium_tools::tree::{BinaryOp, Expr, ExprKind, Function, Literal, Local, Parameter, Statement};
use terrarium_tools::types::{LocalId, TableId};
use terrarium_tools::value::{TableRows, Value, World};
use terrarium_tools::{Span, Type};

pub fn expr(ty: Type, kind: ExprKind) -> Expr {
    Expr { ty, kind, span: Span::default() }
}

pub fn int(v: i64) -> Expr {
    expr(Type::Int, ExprKind::Literal(Literal::Int(v)))
}

pub fn text(v: &str) -> Expr {
    expr(Type::Str, ExprKind::Literal(Literal::Str(v.into())))
}

pub fn money(v: i64) -> Expr {
    expr(Type::Money, ExprKind::Literal(Literal::Money(v)))
}

pub fn none(inner: Type) -> Expr {
    expr(inner.option(), ExprKind::Literal(Literal::None))
}

pub fn local(id: LocalId, ty: Type) -> Expr {
    expr(ty, ExprKind::Local(id))
}

pub fn b(e: Expr) -> Box<Expr> {
    Box::new(e)
}

pub fn column(row: Expr, table: TableId, column: usize, ty: Type) -> Expr {
    expr(ty, ExprKind::Column { row: b(row), table, column })
}

pub fn get(table: TableId, key: Expr) -> Expr {
    expr(Type::Row(table), ExprKind::Get { table, key: b(key) })
}

/// An operator whose result has the left operand's type.
pub fn math(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    expr(left.ty.clone(), ExprKind::Binary { op, left: b(left), right: b(right) })
}

/// An operator whose result is bool.
pub fn test(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    expr(Type::Bool, ExprKind::Binary { op, left: b(left), right: b(right) })
}

pub fn assign(id: LocalId, value: Expr) -> Statement {
    Statement::Assign { local: id, value }
}

pub fn give(value: Expr) -> Statement {
    Statement::Return(Some(value))
}

pub fn require(condition: Expr, code: &str, message: &str) -> Statement {
    Statement::Require { condition, code: code.into(), message: text(message) }
}

pub fn set(row: Expr, table: TableId, column: usize, value: Expr) -> Statement {
    Statement::SetColumn { row, table, column, value }
}

pub fn columns(list: &[(&str, Type)]) -> Vec<Column> {
    list.iter()
        .map(|(name, ty)| Column {
            name: (*name).into(),
            ty: ty.clone(),
            label: name.replace('_', " "),
            says: String::new(),
            case_says: vec![],
            source: Source::Phone,
            unique: false,
            span: Span::default(),
        })
        .collect()
}

pub fn table(name: &str, prefix: &str, list: &[(&str, Type)]) -> Table {
    Table {
        name: name.into(),
        label: name.into(),
        plural: format!("{name}s"),
        called: String::new(),
        key: style(prefix),
        rows: (1, 5),
        columns: columns(list),
        span: Span::default(),
    }
}

pub fn style(prefix: &str) -> KeyStyle {
    KeyStyle { prefix: prefix.into(), separator: "-".into(), width: 4 }
}

/// Rows without their keys, which are made here.
pub fn rows(prefix: &str, rows: Vec<Vec<Value>>) -> TableRows {
    let key = style(prefix);
    let next_key = rows.len() as u32 + 1;
    let rows = rows
        .into_iter()
        .zip(1..)
        .map(|(mut row, n)| {
            row.insert(0, Value::Key(key.key(n)));
            row
        })
        .collect();
    TableRows { key, rows, next_key }
}

pub fn suite(tables: Vec<Table>) -> Suite {
    Suite {
        name: "test-desk".into(),
        title: "A desk for tests".into(),
        domain: "test".into(),
        policy: String::new(),
        files: vec![],
        parameters: vec![],
        enums: vec![],
        records: vec![],
        tables,
        functions: vec![],
        tools: vec![],
    }
}

/// Adds a function; locals that are not parameters come after them.
pub fn function(
    suite: &mut Suite,
    name: &str,
    parameters: &[(&str, Type)],
    locals: &[(&str, Type)],
    returns: Type,
    writes: bool,
    body: Vec<Statement>,
) -> usize {
    let local = |(name, ty): &(&str, Type)| Local { name: (*name).into(), ty: ty.clone() };
    suite.functions.push(Function {
        name: name.into(),
        parameters: parameters
            .iter()
            .map(|(name, ty)| Parameter { name: (*name).into(), ty: ty.clone(), default: None, doc: "A value.".into() })
            .collect(),
        returns,
        locals: parameters.iter().chain(locals).map(local).collect(),
        body,
        doc: format!("Does {name}."),
        writes,
        span: Span::default(),
    });
    suite.functions.len() - 1
}

/// Adds a function and a tool of its name.
pub fn tool(
    suite: &mut Suite,
    name: &str,
    parameters: &[(&str, Type)],
    locals: &[(&str, Type)],
    returns: Type,
    writes: bool,
    body: Vec<Statement>,
) {
    let function = function(suite, name, parameters, locals, returns, writes, body);
    suite.tools.push(Tool {
        name: name.into(),
        function,
        writes,
        ask: vec![],
        effects: vec![],
        goal_locals: vec![],
        needs: vec![],
        rules: vec![],
        gives: vec![],
        finds: None,
        span: Span::default(),
    });
}

pub fn world(tables: Vec<TableRows>) -> World {
    World { today: 20_000, tables }
}
