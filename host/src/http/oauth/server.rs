//! The authorization server as each of its endpoints has it.

use std::sync::Arc;

use tokio_util::task::TaskTracker;

use super::cimd::Documents;
use crate::admission::Admission;
use crate::config;
use crate::http::owner::form::Spent;
use crate::http::owner::login::Logins;
use crate::http::records::Records;
use crate::store::{AccessRecords, Recorder};

/// What every endpoint needs.
#[derive(Clone, Debug)]
pub struct OAuth {
    /// Who may come in.
    pub(super) records: Records,
    /// Of the owner, who is asked.
    pub(super) logins: Logins,
    /// Consents that were answered.
    pub(super) spent: Arc<Spent>,
    /// Further redirects, and clients with secrets.
    pub(super) settings: Arc<config::OAuth>,
    /// Name and a line about each backend, as the owner is asked about them.
    pub(super) backends: Arc<[(String, String)]>,
    /// How often an app may ask for tokens.
    pub(super) admission: Admission,
    /// Of apps that have one.
    pub(super) documents: Arc<Documents>,
}

impl OAuth {
    /// `backends` are name and a line about each, as the owner is asked about them.
    pub fn new(
        access: Arc<AccessRecords>,
        recorder: Recorder,
        settings: Arc<config::OAuth>,
        backends: Arc<[(String, String)]>,
        admission: Admission,
        under_way: TaskTracker,
    ) -> Self {
        let records = Records::new(access, recorder, admission.clone(), under_way);
        Self {
            logins: Logins::new(records.clone()),
            records,
            spent: Arc::default(),
            settings,
            backends,
            admission,
            documents: Arc::default(),
        }
    }
}
