//! A backend at work: each verb of the contract as one call in a fresh store and instance, with every limit on.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};
use wasmtime::error::Context as _;

use super::Engine;
use super::checked::{self, Enough, Listed, Output, Page, Promise, Weighed};
use super::engine::{self, HANDOVER, Home};
use super::exports::Interface;
use super::load::Plugin;
use super::memory::Places;
use crate::capability::{Access, Acted, Allowance, Powers};
use crate::contract::types as given;
use crate::jobs::Happened;
use crate::principal::Lineage;
use crate::session::{
    Answered, ChangePage, Delivery, Description, Error, Event, LogPage, LogQuery, Message, NewSession, OptionState,
    Project, Receipt, Session, State, ToolCall, TurnPage, TurnQuery, Upkept, Verbs,
};

/// Calls of the host's own that a backend may have at once beside its callers': its poll and its upkeep.
pub const OWN_CALLS: usize = 2;

/// Faults of one backend that its log names.
const FAULTS: usize = 64;

/// A verb that acts, but did not answer as it should.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: Error,
    /// It had begun to act before, so the outcome is not known. If a plugin says that it refused, it undid what it
    /// began.
    pub acted: bool,
}

impl Failure {
    /// For a verb that only reads.
    fn into_error(self) -> Error {
        self.error
    }
}

/// How long a list may take.
pub(crate) const LISTED_WITHIN: Duration = Duration::from_secs(14);

/// What one backend's calls may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of linear memory of one call.
    pub memory: u64,
    /// Calls at once; further ones wait within their deadline.
    pub calls: usize,
    /// How long a call may take if the caller did not give a deadline.
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
    pub(super) engine: Engine,
    home: Home,
    calls: Semaphore,
    /// Calls of own tools that may act: such a tool may wait in its call, and must leave places to who answers what it waits
    /// for.
    tools: Semaphore,
    own_calls: Semaphore,
    deadline: Duration,
    /// The faults that the log already names.
    faults: Mutex<BTreeSet<String>>,
}

impl Backend {
    /// Starts a backend: asks its plugin to describe itself. An error is the plugin's own, for the operator.
    pub async fn start(engine: &Engine, plugin: Plugin, powers: Powers, limits: Limits) -> Result<Self, Error> {
        let mut backend = Self::new(engine, plugin, powers, limits);
        backend.description = backend.describe().await?;
        Ok(backend)
    }

    /// One that has not been called yet.
    pub(super) fn new(engine: &Engine, plugin: Plugin, powers: Powers, limits: Limits) -> Self {
        Self {
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
            tools: Semaphore::new(limits.calls.div_ceil(2)),
            own_calls: Semaphore::new(OWN_CALLS),
            deadline: limits.deadline,
            faults: Mutex::default(),
        }
    }

    /// Whether it implements this part of the contract at all.
    pub fn has(&self, interface: Interface) -> bool {
        self.plugin.exports.has(interface)
    }

    /// Whether it can have jobs.
    pub fn has_jobs(&self) -> bool {
        self.home.powers.jobs.is_some()
    }

    /// The home directory on its machine, if that is known.
    pub fn home_directory(&self) -> Option<String> {
        self.home.powers.home().map(str::to_owned)
    }

    /// The agents that it may start, the preferred one first: on one machine those that are installed there, on several all of
    /// them.
    pub fn agents(&self) -> Vec<String> {
        self.home.powers.agents()
    }

    /// Attends to its jobs until `over`, and tells what happens with them.
    pub(crate) async fn attend_to_jobs(&self, told: UnboundedSender<Happened>, over: &CancellationToken) {
        let powers = &self.home.powers;
        powers.jobs.attend(powers, told, over).await;
    }

    /// Its sessions in one of `states`, or in any if that is empty: page by page, until what is listed is `enough`.
    pub async fn list_sessions(&self, states: &[State], enough: Enough<'_>) -> Result<Listed<Session>, Error> {
        self.pages(states, enough, &self.listing(false)).await
    }

    /// The same for the host itself, of sessions in any state: no caller of the backend can delay this.
    pub async fn poll_sessions(&self, enough: Enough<'_>) -> Result<Listed<Session>, Error> {
        self.pages(&[], enough, &self.listing(true)).await
    }

    /// One session.
    pub async fn get_session(&self, id: &str) -> Result<Session, Error> {
        let (wanted, possible) = (id.to_owned(), self.verbs());
        let check = move |given| checked::one_session(given, Some(&wanted), possible);
        let asked = self.read::<_, given::Session, _, _>((Interface::Backend, "get-session"), (id,), check);
        asked.await.map(|found| self.without_faults(found))
    }

    /// A page of a session's log.
    pub async fn read_log(&self, id: &str, query: &LogQuery) -> Result<LogPage, Error> {
        let query = given::LogQuery::from(query);
        let read = (Interface::Backend, "read-log");
        self.read::<_, given::LogPage, _, _>(read, (id, query), checked::log)
            .await
    }

    /// Turns of a session's conversation.
    pub async fn read_turns(&self, id: &str, query: &TurnQuery) -> Result<TurnPage, Error> {
        let query = given::TurnQuery::from(query);
        let read = (Interface::Transcripts, "read-turns");
        self.read::<_, given::TurnPage, _, _>(read, (id, query), checked::turns)
            .await
    }

    /// What a session changed: at most `limit` files, from where `after` says.
    pub async fn get_changes(&self, id: &str, after: Option<&str>, limit: u32) -> Result<ChangePage, Error> {
        let get = (Interface::Changes, "get-changes");
        self.read::<_, given::ChangePage, _, _>(get, (id, after, limit), checked::changes)
            .await
    }

    /// The options of a session, as they are.
    pub async fn list_options(&self, id: &str) -> Result<Vec<OptionState>, Error> {
        let check = |given: Page<OptionState>| Ok(checked::options(given.items));
        let list = (Interface::Options, "list-options");
        self.read::<_, Vec<given::OptionState>, _, _>(list, (id,), check).await
    }

    /// The projects that sessions may start in.
    pub async fn list_projects(&self) -> Result<Listed<Project>, Error> {
        let check = |given| Ok(checked::projects(given));
        let list = (Interface::Projects, "list-projects");
        let asked = self.call::<_, given::ProjectPage, _, _>(list, (), self.listing(false), check);
        let found = asked.await.map_err(Failure::into_error)?;
        Ok(self.without_faults(found))
    }

    /// Starts a session, within `deadline`.
    pub async fn create_session(
        &self,
        request: &NewSession,
        deadline: Instant,
        lineage: Lineage,
    ) -> Result<Session, Failure> {
        let possible = self.verbs();
        let check = move |given| checked::one_session(given, None, possible);
        let request = given::NewSession::from(request);
        let create = (Interface::Control, "create-session");
        let allowance = Allowance {
            lineage,
            ..self.allowance(Access::Control, Some(deadline), false)
        };
        let submitted = allowance.submitted.clone();
        let asked = self
            .call::<_, given::Session, _, _>(create, (request,), allowance, check)
            .await;
        let session = asked.map(|started| self.without_faults(started))?;
        self.home.powers.jobs.belong_to(&submitted, &session.id).await;
        Ok(session)
    }

    /// Gives a session a message.
    pub async fn send_message(&self, id: &str, message: &Message) -> Result<Delivery, Failure> {
        let message = given::Message::from(message);
        let send = (Interface::Control, "send-message");
        self.act::<_, given::Delivery, _, _>(send, (id, message), None, |given| Ok(checked::delivery(given)))
            .await
    }

    /// Takes a message back that the backend keeps for later.
    pub async fn cancel_message(&self, id: &str, message: &str) -> Result<(), Failure> {
        let cancel = (Interface::Control, "cancel-message");
        self.act::<_, (), (), _>(cancel, (id, message), None, Ok).await
    }

    /// Answers one prompt, or those of one group.
    pub async fn respond(&self, id: &str, answers: &[Answered]) -> Result<Delivery, Failure> {
        let answers: Vec<given::Answered> = answers.iter().map(Into::into).collect();
        let respond = (Interface::Control, "respond");
        self.act::<_, given::Delivery, _, _>(respond, (id, answers), None, |given| Ok(checked::delivery(given)))
            .await
    }

    /// Stops what a session is doing.
    pub async fn interrupt(&self, id: &str) -> Result<Receipt, Failure> {
        let interrupt = (Interface::Control, "interrupt");
        self.act::<_, given::Receipt, Receipt, _>(interrupt, (id,), None, Ok)
            .await
    }

    /// Ends a session.
    pub async fn terminate(&self, id: &str) -> Result<Receipt, Failure> {
        let terminate = (Interface::Control, "terminate");
        self.act::<_, given::Receipt, Receipt, _>(terminate, (id,), None, Ok)
            .await
    }

    /// Sets an option of a session.
    pub async fn set_option(&self, id: &str, name: &str, value: &str) -> Result<(), Failure> {
        let set = (Interface::Options, "set-option");
        self.act::<_, (), (), _>(set, (id, name, value), None, Ok).await
    }

    /// Calls a tool that only this plugin has. Its data is checked against what it promised.
    pub async fn call_tool(
        &self,
        call: &ToolCall,
        access: Access,
        promise: Option<Promise>,
        lineage: Lineage,
    ) -> Result<Output, Failure> {
        let allowance = Allowance {
            lineage,
            ..self.allowance(access, None, false)
        };
        let (acted, submitted) = (allowance.acted.clone(), allowance.submitted.clone());
        let _place = match access {
            Access::Control => Some(self.place_for_tool(allowance.deadline).await?),
            Access::Read => None,
        };
        let check = move |given| Ok(checked::output(given, promise.as_ref()));
        let call = given::ToolCall::from(call);
        let asked =
            self.call::<_, given::ToolOutput, _, _>((Interface::OwnTools, "call-tool"), (call,), allowance, check);
        let output = asked.await?;
        if let Some(session) = &output.session {
            self.home.powers.jobs.belong_to(&submitted, session).await;
        }
        Ok(Output {
            acted: acted.ran() || acted.kept(),
            ..output
        })
    }

    async fn place_for_tool(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, Failure> {
        let place = tokio::time::timeout_at(deadline.into(), self.tools.acquire()).await;
        place.ok().and_then(Result::ok).ok_or_else(|| Failure {
            error: Error::TimedOut(format!(
                "backend `{}` is still at work on the calls of its own tools before this one, and nothing was done: call again \
                 later",
                self.name
            )),
            acted: false,
        })
    }

    /// What of its sessions is the own of who stands at `lineage` in one of its jobs; none: all of them.
    ///
    /// # Errors
    /// That cannot be known.
    pub(crate) async fn own_sessions(&self, lineage: &Lineage) -> Result<Option<BTreeSet<String>>, String> {
        self.home.powers.jobs.own_sessions(&self.name, lineage).await
    }

    /// Whether a run at `lineage` may give `named` to one of this plugin's own tools, which acts or not: a job or session
    /// of others it does not know.
    ///
    /// # Errors
    /// Why not.
    pub(crate) async fn may_name(&self, lineage: &Lineage, named: &str, acts: bool) -> Result<(), String> {
        self.home.powers.jobs.may_name(&self.name, lineage, named, acts).await
    }

    /// Lets the plugin do what is due, and tells it what happened.
    pub async fn upkeep(&self, events: &[Event]) -> Result<Upkept, Error> {
        let events: Vec<given::Event> = events.iter().map(Into::into).collect();
        let allowance = self.allowance(Access::Control, None, true);
        let asked = self.call::<_, given::Upkept, Upkept, _>((Interface::Upkeep, "run"), (events,), allowance, Ok);
        asked.await.map_err(Failure::into_error)
    }

    /// What the plugin says of itself.
    async fn describe(&self) -> Result<Description, Error> {
        let allowance = self.allowance(Access::Read, None, true);
        let exports = self.plugin.exports.clone();
        let check = move |given| checked::description(given, |interface| exports.has(interface));
        let asked = self.call::<_, given::Description, _, _>((Interface::Backend, "describe"), (), allowance, check);
        asked.await.map_err(Failure::into_error)
    }

    /// The sessions of all pages, up to the size of a list, or as many as are `enough`.
    async fn pages(&self, states: &[State], enough: Enough<'_>, terms: &Allowance) -> Result<Listed<Session>, Error> {
        let asked: Vec<given::State> = states.iter().map(|state| (*state).into()).collect();
        let possible = self.verbs();
        let mut pages = checked::Pages::default();
        loop {
            let query = given::SessionQuery {
                states: asked.clone(),
                limit: pages.limit(),
                after: pages.next().map(str::to_owned),
            };
            let (wanted, room) = (states.to_vec(), pages.room());
            let check = move |page: Page<Session>| Ok(checked::part(page, &wanted, possible, room));
            let list = (Interface::Backend, "list-sessions");
            let page = self.call::<_, given::SessionPage, _, _>(list, (query,), terms.clone(), check);
            match page.await {
                Ok(part) => {
                    if !pages.add(part, enough) {
                        break;
                    }
                }
                Err(Failure { error, .. }) if pages.are_none() => return Err(error),
                Err(Failure { error, .. }) => {
                    pages.end(&error);
                    break;
                }
            }
        }
        Ok(self.without_faults(pages.into_list()))
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

    /// What a plugin gave, after its faults were named in the log, each once.
    fn without_faults<T>(&self, (given, faults): (T, Vec<String>)) -> T {
        let mut named = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        for fault in faults {
            if named.len() < FAULTS && named.insert(fault.clone()) {
                tracing::warn!(backend = self.name, plugin = self.plugin.origin, "{fault}");
            }
        }
        given
    }

    /// The terms of a call that begins now; without `deadline` it has the time of this backend's calls.
    pub(super) fn allowance(&self, access: Access, deadline: Option<Instant>, own: bool) -> Allowance {
        Allowance {
            access,
            deadline: deadline.unwrap_or_else(|| Instant::now() + self.deadline),
            own,
            acted: Acted::default(),
            lineage: Lineage::default(),
            submitted: Default::default(),
        }
    }

    /// The same for a list. Who wants it waits no longer, so it must tell what it has found by then.
    fn listing(&self, own: bool) -> Allowance {
        let deadline = Instant::now() + self.deadline.min(LISTED_WITHIN);
        self.allowance(Access::Read, Some(deadline), own)
    }

    async fn read<A, G, T, U>(
        &self,
        function: Function,
        arguments: A,
        check: impl FnOnce(T) -> Result<U, Error> + Send + 'static,
    ) -> Result<U, Error>
    where
        A: ComponentNamedList + Lower + Send + Sync,
        G: Into<T> + ComponentType + Lift + Send + Sync + 'static,
        T: Weighed + Send + 'static,
        U: Send + 'static,
    {
        let allowance = self.allowance(Access::Read, None, false);
        let asked = self.call::<A, G, T, U>(function, arguments, allowance, check);
        asked.await.map_err(Failure::into_error)
    }

    async fn act<A, G, T, U>(
        &self,
        function: Function,
        arguments: A,
        deadline: Option<Instant>,
        check: impl FnOnce(T) -> Result<U, Error> + Send + 'static,
    ) -> Result<U, Failure>
    where
        A: ComponentNamedList + Lower + Send + Sync,
        G: Into<T> + ComponentType + Lift + Send + Sync + 'static,
        T: Weighed + Send + 'static,
        U: Send + 'static,
    {
        let allowance = self.allowance(Access::Control, deadline, false);
        self.call::<A, G, T, U>(function, arguments, allowance, check).await
    }

    /// One call of a function of the contract, which answers with a `G`, and what `check` makes of that as a record of
    /// berth's own. It holds its place until then, so that the number of large answers in memory is at most that of
    /// large calls. A function that the plugin does not export counts as not supported.
    async fn call<A, G, T, U>(
        &self,
        (interface, name): Function,
        arguments: A,
        allowance: Allowance,
        check: impl FnOnce(T) -> Result<U, Error> + Send + 'static,
    ) -> Result<U, Failure>
    where
        A: ComponentNamedList + Lower + Send + Sync,
        G: Into<T> + ComponentType + Lift + Send + Sync + 'static,
        T: Weighed + Send + 'static,
        U: Send + 'static,
    {
        let Some(interface) = self.plugin.exports.get(interface) else {
            return Err(Failure {
                error: Error::Unsupported,
                acted: false,
            });
        };
        let (acted, access) = (allowance.acted.clone(), allowance.access);
        let given = self.run(allowance, async |store| {
            let instance = self.plugin.linked.instantiate_async(&mut *store).await?;
            let function = instance.get_export_index(&mut *store, Some(interface), name);
            let function = function.context("the plugin lacks a function of the contract")?;
            let function = instance.get_typed_func::<A, (Result<G, given::Error>,)>(&mut *store, function)?;
            Ok(match function.call_async(store, arguments).await?.0 {
                Ok(answer) => Ok(checked::apart_if_large(answer.into(), check).await),
                Err(error) => Err(error.into()),
            })
        });
        let (error, acted) = match given.await {
            Ok(Ok(answer)) => return Ok(answer),
            // Its plugin says that it is done.
            Ok(Err(unusable)) => (unusable, access == Access::Control),
            Err(error) => {
                // What it stored may be done later, unless it says that it was not done.
                let unclear = matches!(error, Error::TimedOut(_) | Error::Failed(_));
                (error, acted.ran() || (unclear && acted.kept()))
            }
        };
        Err(Failure {
            error: checked::error(error),
            acted,
        })
    }

    /// Runs `body` in a store of its own. What goes wrong inside it is an error that names why, and does not affect
    /// other calls.
    pub(super) async fn run<T>(
        &self,
        allowance: Allowance,
        body: impl AsyncFnOnce(&mut Store<engine::StoreData>) -> wasmtime::Result<Result<T, Error>>,
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

    /// Why a call ended without an answer, for caller and log: with what the guest said last, because that tells what
    /// went wrong, while the engine only sees that something did.
    fn stopped(&self, store: &Store<engine::StoreData>, cause: &wasmtime::Error) -> Error {
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
