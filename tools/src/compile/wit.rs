//! The WIT interface of a suite under a surface: the types and functions that an environment exports.
//!
//! Everything lives in one exported interface `tools`, so that the component imports nothing. Every table's record is
//! declared, used by a tool or not: readers of the state find row layouts by these names.

use crate::error::{Error, Result};
use crate::suite::Suite;
use crate::surface::{Surface, SurfaceTool};
use crate::tree::Literal;
use crate::types::Type;
use std::collections::BTreeSet;
use std::fmt::Write;
use wit_parser::{Resolve, WorldId};

/// A suite's interface, as text and resolved.
pub(crate) struct Interface {
    pub text: String,
    pub resolve: Resolve,
    pub world: WorldId,
    /// `terrarium:<slug>/tools`.
    pub name: String,
    /// WIT functions in the order of the surface's tools.
    pub functions: Vec<wit_parser::Function>,
}

/// Writes and resolves the interface.
///
/// # Errors
/// [`Error::Mismatch`] when the surface does not belong to the suite or two items have one name.
pub(crate) fn interface(suite: &Suite, surface: &Surface) -> Result<Interface> {
    check_surface(suite, surface)?;
    let text = text(suite, surface)?;
    let fault = |e: String| Error::Compiler { stage: "WIT", message: e };
    let mut resolve = Resolve::default();
    let package = resolve.push_str("suite.wit", &text).map_err(|e| fault(e.to_string()))?;
    let world = resolve.select_world(&[package], Some("suite")).map_err(|e| fault(format!("{e:#}")))?;
    let interface = resolve.packages[package].interfaces["tools"];
    let functions = surface
        .tools
        .iter()
        .map(|tool| {
            let function = resolve.interfaces[interface].functions.get(&kebab(&tool.name));
            function.cloned().ok_or_else(|| fault(format!("`{}` is missing", tool.name)))
        })
        .collect::<Result<_>>()?;
    let name = format!("terrarium:{}/tools", suite.name);
    Ok(Interface { text, resolve, world, name, functions })
}

/// The surface names tools and parameters that exist, each once, and leaves out only what has a default.
fn check_surface(suite: &Suite, surface: &Surface) -> Result<()> {
    let bad = |reason: String| Err(Error::Mismatch { what: "surface", reason });
    if surface.parameters.len() != suite.parameters.len() {
        return bad(format!("{} values for {} policy parameters", surface.parameters.len(), suite.parameters.len()));
    }
    for (value, parameter) in surface.parameters.iter().zip(&suite.parameters) {
        if !fits(&parameter.ty, value) {
            return bad(format!("{value:?} is not a value of policy parameter `{}`", parameter.name));
        }
    }
    let mut tools = BTreeSet::new();
    for shown in &surface.tools {
        let Some(tool) = suite.tools.get(shown.tool) else {
            return bad(format!("there is no tool number {}", shown.tool));
        };
        if !tools.insert(&shown.name) {
            return bad(format!("two tools are called `{}`", shown.name));
        }
        if shown.name == "submit" {
            return bad("the name `submit` is reserved".into());
        }
        let parameters = &suite.functions[tool.function].parameters;
        let (mut names, mut given) = (BTreeSet::new(), vec![false; parameters.len()]);
        for (index, name, _) in &shown.parameters {
            match given.get_mut(*index) {
                Some(given) if !*given && names.insert(name) => *given = true,
                _ => return bad(format!("parameter `{name}` of `{}` is unknown or given twice", shown.name)),
            }
        }
        let mut left_out = parameters.iter().zip(&given).filter(|(p, given)| !**given && p.default.is_none());
        if let Some((parameter, _)) = left_out.next() {
            return bad(format!("`{}` leaves out `{}`, which has no default", shown.name, parameter.name));
        }
    }
    Ok(())
}

/// Whether a literal is a value of a type.
pub(crate) fn fits(ty: &Type, literal: &Literal) -> bool {
    match (ty, literal) {
        (Type::Option(_), Literal::None)
        | (Type::Bool, Literal::Bool(_))
        | (Type::Int, Literal::Int(_))
        | (Type::Float, Literal::Float(_))
        | (Type::Str | Type::Key(_), Literal::Str(_))
        | (Type::Money, Literal::Money(_))
        | (Type::Date, Literal::Date(_)) => true,
        (Type::Enum(a), Literal::Enum(b, _)) => a == b,
        (Type::Option(inner), literal) => fits(inner, literal),
        _ => false,
    }
}

fn text(suite: &Suite, surface: &Surface) -> Result<String> {
    let mut names = BTreeSet::from(["money".to_owned(), "date".to_owned(), "tool-error".to_owned()]);
    let mut declare = |name: &str| {
        let name = kebab(name);
        if names.insert(name.clone()) {
            return Ok(escape(&name));
        }
        Err(Error::Mismatch {
            what: "surface",
            reason: format!("two of its types and tools have the WIT name `{name}`"),
        })
    };
    let mut out = format!("package terrarium:{};\n\ninterface tools {{\n", escape(&suite.name));
    out.push_str("  record money { cents: s64 }\n  record date { epoch-day: s32 }\n");
    out.push_str("  record tool-error { code: string, message: string }\n");
    for e in &suite.enums {
        let cases: Vec<_> = e.cases.iter().map(|c| escape(&kebab(c))).collect();
        line(&mut out, format_args!("  enum {} {{ {} }}", declare(&e.name)?, cases.join(", ")));
    }
    for table in &suite.tables {
        let fields: Vec<_> =
            table.columns.iter().map(|c| format!("{}: {}", escape(&kebab(&c.name)), type_name(suite, &c.ty))).collect();
        line(&mut out, format_args!("  record {} {{ {} }}", declare(&table.name)?, fields.join(", ")));
    }
    for record in &suite.records {
        let fields: Vec<_> = record
            .fields
            .iter()
            .map(|(name, ty)| format!("{}: {}", escape(&kebab(name)), type_name(suite, ty)))
            .collect();
        line(&mut out, format_args!("  record {} {{ {} }}", declare(&record.name)?, fields.join(", ")));
    }
    for tool in &surface.tools {
        let signature = tool_type(suite, tool);
        line(&mut out, format_args!("  {}: {signature};", declare(&tool.name)?));
    }
    out.push_str("}\n\nworld suite {\n  export tools;\n}\n");
    Ok(out)
}

/// The type of a tool.
pub(crate) fn tool_type(suite: &Suite, tool: &SurfaceTool) -> String {
    let function = &suite.functions[suite.tools[tool.tool].function];
    let parameters: Vec<_> = tool
        .parameters
        .iter()
        .map(|(index, name, _)| {
            format!("{}: {}", escape(&kebab(name)), type_name(suite, &function.parameters[*index].ty))
        })
        .collect();
    let result = match &function.returns {
        Type::Unit => "_".to_owned(),
        ty => type_name(suite, ty),
    };
    format!("func({}) -> result<{result}, tool-error>", parameters.join(", "))
}

fn type_name(suite: &Suite, ty: &Type) -> String {
    match ty {
        Type::Unit => "_".into(),
        Type::Bool => "bool".into(),
        Type::Int => "s64".into(),
        Type::Float => "f64".into(),
        Type::Str | Type::Key(_) => "string".into(),
        Type::Money => "money".into(),
        Type::Date => "date".into(),
        Type::Enum(id) => escape(&kebab(&suite.enums[*id].name)),
        Type::Row(table) => escape(&kebab(&suite.tables[*table].name)),
        Type::Record(record) => escape(&kebab(&suite.records[*record].name)),
        Type::Option(inner) => format!("option<{}>", type_name(suite, inner)),
        Type::List(inner) => format!("list<{}>", type_name(suite, inner)),
        // Only inside bodies: the checker keeps them from signatures and records.
        Type::Tuple(parts) => {
            format!("tuple<{}>", parts.iter().map(|part| type_name(suite, part)).collect::<Vec<_>>().join(", "))
        }
        Type::Dict(key, value) => format!("list<tuple<{}, {}>>", type_name(suite, key), type_name(suite, value)),
    }
}

fn line(out: &mut String, text: std::fmt::Arguments) {
    writeln!(out, "{text}").expect("writing to a string does not fail");
}

/// Kebab case of lower snake case or upper camel case: `loan_line` and `LoanLine` are `loan-line`.
pub(crate) fn kebab(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for (i, c) in name.chars().enumerate() {
        match c {
            '_' => out.push('-'),
            c if c.is_ascii_uppercase() => {
                if i > 0 && !out.ends_with('-') {
                    out.push('-');
                }
                out.push(c.to_ascii_lowercase());
            }
            c => out.push(c),
        }
    }
    out
}

/// Words that WIT reserves.
const KEYWORDS: [&str; 41] = [
    "as",
    "async",
    "bool",
    "borrow",
    "char",
    "constructor",
    "enum",
    "error-context",
    "export",
    "f32",
    "f64",
    "flags",
    "from",
    "func",
    "future",
    "import",
    "include",
    "interface",
    "list",
    "map",
    "option",
    "own",
    "package",
    "record",
    "resource",
    "result",
    "s16",
    "s32",
    "s64",
    "s8",
    "static",
    "stream",
    "string",
    "tuple",
    "type",
    "u16",
    "u32",
    "u64",
    "u8",
    "use",
    "variant",
];

/// The name with `%` in front where WIT needs it.
fn escape(name: &str) -> String {
    if KEYWORDS.contains(&name) || ["with", "world"].contains(&name) { format!("%{name}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_kebab_case() {
        for (name, expected) in [("loan_line", "loan-line"), ("LoanLine", "loan-line"), ("Page", "page"), ("x2", "x2")]
        {
            assert_eq!(kebab(name), expected);
        }
    }

    #[test]
    fn keywords_are_escaped() {
        assert_eq!(escape("type"), "%type");
        assert_eq!(escape("types"), "types");
    }
}
