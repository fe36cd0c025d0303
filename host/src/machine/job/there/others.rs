//! Jobs of other installations on the same host: which there are, and taking them over.

use super::{ANSWER, On, There, ended};
use crate::machine::job::about::About;
use crate::machine::job::ended::Ended;
use crate::machine::job::outcome::{Lengths, Trouble};
use crate::machine::job::place::Stage;
use crate::machine::job::sh::{Answer, Installation, Item, Request, Status};

/// Jobs that are asked for at a time: what is left with each may have twice the bytes of a note.
const ASKED: usize = 64;
/// Jobs that are taken at a time: each is on the disk before the next.
const TAKEN: usize = 16;

/// A job that was begun, as it is found on a host.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its id, which can be any name.
    pub id: String,
    /// What it is; none where that cannot be read, or where an older berth began it.
    pub about: Option<About>,
    /// How it ended, if it has.
    pub ended: Option<Ended>,
    /// When its program was started, in milliseconds since 1970 by the clock there.
    pub started: Option<u64>,
    /// What it has of input and output.
    pub lengths: Lengths,
}

impl There {
    /// The jobs of another installation on the same host. Nobody begins one of these here.
    pub fn of(&self, installation: &str) -> Self {
        Self::new(On {
            label: self.0.label.clone(),
            way: self.0.way.clone(),
            installation: installation.to_owned(),
            keep: Vec::new(),
            paths: Vec::new(),
        })
    }

    /// What this installation is called there.
    pub fn installation(&self) -> &str {
        &self.0.installation
    }

    /// The other installations that have jobs there.
    ///
    /// # Errors
    /// The host cannot be asked.
    pub async fn others(&self) -> Result<Vec<Installation>, Trouble> {
        let asked = |request: &mut Request| {
            request.installations();
            Ok(())
        };
        match self
            .call(ANSWER, asked)
            .await?
            .into_iter()
            .next()
            .map(|item| item.answer)
        {
            Some(Answer::Installations(mut found)) => {
                found.retain(|found| found.id != self.0.installation);
                Ok(found)
            }
            other => Err(self.not(other.as_ref())),
        }
    }

    /// The ids of all jobs.
    ///
    /// # Errors
    /// The host cannot be asked.
    pub async fn ids(&self) -> Result<Vec<String>, Trouble> {
        let asked = |request: &mut Request| {
            request.list();
            Ok(())
        };
        self.listed(self.call(ANSWER, asked).await?)
    }

    /// The ids of those that `installation` has taken from this one.
    ///
    /// # Errors
    /// The host cannot be asked.
    pub async fn taken_by(&self, installation: &str) -> Result<Vec<String>, Trouble> {
        self.listed(self.call(ANSWER, |request| request.taken_by(installation)).await?)
    }

    /// These jobs as they are found, without those that were never begun. Where `settles`, what is left of one whose supervisor
    /// was killed is ended first.
    ///
    /// # Errors
    /// The host cannot be asked.
    pub async fn found(&self, ids: &[String], settles: bool) -> Result<Vec<Found>, Trouble> {
        let mut all = Vec::new();
        for ids in ids.chunks(ASKED) {
            let both = |request: &mut Request| {
                ids.iter().try_for_each(|id| {
                    request.describe(id)?;
                    match settles {
                        true => request.settle(id),
                        false => request.status(id),
                    }
                })
            };
            let mut items = self.call(ANSWER, both).await?.into_iter().map(|item| item.answer);
            for id in ids {
                match (items.next(), items.next()) {
                    (Some(Answer::About(about)), Some(Answer::Status(status))) => all.extend(found(id, about, &status)),
                    // Something of it does not end: it is followed, and that is tried again.
                    (Some(Answer::About(about)), Some(Answer::Failed(_))) if settles => all.push(Found {
                        id: id.clone(),
                        about,
                        ended: None,
                        started: None,
                        lengths: Lengths::default(),
                    }),
                    (other, _) => return Err(self.not(other.as_ref())),
                }
            }
        }
        Ok(all)
    }

    /// Gives these jobs to `installation`. One that this has already is given. Answers for each of them whether it is, or why it
    /// stays in words of the host.
    ///
    /// # Errors
    /// The host cannot be asked, and how many of them are given is not known. It can be done again.
    pub async fn give(&self, ids: &[String], installation: &str) -> Result<Vec<(String, Result<(), String>)>, Trouble> {
        let mut all = Vec::new();
        for ids in ids.chunks(TAKEN) {
            let each = |request: &mut Request| ids.iter().try_for_each(|id| request.take(id, installation));
            let items = self.call(0, each).await?;
            for (id, item) in ids.iter().zip(items) {
                all.push(match item.answer {
                    Answer::Taken => (id.clone(), Ok(())),
                    Answer::Failed(why) => (id.clone(), Err(why)),
                    other => return Err(self.not(Some(&other))),
                });
            }
        }
        Ok(all)
    }

    fn listed(&self, items: Vec<Item>) -> Result<Vec<String>, Trouble> {
        match items.into_iter().next().map(|item| item.answer) {
            Some(Answer::Jobs(ids)) => Ok(ids),
            other => Err(self.not(other.as_ref())),
        }
    }
}

fn found(id: &str, about: Option<About>, status: &Status) -> Option<Found> {
    let was_begun = matches!(status.stage, Some(Stage::Claimed | Stage::Ended(_)));
    was_begun.then(|| Found {
        id: id.to_owned(),
        about,
        ended: ended(status),
        started: status.started,
        lengths: Lengths::of(status),
    })
}
