//! How our types become rows and come back: a file for each table. No queries here.

pub(crate) mod environment;
pub(crate) mod episode;
pub(crate) mod messages;
pub(crate) mod pack;
pub(crate) mod task;
pub(crate) mod trace;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// JSON text of a value of ours, which always has one.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("types with string keys and derived Serialize always have a JSON text")
}

/// A value from JSON text.
pub(crate) fn from_json<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|e| format!("column {column}: {e}"))
}
