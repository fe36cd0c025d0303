//! Where a browser finds the page of a session. What shows it there is a route of the front door.

use std::fmt::Write as _;

/// Below this path each session has its page.
pub const SESSIONS: &str = "/sessions/";

/// The address of the page of `session_id`, `backend/id`, on the server that browsers reach by `base`, an origin. What
/// cannot stand in a path leads to the list of all sessions.
///
/// `base` comes from the configuration or from the listener, never from a request.
pub fn url(base: &str, session_id: &str) -> String {
    format!("{base}{}", path(session_id))
}

/// The same without the origin.
pub fn path(session_id: &str) -> String {
    match session_id.split_once('/') {
        // A browser takes these for the way to another path, however they are written.
        Some((backend, id)) if !is_step(backend) && !is_step(id) => {
            format!("{SESSIONS}{}/{}", segment(backend), segment(id))
        }
        _ => "/".to_owned(),
    }
}

fn is_step(segment: &str) -> bool {
    matches!(segment, "" | "." | "..")
}

/// `text` as one segment of a path (RFC 3986, 3.3).
fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut segment, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                segment.push(char::from(byte))
            }
            // Writing to a String never fails.
            _ => drop(write!(segment, "%{byte:02X}")),
        }
        segment
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_its_page_below_the_base() {
        let base = "https://berth.example";
        for (session_id, expected) in [
            ("local/fix-1", "/sessions/local/fix-1"),
            ("local/a:b_c.d", "/sessions/local/a:b_c.d"),
            ("local/a b/c?d#e%2F", "/sessions/local/a%20b%2Fc%3Fd%23e%252F"),
            ("local/ü\"<", "/sessions/local/%C3%BC%22%3C"),
        ] {
            assert_eq!(url(base, session_id), format!("{base}{expected}"), "{session_id}");
        }
    }

    #[test]
    fn what_a_browser_would_take_for_another_path_leads_to_the_list() {
        for session_id in ["local/..", "local/.", "local/", "../x", "/x", "local", ""] {
            assert_eq!(path(session_id), "/", "{session_id}");
        }
    }
}
