//! JSON Schema of types, so that any component can be offered to an agent. (Our own suites carry richer schemas with descriptions, made by
//! the suite compiler.)

use crate::program::Export;
use crate::types::{Record, ValueType, Variant};
use serde_json::{Map, Value, json};

impl Export {
    /// JSON Schema of the argument object: closed, with every parameter required unless it is an option.
    pub fn parameters_schema(&self) -> Value {
        object(self.parameters.iter().map(|(name, ty)| (name.as_str(), ty)))
    }
}

impl ValueType {
    /// JSON Schema (2020-12) of the type's JSON form.
    pub fn json_schema(&self) -> Value {
        use ValueType::*;
        match self {
            Bool => json!({"type": "boolean"}),
            S8 => json!({"type": "integer", "minimum": i8::MIN, "maximum": i8::MAX}),
            U8 => json!({"type": "integer", "minimum": 0, "maximum": u8::MAX}),
            S16 => json!({"type": "integer", "minimum": i16::MIN, "maximum": i16::MAX}),
            U16 => json!({"type": "integer", "minimum": 0, "maximum": u16::MAX}),
            S32 => json!({"type": "integer", "minimum": i32::MIN, "maximum": i32::MAX}),
            U32 => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
            S64 => json!({"type": "integer"}),
            U64 => json!({"type": "integer", "minimum": 0}),
            F32 | F64 => json!({"type": "number"}),
            Char => json!({"type": "string", "minLength": 1, "maxLength": 1}),
            String => json!({"type": "string"}),
            Money => json!({"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,2})?$"}),
            Date => json!({"type": "string", "format": "date"}),
            Enum(e) => json!({"type": "string", "enum": e.names}),
            Flags(f) => json!({"type": "array", "items": {"type": "string", "enum": f.names}}),
            Record(r) => record(r),
            Tuple(t) => {
                let items: Vec<Value> = t.fields.iter().map(|f| f.ty.json_schema()).collect();
                json!({"type": "array", "prefixItems": items, "items": false, "minItems": items.len()})
            }
            List(item) => json!({"type": "array", "items": item.json_schema()}),
            Option(v) => option(v),
            Variant(v) => cases(v, true),
            Result(v) => cases(v, false),
        }
    }
}

fn record(record: &Record) -> Value {
    object(record.fields.iter().map(|f| (f.name.as_str(), &f.ty)))
}

fn object<'a>(fields: impl Iterator<Item = (&'a str, &'a ValueType)>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, ty) in fields {
        properties.insert(name.to_owned(), ty.json_schema());
        if !matches!(ty, ValueType::Option(_)) {
            required.push(name);
        }
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn option(variant: &Variant) -> Value {
    let Some(inner) = variant.some() else { return json!({"type": "null"}) };
    let schema = inner.json_schema();
    if variant.is_boxed_option() {
        let some = json!({"type": "object", "properties": {"some": schema}, "required": ["some"], "additionalProperties": false});
        return json!({"anyOf": [some, {"type": "null"}]});
    }
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn cases(variant: &Variant, bare: bool) -> Value {
    let case = |case: &crate::types::Case| match &case.ty {
        None if bare => json!({"const": case.name}),
        ty => {
            let payload = ty.as_ref().map_or_else(|| json!({"type": "null"}), ValueType::json_schema);
            let mut properties = Map::new();
            properties.insert(case.name.clone(), payload);
            json!({"type": "object", "properties": properties, "required": [case.name], "additionalProperties": false})
        }
    };
    json!({"anyOf": variant.cases.iter().map(case).collect::<Vec<_>>()})
}
