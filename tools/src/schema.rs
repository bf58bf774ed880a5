//! What an agent sees of a tool: a JSON Schema of its arguments, and messages it can act on when they do not fit.
//!
//! The schemas say what JSON Schema can say; two things it cannot are checked here as well: integers fit 64 bits and are
//! written without a fraction, and dates exist. Whether a key names a row is the tool's own business.

use crate::check::names::did_you_mean;
use crate::error::{Error, Result};
use crate::suite::Suite;
use crate::surface::Surface;
use crate::types::Type;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use std::fmt;

/// Pattern of money in JSON.
pub const MONEY_PATTERN: &str = r"^-?[0-9]+\.[0-9]{2}$";
/// Pattern of dates in JSON.
pub const DATE_PATTERN: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";
/// Most problems named in one message.
const PROBLEMS_MAX: usize = 5;

/// A tool as an agent sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolSchema {
    /// Name shown, lower snake case.
    pub name: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of the arguments: an object, `additionalProperties: false`. Options are not required and may be null.
    pub parameters: Json,
    /// Whether it may change rows.
    pub writes: bool,
}

/// Schemas of the tools of a surface, in its order.
pub fn tool_schemas(suite: &Suite, surface: &Surface) -> Vec<ToolSchema> {
    let tools = surface.tools.iter().filter_map(|shown| {
        let tool = suite.tools.get(shown.tool)?;
        let function = &suite.functions[tool.function];
        let parameters = shown.parameters.iter().filter_map(|(index, name, doc)| {
            let parameter = function.parameters.get(*index)?;
            Some((name.as_str(), &parameter.ty, doc.as_str()))
        });
        Some(ToolSchema {
            name: shown.name.clone(),
            description: shown.doc.clone(),
            parameters: object(suite, parameters),
            writes: tool.writes,
        })
    });
    tools.collect()
}

fn object<'a>(suite: &Suite, fields: impl Iterator<Item = (&'a str, &'a Type, &'a str)>) -> Json {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, ty, doc) in fields {
        let mut schema = type_schema(suite, ty);
        let description = description(suite, ty, doc);
        if let (Some(schema), false) = (schema.as_object_mut(), description.is_empty()) {
            schema.insert("description".into(), description.into());
        }
        if !matches!(ty, Type::Option(_)) {
            required.push(Json::from(name));
        }
        properties.insert(name.to_owned(), schema);
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// The author's words, with what a key identifies where they do not say so.
fn description(suite: &Suite, ty: &Type, doc: &str) -> String {
    let (plain, many) = match ty {
        Type::Option(inner) => (&**inner, false),
        Type::List(inner) => (&**inner, true),
        other => (other, false),
    };
    let Type::Key(table) = plain else { return doc.to_owned() };
    let label = &suite.tables[*table].label;
    let what = if many { format!("{label} ids") } else { format!("{label} id") };
    let doc = doc.trim();
    if doc.is_empty() {
        let mut letters = what.chars();
        let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
        return format!("{first}{}.", letters.as_str());
    }
    if doc.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|w| matches!(w, "id" | "ids" | "key")) {
        return doc.to_owned();
    }
    match doc.strip_suffix('.') {
        Some(doc) => format!("{doc} ({what})."),
        None => format!("{doc} ({what})"),
    }
}

/// JSON Schema of a type's JSON form.
pub fn type_schema(suite: &Suite, ty: &Type) -> Json {
    match ty {
        Type::Unit => json!({"type": "null"}),
        Type::Bool => json!({"type": "boolean"}),
        Type::Int => json!({"type": "integer"}),
        Type::Float => json!({"type": "number"}),
        Type::Str | Type::Key(_) => json!({"type": "string"}),
        Type::Money => json!({"type": "string", "pattern": MONEY_PATTERN}),
        Type::Date => json!({"type": "string", "format": "date", "pattern": DATE_PATTERN}),
        Type::Enum(id) => json!({"type": "string", "enum": suite.enums[*id].cases}),
        Type::List(inner) => json!({"type": "array", "items": type_schema(suite, inner)}),
        Type::Record(id) => {
            let fields = suite.records[*id].fields.iter();
            object(suite, fields.map(|(name, ty)| (name.as_str(), ty, "")))
        }
        Type::Row(id) => {
            let columns = suite.tables[*id].columns.iter();
            object(suite, columns.map(|c| (c.name.as_str(), &c.ty, "")))
        }
        Type::Option(inner) => nullable(type_schema(suite, inner)),
        // Only inside bodies: nothing is one.
        Type::Tuple(_) | Type::Dict(..) => json!(false),
    }
}

/// The same schema that also takes null: other keywords only speak of their own types, `enum` lists null too.
fn nullable(mut schema: Json) -> Json {
    if let Some(schema) = schema.as_object_mut() {
        if let Some(ty) = schema.get_mut("type") {
            *ty = json!([ty.take(), "null"]);
        }
        if let Some(Json::Array(cases)) = schema.get_mut("enum") {
            cases.push(Json::Null);
        }
    }
    schema
}

/// A schema ready to validate with.
#[derive(Clone, Debug)]
pub struct CompiledSchema {
    schema: Json,
    validator: Validator,
}

impl CompiledSchema {
    /// Compile the schema of a tool's arguments.
    ///
    /// # Errors
    /// When `parameters` is no JSON Schema; those of [`tool_schemas`] are.
    pub fn new(tool: &ToolSchema) -> Result<Self> {
        let built = jsonschema::options().should_validate_formats(true).build(&tool.parameters);
        let validator = built.map_err(|e| Error::Schema { tool: tool.name.clone(), message: e.to_string() })?;
        Ok(CompiledSchema { schema: tool.parameters.clone(), validator })
    }
}

/// One thing that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where: `page`, `lines[2].quantity`; empty for the arguments as a whole.
    pub field: String,
    /// A sentence part: `expected an integer, got "two"`.
    pub message: String,
}

/// Arguments that do not fit a tool, in words an agent can act on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct ArgumentError {
    /// All problems, at most five.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Problem { field, message }) in self.problems.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            match field.as_str() {
                "" => write!(f, "{separator}{message}")?,
                field => write!(f, "{separator}`{field}`: {message}")?,
            }
        }
        Ok(())
    }
}

/// Check the arguments of a call.
///
/// # Errors
/// Which fields do not fit, what was expected, and the nearest name for unknown ones.
pub fn validate_arguments(schema: &CompiledSchema, arguments: &Json) -> Result<(), ArgumentError> {
    let mut problems: Vec<Problem> = Vec::new();
    let mut add = |problem: Problem| {
        if problems.len() < PROBLEMS_MAX && !problems.iter().any(|p| p.field == problem.field && !p.field.is_empty()) {
            problems.push(problem);
        }
    };
    for error in schema.validator.iter_errors(arguments) {
        explain(&schema.schema, &error).into_iter().for_each(&mut add);
    }
    integers(&schema.schema, arguments, "", &mut add);
    if problems.is_empty() { Ok(()) } else { Err(ArgumentError { problems }) }
}

fn explain(root: &Json, error: &ValidationError<'_>) -> Vec<Problem> {
    let pointer = error.instance_path().as_str();
    let (field, schema) = locate(root, pointer);
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known: Vec<&str> = properties(schema).map(|(name, _)| name.as_str()).collect();
            let one = |name: &String| {
                let hint = if known.is_empty() {
                    "there are no arguments".to_owned()
                } else {
                    did_you_mean(name, known.iter().copied())
                };
                let message = if hint.is_empty() {
                    format!("there is no `{name}`")
                } else {
                    format!("there is no `{name}`; {hint}")
                };
                Problem { field: field.clone(), message }
            };
            unexpected.iter().map(one).collect()
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let expected = properties(schema).find(|(n, _)| *n == name).map_or(String::new(), |(_, s)| expected(s));
            vec![Problem { field, message: format!("`{name}` is missing; expected {expected}") }]
        }
        _ => {
            let got = shortened(error.instance());
            vec![Problem { field, message: format!("expected {}, got {got}", expected(schema)) }]
        }
    }
}

/// Integers that the schema language takes and 64 bits do not.
fn integers(schema: &Json, value: &Json, path: &str, add: &mut impl FnMut(Problem)) {
    match value {
        Json::Object(fields) => {
            for (name, schema) in properties(schema) {
                if let Some(value) = fields.get(name) {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    integers(schema, value, &path, add);
                }
            }
        }
        Json::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                integers(&schema["items"], item, &format!("{path}[{i}]"), add);
            }
        }
        Json::Number(number) if is(schema, "integer") && !number.is_i64() => {
            let message = format!("expected {}, got {number}", expected(schema));
            add(Problem { field: path.to_owned(), message });
        }
        _ => {}
    }
}

fn properties(schema: &Json) -> impl Iterator<Item = (&String, &Json)> {
    schema["properties"].as_object().into_iter().flatten()
}

/// The field a JSON pointer names, in words, and its schema.
fn locate<'a>(root: &'a Json, pointer: &str) -> (String, &'a Json) {
    let mut field = String::new();
    let mut schema = root;
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if schema.get("items").is_some() {
            field.push_str(&format!("[{part}]"));
            schema = &schema["items"];
        } else {
            if !field.is_empty() {
                field.push('.');
            }
            field.push_str(&part);
            schema = &schema["properties"][part.as_str()];
        }
    }
    (field, schema)
}

fn is(schema: &Json, ty: &str) -> bool {
    match &schema["type"] {
        Json::String(own) => own == ty,
        Json::Array(all) => all.iter().any(|t| t == ty),
        _ => false,
    }
}

/// What a schema takes, in words.
fn expected(schema: &Json) -> String {
    let words = if let Json::Array(cases) = &schema["enum"] {
        let cases: Vec<String> = cases.iter().filter(|c| !c.is_null()).map(Json::to_string).collect();
        format!("one of {}", cases.join(", "))
    } else if schema["pattern"] == MONEY_PATTERN {
        "an amount of money as a string, like \"12.50\"".to_owned()
    } else if schema["pattern"] == DATE_PATTERN {
        "a date as a string, like \"2026-03-01\"".to_owned()
    } else if is(schema, "integer") {
        "a 64-bit integer".to_owned()
    } else if is(schema, "number") {
        "a number".to_owned()
    } else if is(schema, "boolean") {
        "true or false".to_owned()
    } else if is(schema, "array") {
        "an array".to_owned()
    } else if is(schema, "object") {
        let known: Vec<&str> = properties(schema).map(|(name, _)| name.as_str()).collect();
        if known.is_empty() {
            "an object without fields".to_owned()
        } else {
            format!("an object with {}", known.join(", "))
        }
    } else {
        "a string".to_owned()
    };
    if is(schema, "null") { format!("{words}, or null") } else { words }
}

/// JSON text for a message, at most 60 characters.
fn shortened(json: &Json) -> String {
    let text = json.to_string();
    if text.chars().count() <= 60 {
        return text;
    }
    text.chars().take(57).chain("...".chars()).collect()
}
