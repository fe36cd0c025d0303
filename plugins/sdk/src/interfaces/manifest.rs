//! `manifest`: what a plugin says of itself before anything is granted to it.

use serde::Serialize;
use serde_json::Value;

use crate::Backend;
use crate::contract::exported::manifest::exports::berth::backend::manifest::Guest;
use crate::named::{Named, tag};

/// What a plugin says of itself to an operator who has not granted it anything yet.
pub trait Manifest: Backend + Named<tag::Manifest> {
    /// What the plugin needs. Called without settings and grants.
    fn needs() -> Needs;
}

/// What a plugin needs from its operator. `berth plugin inspect` shows it, ready to paste.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Needs {
    /// JSON Schema of the settings that it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<Value>,
    /// The grants that it asks for: the keys of a `[backends.NAME]` table, such as `programs` and `directories`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants: Option<Value>,
    /// An SPDX expression, such as `MIT OR Apache-2.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// The address of its page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
}

impl Needs {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes settings of this JSON Schema.
    #[must_use]
    pub fn settings(self, schema: Value) -> Self {
        Self {
            settings: Some(schema),
            ..self
        }
    }

    /// Asks for these grants: an object with the keys of a `[backends.NAME]` table.
    #[must_use]
    pub fn grants(self, grants: Value) -> Self {
        Self {
            grants: Some(grants),
            ..self
        }
    }

    /// Is under this licence, an SPDX expression.
    #[must_use]
    pub fn licence(self, licence: impl Into<String>) -> Self {
        Self {
            licence: Some(licence.into()),
            ..self
        }
    }

    /// Has its page at this address.
    #[must_use]
    pub fn homepage(self, homepage: impl Into<String>) -> Self {
        Self {
            homepage: Some(homepage.into()),
            ..self
        }
    }

    fn json(&self) -> String {
        // The values of such a struct can always be written as JSON.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl<T: Manifest> Guest for T {
    fn get() -> String {
        T::needs().json()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_needed_is_left_out() {
        let grants = json!({"programs": {"docker": {"path": "docker", "read": [["ps"]]}}});
        let needs = Needs::new().grants(grants.clone()).licence("MIT");
        let read: Value = serde_json::from_str(&needs.json()).unwrap();
        assert_eq!(read, json!({"grants": grants, "licence": "MIT"}));
    }
}
