//! A backend at work: each verb of the contract as one call in a fresh store and instance, with every limit on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedMutexGuard, Semaphore};
use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};
use wasmtime::error::Context as _;

use super::Engine;
use super::checked::{self, Listed};
use super::engine::{HANDOVER, Home, State};
use super::load::Plugin;
use super::memory::Places;
use crate::capability::{Access, Acted, Allowance, Powers};
use crate::contract::{
    Answer, Delivery, Description, Error, LogPage, LogQuery, NewSession, Project, Session, Timestamp, ToolOutput,
};

/// Calls of the host's own that a backend may have at once beside its callers': its poll and its upkeep.
pub const OWN_CALLS: usize = 2;

/// A verb that acts, and did not answer as it should.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: Error,
    /// It had begun to act before, so what came of it is not known. Where a plugin says that it refused, it undid that.
    pub acted: bool,
}

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
    own_calls: Semaphore,
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
                large: Places::default(),
                own_large: Places::default(),
            },
            calls: Semaphore::new(limits.calls),
            own_calls: Semaphore::new(OWN_CALLS),
            deadline: limits.deadline,
            orders: Mutex::default(),
        };
        backend.description = backend.describe().await?;
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
    pub async fn list_sessions(&self) -> Result<Listed<Session>, Error> {
        self.read("list-sessions", ()).await.map(checked::sessions)
    }

    /// The same for the host itself: no caller of the backend can hold this up.
    pub async fn poll_sessions(&self) -> Result<Listed<Session>, Error> {
        let given = self.call("list-sessions", (), self.allowance(Access::Read, None, true));
        given.await.map(checked::sessions)
    }

    /// One session.
    pub async fn get_session(&self, id: &str) -> Result<Session, Error> {
        let given = self.read("get-session", (id,)).await;
        given.and_then(|session| checked::one_session(session, Some(id)))
    }

    /// A page of a session's log.
    pub async fn read_log(&self, id: &str, query: &LogQuery) -> Result<LogPage, Error> {
        self.read("read-log", (id, query)).await.and_then(checked::log)
    }

    /// Starts a session, within `deadline`.
    pub async fn create_session(&self, request: &NewSession, deadline: Instant) -> Result<Session, Failure> {
        let check = |session| checked::one_session(session, None);
        self.act("create-session", (request,), Some(deadline), check).await
    }

    /// Types a message into a session.
    pub async fn send_message(&self, id: &str, message: &str) -> Result<Delivery, Failure> {
        let check = |delivery| Ok(checked::delivery(delivery));
        self.act("send-message", (id, message), None, check).await
    }

    /// Answers the prompt with the id `prompt`.
    pub async fn respond(&self, id: &str, prompt: &str, answer: &Answer) -> Result<(), Failure> {
        self.act("respond", (id, prompt, answer), None, Ok).await
    }

    /// Stops what a session is doing.
    pub async fn interrupt(&self, id: &str) -> Result<(), Failure> {
        self.act("interrupt", (id,), None, Ok).await
    }

    /// Ends a session.
    pub async fn terminate(&self, id: &str) -> Result<(), Failure> {
        self.act("terminate", (id,), None, Ok).await
    }

    /// The projects that sessions may start in.
    pub async fn list_projects(&self) -> Result<Listed<Project>, Error> {
        self.read("list-projects", ()).await.map(checked::projects)
    }

    /// A tool that only this plugin has. `arguments` is JSON.
    pub async fn call_tool(&self, name: &str, arguments: &str, access: Access) -> Result<ToolOutput, Failure> {
        let allowance = self.allowance(access, None, false);
        self.watched("call-tool", (name, arguments), allowance, checked::output)
            .await
    }

    /// Lets the plugin do what is due.
    pub async fn upkeep(&self) -> Result<Option<Timestamp>, Error> {
        self.call("upkeep", (), self.allowance(Access::Control, None, true))
            .await
    }

    /// What the plugin says of itself. This first call looks at all of its functions, and at whether they have the
    /// contract's types; each later one only at its own.
    async fn describe(&self) -> Result<Description, Error> {
        let given = self.run(self.allowance(Access::Read, None, true), async |store| {
            let plugin = self.plugin.linked.instantiate_async(&mut *store).await?;
            plugin.berth_backend_session_backend().call_describe(store).await
        });
        given.await.map_err(checked::error).and_then(checked::description)
    }

    /// The terms of a call that begins now; without `deadline` it has as long as this backend's calls have.
    fn allowance(&self, access: Access, deadline: Option<Instant>, own: bool) -> Allowance {
        Allowance {
            access,
            deadline: deadline.unwrap_or_else(|| Instant::now() + self.deadline),
            own,
            acted: Acted::default(),
        }
    }

    async fn read<A, T>(&self, verb: &str, arguments: A) -> Result<T, Error>
    where
        A: ComponentNamedList + Lower + Send + Sync,
        T: ComponentType + Lift + Send + Sync + 'static,
    {
        self.call(verb, arguments, self.allowance(Access::Read, None, false))
            .await
    }

    async fn act<A, T>(
        &self,
        verb: &str,
        arguments: A,
        deadline: Option<Instant>,
        check: impl FnOnce(T) -> Result<T, Error>,
    ) -> Result<T, Failure>
    where
        A: ComponentNamedList + Lower + Send + Sync,
        T: ComponentType + Lift + Send + Sync + 'static,
    {
        let allowance = self.allowance(Access::Control, deadline, false);
        self.watched(verb, arguments, allowance, check).await
    }

    /// A call of which it counts whether it had begun to act when it failed, or when its answer did not pass `check`.
    async fn watched<A, T>(
        &self,
        verb: &str,
        arguments: A,
        allowance: Allowance,
        check: impl FnOnce(T) -> Result<T, Error>,
    ) -> Result<T, Failure>
    where
        A: ComponentNamedList + Lower + Send + Sync,
        T: ComponentType + Lift + Send + Sync + 'static,
    {
        let acted = allowance.acted.clone();
        let answered = self.call(verb, arguments, allowance).await.and_then(check);
        answered.map_err(|error| Failure {
            error,
            acted: acted.is_set(),
        })
    }

    /// One call of the function `verb` of the contract.
    async fn call<A, T>(&self, verb: &str, arguments: A, allowance: Allowance) -> Result<T, Error>
    where
        A: ComponentNamedList + Lower + Send + Sync,
        T: ComponentType + Lift + Send + Sync + 'static,
    {
        let given = self.run(allowance, async |store| {
            let Plugin { linked, verbs, .. } = &self.plugin;
            let instance = linked.instance_pre().instantiate_async(&mut *store).await?;
            let verb = instance.get_export_index(&mut *store, Some(verbs), verb);
            let verb = verb.context("the plugin lacks a function of the contract")?;
            let verb = instance.get_typed_func::<A, (Result<T, Error>,)>(&mut *store, verb)?;
            Ok(verb.call_async(store, arguments).await?.0)
        });
        given.await.map_err(checked::error)
    }

    /// Runs `body` in a store of its own. Whatever goes wrong inside it is an error that names why, and ends with it.
    async fn run<T>(
        &self,
        allowance: Allowance,
        body: impl AsyncFnOnce(&mut Store<State>) -> wasmtime::Result<Result<T, Error>>,
    ) -> Result<T, Error> {
        let (began, deadline) = (Instant::now(), allowance.deadline);
        let places = match allowance.own {
            true => &self.own_calls,
            false => &self.calls,
        };
        let run = async {
            let _place = places.acquire().await;
            let _running = self.engine.running();
            let mut store = self.engine.store(&self.home, allowance);
            let outcome = body(&mut store).await;
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
