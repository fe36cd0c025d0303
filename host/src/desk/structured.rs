//! The data of an own tool's answer: JSON whose size says little of what it becomes, so its values are counted first.

use serde_json::Value;

/// Values of one answer. Each takes some 30 bytes here and more where it is written again, however few it was sent as.
const VALUES: usize = 32 << 10;
/// How deep they may lie in each other.
const DEPTH: usize = 64;
/// Bytes that are parsed at once; more is work for a thread that nobody waits for.
const AT_ONCE: usize = 16 << 10;

/// The data in `text`. An error says what it is instead.
pub(super) async fn parse(text: String) -> Result<Value, String> {
    if text.len() <= AT_ONCE {
        return read(&text);
    }
    let reading = tokio::task::spawn_blocking(move || read(&text));
    reading.await.unwrap_or_else(|error| Err(error.to_string()))
}

fn read(text: &str) -> Result<Value, String> {
    within_bounds(text)?;
    serde_json::from_str(text).map_err(|error| format!("broken JSON: {error}"))
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
            json!(null),
            json!({"a": [1, "x,[{\"\\"]}),
            json!(["x".repeat(AT_ONCE)]),
            json!(vec![7; 30_000]),
        ] {
            assert_eq!(parse(data.to_string()).await.unwrap(), data);
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
            let error = parse(text).await.unwrap_err();
            assert!(error.contains(fault), "{error}");
        }
        for text in [
            format!("\"{}\"", "[,".repeat(VALUES)),
            format!("[{}[]]", "[],".repeat(VALUES - 2)),
            format!("[{}12345]", "12345, ".repeat(VALUES - 2)),
            format!("{{{}\"a\":\"b\"}}", "\"a\":\"b\",".repeat(VALUES / 2 - 2)),
        ] {
            assert!(parse(text).await.is_ok());
        }
    }
}
