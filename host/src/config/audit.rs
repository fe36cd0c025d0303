//! `[audit]`: what the record of calls holds, and whether it survives a power cut.

use serde::Deserialize;

/// The table, which needs no checking.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Whether arguments and messages are recorded as they are; otherwise only their digests.
    #[serde(default)]
    pub texts: bool,
    /// Whether each record is on the disk before its call is answered, so that it survives a power cut; otherwise it
    /// only survives the end of berth.
    #[serde(default)]
    pub sync: bool,
}
