//! How fast berth is: `make bench` prints the table of docs/performance.md.
//!
//! What is compared is measured in turns within one run, so that a busy or slow machine changes both sides. Rows
//! without a counterpart have a bound in their own unit. The exit status says whether every bound was kept.

#[path = "speed/bare.rs"]
mod bare;
#[path = "speed/client.rs"]
mod client;
#[path = "speed/conversations.rs"]
mod conversations;
#[path = "speed/hosts.rs"]
mod hosts;
#[path = "speed/jobs.rs"]
mod jobs;
#[path = "speed/languages.rs"]
mod languages;
#[path = "speed/latency.rs"]
mod latency;
#[path = "speed/measures.rs"]
mod measures;
#[path = "speed/memory.rs"]
mod memory;
#[path = "speed/served.rs"]
mod served;
#[path = "speed/sessions.rs"]
mod sessions;
#[path = "speed/table.rs"]
mod table;

use std::process::ExitCode;

use table::{Row, print};

fn main() -> anyhow::Result<ExitCode> {
    if std::env::args().nth(1).as_deref() == Some(bare::ARGUMENT) {
        bare::serve()?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Some rows can be tried alone.
    let alone = ["memory", "jobs", "conversations", "hosts"];
    let rows = match std::env::args()
        .find(|argument| alone.contains(&&**argument))
        .as_deref()
    {
        Some("memory") => vec![runtime.block_on(memory::row())?],
        Some("jobs") => runtime.block_on(jobs::each())?,
        Some("hosts") => runtime.block_on(hosts::each())?,
        Some(_) => runtime.block_on(conversations::each())?,
        None => runtime.block_on(measure())?,
    };
    print(&rows)?;
    Ok(if rows.iter().all(Row::holds) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn measure() -> anyhow::Result<Vec<Row>> {
    let place = served::Place::new()?;
    // The first start compiles the plugins; every row is of one that finds them compiled.
    drop(place.serve()?);
    let [reading, acting] = measures::calls(&place).await?;
    let [rust, javascript, python] = languages::each().await?;
    let mut rows = vec![
        reading,
        acting,
        measures::bearer(&place).await?,
        measures::record(&place).await?,
        measures::listing(&place).await?,
        measures::start(&place).await?,
        memory::row().await?,
        measures::plugin_call(&place).await?,
        rust,
        javascript,
        python,
        latency::sending(&place).await?,
        latency::seeing(&place).await?,
        latency::creating(&place).await?,
        latency::crowded(&place).await?,
        languages::reload(&place).await?,
        // It leaves nothing compiled for whatever is measured after it.
        languages::cold_start(&place).await?,
    ];
    rows.extend(jobs::each().await?);
    rows.extend(conversations::each().await?);
    rows.extend(hosts::each().await?);
    Ok(rows)
}
