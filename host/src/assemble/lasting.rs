//! What generations of backends have together.

use std::sync::Arc;

use super::Links;
use crate::jobs::AllJobs;
use crate::store::DataDirectory;

/// What outlives a reload.
#[derive(Clone)]
pub struct Lasting {
    /// Where backends keep what lasts.
    pub data: DataDirectory,
    /// The jobs of all backends. None where this process does not own the data directory.
    pub jobs: Option<Arc<AllJobs>>,
    /// The connections to hosts.
    pub links: Arc<Links>,
}
