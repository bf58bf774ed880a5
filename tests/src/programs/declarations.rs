//! The top of a generated file: suite, parameters, enums, tables and records.

use super::types::{File, Ty};
use crate::support::Random;
use std::fmt::Write;

/// Fills `file` and gives the text that declares what it holds.
pub(super) fn declare(file: &mut File, random: &mut Random) -> String {
    let mut out = String::from("suite(\"fuzz-lab\", title = \"Generated\", domain = \"test\", policy = \"None.\")\n\n");
    for id in 0..=random.below(2) {
        let cases: Vec<String> = (0..=random.below(4)).map(|case| format!("k{id}_c{case}")).collect();
        let quoted: Vec<String> = cases.iter().map(|c| format!("{c:?}")).collect();
        line(&mut out, &format!("Kind{id} = enum({})", quoted.join(", ")));
        file.enums.push(cases);
    }
    for id in 0..random.below(4) {
        let (ty, value) = random.pick(&[
            (Ty::Int, "3"),
            (Ty::Int, "-9223372036854775807"),
            (Ty::Money, "money_of(\"2.50\")"),
            (Ty::Bool, "True"),
            (Ty::Str, "\"Ünï\\t{x}\""),
            (Ty::Date, "date_of(\"2024-02-29\")"),
        ]);
        line(&mut out, &format!("p{id} = parameter({value})"));
        file.parameters.push(ty);
    }
    let tables = 1 + random.below(3);
    // References may point at any table, so all of them are known before their columns are.
    file.tables = vec![Vec::new(); tables];
    for id in 0..tables {
        let columns = (0..=random.below(5)).map(|c| (format!("c{c}"), column(file, random)));
        let columns: Vec<(String, Ty)> = columns.collect();
        let prefix = random.pick(&["A", "Bb", "KEY"]);
        let separator = random.pick(&["-", "_", ""]);
        let mut text = format!(
            "t{id} = table(\"t{id}\", key(\"{prefix}{}\", 2, separator = \"{separator}\"), rows(1, 9)",
            char::from(b'a' + id as u8)
        );
        for (name, ty) in &columns {
            write!(text, ",\n    {name} = {}", source(ty, random)).expect("writing to a string does not fail");
        }
        line(&mut out, &(text + ")"));
        file.tables[id] = columns;
    }
    let flat = random.below(3);
    let rich = random.below(3);
    for id in 0..flat + rich {
        let count = 1 + random.below(4);
        let fields = (0..count).map(|f| {
            let ty = if id < flat {
                let plain = file.scalar(random);
                if random.one_in(4) { plain.option() } else { plain }
            } else {
                file.any(random, 2)
            };
            (format!("f{f}"), ty)
        });
        let fields: Vec<(String, Ty)> = fields.collect();
        let written: Vec<String> = fields.iter().map(|(name, ty)| format!("{name} = {}", file.name(ty))).collect();
        line(&mut out, &format!("Part{id} = record(\"Part{id}\", {})", written.join(", ")));
        file.records.push(fields);
        if id < flat {
            file.flat_records += 1;
        }
    }
    out + "\n"
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// A column's type. No source makes floats.
fn column(file: &File, random: &mut Random) -> Ty {
    let plain = match file.scalar(random) {
        Ty::Float => Ty::Int,
        other => other,
    };
    if random.one_in(4) { plain.option() } else { plain }
}

fn source(ty: &Ty, random: &mut Random) -> String {
    match ty {
        Ty::Int => "integer(-5, 9)".into(),
        Ty::Bool => "boolean(40)".into(),
        Ty::Money => "money(\"-3.00\", \"40.00\", step = \"0.01\")".into(),
        Ty::Date => "date(-40, 40)".into(),
        Ty::Enum(id) => format!("one_of(Kind{id})"),
        Ty::Key(id) => format!("ref(t{id})"),
        Ty::Option(inner) => format!("maybe(40, {})", source(inner, random)),
        _ => random
            .pick(&[
                "choice(\"\", \"ab\", \"Ab \", \"ß\")",
                "person_name()",
                "phrase([\"Big\", \"Old\"], [\"hat\", \"Hut\"])",
            ])
            .into(),
    }
}

/// How an argument of a tool that writes is made, where no column says it.
pub(super) fn given(ty: &Ty, random: &mut Random) -> Option<String> {
    match ty {
        Ty::Option(inner) => given(inner, random),
        Ty::Int | Ty::Money | Ty::Date | Ty::Str => Some(source(ty, random)),
        _ => None,
    }
}
