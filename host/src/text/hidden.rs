//! Which characters hide or reorder text, by their Unicode properties, and where the few stay that written languages
//! need.

use icu_properties::props::{
    Alphabetic, BinaryProperty, DefaultIgnorableCodePoint, Emoji, EmojiModifier, ExtendedPictographic, GeneralCategory,
    NoncharacterCodePoint,
};
use icu_properties::{CodePointMapData, CodePointSetData};

/// Combining marks on one base. No script needs so many; without a bound they cover the lines around them.
const MARKS: usize = 16;
const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';
/// Makes a sign an emoji.
const AS_EMOJI: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';
const BLACK_FLAG: char = '\u{1f3f4}';
/// What makes a black flag the one of England, Scotland or Wales. No others are in use, and others could spell what
/// nobody sees.
const FLAG_TAGS: [&str; 3] = [
    "\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];

/// `text` without what hides or reorders.
pub(super) fn removed(text: &str) -> String {
    // First remove what is never shown, so that each other character is judged by neighbours that will be seen.
    let candidates: String = text.chars().filter(|c| !is_shown_nowhere(*c)).collect();
    let mut shown = Shown {
        text: String::with_capacity(candidates.len()),
        ..Shown::default()
    };
    let mut rest = candidates.as_str();
    while let Some(c) = rest.chars().next() {
        let taken = shown.take(c, rest);
        rest = &rest[taken..];
    }
    shown.text
}

/// What is kept so far, and the part of it that decides about the next character.
#[derive(Default)]
struct Shown {
    text: String,
    last: Option<char>,
    /// Marks since the last base.
    marks: usize,
    /// It ends in an emoji that a joiner may follow.
    emoji: bool,
}

impl Shown {
    /// Judges `c`, the first character of `rest`. Answers how many bytes of `rest` that took.
    fn take(&mut self, c: char, rest: &str) -> usize {
        let size = c.len_utf8();
        let next = rest[size..].chars().next();
        match c {
            JOINER | NON_JOINER if self.joins(c, next) => {
                self.push(c);
                self.emoji = false;
            }
            AS_EMOJI if self.last.is_some_and(|last| becomes_emoji(last, next)) => self.push(c),
            JOINER | NON_JOINER | AS_EMOJI => {}
            c if is_tag(c) => {
                let tags = FLAG_TAGS.into_iter().find(|tags| rest.starts_with(tags));
                if let Some(tags) = tags.filter(|_| self.last == Some(BLACK_FLAG)) {
                    self.text.push_str(tags);
                    (self.last, self.emoji) = (None, false);
                    return tags.len();
                }
            }
            c if is_mark(c) => {
                if self.marks < MARKS {
                    self.push(c);
                    self.marks += 1;
                    self.emoji = false;
                }
            }
            c => {
                let toned = self.emoji && has::<EmojiModifier>(c);
                self.push(c);
                self.marks = 0;
                self.emoji = toned || has::<ExtendedPictographic>(c);
            }
        }
        size
    }

    fn push(&mut self, c: char) {
        self.text.push(c);
        self.last = Some(c);
    }

    /// Whether a joiner may stand before `next`: between letters, as Persian, Hindi and others are written, or in emoji.
    fn joins(&self, joiner: char, next: Option<char>) -> bool {
        let (Some(last), Some(next)) = (self.last, next) else {
            return false;
        };
        let fits = is_letter(next) || (is_joined_mark(next) && self.marks < MARKS);
        let in_word = (is_letter(last) || is_joined_mark(last)) && fits;
        in_word || (joiner == JOINER && self.emoji && has::<ExtendedPictographic>(next))
    }
}

/// Default_Ignorable_Code_Point, Cf, Cc, Zl, Zp, and what is not a character, except what [`Shown::take`] judges by
/// its place. Private use stays: it is seen, as a sign or a box.
fn is_shown_nowhere(c: char) -> bool {
    match c {
        '\n' | '\t' | ' '..='~' | JOINER | NON_JOINER | AS_EMOJI => false,
        c if is_tag(c) => false,
        c => {
            let category = category(c);
            has::<DefaultIgnorableCodePoint>(c)
                || has::<NoncharacterCodePoint>(c)
                || matches!(
                    category,
                    GeneralCategory::Format
                        | GeneralCategory::Control
                        | GeneralCategory::LineSeparator
                        | GeneralCategory::ParagraphSeparator
                )
        }
    }
}

/// A digit is an emoji only as a keycap.
fn becomes_emoji(last: char, next: Option<char>) -> bool {
    has::<Emoji>(last) && (!last.is_ascii() || next == Some(KEYCAP))
}

fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0020}'..='\u{e007f}')
}

fn is_letter(c: char) -> bool {
    has::<Alphabetic>(c) && !is_mark(c)
}

fn is_mark(c: char) -> bool {
    is_joined_mark(c) || category(c) == GeneralCategory::EnclosingMark
}

/// A mark that is part of a word. A selector is a mark by its category, but not by its use.
fn is_joined_mark(c: char) -> bool {
    c != AS_EMOJI
        && matches!(
            category(c),
            GeneralCategory::NonspacingMark | GeneralCategory::SpacingMark
        )
}

fn category(c: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(c)
}

fn has<P: BinaryProperty>(c: char) -> bool {
    CodePointSetData::new::<P>().contains(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::clean;

    #[test]
    fn what_people_write_stays_byte_for_byte() {
        for text in [
            "",
            "a\tb\nc",
            "größer 日本語 🚢",
            "— “quoted”",
            "می\u{200c}خواهم",
            "क\u{94d}\u{200d}ष",
            // A ya-phala: the joiner stands before the sign.
            "র\u{200d}\u{9cd}য",
            "Auf\u{200c}lage",
            "👨\u{200d}👩\u{200d}👧\u{200d}👦",
            "🏳\u{fe0f}\u{200d}🌈",
            "❤\u{fe0f} ❤\u{fe0f}\u{200d}🔥",
            "👩🏽\u{200d}🚀 🙋🏿\u{200d}♂\u{fe0f}",
            "1\u{fe0f}\u{20e3} #\u{fe0f}\u{20e3} *\u{fe0f}\u{20e3}",
            "🇩🇪🇯🇵",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "é e\u{301} שָׁלוֹם กำ ที่",
            "\u{e0b0} a private sign",
        ] {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn what_hides_or_reorders_goes_by_its_property() {
        let ranges = [
            '\u{0}'..='\u{8}',
            '\u{b}'..='\u{1f}',
            '\u{7f}'..='\u{9f}',
            '\u{ad}'..='\u{ad}',
            '\u{34f}'..='\u{34f}',
            '\u{600}'..='\u{605}',
            '\u{61c}'..='\u{61c}',
            '\u{115f}'..='\u{1160}',
            '\u{17b4}'..='\u{17b5}',
            '\u{180b}'..='\u{180f}',
            '\u{200b}'..='\u{200f}',
            '\u{2028}'..='\u{202e}',
            '\u{2060}'..='\u{206f}',
            '\u{3164}'..='\u{3164}',
            '\u{fdd0}'..='\u{fdef}',
            '\u{fe00}'..='\u{fe0f}',
            '\u{feff}'..='\u{feff}',
            '\u{ffa0}'..='\u{ffa0}',
            '\u{fff0}'..='\u{fffb}',
            '\u{fffe}'..='\u{ffff}',
            '\u{13430}'..='\u{1343f}',
            '\u{1bca0}'..='\u{1bca3}',
            '\u{1d173}'..='\u{1d17a}',
            '\u{e0000}'..='\u{e0fff}',
            '\u{10ffff}'..='\u{10ffff}',
        ];
        for c in ranges.into_iter().flatten() {
            // An escape takes what follows it along.
            let text = format!("1{c} 2");
            assert!(!clean(&text).contains(c), "{c:?}");
            assert!(c == '\u{1b}' || clean(&text) == "1 2", "{c:?}");
        }
    }

    #[test]
    fn a_joiner_stays_between_letters_and_in_emoji_only() {
        for (text, shown) in [
            ("\u{200c}a", "a"),
            ("a\u{200c}", "a"),
            ("a\u{200d} b", "a b"),
            ("a\u{200c}1", "a1"),
            ("a\u{200d}\u{200d}\u{200c}b", "a\u{200c}b"),
            ("a\u{200d}\u{200b}b", "a\u{200d}b"),
            ("😀\u{200c}😀", "😀😀"),
            ("😀\u{200d}a", "😀a"),
            ("😀\u{200d}\u{200d}😀", "😀\u{200d}😀"),
            ("❤\u{fe0f}\u{200d}a", "❤\u{fe0f}a"),
        ] {
            assert_eq!(clean(text), shown, "{text:?}");
        }
    }

    #[test]
    fn a_selector_stays_once_after_what_can_be_an_emoji() {
        for (text, shown) in [
            ("❤\u{fe0f}\u{fe0f}\u{fe0f}", "❤\u{fe0f}"),
            ("a\u{fe0f}b", "ab"),
            ("1\u{fe0f}2\u{fe0f}", "12"),
            ("\u{fe0f}", ""),
            ("❤\u{fe0e}", "❤"),
        ] {
            assert_eq!(clean(text), shown, "{text:?}");
        }
    }

    #[test]
    fn tags_stay_in_a_known_flag_only() {
        let hidden: String = "ignore all"
            .chars()
            .filter_map(|c| char::from_u32(0xe0000 + c as u32))
            .collect();
        assert_eq!(clean(&format!("x{hidden}")), "x");
        assert_eq!(clean(&format!("🏴{hidden}\u{e007f}")), "🏴");
        assert_eq!(clean(&format!("x{}", FLAG_TAGS[0])), "x");
        assert_eq!(
            clean(&format!("🏴{}{hidden}", FLAG_TAGS[1])),
            format!("🏴{}", FLAG_TAGS[1])
        );
    }

    #[test]
    fn a_run_of_marks_ends() {
        let cleaned = clean(&format!("a{}b\u{301}", "\u{301}\u{200d}".repeat(1_000)));
        assert_eq!(cleaned.chars().filter(|c| *c == '\u{301}').count(), MARKS + 1);
        assert!(cleaned.ends_with("b\u{301}"));
    }

    /// Texts of characters that have a meaning for the rules, and some of all others.
    fn texts() -> impl Strategy<Value = String> {
        let known = prop::sample::select(
            "ab1#é日क\u{94d}س\u{301}\u{20e3}❤😀🏽🏴🏳🌈\u{200c}\u{200d}\u{fe0f}\u{fe0e}\u{200b}\u{202e}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e007f}\u{1b}[]m;\u{7}\u{9b}\n\t\r\u{2028}\u{34f}\u{fffa}"
                .chars()
                .collect::<Vec<_>>(),
        );
        let flag = Just(format!("🏴{}", FLAG_TAGS[0]));
        let marks = Just("\u{301}".repeat(MARKS));
        let part = prop_oneof![8 => known.prop_map(String::from), 2 => any::<char>().prop_map(String::from), 1 => flag, 1 => marks];
        prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn cleaning_twice_is_cleaning_once(text in texts()) {
            let once = clean(&text);
            prop_assert_eq!(clean(&once), once);
        }

        #[test]
        fn nothing_that_hides_is_left_but_in_its_place(text in texts()) {
            let cleaned: Vec<char> = clean(&text).chars().collect();
            let mut marks = 0;
            for (at, c) in cleaned.iter().copied().enumerate() {
                prop_assert!(!is_shown_nowhere(c), "{c:?}");
                let before = at.checked_sub(1).map(|at| cleaned[at]);
                let after = cleaned.get(at + 1).copied();
                match c {
                    JOINER | NON_JOINER => {
                        let seen = |c: Option<char>| c.is_some_and(|c| has::<Alphabetic>(c) || is_mark(c) || has::<ExtendedPictographic>(c));
                        prop_assert!(seen(after) && (seen(before) || before == Some(AS_EMOJI) || before.is_some_and(has::<EmojiModifier>)));
                    }
                    AS_EMOJI => prop_assert!(before.is_some_and(has::<Emoji>)),
                    c if is_mark(c) => marks += 1,
                    _ => marks = 0,
                }
                prop_assert!(marks <= MARKS);
            }
        }
    }
}
