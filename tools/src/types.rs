//! Types of the suite language and of the values that cross a tool's border.

use serde::{Deserialize, Serialize};

/// Index of a table in [`crate::Suite::tables`].
pub type TableId = usize;
/// Index of an enumeration in [`crate::Suite::enums`].
pub type EnumId = usize;
/// Index of a record in [`crate::Suite::records`].
pub type RecordId = usize;
/// Index of a function in [`crate::Suite::functions`].
pub type FunctionId = usize;
/// Index of a local variable in [`crate::tree::Function::locals`].
pub type LocalId = usize;
/// Index of a policy parameter in [`crate::Suite::parameters`].
pub type ParameterId = usize;

/// A type of the suite language.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Type {
    /// No value (a helper that returns nothing).
    Unit,
    /// `bool`; WIT `bool`.
    Bool,
    /// `int`: 64-bit signed, overflow is a tool error; WIT `s64`.
    Int,
    /// `float`: IEEE double; WIT `f64`.
    Float,
    /// `str`: UTF-8; WIT `string`.
    Str,
    /// `money`: 64-bit cents; WIT `record money { cents: s64 }`; JSON `"12.50"`.
    Money,
    /// `date`: days since 1970-01-01; WIT `record date { epoch-day: s32 }`; JSON `"2026-03-01"`.
    Date,
    /// One of a closed list of names; WIT `enum`; JSON string.
    Enum(EnumId),
    /// The key of a row of a table; WIT `string`.
    Key(TableId),
    /// A handle on a live row, only inside tool bodies. Returned from a tool it becomes the table's full record.
    Row(TableId),
    /// A record declared by the suite.
    Record(RecordId),
    /// A value or `None`; WIT `option`; JSON `null` or absent.
    Option(Box<Type>),
    /// A list; WIT `list`.
    List(Box<Type>),
    /// Values side by side, only inside tool bodies.
    Tuple(Vec<Type>),
    /// Values by key (see [`Type::is_key`]), in the order in which the keys came; only inside tool bodies.
    Dict(Box<Type>, Box<Type>),
}

impl Type {
    /// `option<self>`.
    pub fn option(self) -> Self {
        Type::Option(Box::new(self))
    }

    /// `list<self>`.
    pub fn list(self) -> Self {
        Type::List(Box::new(self))
    }

    /// Whether a dict may have such keys: int, str, money, date, bool, enum, key and tuples of those.
    pub fn is_key(&self) -> bool {
        match self {
            Type::Float => false,
            Type::Bool => true,
            Type::Tuple(parts) => parts.iter().all(Type::is_key),
            other => other.is_ordered(),
        }
    }

    /// Whether the type holds a tuple or dict, which cannot leave a tool body.
    pub fn is_inner(&self) -> bool {
        match self {
            Type::Tuple(_) | Type::Dict(..) => true,
            Type::Option(inner) | Type::List(inner) => inner.is_inner(),
            _ => false,
        }
    }

    /// Whether `<` and sorting are defined: int, float, str, money, date, enum (declaration order) and key.
    pub fn is_ordered(&self) -> bool {
        matches!(self, Type::Int | Type::Float | Type::Str | Type::Money | Type::Date | Type::Enum(_) | Type::Key(_))
    }
}

/// A place in a suite file: 1-based line and column of the first character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// Index into [`crate::Suite::files`].
    pub file: u32,
    /// 1-based line.
    pub line: u32,
    /// 1-based column, in characters.
    pub column: u32,
}
