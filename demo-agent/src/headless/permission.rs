//! Which tools may be used, by rules such as `Bash(git add:*)`.

/// Characters with which a shell would do more than run one command.
const SHELL: &[char] = &[';', '&', '|', '<', '>', '`', '$', '(', ')', '\n'];

/// What was allowed at the start.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Vec<String>,
    mode: String,
}

/// The modes that a client may choose.
pub(super) const MODES: [&str; 6] = ["acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "plan"];

/// A tool with what decides about it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Use<'a> {
    /// A command.
    Bash(&'a str),
    /// A file that is written.
    Write(&'a str),
}

impl Rules {
    /// `lists` are values of `--allowedTools`, each with rules between commas or spaces.
    pub(super) fn new(lists: &[String], mode: &str) -> Self {
        Self {
            rules: lists.iter().flat_map(|list| split(list)).collect(),
            mode: mode.to_owned(),
        }
    }

    pub(super) fn mode(&self) -> &str {
        &self.mode
    }

    pub(super) fn set_mode(&mut self, mode: &str) {
        mode.clone_into(&mut self.mode);
    }

    /// Allows what one more rule says.
    pub(super) fn add(&mut self, rule: String) {
        self.rules.push(rule);
    }

    pub(super) fn allow(&self, wanted: Use<'_>) -> bool {
        let listed = |fits: &dyn Fn(&str) -> bool| self.rules.iter().any(|rule| fits(rule));
        self.mode == "bypassPermissions"
            || match wanted {
                Use::Bash(command) => listed(&|rule| fits_command(rule, command)),
                Use::Write(path) => self.mode == "acceptEdits" || listed(&|rule| fits_path(rule, path)),
            }
    }
}

/// Splits at commas and spaces outside of parentheses.
fn split(list: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let parts = list.split(|character: char| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (character == ',' || character.is_whitespace())
    });
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn fits_command(rule: &str, command: &str) -> bool {
    if rule == "Bash" {
        return true;
    }
    let Some(pattern) = content(rule, "Bash") else {
        return false;
    };
    if pattern == "*" {
        return true;
    }
    if command.contains(SHELL) {
        return false;
    }
    match pattern.strip_suffix(":*").or_else(|| pattern.strip_suffix(" *")) {
        Some(start) => command
            .strip_prefix(start)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')),
        None => pattern == command,
    }
}

/// Whoever may edit may write as well.
fn fits_path(rule: &str, path: &str) -> bool {
    ["Write", "Edit"].iter().any(|tool| {
        rule == *tool
            || content(rule, tool).is_some_and(|pattern| {
                let pattern = pattern.trim_start_matches("./");
                match pattern.strip_suffix("**") {
                    Some(folder) => path.starts_with(folder),
                    None => pattern == path,
                }
            })
    })
}

fn content<'a>(rule: &'a str, tool: &str) -> Option<&'a str> {
    rule.strip_prefix(tool)?.strip_prefix('(')?.strip_suffix(')')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(list: &str) -> Rules {
        Rules::new(&[list.to_owned()], "default")
    }

    #[test]
    fn a_command_runs_only_if_a_rule_fits() {
        let cases = [
            ("Bash", "touch x; rm y", true),
            ("Bash(git add:*)", "git add -A", true),
            ("Bash(git add *)", "git add -A", true),
            ("Bash(git add:*)", "git add", true),
            ("Bash(git add:*)", "git adder", false),
            ("Bash(git add:*)", "git add x; rm y", false),
            ("Bash(git add:*)", "git add $(rm y)", false),
            ("Bash(git status)", "git status", true),
            ("Bash(git status)", "git status -s", false),
            ("Read, Bash(git add:*,x) Bash(ls)", "ls", true),
            ("", "ls", false),
            ("Write", "ls", false),
        ];
        for (list, command, allowed) in cases {
            assert_eq!(rules(list).allow(Use::Bash(command)), allowed, "{list}: {command}");
        }
    }

    #[test]
    fn a_file_is_written_only_if_a_rule_or_the_mode_says_so() {
        let cases = [
            ("Write", "a", true),
            ("Edit", "a", true),
            ("Edit(./src/**)", "src/a", true),
            ("Edit(./src/**)", "a", false),
            ("Write(a)", "a", true),
            ("Read", "a", false),
        ];
        for (list, path, allowed) in cases {
            assert_eq!(rules(list).allow(Use::Write(path)), allowed, "{list}: {path}");
        }
        assert!(Rules::new(&[], "acceptEdits").allow(Use::Write("a")));
        assert!(!Rules::new(&[], "acceptEdits").allow(Use::Bash("ls")));
        assert!(Rules::new(&[], "bypassPermissions").allow(Use::Bash("ls")));
    }
}
