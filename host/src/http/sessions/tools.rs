//! The tools, as the pages call them: what they answer is what any client is answered.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::admission::Place;
use crate::principal::Principal;
use crate::text::{clean, clean_json};

/// Calls a tool for a principal, who holds a place: its structured answer, or in words why there is none. What was begun
/// is finished, also if nobody waits for it.
pub type Call = dyn Fn(Principal, Place, &'static str, Map<String, Value>) -> BoxFuture<'static, Result<Value, String>>
    + Send
    + Sync;

/// A way to all tools. Clones share it.
#[derive(Clone)]
pub struct Tools(Arc<Call>);

impl Tools {
    /// One that calls them by `call`.
    pub fn new(call: Arc<Call>) -> Self {
        Self(call)
    }

    /// The answer of `tool`, clean, as far as a page shows it.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        principal: &Principal,
        place: &Place,
        tool: &'static str,
        arguments: Value,
    ) -> Result<T, String> {
        let arguments = match arguments {
            Value::Object(arguments) => arguments,
            _ => Map::new(),
        };
        let answered = (self.0)(principal.clone(), place.clone(), tool, arguments).await;
        let answer = answered.map_err(|why| clean(&why))?;
        serde_json::from_value(clean_json(answer))
            .map_err(|error| format!("what {tool} answered is not understood: {error}"))
    }
}

impl fmt::Debug for Tools {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tools(…)")
    }
}
