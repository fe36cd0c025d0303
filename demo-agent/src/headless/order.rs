//! What the lines of a message tell the agent to do.

use std::time::Duration;

use crate::command::seconds;

/// The most that is printed.
const MOST_BYTES: u64 = 4 << 30;

/// What one line of a message tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order<'a> {
    /// `run CMD` pretends to run it, `twice CMD` two times.
    Run {
        command: &'a str,
        twice: bool,
    },
    /// `write FILE TEXT`.
    Write {
        file: &'a str,
        text: &'a str,
    },
    /// `commit MESSAGE`.
    Commit(&'a str),
    Say(&'a str),
    /// `work N` uses a tool from time to time.
    Work(Duration),
    /// `silent N`, as `think N`, prints nothing.
    Silent(Duration),
    /// `print N` answers so many bytes.
    Print(u64),
    /// `fail STATUS`: what talks to the model is answered that way.
    Fail(u16),
    /// `limit`: the limit of usage is reached.
    Limit,
    /// `files` asks the client for a file, where the protocol has that.
    Files,
    /// `die` ends it with nothing said.
    Die,
    /// `withdraw N CMD` asks whether it may run CMD, and needs no answer any more after a time.
    Withdraw {
        after: Duration,
        command: &'a str,
    },
    /// `ask QUESTION` has choices, `choose QUESTION` takes several of them, `group QUESTION` asks two at once.
    Ask(Asked<'a>),
    /// `plan TEXT` asks whether the plan may be carried out.
    Plan(&'a str),
}

/// What a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    One(&'a str),
    Several(&'a str),
    Group(&'a str),
}

/// The orders in a message: its lines that begin with one of the words. Others are there for people.
pub(super) fn orders(message: &str) -> Vec<Order<'_>> {
    message.lines().filter_map(order).collect()
}

fn order(line: &str) -> Option<Order<'_>> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    match (word, rest) {
        ("limit", "") => Some(Order::Limit),
        ("files", "") => Some(Order::Files),
        ("die" | "/crash", "") => Some(Order::Die),
        (_, "") => None,
        ("run", command) => Some(Order::Run { command, twice: false }),
        ("twice", command) => Some(Order::Run { command, twice: true }),
        ("write", rest) => rest.split_once(' ').map(|(file, text)| Order::Write { file, text }),
        ("commit", message) => Some(Order::Commit(message)),
        ("say", text) => Some(Order::Say(text)),
        ("work", rest) => seconds(rest).map(Order::Work),
        ("silent" | "think", rest) => seconds(rest).map(Order::Silent),
        ("print", rest) => rest.parse().ok().map(|bytes: u64| Order::Print(bytes.min(MOST_BYTES))),
        ("fail", rest) => rest.parse().ok().filter(|status| *status >= 400).map(Order::Fail),
        ("ask", question) => Some(Order::Ask(Asked::One(question))),
        ("choose", question) => Some(Order::Ask(Asked::Several(question))),
        ("group", question) => Some(Order::Ask(Asked::Group(question))),
        ("plan", text) => Some(Order::Plan(text)),
        ("withdraw", rest) => rest.split_once(' ').and_then(|(after, command)| {
            let after = seconds(after)?;
            Some(Order::Withdraw { after, command })
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_word_on_lines_of_their_own() {
        let message = "Please do this:\nrun touch x\ntwice ls\nwrite a.txt some text\ncommit Add a\nsay hello\nwork 3\n\
                       silent 4\nthink 5\nprint 6\nfail 500\nlimit\nfiles\ndie\n/crash\nask Really?\nchoose Which?\n\
                       group Both?\nplan First this\nwithdraw 2 rm x\n";
        let expected = [
            Order::Run {
                command: "touch x",
                twice: false,
            },
            Order::Run {
                command: "ls",
                twice: true,
            },
            Order::Write {
                file: "a.txt",
                text: "some text",
            },
            Order::Commit("Add a"),
            Order::Say("hello"),
            Order::Work(Duration::from_secs(3)),
            Order::Silent(Duration::from_secs(4)),
            Order::Silent(Duration::from_secs(5)),
            Order::Print(6),
            Order::Fail(500),
            Order::Limit,
            Order::Files,
            Order::Die,
            Order::Die,
            Order::Ask(Asked::One("Really?")),
            Order::Ask(Asked::Several("Which?")),
            Order::Ask(Asked::Group("Both?")),
            Order::Plan("First this"),
            Order::Withdraw {
                after: Duration::from_secs(2),
                command: "rm x",
            },
        ];
        assert_eq!(orders(message), expected);
    }

    #[test]
    fn takes_nothing_for_an_order_that_lacks_what_it_needs() {
        for line in [
            "hello",
            "run",
            "write a.txt",
            "work hard",
            "print -1",
            "fail 200",
            "fail well",
            "limit it",
            "withdraw rm x",
            "plan",
            "Run x",
            " run x",
        ] {
            assert_eq!(orders(line), [], "{line}");
        }
    }
}
