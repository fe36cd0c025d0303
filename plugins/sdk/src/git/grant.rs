//! What a plugin asks for so that this module works: tables for `programs.git` in its manifest.
//!
//! The program is `env`, which sets git's variables from `fixed`. They come before anything that a plugin gives, and
//! git lets them count more than the configuration of a repository, whatever it includes.

use serde_json::{Value, json};

/// No list but those of clones reaches another repository: this denies git every transport, so a repository that lacks
/// objects cannot have them fetched, which could run a program. Locks are not taken for what only looks.
const FIXED: [&str; 5] = [
    "GIT_ALLOW_PROTOCOL=none",
    "GIT_NO_LAZY_FETCH=1",
    "GIT_NO_REPLACE_OBJECTS=1",
    "GIT_OPTIONAL_LOCKS=0",
    "GIT_TERMINAL_PROMPT=0",
];

/// For a list that reaches another repository of this machine.
pub(super) const TRANSPORT: &str = "GIT_ALLOW_PROTOCOL=file";

/// What a repository could have set to run something by itself.
const CONFIGURATION: [(&str, &str); 8] = [
    ("core.fsmonitor", "false"),
    ("core.untrackedCache", "false"),
    ("core.hooksPath", "/dev/null"),
    // It is run by a shell where objects of another repository are used; `true` answers nothing.
    ("core.alternateRefsCommand", "true"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("submodule.recurse", "false"),
    ("advice.detachedHead", "false"),
];

/// For [`changes`](super::changes()): lists that look at a repository, and run and write nothing in it.
#[must_use]
pub fn reading() -> Value {
    json!({
        "path": "env",
        "fixed": fixed(),
        "timeout": "5s",
        "output": "16 MiB",
        "words": {
            "id": ID,
            "time": "[0-9]{9,12}",
        },
        "read": looks(),
    })
}

/// For builds too: a clone as a job, and what is done with it.
#[must_use]
pub fn building() -> Value {
    let mut grant = reading();
    let mut read = looks();
    read.extend([
        list("git check-ref-format --branch <branch>"),
        here("rev-parse --verify --quiet --end-of-options <revision>^{commit}"),
        here("rev-list --count <id> ^<id> --"),
        here("rev-list --no-walk --all"),
        here("diff-tree -r -z --numstat --no-renames --no-ext-diff --no-textconv <id> <id> --"),
        super::repository::LINKS.map(str::to_owned).to_vec(),
    ]);
    grant["read"] = json!(read);
    let reaching = |list: Vec<String>| [vec![TRANSPORT.to_owned()], list].concat();
    let fetch = here(
        "fetch --quiet --no-tags --no-prune --no-write-fetch-head --no-recurse-submodules --no-auto-maintenance \
         --refmap= --upload-pack=git-upload-pack -- @directory <update>",
    );
    let mut check_out = here("checkout --quiet --no-track -B <branch> <id> --");
    check_out.splice(1..1, list("-C <clone>"));
    grant["control"] = json!([check_out, reaching(fetch)]);
    let clone = list(
        "git clone --quiet --no-local --no-checkout --no-recurse-submodules --template= --origin=origin \
         --config=remote.origin.fetch=+refs/remotes/*:refs/remotes/project/* -- @directory @directory",
    );
    grant["job"] = json!([reaching(clone)]);
    grant["timeout"] = json!("2m");
    grant["job_timeout"] = json!("1h");
    for (word, expression) in [
        ("branch", BRANCH),
        ("clone", CLONE),
        ("revision", REVISION),
        ("update", UPDATE),
    ] {
        grant["words"][word] = json!(expression);
    }
    grant
}

const ID: &str = "[0-9a-f]{40}([0-9a-f]{24})?";
const BRANCH: &str = r"[^\x00-\x20\x7f\\{}~^:?*\[@/.-][^\x00-\x20\x7f\\{}~^:?*\[]{0,199}";
/// The names of clones of ours, which nothing else has.
pub const CLONE: &str = "berth-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const REVISION: &str = r"[^\x00-\x1f\x7f]{1,250}";
const UPDATE: &str = r"[0-9a-f]{40}([0-9a-f]{24})?:refs/(heads|berth)/[^\x00-\x20\x7f\\{}~^:?*\[]{1,200}";

fn fixed() -> Vec<String> {
    let numbered = CONFIGURATION.iter().enumerate().flat_map(|(number, (key, value))| {
        [
            format!("GIT_CONFIG_KEY_{number}={key}"),
            format!("GIT_CONFIG_VALUE_{number}={value}"),
        ]
    });
    let variables = FIXED.map(str::to_owned).into_iter();
    let count = format!("GIT_CONFIG_COUNT={}", CONFIGURATION.len());
    variables.chain([count]).chain(numbered).collect()
}

fn looks() -> Vec<Vec<String>> {
    vec![
        list("git --version"),
        here("rev-parse --path-format=absolute --git-dir --git-common-dir"),
        here("rev-parse --verify --quiet HEAD^{commit}"),
        here("rev-parse --verify --quiet HEAD@{<time>}^{commit}"),
        here("ls-files --stage --debug -z"),
        here("ls-files --others --exclude-standard -z"),
        here("diff-index --cached --raw -z --no-abbrev --no-renames --ignore-submodules=all <id> --"),
        here("cat-file --batch-check"),
        here("cat-file --batch"),
    ]
}

/// Arguments of git in the repository of its directory.
fn here(line: &str) -> Vec<String> {
    super::run::HERE
        .map(str::to_owned)
        .into_iter()
        .chain(list(line))
        .collect()
}

fn list(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}
