//! Reading a directory of `/state`. WASI's own function holds all entries at once, so one with too many is refused.

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::types::{DirectoryEntryStream, ErrorCode, Host as _, HostDescriptor as _};

use super::engine::State;

/// Entries of one directory.
const ENTRIES: usize = 10_000;
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";
const FUNCTION: &str = "[method]descriptor.read-directory";

type Answer = Result<Resource<DirectoryEntryStream>, ErrorCode>;

/// Puts the bound before the function that `linker` has already.
pub(super) fn bound(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker
        .instance(INTERFACE)?
        .func_wrap_async(FUNCTION, |mut store, (descriptor,): (Resource<Descriptor>,)| {
            Box::new(async move { Ok((read(store.data_mut(), descriptor).await?,)) })
        })?;
    linker.allow_shadowing(false);
    Ok(())
}

async fn read(state: &mut State, descriptor: Resource<Descriptor>) -> wasmtime::Result<Answer> {
    let mut files = state.filesystem();
    if let Descriptor::Dir(open) = files.table.get(&descriptor)? {
        let directory = open.dir.clone();
        let large = tokio::task::spawn_blocking(move || has_too_many(&directory)).await?;
        if large {
            return Ok(Err(ErrorCode::Overflow));
        }
    }
    match files.read_directory(descriptor).await {
        Ok(entries) => Ok(Ok(entries)),
        Err(error) => files.convert_error_code(error).map(Err),
    }
}

/// What cannot be read here is left to the function behind, which says why.
fn has_too_many(directory: &std::fs::File) -> bool {
    // It lists itself and its parent as well.
    let most = ENTRIES + 2;
    rustix::fs::Dir::read_from(directory).is_ok_and(|entries| entries.take(most + 1).count() > most)
}
