//! What a job on a host printed: a process of the operator's asks the owner for it, which alone reaches hosts.

use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::request::Request;
use crate::assemble::Setup;
use crate::jobs::AllJobs;
use crate::machine::job::{Channel, Chunk};
use crate::principal::Principal;
use crate::store::DataDirectory;

/// How long the answer may take: the host may be slow.
const ANSWERS_WITHIN: Duration = Duration::from_mins(1);
/// Bytes of an answer.
const PART: u64 = 1 << 20;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Printed {
    /// The job's backend.
    pub backend: String,
    /// The job.
    pub id: String,
    /// Its standard error, and not its output.
    pub errors: bool,
    /// From this byte on, or the first one after it that is kept.
    pub start: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    berth: String,
    of: Printed,
}

/// What `berth` says in such a line.
const PRINTED: &str = "printed";

/// What is answered.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    /// A part, with its bytes in base64. One without bytes: there are no more so far.
    Part { start: u64, bytes: String },
    /// Why nothing is known.
    Unknown(String),
}

impl Printed {
    pub(super) fn of(line: &[u8]) -> Option<Self> {
        let line: Line = serde_json::from_slice(line).ok()?;
        (line.berth == PRINTED).then_some(line.of)
    }

    pub(super) fn line(&self) -> String {
        let line = Line {
            berth: PRINTED.to_owned(),
            of: self.clone(),
        };
        // Text and numbers can always be written.
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// Asks the owner for the next part.
    ///
    /// # Errors
    /// There is no owner, or it does not know, with why.
    pub async fn ask(&self, setup: &Setup) -> anyhow::Result<Chunk> {
        let socket = DataDirectory::open(&setup.server.data, &setup.server.cache)?.socket_path();
        let Ok(asked) = Request::Printed(self.clone()).ask(&socket, ANSWERS_WITHIN).await else {
            bail!(
                "job {} is on a host, which only a berth that serves reaches, and none does: start one with `berth serve`, \
                 and ask again",
                self.id
            );
        };
        let answer = asked.context("the berth that runs does not answer; its log may say why")?;
        if answer.is_empty() {
            bail!("the berth that ran has ended meanwhile: ask again when one serves");
        }
        let told = serde_json::from_str(&answer)
            .context("the berth that runs does not know this question: it is an older one; start it again")?;
        match told {
            Told::Part { start, bytes } => Ok(Chunk {
                start,
                bytes: STANDARD
                    .decode(bytes)
                    .context("the berth that runs answers no such text")?,
            }),
            Told::Unknown(why) => bail!(why),
        }
    }

    /// The answer for `principal`, as a line is made of it.
    pub(super) async fn answer(&self, all: &AllJobs, data: &DataDirectory, principal: &Principal) -> impl Serialize {
        match self.read(all, data, principal).await {
            Ok(Chunk { start, bytes }) => Told::Part {
                start,
                bytes: STANDARD.encode(bytes),
            },
            Err(why) => Told::Unknown(format!("{why:#}")),
        }
    }

    async fn read(&self, all: &AllJobs, data: &DataDirectory, principal: &Principal) -> anyhow::Result<Chunk> {
        let Self { backend, id, .. } = self;
        // What is in a job sees that one alone.
        let is_seen = principal
            .lineage()
            .jobs
            .last()
            .is_none_or(|own| *own == format!("{backend}/{id}"));
        if !is_seen || !data.backends_with_jobs().contains(backend) {
            bail!("there is no job {backend}/{id}");
        }
        let channel = match self.errors {
            true => Channel::Errors,
            false => Channel::Output,
        };
        Ok(all.of(backend)?.read(id, channel, self.start, PART).await?)
    }
}
