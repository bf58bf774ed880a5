//! The grammar of completions whose calls can only be valid.
//!
//! Text is free; a call block keeps to the format, names one of the tools, gives its parameters in the order of the schema
//! (each at most once, required ones always), and values are of the schema's type: texts, members of an `enum` or `const`,
//! integers, numbers, booleans, null, lists and objects of such, and `anyOf` and `oneOf` of these. Bounds, patterns and
//! lengths are not held; a schema that says nothing known allows any JSON.

use serde_json::{Map, Value};

use super::json::dumps;
use super::{BOS, EOS, THINK_END, THINK_START, TOKEN, ThinkingMode};
use crate::engine::grammar::{Grammar, Node, Rule};

/// Schemas nested deeper allow any JSON from there on.
const DEPTH_MAX: usize = 16;

/// Whether a completion must call a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    Allowed,
    /// It is calls, after the reasoning if there is any, and no other text: a model that is free to talk first may never come to it.
    Required,
    /// Nothing but one call, whose texts have at most so many bytes, all of them printable ASCII: for models that would not
    /// come to an end by themselves.
    One {
        text_bytes: usize,
    },
}

/// The grammar of completions with these tools, in OpenAI form (`{"type": "function", "function": {..}}`).
pub fn grammar(tools: &[Value], mode: ThinkingMode, calls: Calls) -> Grammar {
    let text_bytes = if let Calls::One { text_bytes } = calls { Some(text_bytes) } else { None };
    let mut maker = Maker { grammar: Grammar::default(), any: 0, text_bytes };
    maker.any = maker.any_json();
    let special: Vec<Vec<u8>> =
        [BOS, EOS, THINK_START, THINK_END, TOKEN].iter().map(|token| token.as_bytes().to_vec()).collect();
    let free = maker.grammar.add(Node::Without(special));
    let mut parts = Vec::new();
    if mode == ThinkingMode::Thinking {
        let end = maker.grammar.text(THINK_END);
        parts.extend([free, end]);
    }
    let invocations: Vec<Rule> = tools.iter().filter_map(|tool| maker.invocation(&tool["function"])).collect();
    if calls == Calls::Allowed || invocations.is_empty() {
        parts.push(free);
    }
    if !invocations.is_empty() {
        let invocation = maker.grammar.choice(invocations);
        let open = maker.grammar.text(&format!("\n\n<{TOKEN}function_calls>"));
        let line = maker.grammar.text("\n");
        let close = maker.grammar.text(&format!("\n</{TOKEN}function_calls>"));
        let one = maker.grammar.sequence([line, invocation]);
        let more = maker.grammar.add(Node::Repeat(one));
        parts.push(match calls {
            Calls::One { .. } => maker.grammar.sequence([open, one, close]),
            Calls::Required => maker.grammar.sequence([open, one, more, close]),
            Calls::Allowed => {
                let block = maker.grammar.sequence([open, one, more, close]);
                maker.grammar.optional(block)
            }
        });
    }
    maker.grammar.sequence(parts);
    maker.grammar
}

struct Maker {
    grammar: Grammar,
    /// The rule of any JSON value.
    any: Rule,
    /// Most bytes of a text, if that is limited.
    text_bytes: Option<usize>,
}

impl Maker {
    /// `<｜DSML｜invoke ..>` with its parameters; none for a function without a name.
    fn invocation(&mut self, function: &Value) -> Option<Rule> {
        let name = function["name"].as_str()?;
        let empty = Map::new();
        let properties = function["parameters"]["properties"].as_object().unwrap_or(&empty);
        let required = required(&function["parameters"]);
        let mut parts = vec![self.grammar.text(&format!("<{TOKEN}invoke name=\"{name}\">"))];
        for (key, schema) in properties {
            let parameter = self.parameter(key, schema);
            parts.push(if required.contains(&key.as_str()) { parameter } else { self.grammar.optional(parameter) });
        }
        // Without any parameter an empty line stands in their place.
        let end = self.grammar.text(&format!("\n</{TOKEN}invoke>"));
        let blank = self.grammar.text("\n");
        let given = self.grammar.sequence(parts[1..].to_vec());
        let any_required = properties.keys().any(|key| required.contains(&key.as_str()));
        let body = if any_required { given } else { self.grammar.choice([given, blank]) };
        Some(self.grammar.sequence([parts[0], body, end]))
    }

    fn parameter(&mut self, key: &str, schema: &Value) -> Rule {
        let texts = texts(schema);
        let close = format!("</{TOKEN}parameter>");
        let head = |string: bool| format!("\n<{TOKEN}parameter name=\"{key}\" string=\"{string}\">");
        let mut kinds = Vec::new();
        if texts != Texts::None {
            let open = self.grammar.text(&head(true));
            let value = match texts {
                Texts::Members(members) => {
                    let members: Vec<Rule> = members.iter().map(|member| self.grammar.text(member)).collect();
                    self.grammar.choice(members)
                }
                _ => match self.text_bytes {
                    Some(most) => {
                        let printable = self.grammar.class(|byte| matches!(byte, b' '..=b'~'));
                        self.at_most(most, printable)
                    }
                    None => self.grammar.add(Node::Without(vec![TOKEN.as_bytes().to_vec()])),
                },
            };
            let close = self.grammar.text(&close);
            kinds.push(self.grammar.sequence([open, value, close]));
        }
        if let Some(value) = self.json(schema, false, 0) {
            let open = self.grammar.text(&head(false));
            let close = self.grammar.text(&close);
            kinds.push(self.grammar.sequence([open, value, close]));
        }
        self.grammar.choice(kinds)
    }

    /// JSON of a schema; `with_texts` says whether strings count. None if nothing is left.
    fn json(&mut self, schema: &Value, with_texts: bool, depth: usize) -> Option<Rule> {
        if depth > DEPTH_MAX {
            return Some(self.any);
        }
        if let Some(members) = members(schema) {
            let members = members.into_iter().filter(|member| with_texts || !member.is_string());
            let rules: Vec<Rule> = members.map(|member| self.grammar.text(&dumps(member))).collect();
            return (!rules.is_empty()).then(|| self.grammar.choice(rules));
        }
        if let Some(schemas) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
            let rules: Vec<Rule> =
                schemas.iter().filter_map(|schema| self.json(schema, with_texts, depth + 1)).collect();
            return (!rules.is_empty()).then(|| self.grammar.choice(rules));
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            _ => return Some(self.any),
        };
        let mut rules = Vec::new();
        for name in types {
            match name {
                "string" if with_texts => rules.push(self.string()),
                "string" => {}
                "integer" => rules.push(self.number(true)),
                "number" => rules.push(self.number(false)),
                "boolean" => rules.extend([self.grammar.text("true"), self.grammar.text("false")]),
                "null" => rules.push(self.grammar.text("null")),
                "array" => {
                    let item = match &schema["items"] {
                        Value::Null => self.any,
                        items => self.json(items, true, depth + 1).unwrap_or(self.any),
                    };
                    rules.push(self.list("[", item, "]"));
                }
                "object" => rules.push(self.object(schema, depth)),
                _ => rules.push(self.any),
            }
        }
        (!rules.is_empty()).then(|| self.grammar.choice(rules))
    }

    /// An object: its properties in order; without any, any keys.
    fn object(&mut self, schema: &Value, depth: usize) -> Rule {
        let Some(properties) = schema["properties"].as_object().filter(|properties| !properties.is_empty()) else {
            let string = self.string();
            let colon = self.grammar.text(": ");
            let pair = self.grammar.sequence([string, colon, self.any]);
            return self.list("{", pair, "}");
        };
        let required = required(schema);
        // What may follow once nothing, or something, stands before: the comma is the second's.
        let close = self.grammar.text("}");
        let (mut first, mut later) = (close, close);
        for (key, schema) in properties.iter().rev() {
            let value = self.json(schema, true, depth + 1).unwrap_or(self.any);
            let name = format!("{}: ", dumps(&Value::String(key.clone())));
            let (plain, comma) = (self.grammar.text(&name), self.grammar.text(&format!(", {name}")));
            let given_first = self.grammar.sequence([plain, value, later]);
            let given_later = self.grammar.sequence([comma, value, later]);
            if required.contains(&key.as_str()) {
                (first, later) = (given_first, given_later);
            } else {
                first = self.grammar.choice([given_first, first]);
                later = self.grammar.choice([given_later, later]);
            }
        }
        let open = self.grammar.text("{");
        self.grammar.sequence([open, first])
    }

    /// Items between brackets, with `, ` between them.
    fn list(&mut self, open: &str, item: Rule, close: &str) -> Rule {
        let (open, comma, close) = (self.grammar.text(open), self.grammar.text(", "), self.grammar.text(close));
        let more = self.grammar.sequence([comma, item]);
        let more = self.grammar.add(Node::Repeat(more));
        let items = self.grammar.sequence([item, more]);
        let items = self.grammar.optional(items);
        self.grammar.sequence([open, items, close])
    }

    fn string(&mut self) -> Rule {
        let quote = self.grammar.text("\"");
        let plain = self.grammar.class(|byte| byte >= b' ' && byte != b'"' && byte != b'\\');
        let slash = self.grammar.text("\\");
        let short = self.grammar.class(|byte| b"\"\\/bfnrt".contains(&byte));
        let (u, hex) = (self.grammar.text("u"), self.grammar.class(|byte| byte.is_ascii_hexdigit()));
        let long = self.grammar.sequence([u, hex, hex, hex, hex]);
        let escaped = self.grammar.choice([short, long]);
        let escaped = self.grammar.sequence([slash, escaped]);
        let character = self.grammar.choice([plain, escaped]);
        let characters = match self.text_bytes {
            Some(most) => {
                let printable = self.grammar.class(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\');
                self.at_most(most, printable)
            }
            None => self.grammar.add(Node::Repeat(character)),
        };
        self.grammar.sequence([quote, characters, quote])
    }

    /// A rule up to `most` times.
    fn at_most(&mut self, most: usize, rule: Rule) -> Rule {
        let nothing = self.grammar.sequence([]);
        (0..most).fold(nothing, |rest, _| {
            let some = self.grammar.sequence([rule, rest]);
            self.grammar.choice([some, nothing])
        })
    }

    fn number(&mut self, whole: bool) -> Rule {
        let minus = self.grammar.text("-");
        let minus = self.grammar.optional(minus);
        let zero = self.grammar.text("0");
        let digit = self.grammar.class(|byte| byte.is_ascii_digit());
        let first = self.grammar.class(|byte| matches!(byte, b'1'..=b'9'));
        let digits = self.grammar.add(Node::Repeat(digit));
        let counted = self.grammar.sequence([first, digits]);
        let integer = self.grammar.choice([zero, counted]);
        if whole {
            return self.grammar.sequence([minus, integer]);
        }
        let point = self.grammar.text(".");
        let fraction = self.grammar.sequence([point, digit, digits]);
        let fraction = self.grammar.optional(fraction);
        let e = self.grammar.class(|byte| byte == b'e' || byte == b'E');
        let sign = self.grammar.class(|byte| byte == b'+' || byte == b'-');
        let sign = self.grammar.optional(sign);
        let exponent = self.grammar.sequence([e, sign, digit, digits]);
        let exponent = self.grammar.optional(exponent);
        self.grammar.sequence([minus, integer, fraction, exponent])
    }

    fn any_json(&mut self) -> Rule {
        let any = self.grammar.sequence([]);
        let (string, number) = (self.string(), self.number(false));
        let list = self.list("[", any, "]");
        let colon = self.grammar.text(": ");
        let pair = self.grammar.sequence([string, colon, any]);
        let object = self.list("{", pair, "}");
        let words = ["true", "false", "null"].map(|word| self.grammar.text(word));
        let all = [&[string, number, list, object][..], &words].concat();
        self.grammar.replace(any, Node::Choice(all));
        any
    }
}

fn required(schema: &Value) -> Vec<&str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The values of an `enum` or `const`.
fn members(schema: &Value) -> Option<Vec<&Value>> {
    match (&schema["enum"], &schema["const"]) {
        (Value::Array(members), _) => Some(members.iter().collect()),
        (_, Value::Null) => None,
        (_, only) => Some(vec![only]),
    }
}

/// Which texts a schema allows as they are.
#[derive(Debug, PartialEq, Eq)]
enum Texts {
    None,
    Members(Vec<String>),
    All,
}

fn texts(schema: &Value) -> Texts {
    if let Some(members) = members(schema) {
        let texts: Vec<String> = members.into_iter().filter_map(Value::as_str).map(str::to_owned).collect();
        return if texts.is_empty() { Texts::None } else { Texts::Members(texts) };
    }
    if let Some(schemas) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
        let mut all = Vec::new();
        for schema in schemas {
            match texts(schema) {
                Texts::All => return Texts::All,
                Texts::Members(members) => all.extend(members),
                Texts::None => {}
            }
        }
        return if all.is_empty() { Texts::None } else { Texts::Members(all) };
    }
    match &schema["type"] {
        Value::String(name) if name != "string" => Texts::None,
        Value::Array(names) if names.iter().all(|name| name != "string") => Texts::None,
        _ => Texts::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tools() -> Vec<Value> {
        vec![
            json!({"type": "function", "function": {"name": "lend", "parameters": {"type": "object", "properties": {
                "book": {"type": "string"}, "days": {"type": "integer"}, "kind": {"type": "string", "enum": ["new", "used"]},
                "to": {"anyOf": [{"type": "object", "properties": {"id": {"type": "string"}, "age": {"type": "number"}},
                    "required": ["id"]}, {"type": "null"}]}}, "required": ["book", "days"]}}}),
            json!({"type": "function", "function": {"name": "list"}}),
        ]
    }

    /// Whether the text is a beginning of an allowed completion, and whether it may end.
    fn check(text: &str, expected: Option<bool>) {
        let grammar = grammar(&tools(), ThinkingMode::Chat, Calls::Allowed);
        let mut matcher = grammar.start();
        assert_eq!(grammar.push(&mut matcher, text.as_bytes()).then(|| matcher.may_end()), expected, "{text}");
    }

    /// A tool, and of each parameter name, whether it is a string, and value.
    type Written<'a> = (&'a str, &'a [(&'a str, &'a str, &'a str)]);

    fn block(calls: &[Written]) -> String {
        let calls: Vec<String> = calls
            .iter()
            .map(|(name, parameters)| {
                let parameters: Vec<String> = parameters
                    .iter()
                    .map(|(key, string, value)| {
                        format!("<{TOKEN}parameter name=\"{key}\" string=\"{string}\">{value}</{TOKEN}parameter>")
                    })
                    .collect();
                format!("<{TOKEN}invoke name=\"{name}\">\n{}\n</{TOKEN}invoke>", parameters.join("\n"))
            })
            .collect();
        format!("\n\n<{TOKEN}function_calls>\n{}\n</{TOKEN}function_calls>", calls.join("\n"))
    }

    #[test]
    fn valid_calls_pass_and_are_what_the_parser_reads() {
        let (book, days) = (("book", "true", "x < \"y\"\n"), ("days", "false", "14"));
        for calls in [
            &[("lend", &[book, days][..])][..],
            &[("list", &[])],
            &[("list", &[]), ("lend", &[book, days, ("kind", "true", "used"), ("to", "false", "null")])],
            &[("lend", &[book, days, ("to", "false", r#"{"id": "M-1", "age": -3.5e2}"#)])],
            &[("lend", &[book, days, ("to", "false", r#"{"id": "é\n\u00e9"}"#)])],
        ] {
            let text = format!("Let me see.{}", block(calls));
            check(&text, Some(true));
            let message = crate::dsml::parse(&format!("{text}{EOS}"), ThinkingMode::Chat).unwrap();
            assert_eq!(message["tool_calls"].as_array().unwrap().len(), calls.len());
        }
        check("Only text, with < and ｜ in it", Some(true));
    }

    #[test]
    fn nothing_else_passes() {
        let (book, days) = (("book", "true", "x"), ("days", "false", "14"));
        let refused = |calls: &[Written]| check(&block(calls), None);
        refused(&[("burn", &[])]);
        refused(&[("lend", &[book])]);
        refused(&[("lend", &[book, book, days])]);
        refused(&[("lend", &[book, ("days", "false", "14.5")])]);
        refused(&[("lend", &[book, ("days", "false", "007")])]);
        refused(&[("lend", &[book, ("days", "true", "14")])]);
        refused(&[("lend", &[book, days, ("kind", "true", "old")])]);
        refused(&[("lend", &[book, days, ("to", "false", r#"{"age": 3}"#)])]);
        refused(&[("lend", &[book, days, ("colour", "true", "red")])]);
        check(&format!("{} more", block(&[("list", &[])])), None);
        check(&format!("a {TOKEN} alone"), None);
        check("</think>", None);
        check(&block(&[("list", &[])])[..60], Some(false));
    }

    #[test]
    fn a_call_can_be_required_and_reasoning_comes_first() {
        let required = grammar(&tools(), ThinkingMode::Thinking, Calls::Required);
        let ends = |text: &str| {
            let mut matcher = required.start();
            required.push(&mut matcher, text.as_bytes()).then(|| matcher.may_end())
        };
        assert_eq!(ends("thought"), Some(false));
        assert_eq!(ends("thought</think>text"), None);
        assert_eq!(ends(&format!("thought</think>{}", block(&[("list", &[])]))), Some(true));
        assert_eq!(ends(&block(&[("list", &[])])), None);
    }

    #[test]
    fn one_call_with_short_texts_and_nothing_else() {
        let one = grammar(&tools(), ThinkingMode::Chat, Calls::One { text_bytes: 4 });
        let ends = |text: &str| {
            let mut matcher = one.start();
            one.push(&mut matcher, text.as_bytes()).then(|| matcher.may_end())
        };
        let lend = |book| block(&[("lend", &[("book", "true", book), ("days", "false", "14")])]);
        assert_eq!(ends(&lend("a<b>")), Some(true));
        assert_eq!(ends(&lend("")), Some(true));
        assert_eq!(ends(&lend("five5")), None);
        assert_eq!(ends(&lend("é")), None);
        assert_eq!(ends(&format!("First{}", lend("a"))), None);
        assert_eq!(ends(&block(&[("list", &[]), ("list", &[])])), None);
        assert_eq!(ends(""), Some(false));
        let to = |id| ("to", "false", id);
        let days = ("days", "false", "1");
        assert_eq!(ends(&block(&[("lend", &[("book", "true", "a"), days, to(r#"{"id": "M-1!"}"#)])])), Some(true));
        assert_eq!(ends(&block(&[("lend", &[("book", "true", "a"), days, to(r#"{"id": "M-001"}"#)])])), None);
    }
}
