//! JSON Schemas of tools.
