use serde_json::{Map, Value};

/// What a plugin says of itself to an operator who has not granted it anything yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifest {
    /// JSON Schema of the settings that it takes; empty if it does not describe them.
    pub settings: Map<String, Value>,
    /// The grants that it asks for: keys of a `[backends.NAME]` table, in whatever form it wrote them.
    pub grants: Map<String, Value>,
    /// Its licence.
    pub licence: Option<String>,
    /// The address of its page.
    pub homepage: Option<String>,
}
