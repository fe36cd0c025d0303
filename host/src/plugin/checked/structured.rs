//! The data of an own tool's answer: the size of JSON says little about what it becomes, so its values are counted
//! first.

use serde_json::Value;

/// Bytes of one answer.
const BYTES: usize = 256 << 10;
/// Values of one answer. Each takes about 30 bytes here and more when it is written again, even if it was sent in
/// fewer.
const VALUES: usize = 32 << 10;
/// How deep they may be nested.
const DEPTH: usize = 64;

/// The data in `given`, if there is any. An error says what is there instead. This may take milliseconds.
pub(super) fn parse(given: Option<&str>) -> Result<Option<Value>, String> {
    let Some(text) = given else { return Ok(None) };
    if text.len() > BYTES {
        return Err(format!(
            "{} bytes of data, and {BYTES} are taken: ask for less at once",
            text.len()
        ));
    }
    within_bounds(text)?;
    match serde_json::from_str(text) {
        Ok(data @ Value::Object(_)) => Ok(Some(data)),
        Ok(_) => Err("data that is not a JSON object".into()),
        Err(error) => Err(format!("broken JSON: {error}")),
    }
}

/// Checks that JSON has at most the values, names of fields included, and the depth that it may have. The result means
/// nothing for text that is not JSON.
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
            json!({}),
            json!({"a": [1, "x,[{\"\\"]}),
            json!({"a": "x".repeat(16 << 10)}),
            json!({"a": vec![7; 30_000]}),
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
            format!("{{\"a\":\"{}\"}}", "[,".repeat(VALUES)),
            format!("{{\"a\":[{}[]]}}", "[],".repeat(VALUES - 4)),
            format!("{{\"a\":[{}12345]}}", "12345, ".repeat(VALUES - 4)),
            format!("{{{}\"a\":\"b\"}}", "\"a\":\"b\",".repeat(VALUES / 2 - 2)),
        ] {
            assert!(read(&text).is_ok());
        }
    }

    #[test]
    fn data_that_is_no_object_is_none_whatever_it_is() {
        for data in ["[]", "null", "1", "\"x\""] {
            assert!(read(data).unwrap_err().contains("not a JSON object"), "{data}");
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
