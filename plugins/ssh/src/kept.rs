//! What is kept of each session: how it was started, so that it can be shown while its host is away, and brought back.

use berth_plugin::{Error, Result, Timestamp, store};
use serde::{Deserialize, Serialize};

use crate::id::Id;

/// What the keys begin with; the session's id follows.
const PREFIX: &str = "session-";

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) host: String,
    /// The name of its tmux session.
    pub(crate) pane: String,
    pub(crate) name: String,
    pub(crate) directory: String,
    pub(crate) project: Option<String>,
    /// The message with which it began, shortened. One without a message serves conversations.
    pub(crate) task: Option<String>,
    pub(crate) worktree: bool,
    /// Options that the caller chose.
    pub(crate) options: Vec<(String, String)>,
    pub(crate) made_at: Timestamp,
    /// Its address, once it was seen.
    #[serde(default)]
    pub(crate) url: Option<String>,
    /// When it was first seen to have ended.
    #[serde(default)]
    pub(crate) ended_at: Option<Timestamp>,
    /// A person ended it.
    #[serde(default)]
    pub(crate) stopped: bool,
    #[serde(default)]
    pub(crate) restarts: Restarts,
}

/// How it was brought back since it last ran for some time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restarts {
    pub(crate) count: u16,
    /// Not before this time again.
    pub(crate) next: Timestamp,
    /// Its conversation cannot be continued, so it begins with a new one.
    pub(crate) fresh: bool,
}

impl Kept {
    pub(crate) fn id(&self) -> Id {
        Id {
            host: self.host.clone(),
            pane: self.pane.clone(),
        }
    }

    /// Whether it began with a message.
    pub(crate) fn is_talk(&self) -> bool {
        self.task.is_some()
    }
}

/// Keeps a new session.
pub(crate) fn add(kept: &Kept) -> Result<()> {
    store::put(&key(&kept.id()), kept)
}

/// What is kept of this session.
pub(crate) fn of(id: &Id) -> Result<Option<Kept>> {
    store::get(&key(id))
}

/// Records that cannot be read, by the ids of their sessions.
type Damaged = Vec<(String, Error)>;

/// Everything that is kept; a damaged record hides no other.
pub(crate) fn all() -> Result<(Vec<Kept>, Damaged)> {
    let (mut all, mut damaged) = (Vec::new(), Vec::new());
    for key in store::keys(PREFIX)? {
        match store::get(&key) {
            Ok(kept) => all.extend(kept),
            Err(error) => damaged.push((key.trim_start_matches(PREFIX).to_owned(), error)),
        }
    }
    Ok((all, damaged))
}

/// Changes what is kept of a session, if it is kept; answers it as it is then.
pub(crate) fn change(id: &Id, change: impl Fn(&mut Kept)) -> Result<Option<Kept>> {
    let gone = || Error::NotFound(format!("{id} is not kept"));
    let changed = store::try_update(&key(id), |kept: &mut Option<Kept>| {
        let kept = kept.as_mut().ok_or_else(gone)?;
        change(kept);
        Ok(kept.clone())
    });
    match changed {
        Err(Error::NotFound(_)) => Ok(None),
        changed => changed.map(Some),
    }
}

/// Removes it.
pub(crate) fn forget(id: &Id) {
    // One that stays behind is removed by a later upkeep.
    let _ = store::remove(&key(id));
}

fn key(id: &Id) -> String {
    format!("{PREFIX}{id}")
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::testing::Host;

    use super::*;

    pub(crate) fn kept(host: &str, pane: &str) -> Kept {
        Kept {
            host: host.to_owned(),
            pane: pane.to_owned(),
            name: "app".to_owned(),
            directory: "/p/app".to_owned(),
            project: Some("app".to_owned()),
            task: None,
            worktree: false,
            options: Vec::new(),
            made_at: 7,
            url: None,
            ended_at: None,
            stopped: false,
            restarts: Restarts::default(),
        }
    }

    #[test]
    fn a_session_is_kept_changed_and_forgotten_and_one_that_is_damaged_hides_no_other() {
        let _host = Host::new();
        let kept = kept("mac", "a-1");
        add(&kept).unwrap();
        store::raw::put("session-mac:b-2", b"{", None).unwrap();
        let (all, damaged) = all().unwrap();
        assert_eq!(all.as_slice(), std::slice::from_ref(&kept));
        assert_eq!(damaged[0].0, "mac:b-2");
        let changed = change(&kept.id(), |kept| kept.stopped = true).unwrap();
        assert!(changed.is_some_and(|kept| kept.stopped));
        forget(&kept.id());
        assert_eq!(of(&kept.id()), Ok(None));
        assert_eq!(change(&kept.id(), |kept| kept.stopped = true), Ok(None));
        assert_eq!(of(&kept.id()), Ok(None), "what is gone does not come back");
    }
}
