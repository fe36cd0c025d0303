#![allow(clippy::unwrap_used, clippy::expect_used)]
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;
use wasmtime::Config;

use super::*;

const DIGEST: &str = "d1";

fn component(engine: &Engine) -> Component {
    Component::from_binary(engine, &wat::parse_str("(component (core module))").unwrap()).unwrap()
}

fn files(cache: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache.path().join("compiled")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn what_was_compiled_is_found_again_by_its_digest_and_only_this_user_can_read_it() {
    let (engine, cache) = (Engine::default(), TempDir::new().unwrap());
    let compiled = Compiled::new(&engine, cache.path());
    assert!(compiled.find(&engine, DIGEST).is_none());
    compiled.keep(DIGEST, &component(&engine));
    assert!(compiled.find(&engine, DIGEST).is_some());
    assert!(compiled.find(&engine, "d2").is_none());
    let files = files(&cache);
    assert_eq!(files.len(), 1, "nothing half written is left: {files:?}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&files[0]), mode(files[0].parent().unwrap())), (0o600, 0o700));
}

#[test]
fn what_another_engine_compiled_or_is_cut_off_is_not_found() {
    let (engine, cache) = (Engine::default(), TempDir::new().unwrap());
    Compiled::new(&engine, cache.path()).keep(DIGEST, &component(&engine));
    let other = Engine::new(Config::new().epoch_interruption(true)).unwrap();
    assert!(Compiled::new(&other, cache.path()).find(&other, DIGEST).is_none());
    let file = files(&cache).remove(0);
    let whole = fs::read(&file).unwrap();
    for part in [0, 1, 64, whole.len() / 2] {
        fs::write(&file, &whole[..part]).unwrap();
        let compiled = Compiled::new(&engine, cache.path());
        assert!(compiled.find(&engine, DIGEST).is_none(), "{part} bytes");
        compiled.keep(DIGEST, &component(&engine));
        assert!(compiled.find(&engine, DIGEST).is_some());
    }
}

#[test]
fn what_no_start_has_used_for_a_month_goes_and_what_one_uses_stays() {
    let (engine, cache) = (Engine::default(), TempDir::new().unwrap());
    let compiled = Compiled::new(&engine, cache.path());
    for digest in ["used", "unused"] {
        compiled.keep(digest, &component(&engine));
    }
    for file in files(&cache) {
        let long_ago = SystemTime::now() - KEPT - Duration::from_secs(60);
        File::open(&file).unwrap().set_modified(long_ago).unwrap();
    }
    assert!(compiled.find(&engine, "used").is_some());
    compiled.keep("new", &component(&engine));
    assert!(compiled.find(&engine, "used").is_some() && compiled.find(&engine, "new").is_some());
    assert!(compiled.find(&engine, "unused").is_none());
}

#[test]
fn where_nothing_can_be_kept_a_plugin_still_loads() {
    let (engine, cache) = (Engine::default(), TempDir::new().unwrap());
    fs::write(cache.path().join("compiled"), "in the way").unwrap();
    let compiled = Compiled::new(&engine, cache.path());
    compiled.keep(DIGEST, &component(&engine));
    assert!(compiled.find(&engine, DIGEST).is_none());
}
