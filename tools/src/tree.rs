//! The typed tree: what the checker makes of a suite file, and what the compiler, the row evaluator and the oracle read.
//!
//! Every expression carries its type; every coercion is explicit (`RowKey`, `Some`, `Unwrap`), so that a reader of the
//! tree needs no inference. Semantics, the same for every reader:
//! - integers and money are checked 64-bit: overflow is the tool error `overflow`, division by zero `division_by_zero`;
//!   `//` and `%` round towards minus infinity as in Python; dates outside 0001-01-01..9999-12-31 are `bad_date`;
//! - `Get` of a missing key is the tool error `not_found`; using a handle of a deleted row is `deleted_row`;
//! - a loop over a table runs over a snapshot of its rows and skips those deleted meanwhile; rows come in insertion order;
//! - lists and dicts are values: `Append`, `SetElement` and `SetEntry` copy on write as far as a reader can tell; `Sorted` is stable;
//! - strings are compared by bytes, case folding is ASCII, positions count characters; out of range, `Index` is the tool
//!   error `index_out_of_range` and `Slice` clamps as in Python; negative positions count from the end;
//! - integrity is kept at every write: a reference must exist (`not_found`), a `unique` column holds no value twice (`duplicate`,
//!   `None` aside), and a row that another row refers to is not deleted (`still_referenced`);
//! - any tool error undoes every write of the call.

use crate::builtin::Builtin;
use crate::types::{EnumId, FunctionId, LocalId, ParameterId, RecordId, Span, TableId, Type};
use serde::{Deserialize, Serialize};

/// A helper or a tool body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Name in the file.
    pub name: String,
    /// Parameters; parameter `i` is local `i`.
    pub parameters: Vec<Parameter>,
    /// Result type (`Row` and `List(Row)` allowed: they leave as records).
    pub returns: Type,
    /// All locals, parameters first; comprehension and lambda variables have their own.
    pub locals: Vec<Local>,
    /// Statements; every path of a non-unit function returns or fails (checked).
    pub body: Vec<Statement>,
    /// First paragraph of the doc string.
    pub doc: String,
    /// Whether it, or a function it calls, inserts, updates or deletes.
    pub writes: bool,
    /// Where `def` stands.
    pub span: Span,
}

/// A parameter of a function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Name in the file: lower snake case.
    pub name: String,
    /// Type; a tool's parameters are scalars, keys, enums, records of scalars, options and lists of those.
    pub ty: Type,
    /// Default, if any; only `None` (for option types) may be left out by callers outside; inside the file any literal.
    pub default: Option<Literal>,
    /// From the `Args:` section of the doc string, may be empty.
    pub doc: String,
}

/// A local variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Local {
    /// Name in the file.
    pub name: String,
    /// Type, fixed for its whole life.
    pub ty: Type,
}

/// A literal value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Literal {
    /// `None`.
    None,
    /// `True`, `False`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A string.
    Str(String),
    /// `money_of("12.50")`, in cents.
    Money(i64),
    /// `date_of("2026-03-01")`, in days since 1970-01-01.
    Date(i32),
    /// A value of an enumeration: index of the case.
    Enum(EnumId, u32),
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Statement {
    /// `x = e` (also `x += e`, desugared).
    Assign { local: LocalId, value: Expr },
    /// `row.column = e`. `row` has type `Row(table)`. Key columns cannot be assigned.
    SetColumn { row: Expr, table: TableId, column: usize, value: Expr },
    /// `if`/`elif`/`else`.
    If { arms: Vec<(Expr, Vec<Statement>)>, otherwise: Vec<Statement> },
    /// `for local in iterable`.
    For { local: LocalId, iterable: Iterable, body: Vec<Statement> },
    /// `break`.
    Break,
    /// `continue`.
    Continue,
    /// `return e`; `None` in a unit function.
    Return(Option<Expr>),
    /// `xs.append(e)`, `xs` a local list.
    Append { list: LocalId, value: Expr },
    /// `xs[index] = value`, `xs` a local list; the tool error `index_out_of_range`. The value is computed first.
    SetElement { list: LocalId, index: Expr, value: Expr },
    /// `d[key] = value`, `d` a local dict: a new key goes to the end. The value is computed first.
    SetEntry { dict: LocalId, key: Expr, value: Expr },
    /// `table.delete(row)`.
    Delete { table: TableId, row: Expr },
    /// `require(condition, "code", message)`.
    Require { condition: Expr, code: String, message: Expr },
    /// `fail("code", message)`.
    Fail { code: String, message: Expr },
    /// An expression for its effect (a call, an insert).
    Expr(Expr),
}

/// What a loop or comprehension runs over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Iterable {
    /// All live rows of a table, as handles.
    Table(TableId),
    /// The elements of a list.
    List(Box<Expr>),
    /// `range(start, stop)`: integers, step 1.
    Range { start: Box<Expr>, stop: Box<Expr> },
    /// The elements of a list of tuples: the parts go to these locals (`local` of the loop is not set).
    Unpack { list: Box<Expr>, into: Vec<LocalId> },
}

/// An expression with its type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expr {
    /// Type of the value.
    pub ty: Type,
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ExprKind {
    /// A literal (`None` has an option type).
    Literal(Literal),
    /// A local variable.
    Local(LocalId),
    /// A policy parameter; its value is fixed when an environment is compiled.
    Parameter(ParameterId),
    /// `today()`: the world's date.
    Today,
    /// `row.column`; column 0 is the key.
    Column { row: Box<Expr>, table: TableId, column: usize },
    /// `record.field`.
    Field { record: Box<Expr>, field: usize },
    /// `RecordName(field = e, ...)`, all fields in declaration order.
    Record { record: RecordId, fields: Vec<Expr> },
    /// Coercion `Row(t)` -> `Key(t)`.
    RowKey(Box<Expr>),
    /// Coercion `T` -> `option<T>`.
    Some(Box<Expr>),
    /// `option<T>` -> `T` where the checker proved it is not `None`; never fails.
    Unwrap(Box<Expr>),
    /// `e == None` (bool).
    IsNone(Box<Expr>),
    /// `[a, b, c]`.
    List(Vec<Expr>),
    /// `[value for local in iterable if condition]`.
    Comprehension { local: LocalId, iterable: Iterable, condition: Option<Box<Expr>>, value: Box<Expr> },
    /// Call of another function of the file; no recursion.
    Call { function: FunctionId, arguments: Vec<Expr> },
    /// `table.get(key)` -> `Row`, or the tool error `not_found`.
    Get { table: TableId, key: Box<Expr> },
    /// `table.find(key)` -> `option<Row>`.
    Find { table: TableId, key: Box<Expr> },
    /// `table.insert(column = e, ...)` -> `Row`: values for columns 1.., in order; the key is made from the table's counter.
    Insert { table: TableId, values: Vec<Expr> },
    /// `-e` on int, float, money.
    Negate(Box<Expr>),
    /// `not e`.
    Not(Box<Expr>),
    /// A binary operator; operand types are in the operands.
    Binary { op: BinaryOp, left: Box<Expr>, right: Box<Expr> },
    /// `a and b`, short-circuit.
    And(Box<Expr>, Box<Expr>),
    /// `a or b`, short-circuit.
    Or(Box<Expr>, Box<Expr>),
    /// `then if condition else otherwise`.
    Conditional { condition: Box<Expr>, then: Box<Expr>, otherwise: Box<Expr> },
    /// `len(list)` or `len(str)` (characters).
    Len(Box<Expr>),
    /// `sum(list)` of int, float or money.
    Sum(Box<Expr>),
    /// `min(list)` / `max(list)`: the tool error `empty` on an empty list.
    Extreme { list: Box<Expr>, max: bool },
    /// `any(list)` / `all(list)` of bool.
    AnyAll { list: Box<Expr>, all: bool },
    /// `sorted(list, key = lambda x: e, reverse = bool)`; `local` is the lambda's variable, `key` is ordered.
    Sorted { list: Box<Expr>, local: LocalId, key: Box<Expr>, reverse: bool },
    /// `list[index]`, or the character `text[index]`; negative as in Python.
    Index { list: Box<Expr>, index: Box<Expr> },
    /// `list[start:stop]` or `text[start:stop]`, clamped; a missing bound is `None`.
    Slice { list: Box<Expr>, start: Option<Box<Expr>>, stop: Option<Box<Expr>> },
    /// `item in list`.
    InList { item: Box<Expr>, list: Box<Expr> },
    /// `part in text`.
    InStr { part: Box<Expr>, text: Box<Expr> },
    /// A string method without further operands: `lower`, `upper`, `strip` (ASCII).
    StrMap { op: StrMap, text: Box<Expr> },
    /// `text.startswith(part)` / `text.endswith(part)`.
    StrTest { end: bool, text: Box<Expr>, part: Box<Expr> },
    /// An f-string, `"..".format(..)` or `str(x)`: pieces of type str, int, bool, money (`12.50`), date (ISO), enum or key, concatenated.
    Format(Vec<Expr>),
    /// `float(int)`.
    IntToFloat(Box<Expr>),
    /// `percent(money_or_int, p)`: `value * p / 100` rounded half away from zero, checked.
    Percent { value: Box<Expr>, percent: Box<Expr> },
    /// `(a, b)`.
    Tuple(Vec<Expr>),
    /// A part of a tuple.
    Part { tuple: Box<Expr>, index: usize },
    /// `list(enumerate(list, start))`: tuples of int and element. `|start|` is at most 2^53.
    Enumerate { list: Box<Expr>, start: i64 },
    /// `list(zip(a, b, ...))`: tuples, as many as the shortest list has elements.
    Zip(Vec<Expr>),
    /// The dict of a list of key-value tuples: a later value of a key replaces an earlier one in its place. Dict literals,
    /// dict comprehensions and `dict(pairs)` are this.
    DictOf(Box<Expr>),
    /// `list(dict.items())`.
    Items(Box<Expr>),
    /// `dict[key]` (the tool error `missing_key`), `dict.get(key)`, `dict.get(key, default)`.
    Lookup { dict: Box<Expr>, key: Box<Expr>, otherwise: Otherwise },
    /// `key in dict`.
    InDict { key: Box<Expr>, dict: Box<Expr> },
    /// A predeclared function or method on plain values; operands in the order that [`Builtin`] gives.
    Builtin { op: Builtin, operands: Vec<Expr> },
}

/// What a lookup gives for a key that a dict does not have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Otherwise {
    /// The tool error `missing_key`.
    Fail,
    /// `None`; the lookup has an option type.
    None,
    /// This value, computed in any case.
    Value(Box<Expr>),
}

/// Binary operators, by operand types: `Add`/`Subtract` on int, float, money, (date, int days), str (`Add`), lists (`Add`);
/// `Subtract` of two dates gives int days; `Multiply` on int, float, (money, int); `FloorDivide`, `Modulo` on int
/// and (money, int) for `FloorDivide`; `Divide` on float; comparisons on ordered types; `Equal` on all scalars, keys, options of them, rows and tuples of all these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `//`
    FloorDivide,
    /// `%`
    Modulo,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
}

/// String methods from str to str.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StrMap {
    /// ASCII lower case.
    Lower,
    /// ASCII upper case.
    Upper,
    /// Without leading and trailing ASCII white space.
    Strip,
}
