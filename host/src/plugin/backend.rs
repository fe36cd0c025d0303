//! A backend at work: each verb of the contract as one call in a fresh store and instance, with every limit on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedMutexGuard, Semaphore};
use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};
use wasmtime::error::Context as _;

use super::Engine;
use super::checked::{self, Listed, Output, Promise, Weighed};
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
    /// It had begun to act before, or had done it and answered with what cannot be used: what came of it is not known.
    /// Where a plugin says that it refused, it undid that.
    pub acted: bool,
}

impl Failure {
    /// For a verb that only reads.
    fn into_error(self) -> Error {
        self.error
    }
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
        self.read("list-sessions", (), |given| Ok(checked::sessions(given)))
            .await
    }

    /// The same for the host itself: no caller of the backend can hold this up.
    pub async fn poll_sessions(&self) -> Result<Listed<Session>, Error> {
        let allowance = self.allowance(Access::Read, None, true);
        let given = self.call("list-sessions", (), allowance, |given| Ok(checked::sessions(given)));
        given.await.map_err(Failure::into_error)
    }

    /// One session.
    pub async fn get_session(&self, id: &str) -> Result<Session, Error> {
        let wanted = id.to_owned();
        let check = move |given| checked::one_session(given, Some(&wanted));
        self.read("get-session", (id,), check).await
    }

    /// A page of a session's log.
    pub async fn read_log(&self, id: &str, query: &LogQuery) -> Result<LogPage, Error> {
        self.read("read-log", (id, query), checked::log).await
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
        self.act("respond", (id, prompt, answer), None, Ok::<(), _>).await
    }

    /// Stops what a session is doing.
    pub async fn interrupt(&self, id: &str) -> Result<(), Failure> {
        self.act("interrupt", (id,), None, Ok::<(), _>).await
    }

    /// Ends a session.
    pub async fn terminate(&self, id: &str) -> Result<(), Failure> {
        self.act("terminate", (id,), None, Ok::<(), _>).await
    }

    /// The projects that sessions may start in.
    pub async fn list_projects(&self) -> Result<Listed<Project>, Error> {
        self.read("list-projects", (), |given| Ok(checked::projects(given)))
            .await
    }

    /// A tool that only this plugin has. `arguments` is JSON. What it promised of its data is held against that.
    pub async fn call_tool(
        &self,
        name: &str,
        arguments: &str,
        access: Access,
        promise: Option<Promise>,
    ) -> Result<Output, Failure> {
        let allowance = self.allowance(access, None, false);
        let acted = allowance.acted.clone();
        let check = move |given: ToolOutput| Ok(checked::output(given, promise.as_ref()));
        let given = self.call("call-tool", (name, arguments), allowance, check).await;
        given.map(|output| Output {
            acted: acted.is_set(),
            ..output
        })
    }

    /// Lets the plugin do what is due.
    pub async fn upkeep(&self) -> Result<Option<Timestamp>, Error> {
        let allowance = self.allowance(Access::Control, None, true);
        let given = self.call("upkeep", (), allowance, Ok::<Option<Timestamp>, _>);
        given.await.map_err(Failure::into_error)
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

    async fn read<A, T, U>(
        &self,
        verb: &str,
        arguments: A,
        check: impl FnOnce(T) -> Result<U, Error> + Send + 'static,
    ) -> Result<U, Error>
    where
        A: ComponentNamedList + Lower + Send + Sync,
        T: Weighed + ComponentType + Lift + Send + Sync + 'static,
        U: Send + 'static,
    {
        let allowance = self.allowance(Access::Read, None, false);
        let given = self.call(verb, arguments, allowance, check);
        given.await.map_err(Failure::into_error)
    }

    async fn act<A, T, U>(
        &self,
        verb: &str,
        arguments: A,
        deadline: Option<Instant>,
        check: impl FnOnce(T) -> Result<U, Error> + Send + 'static,
    ) -> Result<U, Failure>
    where
        A: ComponentNamedList + Lower + Send + Sync,
        T: Weighed + ComponentType + Lift + Send + Sync + 'static,
        U: Send + 'static,
    {
        let allowance = self.allowance(Access::Control, deadline, false);
        self.call(verb, arguments, allowance, check).await
    }

    /// One call of the function `verb` of the contract, and what `check` makes of its answer. It holds its place until
    /// then, so that no more large answers are here at once than large calls may be.
    async fn call<A, T, U>(
        &self,
        verb: &str,
        arguments: A,
        allowance: Allowance,
        check: impl FnOnce(T) -> Result<U, Error> + Send + 'static,
    ) -> Result<U, Failure>
    where
        A: ComponentNamedList + Lower + Send + Sync,
        T: Weighed + ComponentType + Lift + Send + Sync + 'static,
        U: Send + 'static,
    {
        let (acted, access) = (allowance.acted.clone(), allowance.access);
        let given = self.run(allowance, async |store| {
            let Plugin { linked, verbs, .. } = &self.plugin;
            let instance = linked.instance_pre().instantiate_async(&mut *store).await?;
            let verb = instance.get_export_index(&mut *store, Some(verbs), verb);
            let verb = verb.context("the plugin lacks a function of the contract")?;
            let verb = instance.get_typed_func::<A, (Result<T, Error>,)>(&mut *store, verb)?;
            Ok(match verb.call_async(store, arguments).await?.0 {
                Ok(answer) => Ok(checked::apart_if_large(answer, check).await),
                Err(error) => Err(error),
            })
        });
        let (error, acted) = match given.await {
            Ok(Ok(answer)) => return Ok(answer),
            // Its plugin says that it is done.
            Ok(Err(unusable)) => (unusable, access == Access::Control),
            Err(error) => (error, acted.is_set()),
        };
        Err(Failure {
            error: checked::error(error),
            acted,
        })
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
