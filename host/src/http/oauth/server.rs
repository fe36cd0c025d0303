//! The authorization server as each of its endpoints has it.

use std::fmt;
use std::sync::Arc;

use tokio_util::task::TaskTracker;

use super::cimd::Documents;
use crate::admission::Admission;
use crate::config;
use crate::http::owner::form::Spent;
use crate::http::owner::login::Logins;
use crate::http::records::Records;
use crate::principal::Meaning;
use crate::store::{AccessRecords, Recorder, Word};

/// What every endpoint needs.
#[derive(Clone, Debug)]
pub struct OAuth {
    /// Who may come in.
    pub(super) records: Records,
    /// The owner's logins.
    pub(super) logins: Logins,
    /// The consents that were answered.
    pub(super) spent: Arc<Spent>,
    /// Further redirects, and clients with secrets.
    pub(super) settings: Arc<config::OAuth>,
    /// What the owner is asked about.
    pub(super) backends: Known,
    /// How often an app may ask for tokens.
    pub(super) admission: Admission,
    /// Secrets of apps that have one.
    pub(super) documents: Arc<Documents>,
}

impl OAuth {
    /// `backends` answers those that the owner is asked about at the time, and `word` is the one that counts as a login.
    pub fn new(
        access: Arc<AccessRecords>,
        word: Arc<Word>,
        recorder: Recorder,
        settings: Arc<config::OAuth>,
        backends: impl Fn() -> Vec<Offered> + Send + Sync + 'static,
        admission: Admission,
        under_way: TaskTracker,
    ) -> Self {
        let records = Records::new(access, recorder, admission.clone(), under_way);
        Self {
            logins: Logins::new(records.clone(), word),
            records,
            spent: Arc::default(),
            settings,
            backends: Known(Arc::new(backends)),
            admission,
            documents: Arc::default(),
        }
    }

    /// The owner's logins, which count for every page.
    pub(in crate::http) fn logins(&self) -> &Logins {
        &self.logins
    }
}

/// A backend that the owner is asked about.
#[derive(Clone, Debug)]
pub struct Offered {
    /// Its name.
    pub name: String,
    /// What its name means: only that is approved.
    pub meaning: Meaning,
    /// A line about it.
    pub about: String,
}

/// The backends that there are.
#[derive(Clone)]
pub(super) struct Known(Arc<dyn Fn() -> Vec<Offered> + Send + Sync>);

impl Known {
    /// As they are now.
    pub(super) fn now(&self) -> Vec<Offered> {
        (self.0)()
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.now().fmt(formatter)
    }
}
