//! The address of a session, as its screen shows it.

/// The sites on which sessions are continued.
const SITES: [&str; 2] = ["claude.ai/code/", "claude.com/code/"];

/// The first address in this text: `https://claude.ai/code/` and one name, without what follows it. An address with
/// further parts is that of something else.
pub(crate) fn find(text: &str) -> Option<String> {
    text.match_indices("https://").find_map(|(at, scheme)| {
        let rest = &text[at + scheme.len()..];
        let site = SITES.into_iter().find(|site| rest.starts_with(site))?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let after = &rest[site.len()..];
        let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
        (end > 0 && !after[end..].starts_with('/')).then(|| format!("{scheme}{site}{}", &after[..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_without_what_follows_it() {
        for (text, address) in [
            (
                "Continue coding in the app or https://claude.ai/code/session_01aB-c",
                Some("https://claude.ai/code/session_01aB-c"),
            ),
            (
                "(https://claude.com/code/session_1?from=cli), and",
                Some("https://claude.com/code/session_1"),
            ),
            (
                "https://claude.ai/code/artifact/x https://claude.ai/code/session_2",
                Some("https://claude.ai/code/session_2"),
            ),
            ("visit claude.ai/code in a browser", None),
            ("https://claude.ai/code/", None),
            ("https://claude.ai.example.org/code/session_1", None),
            ("http://claude.ai/code/session_1", None),
        ] {
            assert_eq!(find(text).as_deref(), address, "{text}");
        }
    }
}
