//! Tries with the real git: each that is on `PATH`, in a project whose owner wants it to run something.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command as Real, Stdio};

use regex::Regex;
use serde_json::Value;

use super::*;
use crate::testing::{Host, RawOutput};
use crate::{Command, Error, Result, run_all, time};

/// Where clones are made.
const CLONE: &str = "builds/berth-00000000-0000-4000-8000-000000000001";

/// The folders with a git of their own.
fn gits() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions = Vec::new();
    std::env::split_paths(&path)
        .filter(|folder| {
            let Ok(shown) = Real::new(folder.join("git")).arg("--version").output() else {
                return false;
            };
            let is_new = !versions.contains(&shown.stdout);
            versions.push(shown.stdout);
            is_new
        })
        .collect()
}

/// A project in the directory of a scripted host, whose `git` is the real one behind the grant.
struct Repository {
    host: Host,
    git: PathBuf,
}

impl Repository {
    fn new() -> Self {
        Self::with(&gits()[0])
    }

    /// A project with two commits, and a granted git.
    fn with(git: &Path) -> Self {
        let host = Host::new();
        let path = format!("{}:/usr/bin:/bin", git.display());
        let granted = Granted::new(&grant::building(), host.directory());
        let environment = path.clone();
        host.program("git", move |command| granted.run(command, &environment));
        let project = Self {
            host,
            git: git.to_owned(),
        };
        fs::create_dir(project.path("app")).unwrap();
        for args in [
            "init --quiet --initial-branch=main .",
            "config user.name Tester",
            "config user.email tester@example.org",
        ] {
            project.order("app", args);
        }
        project.host.file("app/a.txt", "one\ntwo\nthree\n");
        project.host.file("app/src/b.txt", "b\n");
        project.commit("app", "first");
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.host.directory().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Runs git as a person does.
    fn person(&self, directory: &str, args: &[&str]) -> std::process::Output {
        Real::new(self.git.join("git"))
            .args(args)
            .current_dir(self.path(directory))
            .env("HOME", self.host.directory())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env_remove("GIT_DIR")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The same for what must succeed.
    #[track_caller]
    fn order(&self, directory: &str, args: &str) -> String {
        let output = self.person(directory, &args.split(' ').collect::<Vec<_>>());
        assert!(output.status.success(), "git {args}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn commit(&self, directory: &str, message: &str) -> Commit {
        self.order(directory, "add --all");
        self.order(directory, &format!("commit --quiet --message={message}"));
        self.head(directory)
    }

    fn head(&self, directory: &str) -> Commit {
        commit(&self.name(directory), "HEAD").unwrap().unwrap()
    }

    fn clone(&self) -> Result<()> {
        let (project, clone) = (self.name("app"), self.name(CLONE));
        fs::create_dir_all(self.path("builds")).unwrap();
        let job = clone_job(&project, &clone);
        // What the job's program would be.
        job.run()?.success().map(drop)
    }

    fn changes(&self) -> Result<crate::ChangePage> {
        let directory = self.name("app");
        changes(&Wanted {
            directory: &directory,
            since: Since::Commit(self.head("app")),
            after: None,
            limit: 100,
            is_ours: false,
        })
    }

    fn is_new_enough(&self) -> bool {
        version().unwrap() >= version::FOREIGN
    }
}

/// A grant as the host holds it.
struct Granted {
    fixed: Vec<String>,
    lists: Vec<Vec<String>>,
    words: Value,
    root: PathBuf,
}

impl Granted {
    fn new(grant: &Value, root: &Path) -> Self {
        let lists = ["read", "control", "job"];
        let texts = |value: &Value| serde_json::from_value(value.clone()).unwrap();
        Self {
            fixed: texts(&grant["fixed"]),
            lists: lists
                .iter()
                .flat_map(|list| serde_json::from_value::<Vec<Vec<String>>>(grant[list].clone()).unwrap())
                .collect(),
            words: grant["words"].clone(),
            root: root.to_owned(),
        }
    }

    fn allows(&self, args: &[String]) -> bool {
        let takes = |written: &str, arg: &str| match written.split_once('<').zip(written.split_once('>')) {
            None if written == "@directory" => Path::new(arg).starts_with(&self.root) && !arg.contains(".."),
            None => written == arg,
            Some(((before, rest), (_, after))) => {
                let word = self.words[rest.split_once('>').unwrap().0].as_str().unwrap();
                let value = arg.strip_prefix(before).and_then(|arg| arg.strip_suffix(after));
                let whole = Regex::new(&format!(r"\A(?:{word})\z")).unwrap();
                value.is_some_and(|value| whole.is_match(value))
            }
        };
        self.lists
            .iter()
            .any(|list| list.len() == args.len() && list.iter().zip(args).all(|(written, arg)| takes(written, arg)))
    }

    fn run(&self, command: &Command, path: &str) -> Result<RawOutput> {
        if !self.allows(&command.args) {
            return Err(Error::Denied(format!("{:?}", command.args)));
        }
        let mut child = Real::new("/usr/bin/env")
            .args(&self.fixed)
            .args(&command.args)
            .current_dir(command.directory.as_deref().unwrap_or("/"))
            .env_clear()
            .env("PATH", path)
            .env("HOME", &self.root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut input, bytes) = (child.stdin.take().unwrap(), command.stdin.clone());
        let writer = std::thread::spawn(move || input.write_all(&bytes));
        let output = child.wait_with_output().unwrap();
        let _ = writer.join().unwrap();
        Ok(RawOutput {
            status: output.status.code(),
            signal: None,
            stdout: output.stdout,
            stderr: output.stderr,
            truncated: false,
        })
    }
}

/// What a hostile owner does to the project, everything leading to the file `mark`.
fn turn_hostile(project: &Repository) {
    let mark = project.name("mark");
    let touch = format!("touch {mark}; cat");
    let clone = project.name(CLONE);
    let config = format!(
        r#"
[core]
    fsmonitor = "{touch}"
    hooksPath = .git/evil
    sshCommand = "{touch}"
    gitProxy = "{touch}"
    pager = "{touch}"
    editor = "{touch}"
    askPass = "{touch}"
    alternateRefsCommand = "{touch}"
    untrackedCache = true
[pager]
    ls-files = "{touch}"
    diff-index = "{touch}"
[alias]
    ls-files = "!{touch}"
    rev-parse = "!{touch}"
[filter "e=v"]
    clean = "{touch}"
    smudge = "{touch}"
    process = "{touch}"
    required = true
[diff]
    external = "{touch}"
[diff "d"]
    command = "{touch}"
    textconv = "{touch}"
[merge "m"]
    driver = "{touch}"
[include]
    path = more
[protocol]
    allow = always
[protocol "ext"]
    allow = always
[remote "origin"]
    url = "ext::touch {mark}"
    fetch = +refs/heads/*:refs/remotes/origin/*
    promisor = true
    uploadpack = "{touch}"
    vcs = ext
[remote "{clone}"]
    url = {clone}
    uploadpack = "{touch}"
    proxy = "{touch}"
[extensions]
    partialClone = origin
[credential]
    helper = "!{touch}"
[uploadpack]
    packObjectsHook = "{touch}"
[gc]
    auto = 1
    recentObjectsHook = "{touch}"
[gpg]
    program = "{touch}"
[log]
    showSignature = true
[submodule]
    recurse = true
[submodule "sub"]
    active = true
    update = "!{touch}"
    url = "ext::touch {mark}"
"#
    );
    let known = fs::read_to_string(project.path("app/.git/config")).unwrap();
    project.host.file("app/.git/config", known + &config);
    let more = format!("[filter \"x\"]\n\tclean = \"{touch}\"\n\tsmudge = \"{touch}\"\n\trequired = true\n");
    project.host.file("app/.git/more", more);
    project
        .host
        .file("app/.git/info/attributes", "* filter=e=v diff=d merge=m\n");
    project.host.file("spare/info/packs", "");
    project
        .host
        .file("app/.git/objects/info/alternates", project.name("spare") + "\n");
    for folder in ["hooks", "evil"] {
        for hook in [
            "post-checkout",
            "post-index-change",
            "reference-transaction",
            "pre-auto-gc",
            "fsmonitor-watchman",
            "post-merge",
            "post-commit",
            "pre-commit",
        ] {
            let path = project
                .host
                .file(&format!("app/.git/{folder}/{hook}"), format!("#!/bin/sh\n{touch}\n"));
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

/// What the owner committed before: attributes and a submodule.
fn commit_bait(project: &Repository) {
    project
        .host
        .file("app/.gitattributes", "* filter=x diff=d\n*.lfs filter=e=v\n");
    project.host.file(
        "app/.gitmodules",
        "[submodule \"sub\"]\n\tpath = sub\n\turl = ext::sh -c true\n",
    );
    project.host.file("app/big.lfs", "pointer\n");
    let head = project.head("app");
    project.order("app", &format!("update-index --add --cacheinfo 160000,{head},sub"));
    project.commit("app", "bait");
}

fn ran(project: &Repository) -> bool {
    project.path("mark").exists()
}

#[test]
fn a_hostile_project_runs_nothing_while_it_is_looked_at_and_would_for_a_person() {
    for git in gits() {
        let project = Repository::with(&git);
        commit_bait(&project);
        turn_hostile(&project);
        // Same size and another time: git would look into it through the filters.
        project.host.file("app/a.txt", "one\n2wo\nthree\n");
        project.host.file("app/src/new.txt", "new\n");
        let changed = project.changes();
        if project.is_new_enough() {
            let page = changed.unwrap();
            let paths: Vec<_> = page.files.iter().map(|file| file.path.as_str()).collect();
            assert_eq!(paths, ["a.txt", "src/new.txt"]);
            assert!(page.text.contains("-two\n+2wo\n"), "{}", page.text);
        } else {
            assert!(
                matches!(&changed, Err(Error::Refused(why)) if why.contains("at least 2.41")),
                "{changed:?}"
            );
        }
        assert!(!ran(&project), "{} ran something", git.display());
        project.person("app", &["status"]);
        assert!(ran(&project), "the bait does not work with {}", git.display());
    }
}

#[test]
fn an_object_that_is_missing_is_not_fetched_and_the_file_is_not_told_as_unchanged() {
    for git in gits() {
        let project = Repository::with(&git);
        let object = project.order("app", "rev-parse HEAD:a.txt");
        turn_hostile(&project);
        fs::remove_file(project.path(&format!("app/.git/objects/{}/{}", &object[..2], &object[2..]))).unwrap();
        project.host.file("app/a.txt", "other\n");
        if project.is_new_enough() {
            let page = project.changes().unwrap();
            assert!(page.cut && page.files[0].path == "a.txt", "{page:?}");
        }
        assert!(!ran(&project), "{} ran something", git.display());
        project.person("app", &["cat-file", "-p", &object]);
        assert!(ran(&project), "the bait does not work with {}", git.display());
    }
}

#[test]
fn a_hostile_project_is_cloned_checked_out_and_fetched_into_and_runs_nothing() {
    for git in gits() {
        let project = Repository::with(&git);
        commit_bait(&project);
        turn_hostile(&project);
        let (app, clone) = (project.name("app"), project.name(CLONE));
        let base = commit(&app, "main").unwrap().unwrap();
        project.clone().unwrap();
        let branch = Branch::checked("fix/it").unwrap();
        check_out(&clone, &branch, &base).unwrap();
        assert_eq!(
            fs::read_to_string(project.path("builds/berth-00000000-0000-4000-8000-000000000001/src/b.txt")).unwrap(),
            "b\n"
        );
        assert_eq!(leftovers(&clone).unwrap(), [""; 0]);
        project
            .host
            .file("builds/berth-00000000-0000-4000-8000-000000000001/src/b.txt", "built\n");
        project
            .host
            .file("builds/berth-00000000-0000-4000-8000-000000000001/left.txt", "left\n");
        project.order(CLONE, "config user.name Agent");
        project.order(CLONE, "config user.email agent@example.org");
        project.order(CLONE, "add src");
        project.order(CLONE, "commit --quiet --message=built");
        let head = project.head(CLONE);
        let done = work(&clone, &base, &head).unwrap();
        assert_eq!((done.commits, done.files.len(), done.files[0].added), (1, 1, 1));
        assert_eq!(leftovers(&clone).unwrap(), ["left.txt"]);
        assert_eq!(
            fetch_back(&app, &clone, &head, &branch, "job-1").unwrap(),
            Fetched::Branch
        );
        assert_eq!(commit(&app, "refs/heads/fix/it").unwrap(), Some(head));
        assert!(!ran(&project), "{} ran something", git.display());
        project.person("app", &["checkout", "--quiet", "fix/it"]);
        assert!(ran(&project), "the bait does not work with {}", git.display());
    }
}

#[test]
fn a_clone_that_turned_hostile_runs_nothing_when_its_work_is_fetched() {
    for git in gits() {
        let project = Repository::with(&git);
        let (app, clone) = (project.name("app"), project.name(CLONE));
        let base = project.head("app");
        project.clone().unwrap();
        let branch = Branch::checked("fix").unwrap();
        check_out(&clone, &branch, &base).unwrap();
        project.order(CLONE, "config user.name Agent");
        project.order(CLONE, "config user.email agent@example.org");
        project
            .host
            .file("builds/berth-00000000-0000-4000-8000-000000000001/a.txt", "built\n");
        project.order(CLONE, "commit --quiet --all --message=built");
        let head = project.head(CLONE);
        let touch = format!("touch {}; cat", project.name("mark"));
        let known =
            fs::read_to_string(project.path("builds/berth-00000000-0000-4000-8000-000000000001/.git/config")).unwrap();
        let config = format!(
            "[core]\n\tfsmonitor = \"{touch}\"\n\thooksPath = .git/evil\n[uploadpack]\n\tpackObjectsHook = \"{touch}\"\n\
             [filter \"e=v\"]\n\tclean = \"{touch}\"\n[diff \"d\"]\n\ttextconv = \"{touch}\"\n\tcommand = \"{touch}\"\n"
        );
        project.host.file(
            "builds/berth-00000000-0000-4000-8000-000000000001/.git/config",
            known + &config,
        );
        project.host.file(
            "builds/berth-00000000-0000-4000-8000-000000000001/.git/info/attributes",
            "* filter=e=v diff=d\n",
        );
        project
            .host
            .file("builds/berth-00000000-0000-4000-8000-000000000001/a.txt", "b2ilt\n");
        assert_eq!(work(&clone, &base, &head).unwrap().files.len(), 1);
        assert_eq!(leftovers(&clone).unwrap(), ["a.txt"]);
        fetch_back(&app, &clone, &head, &branch, "job-1").unwrap();
        assert!(!ran(&project), "{} ran something", git.display());
        project.person(CLONE, &["status"]);
        assert!(ran(&project), "the bait does not work with {}", git.display());
    }
}

#[test]
fn a_branch_that_went_another_way_or_is_checked_out_is_kept_aside() {
    for git in gits() {
        let project = Repository::with(&git);
        let (app, clone) = (project.name("app"), project.name(CLONE));
        let base = project.head("app");
        project.clone().unwrap();
        project.order("app", "branch fix");
        let branch = Branch::checked("fix").unwrap();
        check_out(&clone, &branch, &base).unwrap();
        project.order(CLONE, "config user.name Agent");
        project.order(CLONE, "config user.email agent@example.org");
        project
            .host
            .file("builds/berth-00000000-0000-4000-8000-000000000001/a.txt", "built\n");
        let head = project.commit(CLONE, "built");
        let fetch = |aside| fetch_back(&app, &clone, &head, &branch, aside).unwrap();
        // Ahead of it: it goes on.
        assert_eq!(fetch("job-1"), Fetched::Branch);
        assert_eq!(fetch("job-1"), Fetched::Branch, "again");
        project.order("app", "checkout --quiet fix");
        project.host.file("app/a.txt", "ours\n");
        project.order("app", "reset --quiet --hard main");
        project.host.file("app/a.txt", "ours\n");
        let ours = project.commit("app", "ours");
        // Checked out, and then only gone another way.
        for aside in ["job-2", "job-3"] {
            let reference = format!("refs/berth/{aside}");
            assert_eq!(fetch(aside), Fetched::Aside(reference.clone()));
            assert_eq!(commit(&app, &reference).unwrap().as_ref(), Some(&head));
            assert_eq!(commit(&app, "refs/heads/fix").unwrap().as_ref(), Some(&ours));
            project.order("app", "checkout --quiet main");
        }
    }
}

#[test]
fn a_name_that_git_would_read_as_something_else_is_not_a_branch() {
    let _project = Repository::new();
    for name in ["main", "fix/login-2", "größe", "a.b", "v1.0_x+y", "head/x"] {
        assert_eq!(Branch::checked(name).unwrap().name(), name);
    }
    let long = "x".repeat(201);
    for name in [
        "",
        "-b",
        "--output=M",
        "--force",
        "@",
        "@{-1}",
        "HEAD",
        "a..b",
        "a b",
        "a\nb",
        "x.lock",
        "a//b",
        "a/",
        ".a",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[b",
        "a\\b",
        "x@{1}",
        "/a",
        &long,
    ] {
        assert!(matches!(Branch::checked(name), Err(Error::Invalid(_))), "{name:?}");
    }
}

#[test]
fn a_name_becomes_a_commit_and_nothing_is_written_for_it() {
    for git in gits() {
        let project = Repository::with(&git);
        let (app, head) = (project.name("app"), project.head("app"));
        project.order("app", "tag v1");
        for name in ["main", "v1", "refs/heads/main", head.id(), &head.id()[..12], "HEAD"] {
            assert_eq!(commit(&app, name).unwrap().as_ref(), Some(&head), "{name}");
        }
        let none = [
            "none",
            "--output=M",
            "--force",
            "-n",
            "main..v1",
            "^main",
            "--all",
            "main:a.txt",
            "@{-1}",
            "--",
            " ",
        ];
        for name in none {
            assert_eq!(commit(&app, name).unwrap(), None, "{name}");
        }
        for name in ["", "a\nb", "a\0b", &"x".repeat(251)] {
            assert!(matches!(commit(&app, name), Err(Error::Invalid(_))), "{name:?}");
        }
        assert!(!project.path("app/M").exists());
    }
}

#[test]
fn a_repository_elsewhere_is_refused_and_one_in_a_granted_directory_is_read() {
    let project = Repository::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let elsewhere = elsewhere.path().canonicalize().unwrap();
    let output = project.person(
        "app",
        &["clone", "--quiet", ".", elsewhere.join("other").to_str().unwrap()],
    );
    assert!(output.status.success());
    project.order("app", "branch side");
    project.order("app", "worktree add --quiet ../tree side");
    project.host.file("tree/a.txt", "one\ntwo\nthree\nfour\n");
    let look = |directory: &str| {
        let directory = project.name(directory);
        changes(&Wanted {
            directory: &directory,
            since: Since::Time(time::now()),
            after: None,
            limit: 100,
            is_ours: false,
        })
    };
    let page = look("tree").unwrap();
    assert_eq!((page.files.len(), page.files[0].path.as_str()), (1, "a.txt"));
    let git_file = format!("gitdir: {}\n", elsewhere.join("other/.git").display());
    project.host.file("pointing/.git", git_file);
    let refused = look("pointing");
    assert!(
        matches!(&refused, Err(Error::Refused(why)) if why.contains("in no granted directory")),
        "{refused:?}"
    );
    symlink(elsewhere.join("other/.git"), project.path("pointing/link")).unwrap();
    fs::remove_file(project.path("pointing/.git")).unwrap();
    fs::rename(project.path("pointing/link"), project.path("pointing/.git")).unwrap();
    assert!(matches!(look("pointing"), Err(Error::Refused(_))));
    fs::create_dir(project.path("plain")).unwrap();
    let refused = look("plain");
    assert!(
        matches!(&refused, Err(Error::Refused(why)) if why.contains("not in a git checkout")),
        "{refused:?}"
    );
}

#[test]
fn a_repository_that_leads_elsewhere_is_neither_cloned_from_nor_fetched_into() {
    let other = tempfile::tempdir().unwrap();
    let other = other.path().canonicalize().unwrap().join("other");
    let lead = |project: &Repository, part: &str| {
        let there = other.join(".git").join(part);
        let here = project.path("app/.git").join(part);
        fs::remove_dir_all(&here).or_else(|_| fs::remove_file(&here)).unwrap();
        symlink(there, here).unwrap();
    };
    let write = |project: &Repository, file: &str, text: String| drop(project.host.file(file, text));
    type Turn<'a> = Box<dyn Fn(&Repository) + 'a>;
    let turns: [(&str, Turn<'_>); 8] = [
        (
            "gitdir",
            Box::new(|project| {
                fs::remove_dir_all(project.path("app/.git")).unwrap();
                write(project, "app/.git", format!("gitdir: {}/.git\n", other.display()));
            }),
        ),
        (
            "a linked .git",
            Box::new(|project| {
                fs::remove_dir_all(project.path("app/.git")).unwrap();
                symlink(other.join(".git"), project.path("app/.git")).unwrap();
            }),
        ),
        (
            "commondir",
            Box::new(|project| write(project, "app/.git/commondir", format!("{}/.git\n", other.display()))),
        ),
        (
            "alternates",
            Box::new(|project| {
                let named = format!("{}/.git/objects\n", other.display());
                write(project, "app/.git/objects/info/alternates", named);
            }),
        ),
        (
            "alternates by way of the parent",
            Box::new(|project| {
                let up = "../".repeat(12);
                let named = format!(
                    "{up}{}/.git/objects\n",
                    other.display().to_string().trim_start_matches('/')
                );
                write(project, "app/.git/objects/info/alternates", named);
            }),
        ),
        ("refs/heads", Box::new(|project| lead(project, "refs/heads"))),
        ("logs", Box::new(|project| lead(project, "logs"))),
        ("objects", Box::new(|project| lead(project, "objects"))),
    ];
    for (what, turn) in turns {
        let project = Repository::new();
        let cloned = project.person("app", &["clone", "--quiet", ".", other.to_str().unwrap()]);
        assert!(cloned.status.success(), "{cloned:?}");
        let (app, clone) = (project.name("app"), project.name(CLONE));
        let base = project.head("app");
        project.clone().unwrap();
        let branch = Branch::checked("fix").unwrap();
        check_out(&clone, &branch, &base).unwrap();
        confined(&app).unwrap();
        turn(&project);
        let refused = confined(&app);
        assert!(matches!(refused, Err(Error::Refused(_))), "{what}: {refused:?}");
        let refused = fetch_back(&app, &clone, &base, &branch, "job-1");
        assert!(matches!(refused, Err(Error::Refused(_))), "{what}: {refused:?}");
        assert!(!other.join(".git/refs/heads/fix").exists(), "{what}: it was written to");
        fs::remove_dir_all(&other).unwrap();
    }
    // A hook that a person links is not run, and leads nowhere; a checkout of the same repository is whole.
    let project = Repository::new();
    symlink("/etc/hostname", project.path("app/.git/hooks/pre-commit")).unwrap();
    project.order("app", "branch side");
    project.order("app", "worktree add --quiet ../tree side");
    for directory in ["app", "tree"] {
        confined(&project.name(directory)).unwrap();
    }
}

#[test]
fn what_is_in_the_clone_alone_is_counted_whatever_the_clone_calls_it() {
    let project = Repository::new();
    project.order("app", "tag v1");
    let (app, clone) = (project.name("app"), project.name(CLONE));
    project.clone().unwrap();
    assert_eq!(unfetched(&app, &clone).unwrap(), 0);
    for reference in ["refs/remotes/project/x", "refs/tags/t", "refs/stash"] {
        let made = project.order(
            CLONE,
            &format!("-c user.name=A -c user.email=a@example.org commit-tree -m {reference} HEAD^{{tree}}"),
        );
        project.order(CLONE, &format!("update-ref {reference} {made}"));
        assert_eq!(unfetched(&app, &clone).unwrap(), 1, "{reference}");
        project.order(CLONE, &format!("update-ref -d {reference}"));
    }
}

#[test]
fn all_that_changed_since_a_time_is_told_committed_or_not_from_anywhere_in_the_checkout() {
    let project = Repository::new();
    let base = project.head("app");
    for (path, text) in [("gone.txt", "gone\n"), ("staged.txt", "old\n"), ("same.txt", "same\n")] {
        project.host.file(&format!("app/{path}"), text);
    }
    let base_2 = project.commit("app", "second");
    project.host.file("app/committed.txt", "committed\n");
    project.commit("app", "third");
    fs::remove_file(project.path("app/gone.txt")).unwrap();
    project.host.file("app/staged.txt", "new\n");
    project.order("app", "add staged.txt");
    project.host.file("app/.gitignore", "ignored\n");
    project.host.file("app/ignored", "x");
    project.host.file("app/same.txt", "same\n");
    project.host.file("app/src/ü and\ttab.txt", "x\n");
    fs::create_dir(project.path("app/nested")).unwrap();
    project.order("app/nested", "init --quiet .");
    let look = |directory: &str, since| {
        let directory = project.name(directory);
        let page = changes(&Wanted {
            directory: &directory,
            since,
            after: None,
            limit: 100,
            is_ours: false,
        });
        page.unwrap()
    };
    let page = look("app/src", Since::Commit(base_2.clone()));
    let told: Vec<_> = page
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.added, file.removed))
        .collect();
    assert_eq!(
        told,
        [
            (".gitignore", 1, 0),
            ("committed.txt", 1, 0),
            ("gone.txt", 0, 1),
            ("src/ü and\ttab.txt", 1, 0),
            ("staged.txt", 1, 1),
        ]
    );
    assert_eq!(
        (page.base.as_deref(), page.cut, page.next),
        (Some(base_2.id()), false, None)
    );
    assert_eq!(page.head.as_deref(), Some(project.head("app").id()));
    // Before the first commit there was nothing; git knows no earlier one.
    let since = look("app", Since::Time(1_600_000_000_000));
    assert_eq!(since.base.as_deref(), Some(base.id()));
    let now = look("app", Since::Time(time::now()));
    assert_eq!(now.files.len(), 4, "what is not committed: {:?}", now.files);
}

#[test]
fn a_repository_without_a_commit_shows_all_its_files() {
    let project = Repository::new();
    fs::create_dir(project.path("fresh")).unwrap();
    project.order("fresh", "init --quiet .");
    project.host.file("fresh/a", "a\n");
    project.host.file("fresh/b", "b\n");
    project.order("fresh", "add a");
    let directory = project.name("fresh");
    let page = changes(&Wanted {
        directory: &directory,
        since: Since::Time(time::now()),
        after: None,
        limit: 100,
        is_ours: false,
    });
    let page = page.unwrap();
    assert_eq!((page.base, page.head, page.files.len()), (None, None, 2));
}

#[test]
fn pages_are_bounded_and_together_have_every_file_once() {
    let project = Repository::new();
    let base = project.head("app");
    for number in 0..30 {
        let text: String = (0..1_000)
            .map(|line| format!("{number} {line} {}\n", "x".repeat(20)))
            .collect();
        project.host.file(&format!("app/many/{number:02}"), text);
    }
    project.host.file("app/zlong", "a line of text\n".repeat(30_000));
    let directory = project.name("app");
    let (mut after, mut paths, mut pages) = (None::<String>, Vec::new(), 0);
    loop {
        let page = changes(&Wanted {
            directory: &directory,
            since: Since::Commit(base.clone()),
            after: after.as_deref(),
            limit: 100,
            is_ours: false,
        });
        let page = page.unwrap();
        pages += 1;
        assert!(page.text.len() <= 256 << 10, "{}", page.text.len());
        assert_eq!(page.cut, page.files.iter().any(|file| file.path == "zlong"));
        paths.extend(page.files.into_iter().map(|file| file.path));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let expected: Vec<_> = (0..30)
        .map(|number| format!("many/{number:02}"))
        .chain(["zlong".to_owned()])
        .collect();
    assert_eq!(paths, expected);
    assert!(pages > 3, "{pages}");
}

#[test]
fn the_grant_takes_nothing_that_could_be_another_command() {
    let project = Repository::new();
    let granted = Granted::new(&grant::building(), project.host.directory());
    let root = project.name("app");
    let id = "78981922613b2afb6025042ff6bd878ac1994e85";
    let clone = CLONE.trim_start_matches("builds/");
    for line in [
        "git status",
        "git --git-dir=.git --work-tree=. status",
        "git --git-dir=.git --work-tree=. diff",
        "git --git-dir=/etc --work-tree=. ls-files --stage --debug -z",
        "git -c core.fsmonitor=x --git-dir=.git --work-tree=. ls-files --stage --debug -z",
        "sh -c x",
        "GIT_ALLOW_PROTOCOL=ext git --version",
        "GIT_CONFIG_COUNT=0 git --version",
        "git --git-dir=.git --work-tree=. rev-parse --verify --quiet --end-of-options x",
        "git --git-dir=.git --work-tree=. checkout --quiet --no-track -B x ID --",
        "git -C CLONE --git-dir=.git --work-tree=. checkout --quiet --no-track -B x main --",
        "git -C app --git-dir=.git --work-tree=. checkout --quiet --no-track -B x ID --",
        "git -C ../CLONE --git-dir=.git --work-tree=. checkout --quiet --no-track -B x ID --",
        "git -C CLONE --git-dir=.git --work-tree=. checkout --quiet --no-track -B --force ID --",
        "git --git-dir=.git --work-tree=. rev-list --all",
        "find . -type l -delete",
        "find . -exec x ;",
        "git check-ref-format --branch --output=M",
        "git check-ref-format --branch @{-1}",
        "git --git-dir=.git --work-tree=. cat-file --batch --filters",
    ] {
        let args: Vec<_> = line
            .split(' ')
            .map(|arg| arg.replace("ID", id).replace("CLONE", clone))
            .collect();
        assert!(!granted.allows(&args), "{line}");
    }
    for (from, to) in [
        ("ext::sh", &root[..]),
        ("/etc", &root),
        (&root, "/tmp/x"),
        (&root, "--bare"),
    ] {
        assert!(!granted.allows(&clone_job(from, to).args), "{from} {to}");
    }
    assert!(granted.allows(&clone_job(&root, &project.name("x")).args));
    let outcomes = run_all([Command::new("git", ["git", "gc"])]);
    assert!(matches!(outcomes[0], Err(Error::Denied(_))));
}
