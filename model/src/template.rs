//! Chat templates of other models: Jinja, as `transformers` renders it.
//!
//! DeepSeek-V3.2 has none (see [`crate::dsml`]); a folder that brings one (`chat_template.jinja`, or `chat_template` in
//! `tokenizer_config.json`) is spoken to in it. Templates see `messages`, `tools`, `add_generation_prompt`, the special
//! tokens and whatever else the caller passes; `tojson` writes JSON as Python does, `raise_exception` ends with the
//! template's own message, and string methods of Python work. There is no clock.

use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, ErrorKind};
use serde_json::{Map, Value};

use crate::dsml::json::dumps;
use crate::{Error, Result};

/// A compiled chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// Special tokens by their names in `tokenizer_config.json`.
    tokens: Map<String, Value>,
}

const NAME: &str = "chat";
/// Instructions one rendering may take: far beyond any conversation, and an end for templates that have none.
const FUEL: u64 = 50_000_000;

impl ChatTemplate {
    /// The template of a checkpoint folder; none if it brings none.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Json`], [`Error::Template`] if the file cannot be used.
    pub fn load(folder: &Path) -> Result<Option<Self>> {
        let read = |name: &str| {
            let path = folder.join(name);
            match std::fs::read_to_string(&path) {
                Ok(text) => Ok(Some(text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(source) => Err(Error::Io { operation: "read", path, source }),
            }
        };
        let fields: Value = match read("tokenizer_config.json")? {
            None => Value::Null,
            Some(text) => serde_json::from_str(&text)
                .map_err(|source| Error::Json { path: folder.join("tokenizer_config.json"), source })?,
        };
        let source = read("chat_template.jinja")?.or_else(|| match &fields["chat_template"] {
            Value::String(text) => Some(text.clone()),
            // Several by name; the default one is meant for conversations with and without tools.
            Value::Array(all) => {
                let default = all.iter().find(|entry| entry["name"] == "default").or(all.first());
                default.and_then(|entry| entry["template"].as_str()).map(str::to_owned)
            }
            _ => None,
        });
        let Some(source) = source else { return Ok(None) };
        let mut tokens = Map::new();
        for name in ["bos_token", "eos_token", "pad_token", "unk_token"] {
            let text = fields[name].as_str().or_else(|| fields[name]["content"].as_str());
            if let Some(text) = text {
                tokens.insert(name.to_owned(), text.into());
            }
        }
        Self::new(source, tokens).map(Some)
    }

    /// Compile a template.
    ///
    /// # Errors
    /// [`Error::Template`] with the line that is wrong.
    pub fn new(source: String, tokens: Map<String, Value>) -> Result<Self> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(failed)?);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", tojson);
        environment.add_function("raise_exception", |message: String| {
            Err::<String, _>(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_template_owned(NAME, source).map_err(failed)?;
        Ok(Self { environment, tokens })
    }

    /// The prompt of a conversation.
    ///
    /// `messages` and `tools` are in OpenAI form; arguments of earlier calls, JSON in a string there, reach the template as
    /// objects, which is what templates expect. `more` is added to what the template sees.
    ///
    /// # Errors
    /// [`Error::Template`]: the template's own objection, or what it does that cannot be done.
    pub fn render(&self, messages: &[Value], tools: &[Value], more: &Map<String, Value>) -> Result<String> {
        let mut fields = self.tokens.clone();
        fields.insert("messages".into(), messages.iter().map(with_objects).collect());
        fields.insert("tools".into(), if tools.is_empty() { Value::Null } else { tools.into() });
        fields.insert("add_generation_prompt".into(), true.into());
        fields.extend(more.clone());
        let template = self.environment.get_template(NAME).map_err(failed)?;
        template.render(minijinja::Value::from(Serde(fields))).map_err(failed)
    }
}

fn failed(error: minijinja::Error) -> Error {
    let place = error.line().map_or_else(String::new, |line| format!("line {line}: "));
    Error::Template(format!("{place}{}", error.detail().map_or_else(|| error.to_string(), str::to_owned)))
}

/// Arguments of calls as objects.
fn with_objects(message: &Value) -> Value {
    let mut message = message.clone();
    for call in message["tool_calls"].as_array_mut().into_iter().flatten() {
        let arguments = call["function"]["arguments"].as_str().and_then(|text| serde_json::from_str(text).ok());
        if let Some(arguments @ Value::Object(_)) = arguments {
            call["function"]["arguments"] = arguments;
        }
    }
    message
}

/// `json.dumps(value, ensure_ascii=False)`, or with `indent`.
fn tojson(value: Serde<Value>, options: Kwargs) -> std::result::Result<String, minijinja::Error> {
    let indent: Option<usize> = options.get("indent")?;
    // Templates also pass `ensure_ascii` and `separators`; the form is the same.
    let Some(width) = indent else { return Ok(dumps(&value.0)) };
    let pad = " ".repeat(width.min(16));
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(pad.as_bytes());
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    serde::Serialize::serialize(&value.0, &mut serializer)
        .map_err(|error| minijinja::Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Written for this test in the manner of published ones: loops, Python methods, `tojson`, an objection.
    const SOURCE: &str = r"{{ bos_token }}{% if tools %}<tools>
{% for tool in tools %}
{{ tool | tojson }}
{% endfor %}
</tools>{% endif %}
{% for message in messages %}
{% if message.role not in ['system', 'user', 'assistant', 'tool'] %}
{{ raise_exception('unknown role ' + message.role) }}
{% endif %}
<|{{ message.role }}|>{{ (message.content or '').strip() }}
{% for call in message.tool_calls or [] %}
{% for key, value in call.function.arguments.items() %}
{{ key }}={{ value | tojson }}
{% endfor %}
{% endfor %}
{% endfor %}
{% if add_generation_prompt %}
<|assistant|>
{% endif %}";

    fn template() -> ChatTemplate {
        let tokens = json!({"bos_token": "<s>"});
        ChatTemplate::new(SOURCE.to_owned(), tokens.as_object().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_conversation_is_rendered_as_python_would() {
        let messages = [
            json!({"role": "user", "content": " hi \n"}),
            json!({"role": "assistant", "content": null, "tool_calls": [
                {"function": {"name": "f", "arguments": "{\"b\": 1, \"a\": \"é\"}"}}]}),
        ];
        let tools = [json!({"type": "function", "function": {"name": "f", "parameters": {}}})];
        let found = template().render(&messages, &tools, &Map::new()).unwrap();
        let expected = "<s><tools>\n{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {}}}\n</tools>\
            <|user|>hi\n<|assistant|>\nb=1\na=\"é\"\n<|assistant|>\n";
        assert_eq!(found, expected);
        let mut more = Map::new();
        more.insert("add_generation_prompt".into(), false.into());
        assert!(!template().render(&messages[..1], &[], &more).unwrap().contains("assistant"));
    }

    #[test]
    fn objections_and_mistakes_say_where() {
        let error = template().render(&[json!({"role": "robot", "content": ""})], &[], &Map::new()).unwrap_err();
        assert!(error.to_string().contains("unknown role robot"), "{error}");
        let error = ChatTemplate::new("a\n{% if %}".into(), Map::new()).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
        let endless = "{% for i in range(10000) %}{% for j in range(10000) %}x{% endfor %}{% endfor %}";
        let endless = ChatTemplate::new(endless.into(), Map::new()).unwrap();
        assert!(endless.render(&[], &[], &Map::new()).is_err());
    }

    #[test]
    fn a_folder_brings_its_template() {
        let folder = tempfile::tempdir().unwrap();
        assert!(ChatTemplate::load(folder.path()).unwrap().is_none());
        let config = json!({"bos_token": {"content": "<s>"}, "chat_template": [
            {"name": "tool_use", "template": "no"}, {"name": "default", "template": "{{ bos_token }}{{ messages[0].content }}"}]});
        std::fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
        let render = || {
            let template = ChatTemplate::load(folder.path()).unwrap().unwrap();
            template.render(&[json!({"role": "user", "content": "hi"})], &[], &Map::new()).unwrap()
        };
        assert_eq!(render(), "<s>hi");
        std::fs::write(folder.path().join("chat_template.jinja"), "{{ messages | length }}").unwrap();
        assert_eq!(render(), "1");
    }
}
