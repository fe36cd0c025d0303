//! The listener's certificate and key: whether they can be used together, and for how long.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use berth::config::Tls;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

const DAY: i64 = 24 * 60 * 60;

/// The whole days until the certificate expires; less than none if it has.
///
/// # Errors
/// If a file cannot be read, the key is not its owner's alone, or the two do not belong together.
pub(super) fn days_left(tls: &Tls) -> anyhow::Result<i64> {
    private(&tls.key)?;
    let (cert, key) = (tls.cert.display(), tls.key.display());
    let chain = CertificateDer::pem_file_iter(&tls.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("{cert} cannot be read as PEM; correct `cert` in [server.tls]"))?;
    let first = chain
        .first()
        .with_context(|| format!("{cert} holds no certificate; correct `cert` in [server.tls]"))?;
    let expiry = expiry(first).with_context(|| format!("{cert} holds a certificate without a readable date"))?;
    let loaded = PrivateKeyDer::from_pem_file(&tls.key)
        .with_context(|| format!("{key} cannot be read as a key in PEM; correct `key` in [server.tls]"))?;
    CertifiedKey::from_der(chain, loaded, &ring::default_provider())
        .with_context(|| format!("{key} is not the key of {cert}; name the pair that belongs together"))?;
    Ok(match expiry.duration_since(SystemTime::now()) {
        Ok(left) => days(left),
        Err(past) => -days(past.duration()) - 1,
    })
}

fn private(key: &Path) -> anyhow::Result<()> {
    let shown = key.display();
    let found = fs::metadata(key).with_context(|| format!("{shown}; correct `key` in [server.tls]"))?;
    let mode = found.permissions().mode() & 0o7777;
    ensure!(
        mode & 0o077 == 0,
        "{shown} has mode {mode:04o}, so other users may read the key; run: chmod 600 '{shown}'"
    );
    Ok(())
}

fn days(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX) / DAY
}

/// When a certificate ends: the second time of its `validity` (RFC 5280, section 4.1).
fn expiry(certificate: &[u8]) -> Option<SystemTime> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (SEQUENCE, whole, _) = element(certificate)? else {
        return None;
    };
    let (SEQUENCE, mut rest, _) = element(whole)? else {
        return None;
    };
    if let (VERSION, _, after) = element(rest)? {
        rest = after;
    }
    // The serial number, the algorithm and the issuer stand before it.
    for _ in 0..3 {
        (_, _, rest) = element(rest)?;
    }
    let (SEQUENCE, validity, _) = element(rest)? else {
        return None;
    };
    let (_, _, second) = element(validity)?;
    let (kind, digits, _) = element(second)?;
    time(kind, std::str::from_utf8(digits).ok()?)
}

/// The first element of DER: its tag, its contents, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        ..0x80 => (usize::from(first), rest),
        _ => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes.iter().try_fold(0usize, |length, byte| {
                length.checked_mul(256)?.checked_add(usize::from(*byte))
            })?;
            (length, rest)
        }
    };
    let (contents, after) = rest.split_at_checked(length)?;
    Some((tag, contents, after))
}

/// `UTCTime` has two digits for the year, `GeneralizedTime` four; both end in seconds and `Z` (section 4.1.2.5).
fn time(kind: u8, digits: &str) -> Option<SystemTime> {
    const UTC: u8 = 0x17;
    let digits = match kind {
        UTC if digits.get(..2)? < "50" => format!("20{digits}"),
        UTC => format!("19{digits}"),
        _ => digits.to_owned(),
    };
    let part = |from: usize, to: usize| digits.get(from..to);
    let written = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    );
    humantime::parse_rfc3339(&written).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn certificate(year: i32) -> Vec<u8> {
        let mut parameters = rcgen::CertificateParams::new(["berth.test".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 3, 4);
        let key = rcgen::KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn both_ways_to_write_the_end_are_read() {
        for year in [1999, 2030, 2049, 2050, 2999] {
            let end = humantime::parse_rfc3339(&format!("{year}-03-04T00:00:00Z")).unwrap();
            assert_eq!(expiry(&certificate(year)), Some(end), "{year}");
        }
    }

    #[test]
    fn what_is_cut_or_no_certificate_has_no_end() {
        let whole = certificate(2030);
        for length in 0..whole.len() {
            assert_eq!(expiry(&whole[..length]), None, "{length}");
        }
        assert_eq!(expiry(&[0x30, 0x80, 0x30, 0x00]), None);
        assert_eq!(expiry(&[0xff; 40]), None);
    }
}
