//! The composer at the bottom of an agent's screen, and what is in it.

use crate::profile::Profile;
use crate::screen::Screen;

/// The most lines that a footer or a list of completions below the composer has.
const FOOTER_LINES: usize = 16;
/// How many characters of a text's end must be seen to recognise it.
const TAIL: usize = 24;

/// Where a person or berth types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composer {
    /// Its text, lines joined by `\n`; a long paste may be shown as a marker.
    pub text: String,
    /// The text is only a hint that nobody typed.
    pub placeholder: bool,
    /// It is the marker of a paste that is not shown, with its number of lines; 0 if the marker has no number, as for
    /// one line.
    collapsed: Option<usize>,
    /// Only the end of its text is shown.
    scrolled: bool,
}

impl Composer {
    /// Whether it holds nothing that somebody typed.
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
        if let Some(lines) = self.collapsed {
            return has_lines(text, lines);
        }
        let (shown, wanted) = (comparable(&self.text), comparable(text));
        if shown.is_empty() || wanted.is_empty() {
            return shown == wanted;
        }
        let tail = wanted.char_indices().rev().nth(TAIL - 1).map_or(0, |(at, _)| at);
        // A composer that shows only its last lines may show less than the tail.
        shown.ends_with(&wanted[tail..]) || wanted.ends_with(&shown)
    }

    /// Whether it holds only `text`, as far as can be seen: the whole of it, the marker of a paste of as many lines, or
    /// its end if only that is shown. Anything else is somebody's own, also a shorter or a longer text.
    #[must_use]
    pub fn is_left_of(&self, text: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        if let Some(lines) = self.collapsed {
            return has_lines(text, lines);
        }
        let (shown, wanted) = (comparable(&self.text), comparable(text));
        let end = self.scrolled && shown.chars().count() >= TAIL && wanted.ends_with(&shown);
        shown == wanted || end
    }
}

/// Whether `text` has as many lines, or as many line breaks, as a marker names: some agents count lines, others line
/// breaks.
fn has_lines(text: &str, lines: usize) -> bool {
    let breaks = text.matches('\n').count();
    lines == breaks || lines == breaks + 1
}

/// Drops what a terminal may show differently than it was sent: spaces, wrapping, symbols of uncertain width.
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

/// Finds the composer between the last two rules. Anything other than the marker at its start means that there is no
/// composer.
pub(crate) fn boxed(profile: &Profile, screen: &Screen, lines: &[&str]) -> Option<Found> {
    let below = lines.iter().rposition(|line| profile.rule.matches(line))?;
    let above = lines[..below].iter().rposition(|line| profile.rule.matches(line))?;
    let footer = &lines[below + 1..];
    let first = lines.get(above + 1).filter(|_| above + 1 < below)?;
    let from = after_marker(profile, first).filter(|_| !first.starts_with(char::is_whitespace))?;
    let mut text = first[from..].trim().to_owned();
    if footer.len() > FOOTER_LINES {
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
    let collapsed = profile.paste_marker.number(&text, "lines");
    Some(Found {
        above,
        below,
        composer: Composer {
            text,
            placeholder,
            collapsed,
            scrolled: profile.cut_above.matches(lines[above]),
        },
    })
}

/// The composer of a shell: the text after the prompt on the cursor's line.
pub(crate) fn line(profile: &Profile, line: &str) -> Option<Composer> {
    let from = profile.prompt.end_of_match(line)?;
    Some(Composer {
        text: line[from..].to_owned(),
        placeholder: false,
        collapsed: None,
        scrolled: false,
    })
}

/// The byte after a marker and its space, if the line begins with one.
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

    fn composer(text: &str) -> Composer {
        Composer {
            text: text.to_owned(),
            placeholder: false,
            collapsed: None,
            scrolled: false,
        }
    }

    #[test]
    fn only_the_whole_text_or_the_end_that_a_scrolled_composer_shows_is_what_was_left() {
        let long = "a text that is longer than the screen of a small terminal shows";
        for (shown, scrolled, text, ours) in [
            ("hello there", false, "hello there", true),
            ("hello", false, "hello there", false),
            ("hello there and mine", false, "hello there", false),
            ("mine, hello there", false, "hello there", false),
            (&long[20..], true, long, true),
            // A person has shortened it.
            (&long[20..], false, long, false),
            (&long[..40], false, long, false),
            (&long[..40], true, long, false),
            (&long[50..], true, long, false),
            ("", false, "", false),
        ] {
            let composer = Composer {
                scrolled,
                ..composer(shown)
            };
            assert_eq!(composer.is_left_of(text), ours, "{shown:?} of {text:?}");
        }
    }

    #[test]
    fn a_marker_stands_for_a_paste_of_as_many_lines() {
        for (lines, breaks, ours) in [
            (15, 14, true),
            (14, 14, true),
            (30, 14, false),
            (0, 0, true),
            (1, 0, true),
            (0, 1, false),
        ] {
            let composer = Composer {
                collapsed: Some(lines),
                ..composer("[Pasted text #3]")
            };
            let text = "line\n".repeat(breaks) + "end";
            assert_eq!(
                (composer.is_left_of(&text), composer.holds(&text)),
                (ours, ours),
                "{lines} of {breaks}"
            );
        }
    }
}
