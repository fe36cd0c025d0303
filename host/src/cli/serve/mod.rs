//! `berth serve`: the HTTP server, and what to do with it.

mod files;
mod greet;
mod qr;
mod tunnel;

use std::io::{IsTerminal, stderr, stdin, stdout};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use berth::assemble::Setup;
use berth::config::{listen_fault, parse_public_url};
use berth::desk::Condition;
use berth::http::{self, Certificate, Door, Names, OAuth, Offered, Proxies, Tools};
use berth::mcp;
use berth::owner::{By, Claim, Owner, Pages, Reloads};
use berth::peer;
use berth::store;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::tunnel::{Open, Tunnel};
use super::{access, ending, ending_with_terminal, login, print};

/// The shortest time between two reloads by a signal.
const BETWEEN_HANGUPS: Duration = Duration::from_secs(2);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The address to listen on, such as 127.0.0.1:8788; it replaces `listen` in the configuration
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The https address by which this server is reached from elsewhere, such as https://berth.example.org; it replaces
    /// `public_url` in the configuration
    #[arg(long, value_name = "URL", value_parser = public_url, conflicts_with = "tunnel")]
    public_url: Option<String>,
    /// Start a tunnel to this server, and be reached by the address that it gives
    #[arg(long, value_name = "PROGRAM")]
    tunnel: Option<Tunnel>,
}

fn public_url(written: &str) -> Result<String, String> {
    parse_public_url(written).map_err(|fault| format!("it {fault}: write it like https://berth.example.org"))
}

pub(crate) async fn run(mut setup: Setup, options: Options) -> anyhow::Result<ExitCode> {
    // This comes first: if another berth has the data directory, nothing of this one is visible from outside.
    let claim = Claim::take_over(&setup, "serve").await?;
    // A reload compares with the configuration, not with what the command line puts over it.
    let written = setup.clone();
    setup.server.listen = options.listen.unwrap_or(setup.server.listen);
    prepare(&setup, &options)?;
    files::allow_many();
    let (shutdown, hangups) = signals()?;
    let tls = setup.server.tls.as_ref();
    let certificate = tls.map(Certificate::open).transpose()?.map(Arc::new);
    let wanted = setup.server.listen;
    let listener = TcpListener::bind(wanted).await.with_context(|| {
        format!("{wanted} cannot be used to listen; end the program that uses it, or set another address, by `listen` in [server] or --listen")
    })?;
    let address = listener.local_addr()?;
    let tunnel = match options.tunnel {
        Some(tunnel) => Some(tunnel.open(address.port(), &shutdown).await?),
        None => None,
    };
    make_public(&mut setup, options.public_url, tunnel.as_ref());

    let base = local_base(address, certificate.is_some());
    let reached_by = setup.server.public_url.clone().unwrap_or(base.clone());
    let pages = pages(&setup, address, &base);
    let local = match &pages {
        Some(Pages::Here(base)) => Some(base.clone()),
        _ => None,
    };
    let owner = Owner::start(&written, claim, reached_by, local, &shutdown).await?;
    owner.recorder.log_calls_and_heads();
    owner.serve_socket(false, pages)?;
    if let Some(hangups) = hangups {
        tokio::spawn(reload_on(hangups, owner.reloads.clone()));
    }
    let served = CancellationToken::new();
    let attended = tunnel.map(|tunnel| tokio::spawn(tunnel.attend(served.clone())));
    // It answers while it greets: backends may still be coming up.
    let answering = answer(&setup, &owner, listener, certificate, shutdown);
    let (ended, ()) = tokio::join!(answering, greet::greet(&setup, &owner, &base));
    served.cancel();
    if let Some(attended) = attended {
        attended.await?;
    }
    owner.end().await;
    ended?;
    Ok(ExitCode::SUCCESS)
}

/// What ends this server and, without a terminal, what makes it reload: with one, SIGHUP says that it has closed.
fn signals() -> anyhow::Result<(CancellationToken, Option<Signal>)> {
    let has_terminal = stdin().is_terminal() || stdout().is_terminal() || stderr().is_terminal();
    match has_terminal {
        true => Ok((ending_with_terminal()?, None)),
        false => Ok((ending()?, Some(signal(SignalKind::hangup())?))),
    }
}

async fn reload_on(mut hangups: Signal, reloads: Arc<Reloads>) {
    while hangups.recv().await.is_some() {
        // What came of it is in the log.
        let _ = reloads.reload(By::Signal).await;
        // Any process of this user can send them; those of this time count as one.
        tokio::time::sleep(BETWEEN_HANGUPS).await;
    }
}

/// Answers requests until `shutdown`.
async fn answer(
    setup: &Setup,
    owner: &Owner,
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let settings = &setup.server;
    let names = Names::new(
        listener.local_addr()?.port(),
        certificate.is_some(),
        settings.public_url.as_deref(),
    );
    let max_body = usize::try_from(settings.max_body)?;
    let access = Arc::new(owner.data.access()?);
    match access.examine() {
        // Triggers and views do nothing on a connection of berth's.
        Err(altered @ store::Error::Altered(_)) => tracing::error!("{altered}"),
        examined => examined?,
    }
    let desk = owner.desk.clone();
    let backends = move || {
        let generation = desk.present();
        let offered = |(name, condition): (&str, Condition)| Offered {
            name: name.to_owned(),
            meaning: generation.meaning(name).unwrap_or_default().to_owned(),
            about: about(condition),
        };
        generation.conditions().map(offered).collect()
    };
    let oauth = OAuth::new(
        access.clone(),
        owner.word.clone(),
        owner.recorder.clone(),
        Arc::new(setup.oauth.clone()),
        backends,
        owner.admission.clone(),
        owner.under_way.clone(),
    );
    let door = Door {
        token: owner.data.local_token()?,
        open_on_loopback: settings.open_on_loopback,
        sessions_may_control: settings.sessions_may_control,
        names: names.clone(),
        jobs: owner.jobs.clone(),
        access,
        oauth,
        tools: Tools::new(owner.calls()),
        proxies: Proxies {
            trusted: settings.trusted_proxies.clone(),
            users: setup.proxy_users.clone(),
            header: settings.client_address.parse()?,
        },
        admission: owner.admission.clone(),
        max_body,
        certificate,
    };
    let service = mcp::http_service(owner.server(), max_body, names.hosts(), names.origins());
    http::run(listener, service, door, shutdown).await
}

/// A backend as the owner is asked about it.
fn about(condition: Condition) -> String {
    match condition {
        Condition::Up(member) => print::safe(&member.watched.backend.description.about),
        Condition::ComingUp => "it is coming up".to_owned(),
        Condition::Down { .. } => "it is down".to_owned(),
    }
}

/// What must hold before anyone can reach this server from elsewhere.
fn prepare(setup: &Setup, options: &Options) -> anyhow::Result<()> {
    let server = &setup.server;
    let public_url = options.public_url.as_deref().or(server.public_url.as_deref());
    if let Some(fault) = listen_fault(server.listen, public_url) {
        bail!("{fault}");
    }
    let by_option = options.public_url.is_some() || options.tunnel.is_some();
    ensure!(
        !(by_option && server.open_on_loopback),
        "a tunnel or proxy to this machine can look like a caller on it: set open_on_loopback in [server] to false"
    );
    if options.tunnel.is_some() {
        ensure!(
            server.tls.is_none(),
            "a tunnel speaks TLS itself and takes plain HTTP on this machine: remove [server.tls]"
        );
        let reaches = server.listen.ip() == Ipv4Addr::LOCALHOST || server.listen.ip().is_unspecified();
        ensure!(reaches, "a tunnel leads to 127.0.0.1: listen on that in [server]");
    }
    if by_option || server.public_url.is_some() {
        ensure_passphrase(setup)?;
    }
    Ok(())
}

/// An app from elsewhere gets in with the owner's passphrase only. So the first start asks for one.
fn ensure_passphrase(setup: &Setup) -> anyhow::Result<()> {
    let access = access::open(setup)?;
    if access.passphrase()?.is_some() {
        return Ok(());
    }
    peer::ensure_outside_sessions(setup.server.sessions_may_control)?;
    if !stdin().is_terminal() {
        bail!("apps that come from elsewhere are approved with a passphrase, and none is set: run berth login set");
    }
    print::line("berth can now be reached from elsewhere. Choose the passphrase with which you approve apps.");
    login::set(setup, &access)
}

/// Notes by what address this run is reached from elsewhere, and who is believed about a client's address.
fn make_public(setup: &mut Setup, by_option: Option<String>, tunnel: Option<&Open>) {
    let server = &mut setup.server;
    if let Some(tunnel) = tunnel {
        server.public_url = Some(tunnel.url.clone());
        server.trusted_proxies = vec![Ipv4Addr::LOCALHOST.into()];
        server.client_address = tunnel.client_address().to_owned();
    } else if by_option.is_some() {
        server.public_url = by_option;
    }
}

/// How a browser of the operator's reaches the pages. A word counts on this machine's own names alone, which a certificate is
/// not for.
fn pages(setup: &Setup, listening: SocketAddr, base: &str) -> Option<Pages> {
    let ip = listening.ip();
    match setup.server.tls.is_none() && (ip.is_loopback() || ip.is_unspecified()) {
        true => Some(Pages::Here(base.to_owned())),
        false => setup.server.public_url.clone().map(Pages::Elsewhere),
    }
}

/// By what origin a client on this machine calls.
fn local_base(listening: SocketAddr, tls: bool) -> String {
    let ip = match listening.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{}", SocketAddr::new(ip, listening.port()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn a_listener_for_all_is_called_on_loopback() {
        for (listening, tls, base) in [
            ("127.0.0.1:7777", false, "http://127.0.0.1:7777"),
            ("0.0.0.0:7777", true, "https://127.0.0.1:7777"),
            ("[::]:7777", false, "http://[::1]:7777"),
            ("192.0.2.1:7777", true, "https://192.0.2.1:7777"),
        ] {
            assert_eq!(local_base(listening.parse().unwrap(), tls), base);
        }
    }
}
