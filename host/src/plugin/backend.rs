//! A backend at work: each verb of the contract as one call in a fresh store and instance, with every limit on.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedMutexGuard, Semaphore};
use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};
use wasmtime::error::Context as _;

use super::Engine;
use super::checked::{self, Listed};
use super::engine::{self, HANDOVER, Home};
use super::exports::Interface;
use super::load::Plugin;
use super::memory::Places;
use crate::capability::{Access, Acted, Allowance, Powers};
use crate::contract::types as given;
use crate::session::{
    Answered, ChangePage, Delivery, Description, Error, Event, LogPage, LogQuery, Message, NewSession, OptionState,
    Project, Receipt, Session, State, ToolCall, ToolOutput, TurnPage, TurnQuery, Upkept, Verbs,
};

/// Calls of the host's own that a backend may have at once beside its callers': its poll and its upkeep.
pub const OWN_CALLS: usize = 2;

/// Faults of one backend that its log names.
const FAULTS: usize = 64;

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
    /// Its faults that the log names already.
    faults: Mutex<BTreeSet<String>>,
}

impl Backend {
    /// Starts a backend: asks its plugin to describe itself. An error is the plugin's own, for the operator.
    pub async fn start(engine: &Engine, plugin: Plugin, powers: Powers, limits: Limits) -> Result<Self, Error> {
        let mut backend = Self {
            name: powers.backend.clone(),
            description: Description::default(),
            plugin,
            engine: engine.clone(),
            home: Home {
                powers: Arc::new(powers),
                memory: usize::try_from(limits.memory).unwrap_or(usize::MAX),
                large: Places::default(),
                own_large: Places::default(),
            },
            calls: Semaphore::new(limits.calls),
            own_calls: Semaphore::new(OWN_CALLS),
            deadline: limits.deadline,
            orders: Mutex::default(),
            faults: Mutex::default(),
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

    /// Whether it can do at all what this part of the contract is for.
    pub fn has(&self, interface: Interface) -> bool {
        self.plugin.exports.has(interface)
    }

    /// Its sessions in one of `states`; none of these: all.
    pub async fn list_sessions(&self, states: &[State]) -> Result<Listed<Session>, Error> {
        self.pages(states, &self.allowance(Access::Read, None, false)).await
    }

    /// All sessions, for the host itself: no caller of the backend can hold this up.
    pub async fn poll_sessions(&self) -> Result<Listed<Session>, Error> {
        self.pages(&[], &self.allowance(Access::Read, None, true)).await
    }

    /// One session.
    pub async fn get_session(&self, id: &str) -> Result<Session, Error> {
        let asked = self.read::<_, given::Session>((Interface::Backend, "get-session"), (id,));
        let (session, faults) = checked::one_session(asked.await?.into(), Some(id), self.verbs())?;
        self.name(&faults);
        Ok(session)
    }

    /// A page of a session's log.
    pub async fn read_log(&self, id: &str, query: &LogQuery) -> Result<LogPage, Error> {
        let query = given::LogQuery::from(query);
        let asked = self.read::<_, given::LogPage>((Interface::Backend, "read-log"), (id, query));
        checked::log(asked.await?.into())
    }

    /// Turns of a session's conversation.
    pub async fn read_turns(&self, id: &str, query: &TurnQuery) -> Result<TurnPage, Error> {
        let query = given::TurnQuery::from(query);
        let asked = self.read::<_, given::TurnPage>((Interface::Transcripts, "read-turns"), (id, query));
        checked::turns(asked.await?.into())
    }

    /// What a session changed: at most `limit` files, from where `after` says.
    pub async fn get_changes(&self, id: &str, after: Option<&str>, limit: u32) -> Result<ChangePage, Error> {
        let asked = self.read::<_, given::ChangePage>((Interface::Changes, "get-changes"), (id, after, limit));
        checked::changes(asked.await?.into())
    }

    /// The options of a session, as they are.
    pub async fn list_options(&self, id: &str) -> Result<Vec<OptionState>, Error> {
        let asked = self.read::<_, Vec<given::OptionState>>((Interface::Options, "list-options"), (id,));
        let options = asked.await?.into_iter().map(Into::into).collect();
        Ok(checked::options(options))
    }

    /// The projects that sessions may start in.
    pub async fn list_projects(&self) -> Result<Listed<Project>, Error> {
        let asked = self.read::<_, given::ProjectPage>((Interface::Projects, "list-projects"), ());
        let page = asked.await?;
        let projects = page.projects.into_iter().map(Into::into).collect();
        let mut listed = checked::projects(projects);
        self.name(&listed.faults);
        listed.add_problems(problems(page.problems));
        Ok(listed)
    }

    /// Starts a session, within `deadline`.
    pub async fn create_session(&self, request: &NewSession, deadline: Instant) -> Result<Session, Failure> {
        let check = |session: given::Session| {
            let (session, faults) = checked::one_session(session.into(), None, self.verbs())?;
            self.name(&faults);
            Ok(session)
        };
        let request = given::NewSession::from(request);
        let create = (Interface::Control, "create-session");
        self.act(create, (request,), Some(deadline), check).await
    }

    /// Gives a session a message.
    pub async fn send_message(&self, id: &str, message: &Message) -> Result<Delivery, Failure> {
        let message = given::Message::from(message);
        self.act((Interface::Control, "send-message"), (id, message), None, delivery)
            .await
    }

    /// Takes a message back that the backend keeps for later.
    pub async fn cancel_message(&self, id: &str, message: &str) -> Result<(), Failure> {
        self.act((Interface::Control, "cancel-message"), (id, message), None, Ok)
            .await
    }

    /// Answers one prompt, or those of one group.
    pub async fn respond(&self, id: &str, answers: &[Answered]) -> Result<Delivery, Failure> {
        let answers: Vec<given::Answered> = answers.iter().map(Into::into).collect();
        self.act((Interface::Control, "respond"), (id, answers), None, delivery)
            .await
    }

    /// Stops what a session is doing.
    pub async fn interrupt(&self, id: &str) -> Result<Receipt, Failure> {
        self.act((Interface::Control, "interrupt"), (id,), None, receipt).await
    }

    /// Ends a session.
    pub async fn terminate(&self, id: &str) -> Result<Receipt, Failure> {
        self.act((Interface::Control, "terminate"), (id,), None, receipt).await
    }

    /// Sets an option of a session.
    pub async fn set_option(&self, id: &str, name: &str, value: &str) -> Result<(), Failure> {
        let set = (Interface::Options, "set-option");
        self.act(set, (id, name, value), None, Ok).await
    }

    /// Calls a tool that only this plugin has.
    pub async fn call_tool(&self, call: &ToolCall, access: Access) -> Result<ToolOutput, Failure> {
        let allowance = self.allowance(access, None, false);
        let check = |output: given::ToolOutput| checked::output(output.into());
        let call = given::ToolCall::from(call);
        self.watched((Interface::OwnTools, "call-tool"), (call,), allowance, check)
            .await
    }

    /// Lets the plugin do what is due, and tells it what happened.
    pub async fn upkeep(&self, events: &[Event]) -> Result<Upkept, Error> {
        let events: Vec<given::Event> = events.iter().map(Into::into).collect();
        let allowance = self.allowance(Access::Control, None, true);
        let asked = self.call::<_, given::Upkept>((Interface::Upkeep, "run"), (events,), allowance);
        Ok(asked.await?.into())
    }

    /// What the plugin says of itself.
    async fn describe(&self) -> Result<Description, Error> {
        let allowance = self.allowance(Access::Read, None, true);
        let asked = self.call::<_, given::Description>((Interface::Backend, "describe"), (), allowance);
        checked::description(asked.await?.into(), |interface| self.has(interface))
    }

    /// The sessions of all pages, up to as many as a list may have.
    async fn pages(&self, states: &[State], terms: &Allowance) -> Result<Listed<Session>, Error> {
        let wanted: Vec<given::State> = states.iter().map(|state| (*state).into()).collect();
        let mut pages = checked::Pages::default();
        loop {
            let query = given::SessionQuery {
                states: wanted.clone(),
                limit: pages.room(),
                after: pages.next().map(str::to_owned),
            };
            let list = (Interface::Backend, "list-sessions");
            let page: given::SessionPage = match self.call(list, (query,), terms.clone()).await {
                Ok(page) => page,
                Err(error) if pages.are_none() => return Err(error),
                Err(error) => {
                    pages.end(&error);
                    break;
                }
            };
            let sessions = page.sessions.into_iter().map(Session::from);
            let is_wanted = |session: &Session| states.is_empty() || states.contains(&session.state);
            let sessions = sessions.filter(is_wanted).collect();
            if !pages.add(sessions, problems(page.problems), page.next) {
                break;
            }
        }
        let (listed, faults) = pages.into_list(self.verbs());
        self.name(&faults);
        Ok(listed)
    }

    /// What can be done with sessions of this backend at all.
    fn verbs(&self) -> Verbs {
        let control = self.has(Interface::Control);
        Verbs {
            send: control,
            attach: control,
            cancel_message: control,
            respond: control,
            interrupt: control,
            terminate: control,
            set_option: self.has(Interface::Options),
        }
    }

    /// Names faults of the plugin in the log, each once.
    fn name(&self, faults: &[String]) {
        if faults.is_empty() {
            return;
        }
        let mut named = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        for fault in faults {
            if named.len() < FAULTS && named.insert(fault.clone()) {
                tracing::warn!(backend = self.name, plugin = self.plugin.origin, "{fault}");
            }
        }
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

    async fn read<A, T>(&self, function: Function, arguments: A) -> Result<T, Error>
    where
        A: ComponentNamedList + Lower + Send + Sync,
        T: ComponentType + Lift + Send + Sync + 'static,
    {
        let allowance = self.allowance(Access::Read, None, false);
        self.call(function, arguments, allowance).await
    }

    async fn act<A, T, U>(
        &self,
        function: Function,
        arguments: A,
        deadline: Option<Instant>,
        check: impl FnOnce(T) -> Result<U, Error>,
    ) -> Result<U, Failure>
    where
        A: ComponentNamedList + Lower + Send + Sync,
        T: ComponentType + Lift + Send + Sync + 'static,
    {
        let allowance = self.allowance(Access::Control, deadline, false);
        self.watched(function, arguments, allowance, check).await
    }

    /// A call of which it counts whether it had begun to act when it failed, or when its answer did not pass `check`.
    async fn watched<A, T, U>(
        &self,
        function: Function,
        arguments: A,
        allowance: Allowance,
        check: impl FnOnce(T) -> Result<U, Error>,
    ) -> Result<U, Failure>
    where
        A: ComponentNamedList + Lower + Send + Sync,
        T: ComponentType + Lift + Send + Sync + 'static,
    {
        let acted = allowance.acted.clone();
        let answered = self.call(function, arguments, allowance).await.and_then(check);
        answered.map_err(|error| {
            // What it keeps may be done later, unless it says that it was not done.
            let unclear = matches!(error, Error::TimedOut(_) | Error::Failed(_));
            Failure {
                acted: acted.ran() || (unclear && acted.kept()),
                error,
            }
        })
    }

    /// One call of a function of the contract. One that the plugin does not export is one that it does not support.
    async fn call<A, T>(&self, (interface, name): Function, arguments: A, allowance: Allowance) -> Result<T, Error>
    where
        A: ComponentNamedList + Lower + Send + Sync,
        T: ComponentType + Lift + Send + Sync + 'static,
    {
        let Some(interface) = self.plugin.exports.get(interface) else {
            return Err(Error::Unsupported);
        };
        let given = self.run(allowance, async |store| {
            let instance = self.plugin.linked.instantiate_async(&mut *store).await?;
            let function = instance.get_export_index(&mut *store, Some(interface), name);
            let function = function.context("the plugin lacks a function of the contract")?;
            let function = instance.get_typed_func::<A, (Result<T, given::Error>,)>(&mut *store, function)?;
            let (answer,) = function.call_async(store, arguments).await?;
            Ok(answer.map_err(|error| checked::error(error.into())))
        });
        given.await
    }

    /// Runs `body` in a store of its own. Whatever goes wrong inside it is an error that names why, and ends with it.
    async fn run<T>(
        &self,
        allowance: Allowance,
        body: impl AsyncFnOnce(&mut Store<engine::State>) -> wasmtime::Result<Result<T, Error>>,
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

    /// Why a call ended without an answer, for caller and log: with what the guest said last, since that tells what
    /// went wrong where the engine only sees that something did.
    fn stopped(&self, store: &Store<engine::State>, cause: &wasmtime::Error) -> Error {
        let why = if store.data().memory.exceeded {
            format!("it asked for more memory than its limit of {} bytes", self.home.memory)
        } else {
            match cause.root_cause().to_string() {
                // wasmtime has no public type for this error.
                cause if cause.contains("hostcall") => format!("it handed over more than {HANDOVER} bytes at once"),
                cause => cause,
            }
        };
        let said = store.data().said.in_one_line();
        let said = said.map(|said| format!("; it said last: {said}")).unwrap_or_default();
        tracing::warn!(
            backend = self.name,
            plugin = self.plugin.origin,
            "the plugin was stopped: {why}{said}"
        );
        Error::Failed(format!(
            "the plugin of backend `{}` was stopped: {why}{said}",
            self.name
        ))
    }
}

/// A function of the contract: its interface, and its name there.
type Function = (Interface, &'static str);

fn delivery(given: given::Delivery) -> Result<Delivery, Error> {
    Ok(checked::delivery(given.into()))
}

fn receipt(given: given::Receipt) -> Result<Receipt, Error> {
    Ok(given.into())
}

/// What a backend could not look at, as berth's own errors.
fn problems(given: Vec<(String, given::Error)>) -> Vec<(String, Error)> {
    given
        .into_iter()
        .map(|(what, why)| (what, checked::error(why.into())))
        .collect()
}
