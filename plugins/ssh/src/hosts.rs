//! Looking at all sessions on several hosts, all hosts at once.

use berth_panes::listed::{self, Listed};
use berth_panes::look::Look;
use berth_panes::panes::Pane;
use berth_panes::tmux::{self, Reply, Trouble};
use berth_plugin::ssh::{self, Order};
use berth_plugin::{Error, Result};

use crate::id::{Id, target};

/// How often a host is asked again whose list could not be read, or on which a session came or went in the meantime.
const ROUNDS: usize = 4;

/// A session on a host.
pub(crate) struct Seen {
    pub(crate) id: Id,
    pub(crate) pane: Pane,
    /// Its screen, as far as it could be looked at.
    pub(crate) look: Option<Look>,
}

/// A host, and the sessions that are expected there.
pub(crate) struct Asked {
    pub(crate) host: String,
    pub(crate) panes: Vec<String>,
}

/// What is on each of these hosts, in one round trip where everything is as expected.
pub(crate) fn look(mut asked: Vec<Asked>) -> Vec<Result<Vec<Seen>>> {
    let mut found: Vec<Option<Result<Vec<Seen>>>> = asked.iter().map(|_| None).collect();
    for round in 1..=ROUNDS {
        let open: Vec<usize> = (0..asked.len()).filter(|&at| found[at].is_none()).collect();
        let outputs = ssh::run_all(open.iter().map(|&at| asked[at].order()));
        for (at, output) in open.into_iter().zip(outputs) {
            let read = output.map_err(Unread::Because);
            match read.and_then(|output| asked[at].read(Reply::of(output))) {
                Ok(seen) if round == ROUNDS || is_all(&seen) => found[at] = Some(Ok(seen)),
                Ok(seen) => asked[at].panes = seen.into_iter().map(|seen| seen.id.pane).collect(),
                // Only a list that cannot be read is worth another look.
                Err(Unread::List) if round < ROUNDS => {}
                Err(unread) => found[at] = Some(Err(unread.into())),
            }
        }
    }
    let missing = || Err(Error::Failed("the host gave no answer".to_owned()));
    found.into_iter().map(|found| found.unwrap_or_else(missing)).collect()
}

/// The same of one host.
pub(crate) fn look_at(id: &Id) -> Result<Option<Seen>> {
    let asked = Asked {
        host: id.host.clone(),
        panes: vec![id.pane.clone()],
    };
    let mut seen = look(vec![asked]).pop().unwrap_or_else(|| Ok(Vec::new()))?;
    let at = seen.iter().position(|seen| seen.id == *id);
    Ok(at.map(|at| seen.swap_remove(at)))
}

/// Why nothing is known of a host's sessions.
enum Unread {
    List,
    Because(Error),
}

impl From<Unread> for Error {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::List => Self::Failed("tmux's list of sessions could not be read".to_owned()),
            Unread::Because(error) => error,
        }
    }
}

impl Asked {
    /// Lists what there is, and looks at what is expected. A chain ends where something is not there.
    fn order(&self) -> Order {
        Order::new(&self.host, tmux::command(listed::command(&self.targets())))
    }

    fn targets(&self) -> Vec<String> {
        self.panes.iter().map(|pane| target(pane)).collect()
    }

    fn read(&self, reply: Reply) -> std::result::Result<Vec<Seen>, Unread> {
        match reply.error {
            None | Some(Trouble::NoTarget) => {}
            Some(Trouble::NoServer) => return Ok(Vec::new()),
            Some(trouble) => return Err(Unread::Because(trouble.into())),
        }
        let targets = self.targets();
        let Listed { panes, mut looks } = listed::parse(&targets, &reply.stdout).ok_or(Unread::List)?;
        let mut seen: Vec<Seen> = Vec::new();
        for pane in panes {
            let Some(id) = Id::of_pane(&self.host, &pane.session_name) else {
                continue;
            };
            if seen.iter().any(|seen| seen.id == id) {
                continue;
            }
            let target = target(&id.pane);
            let at = looks.iter().position(|(looked_at, _)| *looked_at == target);
            let look = at.map(|at| looks.swap_remove(at).1);
            seen.push(Seen { id, pane, look });
        }
        Ok(seen)
    }
}

/// Whether all that is there was looked at.
fn is_all(seen: &[Seen]) -> bool {
    seen.iter().all(|seen| seen.look.is_some())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::fake::Fake;

    fn asked(host: &str, panes: &[&str]) -> Asked {
        Asked {
            host: host.to_owned(),
            panes: panes.iter().map(|pane| (*pane).to_owned()).collect(),
        }
    }

    #[test]
    fn what_is_expected_is_seen_on_all_hosts_in_one_run() {
        let fake = Fake::new();
        for (host, pane) in [("mac", "a-1"), ("mac", "b-2"), ("linux", "c-3")] {
            fake.on(host).has(pane, "hello");
        }
        let seen = look(vec![asked("mac", &["a-1", "b-2"]), asked("linux", &["c-3"])]);
        let texts: Vec<Vec<_>> = seen
            .into_iter()
            .map(|seen| {
                let texts = seen
                    .unwrap()
                    .into_iter()
                    .map(|seen| seen.look.unwrap().screen.lines[0].text.clone());
                texts.collect()
            })
            .collect();
        assert_eq!(texts, [vec!["hello", "hello"], vec!["hello"]]);
        assert_eq!((fake.runs("mac"), fake.runs("linux")), (1, 1));
    }

    #[test]
    fn one_that_went_hides_no_other_and_one_that_came_is_seen() {
        let fake = Fake::new();
        fake.on("mac").has("b-2", "two");
        fake.on("mac").has("c-3", "three");
        let seen = look(vec![asked("mac", &["gone-1", "b-2"])]).remove(0).unwrap();
        let ids: Vec<_> = seen
            .iter()
            .map(|seen| (seen.id.pane.as_str(), seen.look.is_some()))
            .collect();
        assert_eq!(ids, [("b-2", true), ("c-3", true)]);
    }

    #[test]
    fn a_host_that_is_away_is_an_error_and_one_without_a_server_has_no_sessions() {
        let fake = Fake::new();
        fake.host.is_away("linux", "linux does not answer");
        let mut seen = look(vec![asked("linux", &["a-1"]), asked("mac", &["b-2"])]);
        assert!(seen.pop().unwrap().unwrap().is_empty());
        assert!(matches!(seen.pop().unwrap(), Err(Error::Unavailable(_))));
    }
}
