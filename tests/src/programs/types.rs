//! Types of generated programs, and what their files declare.

use crate::support::Random;

/// A type of the language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ty {
    Int,
    Float,
    Bool,
    Str,
    Money,
    Date,
    Enum(usize),
    Key(usize),
    Row(usize),
    Record(usize),
    Option(Box<Ty>),
    List(Box<Ty>),
    /// Of variables only.
    Dict(Box<Ty>, Box<Ty>),
}

impl Ty {
    pub(super) fn option(self) -> Ty {
        Ty::Option(Box::new(self))
    }

    pub(super) fn list(self) -> Ty {
        Ty::List(Box::new(self))
    }

    /// Whether `<`, `sorted` and `min` take it.
    pub(super) fn is_ordered(&self) -> bool {
        matches!(self, Ty::Int | Ty::Float | Ty::Str | Ty::Money | Ty::Date | Ty::Enum(_) | Ty::Key(_))
    }

    /// Whether `==` takes it.
    pub(super) fn is_comparable(&self) -> bool {
        match self {
            Ty::Option(inner) => inner.is_ordered() || **inner == Ty::Bool,
            Ty::Row(_) | Ty::Bool => true,
            other => other.is_ordered(),
        }
    }

    /// Whether a text can show it.
    pub(super) fn prints(&self) -> bool {
        matches!(self, Ty::Int | Ty::Bool | Ty::Str | Ty::Money | Ty::Date | Ty::Enum(_) | Ty::Key(_) | Ty::Row(_))
    }
}

/// What a file declares. Everything has a name made of a letter and a number.
#[derive(Debug, Default)]
pub(super) struct File {
    /// Cases of `Kind0`, `Kind1`, ...
    pub(super) enums: Vec<Vec<String>>,
    /// Columns of `t0`, `t1`, ..., the key column left out.
    pub(super) tables: Vec<Vec<(String, Ty)>>,
    /// Fields of `Part0`, `Part1`, ...
    pub(super) records: Vec<Vec<(String, Ty)>>,
    /// How many records, from the first, may be passed to a tool.
    pub(super) flat_records: usize,
    /// Policy parameters `p0`, `p1`, ...
    pub(super) parameters: Vec<Ty>,
    /// Functions that bodies written later may call.
    pub(super) helpers: Vec<Signature>,
    /// Types with a function `as_N(x)` that gives its argument back: it lends a type to a literal.
    pub(super) lent: Vec<Ty>,
}

/// A function to call.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    pub(super) name: String,
    /// Name, type, and whether it may be left out.
    pub(super) parameters: Vec<(String, Ty, bool)>,
    pub(super) returns: Option<Ty>,
    pub(super) writes: bool,
}

impl File {
    /// A type as it is written.
    #[allow(clippy::self_only_used_in_recursion, reason = "a type is named as its file names it")]
    pub(super) fn name(&self, ty: &Ty) -> String {
        match ty {
            Ty::Int => "int".into(),
            Ty::Float => "float".into(),
            Ty::Bool => "bool".into(),
            Ty::Str => "str".into(),
            Ty::Money => "money".into(),
            Ty::Date => "date".into(),
            Ty::Enum(id) => format!("Kind{id}"),
            Ty::Key(id) => format!("key_of(t{id})"),
            Ty::Row(id) => format!("t{id}"),
            Ty::Record(id) => format!("Part{id}"),
            Ty::Option(inner) => format!("option[{}]", self.name(inner)),
            Ty::List(inner) => format!("list[{}]", self.name(inner)),
            Ty::Dict(key, value) => format!("dict[{}, {}]", self.name(key), self.name(value)),
        }
    }

    /// The function that lends a type to a literal.
    pub(super) fn lender(&mut self, ty: &Ty) -> String {
        let at = self.lent.iter().position(|t| t == ty).unwrap_or_else(|| {
            self.lent.push(ty.clone());
            self.lent.len() - 1
        });
        format!("as_{}", letters(at))
    }

    /// A type of one value that a column can have.
    pub(super) fn scalar(&self, random: &mut Random) -> Ty {
        match random.below(10) {
            0 | 1 => Ty::Int,
            2 => Ty::Bool,
            3 | 4 => Ty::Str,
            5 => Ty::Money,
            6 => Ty::Date,
            7 => Ty::Float,
            8 => Ty::Enum(random.below(self.enums.len())),
            _ => Ty::Key(random.below(self.tables.len())),
        }
    }

    /// A type that a tool can be given.
    pub(super) fn argument(&self, random: &mut Random) -> Ty {
        let plain = match random.below(8) {
            0 if self.flat_records > 0 => Ty::Record(random.below(self.flat_records)),
            1 | 2 => Ty::Key(random.below(self.tables.len())),
            _ => self.scalar(random),
        };
        match random.below(8) {
            0 => plain.list(),
            1 => plain.option(),
            2 if random.one_in(3) => plain.option().list(),
            _ => plain,
        }
    }

    /// Any type of a value.
    pub(super) fn any(&self, random: &mut Random, depth: usize) -> Ty {
        match random.below(12) {
            0 | 1 => Ty::Row(random.below(self.tables.len())),
            2 if !self.records.is_empty() => Ty::Record(random.below(self.records.len())),
            3 | 4 if depth > 0 => self.any(random, depth - 1).list(),
            5 if depth > 0 => match self.any(random, depth - 1) {
                Ty::Option(inner) => Ty::Option(inner),
                other => other.option(),
            },
            _ => self.scalar(random),
        }
    }
}

/// A number as letters, for names: words of a name start with a letter.
pub(super) fn letters(number: usize) -> String {
    format!("n{number}")
}
