//! Canonical JSON and the short hashes that name environments and tasks.
//!
//! Canonical: object keys sorted by bytes, no white space, numbers as `serde_json` prints them. It is only hashed, never stored.

use serde_json::Value;

/// Canonical JSON text of a value.
pub fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (i, (key, inner)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(inner, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, inner) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(inner, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// The first `digits` hex digits (at most 64) of the blake3 hash of the parts, each with its length in front, so that no two
/// lists of parts run into each other.
pub fn short_hash(parts: &[&str], digits: usize) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut hex = hasher.finalize().to_hex().to_string();
    hex.truncate(digits);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn key_order_does_not_matter_and_everything_else_does() {
        let a = json!({"b": [1, 2.5, null], "a": {"y": "\"", "x": true}});
        let b = json!({"a": {"x": true, "y": "\""}, "b": [1, 2.5, null]});
        assert_eq!(canonical_json(&a), r#"{"a":{"x":true,"y":"\""},"b":[1,2.5,null]}"#);
        assert_eq!(canonical_json(&a), canonical_json(&b));
        assert_ne!(canonical_json(&json!([1, 2])), canonical_json(&json!([2, 1])));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(short_hash(&["ab", "c"], 12), short_hash(&["a", "bc"], 12));
        assert_eq!(short_hash(&["ab", "c"], 12).len(), 12);
    }
}
