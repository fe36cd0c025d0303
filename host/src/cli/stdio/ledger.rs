//! What a client has asked and was not answered yet, so that another server can go on with it: nothing is lost, and nothing
//! is done twice.

use serde::Deserialize;
use serde_json::{Value, json};

/// What is said of a call whose outcome is not known.
const UNKNOWN: &str = "berth was handed over to another process while this was under way, and its outcome is not known \
    here: look what was done before you ask again (get_session_status)";
/// The code of JSON-RPC for an error of the server.
const INTERNAL_ERROR: i32 = -32603;

/// The requests of one client, in their order.
#[derive(Default)]
pub(super) struct Ledger {
    /// Lines that the present server was sent.
    sent: u64,
    open: Vec<Request>,
    /// The client's first request, once it was answered, and the notice that follows it.
    hello: Option<Vec<u8>>,
    notice: Option<Vec<u8>>,
}

/// A request without an answer.
struct Request {
    /// Its place among the lines that the present server was sent.
    number: u64,
    id: Value,
    method: String,
    line: Vec<u8>,
    /// The client does not want it any more.
    cancelled: bool,
}

/// What matters here of a message.
#[derive(Default, Deserialize)]
struct Head {
    id: Option<Value>,
    method: Option<String>,
    params: Option<Params>,
}

#[derive(Deserialize)]
struct Params {
    #[serde(rename = "requestId")]
    request_id: Option<Value>,
}

impl Ledger {
    /// The server is sent a line of the client.
    pub(super) fn sent(&mut self, line: &[u8]) {
        self.sent += 1;
        let Head { id, method, params } = head(line);
        match (method, id) {
            (Some(method), Some(id)) => self.open.push(Request {
                number: self.sent,
                id,
                method,
                line: line.to_vec(),
                cancelled: false,
            }),
            (Some(method), None) if method == "notifications/initialized" => self.notice = Some(line.to_vec()),
            (Some(method), None) if method == "notifications/cancelled" => {
                let meant = params.and_then(|params| params.request_id);
                for request in self
                    .open
                    .iter_mut()
                    .filter(|request| Some(&request.id) == meant.as_ref())
                {
                    request.cancelled = true;
                }
            }
            _ => {}
        }
    }

    /// The server has sent a line.
    pub(super) fn received(&mut self, line: &[u8]) {
        let Head {
            id: Some(id),
            method: None,
            ..
        } = head(line)
        else {
            return;
        };
        if let Some(at) = self.open.iter().position(|request| request.id == id) {
            let answered = self.open.remove(at);
            if answered.method == "initialize" {
                self.hello = Some(answered.line);
            }
        }
    }

    /// The server has ended and had taken so many lines. Answers what the client is told of the requests among them that were
    /// not answered; the others stay for the next server.
    pub(super) fn moved(&mut self, taken: u64) -> Vec<Vec<u8>> {
        let (begun, untouched) = self
            .open
            .drain(..)
            .partition::<Vec<_>, _>(|request| request.number <= taken);
        self.open = untouched.into_iter().filter(|request| !request.cancelled).collect();
        begun
            .iter()
            .filter(|request| !request.cancelled)
            .map(Request::unknown)
            .collect()
    }

    /// A further server takes the place of the one before. Answers what it is told: the client's first request, if that was
    /// answered by an earlier one, and after its answer the rest.
    pub(super) fn again(&mut self) -> (Option<Vec<u8>>, Vec<Vec<u8>>) {
        let before = [&self.hello, &self.notice].into_iter().flatten().count();
        self.sent = before as u64;
        for request in &mut self.open {
            self.sent += 1;
            request.number = self.sent;
        }
        let open = self.open.iter().map(|request| &request.line);
        (self.hello.clone(), self.notice.iter().chain(open).cloned().collect())
    }

    /// Whether a line answers a request.
    pub(super) fn is_answer(line: &[u8]) -> bool {
        let head = head(line);
        head.id.is_some() && head.method.is_none()
    }
}

impl Request {
    /// The answer where nobody knows one. A model sees what a tool says, and not an error of the protocol.
    fn unknown(&self) -> Vec<u8> {
        let answer = match self.method.as_str() {
            "tools/call" => json!({
                "jsonrpc": "2.0",
                "id": self.id,
                "result": {"content": [{"type": "text", "text": UNKNOWN}], "isError": true},
            }),
            _ => json!({"jsonrpc": "2.0", "id": self.id, "error": {"code": INTERNAL_ERROR, "message": UNKNOWN}}),
        };
        format!("{answer}\n").into_bytes()
    }
}

/// What is not JSON is nobody's request.
fn head(line: &[u8]) -> Head {
    serde_json::from_slice(line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn line(message: &Value) -> Vec<u8> {
        format!("{message}\n").into_bytes()
    }

    fn call(id: u32) -> Vec<u8> {
        line(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "x"}}))
    }

    fn answer(id: u32) -> Vec<u8> {
        line(&json!({"jsonrpc": "2.0", "id": id, "result": {}}))
    }

    /// After the handshake, which is two lines.
    fn greeted() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.sent(&line(
            &json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}),
        ));
        ledger.received(&answer(0));
        ledger.sent(&line(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})));
        ledger
    }

    #[test]
    fn what_was_not_taken_is_asked_again_and_what_was_taken_is_never() {
        let mut ledger = greeted();
        for id in 1..=4 {
            ledger.sent(&call(id));
        }
        ledger.received(&answer(1));
        // The handshake and three calls: the second and the third have no answer.
        let told = ledger.moved(5);
        let ids: Vec<Value> = told.iter().map(|told| head(told).id.unwrap()).collect();
        assert_eq!(ids, [json!(2), json!(3)]);
        assert!(String::from_utf8(told.concat()).unwrap().contains("\"isError\":true"));
        let (hello, rest) = ledger.again();
        assert!(String::from_utf8(hello.unwrap()).unwrap().contains("initialize"));
        assert_eq!(rest.len(), 2);
        assert_eq!(rest[1], call(4));
        // The same once more, by the numbers of the next server.
        ledger.sent(&call(5));
        assert_eq!(ledger.moved(3).len(), 1);
        assert_eq!(ledger.again().1[1..], [call(5)]);
    }

    #[test]
    fn a_handshake_that_was_not_answered_is_asked_again_in_its_order() {
        let mut ledger = Ledger::default();
        let hello = line(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}));
        ledger.sent(&hello);
        assert!(ledger.moved(0).is_empty());
        assert_eq!(ledger.again(), (None, vec![hello]));
    }

    #[test]
    fn what_the_client_cancelled_is_not_asked_again() {
        let mut ledger = greeted();
        ledger.sent(&call(1));
        ledger.sent(&line(
            &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}),
        ));
        assert!(ledger.moved(2).is_empty());
        assert_eq!(ledger.again().1.len(), 1);
    }

    #[test]
    fn what_is_no_request_is_only_counted() {
        let mut ledger = greeted();
        for other in [
            "nonsense\n",
            "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n",
            "[]\n",
            "\n",
        ] {
            ledger.sent(other.as_bytes());
        }
        ledger.sent(&call(1));
        assert!(ledger.moved(6).is_empty());
        assert_eq!(ledger.again().1[1..], [call(1)]);
    }
}
