//! A light MCP client: ready-made requests on kept-alive HTTP/1.1 connections, so that the load costs little, and the
//! same for whoever is measured.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What ends the head of an answer.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// A server, and how to come in.
#[derive(Clone)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it asks for.
    pub(crate) token: Option<String>,
}

impl Server {
    /// A request as it goes over the wire.
    pub(crate) fn request(&self, method: &str, params: &Value) -> Vec<u8> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let token = self
            .token
            .as_ref()
            .map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
        format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\n{token}Content-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .into_bytes()
    }

    /// A call of a tool as it goes over the wire.
    pub(crate) fn call(&self, tool: &str, arguments: Value) -> Vec<u8> {
        self.request("tools/call", &json!({"name": tool, "arguments": arguments}))
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            received: Vec::with_capacity(4096),
        })
    }

    /// How many of these requests are answered in a second, over `connections` at once for `time`. Every answer must
    /// be the same, and no error.
    pub(crate) async fn throughput(&self, request: &[u8], connections: usize, time: Duration) -> anyhow::Result<f64> {
        let expected = self.connect().await?.result(request).await?;
        // The cost of a connection, such as the look at who is behind it, does not belong to a call.
        let opened = try_join_all((0..connections).map(async |_| {
            let mut connection = self.connect().await?;
            connection.ask(request).await?;
            anyhow::Ok(connection)
        }))
        .await?;
        let began = Instant::now();
        let answered = try_join_all(
            opened
                .into_iter()
                .map(|connection| drive(connection, request, &expected, began + time)),
        );
        let answered: u32 = answered.await?.into_iter().sum();
        Ok(f64::from(answered) / began.elapsed().as_secs_f64())
    }
}

/// Sends one request after the other until `end`; answers how many.
async fn drive(mut connection: Connection, request: &[u8], expected: &Value, end: Instant) -> anyhow::Result<u32> {
    let first: Value = serde_json::from_slice(connection.ask(request).await?)?;
    ensure!(
        first["result"] == *expected,
        "an answer differs from the first: {first}"
    );
    let first = connection.received.clone();
    let mut answered = 1;
    while Instant::now() < end {
        let length = connection.ask(request).await?.len();
        ensure!(
            first.ends_with(&connection.received[connection.received.len() - length..]),
            "an answer differs from the first"
        );
        answered += 1;
    }
    Ok(answered)
}

/// One kept-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// Sends a request and answers the result in its answer's body.
    pub(crate) async fn result(&mut self, request: &[u8]) -> anyhow::Result<Value> {
        let mut answer: Value = serde_json::from_slice(self.ask(request).await?)?;
        ensure!(
            answer["error"].is_null() && answer["result"]["isError"] != true,
            "the server answered {answer}"
        );
        Ok(answer["result"].take())
    }

    /// Asks whether the server is there.
    pub(crate) async fn health(&mut self) -> anyhow::Result<()> {
        let request = format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", self.stream.peer_addr()?);
        self.ask(request.as_bytes()).await?;
        Ok(())
    }

    /// Sends a request and answers the body of its answer.
    async fn ask(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.received.clear();
        let body = loop {
            ensure!(
                self.stream.read_buf(&mut self.received).await? > 0,
                "the server closed the connection"
            );
            if let Some(end) = self
                .received
                .windows(HEAD_END.len())
                .position(|bytes| bytes == HEAD_END)
            {
                break end + HEAD_END.len();
            }
        };
        let end = body + body_length(&self.received[..body])?;
        while self.received.len() < end {
            ensure!(
                self.stream.read_buf(&mut self.received).await? > 0,
                "the server closed the connection"
            );
        }
        Ok(&self.received[body..end])
    }
}

/// What the head of an answer says of its body.
fn body_length(head: &[u8]) -> anyhow::Result<usize> {
    let head = std::str::from_utf8(head)?;
    ensure!(head.starts_with("HTTP/1.1 200"), "the server answered {head}");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    length
        .context("the answer has no Content-Length")?
        .parse()
        .context("the answer's Content-Length is not a number")
}
