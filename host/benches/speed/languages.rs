//! The same small backend in each language that plugins are written in, and what a start and a reload take.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::json;

use crate::measures::{Times, milliseconds, server};
use crate::served::{GUEST, Place};
use crate::table::{Bound, Row};

/// Calls of each, one after the other.
const CALLS: usize = 200;
/// How often berth starts without anything compiled, and reloads.
const STARTS: usize = 5;
const RELOADS: usize = 10;

/// A call through HTTP into a plugin of each language, one at a time.
pub(crate) async fn each() -> anyhow::Result<[Row; 3]> {
    let place = Place::with(&plugins()?)?;
    // The first start compiles them.
    drop(place.serve()?);
    let served = place.serve()?;
    let berth = server(&place, &served)?;
    let mut rows = Vec::new();
    for (language, what) in [
        (GUEST, "`list_sessions` of a plugin in Rust, one call at a time"),
        ("javascript", "the same in JavaScript"),
        ("python", "the same in Python"),
    ] {
        let mut connection = berth.connect().await?;
        let request = berth.call("list_sessions", json!({"backend": language}));
        let first = connection.result(&request).await?;
        let is_whole = first["structuredContent"]["errors"] == json!([]);
        ensure!(is_whole, "the plugin in {language} answered {first}");
        let mut times = Times::default();
        for _ in 0..CALLS {
            let began = Instant::now();
            connection.result(&request).await?;
            times.add(milliseconds(began));
        }
        rows.push(row(what, &times, Bound::None, 2)?);
    }
    rows.try_into().ok().context("there is a row for each language")
}

/// From the start of the process to the first answer of `/health`, with no plugin compiled yet.
pub(crate) async fn cold_start(place: &Place) -> anyhow::Result<Row> {
    let mut times = Times::default();
    for _ in 0..STARTS {
        place.forget_what_is_compiled()?;
        let began = Instant::now();
        let served = place.serve()?;
        server(place, &served)?.connect().await?.health().await?;
        times.add(milliseconds(began));
    }
    row(
        "start to the first answer of `/health`, nothing compiled",
        &times,
        Bound::AtMost(300.0, " ms"),
        0,
    )
}

/// `berth reload`, the command as a whole, of a configuration that did not change.
pub(crate) async fn reload(place: &Place) -> anyhow::Result<Row> {
    let served = place.serve()?;
    // Its backends are up once it has answered a call of each.
    let berth = server(place, &served)?;
    berth
        .connect()
        .await?
        .result(&berth.call("list_projects", json!({})))
        .await?;
    let mut times = Times::default();
    for _ in 0..RELOADS {
        let began = Instant::now();
        place.printed(&["reload"])?;
        times.add(milliseconds(began));
    }
    row("`berth reload` of all backends", &times, Bound::None, 0)
}

fn row(what: &'static str, times: &Times, bound: Bound, digits: usize) -> anyhow::Result<Row> {
    let time = times.median()?;
    let shown = format!("{time:.digits$} ms");
    Ok(Row {
        what,
        berth: shown.clone(),
        p99: format!("{:.digits$} ms", times.p99()?),
        beside: String::new(),
        value: time,
        shown,
        bound,
    })
}

/// The components in other languages that are kept or built for the newest frozen contract, each with the name of its
/// backend.
fn plugins() -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let released = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/released");
    let folders = released.read_dir()?.filter_map(|entry| Some(entry.ok()?.path()));
    let newest = folders
        .filter(|path| path.is_dir())
        .max()
        .context("nothing is frozen")?;
    let name = newest.file_name().context("a frozen contract has no name")?;
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../frozen").join(name);
    let plugins = vec![
        ("javascript", newest.join("javascript.wasm")),
        ("python", built.join("python.wasm")),
    ];
    for (_, file) in &plugins {
        ensure!(
            file.is_file(),
            "{} is missing: `make languages` builds it",
            file.display()
        );
    }
    Ok(plugins)
}
