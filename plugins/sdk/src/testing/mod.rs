//! A host for native tests, so that `cargo test` of a plugin needs neither WebAssembly nor berth: programs that answer
//! as a test says, a store with the real rules, files in a directory of their own.
//!
//! ```
//! use berth_plugin::testing::Host;
//!
//! let host = Host::new();
//! host.on("tmux", ["list-sessions"]).prints("app\n");
//! // … call the plugin: `Plugin::list_sessions(query)`, and look at its answer.
//! # assert_eq!(berth_plugin::run("tmux", ["list-sessions"]).unwrap().text().unwrap(), "app\n");
//! assert_eq!(host.commands().len(), 1);
//! ```
//!
//! A host serves the thread that made it, until it is dropped. It applies the contract's bounds of the store, but not
//! those of lists and texts.

mod files;
mod hosts;
pub(crate) mod imports;
mod jobs;
mod programs;
mod store;

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use self::files::Directory;
use self::hosts::Hosts;
use self::jobs::Jobs;
use self::programs::Programs;
pub use self::programs::Scripted;
use self::store::Store;
use crate::context::Call;
pub use crate::contract::process::Output as RawOutput;
use crate::log::Level;
use crate::{Access, Command, Result, time};

thread_local! {
    static CURRENT: RefCell<Option<Arc<Inside>>> = const { RefCell::new(None) };
}

/// A host that a test sets up and looks into.
pub struct Host {
    inside: Arc<Inside>,
}

/// What a host has, shared with the threads of [`Host::at_once`].
struct Inside {
    settings: Mutex<Value>,
    call: Mutex<Call>,
    programs: Mutex<Programs>,
    hosts: Mutex<Hosts>,
    store: Mutex<Store>,
    jobs: Mutex<Jobs>,
    before_put: Mutex<Vec<BeforePut>>,
    listings: Mutex<usize>,
    logged: Mutex<Vec<(Level, String)>>,
    progress: Mutex<Vec<(u32, Option<u32>, String)>>,
    directory: Directory,
}

/// What another call does before a write of a key, or of any.
struct BeforePut {
    key: Option<String>,
    other: Box<dyn FnOnce() + Send>,
}

impl Host {
    /// A host without settings and programs, of a backend called `test`, whose calls may act and have 30 seconds.
    ///
    /// # Panics
    ///
    /// If no directory can be made.
    #[must_use]
    pub fn new() -> Self {
        let inside = Arc::new(Inside {
            settings: Mutex::new(json!({"settings": {}, "agents": [], "host": null, "backend": "test"})),
            call: Mutex::new(Call {
                deadline: time::after(Duration::from_secs(30)),
                access: Access::Control,
            }),
            programs: Mutex::default(),
            hosts: Mutex::default(),
            store: Mutex::default(),
            jobs: Mutex::default(),
            before_put: Mutex::default(),
            listings: Mutex::default(),
            logged: Mutex::default(),
            progress: Mutex::default(),
            directory: Directory::new(),
        });
        CURRENT.set(Some(Arc::clone(&inside)));
        Self { inside }
    }

    /// Sets the backend's settings, as `[backends.NAME.settings]` would.
    pub fn settings(&self, settings: Value) -> &Self {
        lock(&self.inside.settings)["settings"] = settings;
        self
    }

    /// Sets the name of the backend, as that of its table `[backends.NAME]`.
    pub fn backend(&self, name: &str) -> &Self {
        lock(&self.inside.settings)["backend"] = name.into();
        self
    }

    /// Sets the agents that the backend may start: a list of objects with `name`, `command` and more.
    pub fn agents(&self, agents: Value) -> &Self {
        lock(&self.inside.settings)["agents"] = agents;
        self
    }

    /// Grants the files with names of this form in a folder below the granted directory, as `files` of the backend's
    /// table does. They are read as any file there.
    pub fn folder(&self, under: &str, names: &str) -> &Self {
        let under = self.directory().join(under);
        let mut settings = lock(&self.inside.settings);
        let granted = json!({"under": under, "names": names});
        match settings["files"].as_array_mut() {
            Some(files) => files.push(granted),
            None => settings["files"] = json!([granted]),
        }
        drop(settings);
        self
    }

    /// Makes the calls that follow those that may only read: what [`Scripted::acts`] is denied.
    pub fn read_only(&self) -> &Self {
        lock(&self.inside.call).access = Access::Read;
        self
    }

    /// Makes the calls that follow end after this time.
    pub fn ends_in(&self, time: Duration) -> &Self {
        lock(&self.inside.call).deadline = time::after(time);
        self
    }

    /// Says what this program answers to these arguments. Answers that are given one after another come in that order,
    /// and the last one again from then on.
    pub fn on<T: Into<String>>(&self, program: &str, args: impl IntoIterator<Item = T>) -> Scripted<'_> {
        let args = args.into_iter().map(Into::into).collect();
        Scripted::new(&self.inside.programs, None, program, args)
    }

    /// Grants these hosts, in this order. Each has a directory of its own.
    pub fn hosts<T: Into<String>>(&self, labels: impl IntoIterator<Item = T>) -> &Self {
        let mut hosts = lock(&self.inside.hosts);
        labels.into_iter().for_each(|label| hosts.grant(label.into()));
        drop(hosts);
        self
    }

    /// As [`on`](Self::on), on a host.
    pub fn on_host<T: Into<String>>(
        &self,
        host: &str,
        program: &str,
        args: impl IntoIterator<Item = T>,
    ) -> Scripted<'_> {
        let args = args.into_iter().map(Into::into).collect();
        Scripted::new(&self.inside.programs, Some(host), program, args)
    }

    /// Lets a host not be reached, for this reason.
    ///
    /// # Panics
    ///
    /// If it is not granted, as all of these.
    pub fn is_away(&self, host: &str, why: &str) -> &Self {
        lock(&self.inside.hosts).set_away(host, Some(why.to_owned()));
        self
    }

    /// Lets a host be reached again.
    pub fn is_back(&self, host: &str) -> &Self {
        lock(&self.inside.hosts).set_away(host, None);
        self
    }

    /// Lets a function answer for this program, if [`on`](Self::on) says nothing about its arguments.
    pub fn program(&self, name: &str, answer: impl FnMut(&Command) -> Result<RawOutput> + Send + 'static) -> &Self {
        lock(&self.inside.programs).set(None, name, Box::new(answer));
        self
    }

    /// The same on a host.
    pub fn program_on(
        &self,
        host: &str,
        name: &str,
        answer: impl FnMut(&Command) -> Result<RawOutput> + Send + 'static,
    ) -> &Self {
        lock(&self.inside.programs).set(Some(host), name, Box::new(answer));
        self
    }

    /// The output of a program that printed this and succeeded.
    #[must_use]
    pub fn printed(text: impl Into<Vec<u8>>) -> RawOutput {
        RawOutput {
            status: Some(0),
            signal: None,
            stdout: text.into(),
            stderr: Vec::new(),
            truncated: false,
        }
    }

    /// The output of a program that failed with this status, and wrote this to its standard error.
    #[must_use]
    pub fn failed(status: i32, stderr: impl Into<Vec<u8>>) -> RawOutput {
        RawOutput {
            status: Some(status),
            signal: None,
            stdout: Vec::new(),
            stderr: stderr.into(),
            truncated: false,
        }
    }

    /// All commands that were run so far, also those that were denied.
    #[must_use]
    pub fn commands(&self) -> Vec<Command> {
        lock(&self.inside.programs).ran(None)
    }

    /// The same of a host.
    #[must_use]
    pub fn commands_on(&self, host: &str) -> Vec<Command> {
        lock(&self.inside.programs).ran(Some(host))
    }

    /// How often directories of the machine of the backend were listed: questions, each about any number of directories.
    #[must_use]
    pub fn listings(&self) -> usize {
        *lock(&self.inside.listings)
    }

    /// Runs a function that many times at once, each with its number, as the host runs calls of one backend.
    pub fn at_once(&self, count: usize, call: impl Fn(usize) + Sync) {
        thread::scope(|scope| {
            for number in 0..count {
                let (inside, call) = (Arc::clone(&self.inside), &call);
                scope.spawn(move || {
                    CURRENT.set(Some(inside));
                    call(number);
                });
            }
        });
    }

    /// Runs a function just before the next write to the store, as another call of this backend would.
    pub fn before_put(&self, other: impl FnOnce() + Send + 'static) -> &Self {
        self.before(None, other)
    }

    /// The same before the next write of this key.
    pub fn before_put_of(&self, key: &str, other: impl FnOnce() + Send + 'static) -> &Self {
        self.before(Some(key.to_owned()), other)
    }

    fn before(&self, key: Option<String>, other: impl FnOnce() + Send + 'static) -> &Self {
        lock(&self.inside.before_put).push(BeforePut {
            key,
            other: Box::new(other),
        });
        self
    }

    /// The lines that were written to the operator's log so far.
    #[must_use]
    pub fn logged(&self) -> Vec<(Level, String)> {
        lock(&self.inside.logged).clone()
    }

    /// The progress that was reported so far: how much of how much, and in words.
    #[must_use]
    pub fn progress(&self) -> Vec<(u32, Option<u32>, String)> {
        lock(&self.inside.progress).clone()
    }

    /// The one granted directory. It is removed with the host.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.inside.directory.path()
    }

    /// Writes a file below the granted directory, with the directories above it. Answers its absolute path.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub fn file(&self, path: &str, contents: impl AsRef<[u8]>) -> String {
        write(&self.directory().join(path), contents.as_ref())
    }

    /// The same below the granted directory of a host, which can be reached.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub fn file_on(&self, host: &str, path: &str, contents: impl AsRef<[u8]>) -> String {
        match lock(&self.inside.hosts).directory(host) {
            Ok(directory) => write(&directory.path().join(path), contents.as_ref()),
            Err(why) => panic!("{why}"),
        }
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}
impl Drop for Host {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| {
            current.take_if(|current| Arc::ptr_eq(current, &self.inside));
        });
    }
}

fn write(whole: &Path, contents: &[u8]) -> String {
    let written = whole
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(whole, contents));
    if let Err(error) = written {
        panic!("{} cannot be written: {error}", whole.display());
    }
    whole.display().to_string()
}

/// The host of this thread.
fn current() -> Arc<Inside> {
    let current = CURRENT.with_borrow(Option::clone);
    current.unwrap_or_else(|| {
        panic!("this thread has no host: begin the test with `let host = berth_plugin::testing::Host::new();`")
    })
}

/// A lock, also after a test panicked while it held it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{context, log, run, settings};

    #[test]
    fn each_test_has_a_host_of_its_own() {
        let first = Host::new();
        first.settings(json!({"columns": 80}));
        let second = thread::spawn(|| {
            let _host = Host::new();
            settings::<Value>()
        });
        assert_eq!(second.join().unwrap(), Ok(json!({})));
        assert_eq!(settings::<Value>(), Ok(json!({"columns": 80})));
    }

    #[test]
    #[should_panic(expected = "this thread has no host")]
    fn a_test_without_a_host_is_told_what_to_do() {
        drop(Host::new());
        let _ = run("tmux", ["ls"]);
    }

    #[test]
    fn what_is_logged_and_told_as_progress_can_be_looked_at() {
        let host = Host::new();
        log::warn("slow");
        log::progress(1, Some(3), format_args!("{} of 3", 1));
        assert_eq!(host.logged(), [(Level::Warn, "slow".to_owned())]);
        assert_eq!(host.progress(), [(1, Some(3), "1 of 3".to_owned())]);
    }

    #[test]
    fn a_call_knows_how_long_it_has_and_whether_it_may_act() {
        let host = Host::new();
        assert!(context::may_act() && context::remaining() > Duration::from_secs(20));
        host.read_only().ends_in(Duration::ZERO);
        assert!(!context::may_act());
        assert_eq!(context::remaining(), Duration::ZERO);
    }
}
