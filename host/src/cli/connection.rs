//! A connection to the one owner, for the commands that call its tools as clients do.

use anyhow::Context;
use berth::assemble::Setup;
use berth::mcp::{Called, Client};
use berth::owner::{Owner, Ownership, say_person};
use berth::store::DataDirectory;
use serde_json::{Map, Value};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

/// Bytes between this process and the server in it.
const BUFFER: usize = 64 << 10;

/// A client of the process that owns the data directory, or of an owner within this one.
pub(crate) struct Connection {
    pub(crate) client: Client,
    owner: Option<Box<Owner>>,
    shutdown: CancellationToken,
}

impl Connection {
    pub(crate) async fn open(setup: &Setup, shutdown: &CancellationToken) -> anyhow::Result<Self> {
        Self::to(Ownership::find(setup, "call", shutdown).await?, false, shutdown).await
    }

    /// The same to the process that owns the data directory; none if nobody does.
    pub(crate) async fn to_running(setup: &Setup, shutdown: &CancellationToken) -> anyhow::Result<Option<Self>> {
        let socket = DataDirectory::open(&setup.server.data, &setup.server.cache)?.socket_path();
        match UnixStream::connect(socket).await {
            Ok(stream) => Self::to(Ownership::Theirs(stream), false, shutdown).await.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// `by_person`: what is asked here, a person has typed.
    async fn to(ownership: Ownership, by_person: bool, shutdown: &CancellationToken) -> anyhow::Result<Self> {
        let owner = match ownership {
            Ownership::Ours(owner) => owner,
            Ownership::Theirs(mut stream) => {
                if by_person {
                    say_person(&mut stream).await?;
                }
                return Ok(Self {
                    client: Client::connect(stream).await?,
                    owner: None,
                    shutdown: shutdown.clone(),
                });
            }
        };
        let (here, there) = tokio::io::duplex(BUFFER);
        let (read, write) = tokio::io::split(there);
        tokio::spawn(owner.serve(read, write, by_person));
        Ok(Self {
            client: Client::connect(here).await?,
            owner: Some(owner),
            shutdown: shutdown.clone(),
        })
    }

    /// The same for a connection that lasts: if this process is the owner, others can speak through it meanwhile, and one
    /// that is to stay can take over. Then calls fail, and [`Connection::was_taken_over`]. `after` says that this has
    /// happened to an earlier connection.
    pub(crate) async fn open_lasting(setup: &Setup, after: bool, shutdown: &CancellationToken) -> anyhow::Result<Self> {
        let ownership = match after {
            false => Ownership::find(setup, "call", shutdown).await?,
            true => Ownership::find_next(setup, "call", shutdown).await?,
        };
        let connection = Self::to(ownership, false, shutdown).await?;
        if let Some(owner) = connection.owner() {
            owner.serve_socket(true, None)?;
        }
        Ok(connection)
    }

    /// Whether another process has taken over from the owner within this one.
    pub(crate) fn was_taken_over(&self) -> bool {
        self.owner().is_some_and(Owner::has_given_way)
    }

    /// Does `work` with a connection, and closes that whatever comes of it.
    pub(crate) async fn with<T>(
        setup: &Setup,
        shutdown: &CancellationToken,
        work: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        Self::open(setup, shutdown).await?.at_work(work).await
    }

    /// The same where a person has typed what is asked. Inside of a session that makes no difference.
    pub(crate) async fn of_person<T>(
        setup: &Setup,
        shutdown: &CancellationToken,
        work: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let ownership = Ownership::find(setup, "call", shutdown).await?;
        Self::to(ownership, true, shutdown).await?.at_work(work).await
    }

    async fn at_work<T>(self, work: impl AsyncFnOnce(&Self) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let done = work(&self).await;
        self.close().await;
        done
    }

    /// Calls a tool with `arguments`, an object; fields that are null are left out.
    pub(crate) async fn ask(&self, tool: &str, arguments: Value) -> anyhow::Result<Called> {
        let mut arguments = match arguments {
            Value::Object(arguments) => arguments,
            _ => Map::new(),
        };
        arguments.retain(|_, value| !value.is_null());
        self.call(tool, arguments).await
    }

    /// The owner within this process; none: it is another one.
    pub(crate) fn owner(&self) -> Option<&Owner> {
        self.owner.as_deref()
    }

    /// Calls a tool. Where another process is the owner, the end of this one ends the waiting.
    pub(crate) async fn call(&self, tool: &str, arguments: Map<String, Value>) -> anyhow::Result<Called> {
        let call = self.client.call(tool, arguments);
        if self.owner.is_some() {
            return call.await;
        }
        let called = self.shutdown.run_until_cancelled(call).await;
        called.context("left before the answer came; what has begun continues: berth audit shows its outcome")?
    }

    /// Ends the owner within this process, if there is one.
    pub(crate) async fn close(self) {
        drop(self.client);
        if let Some(owner) = self.owner {
            owner.give_way();
            owner.end().await;
        }
    }
}
