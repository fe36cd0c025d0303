//! Schemas of the shared tools, made from their records: plain ones, since clients differ in what they understand.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

/// The schema of `T` as one object, without references, formats of numbers, and types that may also be null: what may be
/// left out is left out.
pub(crate) fn of<T: JsonSchema>() -> Map<String, Value> {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    plain(&mut schema);
    let Value::Object(mut schema) = schema else {
        return Map::new();
    };
    schema.remove("title");
    schema.remove("description");
    schema
}

/// The names of a schema's properties, `?` after those that may be left out.
pub(crate) fn takes(schema: &Map<String, Value>) -> String {
    let required: Vec<&str> = match schema.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return "nothing".into();
    };
    let name = |name: &String| match required.contains(&name.as_str()) {
        true => name.clone(),
        false => format!("{name}?"),
    };
    properties.keys().map(name).collect::<Vec<_>>().join(", ")
}

fn plain(schema: &mut Value) {
    match schema {
        Value::Array(parts) => parts.iter_mut().for_each(plain),
        Value::Object(fields) => {
            for keyword in ["properties", "$defs"] {
                let inner = fields.get_mut(keyword).and_then(Value::as_object_mut);
                inner.into_iter().flat_map(Map::values_mut).for_each(plain);
            }
            for keyword in ["items", "anyOf", "oneOf", "additionalProperties"] {
                fields.get_mut(keyword).into_iter().for_each(plain);
            }
            if fields.get("type").is_some_and(Value::is_string) {
                fields.remove("format");
            }
            without_null(fields);
            as_enum(fields);
        }
        _ => {}
    }
}

/// A type that may also be null is that type: whoever has nothing to say leaves the field out.
fn without_null(fields: &mut Map<String, Value>) {
    let says_nothing = |value: &Value| value.is_null() || *value == Value::Array(Vec::new()) || *value == json!({});
    if fields.get("default").is_some_and(says_nothing) {
        fields.remove("default");
    }
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            fields.insert("type".into(), only);
            fields.remove("format");
        }
    }
    if let Some(Value::Array(values)) = fields.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(parts)) = fields.get_mut("anyOf") {
        parts.retain(|part| part["type"] != "null");
        if let [Value::Object(only)] = parts.as_slice() {
            let only = only.clone();
            fields.remove("anyOf");
            for (keyword, value) in only {
                fields.entry(keyword).or_insert(value);
            }
        }
    }
}

/// Several words, each with a description of its own, become one list of words.
fn as_enum(fields: &mut Map<String, Value>) {
    let Some(Value::Array(parts)) = fields.get("oneOf") else {
        return;
    };
    let words: Option<Vec<Value>> = parts.iter().map(|part| part.get("const").cloned()).collect();
    if let Some(words) = words {
        fields.remove("oneOf");
        fields.insert("type".into(), "string".into());
        fields.insert("enum".into(), words.into());
    }
}
