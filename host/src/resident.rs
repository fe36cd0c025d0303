//! Pages of code that a start has used and what follows does not: the system maps them by large pieces around what runs, and
//! keeps them mapped.

/// Unmaps the pages of programs and compiled plugins that are as their files have them. The system maps what runs again, from
/// its cache of files. Only Linux can do it in this way, and where it cannot, nothing happens.
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
        match Process::myself().and_then(|this| this.smaps()) {
            Ok(maps) => maps.iter().filter(|map| is_as_in_its_file(map)).for_each(unmap),
            Err(error) => tracing::debug!("which pages of code are mapped cannot be told: {error}"),
        }
    }

    /// Whether it is code of a file that nobody can write to by this mapping, and nobody has: a page that was changed here
    /// counts as anonymous.
    fn is_as_in_its_file(map: &MemoryMap) -> bool {
        let code = MMPermissions::READ | MMPermissions::EXECUTE | MMPermissions::PRIVATE;
        matches!(map.pathname, MMapPath::Path(_)) && map.perms == code && map.extension.map.get("Anonymous") == Some(&0)
    }

    #[allow(unsafe_code, reason = "there is no safe name for this call")]
    fn unmap(map: &MemoryMap) {
        let (start, end) = map.address;
        let (Ok(first), Ok(length)) = (usize::try_from(start), usize::try_from(end - start)) else {
            return;
        };
        let first = ptr::with_exposed_provenance_mut::<c_void>(first);
        // SAFETY: the pages are as the file has them, and are mapped without the right to write, so what is read there
        // afterwards is the same: the system reads it from the file again.
        if let Err(error) = unsafe { madvise(first, length, Advice::LinuxDontNeed) } {
            tracing::debug!("pages of code stay mapped: {error}");
        }
    }

    #[cfg(test)]
    mod tests {
        #![allow(clippy::unwrap_used)]

        use super::*;

        fn code() -> Vec<MemoryMap> {
            let maps = Process::myself().unwrap().smaps().unwrap();
            maps.into_iter().filter(is_as_in_its_file).collect()
        }

        #[test]
        fn only_code_that_is_as_in_its_file_is_unmapped_and_it_runs_on() {
            let program = std::env::current_exe().unwrap();
            let mapped = code();
            assert!(
                mapped.iter().any(|map| map.pathname == MMapPath::Path(program.clone())),
                "{mapped:?}"
            );
            let digest = || hex::encode(<sha2::Sha256 as sha2::Digest>::digest(b"code"));
            let before = digest();
            for _ in 0..100 {
                unmap_code();
                assert_eq!(digest(), before);
            }
            let writable = Process::myself().unwrap().maps().unwrap();
            let writable = writable.iter().filter(|map| map.perms.contains(MMPermissions::WRITE));
            assert!(writable.count() > 0);
            assert!(code().iter().all(|map| !map.perms.contains(MMPermissions::WRITE)));
        }
    }
}
