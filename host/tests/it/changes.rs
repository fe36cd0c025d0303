//! What sessions changed in their checkouts: by the shipped grant of git, with the real one, in projects whose owner may
//! want it to run something.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::demo::Demo;

/// Runs git in a project as a person does.
#[track_caller]
fn git(demo: &Demo, project: &str, args: &str) {
    let output = Command::new("git")
        .args(args.split(' '))
        .current_dir(demo.place.path("projects").join(project))
        .env("HOME", demo.place.path("home"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args}: {output:?}");
}

/// A project with a commit, and a session in it.
async fn session(demo: &Demo, project: &str) -> String {
    demo.project(project);
    for args in [
        "init --quiet .",
        "config user.name Tester",
        "config user.email tester@example.org",
    ] {
        git(demo, project, args);
    }
    write(demo, &format!("{project}/.gitignore"), "record\n");
    write(demo, &format!("{project}/a.txt"), "one\ntwo\n");
    git(demo, project, "add --all");
    git(demo, project, "commit --quiet --message=first");
    demo.create(project).await
}

fn write(demo: &Demo, path: &str, text: &str) {
    let path = demo.place.path("projects").join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

async fn changes(demo: &Demo, id: &str, after: Option<&str>) -> Value {
    let arguments = json!({"session_id": id, "after": after});
    demo.call("get_changes", arguments).await.done().structured
}

fn paths(changes: &Value) -> Vec<&str> {
    let files = changes["files"].as_array().unwrap().iter();
    files.map(|file| file["path"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_a_session_changed_is_shown_whether_it_is_committed_or_not() {
    let demo = Demo::start().await;
    let id = session(&demo, "app").await;
    assert_eq!(paths(&changes(&demo, &id, None).await), [""; 0]);
    // A second later than the commit that the session began with: git notes whole seconds.
    let begun = fs::metadata(demo.place.path("projects/app/a.txt"))
        .unwrap()
        .modified()
        .unwrap();
    crate::demo::until("the next second", async || {
        (begun.elapsed().unwrap().as_secs() > 1).then_some(())
    })
    .await;
    write(&demo, "app/a.txt", "one\n2\n");
    git(&demo, "app", "commit --quiet --all --message=second");
    write(&demo, "app/src/new.txt", "new\n");
    let changed = changes(&demo, &id, None).await;
    assert_eq!(paths(&changed), ["a.txt", "src/new.txt"]);
    assert_eq!(
        changed["files"][0],
        json!({"path": "a.txt", "added": 1, "removed": 1, "binary": false})
    );
    let text = changed["text"].as_str().unwrap();
    assert!(
        text.contains("-two\n+2\n") && text.contains("+++ b/src/new.txt\n@@ -0,0 +1 @@\n+new\n"),
        "{text}"
    );
    assert_eq!((&changed["cut"], changed.get("next")), (&json!(false), None));
    assert_ne!(changed["base"], changed["head"]);
}

#[tokio::test]
async fn a_long_diff_comes_in_pages() {
    let demo = Demo::start().await;
    let id = session(&demo, "app").await;
    for number in 0..9 {
        write(
            &demo,
            &format!("app/{number}.txt"),
            &"a line of a long file\n".repeat(4_000),
        );
    }
    let first = changes(&demo, &id, None).await;
    let text = first["text"].as_str().unwrap();
    assert!(
        (60_000..=256 << 10).contains(&text.len()) && first["cut"] == false,
        "{}",
        text.len()
    );
    let mut all: Vec<String> = paths(&first).into_iter().map(str::to_owned).collect();
    let mut page = first;
    while let Some(next) = page["next"].as_str() {
        page = changes(&demo, &id, Some(next)).await;
        all.extend(paths(&page).into_iter().map(str::to_owned));
    }
    let expected: Vec<_> = (0..9).map(|number| format!("{number}.txt")).collect();
    assert_eq!(all, expected);
    let wrong = demo
        .call("get_changes", json!({"session_id": id, "after": "--output=x"}))
        .await
        .error();
    assert!(wrong.contains("`next`"), "{wrong}");
}

#[tokio::test]
async fn a_project_that_wants_git_to_run_something_is_only_read() {
    let demo = Demo::start().await;
    let id = session(&demo, "app").await;
    let mark = demo.place.path("mark");
    let touch = format!("touch {}; cat", mark.display());
    for (key, value) in [
        ("core.fsmonitor", &touch[..]),
        ("core.hooksPath", ".git/hooks"),
        ("core.sshCommand", &touch),
        ("filter.e=v.clean", &touch),
        ("filter.e=v.required", "true"),
        ("diff.external", &touch),
        ("diff.d.textconv", &touch),
        ("include.path", "more"),
    ] {
        let mut command = Command::new("git");
        command
            .args(["config", key, value])
            .current_dir(demo.place.path("projects/app"));
        assert!(command.status().unwrap().success());
    }
    let more = format!("[filter \"x\"]\n\tclean = \"{touch}\"\n\trequired = true\n");
    write(&demo, "app/.git/more", &more);
    write(&demo, "app/.git/info/attributes", "* filter=e=v diff=d\n");
    write(&demo, "app/.gitattributes", "* filter=x\n");
    // The size is the same, so git would ask the filter what it is.
    write(&demo, "app/a.txt", "one\n2wo\n");
    let changed = changes(&demo, &id, None).await;
    assert_eq!(paths(&changed), [".gitattributes", "a.txt"]);
    assert!(!mark.exists());
    let _ = Command::new("git")
        .arg("status")
        .current_dir(demo.place.path("projects/app"))
        .output()
        .unwrap();
    assert!(mark.exists(), "the project is harmless");
}

#[tokio::test]
async fn where_it_cannot_be_known_the_reason_is_said() {
    let demo = Demo::start().await;
    let refused = async |id: &str| demo.call("get_changes", json!({"session_id": id})).await.error();
    let id = demo.create("plain").await;
    let why = refused(&id).await;
    assert!(why.contains("not in a git checkout"), "{why}");
    let id = session(&demo, "app").await;
    demo.place
        .write("bin/git", "#!/bin/sh\necho git version 2.39.5\n", 0o755);
    let why = refused(&id).await;
    assert!(
        why.contains("git here is 2.39") && why.contains("at least 2.41"),
        "{why}"
    );
    demo.place.write("bin/git", "#!/bin/sh\nexit 127\n", 0o755);
    let why = refused(&id).await;
    assert!(why.contains("git is not installed"), "{why}");
}

#[tokio::test]
async fn without_the_grant_nothing_is_run_and_the_line_that_allows_it_is_named() {
    let demo = Demo::with(|config, _| {
        let programs = config["backends"]["local"]["programs"].as_table_mut().unwrap();
        programs.remove("git");
    })
    .await;
    let id = session(&demo, "app").await;
    let why = demo.call("get_changes", json!({"session_id": id})).await.error();
    assert!(why.contains("[backends.local.programs.git]"), "{why}");
}
