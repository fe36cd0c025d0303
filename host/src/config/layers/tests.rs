//! The operator's text over a shipped one: what comes of each key, and where an error says that it stands.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::config::tests::around;
use crate::config::{Config, PluginSource};

const FILE: &str = "/home/me/conf/config.toml";

const SMALL: &str = r#"default_backend = "local"
[server]
max_requests = 32
[server.rates]
tools = 600
login = 10
[agents.demo]
command = ["env", "demo"]
[agents.demo.words]
id = "[a-z]+"
[agents.demo.options]
resume = ["--resume", "<id>"]
[backends.local]
plugin = "tmux"
agents = ["demo"]
directories = ["~/projects"]
env = ["HOME", "PATH"]
[backends.local.settings]
columns = 120
rows = 60
[backends.local.programs.sh]
path = "bash"
timeout = "7s"
words = { name = "[a-z]+" }
read = [["-c", "<name>"]]
control = [["-x"]]
[backends.local.programs.cat]
read = [["-"]]
"#;

fn over(yours: &str) -> Layers<'_> {
    Layers {
        shipped: SMALL,
        accepted: Accepted::Whole,
        ..Layers::yours(Path::new(FILE), yours)
    }
}

fn parse(yours: &str) -> Result<Config, ConfigError> {
    Config::parse(&over(yours), &around())
}

fn table(yours: &str) -> toml::Table {
    over(yours).read().unwrap().0
}

#[test]
fn an_empty_file_changes_nothing() {
    let shipped: toml::Table = SMALL.parse().unwrap();
    for nothing in [
        "",
        "\n",
        "# nothing\n",
        "[server]\n",
        "\u{feff}",
        "[backends.local.settings]",
    ] {
        assert_eq!(table(nothing), shipped, "{nothing:?}");
    }
}

#[test]
fn tables_merge_and_whatever_else_is_written_replaces() {
    for (yours, key, becomes) in [
        ("[server.rates]\ntools = 1", "server.rates", "tools = 1\nlogin = 10"),
        (
            "server.rates.register = 3",
            "server.rates",
            "tools = 600\nlogin = 10\nregister = 3",
        ),
        ("[backends.local]\nenv = []", "backends.local.env", "[]"),
        ("[backends.local]\nenv = [\"TERM\"]", "backends.local.env", "[\"TERM\"]"),
        (
            "[backends.local.settings]\nrows = 9",
            "backends.local.settings",
            "columns = 120\nrows = 9",
        ),
        (
            "[agents.demo]\ncommand = [\"a\", \"b\"]",
            "agents.demo.words",
            "id = \"[a-z]+\"",
        ),
        (
            "[agents.demo.options]\nmodel = [\"--model\"]",
            "agents.demo.options",
            "resume = [\"--resume\", \"<id>\"]\nmodel = [\"--model\"]",
        ),
        (
            "[agents.other]\ncommand = [\"a\", \"b\"]",
            "agents.demo.command",
            "[\"env\", \"demo\"]",
        ),
        (
            "[backends.local.programs.cat]\ncontrol = []",
            "backends.local.programs.sh.path",
            "\"bash\"",
        ),
    ] {
        let (table, expected) = (table(yours), format!("is = {{}}\n[of]\n{becomes}\n"));
        let expected: toml::Table = match becomes.contains('=') {
            true => expected.parse().unwrap(),
            false => format!("of = {becomes}").parse().unwrap(),
        };
        let found = key
            .split('.')
            .fold(&toml::Value::Table(table), |at, key| &at[key])
            .clone();
        assert_eq!(found, expected["of"], "{yours}");
    }
}

#[test]
fn a_programs_table_is_replaced_with_every_key() {
    let ours = "[backends.local.programs.sh]\nread = [[\"-n\"]]\n";
    let table = table(ours);
    let programs = &table["backends"]["local"]["programs"];
    assert_eq!(programs["sh"], toml::Value::Table("read = [[\"-n\"]]".parse().unwrap()));
    assert!(programs["cat"].get("read").is_some(), "the others stay");
    let backend = parse(ours).unwrap().backends.remove("local").unwrap();
    let grant = backend.programs["sh"].at("/bin/sh".into());
    assert!(grant.control.is_empty() && grant.words.is_empty());
    assert_eq!(backend.programs["sh"].sought.written, "sh");
}

#[test]
fn a_backend_that_is_not_enabled_is_not_there() {
    let other = "[backends.mine]\nplugin = \"other\"\n";
    let off = "[backends.local]\nenabled = false\n";
    let config = parse(&format!("{off}{other}")).unwrap();
    assert_eq!(config.backends.keys().collect::<Vec<_>>(), ["mine"]);
    assert_eq!(
        config.default_backend, "mine",
        "the shipped default went with its backend"
    );
    // One of the operator's own, and one that this binary does not ship, or no longer ships.
    let config = parse("[backends.gone]\nenabled = false\n[backends.mine]\nenabled = false\nplugin = \"x\"\n").unwrap();
    assert_eq!(config.backends.keys().collect::<Vec<_>>(), ["local"]);
    let config = parse("[backends.local]\nenabled = true\n").unwrap();
    assert_eq!(config.default_backend, "local");
    let none = parse(off).unwrap_err();
    assert!(none.message.contains("there is no backend"), "{none}");
    let named = parse(&format!("default_backend = \"local\"\n{off}{other}")).unwrap_err();
    assert_eq!(
        named.to_string(),
        format!("{FILE}:1: default_backend: there is no backend \"local\" (there are: mine): name one of them")
    );
    let wrong = parse("[backends.local]\nenabled = \"no\"\n").unwrap_err();
    assert_eq!(
        (wrong.line, wrong.key.as_deref()),
        (Some(2), Some("backends.local.enabled"))
    );
}

#[test]
fn an_error_names_the_layer_and_the_line_there() {
    let shipped = "the shipped config.toml";
    for (yours, file, line, key) in [
        ("\n[server]\nmax_requests = 0", FILE, 3, "server.max_requests"),
        ("[server]\nmax_requets = 1", FILE, 2, "server.max_requets"),
        (
            "[backends.local]\nagents = [\n\"demo\",\n\"x\"]",
            FILE,
            4,
            "backends.local.agents[1]",
        ),
        (
            "[backends.local.programs.sh]\nread = [[\"<name>\"]]",
            FILE,
            2,
            "backends.local.programs.sh.read[0]",
        ),
        ("[backends.mine]\nagents = []", FILE, 1, "backends.mine"),
        ("[backends.mine]\nplugin = \"x\"", FILE, 2, "backends.mine.plugin"),
        ("backends = 7", FILE, 1, "backends"),
        ("[server]\nlisten = = 1", FILE, 2, "listen"),
        ("[agents.demo.words]\nid = \"[\"", FILE, 2, "agents.demo.words.id"),
        (
            "[agents.demo.options]\nresume = [\"resume\"]",
            FILE,
            2,
            "agents.demo.options.resume",
        ),
        ("agents.demo = 1", FILE, 1, "agents.demo"),
    ] {
        let error = parse(yours).unwrap_err();
        assert_eq!(
            (error.file.as_str(), error.line),
            (file, Some(line)),
            "{yours}: {error}"
        );
        assert_eq!(error.key.as_deref(), Some(key), "{yours}: {error}");
    }
    for (text, line, key) in [
        (SMALL.replace("= 600", "= 0"), 5, "server.rates.tools"),
        (
            SMALL.replace("rows = 60", "rows = 60\n[backends.local.limits]\ncalls = 0"),
            22,
            "backends.local.limits.calls",
        ),
    ] {
        let layers = Layers {
            shipped: &text,
            ..over("[server]\nlisten = \"127.0.0.1:1\"\n")
        };
        let error = Config::parse(&layers, &around()).unwrap_err();
        assert_eq!((error.file.as_str(), error.line), (shipped, Some(line)), "{error}");
        assert_eq!(error.key.as_deref(), Some(key), "{error}");
    }
}

#[test]
fn relative_paths_are_the_operators_and_start_at_that_file() {
    let yours = "[backends.mine]\nplugin = \"./mine.wasm\"\ndirectories = [\"work\"]\n";
    let config = parse(yours).unwrap();
    let mine = &config.backends["mine"];
    assert_eq!(mine.directories, [Path::new("/home/me/conf/work")]);
    assert!(matches!(&mine.plugin, PluginSource::File { path, .. } if path == Path::new("/home/me/conf/mine.wasm")));
    // So the shipped text has none.
    let shipped = |folder: &str| {
        let file = Path::new(folder).join("config.toml");
        let layers = Layers {
            accepted: Accepted::Whole,
            ..Layers::yours(&file, "")
        };
        let config = Config::parse(&layers, &around()).unwrap();
        format!("{:?}{:?}{:?}", config.backends, config.agents, config.server)
    };
    assert_eq!(shipped("/one"), shipped("/two"));
}

#[test]
fn a_file_alone_is_all_there_is_where_nothing_is_accepted() {
    let whole: toml::Table = SMALL.parse().unwrap();
    let layers = Layers {
        shipped: "[backends.more]\nplugin = \"other\"\n[server]\nmax_requests = 48\n",
        ..Layers::yours(Path::new(FILE), SMALL)
    };
    let (table, _): (toml::Table, At) = layers.read().unwrap();
    assert_eq!(table, whole);
}

#[test]
fn the_digest_of_what_is_granted_depends_on_the_hosts_of_backends() {
    let grants = |yours: &str| over(yours).grants().unwrap();
    let mac = "[hosts.mac]\ndestination = \"me@mac\"\n";
    let on = |host: &str| format!("[backends.local]\nhost = \"{host}\"\n{mac}[hosts.box]\ndestination = \"me@box\"\n");
    assert_eq!(grants(mac), grants("[hosts]\nmac = { destination = 'me@mac' }"));
    assert_ne!(grants(mac), grants(""));
    assert_ne!(grants(mac), grants(&mac.replace("me@mac", "me@box")));
    assert_ne!(grants(&on("mac")), grants(&on("box")));
}

#[test]
fn a_backend_that_is_like_another_one_has_its_keys_where_it_has_none() {
    let yours = "[hosts.mac]\ndestination = \"me@mac\"\n\
                 [backends.local]\nenv_file = \"secret.env\"\n\
                 [backends.mac]\nlike = \"local\"\nhost = \"mac\"\ndirectories = [\"~/code\"]\n\
                 [backends.mac.settings]\nrows = 9\n\
                 [backends.mac.programs.cat]\nread = [[\"-n\"]]\n";
    let shown = table(yours);
    let (local, mac) = (&shown["backends"]["local"], &shown["backends"]["mac"]);
    for key in ["plugin", "agents", "env"] {
        assert_eq!(local[key], mac[key], "{key}");
    }
    assert_eq!(local["programs"]["sh"], mac["programs"]["sh"]);
    assert_eq!(
        mac["settings"],
        toml::Value::Table("columns = 120\nrows = 9".parse().unwrap())
    );
    assert_eq!(
        mac["programs"]["cat"],
        toml::Value::Table("read = [['-n']]".parse().unwrap())
    );
    assert!(mac.get("env_file").is_none(), "secrets go only where they are named");
    assert!(mac.get("like").is_none(), "what is shown is the whole");
    let config = parse(yours).unwrap();
    let mac = &config.backends["mac"];
    assert_eq!(
        (mac.host.as_deref(), &*mac.directories),
        (Some("mac"), &["~/code".into()][..])
    );
    assert_eq!(mac.programs["sh"].at("/bin/sh".into()).backend, "mac");
    // One that is taken away is still known, and is not what the other one loses.
    let config = parse(&yours.replace("env_file = \"secret.env\"", "enabled = false")).unwrap();
    assert_eq!(config.backends.keys().collect::<Vec<_>>(), ["mac"]);
}

#[test]
fn a_backend_is_like_one_that_is_there_and_like_no_other() {
    for yours in [
        "[backends.mac]\nlike = \"lokal\"\n",
        "[backends.mac]\nlike = \"mac\"\n",
        "[backends.box]\nlike = \"local\"\n[backends.mac]\nlike = \"box\"\n",
    ] {
        let error = parse(&format!("default_backend = \"local\"\n{yours}")).unwrap_err();
        assert_eq!(error.key.as_deref(), Some("backends.mac.like"), "{error}");
        assert!(error.message.contains("name another"), "{error}");
    }
    // An error about what it has from the other one is where that stands.
    let error = parse("[backends.mac]\nlike = \"local\"\nagents = [\"none\"]\n").unwrap_err();
    assert_eq!(
        (error.file.as_str(), error.line, error.key.as_deref()),
        (FILE, Some(3), Some("backends.mac.agents[0]"))
    );
    let small = SMALL.replace("\"<name>\"]]\ncontrol", "\"<nome>\"]]\ncontrol");
    let layers = Layers {
        shipped: &small,
        ..over("[backends.local]\nenabled = false\n[backends.mac]\nlike = \"local\"\n")
    };
    let error = Config::parse(&layers, &around()).unwrap_err();
    assert_eq!(error.file, "the shipped config.toml", "{error}");
    assert_eq!(
        error.key.as_deref(),
        Some("backends.mac.programs.sh.read[0]"),
        "{error}"
    );
}
