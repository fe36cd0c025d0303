//! What other functions than those of sessions answer where their settings are words: `forge` for texts and ids that would
//! be rows of others, and more.

use std::time::Duration;

use berth_plugin::{
    ChangePage, ChangedFile, Error, Event, LogPage, OptionState, Project, ProjectPage, Result, Role, Turn, TurnPage,
    TurnQuery, Upkept, files, store, time,
};

use crate::lists::FORGED;
use crate::sessions;

/// Waits until there is the granted file `path`.
pub(crate) fn wait_for(path: &str) {
    while files::read(path, 1).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What `id` printed; `huge`: more than a page has; `gap`: something before it is gone; `stuck`: there is always more, and
/// the cursor stays; `flood`: a megabyte of which nothing is to be shown, `too-long`: 15 of them, `flood-next`: such a cursor.
pub(crate) fn log(how: &str, id: &str) -> LogPage {
    let text = match how {
        "huge" => "line\n".repeat(200_000),
        "forge" => FORGED.to_owned(),
        "flood" => "\u{200b}".repeat(1 << 20),
        "too-long" => sessions::flood(),
        _ => format!("{id} says hello"),
    };
    LogPage {
        text,
        next: match how {
            "flood-next" => sessions::flood(),
            _ => "1".into(),
        },
        more: how == "stuck",
        gap: how == "gap",
    }
}

/// Some projects; `none`; `problems`: some, and what could not be looked at; `unknown`: one, and
/// a directory that could not be read, `all-unknown`: two of these and none; `crowd`: 5,000; `flood`: 15 MB.
pub(crate) fn projects(how: &str) -> ProjectPage {
    let problem = || Error::Denied(format!("not granted{FORGED}"));
    let unreadable = || Error::Failed("it cannot be read".into());
    match how {
        "none" => ProjectPage::of(Vec::new()),
        "crowd" => ProjectPage::of(
            (0..5_000)
                .map(|number| Project::new(format!("p{number}"), "/p"))
                .collect(),
        ),
        "unknown" => ProjectPage::of(vec![Project::new("plain", "/plain")]).problem("/other", unreadable()),
        "all-unknown" => ProjectPage::of(Vec::new())
            .problem("/one", unreadable())
            .problem("/other", unreadable()),
        "flood" => {
            let hidden = || "\u{200b}".repeat(1 << 20);
            ProjectPage::of(vec![
                Project::new("plain", "/plain"),
                Project::new(hidden(), "/name"),
                Project::new("path", hidden()),
                Project {
                    branch: Some(hidden()),
                    ..Project::new("branch", "/branch")
                },
            ])
            .problem(hidden(), Error::Failed(hidden()))
        }
        _ => {
            let page = ProjectPage::of(vec![
                Project::new("plain", "/plain"),
                Project::new(format!("name{FORGED}"), "/name"),
                Project::new("path", format!("/path{FORGED}")),
            ]);
            match how {
                "problems" => page.problem("/root", problem()).problem(FORGED, problem()),
                _ => page,
            }
        }
    }
}

/// Two options; `forge`; `crowd`: 5,000.
pub(crate) fn options(how: &str) -> Vec<OptionState> {
    let option = |name: &str| OptionState::new(name, "what it is");
    match how {
        "forge" => [FORGED, "", "twin", "twin"]
            .map(|name| option(name).values([FORGED, "", "x", "x"]).value(FORGED))
            .to_vec(),
        "crowd" => (0..5_000).map(|number| option(&format!("option-{number}"))).collect(),
        _ => vec![
            option("model").values(["small", "large"]).value("small"),
            option("name"),
        ],
    }
}

/// Three turns; `forge`; `overfull`: more than was asked for; `endless`: always the same, and more.
pub(crate) fn turns(how: &str, query: &TurnQuery) -> TurnPage {
    let turn = |id: &str, role, text: &str| Turn::new(id, role, text).at(1_700_000_000_000);
    let turns = match how {
        "forge" => ["1", FORGED, "", "twin", "twin"]
            .map(|id| Turn {
                tool: Some(FORGED.into()),
                message: Some(FORGED.into()),
                ..turn(id, Role::Tool, FORGED)
            })
            .to_vec(),
        "overfull" => (0..query.limit + 500)
            .map(|number| turn(&number.to_string(), Role::Agent, "x"))
            .collect(),
        _ if query.after.is_some() && how != "endless" => Vec::new(),
        _ => vec![
            turn("1", Role::Person, "hello"),
            turn("2", Role::Tool, "ls"),
            turn("3", Role::Agent, "hello, too"),
        ],
    };
    TurnPage {
        turns,
        more: how == "endless",
        gap: how == "gap",
    }
}

/// One changed file; `forge`; `huge`: a longer diff than a page has; `stuck`: pages that go on from nowhere.
pub(crate) fn changes(how: &str, after: Option<&str>) -> ChangePage {
    let file = |path: &str| ChangedFile {
        path: path.into(),
        added: 1,
        removed: 0,
        binary: false,
    };
    let hostile = [FORGED, "", "../../etc/passwd", "twin", "twin"];
    ChangePage {
        base: Some(if how == "forge" { FORGED } else { "base" }.into()),
        head: None,
        files: match how {
            "forge" => hostile.map(file).to_vec(),
            _ => vec![file("src/main.rs")],
        },
        text: match how {
            "huge" => "+x\n".repeat(200_000),
            "forge" => FORGED.into(),
            _ => "+x\n".into(),
        },
        cut: false,
        next: match how {
            "stuck" => Some("again".into()),
            _ => after.and(None),
        },
    }
}

/// Nothing is due; `notes`: each event is a line at the key `events` of the store; `changed`: sessions changed, of which
/// most are none; `tells`: that one changed once something is at the key `done`; `often`: it wants to be called again at once; `numbers`: at a time that no double holds.
pub(crate) fn upkeep(how: &str, events: &[Event]) -> Result<Upkept> {
    let upkept = Upkept::new();
    match how {
        "notes" => {
            for event in events {
                sessions::note("events", &format!("{} {}", event.kind, event.id))?;
            }
            Ok(upkept)
        }
        "changed" => {
            let ids = ["calm-1", "calm-1", "", "a/b", FORGED];
            Ok(ids.into_iter().fold(upkept, Upkept::changed))
        }
        "tells" => {
            let upkept = upkept.next(time::now());
            Ok(match store::raw::get("done")? {
                Some(_) => upkept.changed("work-1"),
                None => upkept,
            })
        }
        "often" => {
            sessions::note("upkeep", "once more")?;
            Ok(upkept.next(time::now()))
        }
        "numbers" => Ok(upkept.next(u64::MAX)),
        _ => Ok(upkept),
    }
}
