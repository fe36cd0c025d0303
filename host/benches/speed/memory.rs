//! Resident memory of a berth with the three backends that come with it, one of them on a host.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use berth::config::SHIPPED;
use serde_json::json;
use tempfile::TempDir;
use toml::{Table, Value};

use crate::hosts::sshd::Sshd;
use crate::measures::server;
use crate::served::{GUEST, Place, Served};
use crate::table::{Bound, Row};

/// Calls before memory is looked at.
const CALLS: usize = 100;
/// How long nothing is asked before that.
const IDLE: Duration = Duration::from_secs(3);
/// The backend of the shipped example.
const EXAMPLE: &str = "# [backends.remote]";

/// The row.
pub(crate) async fn row() -> anyhow::Result<Row> {
    let home = TempDir::new()?;
    fs::create_dir(home.path().join("projects"))?;
    let sshd = Sshd::at_home(home.path());
    let place = Place::new()?;
    place.change(|config| three_backends(config, &sshd))?;
    // The first start compiles the plugins.
    lists(&place, &place.serve()?, 1).await?;
    let served = place.serve()?;
    lists(&place, &served, CALLS).await?;
    tokio::time::sleep(IDLE).await;
    let resident = resident(served.id())?;
    let own = own(served.id()).map_or(String::new(), |own| format!(", of which {own:.0} MB are berth's own"));
    Ok(Row {
        what: "resident memory with three backends, one of them on a host, idle after 100 calls",
        berth: format!("{resident:.0} MB{own}"),
        p99: String::new(),
        beside: String::new(),
        value: resident,
        shown: format!("{resident:.0} MB"),
        bound: Bound::AtMost(45.0, " MB"),
    })
}

/// Lists the sessions of all backends so many times.
async fn lists(place: &Place, served: &Served, times: usize) -> anyhow::Result<()> {
    let berth = server(place, served)?;
    let mut connection = berth.connect().await?;
    let list = berth.call("list_sessions", json!({}));
    for _ in 0..times {
        let listed = connection.result(&list).await?;
        let errors = listed["structuredContent"]["errors"].as_array();
        ensure!(errors.is_none_or(Vec::is_empty), "not all backends answered: {listed}");
    }
    Ok(())
}

/// The shipped configuration with its example of a backend on hosts, and without the test plugin.
fn three_backends(config: &mut Table, sshd: &Sshd) -> anyhow::Result<()> {
    let from = SHIPPED
        .find(EXAMPLE)
        .context("the shipped configuration has no such example")?;
    let lines = SHIPPED[from..].lines().map(|line| {
        let line = line.strip_prefix('#').unwrap_or(line);
        line.strip_prefix(' ').unwrap_or(line)
    });
    let example: Table = lines.collect::<Vec<_>>().join("\n").parse()?;
    let mut remote = example["backends"]["remote"].clone();
    let backends = config["backends"].as_table_mut().context("there are no backends")?;
    backends.remove(GUEST);
    let keys = remote.as_table_mut().context("the example is not a table")?;
    keys.insert("hosts".into(), Value::Array(vec!["there".into()]));
    backends.insert("remote".into(), remote);
    let path = |name: &str| Value::String(sshd.path(name).display().to_string());
    let host = Table::from_iter([
        ("destination".to_owned(), sshd.destination().into()),
        ("port".to_owned(), i64::from(sshd.port()).into()),
        ("identity_file".to_owned(), path("user_key")),
        ("known_hosts".to_owned(), path("known_hosts")),
    ]);
    config.insert(
        "hosts".into(),
        Table::from_iter([("there".to_owned(), host.into())]).into(),
    );
    Ok(())
}

/// Resident memory of a process in megabytes, as `ps` gives it everywhere (RSS, in KiB).
#[allow(clippy::disallowed_methods, reason = "a benchmark starts what it measures with")]
fn resident(process: u32) -> anyhow::Result<f64> {
    let output = Command::new("ps")
        .args(["-o", "rss=", "-p", &process.to_string()])
        .output()?;
    let kib: f64 = String::from_utf8(output.stdout)?
        .trim()
        .parse()
        .context("ps did not say how much memory berth has")?;
    Ok(kib * 1024.0 / 1e6)
}

/// What of it belongs to no file, in megabytes, where the system tells it: the rest are pages of the program, of libraries and
/// of compiled plugins, which the system shares and can drop.
fn own(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
