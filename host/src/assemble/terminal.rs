//! What shows a session in the operator's own terminal.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::bail;

use super::located::Located;
use super::{Granted, Links, Setup, with_places};
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

/// What shows the session `name` of `backend`, on whichever machine that is; none if no program of it has `attach` in its
/// grant.
///
/// # Errors
/// The name is not one that such a program takes, or its machine cannot be reached.
pub async fn terminal(
    setup: &Setup,
    backend: &Granted,
    name: &str,
    data: &DataDirectory,
) -> anyhow::Result<Option<Terminal>> {
    let joins = |(program, grant): (&String, &Grant)| Some((program.clone(), grant.attach_args(name)?));
    let Some((program, joined)) = backend.programs.iter().find_map(joins) else {
        return Ok(None);
    };
    let joined = joined?;
    if !backend.written.hosts.is_empty() {
        bail!(
            "backend `{0}` is on several hosts, and on which of them the session is only its plugin knows: run \
             `ssh DESTINATION` for that one, and open it there",
            backend.written.name
        );
    }
    let host = backend.written.host.as_ref().and_then(|host| setup.hosts.get(host));
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
