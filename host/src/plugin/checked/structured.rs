//! The data of an own tool's answer: JSON whose size says little of what it becomes, so its values are counted first.

use serde_json::{Map, Value};

use crate::text;

/// Bytes of one answer.
const BYTES: usize = 256 << 10;
/// Values of one answer. Each takes some 30 bytes here and more where it is written again, however few it was sent as.
const VALUES: usize = 32 << 10;
/// How deep they may lie in each other.
const DEPTH: usize = 64;
/// Characters of the kinds of an output schema that an error names.
const KINDS: usize = 100;
/// What the output schema of a tool says of the data as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// The kinds that it may be, by their names in JSON Schema. None: any.
    kinds: Option<Vec<String>>,
}

impl Promise {
    /// That of the tool with this output schema.
    pub fn of(schema: &Map<String, Value>) -> Self {
        let kinds = match schema.get("type") {
            Some(Value::String(kind)) => Some(vec![kind.clone()]),
            Some(Value::Array(kinds)) => Some(kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
            _ => None,
        };
        Self { kinds }
    }

    /// Whether `data` is of a kind that was promised. An error says what it is instead.
    pub(super) fn kept_by(&self, data: Option<&Value>) -> Result<(), String> {
        let Some(data) = data else {
            return Err("no data, which its output schema promises".into());
        };
        let kind = match data {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let is_whole = data.as_f64().is_some_and(|number| number.fract() == 0.0);
        let fits = |promised: &String| promised == kind || (promised == "integer" && is_whole);
        match &self.kinds {
            Some(kinds) if !kinds.iter().any(fits) => Err(format!(
                "data of the type {kind}, and its output schema promises {}",
                text::short_line(&kinds.join(" or "), KINDS)
            )),
            _ => Ok(()),
        }
    }
}

/// The data in `given`, if there is any. An error says what is there instead. It may take milliseconds.
pub(super) fn parse(given: Option<&str>) -> Result<Option<Value>, String> {
    let Some(text) = given else { return Ok(None) };
    if text.len() > BYTES {
        return Err(format!(
            "{} bytes of data, and {BYTES} are taken: ask for less at once",
            text.len()
        ));
    }
    within_bounds(text)?;
    let data = serde_json::from_str(text);
    data.map(Some).map_err(|error| format!("broken JSON: {error}"))
}

/// Whether JSON has no more values than it may, names of fields included, nor deeper ones. Of what is not JSON it says
/// nothing of use.
fn within_bounds(text: &str) -> Result<(), String> {
    let (mut depth, mut values) = (0_usize, 0_usize);
    let (mut quoted, mut escaped, mut in_word) = (false, false, false);
    for byte in text.bytes() {
        let was_in_word = std::mem::take(&mut in_word);
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => {
                values += usize::from(!quoted);
                quoted = !quoted;
            }
            _ if quoted => {}
            b'[' | b'{' => (depth, values) = (depth + 1, values + 1),
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' => {}
            _ => {
                values += usize::from(!was_in_word);
                in_word = true;
            }
        }
        if depth > DEPTH {
            return Err(format!("data that is more than {DEPTH} deep"));
        }
        if values > VALUES {
            return Err(format!("more than {VALUES} values; it must answer less at once"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Result<Value, String> {
        parse(Some(text)).map(Option::unwrap)
    }

    #[test]
    fn data_is_read_whether_it_is_small_or_large() {
        for data in [
            json!(null),
            json!({"a": [1, "x,[{\"\\"]}),
            json!(["x".repeat(16 << 10)]),
            json!(vec![7; 30_000]),
        ] {
            assert_eq!(read(&data.to_string()).unwrap(), data);
        }
    }

    #[test]
    fn many_values_and_deep_ones_are_refused_before_they_become_memory() {
        for (text, fault) in [
            (format!("[{}[]]", "[],".repeat(VALUES)), "more than 32768 values"),
            (
                format!("{{{}\"z\":1}}", "\"a\":1,".repeat(VALUES)),
                "more than 32768 values",
            ),
            (format!("[{}1]", "1,".repeat(VALUES)), "more than 32768 values"),
            (
                format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
                "more than 64 deep",
            ),
            ("[".repeat(100_000), "more than 64 deep"),
            ("{\"a\":".repeat(40_000), "more than 64 deep"),
            ("{".to_owned(), "broken JSON"),
            ("\"[[[".to_owned(), "broken JSON"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(fault), "{error}");
        }
        for text in [
            format!("\"{}\"", "[,".repeat(VALUES)),
            format!("[{}[]]", "[],".repeat(VALUES - 2)),
            format!("[{}12345]", "12345, ".repeat(VALUES - 2)),
            format!("{{{}\"a\":\"b\"}}", "\"a\":\"b\",".repeat(VALUES / 2 - 2)),
        ] {
            assert!(read(&text).is_ok());
        }
    }

    #[test]
    fn what_an_output_schema_promises_as_a_whole_is_held() {
        let promise = |schema: Value| Promise::of(schema.as_object().unwrap());
        for (schema, data, kept) in [
            (json!({"type": "object"}), Some(json!({})), true),
            (json!({"type": "object"}), Some(json!([])), false),
            (json!({"type": "object"}), Some(json!("text")), false),
            (json!({"type": "object"}), Some(json!(null)), false),
            (json!({"type": ["object", "null"]}), Some(json!(null)), true),
            (json!({"type": "integer"}), Some(json!(7)), true),
            (json!({"type": "integer"}), Some(json!(7.5)), false),
            (json!({"type": "number"}), Some(json!(7)), true),
            (json!({"properties": {}}), Some(json!([1])), true),
            (json!({}), None, false),
        ] {
            assert_eq!(
                promise(schema.clone()).kept_by(data.as_ref()).is_ok(),
                kept,
                "{schema} {data:?}"
            );
        }
    }

    #[test]
    fn too_many_bytes_are_refused_whatever_they_are() {
        for text in [" ".repeat(BYTES + 1), "[".repeat(15 << 20)] {
            assert!(read(&text).unwrap_err().contains("262144 are taken"));
        }
        assert_eq!(parse(None), Ok(None));
    }
}
