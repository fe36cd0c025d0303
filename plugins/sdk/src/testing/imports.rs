//! The contract's imports, answered by the host of this thread.

pub(crate) mod settings {
    use super::super::{current, lock};

    pub(crate) fn get() -> String {
        lock(&current().settings).to_string()
    }
}

pub(crate) mod log {
    use super::super::{current, lock};
    use crate::log::Level;

    pub(crate) fn write(level: Level, message: &str) {
        lock(&current().logged).push((level, message.to_owned()));
    }

    pub(crate) fn progress(done: u32, total: Option<u32>, message: &str) {
        lock(&current().progress).push((done, total, message.to_owned()));
    }
}

pub(crate) mod store {
    use super::super::{BeforePut, current, lock};
    use crate::Result;
    use crate::store::raw::Entry;

    pub(crate) fn get(key: &str) -> Result<Option<Entry>> {
        lock(&current().store).get(key)
    }

    pub(crate) fn put(key: &str, value: &[u8], expect: Option<u64>) -> Result<u64> {
        let host = current();
        let is_due = |before: &mut BeforePut| before.key.as_ref().is_none_or(|wanted| wanted == key);
        let due: Vec<BeforePut> = lock(&host.before_put).extract_if(.., is_due).collect();
        for before in due {
            (before.other)();
        }
        lock(&host.store).put(key, value, expect)
    }

    pub(crate) fn remove(key: &str, expect: Option<u64>) -> Result<()> {
        lock(&current().store).remove(key, expect)
    }

    pub(crate) fn keys(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        Ok(lock(&current().store).keys(prefix, after, limit))
    }
}

pub(crate) mod context {
    use super::super::{current, lock};
    use crate::context::Call;

    pub(crate) fn get() -> Call {
        *lock(&current().call)
    }
}

pub(crate) mod process {
    use super::super::{current, lock};
    use crate::contract::process::Output;
    use crate::{Command, Result};

    pub(crate) fn run(commands: &[Command]) -> Vec<Result<Output>> {
        let host = current();
        let access = lock(&host.call).access;
        let mut programs = lock(&host.programs);
        let run = |command| programs.run(None, command, access);
        commands.iter().map(run).collect()
    }
}

pub(crate) mod ssh {
    use super::super::{current, lock};
    use crate::Result;
    use crate::contract::process::Output;
    use crate::files::Entry;
    use crate::ssh::{Look, Order, Part};

    pub(crate) fn hosts() -> Vec<String> {
        lock(&current().hosts).labels()
    }

    pub(crate) fn run(orders: &[Order]) -> Vec<Result<Output>> {
        let host = current();
        let access = lock(&host.call).access;
        let hosts = lock(&host.hosts);
        let mut programs = lock(&host.programs);
        let run = |order: &Order| {
            hosts.directory(&order.host)?;
            programs.run(Some(&order.host), &order.command, access)
        };
        orders.iter().map(run).collect()
    }

    pub(crate) fn roots(hosts: &[String]) -> Vec<Result<Vec<String>>> {
        let host = current();
        let granted = lock(&host.hosts);
        let root = |host: &String| Ok(vec![granted.directory(host)?.path().display().to_string()]);
        hosts.iter().map(root).collect()
    }

    pub(crate) fn entries(looks: &[Look]) -> Vec<Result<Vec<Entry>>> {
        let host = current();
        let hosts = lock(&host.hosts);
        let entries = |look: &Look| hosts.directory(&look.host)?.entries(&look.listing);
        looks.iter().map(entries).collect()
    }

    pub(crate) fn read(parts: &[Part]) -> Vec<Result<Vec<u8>>> {
        let host = current();
        let hosts = lock(&host.hosts);
        let read = |part: &Part| hosts.directory(&part.host)?.read(&part.slice);
        parts.iter().map(read).collect()
    }
}

pub(crate) mod files {
    use super::super::{current, lock};
    use crate::Result;
    use crate::files::{Entry, Listing, Slice};

    pub(crate) fn roots() -> Vec<String> {
        vec![current().directory.path().display().to_string()]
    }

    pub(crate) fn entries(listings: &[Listing]) -> Vec<Result<Vec<Entry>>> {
        let host = current();
        *lock(&host.listings) += 1;
        listings.iter().map(|listing| host.directory.entries(listing)).collect()
    }

    pub(crate) fn read(slices: &[Slice]) -> Vec<Result<Vec<u8>>> {
        let host = current();
        slices.iter().map(|slice| host.directory.read(slice)).collect()
    }
}

pub(crate) mod jobs {
    use super::super::{current, lock};
    use crate::jobs::{Channel, Chunk, Filter, Job, Phase, Spec};
    use crate::{Access, Result};

    fn access() -> Access {
        lock(&current().call).access
    }

    pub(crate) fn submit(spec: &Spec) -> Result<String> {
        let host = current();
        if let Some(label) = &spec.host {
            lock(&host.hosts).granted(label)?;
        }
        lock(&host.jobs).submit(spec.clone(), access())
    }

    pub(crate) fn get(id: &str) -> Result<Job> {
        lock(&current().jobs).get(id)
    }

    pub(crate) fn recent(filter: &Filter) -> Result<Vec<Job>> {
        lock(&current().jobs).recent(filter)
    }

    pub(crate) fn set_label(id: &str, label: &str) -> Result<()> {
        lock(&current().jobs).set_label(id, label)
    }

    pub(crate) fn cancel(id: &str) -> Result<()> {
        let host = current();
        let job = lock(&host.jobs).get(id)?;
        // One that waits is cancelled where the backend lives.
        if let (Some(label), Phase::Running | Phase::Unreachable) = (&job.host, job.phase) {
            lock(&host.hosts).directory(label).map(drop)?;
        }
        lock(&host.jobs).cancel(id, access())
    }

    pub(crate) fn read(id: &str, channel: Channel, start: u64, max: u32) -> Result<Chunk> {
        lock(&current().jobs).read(id, channel, start, max)
    }

    pub(crate) fn write(id: &str, bytes: &[u8], expect: Option<u64>) -> Result<u64> {
        lock(&current().jobs).write(id, bytes, expect, access())
    }

    pub(crate) fn close(id: &str) -> Result<()> {
        lock(&current().jobs).close(id, access())
    }
}
