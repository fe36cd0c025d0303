//! What is known about an app, from any source.

use crate::text::clean;

/// The most characters of a name.
const MOST_NAME: usize = 80;

/// An app that may ask the owner for access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct App {
    /// Its id.
    pub(super) id: String,
    /// Its name, cleaned and at most 80 characters long. A registered app, or one with a document, chose it itself.
    pub(super) name: String,
    /// Where the owner's answer may be sent, to be compared by `redirect::matches`.
    pub(super) redirects: Vec<String>,
    /// The host that vouches for its name and redirects, because its document is there. No host can vouch for who
    /// listens at a loopback redirect.
    pub(super) verified_host: Option<String>,
    /// Where it is known from.
    pub(super) kind: Kind,
}

/// Where an app is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `[oauth.clients.NAME]`: the operator wrote it down, and it has a secret.
    Fixed,
    /// A well-known app, written down in this program.
    Pinned,
    /// An app whose id is the address of a document about it.
    Document,
    /// An app that registered itself.
    Registered,
}

/// A name that an app gave itself, as a person may be shown it: one line, nothing hidden in it, at most 80 characters.
pub(super) fn clean_name(given: Option<&str>) -> String {
    let cleaned = clean(given.unwrap_or_default());
    let line = cleaned.split_whitespace().collect::<Vec<_>>().join(" ");
    let name: String = line.chars().take(MOST_NAME).collect();
    if name.is_empty() {
        return "an app without a name".to_owned();
    }
    name
}
