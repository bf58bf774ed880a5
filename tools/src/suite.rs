//! A checked suite: tables, tools and their declared meaning, as data.

use crate::tree::{Expr, Function, Literal, Local};
use crate::types::{FunctionId, LocalId, Span, TableId, Type};
use serde::{Deserialize, Serialize};

/// A suite after checking. Everything downstream (compiler, schemas, synthesis) reads this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suite {
    /// Slug, kebab case: `library-desk`.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Walk of life: `culture`, `health`, ...
    pub domain: String,
    /// Policy text for the agent; `{parameter}` stands for a policy parameter's value.
    pub policy: String,
    /// Source files: the suite, then the modules it loads.
    pub files: Vec<String>,
    /// Policy parameters.
    pub parameters: Vec<PolicyParameter>,
    /// Enumerations, named or from `one_of` columns.
    pub enums: Vec<EnumType>,
    /// Declared records.
    pub records: Vec<RecordType>,
    /// Tables in declaration order.
    pub tables: Vec<Table>,
    /// Helpers and tool bodies.
    pub functions: Vec<Function>,
    /// Tools in declaration order.
    pub tools: Vec<Tool>,
}

/// A constant of the suite that worlds vary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyParameter {
    /// Name in the file.
    pub name: String,
    /// Int, money, bool, str or date.
    pub ty: Type,
    /// Value unless varied.
    pub default: Literal,
    /// Values a world may take, the default among them.
    pub choices: Vec<Literal>,
}

/// A closed list of names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnumType {
    /// Lower snake case, unique in the suite (`loan_status` for column `status` of table `loan`).
    pub name: String,
    /// Lower snake case values.
    pub cases: Vec<String>,
}

/// A declared record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordType {
    /// Upper camel case in the file; WIT name is its kebab form.
    pub name: String,
    /// Fields in order.
    pub fields: Vec<(String, Type)>,
    /// Where it stands.
    pub span: Span,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Lower snake case, singular.
    pub name: String,
    /// Noun for people: `loan`.
    pub label: String,
    /// Plural noun: `loans`.
    pub plural: String,
    /// How people call one row, with `{column}` for values (references expand in turn): `the loan of {book} to {member}`,
    /// `{name}`. Empty: rows are only described by conditions.
    pub called: String,
    /// Default key style.
    pub key: KeyStyle,
    /// Least and greatest number of rows in a world of default size.
    pub rows: (u32, u32),
    /// Columns; column 0 is the key, named `id`.
    pub columns: Vec<Column>,
    /// Where it stands.
    pub span: Span,
}

/// How keys look: `M-0042` is prefix `M`, separator `-`, width 4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStyle {
    /// Letters in front.
    pub prefix: String,
    /// Between prefix and number: `-`, `_` or nothing.
    pub separator: String,
    /// Digits, zero-padded; more when the number needs them.
    pub width: u32,
}

impl KeyStyle {
    /// The key of number `n`.
    pub fn key(&self, n: u32) -> String {
        format!("{}{}{:0width$}", self.prefix, self.separator, n, width = self.width as usize)
    }
}

/// A column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Lower snake case.
    pub name: String,
    /// Scalar type, or option of one. References have type `Key(table)`.
    pub ty: Type,
    /// Noun phrase for people: `due date`.
    pub label: String,
    /// Phrase after a noun that says "has this value", with `{}`: `due on {}`. Empty: `whose <label> is {}`.
    pub says: String,
    /// Phrase per enum case (`still out` for `active`), same order as the cases, or empty.
    pub case_says: Vec<String>,
    /// How values are made.
    pub source: Source,
    /// No two rows share a value.
    pub unique: bool,
    /// Where it stands.
    pub span: Span,
}

/// How the values of a column, or of a tool's argument, are made. Also the column's role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Source {
    /// The key column.
    Key,
    /// A person's full name.
    PersonName,
    /// A company's name.
    CompanyName,
    /// An e-mail address made from the named column of the same row (a person or company name).
    Email { of: String },
    /// A telephone number.
    Phone,
    /// Street and number.
    StreetAddress,
    /// A city.
    City,
    /// Title built from word lists: one word or phrase of each list, joined by a space; `{}`-free.
    Phrase { parts: Vec<Vec<String>> },
    /// One text of a list.
    Choice { values: Vec<String> },
    /// One case of the column's enumeration, with integer weights.
    OneOf { weights: Vec<u32> },
    /// Uniform integer, both ends included, multiples of `step`.
    Integer { low: i64, high: i64, step: i64 },
    /// Uniform cents, both ends included, multiples of `step` cents.
    Money { low: i64, high: i64, step: i64 },
    /// Date within days of the world's date.
    Date { from_days: i32, to_days: i32 },
    /// True with this percentage.
    Boolean { percent: u32 },
    /// Key of a random row of a table.
    Reference { table: TableId },
    /// `None` with this percentage, else the inner source.
    Maybe { none_percent: u32, inner: Box<Source> },
    /// Computed from the row once all tables are filled. Locals of the expression: 0 is the row handle.
    Derived { locals: Vec<Local>, value: Box<Expr> },
}

/// A tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// Canonical name: the function's.
    pub name: String,
    /// Its body.
    pub function: FunctionId,
    /// Whether it may write.
    pub writes: bool,
    /// Ways to ask for it in words, with `{parameter}`; empty for read tools.
    pub ask: Vec<String>,
    /// What a successful call does to the rows, stated independently of the body; empty for read tools.
    pub effects: Vec<Effect>,
    /// Locals of `effects`, `needs` and `gives`: the function's parameters first, then lambda and comprehension variables.
    pub goal_locals: Vec<Local>,
    /// Conditions under which a call succeeds, over the same locals (used to choose arguments).
    pub needs: Vec<Expr>,
    /// Conditions that are rules of the policy: (index in `needs`, number of the rule in the policy text).
    #[serde(default)]
    pub rules: Vec<(usize, u32)>,
    /// How argument values are made: (parameter index, source). Others take the source of the column they are written to.
    pub gives: Vec<(usize, Source)>,
    /// For read tools: what it finds.
    pub finds: Option<Finds>,
    /// Where it stands.
    pub span: Span,
}

/// The declared row-level effect of a write tool. Expressions see the rows as they were when the call began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Effect {
    /// `insert(table, column = e, ...)`: values for columns 1.. in order.
    Insert { table: TableId, values: Vec<Expr> },
    /// `update(table, key, column = e, ...)`.
    Update { table: TableId, key: Expr, values: Vec<(usize, Expr)> },
    /// `update_all(table, lambda r: condition, column = e, ...)`; `local` is the row; values may use it.
    UpdateAll { table: TableId, local: LocalId, condition: Expr, values: Vec<(usize, Expr)> },
    /// `delete(table, key)`.
    Delete { table: TableId, key: Expr },
    /// `delete_all(table, lambda r: condition)`.
    DeleteAll { table: TableId, local: LocalId, condition: Expr },
}

/// The declared meaning of a read tool: which rows of `table` it returns for its arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finds {
    /// The table.
    pub table: TableId,
    /// Rows match when every given argument matches: (parameter index, column index, relation). An option argument that is
    /// left out matches everything.
    pub matches: Vec<(usize, usize, Relation)>,
    /// Index of the integer parameter that is the 1-based page number; then the result is a record with `items` and `more: bool`.
    pub page: Option<usize>,
    /// Columns that the result shows for each row: (column index, path in one item as a field name).
    pub shows: Vec<(usize, String)>,
    /// One row (not a list).
    pub single: bool,
}

/// How an argument relates to a column: `column RELATION argument`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Relation {
    /// Equal.
    Equal,
    /// The text contains the argument, ignoring ASCII case.
    Contains,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}
