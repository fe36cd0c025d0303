//! The dialogs that replace the composer until they are answered, and the keys that answer them.

use std::time::Duration;

use crate::keys::Key;

/// Keys that come sooner after a dialog appears are lost, as in real agents.
const DEAF: Duration = Duration::from_millis(100);
const NO: &str = "No";

/// A dialog on the screen.
pub(crate) struct Dialog {
    subject: Subject,
    options: Vec<String>,
    highlighted: usize,
    shown_at: Duration,
}

/// What a dialog is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// May this command run? With `twin`, the same is asked again after a yes.
    Permission {
        command: String,
        twin: bool,
    },
    YesNo {
        question: String,
    },
    Choice,
    Trust {
        directory: String,
    },
}

/// How a dialog was answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) label: String,
    pub(crate) declined: bool,
}

/// A line of a dialog: what comes before the text on its first row, and the text. Further rows of the text are indented
/// equally.
pub(crate) struct Line {
    pub(crate) prefix: String,
    pub(crate) text: String,
}

impl Dialog {
    pub(crate) fn permission(command: &str, twin: bool, now: Duration) -> Self {
        let program = command.split_whitespace().next().unwrap_or(command);
        let mut options = vec!["Yes".to_owned(), format!("Yes, and do not ask again for {program}")];
        // So "No" does not have a fixed number: whoever answers has to read the labels.
        if program == "git" {
            options.push("Yes, and switch to auto mode".to_owned());
        }
        options.push(NO.to_owned());
        Self::new(
            Subject::Permission {
                command: command.to_owned(),
                twin,
            },
            options,
            now,
        )
    }

    pub(crate) fn yes_no(question: &str, now: Duration) -> Self {
        let subject = Subject::YesNo {
            question: question.to_owned(),
        };
        Self::new(subject, vec!["yes".to_owned(), "no".to_owned()], now)
    }

    pub(crate) fn choice(options: &[&str], now: Duration) -> Self {
        Self::new(Subject::Choice, options.iter().map(ToString::to_string).collect(), now)
    }

    pub(crate) fn trust(directory: &str, now: Duration) -> Self {
        let options = vec!["No, exit".to_owned(), "Yes, I trust this folder".to_owned()];
        Self::new(
            Subject::Trust {
                directory: directory.to_owned(),
            },
            options,
            now,
        )
    }

    fn new(subject: Subject, options: Vec<String>, now: Duration) -> Self {
        Self {
            subject,
            options,
            highlighted: 0,
            shown_at: now,
        }
    }

    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The command or question that an answer is recorded under.
    pub(crate) fn question(&self) -> &str {
        match &self.subject {
            Subject::Permission { command, .. } => command,
            Subject::YesNo { question } => question,
            Subject::Choice => "Which one?",
            Subject::Trust { .. } => "Do you trust this folder?",
        }
    }

    /// Takes a key; returns the answer if it answered the dialog. Letters and pastes do nothing in a menu, which is
    /// dangerous: prose and Enter take what is highlighted, mostly a yes.
    pub(crate) fn press(&mut self, key: &Key, now: Duration) -> Option<Answer> {
        if now < self.shown_at + DEAF {
            return None;
        }
        match (key, &self.subject) {
            (Key::Escape | Key::CtrlC, _) => Some(self.dismissed()),
            (Key::Char('y'), Subject::YesNo { .. }) => Some(self.answer(0)),
            (Key::Char('n'), Subject::YesNo { .. }) => Some(self.answer(1)),
            (_, Subject::YesNo { .. }) => None,
            (Key::Enter, _) => Some(self.answer(self.highlighted)),
            (Key::Up, _) => self.highlight(self.highlighted.saturating_sub(1)),
            (Key::Down, _) => self.highlight(self.highlighted + 1),
            (Key::Char(_), Subject::Trust { .. }) => None,
            (Key::Char(character), _) => self.press_digit(character.to_digit(10)? as usize),
            _ => None,
        }
    }

    /// The rows below the rule.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let plain = |text: &str| Line {
            prefix: " ".to_owned(),
            text: text.to_owned(),
        };
        let blank = || Line {
            prefix: String::new(),
            text: String::new(),
        };
        let mut lines = Vec::new();
        match &self.subject {
            Subject::YesNo { question } => return vec![plain(&format!("{question} [y/n]"))],
            Subject::Permission { command, .. } => {
                lines.extend([plain("Run command"), blank()]);
                lines.extend(command.lines().map(|line| Line {
                    prefix: "   ".to_owned(),
                    text: line.to_owned(),
                }));
                lines.extend([blank(), plain("Do you want to proceed?")]);
            }
            Subject::Choice => lines.extend([plain("☐ Choice"), blank(), plain("Which one?"), blank()]),
            Subject::Trust { directory } => {
                lines.extend([plain("Accessing workspace:"), blank(), plain(directory), blank()]);
                lines.extend([plain("Do you trust this folder?"), blank()]);
            }
        }
        lines.extend((0..self.options.len()).map(|index| self.option_line(index)));
        lines.extend([blank(), plain(self.hint())]);
        lines
    }

    fn option_line(&self, index: usize) -> Line {
        let marker = if index == self.highlighted { ">" } else { " " };
        let number = match self.subject {
            Subject::Trust { .. } => String::new(),
            _ => format!("{}. ", index + 1),
        };
        Line {
            prefix: format!(" {marker} {number}"),
            text: self.options[index].clone(),
        }
    }

    fn hint(&self) -> &'static str {
        match self.subject {
            Subject::Choice => "Enter to select · Esc to cancel",
            Subject::Trust { .. } => "Enter to confirm · Esc to cancel",
            Subject::Permission { .. } | Subject::YesNo { .. } => "Esc to cancel",
        }
    }

    /// A digit selects at once; one that no option has moves to the last, as in real agents.
    fn press_digit(&mut self, digit: usize) -> Option<Answer> {
        if (1..=self.options.len()).contains(&digit) {
            return Some(self.answer(digit - 1));
        }
        self.highlight(self.options.len())
    }

    fn highlight(&mut self, index: usize) -> Option<Answer> {
        self.highlighted = index.min(self.options.len() - 1);
        None
    }

    fn answer(&self, index: usize) -> Answer {
        let label = self.options[index].clone();
        let declined = matches!(label.as_str(), NO | "no" | "No, exit") && self.subject != Subject::Choice;
        Answer { label, declined }
    }

    fn dismissed(&self) -> Answer {
        let label = match self.subject {
            Subject::Permission { .. } => NO,
            Subject::YesNo { .. } => "no",
            Subject::Choice => "nothing",
            Subject::Trust { .. } => "No, exit",
        };
        Answer {
            label: label.to_owned(),
            declined: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_millis(100);

    fn press(dialog: &mut Dialog, keys: &[Key]) -> Option<String> {
        keys.iter()
            .find_map(|key| dialog.press(key, LATER))
            .map(|answer| answer.label)
    }

    fn run(command: &str) -> Dialog {
        Dialog::permission(command, false, Duration::ZERO)
    }

    fn text(dialog: &Dialog) -> String {
        let lines: Vec<String> = dialog
            .lines()
            .iter()
            .map(|line| format!("{}{}", line.prefix, line.text))
            .collect();
        lines.join("\n")
    }

    #[test]
    fn a_digit_selects_at_once() {
        assert_eq!(press(&mut run("touch x"), &[Key::Char('3')]).as_deref(), Some("No"));
        assert_eq!(
            press(&mut run("git push"), &[Key::Char('3')]).as_deref(),
            Some("Yes, and switch to auto mode")
        );
        assert_eq!(press(&mut run("git push"), &[Key::Char('4')]).as_deref(), Some("No"));
    }

    #[test]
    fn prose_and_enter_approve() {
        let prose = [Key::Char('n'), Key::Char('o'), Key::Paste("3\n".into()), Key::Enter];
        assert_eq!(press(&mut run("touch x"), &prose).as_deref(), Some("Yes"));
    }

    #[test]
    fn a_digit_out_of_range_moves_to_the_last_option() {
        let mut dialog = run("touch x");
        assert_eq!(press(&mut dialog, &[Key::Char('7')]), None);
        assert!(text(&dialog).contains("\n > 3. No\n"));
        assert_eq!(press(&mut dialog, &[Key::Enter]).as_deref(), Some("No"));
    }

    #[test]
    fn arrows_move_and_stop_at_the_ends() {
        let down_twice_up = [Key::Up, Key::Down, Key::Down, Key::Down, Key::Up, Key::Enter];
        assert_eq!(
            press(&mut run("touch x"), &down_twice_up).as_deref(),
            Some("Yes, and do not ask again for touch")
        );
        assert_eq!(
            press(&mut run("touch x"), &[Key::Char('j'), Key::Enter]).as_deref(),
            Some("Yes")
        );
    }

    #[test]
    fn keys_just_after_the_appearing_are_lost() {
        let mut dialog = Dialog::permission("touch x", false, Duration::from_millis(50));
        assert_eq!(dialog.press(&Key::Char('1'), Duration::from_millis(149)), None);
        assert!(dialog.press(&Key::Char('1'), Duration::from_millis(150)).is_some());
    }

    #[test]
    fn escape_declines() {
        let mut dialogs = [
            (run("touch x"), "No"),
            (Dialog::yes_no("Really?", Duration::ZERO), "no"),
            (Dialog::choice(&["A"], Duration::ZERO), "nothing"),
            (Dialog::trust("/the/dir", Duration::ZERO), "No, exit"),
        ];
        for (dialog, label) in &mut dialogs {
            let expected = Answer {
                label: (*label).to_owned(),
                declined: true,
            };
            assert_eq!(dialog.press(&Key::Escape, LATER), Some(expected));
        }
    }

    #[test]
    fn only_y_and_n_answer_a_yes_no_question() {
        let mut dialog = Dialog::yes_no("Really?", Duration::ZERO);
        assert_eq!(
            press(&mut dialog, &[Key::Enter, Key::Char('1'), Key::Char('x'), Key::Down]),
            None
        );
        assert_eq!(press(&mut dialog, &[Key::Char('n')]).as_deref(), Some("no"));
        assert_eq!(
            press(&mut Dialog::yes_no("Really?", Duration::ZERO), &[Key::Char('y')]).as_deref(),
            Some("yes")
        );
    }

    #[test]
    fn digits_do_nothing_to_the_question_of_trust() {
        let mut dialog = Dialog::trust("/the/dir", Duration::ZERO);
        assert_eq!(press(&mut dialog, &[Key::Char('2')]), None);
        let down = press(&mut dialog, &[Key::Down, Key::Enter]);
        assert_eq!(down.as_deref(), Some("Yes, I trust this folder"));
    }

    #[test]
    fn a_choice_named_no_is_a_choice() {
        let mut dialog = Dialog::choice(&["No", "Maybe"], Duration::ZERO);
        let answer = dialog.press(&Key::Char('1'), LATER);
        assert_eq!(
            answer,
            Some(Answer {
                label: "No".into(),
                declined: false
            })
        );
    }

    #[test]
    fn reads_as_described() {
        assert_eq!(
            text(&run("touch x")),
            " Run command\n\n   touch x\n\n Do you want to proceed?\n > 1. Yes\n   2. Yes, and do not ask again for touch\n   3. No\n\n Esc to cancel"
        );
        assert_eq!(text(&Dialog::yes_no("Really?", Duration::ZERO)), " Really? [y/n]");
        assert_eq!(
            text(&Dialog::choice(&["A", "B"], Duration::ZERO)),
            " ☐ Choice\n\n Which one?\n\n > 1. A\n   2. B\n\n Enter to select · Esc to cancel"
        );
        assert_eq!(
            text(&Dialog::trust("/the/dir", Duration::ZERO)),
            " Accessing workspace:\n\n /the/dir\n\n Do you trust this folder?\n\n > No, exit\n   Yes, I trust this folder\n\n Enter to confirm · Esc to cancel"
        );
    }
}
