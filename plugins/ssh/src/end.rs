//! Why a session ended, with what to do: read from its last screen.

use berth_panes::panes::End;
use berth_plugin::State;

use crate::hosts::Seen;
use crate::screen;

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) state: State,
    /// Why, and what to do.
    pub(crate) why: String,
    /// The kind of attention that it needs.
    pub(crate) attention: Option<&'static str>,
    pub(crate) cause: Cause,
}

/// What matters for bringing it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its login or its connection ended: it can go on by itself.
    Passing,
    /// What it should continue is gone, so it can only begin again.
    NothingToContinue,
    /// A person must act, or wanted it so.
    Person,
}

/// What a last screen says, the kind of attention, and what to do. The first that fits counts, so what is more special
/// comes first.
const SIGNS: &[(&str, &str, Cause, &str)] = &[
    (
        "No recent session found",
        "error",
        Cause::NothingToContinue,
        "there is nothing to continue in this directory: start a new session",
    ),
    (
        "limited to inference-only",
        "login",
        Cause::Person,
        "the token there (CLAUDE_CODE_OAUTH_TOKEN, or of `claude setup-token`) is not enough for remote control: take it \
         out of the environment of this backend, and run `claude /login` on that machine",
    ),
    (
        "ANTHROPIC_API_KEY is set",
        "login",
        Cause::Person,
        "remote control refuses an API key: take ANTHROPIC_API_KEY out of `env` and `env_file` of this backend, or add \
         \"-u\", \"ANTHROPIC_API_KEY\" to `command` of its agent",
    ),
    (
        "ANTHROPIC_BASE_URL is set",
        "error",
        Cause::Person,
        "remote control refuses another address of the API: take ANTHROPIC_BASE_URL out of `env` and `env_file` of this \
         backend, or add \"-u\", \"ANTHROPIC_BASE_URL\" to `command` of its agent",
    ),
    (
        "requires feature-flag evaluation",
        "error",
        Cause::Person,
        "remote control is off while telemetry is switched off there: the screen (get_logs) names the variable, which this \
         backend must not pass on, and which ~/.claude/settings.json there must not set",
    ),
    (
        "is the home directory",
        "error",
        Cause::Person,
        "the home directory is never trusted: start it in a project",
    ),
    (
        "is your home directory",
        "error",
        Cause::Person,
        "the home directory is never trusted: start it in a project",
    ),
    (
        "Workspace not trusted",
        "error",
        Cause::Person,
        "the directory is not trusted: run `claude` there once, on that machine, and accept",
    ),
    ("must be logged in", "login", Cause::Person, NOT_LOGGED_IN),
    (
        "only available with claude.ai subscriptions",
        "login",
        Cause::Person,
        NOT_LOGGED_IN,
    ),
    (
        "requires claude.ai subscription auth",
        "login",
        Cause::Person,
        NOT_LOGGED_IN,
    ),
    (
        "organization's policy",
        "error",
        Cause::Person,
        "the organization of that account does not allow remote control: ask its administrator",
    ),
    (
        "Worktree mode requires",
        "error",
        Cause::Person,
        "a worktree needs a git repository: start it without `worktree`, or in a repository",
    ),
    (
        "Error creating worktree",
        "error",
        Cause::Person,
        "git could not make the worktree: a repository needs a first commit for that",
    ),
    (
        "No such file or directory",
        "error",
        Cause::Person,
        "Claude Code is not on the PATH of a login there: install it, or add its folder to `path` of [hosts.NAME]",
    ),
    (
        "giving up",
        "error",
        Cause::Passing,
        "that machine could not reach claude.ai for some minutes",
    ),
    ("refused to reconnect", "expires", Cause::Passing, EXPIRED),
    ("to reconnect.", "expires", Cause::Passing, EXPIRED),
    ("(401)", "expires", Cause::Passing, EXPIRED),
    ("(code 401)", "expires", Cause::Passing, EXPIRED),
    (
        "can't be resumed",
        "expires",
        Cause::NothingToContinue,
        "it was removed at claude.ai while that machine was offline: start a new session",
    ),
    (
        "Couldn't verify Remote Control eligibility",
        "error",
        Cause::Passing,
        OFFLINE,
    ),
    ("ENOTFOUND", "error", Cause::Passing, OFFLINE),
    ("ECONNREFUSED", "error", Cause::Passing, OFFLINE),
    ("ETIMEDOUT", "error", Cause::Passing, OFFLINE),
    ("Unable to connect", "error", Cause::Passing, OFFLINE),
];
const NOT_LOGGED_IN: &str = "Claude Code is not logged in there: run `claude /login` on that machine. On macOS the keychain \
                             is locked for a login by ssh: run `security unlock-keychain` there";
const EXPIRED: &str = "its connection to claude.ai expired, as it does after 24 hours: start it again";
const OFFLINE: &str = "that machine does not reach claude.ai: look at its network";

/// How this session ended, if it has.
pub(crate) fn of(seen: &Seen) -> Option<Ended> {
    let end = seen.pane.end.as_ref()?;
    let lines = screen::lines(seen);
    let text = lines.join("\n");
    let signs = SIGNS.iter().find(|(sign, ..)| text.contains(sign));
    if let (Some((_, attention, cause, why)), false) = (signs, *end == End::Status(0)) {
        return Some(Ended {
            state: State::Failed,
            why: (*why).to_owned(),
            attention: Some(attention),
            cause: *cause,
        });
    }
    let by_itself = |state, why: String| Ended {
        state,
        why,
        attention: None,
        cause: Cause::Person,
    };
    Some(match end {
        End::Status(0) => by_itself(State::Done, "it ended by itself".to_owned()),
        End::Status(status) => by_itself(
            State::Failed,
            format!("it ended with exit status {status}{}", said(&lines)),
        ),
        End::Signal(signal) => by_itself(
            State::Failed,
            format!("it was ended by signal {signal}{}", said(&lines)),
        ),
        End::Unknown => by_itself(
            State::Ended,
            format!("it ended, and tmux did not see how{}", said(&lines)),
        ),
    })
}

/// Its last words.
fn said(lines: &[String]) -> String {
    let error = lines.iter().rev().find(|line| line.contains("Error"));
    let last = error.or(lines.last());
    last.map(|line| format!(": {}", line.trim())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::fake::Fake;
    use crate::hosts::look_at;
    use crate::id::Id;

    fn ended(screen: &str, status: i32) -> Ended {
        let fake = Fake::new();
        fake.on("mac").has("a-1", screen);
        fake.on("mac").ended("a-1", status);
        of(&look_at(&Id::parse("mac:a-1").unwrap()).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn what_the_real_one_prints_when_it_refuses_is_told_with_what_to_do() {
        for (screen, attention, word) in [
            (
                "Error: You must be logged in to use Remote Control.\n\nRemote Control is only available with claude.ai \
                 subscriptions. Run `claude auth login` to sign in with your claude.ai account.",
                "login",
                "security unlock-keychain",
            ),
            (
                "Error: Remote Control requires claude.ai subscription auth. ANTHROPIC_API_KEY is set, so this session is \
                 using API-key auth — unset it (or run in a shell without it) to use Remote Control.",
                "login",
                "\"-u\", \"ANTHROPIC_API_KEY\"",
            ),
            (
                "Error: Remote Control is only available when using Claude via api.anthropic.com. ANTHROPIC_BASE_URL is set \
                 and does not point at api.anthropic.com",
                "error",
                "ANTHROPIC_BASE_URL",
            ),
            (
                "Error: Remote Control requires a full-scope login token. Long-lived tokens (from `claude setup-token` or \
                 CLAUDE_CODE_OAUTH_TOKEN) are limited to inference-only for security reasons.",
                "login",
                "setup-token",
            ),
            (
                "Error: Remote Control requires feature-flag evaluation, which is disabled because DISABLE_GROWTHBOOK is \
                 set. Unset it (or run in a shell without it) to use Remote Control.",
                "error",
                "telemetry",
            ),
            (
                "Error: Workspace not trusted. Please run `claude` in /p/app first to review and accept the workspace trust \
                 dialog.",
                "error",
                "run `claude` there once",
            ),
            (
                "env: 'claude': No such file or directory",
                "error",
                "`path` of [hosts.NAME]",
            ),
        ] {
            let ended = ended(screen, 1);
            assert_eq!(
                (ended.state, ended.attention, ended.cause),
                (State::Failed, Some(attention), Cause::Person)
            );
            assert!(ended.why.contains(word), "{}", ended.why);
        }
    }

    #[test]
    fn what_passes_by_itself_is_told_from_what_a_person_must_do() {
        for (screen, cause) in [
            ("Server unreachable for 10 minutes, giving up.", Cause::Passing),
            ("Error: getaddrinfo ENOTFOUND api.anthropic.com", Cause::Passing),
            (
                "Authentication failed (401). Re-run `claude remote-control` to reconnect.",
                Cause::Passing,
            ),
            ("authentication rejected (401)", Cause::Passing),
            ("auth token expired (code 401)", Cause::Passing),
            (
                "● The server answers 401 on port 4010\n\nSegmentation fault",
                Cause::Person,
            ),
            (
                "Error: No recent session found in this directory or its worktrees. Run `claude remote-control` to start a \
                 new one.",
                Cause::NothingToContinue,
            ),
            ("Segmentation fault", Cause::Person),
        ] {
            assert_eq!(ended(screen, 1).cause, cause, "{screen}");
        }
    }

    #[test]
    fn what_is_not_known_is_told_in_its_own_last_words_and_an_end_without_a_fault_is_done() {
        let unknown = ended("one\nError: something else\nbye", 3);
        assert_eq!(unknown.why, "it ended with exit status 3: Error: something else");
        // A conversation may have talked about all of this.
        let done = ended("we fixed the 401 and ENOTFOUND", 0);
        assert_eq!((done.state, done.attention), (State::Done, None));
    }
}
