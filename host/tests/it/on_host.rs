//! The tests of behaviour once more, with their backends on a host: with `BERTH_TEST_HOST=1`.

use std::path::Path;

use toml::Table;

use crate::berth::Place;
use crate::sshd::Sshd;

/// Whether the tests of behaviour run with their backend on a host, and not on this machine.
pub(crate) fn is_on_host() -> bool {
    std::env::var_os("BERTH_TEST_HOST").is_some()
}

/// Puts `backends` on the host `there`, which is this machine by a real sshd.
pub(crate) fn on_host(config: &mut Table, place: &Place, backends: &[&str]) -> Sshd {
    let sshd = Sshd::at_home(&place.path("home"));
    let mut host = Table::new();
    host.insert("destination".into(), sshd.destination().into());
    host.insert("port".into(), i64::from(sshd.port()).into());
    host.insert("identity_file".into(), text(&sshd.path("user_key")));
    host.insert("known_hosts".into(), text(&sshd.path("known_hosts")));
    host.insert("path".into(), vec![text(&place.path("bin"))].into());
    config.insert(
        "hosts".into(),
        Table::from_iter([("there".to_owned(), toml::Value::from(host))]).into(),
    );
    for name in backends {
        there(config["backends"][name].as_table_mut().unwrap(), place);
    }
    sshd
}

/// Puts one backend there. A relative path would be one of this machine.
fn there(backend: &mut Table, place: &Place) {
    backend.insert("host".into(), "there".into());
    let absolute = |path: &mut toml::Value| {
        if let Some(relative) = path.as_str().filter(|path| !path.starts_with(['/', '~'])) {
            *path = text(&place.path(relative));
        }
    };
    let directories = backend.get_mut("directories").and_then(|list| list.as_array_mut());
    directories.into_iter().flatten().for_each(absolute);
    let programs = backend.get_mut("programs").and_then(|programs| programs.as_table_mut());
    for (_, program) in programs.into_iter().flatten() {
        if let Some(path) = program
            .get_mut("path")
            .filter(|path| path.as_str().unwrap().contains('/'))
        {
            absolute(path);
        }
    }
}

fn text(path: &Path) -> toml::Value {
    path.to_str().unwrap().into()
}
