//! The data of an own tool's answer: JSON whose size says little of what it becomes, so its values are counted first.

use std::sync::Arc;

use serde_json::Value;

use crate::catalog::Schema;

/// Values of one answer. Each takes some 30 bytes here and more where it is written again, however few it was sent as.
const VALUES: usize = 32 << 10;
/// How deep they may lie in each other.
const DEPTH: usize = 64;
/// Bytes that are parsed at once; more is work for a thread that nobody waits for.
const AT_ONCE: usize = 16 << 10;

/// The data in `text`, which fits `schema`. An error says what it is instead.
pub(super) async fn parse(text: String, schema: Option<Arc<Schema>>) -> Result<Value, String> {
    if text.len() <= AT_ONCE {
        return read(&text, schema.as_deref());
    }
    let reading = tokio::task::spawn_blocking(move || read(&text, schema.as_deref()));
    reading.await.unwrap_or_else(|error| Err(error.to_string()))
}

fn read(text: &str, schema: Option<&Schema>) -> Result<Value, String> {
    within_bounds(text)?;
    let data = serde_json::from_str(text).map_err(|error| format!("broken JSON: {error}"))?;
    if !Value::is_object(&data) {
        return Err("data that is not a JSON object".into());
    }
    match schema.and_then(|schema| schema.fault(&data)) {
        Some(fault) => Err(format!("data that does not fit its own schema: {fault}")),
        None => Ok(data),
    }
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

    #[tokio::test]
    async fn data_is_read_whether_it_is_small_or_large() {
        for data in [
            json!({}),
            json!({"a": [1, "x,[{\"\\"]}),
            json!({"a": "x".repeat(AT_ONCE)}),
            json!({"a": vec![7; 30_000]}),
        ] {
            assert_eq!(parse(data.to_string(), None).await.unwrap(), data);
        }
    }

    #[tokio::test]
    async fn many_values_and_deep_ones_are_refused_before_they_become_memory() {
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
            ("{\"a\":".repeat(100_000), "more than 64 deep"),
            ("{".to_owned(), "broken JSON"),
            ("\"[[[".to_owned(), "broken JSON"),
        ] {
            let error = parse(text, None).await.unwrap_err();
            assert!(error.contains(fault), "{error}");
        }
        for text in [
            format!("{{\"a\":\"{}\"}}", "[,".repeat(VALUES)),
            format!("{{\"a\":[{}[]]}}", "[],".repeat(VALUES - 4)),
            format!("{{\"a\":[{}12345]}}", "12345, ".repeat(VALUES - 4)),
            format!("{{{}\"a\":\"b\"}}", "\"a\":\"b\",".repeat(VALUES / 2 - 2)),
        ] {
            assert!(parse(text, None).await.is_ok());
        }
    }

    #[tokio::test]
    async fn data_that_is_no_object_is_none_whatever_it_is() {
        for data in ["[]", "null", "1", "\"x\""] {
            assert!(
                parse(data.into(), None)
                    .await
                    .unwrap_err()
                    .contains("not a JSON object"),
                "{data}"
            );
        }
    }
}
