//! `[audit]`: what the record of calls holds, and how safe it is from a power cut.

use serde::Deserialize;

/// The table, which needs no checking.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Whether arguments and messages are recorded as they are; else only their digests.
    #[serde(default)]
    pub texts: bool,
    /// Whether each record is on the disk before its call is answered, so that it outlives a power cut; else it
    /// outlives only berth.
    #[serde(default)]
    pub sync: bool,
}
