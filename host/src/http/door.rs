//! What is decided about the front door before it opens.

use std::sync::Arc;

use super::address::Proxies;
use super::host_origin::Names;
use super::oauth::OAuth;
use super::sessions::Tools;
use super::tls::Certificate;
use crate::admission::Admission;
use crate::jobs::AllJobs;
use crate::store::{AccessRecords, LocalToken};

/// Who is let in, and how much at once.
#[derive(Clone, Debug)]
pub struct Door {
    /// What a caller must present.
    pub token: LocalToken,
    /// Lets processes of this user in without the token, if they call directly and by a loopback name.
    pub open_on_loopback: bool,
    /// Lets processes that descend from a session do more than read.
    pub sessions_may_control: bool,
    /// By what origins we may be called.
    pub names: Names,
    /// The jobs, which come in by tokens of their own.
    pub jobs: Arc<AllJobs>,
    /// Who else may come in.
    pub access: Arc<AccessRecords>,
    /// How an app gets a token.
    pub oauth: OAuth,
    /// What the owner's pages show and answer by.
    pub tools: Tools,
    /// Who is believed about a client's address.
    pub proxies: Proxies,
    /// Who may hold what at once, and ask how often. A caller that finds no room waits for 2 seconds, then gets 503.
    pub admission: Admission,
    /// The longest request body, in bytes.
    pub max_body: usize,
    /// The certificate that the listener shows to clients; without one it speaks plain HTTP.
    pub certificate: Option<Arc<Certificate>>,
}
