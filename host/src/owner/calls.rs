//! Calls of tools for those who speak no protocol: the owner's pages.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::Owner;
use crate::admission::Place;
use crate::desk::{By, Caller};
use crate::principal::Principal;

/// Calls a tool for a principal, who holds a place: its structured answer, or in words why there is none.
pub type Calls = dyn Fn(Principal, Place, &'static str, Map<String, Value>) -> Called + Send + Sync;

type Called = BoxFuture<'static, Result<Value, String>>;

impl Owner {
    /// Calls of its tools. What was begun is finished and recorded, also if nobody waits for it, and the end of this owner
    /// waits for that.
    pub fn calls(&self) -> Arc<Calls> {
        let (desk, recorder) = (self.desk.clone(), self.recorder.clone());
        let (under_way, ending) = (self.under_way.clone(), self.shutdown.clone());
        Arc::new(move |principal, place, tool, arguments| {
            let (desk, recorder) = (desk.clone(), recorder.clone());
            let caller = Caller {
                principal,
                // No call of these waits for a session.
                gone: CancellationToken::new(),
                ending: ending.clone(),
                place,
                // Only the owner's login leads to a page, and a browser in a session may only look.
                by: By::Person,
                takes_tasks: false,
            };
            let call = async move { desk.call(&caller, &recorder, tool, arguments).await };
            let called = under_way.spawn(call);
            async move {
                match called.await {
                    Ok(Ok(answer)) => Ok(answer.structured.unwrap_or_default()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err("a fault in berth ended the call; its log says where".to_owned()),
                }
            }
            .boxed()
        })
    }
}
