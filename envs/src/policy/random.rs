//! The random one: calls tools with arguments drawn from their JSON Schemas, with texts seen in the prompt and in earlier results
//! where a text is wanted, and submits something after a seeded number of calls. Its pass rate says how guessable a task is.

use super::{Agent, Policy, PolicyFailure, PolicyTurn, Situation};
use crate::message::{Message, MessageCall};
use crate::random::stream;
use crate::submit;
use async_trait::async_trait;
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

/// Calls before the submission: from 1 to this many.
const CALLS_MAX: u32 = 10;
/// Values remembered; later ones take the places of earlier ones.
const SEEN_MAX: usize = 512;
/// Depth of nested schemas that are filled in.
const DEPTH_MAX: u32 = 8;

/// The policy `random`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl Policy for Random {
    fn label(&self) -> String {
        "random".to_owned()
    }

    fn agent(&self, seed: u64) -> Box<dyn Agent> {
        Box::new(Guesser::new(seed))
    }

    fn scripted(&self) -> bool {
        true
    }
}

/// A value met in the conversation.
struct Seen {
    /// The field it stood in; empty for words of the prompt.
    field: String,
    value: Value,
}

/// Guesses calls. The policy's agent; also of use on its own, where something is to be called at random.
pub struct Guesser {
    rng: ChaCha8Rng,
    /// Calls left before it submits.
    calls: u32,
    /// Messages read so far.
    read: usize,
    seen: Vec<Seen>,
    /// Where the next value goes once `seen` is full.
    dropped: usize,
}

#[async_trait]
impl Agent for Guesser {
    async fn act(&mut self, situation: Situation<'_>) -> Result<PolicyTurn, PolicyFailure> {
        for message in &situation.messages[self.read.min(situation.messages.len())..] {
            match message {
                Message::User { content } => self.read_text(content),
                Message::Tool { content, .. } => {
                    if let Ok(value) = serde_json::from_str::<Value>(content)
                        && value.get("error").is_none()
                    {
                        self.read_value("", value);
                    }
                }
                Message::System { .. } | Message::Assistant { .. } => {}
            }
        }
        self.read = situation.messages.len();
        let tools: Vec<_> = situation.tools.iter().filter(|t| t.name != submit::NAME).collect();
        let (name, arguments) = match tools.choose(&mut self.rng) {
            Some(tool) if self.calls > 0 => {
                self.calls -= 1;
                (tool.name.clone(), self.value("", &tool.parameters, 0))
            }
            _ => (submit::NAME.to_owned(), self.submission()),
        };
        let call = MessageCall { id: String::new(), name, arguments: arguments.to_string() };
        Ok(PolicyTurn { calls: vec![call], ..PolicyTurn::default() })
    }
}

impl Guesser {
    /// A guesser with a random stream of this seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = stream(seed, "random policy");
        let calls = rng.random_range(1..=CALLS_MAX);
        Guesser { rng, calls, read: 0, seen: Vec::new(), dropped: 0 }
    }

    /// One of these, each as likely; none of none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.choose(&mut self.rng)
    }

    /// Arguments that fit a JSON Schema, of values learned before where it can.
    pub fn arguments(&mut self, schema: &Value) -> Value {
        self.value("", schema, 0)
    }

    /// Remembers the values of a result.
    pub fn learn(&mut self, result: Value) {
        self.read_value("", result);
    }

    /// Remembers what may be a name, a key, a number or a date: words with a digit or a capital letter, and quoted phrases.
    fn read_text(&mut self, text: &str) {
        for (i, quoted) in text.split(['"', '“', '”']).enumerate() {
            if i % 2 == 1 && !quoted.trim().is_empty() {
                self.remember("", Value::from(quoted.trim()));
            }
        }
        for word in text.split_whitespace() {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric());
            if let Ok(number) = word.parse::<i64>() {
                self.remember("", Value::from(number));
            }
            if word.chars().any(|c| c.is_ascii_digit() || c.is_uppercase()) {
                self.remember("", Value::from(word));
            }
        }
    }

    fn read_value(&mut self, field: &str, value: Value) {
        match value {
            Value::Object(map) => map.into_iter().for_each(|(name, inner)| self.read_value(&name, inner)),
            Value::Array(items) => items.into_iter().for_each(|inner| self.read_value(field, inner)),
            Value::String(_) | Value::Number(_) => self.remember(field, value),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn remember(&mut self, field: &str, value: Value) {
        let seen = Seen { field: field.to_owned(), value };
        if self.seen.len() < SEEN_MAX {
            self.seen.push(seen);
        } else {
            self.seen[self.dropped] = seen;
            self.dropped = (self.dropped + 1) % SEEN_MAX;
        }
    }

    /// Something seen that satisfies `fits`; a value of a field whose name goes with the parameter's is preferred.
    fn recall(&mut self, parameter: &str, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        let fitting: Vec<&Seen> = self.seen.iter().filter(|s| fits(&s.value)).collect();
        let related: Vec<&&Seen> = fitting.iter().filter(|s| goes_with(parameter, &s.field)).collect();
        let related = related.choose(&mut self.rng).map(|s| s.value.clone());
        let any = fitting.choose(&mut self.rng).map(|s| s.value.clone());
        if related.is_some() && self.rng.random_bool(0.8) { related } else { any }
    }

    /// A value of a schema.
    fn value(&mut self, name: &str, schema: &Value, depth: u32) -> Value {
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return values.choose(&mut self.rng).cloned().unwrap_or_default();
        }
        for choice in ["anyOf", "oneOf"] {
            if let Some(schemas) = schema.get(choice).and_then(Value::as_array) {
                let chosen = schemas.choose(&mut self.rng).cloned().unwrap_or_default();
                return self.value(name, &chosen, depth + 1);
            }
        }
        let ty = match schema.get("type") {
            Some(Value::Array(types)) => types.choose(&mut self.rng).cloned().unwrap_or_default(),
            Some(one) => one.clone(),
            None => Value::Null,
        };
        match ty.as_str() {
            Some("string") => self.text(name, schema),
            Some("integer") => self.integer(name, schema),
            Some("number") => Value::from(f64::from(self.rng.random_range(0..10_000)) / 4.0),
            Some("boolean") => Value::from(self.rng.random_bool(0.5)),
            Some("array") if depth < DEPTH_MAX => {
                let items = schema.get("items").cloned().unwrap_or_else(|| json!({"type": "string"}));
                let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(8);
                let most = schema.get("maxItems").and_then(Value::as_u64).unwrap_or(3).clamp(least, least + 3);
                (0..self.rng.random_range(least..=most)).map(|_| self.value(name, &items, depth + 1)).collect()
            }
            Some("array") => json!([]),
            Some("object") => self.object(schema, depth),
            _ => Value::Null,
        }
    }

    fn object(&mut self, schema: &Value, depth: u32) -> Value {
        let mut object = Map::new();
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let properties = schema.get("properties").and_then(Value::as_object);
        for (property, inner) in properties.into_iter().flatten() {
            if required.contains(&property.as_str()) || (depth < DEPTH_MAX && self.rng.random_bool(0.4)) {
                object.insert(property.clone(), self.value(property, inner, depth + 1));
            }
        }
        Value::Object(object)
    }

    fn integer(&mut self, name: &str, schema: &Value) -> Value {
        let least = schema.get("minimum").and_then(Value::as_i64);
        let most = schema.get("maximum").and_then(Value::as_i64);
        let fits = |v: &Value| v.as_i64().is_some_and(|n| least.is_none_or(|l| n >= l) && most.is_none_or(|m| n <= m));
        if self.rng.random_bool(0.25)
            && let Some(value) = self.recall(name, fits)
        {
            return value;
        }
        let low = least.unwrap_or(most.map_or(1, |m| m.min(1)));
        // The first page, one piece, one day: the smallest number is the likeliest to do something.
        if self.rng.random_bool(0.5) {
            return Value::from(low);
        }
        let high = most.unwrap_or(i64::MAX).min(low.saturating_add(if self.rng.random_bool(0.7) { 4 } else { 99 }));
        Value::from(self.rng.random_range(low..=high.max(low)))
    }

    fn text(&mut self, name: &str, schema: &Value) -> Value {
        let pattern = schema.get("pattern").and_then(Value::as_str).unwrap_or_default();
        match shape(schema.get("format").and_then(Value::as_str), pattern) {
            Shape::Date => {
                let is_date = |v: &Value| v.as_str().is_some_and(|s| parts(s).is_some());
                self.recall(name, is_date).filter(|_| self.rng.random_bool(0.7)).unwrap_or_else(|| {
                    let (year, month) = (self.rng.random_range(2024..2028), self.rng.random_range(1..=12));
                    Value::from(format!("{year}-{month:02}-{:02}", self.rng.random_range(1..=28)))
                })
            }
            Shape::Money => {
                let is_money = |v: &Value| v.as_str().is_some_and(is_money);
                self.recall(name, is_money).filter(|_| self.rng.random_bool(0.5)).unwrap_or_else(|| {
                    let cents: u32 = self.rng.random_range(0..20_000) / 50 * 50;
                    Value::from(format!("{}.{:02}", cents / 100, cents % 100))
                })
            }
            Shape::Any => {
                self.recall(name, |v| v.is_string()).filter(|_| self.rng.random_bool(0.95)).unwrap_or_else(|| {
                    Value::from(format!("{}-{:04}", name.chars().next().unwrap_or('x'), self.rng.random_range(1..100)))
                })
            }
        }
    }

    /// Nothing, anything seen, or a refusal on the grounds of anything seen.
    fn submission(&mut self) -> Value {
        match self.rng.random_range(0..12) {
            0..3 => json!({}),
            3..5 => json!({"answer": self.rng.random_range(0..20)}),
            5..7 => {
                let rule = self.rng.random_range(1..=6);
                let evidence = self.recall("evidence", |_| true).unwrap_or_else(|| json!(0));
                json!({"decision": "refuse", "rule": rule, "evidence": evidence})
            }
            _ => match self.recall("answer", |_| true) {
                Some(value) => json!({"answer": value}),
                None => json!({}),
            },
        }
    }
}

enum Shape {
    Date,
    Money,
    Any,
}

fn shape(format: Option<&str>, pattern: &str) -> Shape {
    // The two stated JSON forms that are patterned strings: `2026-03-01` and `12.50`.
    if format == Some("date") || pattern.contains("{4}-") {
        Shape::Date
    } else if format == Some("money") || pattern.contains("\\.") {
        Shape::Money
    } else {
        Shape::Any
    }
}

fn parts(s: &str) -> Option<[u32; 3]> {
    let mut numbers = s.splitn(3, '-');
    let mut next = |width: usize| numbers.next().filter(|n| n.len() == width)?.parse().ok();
    Some([next(4)?, next(2)?, next(2)?])
}

fn is_money(s: &str) -> bool {
    let unsigned = s.strip_prefix('-').unwrap_or(s);
    unsigned.split_once('.').is_some_and(|(whole, cents)| {
        !whole.is_empty() && cents.len() == 2 && whole.bytes().chain(cents.bytes()).all(|b| b.is_ascii_digit())
    })
}

/// Whether a field's name and a parameter's name share a word: `member_id` and `member`, `id` and `loan_id`.
fn goes_with(parameter: &str, field: &str) -> bool {
    !field.is_empty() && parameter.split('_').any(|word| field.split('_').any(|other| other == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guesser(seed: u64) -> Guesser {
        Guesser { rng: stream(seed, "test"), calls: 1, read: 0, seen: Vec::new(), dropped: 0 }
    }

    #[test]
    fn arguments_keep_to_their_schema() {
        let schema = json!({
            "type": "object",
            "properties": {
                "member_id": {"type": "string"},
                "due": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
                "after": {"type": ["string", "null"], "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
                "fee": {"type": "string", "pattern": "^-?[0-9]+\\.[0-9]{2}$"},
                "page": {"type": "integer", "minimum": 1},
                "size": {"anyOf": [{"type": "integer", "minimum": -5, "maximum": -3}, {"type": "null"}]},
                "tier": {"enum": ["standard", "student"]},
                "share": {"type": "number"},
                "urgent": {"type": "boolean"},
                "lines": {"type": "array", "minItems": 1, "items": {"type": "object", "properties": {"n": {"type": "integer"}},
                    "required": ["n"], "additionalProperties": false}}
            },
            "required": ["member_id", "due", "fee", "page", "tier", "lines"],
            "additionalProperties": false
        });
        let validator = jsonschema::validator_for(&schema).expect("a valid schema");
        for seed in 0..300 {
            let mut guesser = guesser(seed);
            if seed % 2 == 0 {
                guesser.read_text("Lend “The River” to Ann Lee (M-0042) until 2026-03-01 for 3 days.");
                guesser.read_value("", json!({"items": [{"id": "L-1", "due": "2026-04-05", "fee": "2.50", "n": 7}]}));
            }
            let arguments = guesser.value("", &schema, 0);
            assert!(validator.is_valid(&arguments), "{arguments}");
        }
    }

    #[test]
    fn related_values_come_first() {
        let mut hits = 0;
        for seed in 0..200 {
            let mut guesser = guesser(seed);
            guesser.read_value("", json!([{"member": "M-1", "book": "B-1", "title": "x", "note": "y"}]));
            hits += usize::from(guesser.value("member_id", &json!({"type": "string"}), 0) == json!("M-1"));
        }
        assert!(hits > 120, "{hits} of 200");
    }

    #[test]
    fn memory_is_bounded() {
        let mut guesser = guesser(1);
        guesser.read_value("", (0..5000).map(Value::from).collect());
        assert_eq!(guesser.seen.len(), SEEN_MAX);
        assert!(guesser.seen.iter().any(|s| s.value == json!(4999)));
    }
}
