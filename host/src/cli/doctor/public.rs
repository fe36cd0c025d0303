//! The public address: whether it can be reached, and whether it is this berth that answers there.

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::header::DATE;
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use super::clock;
use super::finding::Finding;

const ABOUT: &str = "public address";
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// The longest body that is read, in bytes.
const LONGEST: usize = 64 << 10;
const FIX: &str = "let the tunnel or proxy lead to `listen`, or correct public_url in [server]";
/// Where an app learns of the resource, and of the authorization server.
const RESOURCE: &str = "/.well-known/oauth-protected-resource/mcp";
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";

/// Asks at `base`, the configured origin. If no berth runs here, silence is expected.
pub(super) async fn examine(base: &str, runs: bool) -> Vec<Finding> {
    let client = reqwest::Client::builder()
        .timeout(ANSWERS_WITHIN)
        .redirect(Policy::none())
        .build();
    let client = match client {
        Ok(client) => client,
        Err(error) => return vec![Finding::fail(ABOUT, error.to_string(), FIX), clock::plausible()],
    };
    let answer = match client.get(format!("{base}/health")).send().await {
        Ok(answer) => answer,
        Err(error) => return vec![silence(base, &error, runs), clock::plausible()],
    };
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
    let clock = date.map_or_else(clock::plausible, clock::against);
    let reached = match is_berth(answer).await {
        Ok(version) => match agrees(&client, base).await {
            Ok(()) => Finding::ok(ABOUT, format!("berth {version} answers at {base}, by that name")),
            Err(error) => Finding::fail(ABOUT, format!("{error:#}"), FIX),
        },
        Err(error) => Finding::fail(
            ABOUT,
            format!("what answers at {base} is not this berth: {error:#}"),
            FIX,
        ),
    };
    vec![reached, clock]
}

fn silence(base: &str, error: &reqwest::Error, runs: bool) -> Finding {
    let what = format!("{base} does not answer ({})", cause(error));
    match runs {
        true => Finding::fail(ABOUT, what, FIX),
        false => Finding::warn(ABOUT, what, "no berth runs here; start it, then ask again: berth serve"),
    }
}

/// The innermost reason, which is the one that tells something.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The version of what answers, which must be ours.
async fn is_berth(answer: reqwest::Response) -> anyhow::Result<String> {
    let status = answer.status();
    ensure!(status.is_success(), "/health answers {status}");
    let health = json_of(answer).await.context("/health is not JSON")?;
    let version = health["version"].as_str().context("/health names no version")?;
    let ours = env!("CARGO_PKG_VERSION");
    ensure!(version == ours, "it is berth {version}, and this is berth {ours}");
    Ok(version.to_owned())
}

/// Apps compare these byte for byte.
async fn agrees(client: &reqwest::Client, base: &str) -> anyhow::Result<()> {
    let resource = metadata(client, base, RESOURCE).await?;
    let server = metadata(client, base, AUTHORIZATION_SERVER).await?;
    let expected = [
        (
            RESOURCE,
            "resource",
            &resource["resource"],
            json!(format!("{base}/mcp")),
        ),
        (
            RESOURCE,
            "authorization_servers",
            &resource["authorization_servers"],
            json!([base]),
        ),
        (AUTHORIZATION_SERVER, "issuer", &server["issuer"], json!(base)),
    ];
    for (path, key, found, wanted) in expected {
        ensure!(
            *found == wanted,
            "{base}{path} says {key} = {found}, and apps need {wanted}"
        );
    }
    Ok(())
}

async fn metadata(client: &reqwest::Client, base: &str, path: &str) -> anyhow::Result<Value> {
    let asked = client.get(format!("{base}{path}")).send().await;
    let answer = asked.and_then(reqwest::Response::error_for_status);
    let answer = answer.with_context(|| format!("{base}{path} cannot be fetched"))?;
    json_of(answer)
        .await
        .with_context(|| format!("{base}{path} is not JSON"))
}

/// The body of an answer from an unknown server, which may send without end.
///
/// # Errors
/// If it is not JSON, breaks off, or is longer than 64 KiB.
pub(super) async fn json_of(mut answer: reqwest::Response) -> anyhow::Result<Value> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        ensure!(body.len() + chunk.len() <= LONGEST, "it is longer than 64 KiB");
        body.extend_from_slice(&chunk);
    }
    Ok(serde_json::from_slice(&body)?)
}
