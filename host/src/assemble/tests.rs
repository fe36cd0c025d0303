//! What is found of a configuration, and each way in which that is missing or in the wrong place: its error says file,
//! line, key and fix, as those about the text do.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::config::tests::{SMALL, around, changed, says};
use crate::config::{Config, ConfigError, Installation, Layers, Surroundings};

/// A home of its own with `projects`, and a `PATH` on which only `tmux`, `claude`, `env` and `rm` are found.
pub(super) struct Home(TempDir);

impl Home {
    pub(super) fn new() -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        fs::create_dir_all(home.path("projects")).unwrap();
        fs::create_dir_all(home.path("conf")).unwrap();
        for program in ["bin/tmux", "bin/claude", "bin/env", "bin/rm"] {
            home.write(program, "", 0o755);
        }
        home
    }

    pub(super) fn shipped(&self) -> Setup {
        self.find(&Layers::shipped()).unwrap()
    }

    fn path(&self, within: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(within)
    }

    fn write(&self, within: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(within);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn around(&self) -> Surroundings<'static> {
        Surroundings {
            home: self.path(""),
            config: self.path(".config"),
            data: self.path(".local/share"),
            cache: self.path(".cache"),
            // The demo agent is this program, which is there.
            installation: Installation {
                berth: Path::new("/bin/sh"),
                ..around().installation
            },
            ..around()
        }
    }

    fn find(&self, layers: &Layers<'_>) -> Result<Setup, ConfigError> {
        let config = Config::parse(layers, &self.around())?;
        Setup::find(config, &SearchPath(self.path("bin").into()))
    }

    fn check(&self, text: &str) -> Result<Setup, ConfigError> {
        self.find(&Layers::yours(&self.path("conf/config.toml"), text))
    }
}

#[test]
fn finds_what_is_there() {
    let home = Home::new();
    let setup = home.check(SMALL).unwrap();
    let backend = &setup.backends["local"];
    assert_eq!(backend.directories, [home.path("projects")]);
    assert_eq!(backend.programs["tmux"].path, home.path("bin/tmux"));
    assert_eq!(setup.agent_commands(backend, &backend.installed).len(), 1);
}

#[test]
fn says_line_key_and_fix_of_whatever_is_missing_or_in_the_wrong_place() {
    let home = Home::new();
    home.write("file", "", 0o644);
    let cases: &[(&str, &str, &str, &str)] = &[
        (
            "programs.tmux]",
            "programs.sl]",
            "backends.local.programs.sl.path",
            "install it",
        ),
        (
            "programs.tmux]",
            "programs.tmux]\npath = \"./no/tmux\"",
            "backends.local.programs.tmux.path",
            "absolute path",
        ),
        (
            "plugin = \"tmux\"",
            "plugin = \"./no.wasm\"",
            "backends.local.plugin",
            "build it or correct the path",
        ),
        (
            "\"~/projects\"",
            "\"~/nowhere\"",
            "backends.local.directories[0]",
            "mkdir -p ",
        ),
        (
            "\"~/projects\"",
            "\"~/file\"",
            "backends.local.directories[0]",
            "is not a directory",
        ),
        (
            "\"~/projects\"",
            "\"~\"",
            "backends.local.directories[0]",
            "too wide a grant",
        ),
        (
            "\"~/projects\"",
            "\"/\"",
            "backends.local.directories[0]",
            "is the root directory",
        ),
        (
            "\"~/projects\"",
            "\".\"",
            "backends.local.directories[0]",
            "holds berth's configuration",
        ),
        (
            "env = [\"HOME\"]",
            "files = [{ under = \"~\", names = \"*.json\" }]",
            "backends.local.files[0]",
            "holds berth's",
        ),
        (
            "env = [\"HOME\"]",
            "files = [{ under = \"/\", names = \"*.json\" }]",
            "backends.local.files[0].under",
            "is the root directory",
        ),
        (
            "env = [\"HOME\"]",
            "files = [{ under = \"/dev/later\", names = \"*.json\" }]",
            "backends.local.files[0].under",
            "where the system shows itself",
        ),
        (
            "env = [\"HOME\"]",
            "env_file = \"none.env\"",
            "backends.local.env_file",
            "install -m 600",
        ),
        (
            "listen",
            "proxy_users = [0, \"nobody-of-this-name\"]\nlisten",
            "server.proxy_users[1]",
            "`id -u NAME` prints",
        ),
        (
            "listen",
            "data = \"~/projects/data\"\nlisten",
            "backends.local.directories[0]",
            "holds berth's data",
        ),
        (
            "listen",
            "cache = \"~/projects/a/b\"\nlisten",
            "backends.local.directories[0]",
            "holds berth's cache",
        ),
    ];
    let file = home.path("conf/config.toml").display().to_string();
    for (old, new, key, fix) in cases {
        let (text, _) = changed(old, new);
        says(&home.check(&text).expect_err(new), &text, &file, new, key, fix);
    }
}

#[test]
fn what_the_system_shows_as_files_is_granted_to_nobody() {
    let home = Home::new();
    symlink("/dev", home.path("link")).unwrap();
    symlink("/", home.path("root")).unwrap();
    let mut places = vec![
        "/",
        "/dev",
        "/dev/..",
        "~/projects/../../../../../../../dev",
        "~/link",
        "~/root",
        "~/root/dev",
    ];
    if cfg!(target_os = "linux") {
        places.extend([
            "/proc",
            "/proc/1",
            "/proc/self/cwd/../proc",
            "/sys",
            "/sys/kernel",
            "/run",
            "/dev/fd",
        ]);
    }
    for place in places {
        let (text, _) = changed("\"~/projects\"", &format!("\"{place}\""));
        let error = home.check(&text).expect_err(place);
        assert_eq!(
            error.key.as_deref(),
            Some("backends.local.directories[0]"),
            "{place}: {error}"
        );
    }
}

#[test]
fn what_berth_keeps_for_itself_is_granted_to_nobody() {
    let home = Home::new();
    fs::create_dir_all(home.path("own/state/local")).unwrap();
    symlink(home.path("own/state"), home.path("link")).unwrap();
    for place in ["~/own", "~/own/state/local", "~/link", "~/own/../own/state"] {
        for key in ["data", "cache"] {
            let (text, _) = changed("\"~/projects\"", &format!("\"{place}\""));
            let error = home.check(&text.replace("listen", &format!("{key} = \"~/own\"\nlisten")));
            let error = error.expect_err(place);
            assert_eq!(
                error.key.as_deref(),
                Some("backends.local.directories[0]"),
                "{place}: {error}"
            );
        }
    }
}

#[test]
fn berth_keeps_nothing_where_the_system_shows_itself() {
    let home = Home::new();
    for key in ["data", "cache"] {
        for place in ["/", "/..", "/dev", "/dev/berth", "/proc/berth", "/sys/../proc/berth"] {
            let (text, _) = changed("listen = ", &format!("{key} = \"{place}\"\nlisten = "));
            let error = home.check(&text).expect_err(place);
            assert_eq!(error.key, Some(format!("server.{key}")), "{place}: {error}");
        }
    }
    if cfg!(target_os = "linux")
        && fs::metadata("/proc/self/environ").is_ok_and(|found| found.permissions().mode() & 0o77 == 0)
    {
        symlink("/proc/self", home.path("link")).unwrap();
        for file in ["/proc/self/environ", "~/link/environ"] {
            let (text, _) = changed("guest_env", &format!("env_file = \"{file}\"\nguest_env"));
            let error = home.check(&text).expect_err(file);
            assert_eq!(error.key.as_deref(), Some("backends.local.env_file"), "{file}: {error}");
        }
    }
}

#[test]
fn finds_what_the_shipped_text_names() {
    let home = Home::new();
    let setup = home.shipped();
    assert_eq!(setup.file, None);
    assert!(["claude", "demo"].map(|name| setup.backends["local"].installed.contains(name)) == [true; 2]);
    assert_eq!(setup.backends["local"].directories, [home.path("projects")]);
}

#[test]
fn an_agent_whose_program_is_missing_is_not_installed() {
    let home = Home::new();
    fs::remove_file(home.path("bin/claude")).unwrap();
    let setup = home.shipped();
    let local = &setup.backends["local"];
    assert!(!local.installed.contains("claude"));
    let names: Vec<_> = setup
        .agent_commands(local, &local.installed)
        .into_iter()
        .map(|agent| agent.name)
        .collect();
    assert_eq!(names, ["demo"]);
}

#[test]
fn relative_paths_start_at_the_files_folder() {
    let home = Home::new();
    fs::create_dir_all(home.path("conf/work")).unwrap();
    let setup = home.check(&SMALL.replace("~/projects", "work")).unwrap();
    assert_eq!(setup.backends["local"].directories, [home.path("conf/work")]);
}

#[test]
fn a_linked_directory_is_granted_as_what_it_leads_to() {
    let home = Home::new();
    symlink(home.path("projects"), home.path("conf/link")).unwrap();
    let setup = home.check(&SMALL.replace("~/projects", "link")).unwrap();
    assert_eq!(setup.backends["local"].directories, [home.path("projects")]);
    symlink(home.path(""), home.path("conf/home")).unwrap();
    assert!(
        home.check(&SMALL.replace("~/projects", "home"))
            .unwrap_err()
            .message
            .contains("too wide a grant")
    );
}

#[test]
fn a_folder_of_files_need_not_exist_and_is_known_without_links_as_far_as_it_does() {
    let home = Home::new();
    fs::create_dir(home.path("real")).unwrap();
    symlink(home.path("real"), home.path("link")).unwrap();
    let (text, _) = changed(
        "env = [\"HOME\"]",
        "files = [{ under = \"~/link/later\", names = \"*.json\" }, { under = \"~/none/at/all\", names = \"a\" }]",
    );
    let setup = home.check(&text).unwrap();
    let files = &setup.backends["local"].files;
    assert_eq!(files[0].under, home.path("real/later"));
    assert_eq!(files[1].under, home.path("none/at/all"));
    assert!(files[0].names.allows("1.json") && !files[0].names.allows("1.key"));
}

#[test]
fn an_env_file_does_not_set_the_mark_of_sessions() {
    let home = Home::new();
    home.write("conf/local.env", "BERTH_SESSION=\n", 0o600);
    let error = home
        .check(&changed("env = [\"HOME\"]", "env_file = \"local.env\"").0)
        .unwrap_err();
    assert!(error.message.contains("berth itself sets BERTH_SESSION"), "{error}");
}

#[test]
fn refuses_plugins_and_env_files_inside_a_granted_directory() {
    let home = Home::new();
    home.write("projects/mine.wasm", "", 0o644);
    home.write("projects/local.env", "A=b\n", 0o600);
    symlink(home.path("projects/mine.wasm"), home.path("conf/mine.wasm")).unwrap();
    for (old, new, what) in [
        ("plugin = \"tmux\"", "plugin = \"~/projects/mine.wasm\"", "plugin"),
        ("plugin = \"tmux\"", "plugin = \"./mine.wasm\"", "plugin"),
        ("env = [\"HOME\"]", "env_file = \"~/projects/local.env\"", "env_file"),
    ] {
        let error = home.check(&changed(old, new).0).unwrap_err();
        assert!(
            error
                .message
                .contains(&format!("holds berth's {what}, {}", home.path("projects").display())),
            "{error}"
        );
    }
}

#[test]
fn a_plugin_that_others_can_write_needs_its_digest() {
    let home = Home::new();
    home.write("conf/mine.wasm", "", 0o666);
    let (text, _) = changed("plugin = \"tmux\"", "plugin = \"mine.wasm\"");
    let error = home.check(&text).unwrap_err().to_string();
    assert!(error.contains("chmod go-w") && error.contains("sha256"), "{error}");
    let digest = format!("plugin = \"mine.wasm\"\nsha256 = \"{}\"", "ab".repeat(32));
    assert!(home.check(&changed("plugin = \"tmux\"", &digest).0).is_ok());
}

#[test]
fn refuses_a_file_that_others_can_write() {
    let home = Home::new();
    for mode in [0o664, 0o646] {
        let path = home.write("conf/config.toml", SMALL, mode);
        let error = config_file::read(&path).unwrap_err();
        assert!(error.to_string().contains("chmod go-w"), "{error}");
    }
    let path = home.write("conf/config.toml", SMALL, 0o644);
    assert_eq!(config_file::read(&path).unwrap(), SMALL);
}

#[test]
fn takes_the_users_own_file_and_else_the_shipped_text() {
    let home = Home::new();
    assert_eq!(config_file::choose(None, &home.path(".config")).unwrap(), None);
    let own = home.write(".config/berth/config.toml", SMALL, 0o600);
    assert_eq!(
        config_file::choose(None, &home.path(".config")).unwrap(),
        Some(own.clone())
    );
    let asked = home.path("conf/other.toml");
    assert_eq!(
        config_file::choose(Some(&asked), &home.path(".config")).unwrap(),
        Some(asked.clone())
    );
    assert!(
        config_file::read(&asked)
            .unwrap_err()
            .to_string()
            .contains("correct the path")
    );
    fs::remove_file(&own).unwrap();
    symlink("/nowhere/at/all", &own).unwrap();
    assert!(config_file::choose(None, &home.path(".config")).unwrap().is_some());
}

#[test]
fn programs_are_not_found_by_way_of_the_current_directory() {
    let home = Home::new();
    let here = SearchPath(home.path("bin").into());
    assert_eq!(here.first("tmux"), Some(home.path("bin/tmux")));
    for search in [".:bin:", "bin", "."] {
        assert_eq!(SearchPath(search.into()).first("tmux"), None, "{search}");
    }
}

/// `SMALL` with a host `mac`, whose table has `lines`.
fn with_host(lines: &str) -> String {
    format!("{SMALL}[hosts.mac]\ndestination = \"me@mac\"\n{lines}\n")
}

#[test]
fn the_passphrase_of_a_key_is_not_for_programs() {
    let home = Home::new();
    home.write("conf/mac.env", "A=b\nSSH_KEY_PASSPHRASE=hush\nC=d\n", 0o600);
    let setup = home.check(&with_host("env_file = \"mac.env\"")).unwrap();
    let mac = &setup.hosts["mac"];
    assert_eq!(mac.passphrase(), Some("hush"));
    assert_eq!(mac.variables().collect::<Vec<_>>(), [("A", "b"), ("C", "d")]);
    assert!(!format!("{setup:?}").contains("hush"));
    let setup = home.check(&with_host("")).unwrap();
    assert_eq!(setup.hosts["mac"].passphrase(), None);
}

#[test]
fn an_env_file_of_a_host_belongs_to_this_user_alone() {
    let home = Home::new();
    home.write("conf/mac.env", "A=b\n", 0o640);
    for (file, fix) in [("mac.env", "chmod 600"), ("none.env", "install -m 600")] {
        let error = home.check(&with_host(&format!("env_file = \"{file}\""))).unwrap_err();
        assert_eq!(error.key.as_deref(), Some("hosts.mac.env_file"), "{error}");
        assert!(error.message.contains(fix), "{error}");
    }
}

#[test]
fn what_decides_about_a_host_is_granted_to_nobody() {
    let home = Home::new();
    home.write("projects/mac.env", "", 0o600);
    for what in ["env_file", "identity_file", "known_hosts"] {
        let error = home
            .check(&with_host(&format!("{what} = \"~/projects/mac.env\"")))
            .unwrap_err();
        let expected = format!("holds berth's {what}, {}", home.path("projects/mac.env").display());
        assert!(error.message.contains(&expected), "{error}");
    }
}

#[test]
fn what_a_backend_means_depends_on_its_machine() {
    let home = Home::new();
    let meaning = |text: &str| home.check(text).unwrap().meanings()["local"].clone();
    assert_eq!(meaning(SMALL), "bundled plugin tmux, on this machine");
    let program = format!("path = \"{}\"\nseparator", home.path("bin/tmux").display());
    let there = with_host("")
        .replace("plugin = \"tmux\"", "plugin = \"tmux\"\nhost = \"mac\"")
        .replace("[\"~/projects\"]", "[]")
        .replace("separator", &program);
    assert_eq!(meaning(&there), "bundled plugin tmux, on the host mac (me@mac)");
    let there = there.replace("\"me@mac\"", "\"me@box\"\nport = 2222");
    assert_eq!(
        meaning(&there),
        "bundled plugin tmux, on the host mac (me@box, port 2222)"
    );
    let there = format!("{there}[hosts.linux]\ndestination = \"linux\"\n");
    assert_eq!(
        meaning(&there.replace("host = \"mac\"", "hosts = [\"mac\", \"linux\"]")),
        "bundled plugin tmux, on the hosts mac (me@box, port 2222) and linux (linux)"
    );
}
