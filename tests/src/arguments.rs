//! Arguments against schemas: those that fit are taken, those with one fault are refused with a message that names the field, says what
//! was expected or wrong, and, for a misspelt name, gives the right one.
//!
//! Both judges are asked: the sandbox, which knows WIT types, and for our own suites the schemas of `terrarium-tools`.

use crate::interfaces::arguments;
use crate::support::Random;
use serde_json::{Value as Json, json};
use terrarium_sandbox::{CallOutcome, Export, Instance, ValueType};
use terrarium_tools::schema::{CompiledSchema, ToolSchema, validate_arguments};

/// Longest message, in bytes: an agent reads it.
const MESSAGE_BYTES_MAX: usize = 4_000;

/// What became of arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Arguments that fit and were taken.
    pub taken: u64,
    /// Arguments with a fault that were refused in the right words.
    pub refused: u64,
}

impl Seen {
    /// Adds up.
    pub fn add(&mut self, other: Seen) {
        self.taken += other.taken;
        self.refused += other.refused;
    }
}

/// A fault put into arguments.
struct Fault {
    /// What each message about it must contain.
    names: Vec<String>,
    /// The JSON after it.
    arguments: Json,
}

/// Tries one tool with arguments that fit, and with one fault. `schema` is the tool's own, if it is of one of our suites.
///
/// # Errors
/// A broken promise, in words.
pub fn check(
    instance: &mut Instance,
    tool: &Export,
    schema: Option<&ToolSchema>,
    random: &mut Random,
) -> Result<Seen, String> {
    let mut seen = Seen::default();
    let compiled = schema.map(CompiledSchema::new).transpose().map_err(|e| e.to_string())?;
    let own = jsonschema::validator_for(&tool.parameters_schema()).map_err(|e| format!("{}: {e}", tool.name))?;
    let fitting = arguments(tool, random);
    let say = |what: &str, arguments: &Json| format!("{}({arguments}): {what}", tool.name);
    let call = instance.call(&tool.name, &fitting).map_err(|e| e.to_string())?;
    if let CallOutcome::BadArguments { message } = call.outcome {
        return Err(say(&format!("fits and is refused: {message}"), &fitting));
    }
    if let Err(error) = own.validate(&fitting) {
        return Err(say(&format!("fits, and its schema says: {error}"), &fitting));
    }
    if let Some(Err(error)) = compiled.as_ref().map(|c| validate_arguments(c, &fitting)) {
        // Money in other spellings, and numbers past 64 bits, are taken by the sandbox alone.
        if !fitting.to_string().contains("\"12\"") && !fitting.to_string().contains("\"3.5\"") {
            return Err(say(&format!("fits, and the suite's schema says: {error}"), &fitting));
        }
    }
    seen.taken = 1;
    let Some(Fault { names, arguments }) = fault(tool, fitting, random) else { return Ok(seen) };
    let outcome = instance.call(&tool.name, &arguments).map_err(|e| e.to_string())?.outcome;
    let CallOutcome::BadArguments { message } = outcome else {
        return Err(say(&format!("does not fit, and ended with {outcome:?}"), &arguments));
    };
    let mut messages = vec![message];
    if let Some(compiled) = &compiled {
        match validate_arguments(compiled, &arguments) {
            Ok(()) => return Err(say("does not fit, and the suite's schema takes it", &arguments)),
            Err(error) => messages.push(error.to_string()),
        }
    }
    for message in messages {
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(say(&format!("a message of {} bytes", message.len()), &arguments));
        }
        if let Some(name) = names.iter().find(|name| !message.contains(name.as_str())) {
            return Err(say(&format!("the message does not name {name}: {message}"), &arguments));
        }
    }
    seen.refused = 1;
    Ok(seen)
}

/// Puts one fault into arguments that fit.
fn fault(tool: &Export, mut arguments: Json, random: &mut Random) -> Option<Fault> {
    if random.one_in(20) {
        let arguments = random.pick(&[json!([]), json!(null), json!("text"), json!(7)]);
        return Some(Fault { names: vec!["object".into()], arguments });
    }
    let given = arguments.as_object_mut()?;
    if tool.parameters.is_empty() || random.one_in(6) {
        given.insert("not_a_parameter".into(), json!(1));
        return Some(Fault { names: vec!["not_a_parameter".into()], arguments });
    }
    let (name, ty) = random.pick(&tool.parameters);
    match random.below(4) {
        // A required one is missing.
        0 if !matches!(ty, ValueType::Option(_)) => {
            given.shift_remove(&name);
            Some(Fault { names: vec![name], arguments })
        }
        // A letter too much.
        1 => {
            let value = given.shift_remove(&name).unwrap_or(Json::Null);
            let misspelt = format!("{name}x");
            if tool.parameters.iter().any(|(n, _)| *n == misspelt) {
                return None;
            }
            given.insert(misspelt.clone(), value);
            Some(Fault { names: vec![misspelt, name], arguments })
        }
        _ => {
            let value = given.get_mut(&name)?;
            let mut path = vec![name.clone()];
            if spoil(&ty, value, &mut path, random) {
                Some(Fault { names: vec![path.concat()], arguments })
            } else {
                None
            }
        }
    }
}

/// Spoils a value somewhere inside; says whether it did.
fn spoil(ty: &ValueType, value: &mut Json, path: &mut Vec<String>, random: &mut Random) -> bool {
    use ValueType::*;
    let wrong = match (ty, &mut *value) {
        (Record(record), Json::Object(fields)) if !random.one_in(3) => {
            let field = random.pick(&record.fields);
            let Some(inner) = fields.get_mut(&field.name) else { return false };
            path.push(format!(".{}", field.name));
            return spoil(&field.ty, inner, path, random);
        }
        (List(inner), Json::Array(items)) if !items.is_empty() && !random.one_in(3) => {
            let at = random.below(items.len());
            path.push(format!("[{at}]"));
            return spoil(inner, &mut items[at], path, random);
        }
        (Option(_), Json::Null) => return false,
        (Option(variant), _) => {
            let inner = variant.cases.get(1).and_then(|c| c.ty.clone());
            return match inner {
                Some(Option(_)) | None => false,
                Some(inner) => spoil(&inner, value, path, random),
            };
        }
        // Their messages speak of the value as a whole.
        (Tuple(_) | Variant(_) | Result(_) | Flags(_), _) => json!(true),
        (Bool, _) => random.pick(&[json!("true"), json!(1), json!([])]),
        (S8 | S16 | S32 | U8 | U16 | U32, _) => {
            random.pick(&[json!(1u64 << 40), json!("1"), json!(1.5), json!(-(1i64 << 40))])
        }
        (S64, _) => random.pick(&[json!(u64::MAX), json!("1"), json!(1.5), json!(1e30), json!(true)]),
        (U64, _) => random.pick(&[json!(-1), json!("1"), json!(0.5)]),
        (F32 | F64, _) => random.pick(&[json!("1.0"), json!(false), json!({})]),
        (Char, _) => random.pick(&[json!(""), json!("ab"), json!(65)]),
        (String, _) => random.pick(&[json!(1), json!(["a"]), json!({}), json!(false)]),
        (Money, _) => random.pick(&[json!(12.5), json!("12.505"), json!("$1"), json!("1,00"), json!("")]),
        (Date, _) => random.pick(&[json!("2024-02-30"), json!("tomorrow"), json!("2024-1-1"), json!(20240101)]),
        (Enum(names), _) => {
            let near = format!("{}s", names.names[0]);
            random.pick(&[json!(near), json!(0), json!("")])
        }
        (Record(_), _) => random.pick(&[json!([]), json!("{}"), json!(1)]),
        (List(_), _) => random.pick(&[json!({}), json!("[]"), json!(1)]),
    };
    *value = wrong;
    true
}
