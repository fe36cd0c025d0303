//! Words for lines that the operator pastes into a shell.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use shlex::bytes::try_quote;

/// `path` as one word of a line for a shell, whatever it holds. It is on one line, and control characters in it are
/// escaped: a terminal would take a raw one for a key.
pub fn word(path: impl AsRef<Path>) -> String {
    let bytes = path.as_ref().as_os_str().as_bytes();
    let plain = str::from_utf8(bytes).is_ok_and(|text| !text.contains(char::is_control));
    match try_quote(bytes) {
        Ok(quoted) if plain => String::from_utf8_lossy(&quoted).into_owned(),
        _ => escaped(bytes),
    }
}

/// In the only form of quotes that can name bytes (POSIX.1-2024, 2.2.4).
fn escaped(bytes: &[u8]) -> String {
    let escaped: String = bytes
        .iter()
        .map(|byte| match byte {
            b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
            b' '..=b'~' => char::from(*byte).to_string(),
            // Three digits, so that none of what follows is taken for one.
            other => format!("\\{other:03o}"),
        })
        .collect();
    format!("$'{escaped}'")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::ffi::OsStr;

    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "only a shell knows what it reads")]
    fn a_shell_reads_the_very_path_in_one_line() {
        for path in [
            &b"/home/me/.config/berth/config.toml"[..],
            b"/home/my files/config.toml",
            b"/it's/mine",
            b"/$HOME/`id`/$(id)/\"x\"",
            b"/a\\b/!x/*/?/[a]/{a,b}/~/#/&;|<>",
            b"-rf",
            b"~",
            b"",
            "/zwölf/日本".as_bytes(),
            b"/line\nbreak's/7\x1b[2J",
            b"/\tand\\n'\x07",
            b"/no\xfftext9",
        ] {
            let quoted = word(OsStr::from_bytes(path));
            assert!(!quoted.contains(char::is_control), "{quoted:?}");
            let read = std::process::Command::new("bash")
                .args(["-c", &format!("printf %s {quoted}")])
                .output()
                .unwrap();
            assert_eq!(read.stdout, path, "{quoted}");
        }
        assert_eq!(word("/plain/path-1.0"), "/plain/path-1.0");
    }
}
