//! Words: values, grammar, descriptions and whole prompts.

pub mod demand;
pub mod grammar;
pub mod phrase;
pub mod prompts;
pub mod question;
pub mod relation;
pub mod request;
pub mod values;
