//! Who a request speaks for.

use std::sync::Arc;

/// The caller a request was admitted as. Cheap to clone; the front door puts it into the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    id: Arc<str>,
}

impl Principal {
    /// The operator of this machine: holder of the local token, or a process of the same user on an open door.
    pub fn local() -> Self {
        Self { id: "local".into() }
    }

    /// A short, stable name for logs and for what is kept per caller.
    pub fn id(&self) -> &str {
        &self.id
    }
}
