//! Each way in which a configuration can be wrong: its error says file, line, key and fix.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use tempfile::TempDir;

use super::*;

/// A home of its own with `projects`, and a `PATH` on which only `tmux` and `claude` are found.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        fs::create_dir_all(home.path("projects")).unwrap();
        fs::create_dir_all(home.path("conf")).unwrap();
        for program in ["bin/tmux", "bin/claude"] {
            home.write(program, "", 0o755);
        }
        home
    }

    pub(crate) fn shipped(&self) -> Config {
        check(SHIPPED, None, &self.surroundings()).unwrap()
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

    fn surroundings(&self) -> Surroundings<'static> {
        Surroundings {
            installation: Installation {
                berth: Path::new("/opt/berth"),
                plugins: &["tmux", "other"],
            },
            home: self.path(""),
            config: self.path(".config"),
            data: self.path(".local/share"),
            cache: self.path(".cache"),
            search_path: self.path("bin").into(),
        }
    }

    fn check(&self, text: &str) -> Result<Config, ConfigError> {
        check(text, Some(&self.path("conf/config.toml")), &self.surroundings())
    }
}

const SMALL: &str = r#"
[agents.demo]
command = ["env", "@berth"]
[agents.demo.words]
id = "[a-z]+"
[agents.demo.options]
resume = ["--resume", "<id>"]
[backends.local]
plugin = "tmux"
agents = ["demo"]
directories = ["~/projects"]
env = ["HOME"]
guest_env = ["NO_COLOR"]
read_tools = []
[backends.local.limits]
calls = 1
[backends.local.programs.tmux]
fixed = ["-f", "@conf"]
conf = "set x"
separator = ";"
timeout = "1s"
output = "1 MiB"
words = { name = "[a-z]+" }
read = [["ls", "<name>"]]
control = []
[server]
listen = "127.0.0.1:0"
[tools]
hide = []
"#;

/// `SMALL` with `old` in it replaced by `new`, and the number of the line on which that stands.
fn changed(old: &str, new: &str) -> (String, usize) {
    assert_eq!(SMALL.matches(old).count(), 1, "{old}");
    let before = SMALL.split(old).next().unwrap();
    (
        SMALL.replace(old, new),
        before.lines().count().max(1) + usize::from(before.ends_with('\n')),
    )
}

#[test]
fn takes_what_is_right() {
    let home = Home::new();
    let config = home.check(SMALL).unwrap();
    assert_eq!(config.default_backend, "local");
    assert_eq!(config.agents["demo"].command, ["env", "/opt/berth"]);
    let backend = &config.backends["local"];
    assert_eq!(backend.directories, [home.path("projects")]);
    assert_eq!(
        backend.limits,
        Limits {
            memory: 64 << 20,
            calls: 1,
            processes: 16,
            deadline: Duration::from_secs(30)
        }
    );
    let grant = &backend.programs["tmux"];
    assert_eq!(grant.path, home.path("bin/tmux"));
    assert_eq!((grant.timeout, grant.output), (Duration::from_secs(1), 1 << 20));
    assert_eq!(config.agent_commands(backend).len(), 1);
    assert_eq!(config.server.data, home.path(".local/share/berth"));
}

#[test]
fn says_line_key_and_fix_of_whatever_is_wrong() {
    let home = Home::new();
    home.write("file", "", 0o644);
    let cases: &[(&str, &str, &str, &str)] = &[
        (
            "timeout = \"1s\"",
            "timeout = \"10 parsecs\"",
            "backends.local.programs.tmux.timeout",
            "like \"10s\" or \"2m\"",
        ),
        (
            "timeout = \"1s\"",
            "timeout = \"0s\"",
            "backends.local.programs.tmux.timeout",
            "choose from 100ms to 10m",
        ),
        (
            "timeout = \"1s\"",
            "timeout = 10",
            "backends.local.programs.tmux.timeout",
            "expected a string, as the shipped config.toml shows",
        ),
        (
            "timeout = \"1s\"",
            "timeuot = \"1s\"",
            "backends.local.programs.tmux.timeuot",
            "unknown field `timeuot`, expected one of",
        ),
        (
            "output = \"1 MiB\"",
            "output = \"lots\"",
            "backends.local.programs.tmux.output",
            "like \"64 KiB\"",
        ),
        (
            "output = \"1 MiB\"",
            "output = \"1 TiB\"",
            "backends.local.programs.tmux.output",
            "64.0 MiB",
        ),
        (
            "conf = \"set x\"",
            "",
            "backends.local.programs.tmux.fixed[1]",
            "add conf",
        ),
        (
            "fixed = [\"-f\", \"@conf\"]",
            "fixed = []",
            "backends.local.programs.tmux.conf",
            "add \"@conf\"",
        ),
        (
            "separator = \";\"",
            "separator = \";\"\nsocket = { show = [\"x\"] }",
            "backends.local.programs.tmux.socket",
            "add \"@socket\"",
        ),
        (
            "fixed = [\"-f\", \"@conf\"]",
            "fixed = [\"-f\", \"@conf\", \"@socket\"]\nsocket = { restore = \"kill -USR1\" }",
            "backends.local.programs.tmux.socket.restore",
            "write <pid>",
        ),
        (
            "separator = \";\"",
            "separator = \"\"",
            "backends.local.programs.tmux.separator",
            "write the program's separator",
        ),
        (
            "\"<name>\"",
            "\"<nome>\"",
            "backends.local.programs.tmux.read[0]",
            "among the words (name)",
        ),
        (
            "\"<name>\"",
            "\"<name><name>\"",
            "backends.local.programs.tmux.read[0]",
            "one word",
        ),
        (
            "\"<name>\"",
            "\"@agent\", \"x\"",
            "backends.local.programs.tmux.read[0]",
            "must be the last",
        ),
        (
            "\"<name>\"",
            "\"@any\"",
            "backends.local.programs.tmux.read[0]",
            "there are \"@text\" and \"@agent\"",
        ),
        (
            "[[\"ls\", \"<name>\"]]",
            "[[\"ls\"],\n\n[]]",
            "backends.local.programs.tmux.read[1]",
            "name the arguments",
        ),
        (
            "name = \"[a-z]+\"",
            "name = \"[a-z\"",
            "backends.local.programs.tmux.words.name",
            "regular expression",
        ),
        (
            "name = \"[a-z]+\"",
            "name = \"a)|(b\"",
            "backends.local.programs.tmux.words.name",
            "regular expression",
        ),
        (
            "name = \"[a-z]+\"",
            "NAME = \"x\"",
            "backends.local.programs.tmux.words.NAME",
            "a-z, 0-9 and _",
        ),
        (
            "separator",
            "attach = [\"a\", \"@text\"]\nseparator",
            "backends.local.programs.tmux.attach",
            "literals and <word>s",
        ),
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
            "agents = [\"demo\"]",
            "agents = [\"demo\",\n \"codex\"]",
            "backends.local.agents[1]",
            "there are: demo",
        ),
        (
            "plugin = \"tmux\"",
            "plugin = \"tmax\"",
            "backends.local.plugin",
            "use one of tmux, other",
        ),
        (
            "plugin = \"tmux\"",
            "plugin = \"./no.wasm\"",
            "backends.local.plugin",
            "build it or correct the path",
        ),
        (
            "plugin = \"tmux\"",
            "sha256 = \"00\"\nplugin = \"tmux\"",
            "backends.local.sha256",
            "remove sha256",
        ),
        (
            "plugin = \"tmux\"",
            "sha256 = \"00\"\nplugin = \"~/file\"",
            "backends.local.sha256",
            "64 hexadecimal digits",
        ),
        (
            "plugin = \"tmux\"",
            "",
            "backends.local",
            "missing field `plugin`: add it",
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
            "env = [\"*\"]",
            "backends.local.env[0]",
            "a beginning like \"LC_*\"",
        ),
        (
            "env = [\"HOME\"]",
            "env = [\"A*B\"]",
            "backends.local.env[0]",
            "write a name",
        ),
        (
            "env = [\"HOME\"]",
            "env_file = \"none.env\"",
            "backends.local.env_file",
            "install -m 600",
        ),
        (
            "[\"NO_COLOR\"]",
            "[\"X\", \"LD_PRELOAD\"]",
            "backends.local.guest_env[1]",
            "LD_* is the host's",
        ),
        (
            "env = [\"HOME\"]",
            "env = [\"HOME\", \"BERTH_SESSION\"]",
            "backends.local.env[1]",
            "berth itself sets BERTH_SESSION",
        ),
        (
            "[\"NO_COLOR\"]",
            "[\"BERTH_SESSION\"]",
            "backends.local.guest_env[0]",
            "BERTH_* is the host's",
        ),
        (
            "[\"NO_COLOR\"]",
            "[\"NODE_OPTIONS\"]",
            "backends.local.guest_env[0]",
            "*_OPTIONS is the host's",
        ),
        (
            "[\"NO_COLOR\"]",
            "[\"LC_*\"]",
            "backends.local.guest_env[0]",
            "write a whole name",
        ),
        (
            "read_tools = []",
            "read_tools = [\"a b\"]",
            "backends.local.read_tools[0]",
            "no tool's name",
        ),
        (
            "calls = 1",
            "calls = 0",
            "backends.local.limits.calls",
            "choose from 1 to 256",
        ),
        (
            "calls = 1",
            "calls = -1",
            "backends.local.limits.calls",
            "expected a whole number",
        ),
        (
            "calls = 1",
            "memory = \"2 GiB\"",
            "backends.local.limits.memory",
            "to 1.0 GiB",
        ),
        (
            "calls = 1",
            "deadline = \"1h\"",
            "backends.local.limits.deadline",
            "to 5m",
        ),
        (
            "calls = 1",
            "processes = 100000",
            "backends.local.limits.processes",
            "to 256",
        ),
        (
            "[tools]",
            "[backends.local]\nplugin = \"other\"\n[tools]",
            "backends.local",
            "stands there twice",
        ),
        (
            "[agents.demo]",
            "default_backend = \"lokal\"\n[agents.demo]",
            "default_backend",
            "there are: local",
        ),
        (
            "[agents.demo]",
            "[backends.two]\nplugin = \"tmux\"\n[agents.demo]",
            "default_backend",
            "default_backend = \"local\"",
        ),
        (
            "[agents.demo]",
            "[agents.Demo]\ncommand = [\"a\", \"b\"]\n[agents.demo]",
            "agents.Demo",
            "32 of a-z",
        ),
        (
            "[\"env\", \"@berth\"]",
            "[\"@berth\"]",
            "agents.demo.command",
            "at least two words",
        ),
        (
            "[\"env\", \"@berth\"]",
            "[\"env\", \"\"]",
            "agents.demo.command",
            "no word of a command",
        ),
        ("\"--resume\", ", "", "agents.demo.options.resume", "begin with \"-\""),
        (
            "\"<id>\"",
            "\"<uuid>\"",
            "agents.demo.options.resume",
            "among the words (id)",
        ),
        (
            "id = \"[a-z]+\"",
            "id = \"(\"",
            "agents.demo.words.id",
            "regular expression",
        ),
        ("\"127.0.0.1:0\"", "\"0.0.0.0:8787\"", "server.listen", "set public_url"),
        (
            "\"127.0.0.1:0\"",
            "\"localhost\"",
            "server.listen",
            "like \"127.0.0.1:8787\"",
        ),
        (
            "listen",
            "max_requests = 3\nlisten",
            "server.max_requests",
            "choose from 4",
        ),
        (
            "listen",
            "proxy_users = [0, \"nobody-of-this-name\"]\nlisten",
            "server.proxy_users[1]",
            "`id -u NAME` prints",
        ),
        ("listen", "max_body = \"1 GiB\"\nlisten", "server.max_body", "16.0 MiB"),
        (
            "listen",
            "public_url = \"berth.example\"\nlisten",
            "server.public_url",
            "is not a URL",
        ),
        (
            "listen",
            "public_url = \"http://berth.example\"\nlisten",
            "server.public_url",
            "is not https",
        ),
        (
            "listen",
            "public_url = \"https://berth.example/mcp\"\nlisten",
            "server.public_url",
            "more than a scheme",
        ),
        (
            "listen",
            "open_on_loopback = true\npublic_url = \"https://berth.example\"\nlisten",
            "server.open_on_loopback",
            "exclude each other",
        ),
        (
            "listen = \"127.0.0.1:0\"",
            "listen = \"0.0.0.0:8787\"\npublic_url = \"http://localhost:8787\"",
            "server.listen",
            "set public_url to the https address",
        ),
        (
            "listen",
            "trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\nlisten",
            "server.trusted_proxies[1]",
            "its own address",
        ),
        (
            "listen",
            "client_address = \"X Forwarded\"\nlisten",
            "server.client_address",
            "cannot be the name of a header",
        ),
        (
            "listen",
            "rates = { tools = 0 }\nlisten",
            "server.rates.tools",
            "choose from 1",
        ),
        (
            "listen",
            "tls = { cert = \"cert.pem\" }\nlisten",
            "server.tls",
            "missing field `key`",
        ),
        (
            "[tools]",
            "[oauth]\nredirects = [\"https://u@app.example/\"]\n[tools]",
            "oauth.redirects[0]",
            "names a user",
        ),
        (
            "[tools]",
            "[oauth]\nredirects = [\"https://app.example/#x\"]\n[tools]",
            "oauth.redirects[0]",
            "has a fragment",
        ),
        (
            "[tools]",
            "[oauth]\nredirects = [\"http://app.example/\"]\n[tools]",
            "oauth.redirects[0]",
            "neither https nor on this machine",
        ),
        (
            "[tools]",
            "[oauth]\nredirects = [\"https://APP.example/\"]\n[tools]",
            "oauth.redirects[0]",
            "not spelled",
        ),
        (
            "[tools]",
            "[oauth.clients.mine]\nsecret_sha256 = \"ab\"\nredirects = [\"https://a.example/cb\"]\n[tools]",
            "oauth.clients.mine.secret_sha256",
            "64 hexadecimal digits",
        ),
        ("[tools]", "[audit]\ntext = true\n[tools]", "audit.text", "texts"),
        (
            "listen",
            "url_hosts = [\"https://x\"]\nlisten",
            "server.url_hosts[0]",
            "its name alone",
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
        ("hide = []", "hide = [\"\"]", "tools.hide[0]", "no tool's name"),
        (
            "hide = []",
            "alias.x = { tool = \"y\", argument = {} }",
            "tools.alias.x.argument",
            "unknown field",
        ),
        ("[tools]", "[hooks]", "hooks", "unknown field `hooks`"),
        ("hide = []", "hide = [", "hide", ""),
    ];
    for (old, new, key, fix) in cases {
        let (text, _) = changed(old, new);
        let error = home.check(&text).expect_err(new);
        let shown = error.to_string();
        assert_eq!(error.key.as_deref(), Some(*key), "{new}: {shown}");
        assert!(error.message.contains(fix), "{new}: {shown}");
        assert!(
            shown.starts_with(&format!("{}:", home.path("conf/config.toml").display())),
            "{shown}"
        );
        let told = text.lines().nth(error.line.unwrap() - 1).unwrap();
        let name = key.rsplit('.').next().unwrap().split('[').next().unwrap();
        let changed_line = new.lines().last().filter(|line| !line.is_empty());
        let at_top = *key == "default_backend" && error.line == Some(1);
        assert!(
            told.contains(name) || changed_line.is_some_and(|line| told.contains(line)) || at_top,
            "{shown}: {told}"
        );
    }
}

/// What is said of `key` in a configuration where each of `values` stands in place of `VALUE` in `line`, a line of
/// `[server]`.
fn told_of(line: &str, key: &str, values: &[&str]) -> Vec<String> {
    let home = Home::new();
    let told = values.iter().map(|value| {
        let (text, _) = changed("listen = ", &format!("{}\nlisten = ", line.replace("VALUE", value)));
        let error = home.check(&text).expect_err(value);
        assert_eq!(error.key.as_deref(), Some(key), "{value}: {error}");
        error.message
    });
    told.collect()
}

#[test]
fn only_headers_in_which_proxies_name_addresses_are_taken_for_one() {
    let others = [
        "authorization",
        "Cookie",
        "host",
        "forwarded",
        "via",
        "user-agent",
        "x-berth-session",
        "x-berth-client-ip",
        "content-length",
        "mcp-session-id",
        "x-forwarded-host",
        "x-forwarded-proto",
    ];
    for told in told_of("client_address = \"VALUE\"", "server.client_address", &others) {
        assert!(
            told.contains("in which proxies name") && told.contains("cf-connecting-ip"),
            "{told}"
        );
    }
    let home = Home::new();
    for header in [
        "X-Forwarded-For",
        "x-real-ip",
        "cf-connecting-ip",
        "cf-connecting-ipv6",
        "true-client-ip",
        "fly-client-ip",
        "x-azure-clientip",
        "x-envoy-external-address",
        "x-our-own-client-addr",
    ] {
        let (text, _) = changed("listen = ", &format!("client_address = \"{header}\"\nlisten = "));
        assert_eq!(
            home.check(&text).unwrap().server.client_address,
            header.to_ascii_lowercase()
        );
    }
}

#[test]
fn a_public_url_names_a_host_that_can_be_reached_in_its_one_spelling() {
    let wrong = [
        "https://*.test",
        "https://a..b",
        "https://.test",
        "https://berth.test.",
        "https://-berth.test",
        "https://berth-.test",
        "https://my_desk.test",
        "https://berth.test:0",
        "https://me@berth.test",
        "https://:secret@berth.test",
        "https://bücher.test",
        "https://ｂerth.test",
        "https://xn--0.test",
        "https://xn--.test",
        "https://127.1",
        "https://0x7f000001",
        "https://2130706433",
        "https://192.0.2.01",
        "https://１９２.0.2.1",
        "https://0.0.0.0",
        "https://224.0.0.1",
        "https://[::]",
        "https://[0:0::1]",
        "https://berth.test:",
        "https://berth.test:0443",
        "https:berth.test",
        "https:/berth.test",
        "https:///berth.test",
        "https://berth.test?",
        "https://berth.test\\\\",
        " https://berth.test",
        "ftp://berth.test",
        "",
    ];
    let long = format!("https://{}.test", "a".repeat(64));
    told_of(
        "public_url = \"VALUE\"",
        "server.public_url",
        &[&wrong[..], &[long.as_str()]].concat(),
    );
    for (written, origin) in [
        ("https://Berth.Test/", "https://berth.test"),
        ("https://berth.test:443", "https://berth.test"),
        ("https://berth.test:8443/", "https://berth.test:8443"),
        ("https://xn--bcher-kva.test", "https://xn--bcher-kva.test"),
        ("https://192.0.2.1", "https://192.0.2.1"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://desk", "https://desk"),
        ("http://localhost:8787/", "http://localhost:8787"),
    ] {
        assert_eq!(parse_public_url(written), Ok(origin.to_owned()), "{written}");
    }
}

#[test]
fn a_redirect_names_one_address_that_can_be_reached() {
    let home = Home::new();
    for wrong in [
        "https://*.example/",
        "https://*/",
        "https://a..example/",
        "https://app.example./cb",
        "https://-app.example/",
        "https://app.example:0/cb",
        "https://0.0.0.0/cb",
        "https://app.example/*",
        "https://app.example/cb?to=*",
        "https://app.example/cb#x",
        "https://me@app.example/cb",
        "http://192.0.2.1/cb",
        "http://localhost.example/cb",
        "http://127.0.0.2/cb",
        "app.example/cb",
    ] {
        for (table, key) in [
            (format!("[oauth]\nredirects = [\"{wrong}\"]"), "oauth.redirects[0]"),
            (
                format!(
                    "[oauth.clients.a]\nsecret_sha256 = \"{}\"\nredirects = [\"{wrong}\"]",
                    "0".repeat(64)
                ),
                "oauth.clients.a.redirects[0]",
            ),
        ] {
            let error = home.check(&format!("{table}\n{SMALL}")).expect_err(wrong);
            assert_eq!(error.key.as_deref(), Some(key), "{wrong}: {error}");
        }
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
    for (line, key) in [
        ("data = \"VALUE\"", "server.data"),
        ("cache = \"VALUE\"", "server.cache"),
    ] {
        told_of(
            line,
            key,
            &["/", "/..", "/dev", "/dev/berth", "/proc/berth", "/sys/../proc/berth"],
        );
    }
    if cfg!(target_os = "linux")
        && fs::metadata("/proc/self/environ").is_ok_and(|found| found.permissions().mode() & 0o77 == 0)
    {
        let home = Home::new();
        symlink("/proc/self", home.path("link")).unwrap();
        for file in ["/proc/self/environ", "~/link/environ"] {
            let (text, _) = changed("guest_env", &format!("env_file = \"{file}\"\nguest_env"));
            let error = home.check(&text).expect_err(file);
            assert_eq!(error.key.as_deref(), Some("backends.local.env_file"), "{file}: {error}");
        }
    }
}

#[test]
fn a_proxy_has_an_address_of_its_own() {
    let nobodys = ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "localhost", "10.0.0.0/8", ""];
    for told in told_of("trusted_proxies = [\"VALUE\"]", "server.trusted_proxies[0]", &nobodys) {
        assert!(told.contains("its own address"), "{told}");
    }
    told_of(
        "url_hosts = [\"VALUE\"]",
        "server.url_hosts[0]",
        &["a..b", ".", "-", "*.example", "a.", "A.example", ""],
    );
}

#[test]
fn tells_the_exact_line_also_inside_a_list() {
    let home = Home::new();
    let (text, line) = changed("agents = [\"demo\"]", "agents = [\n\"demo\",\n\"codex\",\n]");
    assert_eq!(home.check(&text).unwrap_err().line, Some(line + 2));
    let (text, line) = changed("timeout = \"1s\"", "timeout = \"10 parsecs\"");
    let expected = format!(
        "{}:{line}: backends.local.programs.tmux.timeout: \"10 parsecs\" is no duration: write it like \"10s\" or \"2m\"",
        home.path("conf/config.toml").display()
    );
    assert_eq!(home.check(&text).unwrap_err().to_string(), expected);
}

#[test]
fn needs_a_backend() {
    let error = Home::new().check("").unwrap_err();
    assert!(error.message.contains("add a table [backends.NAME]"), "{error}");
}

#[test]
fn the_shipped_text_is_right() {
    let home = Home::new();
    let config = home.shipped();
    assert_eq!(config.file, None);
    assert!(config.agents["claude"].installed);
    assert_eq!(
        config.agents["demo"].command.last().map(String::as_str),
        Some("demo-agent")
    );
    assert_eq!(config.backends["local"].directories, [home.path("projects")]);
}

#[test]
fn an_agent_whose_program_is_missing_is_not_installed() {
    let home = Home::new();
    fs::remove_file(home.path("bin/claude")).unwrap();
    let config = home.shipped();
    assert!(!config.agents["claude"].installed);
    let names: Vec<_> = config
        .agent_commands(&config.backends["local"])
        .into_iter()
        .map(|agent| agent.name)
        .collect();
    assert_eq!(names, ["demo"]);
}

#[test]
fn relative_paths_start_at_the_files_folder() {
    let home = Home::new();
    fs::create_dir_all(home.path("conf/work")).unwrap();
    let config = home.check(&SMALL.replace("~/projects", "work")).unwrap();
    assert_eq!(config.backends["local"].directories, [home.path("conf/work")]);
}

#[test]
fn a_linked_directory_is_granted_as_what_it_leads_to() {
    let home = Home::new();
    symlink(home.path("projects"), home.path("conf/link")).unwrap();
    let config = home.check(&SMALL.replace("~/projects", "link")).unwrap();
    assert_eq!(config.backends["local"].directories, [home.path("projects")]);
    symlink(home.path(""), home.path("conf/home")).unwrap();
    assert!(
        home.check(&SMALL.replace("~/projects", "home"))
            .unwrap_err()
            .message
            .contains("too wide a grant")
    );
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
fn a_file_plugin_keeps_its_digest() {
    let home = Home::new();
    home.write("conf/mine.wasm", "", 0o644);
    let (text, _) = changed(
        "plugin = \"tmux\"",
        &format!("plugin = \"mine.wasm\"\nsha256 = \"{}\"", "aB".repeat(32)),
    );
    let expected = PluginSource::File {
        path: home.path("conf/mine.wasm"),
        sha256: Some([0xab; 32]),
    };
    assert_eq!(home.check(&text).unwrap().backends["local"].plugin, expected);
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
        let error = file::read(&path).unwrap_err();
        assert!(error.to_string().contains("chmod go-w"), "{error}");
    }
    let path = home.write("conf/config.toml", SMALL, 0o644);
    assert_eq!(file::read(&path).unwrap(), SMALL);
}

#[test]
fn takes_the_users_own_file_and_else_the_shipped_text() {
    let home = Home::new();
    assert_eq!(file::choose(None, &home.surroundings()).unwrap(), None);
    let own = home.write(".config/berth/config.toml", SMALL, 0o600);
    assert_eq!(file::choose(None, &home.surroundings()).unwrap(), Some(own.clone()));
    let asked = home.path("conf/other.toml");
    assert_eq!(
        file::choose(Some(&asked), &home.surroundings()).unwrap(),
        Some(asked.clone())
    );
    assert!(file::read(&asked).unwrap_err().to_string().contains("correct the path"));
    fs::remove_file(&own).unwrap();
    symlink("/nowhere/at/all", &own).unwrap();
    assert!(file::choose(None, &home.surroundings()).unwrap().is_some());
}

#[test]
fn programs_are_not_found_by_way_of_the_current_directory() {
    let home = Home::new();
    let around = Surroundings {
        search_path: ".:bin:".into(),
        ..home.surroundings()
    };
    assert_eq!(around.find_program("tmux", &home.path("")), None);
}
