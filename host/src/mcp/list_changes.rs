//! Clients are told when their list of tools is another, once for each time: those of a stream that have begun with
//! `initialize`, and those that listen (`subscriptions/listen`).

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{ServerCapabilities, SubscriptionFilter, Tool};
use rmcp::service::{Peer, RoleServer, SubscriptionContext};
use tokio::sync::watch;

use super::Server;
use crate::admission::Place;
use crate::principal::Principal;

/// How long a client over HTTP listens before it must ask again: less than a whole request may take there.
const LISTENS: Duration = Duration::from_mins(1);

/// What a client may listen for, of what it `asked` for.
pub(super) fn accepted(asked: &SubscriptionFilter) -> SubscriptionFilter {
    let mut accepted = SubscriptionFilter::default();
    accepted.tools_list_changed = asked.tools_list_changed;
    accepted
}

/// `capabilities` as a client has them that no message can reach but an answer.
pub(super) fn without_messages(mut capabilities: ServerCapabilities) -> ServerCapabilities {
    if let Some(tools) = &mut capabilities.tools {
        tools.list_changed = None;
    }
    capabilities
}

/// Tells the client of a stream, for as long as that is served. One of a revision without `initialize` listens instead.
pub(super) async fn tell(server: &Server, client: &Peer<RoleServer>) {
    let Some(principal) = &server.caller else { return };
    if client.peer_info().is_none() {
        return;
    }
    let mut list = List::of(server, principal);
    while list.is_another().await && client.notify_tool_list_changed().await.is_ok() {}
}

/// Tells a client that listens, until it goes, berth ends or, over HTTP, a minute is over.
pub(super) async fn listen(server: &Server, context: SubscriptionContext) -> Result<(), ErrorData> {
    let request = context.request_context();
    let principal = server.principal(request)?;
    let parts = request.extensions.get::<http::request::Parts>();
    let place = parts.and_then(|parts| parts.extensions.get::<Place>());
    if let Some(place) = place {
        let listens = place.listen();
        listens.map_err(|refusal| ErrorData::internal_error(refusal.to_string(), None))?;
    }
    let sink = context.sink();
    let over = async {
        match place {
            Some(_) => tokio::time::sleep(LISTENS).await,
            None => std::future::pending().await,
        }
    };
    let telling = async {
        let mut list = List::of(server, &principal);
        while list.is_another().await && sink.notify_tool_list_changed().await.is_ok() {}
    };
    tokio::select! {
        () = context.cancelled() => {}
        () = server.ending.cancelled() => {}
        () = over => {}
        () = telling => {}
    }
    Ok(())
}

/// The list that one caller sees.
struct List<'a> {
    server: &'a Server,
    principal: &'a Principal,
    changes: watch::Receiver<()>,
    known: Vec<Tool>,
}

impl<'a> List<'a> {
    fn of(server: &'a Server, principal: &'a Principal) -> Self {
        // First, so that nothing is missed.
        let changes = server.desk.watch_tools();
        let known = server.tools_of(principal, false);
        Self {
            server,
            principal,
            changes,
            known,
        }
    }

    /// Waits until it is another. Answers false when it can no longer become one.
    async fn is_another(&mut self) -> bool {
        while self.changes.changed().await.is_ok() {
            let now = self.server.tools_of(self.principal, false);
            if now != self.known {
                self.known = now;
                return true;
            }
        }
        false
    }
}
