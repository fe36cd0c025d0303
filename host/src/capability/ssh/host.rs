//! The contract's side: what a guest may ask of its hosts, and how much of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use futures::future::join_all;

use super::power::{Found, Hosts};
use crate::capability::files::host::{bounded_listings, bounded_slices};
use crate::capability::{Call, Powers, Sites};
use crate::contract::files::{Entry, Listing, Slice};
use crate::contract::process::{Command, Output};
use crate::contract::ssh::{Host, Look, Order, Part};
use crate::contract::types::Error;

/// Hosts that one `roots` may name.
const ASKED: usize = 64;

impl Host for Call {
    async fn hosts(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.powers.sites.hosts())
    }

    async fn run(&mut self, orders: Vec<Order>) -> wasmtime::Result<Vec<Result<Output, Error>>> {
        let output = match self.take_starts(orders.len()) {
            Ok(output) => output,
            Err(refusal) => return Ok(orders.iter().map(|_| Err(refusal.clone())).collect()),
        };
        let (allowance, until) = (self.allowance.clone(), self.until());
        let had_acted = allowance.acted.ran();
        let orders = orders.into_iter().map(|order| (order.host, order.command));
        let run = |found: Arc<Found>, mut commands: Vec<Command>| {
            let allowance = &allowance;
            async move {
                for command in &mut commands {
                    let directory = command.directory.take();
                    command.directory = directory.map(|path| found.site.meant(path));
                }
                let tried = found.site.run(allowance, until, commands, output).await;
                tried.into_iter().map(|tried| (found.clone(), tried)).collect()
            }
        };
        let tried = self.on_each(orders, until, run).await;
        let acted = self.has_acted(had_acted, tried.iter().flatten().map(|(_, tried)| tried));
        let told = tried.into_iter().map(|tried| match tried {
            Ok((found, tried)) => found.site.told(tried, acted),
            // After the call has acted, that error would say that nothing was done.
            Err(Error::Unavailable(why)) if had_acted => Err(Error::Failed(why)),
            Err(why) => Err(why),
        });
        let outcomes: Vec<_> = told.collect();
        self.note_printed(&outcomes);
        Ok(outcomes)
    }

    async fn roots(&mut self, hosts: Vec<String>) -> wasmtime::Result<Vec<Result<Vec<String>, Error>>> {
        if hosts.len() > ASKED {
            return Ok(too_many(hosts.len()));
        }
        let asked = hosts.into_iter().map(|host| (host, ()));
        let roots = async |found: Arc<Found>, asked: Vec<()>| vec![found.site.directories.paths(); asked.len()];
        Ok(self.on_each(asked, self.until(), roots).await)
    }

    async fn entries(&mut self, looks: Vec<Look>) -> wasmtime::Result<Vec<Result<Vec<Entry>, Error>>> {
        if let Err(refusal) = bounded_listings(looks.iter().map(|look| &look.listing)) {
            return Ok(looks.iter().map(|_| Err(refusal.clone())).collect());
        }
        let (until, listed) = (self.until(), AtomicUsize::new(0));
        let looks = looks.into_iter().map(|look| (look.host, look.listing));
        let list = async |found: Arc<Found>, listings: Vec<Listing>| {
            let meant = listings.into_iter().map(|listing| Listing {
                directory: found.site.meant(listing.directory),
                ..listing
            });
            found.site.listed(meant.collect(), &listed, until).await
        };
        let told = self.on_each(looks, until, list).await;
        Ok(told.into_iter().map(Result::flatten).collect())
    }

    async fn read(&mut self, parts: Vec<Part>) -> wasmtime::Result<Vec<Result<Vec<u8>, Error>>> {
        if let Err(refusal) = bounded_slices(parts.iter().map(|part| &part.slice)) {
            return Ok(parts.iter().map(|_| Err(refusal.clone())).collect());
        }
        let until = self.until();
        let parts = parts.into_iter().map(|part| (part.host, part.slice));
        let read = async |found: Arc<Found>, slices: Vec<Slice>| {
            let meant = slices.into_iter().map(|slice| Slice {
                path: found.site.meant(slice.path),
                ..slice
            });
            found.site.contents(meant.collect(), until).await
        };
        let told = self.on_each(parts, until, read).await;
        Ok(told.into_iter().map(Result::flatten).collect())
    }
}

impl Call {
    /// Asks each host for what of `questions` is for it, all at the same time, and answers in their order.
    async fn on_each<Q, A, F: Future<Output = Vec<A>>>(
        &self,
        questions: impl Iterator<Item = (String, Q)>,
        until: Instant,
        ask: impl Fn(Arc<Found>, Vec<Q>) -> F,
    ) -> Vec<Result<A, Error>> {
        let hosts = match self.powers.hosts() {
            Ok(hosts) => hosts,
            Err(denial) => return questions.map(|_| Err(denial.clone())).collect(),
        };
        let mut parts = BTreeMap::<String, (Vec<usize>, Vec<Q>)>::new();
        for (place, (label, question)) in questions.enumerate() {
            let (places, asked) = parts.entry(label).or_default();
            places.push(place);
            asked.push(question);
        }
        let ask = &ask;
        let answers = parts.into_iter().map(|(label, (places, asked))| async move {
            let answers: Vec<Result<A, Error>> = match hosts.on(&label, until).await.map_err(Error::from) {
                Ok(found) => ask(found, asked).await.into_iter().map(Ok).collect(),
                Err(why) => places.iter().map(|_| Err(why.clone())).collect(),
            };
            places.into_iter().zip(answers).collect::<Vec<_>>()
        });
        let mut answers: Vec<_> = join_all(answers).await.into_iter().flatten().collect();
        answers.sort_unstable_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// When the hosts must have answered: a call that waited for a slow one to its end could not tell what the others said.
    pub(in crate::capability) fn until(&self) -> Instant {
        let now = Instant::now();
        now + self.allowance.deadline.saturating_duration_since(now) * 3 / 4
    }
}

impl Powers {
    fn hosts(&self) -> Result<&Hosts, Error> {
        match &self.sites {
            Sites::Hosts(hosts) => Ok(hosts),
            Sites::One(_) => Err(Error::Denied(format!(
                "no host is granted; `hosts` in [backends.{}] would grant some",
                self.backend
            ))),
        }
    }
}

fn too_many<T>(count: usize) -> Vec<Result<T, Error>> {
    let refusal = || {
        Err(Error::Invalid(format!(
            "at most {ASKED} are asked for at once, not {count}"
        )))
    };
    (0..count).map(|_| refusal()).collect()
}
