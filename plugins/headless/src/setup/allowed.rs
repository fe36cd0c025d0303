//! What a caller lets an agent use without being asked: never more than the operator does.

use berth_plugin::{Error, Result};

/// The most items of one call.
const MOST: usize = 64;
/// The most characters of one item.
const LONGEST: usize = 500;

/// What a run may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub(crate) tools: Vec<String>,
    /// What the caller asked for and the operator does not allow.
    pub(crate) left_out: Vec<String>,
}

/// What of `asked` lies within `granted`. Nothing asked for means all that is granted.
///
/// # Errors
/// `Invalid` for what is not a tool.
pub(crate) fn allowed(asked: &[String], granted: &[String]) -> Result<Allowed> {
    if asked.is_empty() {
        return Ok(Allowed {
            tools: granted.to_vec(),
            left_out: Vec::new(),
        });
    }
    if asked.len() > MOST {
        return Err(Error::Invalid(format!("`allowedTools` has at most {MOST} items")));
    }
    if let Some(item) = asked.iter().find(|item| !is_item(item)) {
        return Err(Error::Invalid(format!(
            "`allowedTools` has {item:?}: each item is one tool, such as \"Read\" or \"Bash(git add:*)\""
        )));
    }
    let is_within = |item: &&String| granted.iter().any(|granted| lies_within(item, granted));
    let (tools, left_out) = asked.iter().partition::<Vec<&String>, _>(is_within);
    Ok(Allowed {
        tools: tools.into_iter().cloned().collect(),
        left_out: left_out.into_iter().cloned().collect(),
    })
}

/// Whether it is one tool, perhaps with what it is for in parentheses. A comma would make two of it.
pub(crate) fn is_item(item: &str) -> bool {
    let (name, rule) = parts(item);
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    let is_rule =
        |rule: &str| !rule.is_empty() && !rule.contains([',', '(', ')']) && !rule.chars().any(char::is_control);
    item.len() <= LONGEST && is_name && rule.is_none_or(is_rule) && (rule.is_none() || item.ends_with(')'))
}

/// The tool's name, and what stands in its parentheses.
fn parts(item: &str) -> (&str, Option<&str>) {
    match item.split_once('(') {
        Some((name, rule)) => (name, Some(rule.strip_suffix(')').unwrap_or(rule))),
        None => (item, None),
    }
}

/// Whether an item allows no more than another one.
fn lies_within(item: &str, granted: &str) -> bool {
    let ((name, rule), (granted_name, granted_rule)) = (parts(item), parts(granted));
    if item == granted {
        return true;
    }
    if name != granted_name {
        return false;
    }
    match (rule, granted_rule) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(rule), Some(granted)) => granted
            .strip_suffix(":*")
            .is_some_and(|beginning| continues(rule.strip_suffix(":*").unwrap_or(rule), beginning)),
    }
}

/// Whether it is a command that begins with these words, and one command only.
fn continues(command: &str, beginning: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " _./:=@-".contains(c);
    let is_further = |rest: &str| rest.is_empty() || rest.starts_with(' ');
    command.chars().all(is_plain) && command.strip_prefix(beginning).is_some_and(is_further)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn strings(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    fn tools(asked: &[&str], granted: &[&str]) -> Vec<String> {
        allowed(&strings(asked), &strings(granted)).unwrap().tools
    }

    #[test]
    fn nothing_asked_for_means_what_the_operator_allows_and_nothing_left_means_nothing() {
        assert_eq!(tools(&[], &["Read", "Edit"]), ["Read", "Edit"]);
        let none = allowed(&strings(&["Bash"]), &strings(&["Read"])).unwrap();
        assert_eq!((none.tools, none.left_out), (Vec::new(), strings(&["Bash"])));
    }

    #[test]
    fn an_item_lies_within_the_tool_or_the_beginning_of_the_command_that_is_granted() {
        let granted = ["Edit", "Bash(git add:*)", "WebFetch(domain:example.org)"];
        let asked = [
            "Edit",
            "Edit(src/**)",
            "Bash(git add:*)",
            "Bash(git add src/main.rs)",
            "Bash(git add -A:*)",
            "WebFetch(domain:example.org)",
        ];
        assert_eq!(tools(&asked, &granted), asked);
    }

    #[test]
    fn whatever_would_allow_more_is_left_out() {
        let asked = [
            "Bash",
            "Bash(git:*)",
            "Bash(git addx:*)",
            "Bash(git add && rm -rf x)",
            "Bash(git add; rm:*)",
            "Bash(git add $HOME)",
            "Bash(git add *)",
            "Bash(*)",
            "bash(git add:*)",
            "Write",
            "WebFetch(domain:example.com)",
            "mcp__berth__claude_run",
        ];
        assert_eq!(
            tools(&asked, &["Edit", "Bash(git add:*)", "WebFetch(domain:example.org)"]),
            [""; 0]
        );
    }

    #[test]
    fn what_is_not_one_tool_is_refused() {
        for item in [
            "",
            "--x",
            " Read",
            "Read,Bash",
            "Bash(a,Read)",
            "Bash(",
            "Bash(a",
            "Bash()",
            "Bash(a)b",
            "(a)",
            "1",
            "Bash(a\nb)",
            "Read Bash",
        ] {
            assert!(!is_item(item), "{item:?}");
            assert!(matches!(
                allowed(&strings(&[item]), &strings(&["Bash", "Read"])),
                Err(Error::Invalid(_))
            ));
        }
    }
}
