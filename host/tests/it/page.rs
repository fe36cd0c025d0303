//! The owner's pages in a browser: who gets in, what is shown, what can be answered, and what other sites and sessions
//! cannot do there.

use reqwest::Method;
use reqwest::header::{ACCEPT, LOCATION};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::audit::entries;
use crate::berth::{Berth, Place, called};
use crate::connector::{Connector, Form, PASSPHRASE, Page};
use crate::demo::{Demo, until};
use crate::peers::Inside;

const BACKEND: &str = "[backends.local]\nplugin = \"misbehaving.wasm\"\n";
const ASKS: &str = "/sessions/local/asks-1";

/// A berth whose only backend is the test plugin with these settings, and whose owner has a passphrase.
async fn owned(settings: &str) -> (Place, Berth) {
    let place = Place::with_server(
        &format!("{BACKEND}[backends.local.settings]\n{settings}\n"),
        "rates = { tools = 100000, login = 1000, register = 1000, token = 100000 }",
    );
    place.set_passphrase(PASSPHRASE).await;
    let berth = Berth::serve(&place).await;
    (place, berth)
}

/// A browser on this machine.
fn browser(berth: &Berth) -> Connector<'_> {
    let mut browser = Connector::new(berth, &berth.base);
    browser.directly();
    browser
}

/// The same, in which the owner is logged in.
async fn logged_in(berth: &Berth) -> Connector<'_> {
    let mut browser = browser(berth);
    let page = browser.log_in("/").await;
    assert!(page.text.contains("<h1>Sessions</h1>"), "{}", page.text);
    browser
}

/// The form that answers, on a session's page.
async fn question(browser: &mut Connector<'_>, path: &str) -> Form {
    let page = browser.open(path).await;
    let forms = page.forms();
    let found = forms.into_iter().find(|form| form.field("prompt").is_some());
    found.unwrap_or_else(|| panic!("nothing is asked: {}", page.text))
}

/// The text of the page to which an answer leads.
async fn outcome(browser: &mut Connector<'_>, answered: &Page) -> String {
    assert_eq!(answered.status, 303, "{}", answered.text);
    let path = answered.header(LOCATION).to_owned();
    assert!(!path.contains('?'), "no address tells what came of it: {path}");
    browser.open(&path).await.text
}

/// What was typed into the sessions of the test plugin.
fn typed(place: &Place) -> String {
    let kept = place.kept("local", "typed");
    kept.map_or(String::new(), |kept| serde_json::from_slice(&kept).unwrap())
}

#[tokio::test]
async fn a_browser_sees_sessions_only_after_the_login_and_other_clients_are_told_as_before() {
    let (_place, berth) = owned("").await;
    let mut browser = browser(&berth);
    for path in ["/", ASKS, "/sessions/local/none-1", "/sessions/nowhere/x"] {
        let page = browser.open(path).await;
        assert_eq!(
            (page.status.as_u16(), page.form().action.as_str()),
            (200, "/login"),
            "{path}"
        );
        assert!(!page.text.contains("asks-1") || path == ASKS, "{}", page.text);
        assert!(!page.text.contains("May I?"), "{}", page.text);
    }
    let list = browser.log_in("/").await;
    for shown in ["asks-1", "calm-1", "asks you", "May I?", ASKS] {
        assert!(list.text.contains(shown), "{shown}: {}", list.text);
    }
    let first = list.text.find("asks-1").unwrap();
    assert!(first < list.text.find("calm-1").unwrap(), "who waits comes first");
    assert_eq!(list.header("refresh"), "10");

    // Whatever does not ask for a page speaks MCP at the origin.
    let bare = browser.get("/").await;
    assert_eq!(bare.status, 401);
    assert!(bare.json()["error"].as_str().unwrap().contains("Authorization"));
    let listed = berth
        .client
        .post(format!("{}/", berth.base))
        .bearer_auth(&berth.token)
        .header(ACCEPT, "application/json, text/event-stream, text/html")
        .json(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_sessions"}}));
    let answer = crate::berth::message(listed.send().await.unwrap()).await;
    assert!(called(&answer).done().text.contains("asks-1"));
}

#[tokio::test]
async fn the_login_leads_to_the_page_that_was_asked_for_and_nowhere_else() {
    let (_place, berth) = owned("").await;
    let mut one = browser(&berth);
    let page = one.open(ASKS).await;
    let answer = one.submit(&page.form().with("passphrase", PASSPHRASE)).await;
    assert_eq!((answer.status.as_u16(), answer.header(LOCATION)), (303, ASKS));
    assert_eq!(one.open("/login").await.header(LOCATION), "/");
    // Another way cannot be put into the form.
    for elsewhere in [
        "https://evil.example/",
        "//evil.example/",
        "/oauth/authorize?x",
        "/sessions/../../x",
    ] {
        let mut one = browser(&berth);
        let page = one.open("/").await;
        let form = page.form().with("query", elsewhere).with("passphrase", PASSPHRASE);
        let answer = one.submit(&form).await;
        assert_eq!(answer.status, 403, "{elsewhere}");
        assert!(one.cookie("berth").is_none());
    }
}

#[tokio::test]
async fn the_owner_answers_and_the_record_says_so() {
    let (place, berth) = owned("").await;
    let mut browser = logged_in(&berth).await;
    let page = browser.open(ASKS).await;
    assert_eq!(page.answers(), ["take.1", "take.2", "dismiss"]);
    for words in ["Allows this once", "Refuses", "May I?"] {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    let form = question(&mut browser, ASKS).await;
    let answered = browser.submit(&form.with("answer", "take.2")).await;
    let shown = outcome(&mut browser, &answered).await;
    assert!(shown.contains("Your answer was taken."), "{shown}");
    assert_eq!(
        typed(&place),
        "asks-1: Answer::Reply(Reply { choices: [\"2\"], text: None })\n"
    );
    let all = entries(&place, &[]).await;
    let answer = all
        .iter()
        .rev()
        .find(|entry| entry["tool"] == "respond_to_prompt")
        .unwrap();
    assert_eq!(
        (&answer["principal"], &answer["session"], &answer["outcome"]),
        (&json!("owner"), &json!("local/asks-1"), &json!("ok"))
    );
}

#[tokio::test]
async fn a_form_counts_once_and_only_for_the_login_and_the_question_that_it_was_made_for() {
    let (place, berth) = owned("").await;
    let (mut one, mut other) = (logged_in(&berth).await, logged_in(&berth).await);
    let form = question(&mut one, ASKS).await.with("answer", "take.1");
    let theirs = question(&mut other, ASKS).await.with("answer", "take.1");
    let token = form.field("token").unwrap().to_owned();
    for forged in [
        form.clone().without("token"),
        form.clone().with("token", ""),
        form.clone().with("token", "1.0"),
        form.clone().with("token", &format!("{}x", &token[..token.len() - 1])),
        form.clone().with("token", theirs.field("token").unwrap()),
        form.clone().with("prompt", "prompt-2"),
        form.clone().with("prompt", ""),
    ] {
        let refused = one.submit(&forged).await;
        assert_eq!(refused.status, 403, "{forged:?}");
        assert!(refused.text.contains("Nothing was done"), "{}", refused.text);
    }
    assert_eq!(typed(&place), "");
    assert_eq!(one.submit(&form).await.status, 303);
    assert_eq!(one.submit(&form).await.status, 403, "it counts twice");
    assert_eq!(typed(&place).lines().count(), 1);
}

#[tokio::test]
async fn no_other_site_and_no_program_without_an_origin_can_send_a_form() {
    let (place, berth) = owned("").await;
    let mut browser = logged_in(&berth).await;
    let form = question(&mut browser, ASKS).await.with("answer", "take.1");
    let other_port = "http://localhost:1";
    let headers: [&[(&str, &str)]; 6] = [
        &[],
        &[("origin", "null")],
        &[("origin", "https://evil.example")],
        &[("origin", other_port)],
        &[("origin", &berth.base), ("sec-fetch-site", "cross-site")],
        &[("origin", &berth.base), ("sec-fetch-site", "same-site")],
    ];
    for path in [ASKS, "/login", "/logout"] {
        for headers in headers {
            let body = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(&form.fields)
                .finish();
            let request = browser.request(Method::POST, path);
            let request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body);
            let request = headers
                .iter()
                .fold(request, |request, (name, value)| request.header(*name, *value));
            let refused = browser.browse(request).await;
            assert_eq!(refused.status, 403, "{path} {headers:?}");
        }
    }
    assert_eq!(typed(&place), "");
    assert!(
        browser.open("/").await.text.contains("<h1>Sessions</h1>"),
        "still logged in"
    );
    // A link from another site only shows the page, and never in a frame.
    let follow = |dest: &'static str| {
        let request = browser.request(Method::GET, ASKS);
        let request = request
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate");
        request.header("sec-fetch-dest", dest)
    };
    assert_eq!(follow("iframe").send().await.unwrap().status(), 403);
    assert_eq!(follow("document").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn every_answer_has_the_headers_that_keep_it_to_itself() {
    let (_place, berth) = owned("").await;
    let mut stranger = browser(&berth);
    let mut browser = logged_in(&berth).await;
    let form = question(&mut browser, ASKS).await;
    let pages = [
        stranger.open("/").await,
        stranger.open(ASKS).await,
        browser.open("/").await,
        browser.open(ASKS).await,
        browser.open("/sessions/local/none-1").await,
        browser.open("/sessions/local/a%2Fb").await,
        browser.open("/sessions/local/%ff").await,
        browser.open("/sessions/local/a/b").await,
        browser.open("/login").await,
        browser.submit(&form.clone().without("token")).await,
        browser.submit(&form.clone().with("answer", "nothing")).await,
        browser.get("/nothing").await,
    ];
    for page in pages {
        for (name, value) in [("cache-control", "no-store"), ("x-content-type-options", "nosniff")] {
            assert_eq!(page.header(name), value, "{} {}", page.status, page.text);
        }
        let referrer = page.header("referrer-policy");
        assert!(matches!(referrer, "no-referrer" | "same-origin"), "{referrer}");
        if page.status == 303 {
            continue;
        }
        let policy = page.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
        if page.text.starts_with("<!doctype") {
            assert!(
                policy.contains("form-action 'self' ;") && policy.contains("base-uri 'none'"),
                "{policy}"
            );
            assert_eq!(page.header("x-frame-options"), "DENY");
        }
        assert!(
            !page.text.contains("<script") && !page.text.contains(" style="),
            "{}",
            page.text
        );
    }
}

#[tokio::test]
async fn what_a_session_says_is_text_on_the_page() {
    let demo = Demo::start().await;
    demo.place.set_passphrase(PASSPHRASE).await;
    demo.project("app");
    let created = json!({"project": "app", "wait_seconds": 20});
    let created = demo.call("create_session", created).await.done();
    let id = created.structured["session"]["session_id"].as_str().unwrap().to_owned();
    let hostile = "run echo \"</pre><script>alert(1)</script>\" 'x' <img src=x onerror=alert(2)> &lt;b&gt;";
    demo.send(&id, hostile).await.done();
    let mut browser = logged_in(&demo.berth).await;
    for path in ["/".to_owned(), format!("/sessions/{id}")] {
        let page = browser.open(&path).await;
        assert!(
            !page.text.contains("<script") && !page.text.contains("<img"),
            "{}",
            page.text
        );
        assert!(
            !page.text.contains("</pre><") || !page.text.contains("alert(1)</"),
            "{}",
            page.text
        );
    }
    let page = browser.open(&format!("/sessions/{id}")).await;
    assert!(page.text.contains("&#60;script&#62;alert(1)"), "{}", page.text);
    assert!(page.text.contains("&#38;lt;b&#38;gt;"), "{}", page.text);
}

#[tokio::test]
async fn what_hides_or_reorders_text_is_not_on_the_page() {
    let (_place, berth) = owned("list = \"foreign\"").await;
    let mut browser = logged_in(&berth).await;
    for path in ["/", "/sessions/local/foreign-1"] {
        let page = browser.open(path).await;
        let hidden = ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\u{200b}', '\u{e0041}'];
        assert!(
            page.text.contains("name") && page.text.contains("question"),
            "{}",
            page.text
        );
        assert!(!page.text.contains(hidden), "{:?}", page.text);
        assert!(!page.text.contains("evil.example"), "{}", page.text);
    }
}

#[tokio::test]
async fn a_question_that_is_not_shown_whole_can_only_be_refused() {
    let (place, berth) = owned("list = \"verbose\"").await;
    let mut browser = logged_in(&berth).await;
    let path = "/sessions/local/verbose-1";
    let page = browser.open(path).await;
    assert_eq!(page.answers(), ["take.0", "dismiss"], "only the choice that refuses");
    assert!(page.text.contains("you can only refuse it"), "{}", page.text);
    // The form for the refusal does not accept either.
    let form = question(&mut browser, path).await;
    let answered = browser.submit(&form.with("answer", "take.1")).await;
    let shown = outcome(&mut browser, &answered).await;
    assert!(
        shown.contains("Refused:") && shown.contains("Nothing was typed"),
        "{shown}"
    );
    assert_eq!(typed(&place), "");
}

#[tokio::test]
async fn questions_of_a_group_are_answered_one_by_one() {
    let (place, berth) = owned("list = \"mixed-group\"").await;
    let mut browser = logged_in(&berth).await;
    let page = browser.open(ASKS).await;
    let asked: Vec<Form> = page
        .forms()
        .into_iter()
        .filter(|form| form.field("prompt").is_some())
        .collect();
    assert_eq!(asked.len(), 2, "{}", page.text);
    assert!(page.text.contains("one of a group"), "{}", page.text);
    let optional = asked
        .into_iter()
        .find(|form| form.field("prompt") == Some("prompt-2"))
        .unwrap();
    let answered = browser.submit(&optional.with("answer", "take.2")).await;
    let shown = outcome(&mut browser, &answered).await;
    assert!(
        shown.contains("Your answer is kept") && shown.contains("Your answer so far"),
        "{shown}"
    );
    assert_eq!(typed(&place), "");
}

#[tokio::test]
async fn the_answer_to_a_question_that_has_changed_meanwhile_is_not_given() {
    let demo = Demo::start().await;
    demo.place.set_passphrase(PASSPHRASE).await;
    let id = demo.create("app").await;
    demo.send(&id, "run touch x").await.done();
    let mut browser = logged_in(&demo.berth).await;
    let path = format!("/sessions/{id}");
    let form = question(&mut browser, &path).await;
    let refuse = json!({"session_id": id, "response": "no", "prompt_id": form.field("prompt"), "wait_seconds": 20});
    demo.call("respond_to_prompt", refuse).await.done();
    demo.send(&id, "run rm -rf y").await.done();
    let late = browser.submit(&form.with("answer", "take.1")).await;
    assert_eq!(late.status, 403);
    assert!(late.text.contains("has changed"), "{}", late.text);
    assert_eq!(demo.record("app", "answer"), ["touch x=No"]);
    // The one that stands can be answered.
    let form = question(&mut browser, &path).await;
    let answered = browser.submit(&form.with("answer", "take.1")).await;
    assert!(
        outcome(&mut browser, &answered)
            .await
            .contains("Your answer was taken.")
    );
    until("the answer", async || {
        (demo.record("app", "answer").len() == 2).then_some(())
    })
    .await;
    assert_eq!(demo.record("app", "answer")[1], "rm -rf y=Yes");
}

#[tokio::test]
async fn trust_is_not_given_on_the_page_unless_the_backend_allows_that_remotely() {
    for remote_trust in [false, true] {
        let demo = Demo::with(|config, _| {
            let command = config["agents"]["demo"]["command"].as_array_mut().unwrap();
            command.push("--ask-trust".into());
            config["backends"]["local"]
                .as_table_mut()
                .unwrap()
                .insert("remote_trust".into(), remote_trust.into());
        })
        .await;
        demo.place.set_passphrase(PASSPHRASE).await;
        demo.project("app");
        let created = demo
            .call("create_session", json!({"project": "app", "wait_seconds": 20}))
            .await
            .done();
        let id = created.structured["session"]["session_id"].as_str().unwrap().to_owned();
        demo.until_state(&id, "waiting").await;
        let mut browser = logged_in(&demo.berth).await;
        let page = browser.open(&format!("/sessions/{id}")).await;
        assert_eq!(
            page.text.contains("Only your own terminal can accept this"),
            !remote_trust,
            "{}",
            page.text
        );
        assert_eq!(page.text.contains("Allows this once"), remote_trust, "{}", page.text);
    }
}

#[tokio::test]
async fn what_runs_in_a_session_is_never_the_owner_also_where_it_may_control() {
    let inside = Inside::with("sessions_may_control = true", &[], |_| {}).await;
    let demo = &inside.demo;
    demo.place.set_passphrase(PASSPHRASE).await;
    let id = demo.create("app").await;
    demo.send(&id, "run touch x").await.done();
    let browser = logged_in(&demo.berth).await;
    let cookie = format!("berth={}", browser.cookie("berth").unwrap());
    let curl = format!("curl -sS --noproxy '*' -b '{cookie}' -H 'Accept: text/html'");
    let base = &demo.berth.base;
    let seen = inside.run(&format!("{curl} {base}/sessions/{id}")).await;
    assert!(
        seen.contains("you can only look") && !seen.contains("name=\"answer\""),
        "{seen}"
    );
    let seen = inside
        .run(&format!("{curl} '{base}/oauth/authorize?client_id=x'"))
        .await;
    assert!(seen.contains("From here you can only look"), "{seen}");
    // The request of `berth open` itself, past the command that would refuse it.
    let socket = demo.place.name("data/berth.sock");
    let asks = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); \
                s.sendall(b'{\"berth\":\"open\"}\\n'); print(s.recv(4096).decode())";
    demo.place.write("asks.py", asks, 0o600);
    let told = inside
        .run(&format!("python3 {} {socket}", demo.place.name("asks.py")))
        .await;
    assert!(told.contains("refused") && !told.contains("\"word\""), "{told}");
    assert_eq!(demo.record("app", "answer"), Vec::<String>::new());
}

/// Only root can become another user; for everyone else the unit tests have the rule.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn another_users_process_with_the_owners_cookie_is_nobody_on_this_machine() {
    let settings = format!("{BACKEND}[backends.local.settings]\n");
    for server in [
        "",
        "public_url = \"https://berth.example\"\ntrusted_proxies = [\"127.0.0.1\"]",
    ] {
        let place = Place::with_server(&settings, server);
        place.set_passphrase(PASSPHRASE).await;
        let berth = Berth::serve(&place).await;
        let browser = logged_in(&berth).await;
        let cookie = format!("berth={}", browser.cookie("berth").unwrap());
        let ask = |user: &[&str], path: &str| {
            let curl = [
                "curl",
                "-sS",
                "--noproxy",
                "*",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                "-b",
                &cookie,
            ];
            let address = format!("{}{path}", berth.base);
            let line = [user, &curl, &["-H", "Accept: text/html", &address]].concat();
            let ran = std::process::Command::new(line[0]).args(&line[1..]).output().unwrap();
            String::from_utf8(ran.stdout).unwrap()
        };
        assert_eq!(ask(&["env"], "/"), "200");
        if rustix::process::geteuid().is_root() {
            let other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
            for path in ["/", ASKS, "/oauth/authorize?client_id=x", "/oauth/consent"] {
                assert_eq!(ask(&other, path), "403", "{path} {server}");
            }
        }
    }
}

#[tokio::test]
async fn a_browser_that_runs_in_a_session_only_looks() {
    let inside = Inside::start().await;
    let demo = &inside.demo;
    demo.place.set_passphrase(PASSPHRASE).await;
    let id = demo.create("app").await;
    demo.send(&id, "run touch x").await.done();
    let mut browser = logged_in(&demo.berth).await;
    let path = format!("/sessions/{id}");
    let form = question(&mut browser, &path).await;
    let cookie = format!("berth={}", browser.cookie("berth").unwrap());
    let curl = format!("curl -sS --noproxy '*' -b '{cookie}' -H 'Accept: text/html'");
    let base = &demo.berth.base;
    let seen = inside.run(&format!("{curl} {base}{path}")).await;
    assert!(
        seen.contains("Do you want to proceed?") && seen.contains("you can only look"),
        "{seen}"
    );
    assert!(
        !seen.contains("name=\"answer\"") && !seen.contains("name=\"prompt\""),
        "{seen}"
    );
    let fields: Vec<String> = [
        ("token", form.field("token").unwrap()),
        ("prompt", form.field("prompt").unwrap()),
        ("answer", "take.1"),
    ]
    .iter()
    .map(|(name, value)| format!("--data-urlencode '{name}={value}'"))
    .collect();
    let answer = format!("{curl} -H 'Origin: {base}' {} {base}{path}", fields.join(" "));
    let refused = inside.run(&answer).await;
    assert!(refused.contains("From here you can only look"), "{refused}");
    assert_eq!(demo.state(&id).await, "waiting");
    assert_eq!(demo.record("app", "answer"), Vec::<String>::new());
    // Nor does it let an app in.
    for (method, path) in [("", "/oauth/authorize?client_id=x"), ("-X POST", "/oauth/consent")] {
        let seen = inside
            .run(&format!("{curl} {method} -H 'Origin: {base}' '{base}{path}'"))
            .await;
        assert!(seen.contains("From here you can only look"), "{seen}");
    }
    // Nor does it get a word, or let one count.
    let word = inside.run(&inside.berth("open")).await;
    assert!(word.contains("BERTH_SESSION") && !word.contains("and type"), "{word}");
    let open = demo.place.run(&["open"]).await;
    let word = word_of(&open.stdout);
    let form = inside
        .run(&format!("curl -sS --noproxy '*' -c jar -H 'Accept: text/html' {base}/"))
        .await;
    assert!(!form.contains("berth open"), "{form}");
    let token = form
        .split("name=\"token\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let log_in = format!(
        "curl -sS --noproxy '*' -b jar -H 'Origin: {base}' -d query=/ -d token={token} -d passphrase={word} {base}/login"
    );
    assert!(inside.run(&log_in).await.contains("That is not the passphrase"));
}

/// The word that `berth open` has printed.
fn word_of(printed: &str) -> String {
    let line = printed.lines().find_map(|line| line.strip_prefix("and type"));
    line.unwrap_or_else(|| panic!("no word: {printed}")).trim().to_owned()
}

#[tokio::test]
async fn without_a_passphrase_a_word_of_the_terminal_logs_in_once() {
    let place = Place::new(BACKEND);
    let berth = Berth::serve(&place).await;
    let mut one = browser(&berth);
    let page = one.open("/").await;
    assert!(
        page.text.contains("berth open") && page.form().field("passphrase").is_some(),
        "{}",
        page.text
    );
    let form = page.form();
    // None was printed yet.
    assert_eq!(
        one.submit(&form.clone().with("passphrase", "bafiko-tamolu"))
            .await
            .status,
        403
    );
    let open = place.run(&["open"]).await;
    assert!(open.success, "{}", open.stderr);
    assert!(open.stdout.contains(&format!("{}/\n", berth.base)), "{}", open.stdout);
    let word = word_of(&open.stdout);
    assert!(
        !open.stdout.contains(&format!("{}/?", berth.base)),
        "nothing secret is in the address"
    );
    assert_eq!(
        one.submit(&form.clone().with("passphrase", "bafiko-tamolu"))
            .await
            .status,
        403
    );
    let typed = format!(" {} ", word.to_uppercase().replace('-', " "));
    let answer = one.submit(&form.clone().with("passphrase", &typed)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header(LOCATION)),
        (303, "/"),
        "{}",
        answer.text
    );
    assert!(one.open("/").await.text.contains("asks-1"));
    let mut other = browser(&berth);
    let form = other.open("/").await.form();
    let again = other.submit(&form.with("passphrase", &word)).await;
    assert_eq!(again.status, 403, "it counts twice");
    let all = entries(&place, &[]).await;
    let came = all.iter().find(|entry| entry["event"] == "logged-in").unwrap();
    assert_eq!(came["principal"], "owner");
}

#[tokio::test]
async fn guesses_of_the_word_are_slowed_and_a_word_counts_on_this_machine_alone() {
    let place = Place::with_server(
        BACKEND,
        "rates = { tools = 100000, login = 1000, register = 1000, token = 100000 }",
    );
    let berth = Berth::serve(&place).await;
    // Through a tunnel there is nothing to log in with.
    let mut tunnel = Connector::new(&berth, &berth.base);
    let page = tunnel.open("/").await;
    assert_eq!(page.status, 503);
    assert!(
        page.text.contains("berth login set") && !page.text.contains("berth open"),
        "{}",
        page.text
    );
    let mut one = browser(&berth);
    let form = one.open("/").await.form();
    let word = word_of(&place.run(&["open"]).await.stdout);
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(
            one.submit(&form.clone().with("passphrase", "bafiko-tamolu"))
                .await
                .status
                .as_u16(),
        );
    }
    assert!(
        statuses.starts_with(&[403; 5]) && statuses.contains(&429),
        "{statuses:?}"
    );
    let locked = one.submit(&form.with("passphrase", &word)).await;
    assert_eq!(locked.status, 429, "also the right one waits");
    assert!(
        locked.text.contains("Too many wrong words. Try again in "),
        "{}",
        locked.text
    );
}

#[tokio::test]
async fn berth_open_says_what_to_do_where_there_is_no_page() {
    let place = Place::new(BACKEND);
    let complaint = place.complaint(&["open"]).await;
    assert!(complaint.contains("berth serve"), "{complaint}");
    assert!(
        !place.path("data/lock").exists() || !complaint.contains("and type"),
        "{complaint}"
    );
    // One that only serves the client that started it has no pages.
    let mut command = place.command(&["stdio", "--config", &place.name("config.toml")]);
    let mut stdio = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let complaint = until("it owns the directory", async || {
        let complaint = place.complaint(&["open"]).await;
        complaint.contains("serves no pages").then_some(complaint)
    })
    .await;
    assert!(complaint.contains("run berth serve"), "{complaint}");
    stdio.kill().await.unwrap();
}

#[tokio::test]
async fn logins_are_listed_and_ended_at_the_terminal_and_by_the_page() {
    let (place, berth) = owned("").await;
    let (mut one, mut other) = (logged_in(&berth).await, logged_in(&berth).await);
    let listed: Value = serde_json::from_str(&place.run(&["login", "list", "--json"]).await.stdout).unwrap();
    let ids: Vec<i64> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|login| login["id"].as_i64().unwrap())
        .collect();
    assert_eq!(ids, [2, 1]);
    assert_eq!(
        (&listed[0]["origin"], &listed[0]["from"]),
        (&json!(berth.base), &json!("127.0.0.1"))
    );
    let table = place.run(&["login", "list"]).await.stdout;
    assert!(table.contains("127.0.0.1") && table.contains(&berth.base), "{table}");
    assert!(place.run(&["login", "revoke", "1"]).await.success);
    assert!(
        place
            .complaint(&["login", "revoke", "1"])
            .await
            .contains("berth login list")
    );
    assert_eq!(one.open("/").await.form().action, "/login");
    let page = other.open("/").await;
    let log_out = page.forms().into_iter().find(|form| form.action == "/logout").unwrap();
    let mut kept = logged_in(&berth).await;
    assert!(other.submit(&log_out).await.text.contains("You are logged out"));
    assert_eq!(other.open("/").await.form().action, "/login");
    assert!(
        kept.open("/").await.text.contains("<h1>Sessions</h1>"),
        "the others stay"
    );
    assert!(place.run(&["login", "revoke", "--all"]).await.success);
    assert_eq!(kept.open("/").await.form().action, "/login");
    // Nothing of a cookie but its digest was kept.
    let cookie = kept.cookie("berth").unwrap().to_owned();
    let database = Connection::open(place.path("data/berth.db")).unwrap();
    drop(database);
    for file in ["data/berth.db", "data/berth.db-wal"] {
        let bytes = std::fs::read(place.path(file)).unwrap_or_default();
        let found = bytes
            .windows(cookie.len().max(1))
            .any(|window| window == cookie.as_bytes());
        assert!(!found, "{file}");
    }
}

#[tokio::test]
async fn a_login_is_new_at_each_time_and_a_planted_cookie_gets_nowhere() {
    let (_place, berth) = owned("").await;
    let planted = format!("berth_{}", "0".repeat(64));
    let mut one = browser(&berth);
    let request = one.request(Method::GET, "/").header(ACCEPT, "text/html");
    let page = one.browse(request.header("cookie", format!("berth={planted}"))).await;
    assert_eq!(page.form().action, "/login");
    let form = page.form().with("passphrase", PASSPHRASE);
    assert_eq!(one.submit(&form).await.status, 303);
    let first = one.cookie("berth").unwrap().to_owned();
    assert_ne!(first, planted);
    let second = logged_in(&berth).await;
    assert_ne!(second.cookie("berth").unwrap(), first);
    // Twice the name means that somebody else has set one of them.
    let doubled = one.request(Method::GET, "/").header(ACCEPT, "text/html");
    let page = Page::of(
        doubled
            .header("cookie", format!("berth={planted}; berth={first}"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(page.form().action, "/login");
}

#[tokio::test]
async fn links_of_search_and_fetch_lead_to_the_page_by_our_own_address_whatever_host_asks() {
    let (_place, berth) = owned("").await;
    for host in ["localhost", "127.0.0.1"] {
        let port = berth.base.rsplit(':').next().unwrap();
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "fetch", "arguments": {"id": "local/asks-1"}}});
        let request = berth.request(&body).header("host", format!("{host}:{port}"));
        let fetched = called(&crate::berth::message(request.send().await.unwrap()).await).done();
        assert_eq!(fetched.structured["url"], format!("{}{ASKS}", berth.base));
    }
    let found = berth.call("search", json!({"query": "asks"})).await.done();
    let url = found.structured["results"][0]["url"].as_str().unwrap().to_owned();
    let mut browser = logged_in(&berth).await;
    assert!(browser.open(&url).await.text.contains("May I?"));
}

#[tokio::test]
async fn over_the_public_address_the_passphrase_counts_and_its_cookie_is_for_that_host_alone() {
    let place = Place::with_server(
        BACKEND,
        "public_url = \"https://berth.example\"\ntrusted_proxies = [\"127.0.0.1\"]\nrates = { login = 1000, register = 1000, token = 10000 }",
    );
    place.set_passphrase(PASSPHRASE).await;
    let berth = Berth::serve(&place).await;
    let mut phone = Connector::new(&berth, "https://berth.example");
    let list = phone.log_in("/").await;
    assert!(list.text.contains("asks-1"), "{}", list.text);
    let secret = phone.cookie("__Host-berth").unwrap().to_owned();
    let fetched = berth.call("fetch", json!({"id": "local/asks-1"})).await.done();
    assert_eq!(fetched.structured["url"], format!("https://berth.example{ASKS}"));
    // It opens nothing on loopback, where every local server gets the cookies.
    let local = browser(&berth);
    let request = local.request(Method::GET, "/").header(ACCEPT, "text/html");
    let page = Page::of(
        request
            .header("cookie", format!("berth={secret}"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(page.form().action, "/login");
}

#[tokio::test]
async fn a_backend_that_is_down_is_told_with_why() {
    let place = Place::new(&format!(
        "default_backend = \"local\"\n{BACKEND}[backends.broken]\nplugin = \"misbehaving.wasm\"\n[backends.broken.settings]\ndescribe = \"trap\"\n"
    ));
    place.set_passphrase(PASSPHRASE).await;
    let berth = Berth::serve(&place).await;
    let mut browser = logged_in(&berth).await;
    let page = browser.open("/").await;
    let down = page.text.contains("<strong>broken</strong>") && page.text.contains("is down since");
    assert!(down && page.text.contains("asks-1"), "{}", page.text);
}

#[tokio::test]
async fn a_page_looks_again_by_itself_unless_it_takes_an_answer_or_nothing_more_comes() {
    let (_place, berth) = owned("").await;
    let mut browser = logged_in(&berth).await;
    let calm = browser.open("/sessions/local/calm-1").await;
    assert_eq!(calm.header("refresh"), "10");
    // One that asks could ask something else just when somebody answers.
    for path in [ASKS, "/sessions/local/dead-1"] {
        assert_eq!(browser.open(path).await.header("refresh"), "", "{path}");
    }
}

#[tokio::test]
async fn with_one_backend_consent_asks_for_none_and_still_names_it_with_app_host_and_scopes() {
    let (_place, berth) = owned("").await;
    let mut person = browser(&berth);
    let server = person.discover().await;
    let redirect = "https://claude.ai/api/mcp/auth_callback";
    let registered = person.register(&server, redirect).await.json();
    let client = registered["client_id"].as_str().unwrap();
    let asked = person.authorize(client, redirect, &[]);
    let page = person.log_in(&asked).await;
    for named in ["Claude", "claude.ai", "Read and control", "<strong>local</strong>"] {
        assert!(page.text.contains(named), "{named}: {}", page.text);
    }
    for odd in [
        "Where",
        "On which backends",
        "type=\"checkbox\"",
        "Is it you?",
        "Only read",
    ] {
        assert!(!page.text.contains(odd), "{odd}: {}", page.text);
    }
    let back = person.approve(&asked).await;
    let code = crate::connector::parameter(&back, "code").unwrap();
    let issued = person.redeem(client, redirect, &code, &[]).await.json();
    let token = issued["access_token"].as_str().unwrap();
    let listed = person.call("list_sessions", json!({}), token).await;
    assert!(listed.to_string().contains("asks-1"), "{listed}");
}
