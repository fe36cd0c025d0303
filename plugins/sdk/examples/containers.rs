//! Docker containers as sessions: those with a label that the operator names. They can be looked at and stopped.
//!
//! `cargo build --release --example containers --target wasm32-wasip2` makes a component of it.

#![forbid(unsafe_code)]

use berth_plugin::{
    Backend, Control, Description, Error, Evidence, LogPage, LogQuery, Manifest, Needs, Receipt, Result, Session,
    SessionPage, SessionQuery, State, Verbs, run, settings,
};
use serde::Deserialize;
use serde_json::json;

struct Containers;

/// `[backends.NAME.settings]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Containers with this label are sessions.
    label: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            label: "agent".to_owned(),
        }
    }
}

/// A line of `docker ps`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    #[serde(rename = "ID")]
    id: String,
    names: String,
    image: String,
    state: String,
    /// Such as `Exited (1) 2 hours ago`.
    status: String,
}

impl Backend for Containers {
    fn describe() -> Result<Description> {
        settings::<Settings>()?;
        Ok(Description::new("Agents in Docker containers", env!("CARGO_PKG_VERSION")).view("output"))
    }

    fn list_sessions(query: SessionQuery) -> Result<SessionPage> {
        let label = format!("label={}", settings::<Settings>()?.label);
        let list = ["ps", "--all", "--no-trunc", "--format", "json", "--filter", &label];
        let mut sessions = Vec::new();
        let mut problems = Vec::new();
        for line in run("docker", list)?.text()?.lines() {
            match session(line) {
                Ok(session) => sessions.push(session),
                Err(error) => problems.push(("a line of docker ps".to_owned(), error)),
            }
        }
        let page = SessionPage::of(sessions, &query);
        Ok(SessionPage { problems, ..page })
    }

    fn read_log(id: &str, query: LogQuery) -> Result<LogPage> {
        // The cursor is the time of a line. Docker has what was written at that time or later.
        let lines = query.lines.to_string();
        let (option, from) = match query.after.as_deref() {
            Some(after) if !after.is_empty() => ("--since", after),
            Some(_) => ("--since", "0"),
            None => ("--tail", lines.as_str()),
        };
        let output = run("docker", ["logs", "--timestamps", option, from, id])?.whole()?;
        // What the agent wrote to its standard error comes in that of docker.
        let mut lines: Vec<_> = [output.stdout, output.stderr]
            .iter()
            .flat_map(|bytes| {
                String::from_utf8_lossy(bytes)
                    .lines()
                    .filter_map(stamped)
                    .collect::<Vec<_>>()
            })
            .filter(|(time, _)| query.after.as_ref().is_none_or(|after| time > after))
            .collect();
        lines.sort();
        Ok(LogPage::of(lines, &query))
    }
}

impl Control for Containers {
    fn terminate(id: &str) -> Result<Receipt> {
        if Self::get_session(id)?.state.is_end() {
            return Ok(Receipt::Confirmed);
        }
        // An error after this would be told as "nothing was done", so what is not certain is unconfirmed.
        match run("docker", ["stop", id]) {
            Ok(output) if output.succeeded() => Ok(Receipt::Confirmed),
            Ok(_) | Err(Error::TimedOut(_)) => Ok(Receipt::Unconfirmed),
            Err(error) => Err(error),
        }
    }
}

impl Manifest for Containers {
    fn needs() -> Needs {
        let list = ["ps", "--all", "--no-trunc", "--format", "json", "--filter", "<label>"];
        Needs::new()
            .licence("MIT OR Apache-2.0")
            .settings(json!({"type": "object", "properties": {"label": {"type": "string", "default": "agent"}}}))
            .grants(json!({"programs": {"docker": {
                "path": "docker",
                "words": {
                    "label": "label=[a-z][a-z0-9.-]*",
                    "id": "[0-9a-f]{64}",
                    "lines": "[0-9]{1,5}",
                    "time": "[0-9TZ:.-]+",
                },
                "read": [
                    list,
                    ["logs", "--timestamps", "--tail", "<lines>", "<id>"],
                    ["logs", "--timestamps", "--since", "<time>", "<id>"],
                ],
                "control": [["stop", "<id>"]],
                "timeout": "20s",
            }}}))
    }
}

berth_plugin::export!(Containers: Control, Manifest);

fn session(line: &str) -> Result<Session> {
    let container: Container =
        serde_json::from_str(line).map_err(|error| Error::Failed(format!("docker ps printed {line:?}: {error}")))?;
    let state = match container.state.as_str() {
        "created" | "restarting" => State::Starting,
        "running" | "removing" => State::Busy,
        "paused" => State::Paused,
        "exited" if container.status.starts_with("Exited (0)") => State::Done,
        "exited" | "dead" => State::Failed,
        _ => State::Unknown,
    };
    let can = if state.is_end() {
        Verbs::empty()
    } else {
        Verbs::TERMINATE
    };
    Ok(Session::new(container.id)
        .name(container.names)
        .agent(container.image)
        .state(state, Evidence::Runner)
        .summary(container.status)
        .can(can))
}

/// The time and the text of a line of `docker logs --timestamps`.
fn stamped(line: &str) -> Option<(String, String)> {
    let (time, text) = line.split_once(' ')?;
    Some((time.to_owned(), text.to_owned()))
}

#[cfg(test)]
mod tests {
    use berth_plugin::testing::Host;

    use super::*;

    const PS: [&str; 7] = [
        "ps",
        "--all",
        "--no-trunc",
        "--format",
        "json",
        "--filter",
        "label=agent",
    ];
    const RUNNING: &str = r#"{"ID":"f00","Names":"app","Image":"claude","State":"running","Status":"Up 2 hours"}"#;
    const EXITED: &str =
        r#"{"ID":"bad","Names":"old","Image":"claude","State":"exited","Status":"Exited (1) 3 days ago"}"#;

    fn query(lines: u32, after: Option<&str>) -> LogQuery {
        LogQuery {
            view: None,
            lines,
            after: after.map(str::to_owned),
        }
    }

    #[test]
    fn containers_are_sessions_and_those_that_run_come_first() {
        let host = Host::new();
        host.on("docker", PS).prints(format!("{EXITED}\n{RUNNING}\n"));
        let page = Containers::list_sessions(SessionQuery {
            states: vec![],
            limit: 50,
            after: None,
        })
        .unwrap();
        let seen: Vec<_> = page
            .sessions
            .iter()
            .map(|session| (session.name.as_str(), session.state))
            .collect();
        assert_eq!(seen, [("app", State::Busy), ("old", State::Failed)]);
    }

    #[test]
    fn a_line_that_cannot_be_read_hides_no_other() {
        let host = Host::new();
        host.on("docker", PS).prints(format!("{{\n{RUNNING}\n"));
        let page = Containers::list_sessions(SessionQuery {
            states: vec![],
            limit: 50,
            after: None,
        })
        .unwrap();
        assert_eq!((page.sessions.len(), page.problems.len()), (1, 1));
    }

    #[test]
    fn a_docker_that_does_not_answer_is_told_and_no_empty_list() {
        let host = Host::new();
        host.on("docker", PS).fails(1, "Cannot connect to the Docker daemon");
        let error = Containers::get_session("f00").unwrap_err().to_string();
        assert_eq!(
            error,
            "failed: docker failed with exit status 1: Cannot connect to the Docker daemon"
        );
    }

    #[test]
    fn a_log_goes_on_after_the_line_that_was_read_last() {
        let host = Host::new();
        let (first, second) = ("2026-01-01T00:00:01Z one\n", "2026-01-01T00:00:02Z two\n");
        host.on("docker", ["logs", "--timestamps", "--tail", "9", "f00"])
            .prints(first);
        let page = Containers::read_log("f00", query(9, None)).unwrap();
        assert_eq!(
            (page.text.as_str(), page.next.as_str()),
            ("one\n", "2026-01-01T00:00:01Z")
        );
        host.on("docker", ["logs", "--timestamps", "--since", &page.next, "f00"])
            .prints([first, second].concat());
        assert_eq!(
            Containers::read_log("f00", query(9, Some(&page.next))).unwrap().text,
            "two\n"
        );
    }

    #[test]
    fn a_session_that_has_ended_is_not_stopped_again() {
        let host = Host::new();
        host.on("docker", PS).prints(EXITED);
        assert_eq!(Containers::terminate("bad"), Ok(Receipt::Confirmed));
        assert_eq!(host.commands().len(), 1);
    }

    #[test]
    fn a_stop_that_took_too_long_is_not_told_as_nothing_done() {
        let host = Host::new();
        host.on("docker", PS).prints(RUNNING);
        host.on("docker", ["stop", "f00"])
            .acts()
            .answers(Err(Error::TimedOut("after 20 s".into())));
        assert_eq!(Containers::terminate("f00"), Ok(Receipt::Unconfirmed));
    }
}
