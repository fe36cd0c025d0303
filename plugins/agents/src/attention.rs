//! Why a person should look at an agent whose composer is empty: work in the background, a question in prose, an error.
//!
//! It is told and never acted on, so what an agent says may decide it.

use crate::profile::Profile;

/// The longest reason, in characters.
const REASON_MAX: usize = 300;

/// A reason to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// `background`, `login`, `limit`, `error` or `asks`.
    pub kind: &'static str,
    /// The words on the screen.
    pub reason: String,
}

/// What works in the background, in the words of the last line above the composer that is not indented, or of the footer.
pub(crate) fn background(profile: &Profile, above: &[&str], footer: &[&str]) -> Option<String> {
    let last = above
        .iter()
        .rfind(|line| !line.is_empty() && !line.starts_with(char::is_whitespace));
    let above = last.filter(|line| profile.background.matches(line));
    let below = || footer.iter().find(|line| profile.background_footer.matches(line));
    let line = above.or_else(below)?;
    let counted = |part: &&str| part.starts_with(|c: char| c.is_ascii_digit());
    let part = line.split(" · ").skip(1).find(counted).unwrap_or(line);
    let words = part
        .trim_start_matches(|c: char| !c.is_alphanumeric())
        .split_whitespace();
    Some(words.collect::<Vec<_>>().join(" "))
}

/// The reason to look at an agent at rest.
pub(crate) fn of(profile: &Profile, above: &[&str], footer: &[&str], background: Option<&str>) -> Option<Attention> {
    if let Some(what) = background {
        let reason = format!("it still works in the background: {what}");
        return Some(Attention {
            kind: "background",
            reason,
        });
    }
    if let Some(reason) = footer.iter().find_map(|line| profile.login_footer.found(line)) {
        return Some(Attention {
            kind: "login",
            reason: reason.to_owned(),
        });
    }
    let last = last_block(profile, above)?;
    let kinds = [
        ("login", &profile.login),
        ("limit", &profile.limit),
        ("error", &profile.error),
    ];
    for (kind, pattern) in kinds {
        if let Some(row) = last.iter().position(|line| pattern.matches(line)) {
            let reason = paragraph(&last[row..]);
            return Some(Attention { kind, reason });
        }
    }
    let said = Some(last).filter(|lines| profile.says.matches(lines[0]))?;
    let reason = question(said)?;
    Some(Attention { kind: "asks", reason })
}

/// The first paragraph of what the agent said last.
pub(crate) fn said(profile: &Profile, above: &[&str]) -> Option<String> {
    let row = above.iter().rposition(|line| profile.says.matches(line))?;
    Some(paragraph(&above[row..])).filter(|said| !said.is_empty())
}

/// The last lines of the output, from the last that is not indented: what the agent said last, or a person's message and
/// what came of it.
fn last_block<'a>(profile: &Profile, above: &'a [&'a str]) -> Option<&'a [&'a str]> {
    let passed = |line: &&str| line.is_empty() || profile.chrome.matches(line) || profile.finished.matches(line);
    let end = above.iter().rposition(|line| !passed(line))?;
    let begin = above[..=end]
        .iter()
        .rposition(|line| !line.is_empty() && !line.starts_with(char::is_whitespace))?;
    Some(&above[begin..=end])
}

/// The question at the end of what was said, or before the list with which it ends.
fn question(said: &[&str]) -> Option<String> {
    let end = said.iter().rposition(|line| !line.is_empty() && !is_item(line))?;
    let asks = said[end]
        .trim_end_matches(|c: char| c.is_whitespace() || "*_`\"')”’".contains(c))
        .ends_with(['?', '？']);
    if !asks || said[end].trim_start().starts_with('⎿') {
        return None;
    }
    let begin = said[..end]
        .iter()
        .rposition(|line| line.is_empty())
        .map_or(0, |row| row + 1);
    Some(paragraph(&said[begin..=end]))
}

/// Whether a line is one of a list.
fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    line.starts_with(['-', '*', '•']) || (number.len() < line.len() && number.starts_with(['.', ')']))
}

/// The first paragraph of these lines, in one line.
fn paragraph(lines: &[&str]) -> String {
    let lines = lines.iter().take_while(|line| !line.is_empty());
    let words = lines
        .flat_map(|line| line.split_whitespace())
        .filter(|word| !matches!(*word, "●" | "⎿"));
    words.collect::<Vec<_>>().join(" ").chars().take(REASON_MAX).collect()
}
