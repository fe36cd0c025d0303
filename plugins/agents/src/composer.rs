//! The composer at the bottom of an agent's screen, and what is in it.

use crate::profile::Profile;
use crate::screen::Screen;

/// The most lines that a footer or a list of completions below the composer has.
const FOOTER_LINES: usize = 16;
/// How much of a text's end must be seen to take it for that text, in characters.
const TAIL: usize = 24;

/// Where a person or berth types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composer {
    /// Its text, lines joined by `\n`; a long paste may be shown as a marker.
    pub text: String,
    /// The text is only a hint that nobody typed.
    pub placeholder: bool,
    /// It stands for a paste that is not shown.
    collapsed: bool,
}

impl Composer {
    /// Whether there is nothing in it that somebody typed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.placeholder || self.text.trim().is_empty()
    }

    /// Whether it holds `text`, as far as can be seen: its end, or the marker of a long paste.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        let (shown, wanted) = (comparable(&self.text), comparable(text));
        if self.collapsed || shown.is_empty() || wanted.is_empty() {
            return self.collapsed || shown == wanted;
        }
        let tail = wanted.char_indices().rev().nth(TAIL - 1).map_or(0, |(at, _)| at);
        // A composer that shows only its last lines may show less than the tail.
        shown.ends_with(&wanted[tail..]) || wanted.ends_with(&shown)
    }

    /// Whether all that is in it is what was left of `text`: the whole of it, the marker of a paste of as many lines, or the
    /// part of a long one that a scrolled composer shows. A shorter text is somebody's own.
    #[must_use]
    pub fn is_left_of(&self, text: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        let (shown, wanted) = (comparable(&self.text), comparable(text));
        let part = shown.chars().count() >= TAIL && (wanted.starts_with(&shown) || wanted.ends_with(&shown));
        match self.collapsed {
            true => marks_lines_of(&self.text, text),
            false => shown == wanted || part,
        }
    }
}

/// Whether the marker of a paste names as many lines as `text` has, or as many line breaks: agents count either.
fn marks_lines_of(marker: &str, text: &str) -> bool {
    let breaks = text.matches('\n').count();
    let mut words = marker.split(|c: char| !c.is_ascii_digit()).rev();
    let last: Option<usize> = words.find_map(|digits| digits.parse().ok());
    last.is_some_and(|number| number == breaks || number == breaks + 1)
}

/// Drops what a terminal may show otherwise than it was sent: blanks, wrapping, symbols of unsure width.
fn comparable(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_graphic() || c.is_alphanumeric())
        .collect()
}

/// A composer found on a screen: the rows of the rules around it, and its text.
pub(crate) struct Found {
    pub(crate) above: usize,
    pub(crate) below: usize,
    pub(crate) composer: Composer,
}

/// Finds the composer between the last two rules. A menu below them, or anything but the marker at its start, is
/// no composer.
pub(crate) fn boxed(profile: &Profile, screen: &Screen, lines: &[&str]) -> Option<Found> {
    let below = lines.iter().rposition(|line| profile.rule.matches(line))?;
    let above = lines[..below].iter().rposition(|line| profile.rule.matches(line))?;
    let footer = &lines[below + 1..];
    let first = lines.get(above + 1).filter(|_| above + 1 < below)?;
    let from = after_marker(profile, first).filter(|_| !first.starts_with(char::is_whitespace))?;
    let mut text = first[from..].trim().to_owned();
    let menu_below = |line: &&str| {
        let suggestion = profile.is_command(&text) && profile.suggestion.matches(line);
        after_marker(profile, line).is_some() && !suggestion
    };
    if footer.len() > FOOTER_LINES || footer.iter().any(menu_below) {
        return None;
    }
    for line in &lines[above + 2..below] {
        text.push('\n');
        text.push_str(line.strip_prefix("  ").unwrap_or(line));
    }
    let column = first[..from].chars().count();
    let dim = screen
        .lines
        .get(above + 1)
        .is_some_and(|line| line.is_dim_after(column));
    let placeholder = dim || profile.placeholders.iter().any(|pattern| pattern.matches(&text));
    let collapsed = profile.paste_marker.matches(&text);
    Some(Found {
        above,
        below,
        composer: Composer {
            text,
            placeholder,
            collapsed,
        },
    })
}

/// The composer of a shell: what stands after the prompt on the cursor's line.
pub(crate) fn line(profile: &Profile, line: &str) -> Option<Composer> {
    let from = profile.prompt.end_of_match(line)?;
    Some(Composer {
        text: line[from..].to_owned(),
        placeholder: false,
        collapsed: false,
    })
}

/// The byte after a marker and its blank, where the line begins with one.
pub(crate) fn after_marker(profile: &Profile, line: &str) -> Option<usize> {
    let text = line.trim_start();
    let rest = profile
        .markers
        .iter()
        .find_map(|marker| text.strip_prefix(marker.as_str()))?;
    let after = rest.trim_start();
    (after.len() < rest.len() || rest.is_empty()).then_some(line.len() - after.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composer(text: &str, collapsed: bool) -> Composer {
        Composer {
            text: text.to_owned(),
            placeholder: false,
            collapsed,
        }
    }

    #[test]
    fn only_the_whole_text_its_marker_or_a_long_part_of_it_is_what_was_left() {
        let long = "a text that is longer than the screen of a small terminal shows";
        let lines = "line\n".repeat(14) + "end";
        for (shown, collapsed, text, ours) in [
            ("hello there", false, "hello there", true),
            ("hello", false, "hello there", false),
            ("hello there and mine", false, "hello there", false),
            (&long[20..], false, long, true),
            ("[Pasted text: 15 lines]", true, &*lines, true),
            ("[Pasted text #3 +14 lines]", true, &*lines, true),
            ("[Pasted text: 30 lines]", true, &*lines, false),
            ("[Pasted text: 30 lines]", true, "hello there", false),
            ("", false, "", false),
        ] {
            assert_eq!(
                composer(shown, collapsed).is_left_of(text),
                ours,
                "{shown:?} of {text:?}"
            );
        }
    }
}
