//! JSON text as Python writes it: `json.dumps(value, ensure_ascii=False)`.
//!
//! A space after `,` and `:`, keys in their order, characters beyond ASCII as they are, floats in Python's `repr`
//! (`1e-07`, `1e+21`, `1.0`).

use serde_json::Value;

/// `value` as Python would write it.
pub fn dumps(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// A string in quotes, with Python's escapes.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_string(text, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => out.push_str(&float_repr(float)),
            _ => out.push_str(&number.to_string()),
        },
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (index, (key, item)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_string(key, out);
                out.push_str(": ");
                write(item, out);
            }
            out.push('}');
        }
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Python's `repr` of a finite float: shortest digits, exponent form below 1e-4 and from 1e16 on.
fn float_repr(value: f64) -> String {
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{value}");
    if plain.contains('.') { plain } else { format!("{plain}.0") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &str) {
        assert_eq!(dumps(&serde_json::from_str(json).unwrap()), expected);
    }

    #[test]
    fn as_python_writes() {
        check(r#"{"b":1,"a":[1,2.0,-0.0,null,true],"c":{}}"#, r#"{"b": 1, "a": [1, 2.0, -0.0, null, true], "c": {}}"#);
        check(
            "[1e-7,1e-4,0.00012345,1e15,1e16,1.5e16,1e21,1.7976931348623157e308,3.14159]",
            "[1e-07, 0.0001, 0.00012345, 1000000000000000.0, 1e+16, 1.5e+16, 1e+21, 1.7976931348623157e+308, 3.14159]",
        );
        check(r#""caf\u00e9 \u0001\u007f \"\\\/\b\f\n\r\t 🚚""#, "\"café \\u0001\u{7f} \\\"\\\\/\\b\\f\\n\\r\\t 🚚\"");
        check("[18446744073709551615,-9223372036854775808]", "[18446744073709551615, -9223372036854775808]");
    }
}
