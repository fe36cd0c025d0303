//! Which job started which, what of them is a job's own, and the token by which a job is known.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, Transaction, params};
use sha2::{Digest as _, Sha256};

use super::{JobError, JobIndex};

/// Who started a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// 1 for what a person started.
    pub depth: u32,
    /// The jobs that led to it, each as `backend/id`, the first one first.
    pub ancestors: Vec<String>,
}

/// How a job stands to another that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kin {
    /// It is that job.
    Itself,
    /// That job started it, or what did.
    Descendant,
    /// An ancestor, a sibling, or anybody's.
    Other,
}

impl JobIndex {
    /// Who started the job `id`.
    ///
    /// # Errors
    /// There is none, or the file cannot be read.
    pub fn origin(&self, id: &str) -> Result<Origin, JobError> {
        let select = "SELECT depth, ancestors FROM job WHERE id = ?1";
        let found = self.connection().query_row(select, [id], |row| {
            Ok(Origin {
                depth: row.get(0)?,
                ancestors: parted(&row.get::<_, String>(1)?),
            })
        });
        let found = found.optional().map_err(self.broken())?;
        found.ok_or_else(|| JobError::Unknown(id.to_owned()))
    }

    /// How the jobs that are called `named`, or whose session is called that, stand to the job `id`, which is `name` to
    /// its descendants. Nothing where there are none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn kin(&self, named: &str, id: &str, name: &str) -> Result<Vec<Kin>, JobError> {
        let read = || {
            let connection = self.connection();
            let mut statement = connection
                .prepare_cached("SELECT id, ancestors FROM job WHERE id = ?1 OR (session = ?1 AND ?1 <> '')")?;
            let rows = statement.query_map([named], |row| {
                let ancestors: String = row.get(1)?;
                Ok(match row.get::<_, String>(0)? == id {
                    true => Kin::Itself,
                    false if parted(&ancestors).iter().any(|ancestor| ancestor == name) => Kin::Descendant,
                    false => Kin::Other,
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(self.broken())
    }

    /// The sessions of the job `id`, which is `name` to its descendants, and of those.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn sessions(&self, id: &str, name: &str) -> Result<BTreeSet<String>, JobError> {
        let read = || {
            let connection = self.connection();
            let mut statement = connection.prepare_cached(
                "SELECT session FROM job WHERE session <> '' AND (id = ?1 OR instr(ancestors, ?2 || ' ') > 0)",
            )?;
            let rows = statement.query_map([id, name], |row| row.get(0))?;
            rows.collect::<rusqlite::Result<BTreeSet<_>>>()
        };
        read().map_err(self.broken())
    }

    /// Jobs that are work of this session, unless that is known.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_session(&self, ids: &[String], session: &str) -> Result<(), JobError> {
        self.change(|transaction| {
            for id in ids {
                let update = "UPDATE job SET session = ?2 WHERE id = ?1 AND session = ''";
                transaction.execute(update, params![id, session])?;
            }
            Ok(Ok(()))
        })
    }

    /// From now on, and while it runs, the job is known by `token`, of which only the digest is kept.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_token(&self, id: &str, token: &str) -> Result<(), JobError> {
        self.change(|transaction| {
            let update = "UPDATE job SET token = ?2 WHERE id = ?1";
            transaction.execute(update, params![id, digest(token)]).map(|_| Ok(()))
        })
    }

    /// The job that runs and is known by `token`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of_token(&self, token: &str) -> Result<Option<String>, JobError> {
        let select = "SELECT id FROM job WHERE phase = 'running' AND token = ?1";
        let found = self.connection().query_row(select, [digest(token)], |row| row.get(0));
        found.optional().map_err(self.broken())
    }
}

/// The origin and the session of the job of which one with `key` is a further step: that whose key is its beginning, up to
/// a `/`.
pub(super) fn of_step_before(transaction: &Transaction<'_>, key: &str) -> rusqlite::Result<Option<(Origin, String)>> {
    let mut statement = transaction.prepare_cached("SELECT depth, ancestors, session FROM job WHERE key = ?1")?;
    for (end, _) in key.rmatch_indices('/') {
        let found = statement.query_row([&key[..end]], |row| {
            let origin = Origin {
                depth: row.get(0)?,
                ancestors: parted(&row.get::<_, String>(1)?),
            };
            Ok((origin, row.get(2)?))
        });
        if let Some(found) = found.optional()? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// As the file keeps them.
pub(super) fn joined(ancestors: &[String]) -> String {
    ancestors.iter().map(|ancestor| format!("{ancestor} ")).collect()
}

fn parted(ancestors: &str) -> Vec<String> {
    ancestors.split_whitespace().map(str::to_owned).collect()
}

fn digest(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}
