//! Columns of row formats: what the dataset card tells Hugging Face's loader, and what Parquet stores.

use std::fmt::Write;

/// A column, or a field of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name.
    pub name: &'static str,
    /// Type. Every value may be missing.
    pub kind: Kind,
}

/// The type of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Text.
    Text,
    /// 64-bit integer.
    Integer,
    /// 64-bit float.
    Real,
    /// True or false.
    Flag,
    /// A list.
    List(Box<Kind>),
    /// Named fields.
    Group(Vec<Column>),
}

impl Column {
    /// A column.
    pub fn new(name: &'static str, kind: Kind) -> Column {
        Column { name, kind }
    }

    /// Columns of text.
    pub fn texts<const N: usize>(names: [&'static str; N]) -> Vec<Column> {
        names.into_iter().map(|name| Column::new(name, Kind::Text)).collect()
    }
}

impl Kind {
    /// A list of groups.
    pub fn groups(fields: Vec<Column>) -> Kind {
        Kind::List(Box::new(Kind::Group(fields)))
    }

    fn dtype(&self) -> Option<&'static str> {
        match self {
            Kind::Text => Some("string"),
            Kind::Integer => Some("int64"),
            Kind::Real => Some("float64"),
            Kind::Flag => Some("bool"),
            Kind::List(_) | Kind::Group(_) => None,
        }
    }
}

/// The `features` of a dataset card in YAML, each line indented by `indent` spaces.
pub fn features(columns: &[Column], indent: usize) -> String {
    let mut yaml = String::new();
    for column in columns {
        let _ = writeln!(yaml, "{:indent$}- name: {}", "", column.name);
        type_of(&column.kind, indent + 2, &mut yaml);
    }
    yaml
}

fn type_of(kind: &Kind, indent: usize, yaml: &mut String) {
    match kind {
        Kind::List(element) => match (&**element, element.dtype()) {
            (_, Some(dtype)) => {
                let _ = writeln!(yaml, "{:indent$}list: {dtype}", "");
            }
            (Kind::Group(fields), _) => {
                let _ = writeln!(yaml, "{:indent$}list:", "");
                yaml.push_str(&features(fields, indent));
            }
            (inner, _) => {
                let _ = writeln!(yaml, "{:indent$}list:", "");
                type_of(inner, indent + 2, yaml);
            }
        },
        Kind::Group(fields) => {
            let _ = writeln!(yaml, "{:indent$}struct:", "");
            yaml.push_str(&features(fields, indent));
        }
        simple => {
            let _ = writeln!(yaml, "{:indent$}dtype: {}", "", simple.dtype().unwrap_or("string"));
        }
    }
}
