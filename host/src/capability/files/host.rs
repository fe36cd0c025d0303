//! The contract's side: what a guest may ask of files, and how much of it.

use std::sync::atomic::AtomicUsize;

use crate::capability::Call;
use crate::contract::files::{Entry, Host, Listing, Slice};
use crate::contract::types::Error;

/// Directories of one `entries`.
const LISTINGS: usize = 64;
/// Names that `having` may hold.
const HAVING: usize = 16;
/// Slices of one `read`.
const SLICES: usize = 1_024;
/// Bytes of one `read` in total.
const READ_BYTES: u64 = 4 << 20;

impl Host for Call {
    async fn roots(&mut self) -> wasmtime::Result<Vec<String>> {
        let site = self.powers.site();
        Ok(site.map(|site| site.directories.paths()).unwrap_or_default())
    }

    async fn entries(&mut self, listings: Vec<Listing>) -> wasmtime::Result<Vec<Result<Vec<Entry>, Error>>> {
        let site = bounded_listings(&listings).and_then(|()| self.powers.site());
        match site {
            Ok(site) => {
                let listed = AtomicUsize::new(0);
                Ok(site.listed(listings, &listed, self.allowance.deadline).await)
            }
            Err(refusal) => Ok(listings.iter().map(|_| Err(refusal.clone())).collect()),
        }
    }

    async fn read(&mut self, slices: Vec<Slice>) -> wasmtime::Result<Vec<Result<Vec<u8>, Error>>> {
        let site = bounded_slices(&slices).and_then(|()| self.powers.site());
        match site {
            Ok(site) => Ok(site.contents(slices, self.allowance.deadline).await),
            Err(refusal) => Ok(slices.iter().map(|_| Err(refusal.clone())).collect()),
        }
    }
}

/// Whether so many directories may be listed at once, and so many names be asked for in each.
pub(in crate::capability) fn bounded_listings<'l>(
    listings: impl IntoIterator<Item = &'l Listing>,
) -> Result<(), Error> {
    let mut count = 0;
    for listing in listings {
        count += 1;
        if listing.having.len() > HAVING {
            return Err(Error::Invalid(format!(
                "`having` takes {HAVING} names, not {}",
                listing.having.len()
            )));
        }
    }
    match count > LISTINGS {
        true => Err(Error::Invalid(format!(
            "at most {LISTINGS} directories are listed at once, not {count}"
        ))),
        false => Ok(()),
    }
}

/// Whether so much may be read at once.
pub(in crate::capability) fn bounded_slices<'s>(slices: impl IntoIterator<Item = &'s Slice>) -> Result<(), Error> {
    let (mut count, mut wanted) = (0, 0);
    for slice in slices {
        count += 1;
        wanted += u64::from(slice.max);
    }
    match count > SLICES || wanted > READ_BYTES {
        true => Err(Error::Invalid(format!(
            "one read takes {SLICES} slices and {READ_BYTES} bytes in all"
        ))),
        false => Ok(()),
    }
}
