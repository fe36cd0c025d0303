//! `--tunnel`: a program that gives this server a public address for as long as it runs.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use anyhow::{Context, bail};
use berth::assemble::SearchPath;
use berth::config::parse_public_url;
use berth::machine::Companion;
use clap::ValueEnum;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::super::{beside, print};

/// How long it may take until a tunnel has its address.
const DEADLINE: Duration = Duration::from_secs(60);
/// When a tunnel without an address may be waiting for its operator, who is then shown what it says.
const PATIENCE: Duration = Duration::from_secs(5);
/// Lines that are kept to be shown.
const LAST_LINES: usize = 12;

/// A program that berth knows how to start, and whose address it can read off what it prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Tunnel {
    /// A quick tunnel of Cloudflare's, with a new address at each start
    Cloudflared,
    /// The address of your ngrok account
    Ngrok,
    /// Tailscale Funnel, by this machine's name in your tailnet
    Tailscale,
}

/// A tunnel that has its address. It ends when this is dropped.
pub(super) struct Open {
    /// The origin that it gave.
    pub(super) url: String,
    tunnel: Tunnel,
    companion: Companion,
    said: Said,
}

impl Tunnel {
    /// Starts the tunnel to `port` on this machine and waits for its address, for at most a minute.
    pub(super) async fn open(self, port: u16, shutdown: &CancellationToken) -> anyhow::Result<Open> {
        let name = self.program();
        let program = SearchPath::of_process()
            .first(name)
            .with_context(|| format!("{name} is not on PATH; {} says how to install it", self.home()))?;
        let program = program
            .to_str()
            .with_context(|| format!("the path of {name}, {}, is not UTF-8", program.display()))?;
        let given = self.arguments(port);
        let arguments: Vec<&str> = [beside::NAME, program]
            .into_iter()
            .chain(given.iter().map(String::as_str))
            .collect();
        // By way of berth itself: a tunnel that outlives its berth would lead to whoever listens here next.
        let berth = std::env::current_exe().context("the path of this program cannot be found")?;
        let companion = Companion::start(&berth, &arguments).with_context(|| format!("{program} cannot be started"))?;
        self.wait(companion, shutdown).await
    }

    async fn wait(self, mut companion: Companion, shutdown: &CancellationToken) -> anyhow::Result<Open> {
        let name = self.program();
        let mut said = Said::default();
        let began = Instant::now();
        let mut shown = false;
        loop {
            tokio::select! {
                line = companion.line() => match line {
                    Some(line) => {
                        if let Some(url) = self.url_in(&line) {
                            return Ok(Open { url, tunnel: self, companion, said });
                        }
                        if shown {
                            tracing::info!("{name}: {}", print::safe(&line));
                        }
                        said.push(line);
                    }
                    None => bail!("{name} ended before it had a public address.{said}"),
                },
                () = sleep_until(began + PATIENCE), if !shown => {
                    tracing::info!("waiting for {name} to have a public address.{said}");
                    shown = true;
                }
                () = sleep_until(began + DEADLINE) => {
                    bail!("{name} had no public address within {} s, so it was ended.{said}", DEADLINE.as_secs());
                }
                () = shutdown.cancelled() => bail!("ended before {name} had a public address"),
            }
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Cloudflared => "cloudflared",
            Self::Ngrok => "ngrok",
            Self::Tailscale => "tailscale",
        }
    }

    fn home(self) -> &'static str {
        match self {
            Self::Cloudflared => "https://developers.cloudflare.com/tunnel/downloads/",
            Self::Ngrok => "https://ngrok.com/download",
            Self::Tailscale => "https://tailscale.com/download",
        }
    }

    fn arguments(self, port: u16) -> Vec<String> {
        let written = match self {
            Self::Cloudflared => format!("tunnel --no-autoupdate --url http://127.0.0.1:{port}"),
            // Its inspector would show every request, so the owner's passphrase too, to whoever asks on this machine.
            Self::Ngrok => format!("http {port} --inspect=false --log stdout --log-format json"),
            Self::Tailscale => format!("funnel {port}"),
        };
        written.split(' ').map(str::to_owned).collect()
    }

    /// The public origin, if this line of the program's tells it.
    fn url_in(self, line: &str) -> Option<String> {
        match self {
            Self::Cloudflared => origin_below(line, ".trycloudflare.com"),
            Self::Ngrok => {
                let entry: Value = serde_json::from_str(line).ok()?;
                let url = entry["url"].as_str().filter(|_| entry["msg"] == "started tunnel")?;
                origin(url)
            }
            Self::Tailscale => origin_below(line, ".ts.net"),
        }
    }
}

impl Open {
    /// The header in which the tunnel names the address of a client.
    pub(super) fn client_address(&self) -> &'static str {
        match self.tunnel {
            Tunnel::Cloudflared => "cf-connecting-ip",
            Tunnel::Ngrok | Tunnel::Tailscale => "x-forwarded-for",
        }
    }

    /// Stays with the tunnel until `served`, then ends it. If it ends before that, it says so: what is on this machine
    /// can still be used.
    pub(super) async fn attend(mut self, served: CancellationToken) {
        let name = self.tunnel.program();
        loop {
            tokio::select! {
                line = self.companion.line() => match line {
                    Some(line) => {
                        tracing::debug!("{name}: {}", print::safe(&line));
                        self.said.push(line);
                    }
                    None => {
                        tracing::error!(
                            "{name} has ended, so berth can no longer be reached at {}; on this machine it keeps running. \
                             Start berth again for a new tunnel.{}",
                            self.url, self.said
                        );
                        break;
                    }
                },
                () = served.cancelled() => break,
            }
        }
        self.companion.end().await;
    }
}

/// The last lines of a program's.
#[derive(Default)]
struct Said(VecDeque<String>);

impl Said {
    fn push(&mut self, line: String) {
        if line.is_empty() {
            return;
        }
        if self.0.len() == LAST_LINES {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(" It printed nothing.");
        }
        f.write_str(" What it printed last:")?;
        self.0
            .iter()
            .try_for_each(|line| write!(f, "\n  {}", print::safe(line)))
    }
}

/// The first address in `line` whose host ends with `domain`, as an origin. The tunnels' makers have addresses of their
/// own, which programs name in errors.
fn origin_below(line: &str, domain: &str) -> Option<String> {
    let words = line.split(|c: char| c.is_whitespace() || matches!(c, '|' | '"' | '(' | ')'));
    words.filter_map(origin).find(|origin| {
        let host = origin
            .trim_start_matches("https://")
            .split(':')
            .next()
            .unwrap_or_default();
        let name = host.strip_suffix(domain);
        name.is_some_and(|name| !name.is_empty() && name != "api")
    })
}

fn origin(written: &str) -> Option<String> {
    parse_public_url(written).ok().filter(|url| url.starts_with("https://"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::path::Path;

    use super::*;

    fn first(tunnel: Tunnel, printed: &str) -> Option<String> {
        printed.lines().find_map(|line| tunnel.url_in(line))
    }

    #[test]
    fn a_quick_tunnels_address_stands_in_a_frame() {
        let printed = "\
2026-07-01T10:00:00Z INF Thank you for trying Cloudflare Tunnel. See https://developers.cloudflare.com/cloudflare-one/
2026-07-01T10:00:00Z INF Requesting new quick Tunnel on trycloudflare.com...
2026-07-01T10:00:03Z INF +--------------------------------------------------------+
2026-07-01T10:00:03Z INF |  Your quick Tunnel has been created! Visit it at:      |
2026-07-01T10:00:03Z INF |  https://four-words-in-row.trycloudflare.com           |";
        let url = first(Tunnel::Cloudflared, printed);
        assert_eq!(url.as_deref(), Some("https://four-words-in-row.trycloudflare.com"));
    }

    #[test]
    fn an_address_in_an_error_is_not_the_tunnels() {
        for (tunnel, line) in [
            (
                Tunnel::Cloudflared,
                "failed to request quick Tunnel: Post \"https://api.trycloudflare.com/tunnel\": dial tcp: no such host",
            ),
            (Tunnel::Cloudflared, "ERR failed: \"https://api.trycloudflare.com\""),
            (Tunnel::Cloudflared, "see https://evil-trycloudflare.com"),
            (Tunnel::Cloudflared, "see https://a.trycloudflare.com.example.org"),
            (
                Tunnel::Tailscale,
                "         https://login.tailscale.com/f/funnel?node=n1",
            ),
            (Tunnel::Tailscale, "|-- proxy http://127.0.0.1:8787"),
            (Tunnel::Ngrok, r#"{"msg":"update available","url":"https://ngrok.com"}"#),
            (Tunnel::Ngrok, r#"{"msg":"started tunnel","url":"http://a.ngrok.app"}"#),
            (Tunnel::Ngrok, "https://a.ngrok.app"),
        ] {
            assert_eq!(tunnel.url_in(line), None, "{line}");
        }
    }

    #[test]
    fn ngrok_tells_its_address_in_one_entry_of_its_log() {
        let printed = r#"
{"lvl":"info","msg":"no configuration paths supplied","t":"2026-07-01T10:00:00Z"}
{"addr":"127.0.0.1:4040","lvl":"info","msg":"starting web service","obj":"web","t":"2026-07-01T10:00:00Z"}
{"addr":"http://localhost:8787","lvl":"info","msg":"started tunnel","name":"command_line","obj":"tunnels","t":"2026-07-01T10:00:01Z","url":"https://ab12.ngrok-free.app"}"#;
        let url = first(Tunnel::Ngrok, printed);
        assert_eq!(url.as_deref(), Some("https://ab12.ngrok-free.app"));
    }

    #[test]
    fn a_funnels_address_may_have_a_port() {
        let printed = "Available on the internet:\n\nhttps://desk.tail1234.ts.net/\n|-- proxy http://127.0.0.1:8787\n";
        let url = first(Tunnel::Tailscale, printed);
        assert_eq!(url.as_deref(), Some("https://desk.tail1234.ts.net"));
        let url = first(Tunnel::Tailscale, "https://desk.tail1234.ts.net:8443/ (Funnel on)");
        assert_eq!(url.as_deref(), Some("https://desk.tail1234.ts.net:8443"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_tunnel_that_never_tells_an_address_is_given_up() {
        let companion = Companion::start(Path::new("/bin/sh"), &["-c", "exec sleep 600"]).unwrap();
        let began = Instant::now();
        let waited = Tunnel::Ngrok.wait(companion, &CancellationToken::new()).await;
        let error = waited.err().unwrap().to_string();
        assert_eq!(
            error,
            "ngrok had no public address within 60 s, so it was ended. It printed nothing."
        );
        assert!(began.elapsed() >= DEADLINE);
    }

    #[test]
    fn only_the_last_lines_are_shown_and_cannot_steer_the_terminal() {
        let mut said = Said::default();
        assert_eq!(said.to_string(), " It printed nothing.");
        (0..20).for_each(|line| said.push(format!("line {line}\x1b[2J")));
        let shown = said.to_string();
        assert!(
            shown.ends_with("\n  line 19") && !shown.contains("line 7\n") && shown.contains("line 8\n"),
            "{shown}"
        );
    }
}
