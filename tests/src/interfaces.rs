//! Random WIT interfaces with every kind of type that has a JSON form, and JSON values of such types.

use crate::support::Random;
use serde_json::{Map, Value as Json, json};
use std::fmt::Write;
use terrarium_sandbox::{Export, ValueType};

const PRIMITIVES: [&str; 13] =
    ["bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char", "string"];

/// Text of a package whose world `suite` exports an interface `tools`.
pub fn interface(random: &mut Random) -> String {
    let mut definitions = String::from("  record tool-error { code: string, message: string }\n");
    definitions += "  record money { cents: s64 }\n  record date { epoch-day: s32 }\n";
    let mut named = 0;
    let mut functions = String::new();
    for number in 0..=random.below(4) {
        let most = if random.one_in(6) { 14 } else { 4 };
        let parameters: Vec<String> =
            (0..random.below(most)).map(|i| format!("a{i}: {}", ty(random, 3, &mut named, &mut definitions))).collect();
        let result = match random.below(8) {
            0 => String::new(),
            1 => format!(" -> {}", ty(random, 3, &mut named, &mut definitions)),
            2 => " -> result<_, tool-error>".to_owned(),
            _ => format!(" -> result<{}, tool-error>", ty(random, 3, &mut named, &mut definitions)),
        };
        writeln!(functions, "  f{number}: func({}){result};", parameters.join(", ")).expect("a string takes it");
    }
    format!("package fuzz:guest;\ninterface tools {{\n{definitions}{functions}}}\nworld suite {{ export tools; }}\n")
}

/// A type as it is written; the named types it needs are appended to `definitions`.
fn ty(random: &mut Random, depth: usize, named: &mut usize, definitions: &mut String) -> String {
    if depth == 0 || random.one_in(3) {
        return match random.below(8) {
            0 => "money".to_owned(),
            1 => "date".to_owned(),
            _ => random.pick(&PRIMITIVES).to_owned(),
        };
    }
    let mut inner = |random: &mut Random, definitions: &mut String| ty(random, depth - 1, named, definitions);
    let count = 1 + random.below(4);
    let text = match random.below(8) {
        0 => return format!("option<{}>", inner(random, definitions)),
        1 | 2 => return format!("list<{}>", inner(random, definitions)),
        3 => {
            let items: Vec<String> = (0..count).map(|_| inner(random, definitions)).collect();
            return format!("tuple<{}>", items.join(", "));
        }
        4 => {
            let (ok, error) = (inner(random, definitions), inner(random, definitions));
            return random.pick(&[
                format!("result<{ok}>"),
                format!("result<_, {error}>"),
                format!("result<{ok}, {error}>"),
            ]);
        }
        5 => {
            let word = random.pick(&["enum", "flags"]);
            let count = random.pick(&[1, 3, 8, 9, 17, 32]);
            let names: Vec<String> = (0..count).map(|i| format!("n-x{i}")).collect();
            format!("{word} NAME {{ {} }}", names.join(", "))
        }
        6 => {
            let fields: Vec<String> = (0..count).map(|i| format!("f{i}: {}", inner(random, definitions))).collect();
            format!("record NAME {{ {} }}", fields.join(", "))
        }
        _ => {
            let cases = (0..count).map(|i| match random.below(3) {
                0 => format!("c{i}"),
                _ => format!("c{i}({})", inner(random, definitions)),
            });
            format!("variant NAME {{ {} }}", cases.collect::<Vec<_>>().join(", "))
        }
    };
    *named += 1;
    let name = format!("t{named}");
    writeln!(definitions, "  {}", text.replacen("NAME", &name, 1)).expect("a string takes it");
    name
}

/// Arguments that fit a tool.
pub fn arguments(export: &Export, random: &mut Random) -> Json {
    let mut given = Map::new();
    for (name, ty) in &export.parameters {
        if matches!(ty, ValueType::Option(_)) && random.one_in(3) {
            continue;
        }
        given.insert(name.clone(), value(ty, random));
    }
    Json::Object(given)
}

/// A value of a type in its JSON form.
pub fn value(ty: &ValueType, random: &mut Random) -> Json {
    use ValueType::*;
    let one = |name: &str, value: Json| Json::Object(Map::from_iter([(name.to_owned(), value)]));
    match ty {
        Bool => json!(random.one_in(2)),
        S8 => json!(random.next() as i8),
        U8 => json!(random.next() as u8),
        S16 => json!(random.next() as i16),
        U16 => json!(random.next() as u16),
        S32 => json!(random.next() as i32),
        U32 => json!(random.next() as u32),
        S64 => json!(random.next() as i64),
        U64 => json!(random.next()),
        F32 | F64 => random.pick(&[json!(0.0), json!(-1.5), json!(1e30), json!(3), json!(0.1), json!(-7)]),
        Char => json!(random.pick(&["a", "ß", "\u{10ffff}", "\0", "\u{d7ff}"])),
        String => {
            json!(random.pick(&["", "text", "Ünï…", "\u{0}\u{1f980}", "a longer text, of some forty characters"]))
        }
        Money => json!(random.pick(&["0.00", "-0.01", "12", "3.5", "92233720368547758.07", "-92233720368547758.08"])),
        Date => json!(random.pick(&["0001-01-01", "9999-12-31", "2024-02-29", "1970-01-01"])),
        Enum(names) => json!(random.pick(&names.names)),
        Flags(names) => Json::Array(names.names.iter().filter(|_| random.one_in(2)).map(|n| json!(n)).collect()),
        Record(record) => {
            let mut fields = Map::new();
            for field in &record.fields {
                if !(matches!(field.ty, Option(_)) && random.one_in(3)) {
                    fields.insert(field.name.clone(), value(&field.ty, random));
                }
            }
            Json::Object(fields)
        }
        Tuple(record) => Json::Array(record.fields.iter().map(|f| value(&f.ty, random)).collect()),
        Variant(variant) => {
            let case = random.pick(&variant.cases);
            match &case.ty {
                None => json!(case.name),
                Some(ty) => one(&case.name, value(ty, random)),
            }
        }
        Option(variant) => match variant.cases.get(1).and_then(|c| c.ty.as_ref()) {
            Some(inner) if !random.one_in(3) => {
                let inside = value(inner, random);
                if matches!(inner, Option(_)) { one("some", inside) } else { inside }
            }
            _ => Json::Null,
        },
        Result(variant) => {
            let case = random.pick(&variant.cases);
            one(&case.name, case.ty.as_ref().map_or(Json::Null, |ty| value(ty, random)))
        }
        List(inner) => Json::Array((0..random.below(4)).map(|_| value(inner, random)).collect()),
    }
}
