//! Single values as the operator writes them: durations, sizes, counts, names, digests.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;
use url::{Host, Url};

use super::ConfigError;
use super::source::At;

/// A duration such as `"10s"`, or `default` if none is written.
pub(super) fn duration(
    at: &At,
    written: Option<&str>,
    default: Duration,
    allowed: RangeInclusive<Duration>,
) -> Result<Duration, ConfigError> {
    let Some(written) = written else {
        return Ok(default);
    };
    let duration = humantime::parse_duration(written).map_err(|_| {
        at.error(format!(
            "{written:?} is not a duration: write it like \"10s\" or \"2m\""
        ))
    })?;
    let show = |duration: &Duration| humantime::format_duration(*duration);
    within(
        at,
        written,
        duration,
        &allowed,
        show(allowed.start()),
        show(allowed.end()),
    )
}

/// A size such as `"4 MiB"` in bytes, or `default` if none is written.
pub(super) fn size(
    at: &At,
    written: Option<&str>,
    default: u64,
    allowed: RangeInclusive<u64>,
) -> Result<u64, ConfigError> {
    let Some(written) = written else {
        return Ok(default);
    };
    let size: ByteSize = written.parse().map_err(|_| {
        at.error(format!(
            "{written:?} is not a size: write it like \"64 KiB\" or \"4 MiB\""
        ))
    })?;
    let show = |bytes: &u64| ByteSize::b(*bytes).display().iec();
    within(
        at,
        written,
        size.as_u64(),
        &allowed,
        show(allowed.start()),
        show(allowed.end()),
    )
}

/// A count, or `default` if none is written.
pub(super) fn count(
    at: &At,
    written: Option<u64>,
    default: usize,
    allowed: RangeInclusive<usize>,
) -> Result<usize, ConfigError> {
    let Some(written) = written else {
        return Ok(default);
    };
    let count = usize::try_from(written).unwrap_or(usize::MAX);
    within(
        at,
        &written.to_string(),
        count,
        &allowed,
        *allowed.start(),
        *allowed.end(),
    )
}

/// The name of a backend, an agent or a program.
pub(super) fn name(at: &At, name: &str) -> Result<(), ConfigError> {
    if is_name(name) {
        return Ok(());
    }
    Err(at.error(format!(
        "{name:?} is not a name: use at most 32 of a-z, 0-9, _ and -, with a letter or digit first"
    )))
}

/// Whether `name` can be the name of what the operator configures: at most 32 of a-z, 0-9, _ and -, with a letter or
/// digit first.
pub fn is_name(name: &str) -> bool {
    let first = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let rest = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-');
    first && rest && name.len() <= 32
}

/// What is wrong with the host or port of `url`, as words after it: it must be possible to reach somebody there.
pub(super) fn host_fault(url: &Url) -> Option<&'static str> {
    let nobody = |ip: IpAddr| ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    match url.host() {
        _ if url.port() == Some(0) => Some("has port 0, on which nothing listens"),
        Some(Host::Domain(name)) if !is_host_name(name) => Some("has a host that no DNS name can be"),
        Some(Host::Ipv4(ip)) if nobody(ip.into()) => Some("has an address that no machine has"),
        Some(Host::Ipv6(ip)) if nobody(ip.into()) => Some("has an address that no machine has"),
        Some(_) => None,
        None => Some("has no host"),
    }
}

/// Whether `name` can be the name of a host, in small letters (RFC 1123, 2.1).
pub(super) fn is_host_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(plain) && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Whether `url` names this machine, in one of the ways that browsers and apps do.
pub(super) fn is_loopback(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// The names of tools.
pub(super) fn tool_name(at: &At, name: &str) -> Result<(), ConfigError> {
    let fits = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if fits && (1..=64).contains(&name.len()) {
        return Ok(());
    }
    Err(at.error(format!(
        "{name:?} is not a tool's name: use at most 64 of A-Z, a-z, 0-9, _ and -"
    )))
}

/// A SHA-256 in 64 hexadecimal digits.
pub(super) fn sha256(at: &At, written: &str) -> Result<[u8; 32], ConfigError> {
    let mut digest = [0; 32];
    hex::decode_to_slice(written, &mut digest)
        .map_err(|_| at.error("this is not a SHA-256: write 64 hexadecimal digits, as `sha256sum FILE` prints them"))?;
    Ok(digest)
}

/// Whether `name` can be the name of an environment variable.
pub(crate) fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn within<T: PartialOrd>(
    at: &At,
    written: &str,
    value: T,
    allowed: &RangeInclusive<T>,
    least: impl Display,
    most: impl Display,
) -> Result<T, ConfigError> {
    if allowed.contains(&value) {
        return Ok(value);
    }
    Err(at.error(format!("{written} is out of bounds: choose from {least} to {most}")))
}
