//! Each way in which a text can be wrong: its error says file, line, key and fix.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use super::*;
use crate::session::Effect;

/// The file that is read.
const FILE: &str = "/home/me/conf/config.toml";

/// What a configuration is read against where nothing is looked for.
pub(crate) fn around() -> Surroundings<'static> {
    Surroundings {
        installation: Installation {
            berth: Path::new("/opt/berth"),
            plugins: &["headless", "tmux", "other"],
        },
        user: 1000,
        home: "/home/me".into(),
        config: "/home/me/.config".into(),
        data: "/home/me/.local/share".into(),
        cache: "/home/me/.cache".into(),
    }
}

pub(crate) fn shipped() -> Config {
    Config::parse(&Layers::shipped(), &around()).unwrap()
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(&Layers::yours(Path::new(FILE), text), &around())
}

/// A small configuration that holds.
pub(crate) const SMALL: &str = r#"
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
pub(crate) fn changed(old: &str, new: &str) -> (String, usize) {
    assert_eq!(SMALL.matches(old).count(), 1, "{old}");
    let before = SMALL.split(old).next().unwrap();
    (
        SMALL.replace(old, new),
        before.lines().count().max(1) + usize::from(before.ends_with('\n')),
    )
}

#[test]
fn who_approves_is_a_client_that_does_not_widen_unless_something_else_is_written() {
    let parsed = |prompts: &str| parse(&format!("{SMALL}[prompts]\n{prompts}")).map(|config| config.prompts);
    let usual = Prompts {
        confirm: Confirm::Client,
        remote_effects: vec![Effect::Accepts, Effect::Declines, Effect::Neutral],
    };
    assert_eq!(parse(SMALL).unwrap().prompts, usual);
    assert_eq!(shipped().prompts, usual);
    assert_eq!(parsed("").unwrap(), usual);
    let other = parsed("confirm = 'person'\nremote_effects = ['widens']").unwrap();
    assert_eq!(
        (other.confirm, other.remote_effects),
        (Confirm::Person, vec![Effect::Widens])
    );
    assert_eq!(parsed("remote_effects = []").unwrap().remote_effects, []);
    for (wrong, why) in [
        ("confirm = 'always'", "expected one of `client`, `person`, `none`"),
        (
            "remote_effects = ['all']",
            "expected one of `accepts`, `widens`, `declines`, `neutral`",
        ),
        ("effects = []", "unknown field `effects`"),
    ] {
        let error = parsed(wrong).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(FILE), "{error}");
    }
}

#[test]
fn takes_what_is_right() {
    let config = parse(SMALL).unwrap();
    assert_eq!(config.default_backend, "local");
    assert_eq!(config.agents["demo"].command, ["env", "/opt/berth"]);
    let backend = &config.backends["local"];
    assert_eq!(backend.directories, [Path::new("/home/me/projects")]);
    assert_eq!(
        backend.limits,
        Limits {
            memory: 64 << 20,
            calls: 1,
            processes: 16,
            deadline: Duration::from_secs(30),
            jobs: 2,
            interactive_jobs: 8,
            depth: None,
            keep_jobs: Duration::from_hours(30 * 24),
            jobs_size: 2 << 30,
        }
    );
    let program = &backend.programs["tmux"];
    assert_eq!((program.sought.written.as_str(), &program.sought.path), ("tmux", &None));
    let grant = program.at("/usr/bin/tmux".into());
    assert_eq!(grant.path, Path::new("/usr/bin/tmux"));
    assert_eq!((grant.timeout, grant.output), (Duration::from_secs(1), 1 << 20));
    assert_eq!(config.server.data, Path::new("/home/me/.local/share/berth"));
}

#[test]
fn says_line_key_and_fix_of_whatever_is_wrong() {
    let cases: &[(&str, &str, &str, &str)] = &[
        (
            "timeout = \"1s\"",
            "timeout = \"10 parsecs\"",
            "backends.local.programs.tmux.timeout",
            "like \"10s\" or \"2m\"",
        ),
        (
            "control = []",
            "job_timeout = \"2 days\"",
            "backends.local.programs.tmux.job_timeout",
            "1day",
        ),
        (
            "control = []",
            "job_output = \"2 GiB\"",
            "backends.local.programs.tmux.job_output",
            "1",
        ),
        (
            "control = []",
            "job = [[\"run\", \"<other>\"]]",
            "backends.local.programs.tmux.job[0]",
            "other",
        ),
        ("calls = 1", "jobs = 0", "backends.local.limits.jobs", "64"),
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
            "env = [\"HOME\"]",
            "files = [{ under = \"~/x\", names = \"*.json\" }, { under = \"~/x\", names = \"*\" }]",
            "backends.local.files[1].names",
            "like \"*.json\"",
        ),
        (
            "env = [\"HOME\"]",
            "files = [{ under = \"~/x\", names = \"../a*\" }]",
            "backends.local.files[0].names",
            "no `/`",
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
            "there are \"@text\", \"@directory\" and \"@agent\"",
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
            "agents = [\"demo\"]",
            "agents = [\"demo\",\n \"codex\"]",
            "backends.local.agents[1]",
            "there are: demo",
        ),
        (
            "plugin = \"tmux\"",
            "plugin = \"tmax\"",
            "backends.local.plugin",
            "use one of headless, tmux, other",
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
            "not a tool's name",
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
            "not a word of a command",
        ),
        ("\"--resume\", ", "", "agents.demo.options.resume", "begin with \"-\""),
        (
            "command = [\"env\", \"@berth\"]",
            "command = [\"env\", \"@berth\"]\nheadless = [\"agent\"]",
            "agents.demo.headless",
            "at least two words",
        ),
        (
            "command = [\"env\", \"@berth\"]",
            "command = [\"env\", \"--entry=@entry\"]",
            "agents.demo.command[1]",
            "in `headless`",
        ),
        (
            "[agents.demo.options]",
            "[agents.demo.headless_options]\nturns = [\"--turns\"]\n[agents.demo.options]",
            "agents.demo.headless_options",
            "there is no `headless`",
        ),
        (
            "command = [\"env\", \"@berth\"]",
            "command = [\"env\", \"@berth\"]\nprotocol = \"acp\"",
            "agents.demo.protocol",
            "there is no `headless`",
        ),
        (
            "command = [\"env\", \"@berth\"]",
            "command = [\"env\", \"@berth\"]\nheadless = [\"env\", \"x\"]\nprotocol = \"mcp\"",
            "agents.demo.protocol",
            "stream-json",
        ),
        (
            "command = [\"env\", \"@berth\"]",
            "command = [\"env\", \"@berth\"]\nheadless = [\"env\", \"x\"]\nheadless_options = { resume = [\"--resume\"] }",
            "agents.demo.headless_options.resume",
            "remove one of them",
        ),
        (
            "command = [\"env\", \"@berth\"]",
            "command = [\"env\", \"@berth\"]\nheadless = [\"env\", \"x\"]\nheadless_options = { turns = [\"--turns=<n>\"] }",
            "agents.demo.headless_options.turns",
            "among the words",
        ),
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
        ("hide = []", "hide = [\"\"]", "tools.hide[0]", "not a tool's name"),
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
        says(&parse(&text).expect_err(new), &text, FILE, new, key, fix);
    }
}

/// That `error`, about the `text` of `file` in which `new` stands, names the file, `key`, its line and `fix`.
pub(crate) fn says(error: &ConfigError, text: &str, file: &str, new: &str, key: &str, fix: &str) {
    let shown = error.to_string();
    assert_eq!(error.key.as_deref(), Some(key), "{new}: {shown}");
    assert!(error.message.contains(fix), "{new}: {shown}");
    assert!(shown.starts_with(&format!("{file}:")), "{shown}");
    let told = text.lines().nth(error.line.unwrap() - 1).unwrap();
    let name = key.rsplit('.').next().unwrap().split('[').next().unwrap();
    let changed_line = new.lines().last().filter(|line| !line.is_empty());
    let at_top = key == "default_backend" && error.line == Some(1);
    assert!(
        told.contains(name) || changed_line.is_some_and(|line| told.contains(line)) || at_top,
        "{shown}: {told}"
    );
}

/// What is said of `key` in a configuration where each of `values` stands in place of `VALUE` in `line`, a line of
/// `[server]`.
fn told_of(line: &str, key: &str, values: &[&str]) -> Vec<String> {
    let told = values.iter().map(|value| {
        let (text, _) = changed("listen = ", &format!("{}\nlisten = ", line.replace("VALUE", value)));
        let error = parse(&text).expect_err(value);
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
        assert_eq!(parse(&text).unwrap().server.client_address, header.to_ascii_lowercase());
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
            let error = parse(&format!("{table}\n{SMALL}")).expect_err(wrong);
            assert_eq!(error.key.as_deref(), Some(key), "{wrong}: {error}");
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
    let (text, line) = changed("agents = [\"demo\"]", "agents = [\n\"demo\",\n\"codex\",\n]");
    assert_eq!(parse(&text).unwrap_err().line, Some(line + 2));
    let (text, line) = changed("timeout = \"1s\"", "timeout = \"10 parsecs\"");
    let expected = format!(
        "{FILE}:{line}: backends.local.programs.tmux.timeout: \"10 parsecs\" is not a duration: write it like \"10s\" or \"2m\""
    );
    assert_eq!(parse(&text).unwrap_err().to_string(), expected);
}

#[test]
fn two_programs_never_share_the_file_that_is_written_for_each() {
    let program = |backend: &str, program: &str| {
        format!("[backends.{backend}]\nplugin = \"other\"\n[backends.{backend}.programs.{program}]\npath = \"sh\"\n")
    };
    let text = format!(
        "default_backend = \"one\"\n{}{}",
        program("one", "a-b"),
        program("one-a", "b")
    );
    let why = parse(&text).unwrap_err().to_string();
    assert!(
        why.contains("backends.one-a.programs.b") && why.contains("one-a-b") && why.contains("rename one"),
        "{why}"
    );
    let text = format!(
        "default_backend = \"one\"\n{}{}",
        program("one", "a-b"),
        program("one-a", "c")
    );
    parse(&text).unwrap();
}

#[test]
fn needs_a_backend() {
    let error = parse("").unwrap_err();
    assert!(error.message.contains("add a table [backends.NAME]"), "{error}");
}

#[test]
fn the_shipped_text_is_right() {
    let config = shipped();
    assert_eq!(config.file, None);
    assert_eq!(
        config.agents["demo"].command.last().map(String::as_str),
        Some("demo-agent")
    );
    assert_eq!(config.backends["local"].directories, [Path::new("/home/me/projects")]);
}

#[test]
fn paths_are_absolute_wherever_they_are_written() {
    let (text, _) = changed(
        "plugin = \"tmux\"",
        "plugin = \"./mine.wasm\"\nenv_file = \"~/secret.env\"",
    );
    let text = text.replace("~/projects", "work/../here").replace(
        "fixed = [\"-f\", \"@conf\"]",
        "fixed = [\"-f\", \"@conf\", \"@socket\"]\npath = \"bin/tmux\"\nsocket = { former = \"/tmp/tmux-<uid>/it\" }",
    );
    let backend = parse(&text).unwrap().backends.remove("local").unwrap();
    let plugin = PluginSource::File {
        path: "/home/me/conf/mine.wasm".into(),
        sha256: None,
    };
    assert_eq!(backend.plugin, plugin);
    assert_eq!(backend.env_file.as_deref(), Some(Path::new("/home/me/secret.env")));
    // What `..` leads to is known only where the folder is looked at.
    assert_eq!(backend.directories, [Path::new("/home/me/conf/work/../here")]);
    let program = &backend.programs["tmux"];
    assert_eq!(
        program.sought.path.as_deref(),
        Some(Path::new("/home/me/conf/bin/tmux"))
    );
    let former = program.at(PathBuf::new()).socket.unwrap().former;
    assert_eq!(former.as_deref(), Some(Path::new("/tmp/tmux-1000/it")));
}

#[test]
fn a_file_plugin_keeps_its_digest() {
    let (text, _) = changed(
        "plugin = \"tmux\"",
        &format!("plugin = \"mine.wasm\"\nsha256 = \"{}\"", "aB".repeat(32)),
    );
    let expected = PluginSource::File {
        path: "/home/me/conf/mine.wasm".into(),
        sha256: Some([0xab; 32]),
    };
    assert_eq!(parse(&text).unwrap().backends["local"].plugin, expected);
}
