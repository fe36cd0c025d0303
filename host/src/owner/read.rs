//! What a job on a host printed: a process of the operator's asks the owner for it, which alone reaches hosts.

use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::printed::Printed;
use super::request::Request;
use crate::assemble::Setup;
use crate::jobs::{AllJobs, Channel, Chunk};
use crate::principal::Principal;
use crate::store::DataDirectory;

/// How long the answer may take: the host may be slow.
const ANSWERS_WITHIN: Duration = Duration::from_mins(1);
/// Bytes of an answer.
const PART: u64 = 1 << 20;

/// What is answered.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    /// A part, with its bytes in base64. One without bytes: there are no more so far.
    Part { start: u64, bytes: String },
    /// Why nothing is known.
    Unknown(String),
}

/// Asks the owner for the next part of what is `asked`.
///
/// # Errors
/// There is no owner, or it does not know, with why.
pub async fn printed(setup: &Setup, asked: &Printed) -> anyhow::Result<Chunk> {
    let socket = DataDirectory::open(&setup.server.data, &setup.server.cache)?.socket_path();
    let Ok(answered) = Request::Printed(asked.clone()).ask(&socket, ANSWERS_WITHIN).await else {
        bail!(
            "job {} is on a host, which only a berth that serves reaches, and none does: start one with `berth serve`, \
             and ask again",
            asked.id
        );
    };
    let answer = answered.context("the berth that runs does not answer; its log may say why")?;
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
pub(super) async fn answer(
    asked: &Printed,
    all: &AllJobs,
    data: &DataDirectory,
    principal: &Principal,
) -> impl Serialize {
    match read(asked, all, data, principal).await {
        Ok(Chunk { start, bytes }) => Told::Part {
            start,
            bytes: STANDARD.encode(bytes),
        },
        Err(why) => Told::Unknown(format!("{why:#}")),
    }
}

async fn read(asked: &Printed, all: &AllJobs, data: &DataDirectory, principal: &Principal) -> anyhow::Result<Chunk> {
    let Printed { backend, id, .. } = asked;
    // What is in a job sees that one alone.
    let is_seen = principal
        .lineage()
        .jobs
        .last()
        .is_none_or(|own| *own == format!("{backend}/{id}"));
    if !is_seen || !data.backends_with_jobs().contains(backend) {
        bail!("there is no job {backend}/{id}");
    }
    let channel = match asked.errors {
        true => Channel::Errors,
        false => Channel::Output,
    };
    Ok(all.of(backend)?.read(id, channel, asked.start, PART).await?)
}
