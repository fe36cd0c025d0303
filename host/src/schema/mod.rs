//! The schemas that plugins write: of their own tools, and of the words that a prompt takes. A plugin may be hostile, so they
//! refer to nothing outside of themselves, and what it can cost to hold a value against one is known before it is used.

mod cost;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Number, Value};

use crate::text;

/// Bytes of a schema.
const BYTES: usize = 64 << 10;
/// Values in what is held against a schema, names of fields included, and how deep they lie in each other.
const VALUES: usize = 32 << 10;
const DEPTH: usize = 64;
/// Bytes that a compiled pattern may take.
const PATTERN: usize = 64 << 10;
/// Characters of a fault.
const FAULT: usize = 300;

/// A schema that values can be held against.
#[derive(Debug)]
pub(crate) struct Schema {
    /// As the plugin wrote it.
    pub(crate) fields: Map<String, Value>,
    validator: Validator,
}

/// A schema that the words of an answer must fit, of a primitive type as in forms of MCP servers.
#[derive(Debug)]
pub(crate) struct WordsSchema {
    primitive: Primitive,
    schema: Schema,
}

/// What words can say.
#[derive(Debug, Clone, Copy)]
enum Primitive {
    Text,
    Integer,
    Number,
    Boolean,
}

impl Schema {
    /// Reads a schema. An error says what is wrong with it, as the end of a sentence.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if text.len() > BYTES {
            return Err(format!("has a schema of more than {BYTES} bytes"));
        }
        let schema = match serde_json::from_str(text) {
            Ok(schema @ Value::Object(_)) => schema,
            Ok(_) => return Err("has a schema that is not a JSON object".into()),
            Err(error) => return Err(format!("has a schema that is not JSON: {error}")),
        };
        cost::check(&schema).map_err(|fault| format!("has a schema that {fault}"))?;
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .should_validate_formats(false)
            // The engine whose time is linear in the text, whatever the pattern.
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN).dfa_size_limit(PATTERN))
            .build(&schema)
            .map_err(|error| format!("has a schema that is not valid: {}", told(&error.to_string())))?;
        match schema {
            Value::Object(fields) => Ok(Self { fields, validator }),
            _ => Err("has a schema that is not a JSON object".into()),
        }
    }

    /// Where `value` does not fit, in a line. None: it fits.
    pub(crate) fn fault(&self, value: &Value) -> Option<String> {
        let mut left = VALUES;
        if !is_bounded(value, DEPTH, &mut left) {
            return Some(format!(
                "it has more than {VALUES} values, or is nested more than {DEPTH} deep"
            ));
        }
        let error = self.validator.validate(value).err()?;
        let at = error.instance_path().to_string();
        let at = if at.is_empty() {
            String::new()
        } else {
            format!("at {at}: ")
        };
        let fault = match error.kind() {
            ValidationErrorKind::Enum { options } => one_of(options),
            _ => error.masked().to_string(),
        };
        Some(told(&format!("{at}{fault}")))
    }
}

/// All that is allowed, since a caller can only choose from what is named.
fn one_of(options: &Value) -> String {
    let options = options.as_array().into_iter().flatten().map(Value::to_string);
    format!("value is not one of {}", options.collect::<Vec<_>>().join(", "))
}

impl WordsSchema {
    /// Reads a schema. An error says what is wrong with it, as the end of a sentence.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let schema = Schema::read(text)?;
        let primitive = match schema.fields.get("type").and_then(Value::as_str) {
            Some("string") => Primitive::Text,
            Some("integer") => Primitive::Integer,
            Some("number") => Primitive::Number,
            Some("boolean") => Primitive::Boolean,
            _ => return Err("has a schema for words whose type is not string, integer, number or boolean".into()),
        };
        Ok(Self { primitive, schema })
    }

    /// Why these words do not fit, in a line. None: they fit.
    pub(crate) fn fault(&self, words: &str) -> Option<String> {
        let value = match (self.primitive, words.trim()) {
            (Primitive::Text, _) => Value::from(words),
            (Primitive::Integer, number) => match number.parse::<i64>() {
                Ok(number) => number.into(),
                Err(_) => return Some("it must be a whole number".into()),
            },
            (Primitive::Number, number) => match number.parse::<f64>().ok().and_then(Number::from_f64) {
                Some(number) => number.into(),
                None => return Some("it must be a number".into()),
            },
            (Primitive::Boolean, word @ ("true" | "false")) => (word == "true").into(),
            (Primitive::Boolean, _) => return Some("it must be `true` or `false`".into()),
        };
        self.schema.fault(&value)
    }
}

fn told(fault: &str) -> String {
    text::short_line(fault, FAULT)
}

fn is_bounded(value: &Value, depth: usize, left: &mut usize) -> bool {
    let Some(rest) = left.checked_sub(1) else {
        return false;
    };
    *left = rest;
    match value {
        Value::Array(_) | Value::Object(_) if depth == 0 => false,
        Value::Array(items) => items.iter().all(|item| is_bounded(item, depth - 1, left)),
        Value::Object(fields) => {
            let Some(rest) = left.checked_sub(fields.len()) else {
                return false;
            };
            *left = rest;
            fields.values().all(|field| is_bounded(field, depth - 1, left))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn read(schema: Value) -> Result<Schema, String> {
        Schema::read(&schema.to_string())
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place_and_without_the_value() {
        let schema = read(json!({
            "type": "object",
            "properties": {"names": {"type": "array", "items": {"$ref": "#/$defs/name"}}},
            "required": ["names"],
            "additionalProperties": false,
            "$defs": {"name": {"type": "string", "pattern": "^[a-z]+$"}},
        }))
        .unwrap();
        assert_eq!(schema.fault(&json!({"names": ["a", "b"]})), None);
        for (value, told) in [
            (json!({}), "names"),
            (json!({"names": ["a", "SECRET"]}), "at /names/1: "),
            (json!({"names": [], "other": 1}), "other"),
            (json!([]), "object"),
        ] {
            let fault = schema.fault(&value).unwrap();
            assert!(fault.contains(told) && !fault.contains("SECRET"), "{value}: {fault}");
        }
    }

    #[test]
    fn every_value_that_could_be_chosen_is_named() {
        let states = ["queued", "running", "done", "failed", "cancelled", "interrupted"];
        let schema = read(json!({"properties": {"state": {"enum": states}}})).unwrap();
        let fault = schema.fault(&json!({"state": "SECRET"})).unwrap();
        assert!(states.iter().all(|state| fault.contains(state)), "{fault}");
        assert!(!fault.contains("SECRET"), "{fault}");
    }

    #[test]
    fn a_schema_that_cannot_be_one_is_refused() {
        for (schema, fault) in [
            ("[]".to_owned(), "not a JSON object"),
            ("{".to_owned(), "not JSON"),
            (format!("{{\"title\": \"{}\"}}", "x".repeat(BYTES)), "more than"),
            (json!({"type": 7}).to_string(), "not valid"),
            (json!({"pattern": "("}).to_string(), "not valid"),
            (json!({"pattern": "(?=a)"}).to_string(), "not valid"),
            (json!({"pattern": "(a{1000}){1000}"}).to_string(), "not valid"),
        ] {
            let told = Schema::read(&schema).unwrap_err();
            assert!(told.contains(fault) && told.len() < 600, "{told}");
        }
    }

    #[test]
    fn no_reference_leaves_the_document() {
        for reference in [
            "https://example.com/schema.json",
            "http://127.0.0.1/schema",
            "file:///etc/passwd",
            "other.json",
            "#anchor",
        ] {
            for schema in [
                json!({"$ref": reference}),
                json!({"properties": {"a": {"items": {"$ref": reference}}}}),
                json!({"$dynamicRef": reference}),
            ] {
                assert!(read(schema).unwrap_err().contains("refers"), "{reference}");
            }
        }
        assert!(read(json!({"properties": {"a": {"$id": "https://example.com/"}}})).is_err());
        // What a schema says of its own language is not fetched: 2020-12 counts.
        assert!(read(json!({"$schema": "https://example.com/own"})).is_ok());
        assert!(read(json!({"$schema": "https://json-schema.org/draft/2020-12/schema"})).is_ok());
        // Of these names, none is a keyword where it stands.
        assert!(read(json!({"properties": {"$ref": {"type": "string"}, "$id": {}}})).is_ok());
    }

    #[test]
    fn a_value_that_is_too_deep_or_has_too_many_parts_is_refused_before_it_is_held_against_anything() {
        let schema = read(json!({})).unwrap();
        let deep = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(schema.fault(&deep(DEPTH)), None);
        assert!(schema.fault(&deep(DEPTH + 1)).is_some());
        assert!(schema.fault(&json!(vec![1; VALUES])).is_some());
        assert_eq!(schema.fault(&json!(vec![1; VALUES - 1])), None);
    }

    #[test]
    fn words_are_held_against_a_schema_as_the_value_that_they_say() {
        let fits = |schema: &Value, words: &str| WordsSchema::read(&schema.to_string()).unwrap().fault(words);
        for (schema, words, fault) in [
            (json!({"type": "integer", "minimum": 1, "maximum": 9}), " 7 ", None),
            (json!({"type": "integer", "minimum": 1}), "0", Some("less than")),
            (json!({"type": "integer"}), "7.5", Some("whole number")),
            (json!({"type": "integer"}), "seven", Some("whole number")),
            (json!({"type": "number"}), "7.5", None),
            (json!({"type": "number"}), "NaN", Some("a number")),
            (json!({"type": "boolean"}), "true", None),
            (json!({"type": "boolean"}), "yes", Some("`true` or `false`")),
            (json!({"type": "string", "minLength": 3}), "ab", Some("shorter")),
            (json!({"type": "string", "enum": ["main", "dev"]}), "dev", None),
            (
                json!({"type": "string", "enum": ["main", "dev"]}),
                "other",
                Some("not one of"),
            ),
            (
                json!({"type": "string", "pattern": "^[a-z]+$"}),
                "ABC",
                Some("does not match"),
            ),
        ] {
            match (fits(&schema, words), fault) {
                (None, None) => {}
                (Some(told), Some(fault)) => assert!(told.contains(fault), "{schema} {words}: {told}"),
                (told, _) => panic!("{schema} {words}: {told:?}"),
            }
        }
    }

    #[test]
    fn only_schemas_of_primitive_types_are_for_words() {
        for schema in [
            json!({}),
            json!({"type": "object"}),
            json!({"type": ["string", "null"]}),
            json!({"type": "array"}),
        ] {
            assert!(
                WordsSchema::read(&schema.to_string())
                    .unwrap_err()
                    .contains("for words"),
                "{schema}"
            );
        }
        assert!(WordsSchema::read("{").unwrap_err().contains("not JSON"));
    }
}
