//! Pages of code that a start has used and what follows does not: the system maps them by large pieces around what runs, and
//! keeps them mapped.

/// Unmaps the pages of berth's own code. The system maps what runs again, from its cache of files. Only Linux can do it in
/// this way, and where it cannot, nothing happens.
pub(crate) fn unmap_code() {
    #[cfg(target_os = "linux")]
    linux::unmap_code();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::c_void;
    use std::ptr;

    use procfs::process::{MMPermissions, MMapPath, MemoryMap, Process};
    use rustix::mm::{Advice, madvise};

    pub(super) fn unmap_code() {
        match own_code() {
            Ok(maps) => maps.iter().for_each(unmap),
            Err(error) => tracing::debug!("which pages of code are mapped cannot be told: {error}"),
        }
    }

    /// The code of the program that runs, which is mapped for as long as it does. What of plugins is mapped is left alone: it
    /// may go away meanwhile, and its place be given to something else.
    fn own_code() -> procfs::ProcResult<Vec<MemoryMap>> {
        let this = Process::myself()?;
        let program = MMapPath::Path(this.exe()?);
        let maps = this.smaps()?.into_iter();
        Ok(maps
            .filter(|map| map.pathname == program && is_as_in_its_file(map))
            .collect())
    }

    /// Whether nobody can write to it by this mapping, and nobody has: a page that was changed here counts as anonymous, or
    /// is in swap.
    fn is_as_in_its_file(map: &MemoryMap) -> bool {
        let code = MMPermissions::READ | MMPermissions::EXECUTE | MMPermissions::PRIVATE;
        let changed = ["Anonymous", "Swap"];
        map.perms == code && changed.iter().all(|pages| map.extension.map.get(*pages) == Some(&0))
    }

    #[allow(unsafe_code, reason = "there is no safe name for this call")]
    fn unmap(map: &MemoryMap) {
        let (start, end) = map.address;
        let (Ok(first), Ok(length)) = (usize::try_from(start), usize::try_from(end - start)) else {
            return;
        };
        let first = ptr::with_exposed_provenance_mut::<c_void>(first);
        // SAFETY: this is code of the program itself, which nothing unmaps or makes writable while it runs. Its pages are as
        // the file has them, so what is read there afterwards is the same: the system reads it from the file again.
        if let Err(error) = unsafe { madvise(first, length, Advice::LinuxDontNeed) } {
            tracing::debug!("pages of code stay mapped: {error}");
        }
    }

    #[cfg(test)]
    mod tests {
        #![allow(clippy::unwrap_used)]

        use super::*;

        fn resident() -> u64 {
            let maps = own_code().unwrap();
            maps.iter().map(|map| map.extension.map["Rss"]).sum()
        }

        #[test]
        fn code_that_does_not_run_is_unmapped_and_what_runs_goes_on() {
            let digest = || hex::encode(<sha2::Sha256 as sha2::Digest>::digest(b"code"));
            let before = digest();
            let whole: u64 = own_code()
                .unwrap()
                .iter()
                .map(|map| map.address.1 - map.address.0)
                .sum();
            assert!(whole > 0);
            // All of it, as if all of it had run.
            for map in own_code().unwrap() {
                let first = ptr::with_exposed_provenance_mut::<c_void>(usize::try_from(map.address.0).unwrap());
                let length = usize::try_from(map.address.1 - map.address.0).unwrap();
                populate(first, length);
            }
            assert_eq!(resident(), whole);
            unmap_code();
            assert!(resident() < whole);
            assert_eq!(digest(), before);
        }

        #[allow(unsafe_code, reason = "there is no safe name for this call")]
        fn populate(first: *mut c_void, length: usize) {
            // SAFETY: it maps pages of the program itself, to be read.
            unsafe { madvise(first, length, Advice::LinuxPopulateRead) }.unwrap();
        }
    }
}
