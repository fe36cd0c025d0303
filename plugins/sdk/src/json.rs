//! JSON that others wrote, read as a type, with the place that does not fit.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads this value. The error says where it does not fit and why.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().to_string().as_str() {
        // The whole, such as one that lacks a key: serde names it.
        "." => error.inner().to_string(),
        path => format!("`{path}`: {}", error.inner()),
    })
}

/// Reads this text, as [`read`] does.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    read(serde_json::from_str(text).map_err(|error| error.to_string())?)
}
