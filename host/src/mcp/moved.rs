//! The last line of a stream whose server is succeeded by another process: how many of the client's lines it has taken. What
//! it has taken is answered before; the rest is for its successor.

use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Moved {
    /// A key that no message of MCP has.
    berth_moved: Taken,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Taken {
    taken: u64,
}

/// The line of a server that has taken so many lines.
pub(crate) fn line(taken: u64) -> String {
    format!("{}\n", json!({"berth_moved": {"taken": taken}}))
}

/// How many lines were taken, if `line` is such a last line.
pub fn taken(line: &[u8]) -> Option<u64> {
    let moved: Moved = serde_json::from_slice(line).ok()?;
    Some(moved.berth_moved.taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_that_line_is_taken_for_it() {
        assert_eq!(taken(line(7).as_bytes()), Some(7));
        for other in [
            "{}",
            r#"{"jsonrpc":"2.0","id":1,"result":{"berth_moved":{"taken":1}}}"#,
            "",
            "7",
        ] {
            assert_eq!(taken(other.as_bytes()), None, "{other}");
        }
    }
}
