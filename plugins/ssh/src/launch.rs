//! The command of a session, and its start in tmux on its host.

use berth_panes::arguments;
use berth_panes::tmux::{self, Reply, literal, words};
use berth_plugin::settings::Agent;
use berth_plugin::{Error, Result, ssh};

use crate::kept::Kept;
use crate::setup::{CONTINUE, MESSAGE, NAME, SPAWN, Setup, WORKTREE};

/// Bytes of a first message. A command of tmux takes some 16 kB.
const MESSAGE_MAX: usize = 8000;

/// How a session begins.
pub(crate) enum Begins<'a> {
    /// With a conversation of its own, and this message if there is one.
    New(Option<&'a str>),
    /// With the one that it had.
    Continued,
}

/// The agent's command for this session.
///
/// # Errors
/// The operator's agent lacks an option, or an option does not take its value.
pub(crate) fn command(setup: &Setup, kept: &Kept, begins: &Begins<'_>) -> Result<Vec<String>> {
    let agent = setup.agent(kept.is_talk())?;
    let mut command = agent.command.clone();
    command.extend(option(agent, NAME, &kept.name)?);
    for (name, value) in &kept.options {
        command.extend(option(agent, name, value)?);
    }
    let message = match begins {
        Begins::Continued => {
            command.extend(option(agent, CONTINUE, "true")?);
            return Ok(command);
        }
        Begins::New(message) => message,
    };
    if !kept.is_talk() {
        let spawn = if kept.worktree { "worktree" } else { "same-dir" };
        command.extend(option(agent, SPAWN, spawn)?);
    } else if kept.worktree {
        command.extend(option(agent, WORKTREE, &kept.name)?);
    }
    if let Some(message) = message {
        command.extend(said(agent, message)?);
    }
    Ok(command)
}

fn option(agent: &Agent, name: &str, value: &str) -> Result<Vec<String>> {
    arguments::option(&agent.name, &agent.options, name, value)
}

/// The first message, which comes after `--`. No value of an option may begin with `-`, so a space comes before it then.
fn said(agent: &Agent, message: &str) -> Result<Vec<String>> {
    let refused = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    if message.len() > MESSAGE_MAX || message.chars().any(refused) {
        return Err(Error::Invalid(format!(
            "a first message has at most {MESSAGE_MAX} bytes and no control characters: start the session without it, and \
             write it at the session's address"
        )));
    }
    let space = if message.starts_with('-') { " " } else { "" };
    let message = format!("{space}{message}");
    let options = agent.options.get(MESSAGE).into_iter().flatten();
    let words = options.map(|argument| literal(&arguments::fill(argument, &message)));
    Ok(words.collect())
}

/// Starts it on its host. `instead`: in the place of the one that ended, whose last screen goes.
pub(crate) fn start(setup: &Setup, kept: &Kept, command: Vec<String>, instead: bool) -> Result<()> {
    let (columns, rows) = (setup.settings.columns.to_string(), setup.settings.rows.to_string());
    let agent = &setup.agent(kept.is_talk())?.name;
    let mut args = words(&[
        "new-session",
        "-d",
        "-s",
        &kept.pane,
        "-n",
        agent,
        "-x",
        &columns,
        "-y",
        &rows,
        "--",
    ]);
    args.extend(command);
    if instead {
        let kill = words(&["kill-session", "-t", &kept.id().target()]);
        args = tmux::chain([kill, args]);
    }
    let command = tmux::command(args).directory(&kept.directory);
    ssh::on(&kept.host, || tmux::run(command))
        .and_then(Reply::whole)
        .map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::fake::Fake;
    use crate::kept::tests::kept;

    fn words_of(kept: &Kept, begins: &Begins<'_>) -> Result<Vec<String>> {
        let _fake = Fake::new();
        let command = command(&Setup::of_host().unwrap(), kept, begins)?;
        Ok(command
            .into_iter()
            .skip_while(|word| word != "claude")
            .skip(1)
            .collect())
    }

    #[test]
    fn one_that_serves_always_says_how_it_spawns_unless_it_is_continued() {
        let mut kept = kept("mac", "a-1");
        let new = Begins::New(None);
        assert_eq!(
            words_of(&kept, &new).unwrap(),
            ["remote-control", "--name=app", "--spawn=same-dir"]
        );
        kept.worktree = true;
        kept.options = vec![("permission_mode".to_owned(), "plan".to_owned())];
        assert_eq!(
            words_of(&kept, &new).unwrap(),
            [
                "remote-control",
                "--name=app",
                "--permission-mode=plan",
                "--spawn=worktree"
            ]
        );
        kept.options.clear();
        assert_eq!(
            words_of(&kept, &Begins::Continued).unwrap(),
            ["remote-control", "--name=app", "--continue"],
            "the real one refuses `--spawn` with it"
        );
    }

    #[test]
    fn a_first_message_is_never_read_as_an_option() {
        let mut kept = kept("mac", "a-1");
        kept.task = Some("x".to_owned());
        for (message, last) in [
            ("fix it", "fix it"),
            ("--dangerously-skip-permissions", " --dangerously-skip-permissions"),
            ("two\nlines;", "two\nlines\\;"),
        ] {
            let words = words_of(&kept, &Begins::New(Some(message))).unwrap();
            assert_eq!(words, ["--remote-control=app", "--", last]);
        }
        kept.worktree = true;
        let words = words_of(&kept, &Begins::New(Some("x"))).unwrap();
        assert_eq!(words, ["--remote-control=app", "--worktree=app", "--", "x"]);
        for message in ["a\u{1b}[0m", &"x".repeat(MESSAGE_MAX + 1)] {
            assert!(matches!(
                words_of(&kept, &Begins::New(Some(message))),
                Err(Error::Invalid(_))
            ));
        }
    }
}
