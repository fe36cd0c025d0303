//! How many requests of one client of a stream may be unanswered: further ones wait. Otherwise a client that asks
//! without end and reads no answers would fill the memory with them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::{ClientNotification, JsonRpcMessage, RequestId};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::sync::Notify;

use crate::admission::numbers::UNANSWERED;

/// A client's stream, of which a request is read only when it has a turn: it keeps that until its answer is written.
pub(super) struct InTurn<T> {
    stream: T,
    turns: Arc<Turns>,
    /// What was read and has no turn yet.
    held: Option<RxJsonRpcMessage<RoleServer>>,
}

impl<T> InTurn<T> {
    pub(super) fn new(stream: T) -> Self {
        Self {
            stream,
            turns: Arc::default(),
            held: None,
        }
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for InTurn<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let answered = match &message {
            JsonRpcMessage::Response(response) => Some(response.id.clone()),
            JsonRpcMessage::Error(error) => error.id.clone(),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
        };
        if let Some(id) = &answered {
            self.turns.begin_to_answer(id);
        }
        let (sent, turns) = (self.stream.send(message), self.turns.clone());
        async move {
            let sent = sent.await;
            if let Some(id) = answered {
                turns.end(&id);
            }
            sent
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        // This may be cancelled and called again at any time: nothing that was read is lost.
        if self.held.is_none() {
            self.held = Some(self.stream.receive().await?);
        }
        match &self.held {
            Some(JsonRpcMessage::Request(request)) => self.turns.begin(&request.id).await,
            Some(JsonRpcMessage::Notification(told)) => {
                if let ClientNotification::CancelledNotification(cancelled) = &told.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.turns.cancel(id);
                }
            }
            _ => {}
        }
        self.held.take()
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.stream.close().await
    }
}

/// The requests that are not answered yet, and of each whether its answer is being written.
#[derive(Default)]
struct Turns {
    taken: Mutex<HashMap<RequestId, bool>>,
    /// A turn was given back.
    freed: Notify,
}

impl Turns {
    /// Waits for a turn. A request with the id of an unanswered one waits for that one's answer: if two had one id,
    /// only one would be answered.
    async fn begin(&self, id: &RequestId) {
        loop {
            let freed = self.freed.notified();
            if self.try_begin(id) {
                return;
            }
            freed.await;
        }
    }

    fn try_begin(&self, id: &RequestId) -> bool {
        let mut taken = self.taken();
        let has_turn = taken.len() < UNANSWERED && !taken.contains_key(id);
        if has_turn {
            taken.insert(id.clone(), false);
        }
        has_turn
    }

    fn begin_to_answer(&self, id: &RequestId) {
        if let Some(writing) = self.taken().get_mut(id) {
            *writing = true;
        }
    }

    fn end(&self, id: &RequestId) {
        self.taken().remove(id);
        self.freed.notify_one();
    }

    /// The client no longer wants an answer, so none is written, unless that has happened already.
    fn cancel(&self, id: &RequestId) {
        if let Entry::Occupied(taken) = self.taken().entry(id.clone())
            && !taken.get()
        {
            taken.remove();
        }
        self.freed.notify_one();
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<RequestId, bool>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures::FutureExt as _;
    use rmcp::transport::async_rw::AsyncRwTransport;
    use serde_json::{Value, from_value, json};
    use tokio::io::{AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf, duplex, split};

    use super::*;

    type Stream = AsyncRwTransport<RoleServer, ReadHalf<DuplexStream>, WriteHalf<DuplexStream>>;

    /// A client, and the stream that serves it; what it is sent fits in `buffer` until it reads.
    fn client(buffer: usize) -> (DuplexStream, InTurn<Stream>) {
        let (client, ours) = duplex(buffer);
        let (read, write) = split(ours);
        (client, InTurn::new(AsyncRwTransport::new_server(read, write)))
    }

    async fn tell(client: &mut DuplexStream, message: Value) {
        client.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn ask(client: &mut DuplexStream, id: Value) {
        tell(client, json!({"jsonrpc": "2.0", "id": id, "method": "ping"})).await;
    }

    async fn cancel(client: &mut DuplexStream, id: Value) {
        let told = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
        tell(client, told).await;
    }

    fn answer(id: Value) -> TxJsonRpcMessage<RoleServer> {
        from_value(json!({"jsonrpc": "2.0", "id": id, "result": {}})).unwrap()
    }

    /// What is read now, if anything is.
    async fn read(stream: &mut InTurn<Stream>) -> Option<RxJsonRpcMessage<RoleServer>> {
        for _ in 0..8 {
            if let Some(read) = stream.receive().now_or_never() {
                return read;
            }
            tokio::task::yield_now().await;
        }
        None
    }

    /// Takes all turns, by the requests with these ids.
    async fn take_all(client: &mut DuplexStream, stream: &mut InTurn<Stream>) {
        for id in 0..UNANSWERED {
            ask(client, json!(id)).await;
            assert!(read(stream).await.is_some());
        }
    }

    #[tokio::test]
    async fn a_client_with_too_many_unanswered_requests_is_read_no_further_until_one_is_answered() {
        let (mut client, mut stream) = client(1 << 20);
        take_all(&mut client, &mut stream).await;
        ask(&mut client, json!("next")).await;
        assert!(read(&mut stream).await.is_none(), "it reads on");
        stream.send(answer(json!(7))).await.unwrap();
        assert!(read(&mut stream).await.is_some());
        ask(&mut client, json!("one more")).await;
        assert!(read(&mut stream).await.is_none(), "one answer gave two turns");
    }

    #[tokio::test]
    async fn a_request_that_is_cancelled_gives_its_turn_back() {
        let (mut client, mut stream) = client(1 << 20);
        for round in 0..3 * UNANSWERED {
            ask(&mut client, json!(round)).await;
            assert!(read(&mut stream).await.is_some(), "reading stopped after {round}");
            cancel(&mut client, json!(round)).await;
            assert!(read(&mut stream).await.is_some());
        }
    }

    #[tokio::test]
    async fn cancelling_what_is_being_answered_gives_no_turn() {
        // The first answer does not fit, so none is written to its end.
        let (mut client, mut stream) = client(200);
        let mut answers = Vec::new();
        for id in 0..UNANSWERED {
            ask(&mut client, json!(id)).await;
            assert!(read(&mut stream).await.is_some());
            let long = json!({"jsonrpc": "2.0", "id": id, "error": {"code": 1, "message": "x".repeat(400)}});
            let mut sending = Box::pin(stream.send(from_value(long).unwrap()));
            assert!((&mut sending).now_or_never().is_none());
            answers.push(sending);
            cancel(&mut client, json!(id)).await;
            assert!(read(&mut stream).await.is_some());
        }
        ask(&mut client, json!("next")).await;
        assert!(
            read(&mut stream).await.is_none(),
            "a client that reads no answers asks on"
        );
    }

    #[tokio::test]
    async fn an_id_that_is_in_use_waits_for_its_answer() {
        let (mut client, mut stream) = client(1 << 20);
        ask(&mut client, json!(1)).await;
        ask(&mut client, json!(1)).await;
        assert!(read(&mut stream).await.is_some());
        assert!(read(&mut stream).await.is_none(), "two requests have one id");
        stream.send(answer(json!(1))).await.unwrap();
        assert!(read(&mut stream).await.is_some());
    }

    #[tokio::test]
    async fn a_request_counts_as_the_protocol_reads_it() {
        let (mut client, mut stream) = client(1 << 20);
        for id in 0..UNANSWERED {
            let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\",\"x\":1,\"x\":2}}\n");
            client.write_all(line.as_bytes()).await.unwrap();
            assert!(read(&mut stream).await.is_some());
        }
        ask(&mut client, json!("next")).await;
        assert!(
            read(&mut stream).await.is_none(),
            "requests with a key twice are not counted"
        );
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_written_gives_its_turn_back() {
        let (mut client, mut stream) = client(1 << 20);
        take_all(&mut client, &mut stream).await;
        ask(&mut client, json!("next")).await;
        drop(client);
        stream.send(answer(json!(0))).await.unwrap_err();
        assert!(read(&mut stream).await.is_some());
    }
}
