//! A backend at work: each verb of the contract as one call in a fresh store and instance, with every limit on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedMutexGuard, Semaphore};
use wasmtime::Store;

use super::Engine;
use super::engine::{HANDOVER, Home, State};
use super::load::Plugin;
use crate::capability::{Access, Powers};
use crate::contract::{
    Answer, Delivery, Description, Error, LogPage, LogQuery, NewSession, Project, Session, Timestamp, ToolOutput,
    VerbsOf,
};

/// What one backend's calls may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of linear memory of one call.
    pub memory: u64,
    /// Calls at once; further ones wait within their deadline.
    pub calls: usize,
    /// How long a call may take that the caller gave no deadline.
    pub deadline: Duration,
}

/// One `[backends.NAME]` table, loaded and described.
pub struct Backend {
    /// Its name in config.
    pub name: String,
    /// What its plugin said of itself.
    pub description: Description,
    /// The plugin that serves it.
    pub plugin: Plugin,
    engine: Engine,
    home: Home,
    calls: Semaphore,
    deadline: Duration,
    orders: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

impl Backend {
    /// Starts a backend: asks its plugin to describe itself. An error is the plugin's own, for the operator.
    pub async fn start(
        engine: &Engine,
        plugin: Plugin,
        powers: Powers,
        state_directory: std::path::PathBuf,
        limits: Limits,
    ) -> Result<Self, Error> {
        let mut backend = Self {
            name: powers.backend.clone(),
            description: Description {
                about: String::new(),
                version: String::new(),
                verbs: crate::contract::Verbs::empty(),
                tools: Vec::new(),
            },
            plugin,
            engine: engine.clone(),
            home: Home {
                powers: Arc::new(powers),
                state_directory: Arc::new(state_directory),
                memory: usize::try_from(limits.memory).unwrap_or(usize::MAX),
            },
            calls: Semaphore::new(limits.calls),
            deadline: limits.deadline,
            orders: Mutex::default(),
        };
        backend.description = backend
            .call(Access::Read, None, async |store, plugin| {
                plugin.call_describe(store).await
            })
            .await?;
        Ok(backend)
    }

    /// Waits for this session's turn: what changes a session goes one at a time, in the order of asking.
    pub async fn order(&self, session: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
            orders.retain(|_, turn| turn.strong_count() > 0);
            match orders.get(session).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    let turn = Arc::default();
                    orders.insert(session.to_owned(), Arc::downgrade(&turn));
                    turn
                }
            }
        };
        turn.lock_owned().await
    }

    /// All sessions.
    pub async fn list_sessions(&self) -> Result<Vec<Session>, Error> {
        self.call(Access::Read, None, async |store, plugin| {
            plugin.call_list_sessions(store).await
        })
        .await
    }

    /// One session.
    pub async fn get_session(&self, id: &str) -> Result<Session, Error> {
        self.call(Access::Read, None, async |store, plugin| {
            plugin.call_get_session(store, id).await
        })
        .await
    }

    /// A page of a session's log.
    pub async fn read_log(&self, id: &str, query: &LogQuery) -> Result<LogPage, Error> {
        self.call(Access::Read, None, async |store, plugin| {
            plugin.call_read_log(store, id, query).await
        })
        .await
    }

    /// Starts a session, within `deadline`.
    pub async fn create_session(&self, request: &NewSession, deadline: Instant) -> Result<Session, Error> {
        self.call(Access::Control, Some(deadline), async |store, plugin| {
            plugin.call_create_session(store, request).await
        })
        .await
    }

    /// Types a message into a session.
    pub async fn send_message(&self, id: &str, message: &str) -> Result<Delivery, Error> {
        self.call(Access::Control, None, async |store, plugin| {
            plugin.call_send_message(store, id, message).await
        })
        .await
    }

    /// Answers the prompt with the id `prompt`.
    pub async fn respond(&self, id: &str, prompt: &str, answer: &Answer) -> Result<(), Error> {
        self.call(Access::Control, None, async |store, plugin| {
            plugin.call_respond(store, id, prompt, answer).await
        })
        .await
    }

    /// Stops what a session is doing.
    pub async fn interrupt(&self, id: &str) -> Result<(), Error> {
        self.call(Access::Control, None, async |store, plugin| {
            plugin.call_interrupt(store, id).await
        })
        .await
    }

    /// Ends a session.
    pub async fn terminate(&self, id: &str) -> Result<(), Error> {
        self.call(Access::Control, None, async |store, plugin| {
            plugin.call_terminate(store, id).await
        })
        .await
    }

    /// The projects that sessions may start in.
    pub async fn list_projects(&self) -> Result<Vec<Project>, Error> {
        self.call(Access::Read, None, async |store, plugin| {
            plugin.call_list_projects(store).await
        })
        .await
    }

    /// A tool that only this plugin has. `arguments` is JSON.
    pub async fn call_tool(&self, name: &str, arguments: &str, access: Access) -> Result<ToolOutput, Error> {
        self.call(access, None, async |store, plugin| {
            plugin.call_call_tool(store, name, arguments).await
        })
        .await
    }

    /// Lets the plugin do what is due.
    pub async fn upkeep(&self) -> Result<Option<Timestamp>, Error> {
        self.call(Access::Control, None, async |store, plugin| {
            plugin.call_upkeep(store).await
        })
        .await
    }

    /// One call in an instance of its own. Whatever goes wrong inside it is an error that names why, and ends with it.
    async fn call<T>(
        &self,
        access: Access,
        deadline: Option<Instant>,
        verb: impl AsyncFnOnce(&mut Store<State>, &VerbsOf) -> wasmtime::Result<Result<T, Error>>,
    ) -> Result<T, Error> {
        let began = Instant::now();
        let deadline = deadline.unwrap_or(began + self.deadline);
        let run = async {
            let _slot = self.calls.acquire().await;
            let _running = self.engine.running();
            let mut store = self.engine.store(&self.home, access, deadline);
            let outcome = match self.plugin.instance.instantiate_async(&mut store).await {
                Ok(instance) => verb(&mut store, instance.berth_backend_session_backend()).await,
                Err(error) => Err(error),
            };
            outcome.unwrap_or_else(|cause| Err(self.stopped(&store, &cause)))
        };
        tokio::time::timeout_at(deadline.into(), run).await.unwrap_or_else(|_| {
            Err(Error::TimedOut(format!(
                "backend `{}` did not answer within {:.1?}",
                self.name,
                began.elapsed()
            )))
        })
    }

    /// Why a call ended without an answer, for caller and log.
    fn stopped(&self, store: &Store<State>, cause: &wasmtime::Error) -> Error {
        let why = if store.data().memory.exceeded {
            format!("it asked for more memory than its limit of {} bytes", self.home.memory)
        } else {
            match cause.root_cause().to_string() {
                // wasmtime has no public type for this error.
                cause if cause.contains("hostcall") => format!("it handed over more than {HANDOVER} bytes at once"),
                cause => cause,
            }
        };
        tracing::warn!(
            backend = self.name,
            plugin = self.plugin.origin,
            "call ended: {cause:#}"
        );
        Error::Failed(format!("the plugin of backend `{}` was stopped: {why}", self.name))
    }
}
