//! DeepSeek-V3.2's message format "DSML": OpenAI-form messages to prompt text, completion text back to a message.
//!
//! The specification is the encoding script published with the model; there is no chat template. Bytes matter: JSON is
//! written as Python's `json.dumps` writes it ([`json`]), strings inside parameters are raw, tool results stand in the
//! order of their calls, and reasoning before the last user message is dropped. [`encode`] refuses what the format cannot
//! express, [`parse`] accepts exactly the format and repairs nothing; [`mod@read`] takes what models really write, as it
//! comes, and turns what it cannot understand into typed errors;
//! [`mod@grammar`] makes a model write calls that can only be valid.

mod encode;
pub mod grammar;
pub mod json;
mod parse;
pub mod read;

pub use encode::{EncodeError, Options, encode};
pub use parse::{ParseError, parse};
pub use read::{Reader, read};

/// Begin of sentence.
pub const BOS: &str = "<｜begin▁of▁sentence｜>";
/// End of sentence, after every assistant message.
pub const EOS: &str = "<｜end▁of▁sentence｜>";
/// Before a user's text.
pub const USER: &str = "<｜User｜>";
/// After a user's text.
pub const ASSISTANT: &str = "<｜Assistant｜>";
/// Opens reasoning.
pub const THINK_START: &str = "<think>";
/// Closes reasoning, or says that there is none.
pub const THINK_END: &str = "</think>";
/// Starts the name of every tag of a call block.
pub const TOKEN: &str = "｜DSML｜";

/// The fixed instructions that stand before a system message's tool schemas.
pub const TOOLS_BEFORE: &str = r#"## Tools

You have access to a set of tools you can use to answer the user's question.
You can invoke functions by writing a "<｜DSML｜function_calls>" block like the following as part of your reply to the user:
<｜DSML｜function_calls>
<｜DSML｜invoke name="$FUNCTION_NAME">
<｜DSML｜parameter name="$PARAMETER_NAME" string="true|false">$PARAMETER_VALUE</｜DSML｜parameter>
...
</｜DSML｜invoke>
<｜DSML｜invoke name="$FUNCTION_NAME2">
...
</｜DSML｜invoke>
</｜DSML｜function_calls>

String and scalar parameters should be specified as is without any escaping or quotes, while lists and objects should use JSON format. The "string" attribute should be set to "true" for string type parameters and "false" for other types (numbers, booleans, arrays, objects).

If the thinking_mode is enabled, then after function results you should strongly consider outputting a thinking block. Here is an example:

<｜DSML｜function_calls>
...
</｜DSML｜function_calls>

<function_results>
...
</function_results>

<think>...thinking about results</think>

Here are the functions available in JSONSchema format:
<functions>
"#;

/// What stands after the schemas.
pub const TOOLS_AFTER: &str = "\n</functions>\n";

/// Whether the model reasons before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingMode {
    Chat,
    Thinking,
}

impl ThinkingMode {
    /// From the name used in data files: `chat` or `thinking`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "chat" => Some(Self::Chat),
            "thinking" => Some(Self::Thinking),
            _ => None,
        }
    }
}
