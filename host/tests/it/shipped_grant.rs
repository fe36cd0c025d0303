//! The shipped grant of tmux, asked by a plugin for everything that tmux could be made to do. Only `path` is replaced,
//! by a program that prints its arguments: so what is allowed shows, and what is denied could not have run anyway.

use berth::config::SHIPPED;
use serde_json::{Value, json};
use toml::Table;

use crate::berth::{Berth, Place};

/// A berth whose backend `local` is as shipped except its plugin, its directory, and the program that tmux is.
async fn shipped() -> (Place, Berth) {
    let mut config: Table = SHIPPED.parse().unwrap();
    config.remove("server");
    config["backends"].as_table_mut().unwrap().remove("jobs");
    let local = config["backends"]["local"].as_table_mut().unwrap();
    local.remove("settings");
    local.insert("plugin".into(), "./misbehaving.wasm".into());
    local.insert("directories".into(), vec!["projects"].into());
    let tmux = local["programs"]["tmux"].as_table_mut().unwrap();
    tmux.insert("path".into(), "bin/tmux".into());
    // Nobody's real sessions are a test's.
    tmux["socket"].as_table_mut().unwrap().remove("former");
    let place = Place::new("");
    place.write(
        "bin/tmux",
        "#!/bin/sh\nfor argument; do printf '<%s>' \"$argument\"; done\n",
        0o755,
    );
    place.write("bin/claude", "#!/bin/sh\n", 0o755);
    place.configure(&config.to_string(), "");
    let berth = Berth::serve(&place).await;
    (place, berth)
}

/// What the host makes of each argument list.
async fn outcomes(place: &Place, berth: &Berth, lists: &[Vec<&str>]) -> Vec<Value> {
    // What an agent needs; the others do not mind it.
    let directory = place.name("projects");
    let mut all = Vec::new();
    for lists in lists.chunks(64) {
        let commands: Vec<_> = lists
            .iter()
            .map(|args| json!({"program": "tmux", "args": args, "directory": directory}))
            .collect();
        let answer = berth.call("run", json!({"commands": commands})).await.done();
        all.extend(answer.structured["outcomes"].as_array().unwrap().clone());
    }
    all
}

/// An argument list written in one line.
fn list(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

async fn all_denied(lists: &[Vec<&str>]) {
    let (place, berth) = shipped().await;
    for (list, outcome) in lists.iter().zip(outcomes(&place, &berth, lists).await) {
        let why = outcome["denied"]
            .as_str()
            .unwrap_or_else(|| panic!("{list:?} was not denied: {outcome}"));
        assert!(why.contains("[backends.local.programs"), "{why}");
    }
}

const START: &str = "new-session -d -s a-1 -n demo -x 120 -y 60 --";
const CLAUDE: &str = "env -u TMUX -u TMUX_PANE BERTH_SESSION=claude CLAUDE_CODE_DISABLE_ALTERNATE_SCREEN=1 claude";

#[tokio::test]
async fn what_the_plugin_needs_is_allowed_and_fixed_arguments_come_first() {
    let (place, berth) = shipped().await;
    let start = format!("{START} {CLAUDE} --model=opus");
    let lists = [
        list("has-session -t =a"),
        list("send-keys -t %1 -- Enter"),
        list("send-keys -l -t =a: -- #(touch_M)"),
        list("has-session -t =a ; kill-session -t =a"),
        list("load-buffer -b a -"),
        list("pipe-pane -t %1 ; paste-buffer -p -r -d -b a -t %1"),
        list("pipe-pane -t %1 ; paste-buffer -r -d -b a -t %1"),
        list(&start),
    ];
    let conf = place.name("data/conf/local-tmux");
    let socket = place.name("data/sockets/local/tmux");
    for (list, outcome) in lists.iter().zip(outcomes(&place, &berth, &lists).await) {
        let passed: String = list.iter().map(|argument| format!("<{argument}>")).collect();
        let expected = format!("<-u><-S><{socket}><-f><{conf}>{passed}");
        assert_eq!(outcome["stdout"], expected, "{outcome}");
    }
}

#[tokio::test]
async fn whatever_makes_tmux_run_a_command_is_denied() {
    let lines = "
        run-shell touch_M
        run touch_M
        if-shell true touch_M
        if true kill-server
        pipe-pane -t %0 touch_M
        pipe-pane -o -t %0 touch_M
        pipe-pane -I -t %0 touch_M
        new-window touch_M
        neww touch_M
        split-window touch_M
        splitw touch_M
        respawn-pane -k -t %0 touch_M
        respawn-window -k -t %0 touch_M
        pipe-pane -t %0 cat>M
        display-popup touch_M
        display-panes run-shell
        command-prompt run-shell
        confirm-before run-shell
        choose-tree run-shell
        bind-key -n a run-shell_x
        set-hook -g after-new-session run-shell_x
        source-file M
        source M
        wait-for a
        copy-mode -t %0
        start-server
        kill-server
        lock-server
        detach-client -E touch_M
        attach-session -t =a
        attach-session -t =a -c #(touch_M)
        switch-client -t =a
        customize-mode
        -c touch_M
        -f M has-session -t =a
        -S M has-session -t =a
        -L other has-session -t =a
        -C";
    all_denied(&rows(lines)).await;
}

#[tokio::test]
async fn more_than_one_command_in_a_list_is_denied_unless_each_is_allowed() {
    let mut lists = rows(
        "
        has-session -t =a ; run-shell touch_M
        has-session -t =a ;
        ; has-session -t =a
        has-session -t =a ; ; has-session -t =a
        has-session -t =a; run-shell touch_M
        send-keys -l -t %0 -- x; run-shell touch_M
        send-keys -l -t %0 -- x;
        send-keys -l -t %0 -- x;;
        load-buffer -b a -;",
    );
    lists.push(vec!["has-session", "-t", "=a", "\n;"]);
    lists.push(vec!["has-session -t =a"]);
    all_denied(&lists).await;
}

#[tokio::test]
async fn formats_that_run_or_leak_are_denied() {
    all_denied(&rows(
        "
        list-sessions
        list-sessions -F #(touch_M)
        list-sessions -f #(touch_M)
        list-panes -a
        list-panes -a -F #(touch_M)
        list-panes -a -F #{E:#{a:35}(touch_M)}
        list-panes -a -F #{E:pane_title}
        list-panes -a -F #{T:pane_title}
        list-panes -a -F #%p(touch_M)
        list-panes -a -f #(touch_M) -F #{pane_id}
        list-windows -a -F #(touch_M)
        list-clients -F #(touch_M)
        list-buffers -F #(touch_M)
        list-keys
        list-commands -F #(touch_M)
        display-message #(touch_M)
        display-message -p #(touch_M)
        display-message -p -t %0 #(touch_M)
        display-message -p -F #(touch_M)
        display-message -a
        display-message -p #{SECRET}
        display-message -p -t %0 #{p2000000000:x}
        show-environment -g
        show-options -g
        show-messages
        show-buffer -b a",
    ))
    .await;
}

#[tokio::test]
async fn a_session_starts_with_nothing_but_an_agent() {
    let mut lists = rows(
        "
        new-session
        new-session -d -s a
        new-session -d -s a -n a -x 80 -y 24
        new-session -d -s a -n a -x 80 -y 24 --
        new-session -d -s a -n a -x 80 -y 24 -- touch_M
        new-session -d -s a -n a -x 80 -y 24 -- sh -c touch_M
        new-session -d -s a -n a -x 80 -y 24 touch_M
        new-session -d -s a -n a -x 80 -y 24 -c #(touch_M) -- env claude
        new-session -d -s #(touch_M) -n a -x 80 -y 24 -- env claude
        new-session -d -s a -n #(touch_M) -x 80 -y 24 -- env claude
        new-session -d -P -F #(touch_M) -s a -n a -x 80 -y 24 -- env claude
        new-session -d -e LD_PRELOAD=M -s a -n a -x 80 -y 24 -- env claude
        new-session -d -e BASH_ENV=M -s a -n a -x 80 -y 24 -- env claude
        new-session -ds a touch_M
        new -d -s a",
    );
    let start = list(START);
    lists.push([&start[..], &["sh", "-c", "touch M", "--"], &list(CLAUDE)].concat());
    lists.push([&start[..], &["sh", "-c", "touch M"], &list(CLAUDE)].concat());
    lists.push([&start[..start.len() - 1], &["sh", "-c", "touch M", "--"], &list(CLAUDE)].concat());
    lists.push([&start[..start.len() - 1], &list(CLAUDE)[..]].concat());
    lists.push([&start[..], &["claude"]].concat());
    all_denied(&lists).await;
}

#[tokio::test]
async fn an_agent_gets_only_the_options_that_are_declared() {
    let start = format!("{START} {CLAUDE}");
    let options = [
        "--settings {}",
        "--settings={}",
        "--mcp-config x.json",
        "--mcp-config=x.json",
        "--add-dir /",
        "--dangerously-skip-permissions",
        "--permission-mode=bypassPermissions",
        "--permission-mode plan",
        "--resume --dangerously-skip-permissions",
        "--resume",
        "--model=",
        "--model=-x",
        "--continue --continue",
        "--allowedTools=Bash",
        "-p",
        "--",
        "hello",
    ];
    let lines: Vec<String> = options.iter().map(|option| format!("{start} {option}")).collect();
    all_denied(&lines.iter().map(|line| list(line)).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn keys_buffers_options_and_targets_are_held_to_what_is_granted() {
    let mut lists = rows(
        "
        send-keys -t %0 -- x
        send-keys -t %0 -- M-x
        send-keys -t %0 Enter
        send-keys -t %0 -X copy-pipe touch_M
        send-keys -X -t %0 copy-pipe
        send-keys -X -t %0 copy-pipe-and-cancel
        send-keys -X -t %0 pipe
        send-keys -X -t %0 pipe-and-cancel
        send-keys -l -t %0 -X copy-pipe touch_M
        send-keys -l -t %0 hello
        send-keys -K -t %0 -- C-b
        send-prefix -t %0
        load-buffer -b a /etc/passwd
        load-buffer -b a #{E:#{a:35}(touch_M)}
        load-buffer -w -b a -
        save-buffer -b a M
        save-buffer -a -b a M
        set-buffer -b a x
        paste-buffer -b a -t %0
        paste-buffer -p -r -d -b a -t %0 -s x
        set-option -g default-command touch_M
        set-option -s command-alias[9] x=run-shell
        set-option -g status-left #(touch_M)
        set -g history-file M
        set-window-option -g remain-on-exit-format #(touch_M)
        setw -g automatic-rename-format #(touch_M)
        set-environment -g PATH /tmp
        kill-session -t a
        kill-session -t a*
        kill-session -t $x
        kill-session -a -t =a
        kill-session
        has-session -t a
        has-session -t=a
        has-session
        capture-pane -p -t %0 -S - -b a
        capture-pane -p -S 0 -t %0;
        rename-session -t =a #(touch_M)
        resize-window -t =a -x 1",
    );
    lists.push(vec!["kill-session", "-t", ""]);
    lists.push(vec!["has-session", "-t", "=a\n"]);
    lists.push(vec!["send-keys", "-l", "-t", "%0", "--", "\u{1b}[201~"]);
    lists.push(vec!["send-keys", "-l", "-t", "%0", "--", "\u{3}"]);
    lists.push(vec!["send-keys", "-l", "-t", "%0", "--", "\u{9b}201~"]);
    lists.push(vec![""]);
    lists.push(vec![]);
    all_denied(&lists).await;
}

/// A list a line.
fn rows(lines: &str) -> Vec<Vec<&str>> {
    lines
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(list)
        .collect()
}

#[tokio::test]
async fn an_agent_does_not_start_where_no_directory_is_named() {
    let (_place, berth) = shipped().await;
    let start = format!("{START} {CLAUDE}");
    let command = json!({"program": "tmux", "args": list(&start)});
    let answer = berth.call("run", json!({"commands": [command]})).await.done();
    let outcome = &answer.structured["outcomes"][0];
    assert!(
        outcome["denied"].as_str().unwrap().contains("granted directory"),
        "{outcome}"
    );
}
