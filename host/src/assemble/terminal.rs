//! What shows a session in the operator's own terminal.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::bail;

use super::located::Located;
use super::{Granted, Host, Links, Setup, with_places};
use crate::capability::process::grant::Grant;
use crate::store::DataDirectory;

/// A program that takes the terminal over.
#[derive(Debug)]
pub struct Terminal {
    /// Its absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// All of its variables.
    pub environment: Vec<(OsString, OsString)>,
}

/// A session as its backend tells it.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Its id, without the backend before it.
    pub id: &'a str,
    /// What its terminal is called, where that is not its id.
    pub attach: Option<&'a str>,
    /// The host on which it is.
    pub host: Option<&'a str>,
}

/// What shows a session of `backend`, on whichever machine that is; none if no program of it has `attach` in its grant.
///
/// # Errors
/// The session has no terminal, what it is called is not a name that such a program takes, or its machine cannot be reached.
pub async fn terminal(
    setup: &Setup,
    backend: &Granted,
    session: Shown<'_>,
    data: &DataDirectory,
) -> anyhow::Result<Option<Terminal>> {
    let name = session.attach.unwrap_or(session.id);
    let joins = |(program, grant): (&String, &Grant)| Some((program.clone(), grant.attach_args(name)?));
    let Some((program, joined)) = backend.programs.iter().find_map(joins) else {
        return Ok(None);
    };
    let (host, joined) = (host_of(setup, backend, session)?, joined?);
    let Some(host) = host else {
        let grant = with_places(&backend.programs[&program], data)?;
        return Ok(Some(Terminal {
            program: grant.path,
            arguments: grant.fixed.into_iter().chain(joined).collect(),
            environment: backend.environment(),
        }));
    };
    let links = Links::new(data);
    let mut located = Located::there(setup, backend, host, links.to(host)?, data).await?;
    let Some(grant) = located.grants.remove(&program) else {
        return Ok(None);
    };
    let words = [grant.path.to_string_lossy().into_owned()];
    let words: Vec<String> = words.into_iter().chain(grant.fixed).chain(joined).collect();
    let (program, arguments) = links.terminal(host, &words, &backend.written.name)?;
    Ok(Some(Terminal {
        program,
        arguments,
        environment: std::env::vars_os().collect(),
    }))
}

/// The host on which the session is; none: this machine. Of a backend with `hosts` only the plugin knows which one that is,
/// and whether the session has a terminal there.
fn host_of<'a>(setup: &'a Setup, backend: &Granted, session: Shown<'_>) -> anyhow::Result<Option<&'a Host>> {
    let (table, id) = (&backend.written, session.id);
    if table.hosts.is_empty() {
        return Ok(table.host.as_ref().and_then(|host| setup.hosts.get(host)));
    }
    let name = &table.name;
    if session.attach.is_none() {
        bail!(
            "session `{name}/{id}` has no terminal that could be opened; `berth logs {name}/{id}` shows what it prints"
        );
    }
    let Some(label) = session.host else {
        bail!("on which of the hosts of backend `{name}` session `{name}/{id}` is, its plugin does not say");
    };
    match setup
        .hosts
        .get(label)
        .filter(|_| table.hosts.iter().any(|host| host == label))
    {
        Some(host) => Ok(Some(host)),
        None => bail!("session `{name}/{id}` is on {label:?}, which is not among `hosts` in [backends.{name}]"),
    }
}
