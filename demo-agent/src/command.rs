//! What a submitted message asks the demo agent to show.

use std::time::Duration;

const LONGEST_WORK: u64 = 600;
const MOST_LINES: usize = 10_000;

/// A message, understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    /// `run CMD` asks for permission once, `twice CMD` two times.
    Run {
        command: &'a str,
        twice: bool,
    },
    Ask(&'a str),
    Choose(Vec<&'a str>),
    Work(Duration),
    /// `think N` works without saying anything, and gives its message back when it is interrupted.
    Think(Duration),
    Say(&'a str),
    /// At most 10,000 lines.
    Print(usize),
    /// The first word, with its slash.
    Slash(&'a str),
    Chat,
}

/// Reads a message; whatever is not a command, or lacks what its command needs, is chat.
pub(crate) fn parse(message: &str) -> Command<'_> {
    if message.starts_with('/') {
        return Command::Slash(message.split_whitespace().next().unwrap_or(message));
    }
    let Some((word, rest)) = message.split_once(' ') else {
        return Command::Chat;
    };
    let rest = rest.trim();
    match word {
        _ if rest.is_empty() => Command::Chat,
        "run" => Command::Run {
            command: rest,
            twice: false,
        },
        "twice" => Command::Run {
            command: rest,
            twice: true,
        },
        "ask" => Command::Ask(rest),
        "say" => Command::Say(rest),
        "choose" => choose(rest),
        "work" => seconds(rest).map_or(Command::Chat, Command::Work),
        "think" => seconds(rest).map_or(Command::Chat, Command::Think),
        "print" => rest
            .parse()
            .map_or(Command::Chat, |lines: usize| Command::Print(lines.min(MOST_LINES))),
        _ => Command::Chat,
    }
}

pub(crate) fn seconds(rest: &str) -> Option<Duration> {
    let seconds: u64 = rest.parse().ok()?;
    Some(Duration::from_secs(seconds.min(LONGEST_WORK)))
}

fn choose(rest: &str) -> Command<'_> {
    let options: Vec<&str> = rest
        .split('|')
        .map(str::trim)
        .filter(|option| !option.is_empty())
        .collect();
    if options.is_empty() {
        Command::Chat
    } else {
        Command::Choose(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_command() {
        let cases = [
            (
                "run touch x",
                Command::Run {
                    command: "touch x",
                    twice: false,
                },
            ),
            (
                "twice git push",
                Command::Run {
                    command: "git push",
                    twice: true,
                },
            ),
            ("ask Shall I?", Command::Ask("Shall I?")),
            ("choose A| B |", Command::Choose(vec!["A", "B"])),
            ("work 3", Command::Work(Duration::from_secs(3))),
            ("work 9999", Command::Work(Duration::from_secs(600))),
            ("think 3", Command::Think(Duration::from_secs(3))),
            ("say hello\nthere", Command::Say("hello\nthere")),
            ("print 4", Command::Print(4)),
            ("print 99999999", Command::Print(10_000)),
            ("/x y", Command::Slash("/x")),
            ("/x\ny", Command::Slash("/x")),
        ];
        for (message, expected) in cases {
            assert_eq!(parse(message), expected, "{message}");
        }
    }

    #[test]
    fn takes_everything_else_as_chat() {
        for message in [
            "hello",
            "run",
            "run ",
            "running late",
            "work hard",
            "print -1",
            "choose |",
            " run x",
            "Enter",
        ] {
            assert_eq!(parse(message), Command::Chat, "{message}");
        }
    }
}
