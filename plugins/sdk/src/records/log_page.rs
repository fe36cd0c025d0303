//! A page of a log.

use crate::{LogPage, LogQuery};

/// The most bytes of text that a page has.
const MOST: usize = 256 << 10;

impl LogPage {
    /// The page that the query asks for, from lines without their line ends, each with the cursor just past it, oldest
    /// first. If the query has an `after`, pass all lines after it; otherwise at least the last ones.
    ///
    /// Before the first line the cursor is empty, so a query `after` that asks for all lines.
    #[must_use]
    pub fn of(lines: Vec<(String, String)>, query: &LogQuery) -> Self {
        let wanted = usize::try_from(query.lines).unwrap_or(usize::MAX);
        let first = match &query.after {
            Some(_) => 0,
            None => lines.len() - fitting(lines.iter().rev(), wanted),
        };
        let taken = fitting(lines[first..].iter(), wanted);
        let page = &lines[first..first + taken];
        let text = page.iter().flat_map(|(_, line)| [within(line), "\n"]).collect();
        let cursor = page.last().map(|(cursor, _)| cursor).or(query.after.as_ref());
        Self {
            text,
            next: cursor.cloned().unwrap_or_default(),
            more: first + taken < lines.len(),
            gap: false,
        }
    }

    /// The page that the query asks for, from a whole text that only grows at its end, such as a file. Its last line
    /// is left for later while it has no line end. A text that is shorter than before has begun again.
    #[must_use]
    pub fn of_text(text: &str, query: &LogQuery) -> Self {
        let after = query.after.as_deref().and_then(|after| after.parse().ok()).unwrap_or(0);
        let gap = after > text.len();
        let start = if gap { 0 } else { after };
        let mut end = 0;
        let mut lines = Vec::new();
        for line in text.split_inclusive('\n') {
            end += line.len();
            if let Some(line) = line.strip_suffix('\n').filter(|_| end > start) {
                lines.push((end.to_string(), line.to_owned()));
            }
        }
        Self {
            gap,
            ..Self::of(lines, query)
        }
    }

    /// Says that text between the cursor asked for and this page is gone.
    #[must_use]
    pub fn with_gap(self) -> Self {
        Self { gap: true, ..self }
    }
}

/// How many of these lines, up to a limit, fit on a page. The first one always does, since it is cut.
fn fitting<'a>(lines: impl Iterator<Item = &'a (String, String)>, wanted: usize) -> usize {
    let mut size = 0;
    lines
        .take(wanted)
        .enumerate()
        .take_while(|(index, (_, line))| {
            size += line.len() + 1;
            *index == 0 || size <= MOST
        })
        .count()
}

/// A line, cut if it is longer than a page.
fn within(line: &str) -> &str {
    &line[..line.floor_char_boundary(MOST - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(lines: u32, after: Option<&str>) -> LogQuery {
        LogQuery {
            view: None,
            lines,
            after: after.map(str::to_owned),
        }
    }

    #[test]
    fn without_a_cursor_the_last_lines_are_there_and_with_it_the_next_ones() {
        let text = "one\ntwo\nthree\n";
        let last = LogPage::of_text(text, &query(2, None));
        assert_eq!(
            (last.text.as_str(), last.next.as_str(), last.more),
            ("two\nthree\n", "14", false)
        );
        let first = LogPage::of_text(text, &query(2, Some("0")));
        assert_eq!(
            (first.text.as_str(), first.next.as_str(), first.more),
            ("one\ntwo\n", "8", true)
        );
        let rest = LogPage::of_text(text, &query(2, Some(&first.next)));
        assert_eq!((rest.text.as_str(), rest.more), ("three\n", false));
        let nothing = LogPage::of_text(text, &query(2, Some("14")));
        assert_eq!((nothing.text.as_str(), nothing.next.as_str()), ("", "14"));
    }

    #[test]
    fn a_line_that_may_still_grow_comes_once_it_is_whole() {
        let page = LogPage::of_text("one\ntw", &query(9, None));
        assert_eq!((page.text.as_str(), page.more), ("one\n", false));
        assert_eq!(
            LogPage::of_text("one\ntwo\n", &query(9, Some(&page.next))).text,
            "two\n"
        );
    }

    #[test]
    fn a_text_that_began_again_has_a_gap() {
        let page = LogPage::of_text("new\n", &query(9, Some("700")));
        assert_eq!((page.text.as_str(), page.gap), ("new\n", true));
    }

    #[test]
    fn a_log_that_is_empty_at_first_is_read_from_its_beginning_later() {
        let page = LogPage::of_text("", &query(9, None));
        assert_eq!(page.next, "");
        assert_eq!(LogPage::of_text("one\n", &query(9, Some(&page.next))).text, "one\n");
    }

    #[test]
    fn a_page_has_at_most_256_kib_and_the_rest_follows() {
        let line = "ä".repeat(50_000);
        let text = format!("{line}\n").repeat(7);
        let first = LogPage::of_text(&text, &query(9, Some("0")));
        assert_eq!((first.text.lines().count(), first.more), (2, true));
        let last = LogPage::of_text(&text, &query(9, None));
        assert_eq!((last.text.lines().count(), last.more), (2, false));
        assert_eq!(last.next, text.len().to_string());
        let long = format!("{}\nshort\n", "ä".repeat(200_000));
        let page = LogPage::of_text(&long, &query(9, Some("0")));
        assert!(page.text.len() <= MOST && page.more, "{}", page.text.len());
    }
}
