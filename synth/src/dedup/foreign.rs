//! What other people's rows hold: prompts and tools, in the shapes in which data sets of tool use come.

use serde_json::Value as Json;

/// A tool of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignTool {
    /// Its name.
    pub name: String,
    /// Names of its parameters.
    pub parameters: Vec<String>,
}

/// What was found in one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Foreign {
    /// What users say, or texts as they stand.
    pub prompts: Vec<String>,
    /// Tools.
    pub tools: Vec<ForeignTool>,
}

/// Fields that hold lists of tools, as JSON or as text that is JSON.
const TOOL_FIELDS: [&str; 4] = ["tools", "functions", "available_tools", "tool_definitions"];
/// Fields that hold texts or chats.
const PROMPT_FIELDS: [&str; 9] =
    ["messages", "conversations", "conversation", "prompt", "input", "question", "query", "instruction", "text"];
/// Fields whose objects are rows of their own.
const ROW_FIELDS: [&str; 3] = ["responses_create_params", "extra_info", "agent"];
/// Depth to which rows inside rows are looked at.
const DEPTH_MAX: usize = 3;

/// Reads one line: JSON in one of the shapes, or else a text.
pub fn read(line: &str) -> Foreign {
    let mut found = Foreign::default();
    match serde_json::from_str::<Json>(line) {
        Ok(Json::String(text)) => found.prompts.push(text),
        Ok(value) => row(&value, DEPTH_MAX, &mut found),
        Err(_) => found.prompts.push(line.trim().to_owned()),
    }
    found.prompts.retain(|p| !p.trim().is_empty());
    found
}

fn row(value: &Json, depth: usize, found: &mut Foreign) {
    match value {
        Json::Array(items) => {
            tools(value, found);
            chat(items, found);
        }
        Json::Object(fields) if depth > 0 => {
            if let Some(tool) = tool(value) {
                found.tools.push(tool);
                return;
            }
            for field in TOOL_FIELDS {
                match fields.get(field) {
                    Some(Json::String(text)) => {
                        if let Ok(list) = serde_json::from_str(text) {
                            tools(&list, found);
                        }
                    }
                    Some(list) => tools(list, found),
                    None => {}
                }
            }
            for field in PROMPT_FIELDS {
                match fields.get(field) {
                    Some(Json::String(text)) => found.prompts.push(text.clone()),
                    Some(Json::Array(messages)) => chat(messages, found),
                    _ => {}
                }
            }
            for field in ROW_FIELDS {
                if let Some(inner) = fields.get(field) {
                    row(inner, depth - 1, found);
                }
            }
        }
        _ => {}
    }
}

fn tools(list: &Json, found: &mut Foreign) {
    found.tools.extend(list.as_array().into_iter().flatten().filter_map(tool));
}

/// A tool in OpenAI's nested or flat shape, Anthropic's or MCP's.
fn tool(value: &Json) -> Option<ForeignTool> {
    let function = value.get("function").filter(|f| f.is_object()).unwrap_or(value);
    let name = function.get("name")?.as_str()?;
    let schema = ["parameters", "input_schema", "inputSchema"].iter().find_map(|field| function.get(*field))?;
    let properties = schema.get("properties").unwrap_or(schema).as_object()?;
    Some(ForeignTool { name: name.to_owned(), parameters: properties.keys().cloned().collect() })
}

/// What users say in a list of messages.
fn chat(messages: &[Json], found: &mut Foreign) {
    for message in messages {
        let role = message.get("role").or_else(|| message.get("from")).and_then(Json::as_str).unwrap_or_default();
        if !matches!(role, "user" | "human") {
            continue;
        }
        match message.get("content").or_else(|| message.get("value")) {
            Some(Json::String(text)) => found.prompts.push(text.clone()),
            Some(Json::Array(parts)) => {
                let texts = parts.iter().filter_map(|part| part.get("text").and_then(Json::as_str));
                found.prompts.push(texts.collect::<Vec<_>>().join("\n"));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_all_shapes() {
        let check = |line: &str, prompts: &[&str], tools: &[(&str, &[&str])]| {
            let found = read(line);
            let names: Vec<(&str, Vec<&str>)> = found
                .tools
                .iter()
                .map(|t| (t.name.as_str(), t.parameters.iter().map(String::as_str).collect()))
                .collect();
            let tools: Vec<(&str, Vec<&str>)> = tools.iter().map(|(n, p)| (*n, p.to_vec())).collect();
            assert_eq!((found.prompts, names), (prompts.iter().map(|p| (*p).to_owned()).collect(), tools), "{line}");
        };
        check("Pay the bill.", &["Pay the bill."], &[]);
        check(r#""Pay the bill.""#, &["Pay the bill."], &[]);
        check(r#"{"prompt": "Pay."}"#, &["Pay."], &[]);
        check(
            r#"{"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Pay."}]}"#,
            &["Pay."],
            &[],
        );
        check(
            r#"{"conversations": [{"from": "human", "value": "Pay."}, {"from": "gpt", "value": "Ok"}]}"#,
            &["Pay."],
            &[],
        );
        check(r#"{"prompt": [{"role": "user", "content": [{"type": "text", "text": "Pay."}]}]}"#, &["Pay."], &[]);
        let tool = r#"{"type": "function", "function": {"name": "pay", "parameters": {"type": "object", "properties": {"id": {}, "sum": {}}}}}"#;
        check(tool, &[], &[("pay", &["id", "sum"])]);
        check(&format!(r#"{{"tools": [{tool}], "prompt": "Pay."}}"#), &["Pay."], &[("pay", &["id", "sum"])]);
        check(&serde_json::json!({"tools": format!("[{tool}]")}).to_string(), &[], &[("pay", &["id", "sum"])]);
        check(r#"[{"name": "pay", "input_schema": {"properties": {"id": {}}}}]"#, &[], &[("pay", &["id"])]);
        check(r#"{"name": "Ann", "age": 7}"#, &[], &[]);
        check("7", &[], &[]);
    }
}
