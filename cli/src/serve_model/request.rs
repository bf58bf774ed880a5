//! What a client asks for, checked.

use super::Served;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use terrarium_model::dsml::grammar::Calls;
use terrarium_model::dsml::{self, ThinkingMode};
use terrarium_model::engine::Sampling;
use terrarium_model::engine::grammar::Grammar;

/// Why a request is not run.
#[derive(Debug)]
pub struct Refusal {
    pub message: String,
    /// The field that is wrong.
    pub parameter: Option<&'static str>,
    pub code: Option<&'static str>,
}

impl Refusal {
    pub fn new(message: &str) -> Self {
        Self { message: message.to_owned(), parameter: None, code: None }
    }

    fn of(parameter: &'static str, message: &str) -> Self {
        Self { message: format!("`{parameter}` {message}"), parameter: Some(parameter), code: None }
    }
}

/// A request in the engine's terms.
#[derive(Debug)]
pub struct Asked {
    pub prompt: Vec<u32>,
    pub mode: ThinkingMode,
    /// Without its seed's stream: each choice has its own.
    pub sampling: Sampling,
    pub stop: Vec<String>,
    /// Calls can only be valid: a tool is `strict`, or a call is required.
    pub grammar: Option<Arc<Grammar>>,
    pub choices: u64,
    pub stream: bool,
    /// A last chunk with the number of tokens.
    pub stream_usage: bool,
    /// How many alternatives to report at each token; none reports nothing.
    pub logprobs: Option<usize>,
}

/// Choices of one request.
const CHOICES_MAX: u64 = 128;
/// Alternatives a token, as in the original interface.
const ALTERNATIVES_MAX: u64 = 20;

impl Asked {
    /// Check a request and make its prompt.
    pub fn read(body: &Value, served: &Served) -> Result<Self, Refusal> {
        let fields = Fields(body.as_object().ok_or_else(|| Refusal::new("the body is no JSON object"))?);
        let mode = match body["chat_template_kwargs"]["thinking"].as_bool() {
            Some(true) => ThinkingMode::Thinking,
            _ => ThinkingMode::Chat,
        };
        let text = prompt(&fields, mode, served)?;
        let prompt = served.tokenizer.encode(&text);
        let room = served.context.saturating_sub(prompt.len());
        if room == 0 {
            let (length, context) = (prompt.len(), served.context);
            return Err(Refusal {
                message: format!("the messages take {length} tokens, the model's context is {context}"),
                parameter: Some("messages"),
                code: Some("context_length_exceeded"),
            });
        }
        let max_tokens = match fields.integer("max_completion_tokens", 1, u64::MAX)? {
            Some(count) => Some(count),
            None => fields.integer("max_tokens", 1, u64::MAX)?,
        };
        let default = Sampling::default();
        let sampling = Sampling {
            temperature: fields.number("temperature", 0.0, 100.0)?.unwrap_or(1.0),
            top_p: fields.number("top_p", f64::MIN_POSITIVE, 1.0)?.unwrap_or(1.0),
            top_k: fields.integer("top_k", 0, u64::from(u32::MAX))?.map_or(0, |k| k as usize),
            min_p: fields.number("min_p", 0.0, 1.0)?.unwrap_or(0.0),
            max_tokens: max_tokens.map_or(room, |count| usize::try_from(count).unwrap_or(usize::MAX).min(room)),
            seed: fields.seed()?.unwrap_or(default.seed),
            stream: 0,
        };
        let logprobs = fields.flag("logprobs")?.then_some(fields.integer("top_logprobs", 0, ALTERNATIVES_MAX)?);
        Ok(Self {
            prompt,
            mode,
            sampling,
            stop: fields.stop()?,
            grammar: grammar(&fields, mode, served)?.map(Arc::new),
            choices: fields.integer("n", 1, CHOICES_MAX)?.unwrap_or(1),
            stream: fields.flag("stream")?,
            stream_usage: body["stream_options"]["include_usage"].as_bool().unwrap_or(false),
            logprobs: logprobs.map(|count| count.unwrap_or(0) as usize),
        })
    }
}

struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn number(&self, name: &'static str, least: f64, most: f64) -> Result<Option<f64>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_f64().filter(|number| (least..=most).contains(number));
        number.map(Some).ok_or_else(|| Refusal::of(name, &format!("must be a number in {least}..={most}")))
    }

    fn integer(&self, name: &'static str, least: u64, most: u64) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_u64().filter(|number| (least..=most).contains(number));
        number.map(Some).ok_or_else(|| Refusal::of(name, &format!("must be an integer in {least}..={most}")))
    }

    /// Seeds may be negative.
    fn seed(&self) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.get("seed") else { return Ok(None) };
        let seed = value.as_u64().or_else(|| value.as_i64().map(i64::cast_unsigned));
        seed.map(Some).ok_or_else(|| Refusal::of("seed", "must be an integer"))
    }

    fn flag(&self, name: &'static str) -> Result<bool, Refusal> {
        let Some(value) = self.get(name) else { return Ok(false) };
        value.as_bool().ok_or_else(|| Refusal::of(name, "must be true or false"))
    }

    fn list(&self, name: &'static str) -> Result<&[Value], Refusal> {
        let Some(value) = self.get(name) else { return Ok(&[]) };
        value.as_array().map(Vec::as_slice).ok_or_else(|| Refusal::of(name, "must be a list"))
    }

    fn stop(&self) -> Result<Vec<String>, Refusal> {
        let wrong = || Refusal::of("stop", "must be a text or a list of up to 16 texts, none empty");
        let texts: Vec<String> = match self.get("stop") {
            None => Vec::new(),
            Some(Value::String(text)) => vec![text.clone()],
            Some(Value::Array(texts)) if texts.len() <= 16 => {
                texts.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        if texts.iter().any(String::is_empty) { Err(wrong()) } else { Ok(texts) }
    }
}

/// The prompt in DSML, or in the model's own template.
fn prompt(fields: &Fields, mode: ThinkingMode, served: &Served) -> Result<String, Refusal> {
    let mut messages: Vec<Value> = Vec::new();
    for message in fields.list("messages")? {
        messages.push(with_text(message.clone())?);
    }
    if messages.is_empty() {
        return Err(Refusal::of("messages", "must be a list of at least one message"));
    }
    let tools = if tool_choice(fields)? == "none" { &[] } else { fields.list("tools")? };
    let format = fields.get("response_format").and_then(|format| format.get("json_schema"));
    if let Some(template) = &served.template {
        let more = fields.get("chat_template_kwargs").and_then(Value::as_object).cloned().unwrap_or_default();
        return template
            .render(&messages, tools, &more)
            .map_err(|error| Refusal::of("messages", &format!("do not fit the model's template: {error}")));
    }
    if !tools.is_empty() || format.is_some() {
        // They belong to the system message, which may have to be made.
        if messages[0]["role"] != "system" {
            messages.insert(0, json!({"role": "system", "content": ""}));
        }
        messages[0]["tools"] = tools.into();
        messages[0]["response_format"] = format.cloned().unwrap_or(Value::Null);
    }
    let options = dsml::Options { mode, drop_thinking: true };
    dsml::encode(&messages, options).map_err(|error| Refusal::of("messages", &format!("cannot be encoded: {error}")))
}

/// `none`, `auto` or `required`.
fn tool_choice<'a>(fields: &'a Fields) -> Result<&'a str, Refusal> {
    match fields.get("tool_choice") {
        None => Ok("auto"),
        Some(Value::String(choice)) if ["none", "auto", "required"].contains(&choice.as_str()) => Ok(choice),
        Some(_) => Err(Refusal::of("tool_choice", "must be none, auto or required")),
    }
}

/// What may be said, if that is limited. Other templates than DSML have no grammar.
fn grammar(fields: &Fields, mode: ThinkingMode, served: &Served) -> Result<Option<Grammar>, Refusal> {
    let (choice, tools) = (tool_choice(fields)?, fields.list("tools")?);
    let strict = choice == "auto" && tools.iter().any(|tool| tool["function"]["strict"] == true);
    match choice {
        "required" if served.template.is_some() || tools.is_empty() => {
            Err(Refusal::of("tool_choice", "can be required only with `tools` and of a model that speaks DSML"))
        }
        "required" => Ok(Some(dsml::grammar::grammar(tools, mode, Calls::Required))),
        _ if strict && served.template.is_none() => Ok(Some(dsml::grammar::grammar(tools, mode, Calls::Allowed))),
        _ => Ok(None),
    }
}

/// A message whose content is one text: parts of text are joined.
fn with_text(mut message: Value) -> Result<Value, Refusal> {
    if let Value::Array(parts) = &message["content"] {
        let texts: Option<Vec<&str>> = parts.iter().map(|part| part["text"].as_str()).collect();
        let text = texts.ok_or_else(|| Refusal::of("messages", "may hold text only"))?.concat();
        message["content"] = text.into();
    }
    Ok(message)
}
