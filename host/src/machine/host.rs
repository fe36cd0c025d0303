//! A host as one backend uses it: programs, files and directories there, by requests to its `/bin/sh`.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::child::Ended;
use super::entry::{Entry, Kind};
use super::files::Slice;
use super::place::{Failure, Place};
use super::programs::Run;
use super::sh::{self, Around, Fault, Refusal, Way};
use super::unreached::for_clients;

/// How long a look at one place may take.
const HOLDING: Duration = Duration::from_secs(20);

/// A host, with what the programs of one backend have around them there.
#[derive(Clone)]
pub struct Host {
    name: String,
    way: Arc<dyn Way>,
    around: Arc<Around>,
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Host({:?})", self.name)
    }
}

impl Host {
    pub(crate) fn new(name: &str, way: Arc<dyn Way>, around: Around) -> Self {
        Self {
            name: name.to_owned(),
            way,
            around: Arc::new(around),
        }
    }

    /// Runs `runs` one after another, in one round trip.
    pub(super) async fn run(&self, runs: Vec<Run<'_>>, until: Instant) -> Vec<Result<Ended, Failure>> {
        let places: Vec<Vec<Place>> = runs.iter().map(Run::places).collect();
        for run in &runs {
            (run.begins)();
        }
        let runs = runs.into_iter().map(Run::there).collect();
        let ended = sh::run(&self.way, &self.around, until, runs).await;
        let ended = ended.into_iter().zip(places);
        ended
            .map(|(ended, places)| ended.map_err(|fault| self.program_failure(fault, &places)))
            .collect()
    }

    pub(super) async fn entries(
        &self,
        at: &Place,
        having: &[String],
        most: usize,
        counts: impl Fn(&str, Kind) -> bool,
        until: Instant,
    ) -> Result<Vec<Entry>, Failure> {
        let listed = sh::entries(&self.way, until, &at.within(), having, most, counts).await;
        listed.map_err(|fault| self.place_failure(fault, at))
    }

    pub(super) async fn read(&self, slices: &[Slice], until: Instant) -> Vec<Result<Vec<u8>, Failure>> {
        let there: Vec<_> = slices.iter().map(Slice::there).collect();
        let read = sh::read(&self.way, until, &there).await.into_iter().zip(slices);
        read.map(|(read, slice)| read.map_err(|fault| self.place_failure(fault, &slice.at)))
            .collect()
    }

    pub(super) async fn hold(&self, place: &Place) -> Result<(), Failure> {
        let held = sh::hold(&self.way, Instant::now() + HOLDING, &place.within()).await;
        held.map_err(|fault| match self.place_failure(fault, place) {
            // It only looks.
            Failure::Unknown(why) => Failure::Unreached(why),
            failure => failure,
        })
    }

    /// What stood in the way of one of `places`, or of the program itself.
    fn program_failure(&self, fault: Fault, places: &[Place]) -> Failure {
        match (fault, places) {
            (Fault::Refused(refusal @ (Refusal::NoProgram | Refusal::ProgramUnreadable)), _) => {
                Failure::Program(io::Error::other(refusal))
            }
            (Fault::Refused(Refusal::SocketLost), _) => Failure::SocketLost {
                host: self.name.clone(),
            },
            (fault @ Fault::Refused(_), [first, rest @ ..]) => {
                let paths = rest
                    .iter()
                    .fold(first.path.clone(), |paths, place| match paths == place.path {
                        true => paths,
                        false => format!("{paths}` or `{}", place.path),
                    });
                let path = Place {
                    path: paths,
                    ..first.clone()
                };
                self.place_failure(fault, &path)
            }
            (fault, _) => self.failure(fault),
        }
    }

    fn place_failure(&self, fault: Fault, place: &Place) -> Failure {
        let Fault::Refused(refusal) = fault else {
            return self.failure(fault);
        };
        let kind = match refusal {
            Refusal::RootMissing | Refusal::RootElsewhere | Refusal::RootUnreadable => {
                return Failure::Root {
                    path: place.root.path().to_owned(),
                    is_missing: refusal == Refusal::RootMissing,
                    why: format!("{refusal}, on the host {}", self.name),
                };
            }
            Refusal::Missing => ErrorKind::NotFound,
            Refusal::Outside | Refusal::Dangling | Refusal::Unreadable | Refusal::Link => ErrorKind::PermissionDenied,
            Refusal::NotDirectory | Refusal::NotRegular => ErrorKind::InvalidInput,
            _ => ErrorKind::Other,
        };
        place.failed(io::Error::new(kind, refusal))
    }

    fn failure(&self, fault: Fault) -> Failure {
        let name = &self.name;
        match fault {
            fault @ Fault::Unopened(_) => Failure::Unreached(for_clients(&fault)),
            Fault::Value { .. } => Failure::Program(io::Error::new(ErrorKind::InvalidInput, fault.to_string())),
            Fault::Random => Failure::Program(io::Error::other(fault.to_string())),
            Fault::Late => Failure::Late,
            Fault::TimedOut(after) => Failure::TimedOut(after),
            fault => Failure::Unknown(format!("the host {name}: {}", fault.with_said())),
        }
    }
}
