//! What a granted program has in the data directory: the configuration file that berth writes for it, and the socket of its
//! server.

use std::path::Path;

use anyhow::{Context, anyhow};

use super::Setup;
use crate::capability::process::grant::{CONF_MARKER, Grant, SOCKET_MARKER};
use crate::capability::process::{Former, Socket};
use crate::shell;
use crate::store::DataDirectory;

/// Moves what plugins kept in files to where they keep things now. Only the owner of the data directory does this.
pub async fn take_over_state(setup: &Setup, data: &DataDirectory) -> anyhow::Result<()> {
    let (names, data): (Vec<String>, _) = (setup.backends.keys().cloned().collect(), data.clone());
    let moved = tokio::task::spawn_blocking(move || names.iter().try_for_each(|name| data.take_over_state(name)));
    Ok(moved.await??)
}

/// Writes the configuration files of all granted programs. Only the owner of the data directory does this.
pub fn write_confs(setup: &Setup, data: &DataDirectory) -> anyhow::Result<()> {
    for grant in grants_here(setup) {
        if let Some(text) = &grant.conf {
            data.write_conf(&conf_name(grant), text)?;
        }
    }
    Ok(())
}

/// The programs of all backends on this machine.
fn grants_here(setup: &Setup) -> impl Iterator<Item = &Grant> {
    let here = setup.backends.values().filter(|backend| backend.is_here());
    here.flat_map(|backend| backend.programs.values())
}

pub(super) fn conf_name(grant: &Grant) -> String {
    format!("{}-{}", grant.backend, grant.program)
}

/// `grant` with the paths of its configuration file and its socket in place of `@conf` and `@socket`.
pub fn with_places(grant: &Grant, data: &DataDirectory) -> anyhow::Result<Grant> {
    let mut grant = grant.clone();
    if grant.conf.is_some() {
        let conf = data.conf_path(&conf_name(&grant))?;
        fill(&mut grant.fixed, CONF_MARKER, &conf)?;
    }
    if grant.socket.is_some() {
        let socket = data.program_socket(&grant.backend, &grant.program)?;
        fill(&mut grant.fixed, SOCKET_MARKER, &socket)?;
    }
    Ok(grant)
}

pub(super) fn fill(arguments: &mut [String], marker: &str, path: &Path) -> anyhow::Result<()> {
    let path = path
        .to_str()
        .ok_or_else(|| anyhow!("{} is not text: choose another `data` in [server]", path.display()))?;
    for argument in arguments.iter_mut().filter(|argument| *argument == marker) {
        *argument = path.to_owned();
    }
    Ok(())
}

/// The socket of `grant`, if that names one of berth's own.
pub fn socket(grant: &Grant, data: &DataDirectory) -> anyhow::Result<Option<Socket>> {
    let Some(terms) = &grant.socket else { return Ok(None) };
    let path = data.program_socket(&grant.backend, &grant.program)?;
    Ok(Some(Socket::new(path, terms.clone())))
}

/// Continues to use the servers whose socket is where it was before, and logs those for which that is not possible.
/// Only the owner of the data directory does this, before any program runs.
pub async fn follow_former_sockets(setup: &Setup, data: &DataDirectory) -> anyhow::Result<()> {
    for grant in grants_here(setup) {
        let Some(socket) = socket(grant, data)? else { continue };
        let followed = socket.follow_former().await;
        match followed.with_context(|| format!("the socket {}", socket.path().display()))? {
            Former::Apart(why) => {
                let (what, fix) = left_apart(grant, data, why)?;
                tracing::warn!("{what}; {fix}");
            }
            Former::Used => tracing::debug!(
                "the server of `{}` that runs at {:?} is used",
                grant.program,
                socket.former_path().unwrap_or(socket.path())
            ),
            Former::Absent => {}
        }
    }
    Ok(())
}

/// What is wrong with the sessions of a server that is [`Former::Apart`] for the reason `why`, and what to do.
pub fn left_apart(grant: &Grant, data: &DataDirectory, why: &str) -> anyhow::Result<(String, String)> {
    let terms = grant.socket.clone().unwrap_or_default();
    let former = terms.former.unwrap_or_default();
    let mut by_hand = grant.clone();
    fill(&mut by_hand.fixed, SOCKET_MARKER, &former)?;
    let by_hand = with_places(&by_hand, data)?;
    let program = by_hand.path.display().to_string();
    let words = [program].into_iter().chain(by_hand.fixed).chain(terms.show);
    let command: Vec<String> = words.map(shell::word).collect();
    Ok((
        format!(
            "sessions of backend `{}` at {former:?} are not shown, {why}",
            grant.backend
        ),
        format!("see them with: {}", command.join(" ")),
    ))
}
