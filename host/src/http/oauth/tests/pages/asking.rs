//! What an app may ask, and where the answer may go.

use super::*;

#[tokio::test]
async fn a_request_in_order_is_put_to_the_owner() {
    let site = Site::new();
    let page = site.authorize(&site.query(&[]), &site.logged_in()).await;
    page.assert_page(StatusCode::OK);
    for shown in [
        "Helpful app",
        "app.example",
        "nobody has checked",
        "local",
        "agents on this machine",
        "cabin",
    ] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
}

#[tokio::test]
async fn strangers_see_the_login_and_nothing_of_the_question() {
    let site = Site::new();
    for cookie in ["", "__Host-berth=", "__Host-berth=berth_0123", "berth=x"] {
        let page = site.authorize(&site.query(&[]), cookie).await;
        page.assert_page(StatusCode::OK);
        assert!(page.body.contains("autocomplete=\"current-password\""));
        assert!(!page.body.contains("cabin") && !page.body.contains("/oauth/consent"));
    }
}

#[tokio::test]
async fn without_a_passphrase_the_owner_learns_how_to_set_one() {
    let site = Site::bare("Helpful app", PUBLIC);
    let page = site.authorize(&site.query(&[]), "").await;
    page.assert_page(StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.body.contains("berth login set"));
}

#[tokio::test]
async fn only_a_registered_address_is_ever_redirected_to() {
    let site = Site::new();
    let tricks = [
        "",
        "https://app.example/callback",
        "https://app.example/callback?of=berth&x=y",
        "https://app.example/callback?of=berth#fragment",
        "https://app.example/callback?of=berth#",
        "https://app.example/callback/?of=berth",
        "https://app.example/callback/../callback?of=berth",
        "https://app.example/%63allback?of=berth",
        "https://app.example//callback?of=berth",
        "https://app.example:443/callback?of=berth",
        "https://app.example:8443/callback?of=berth",
        "https://app.example.evil.example/callback?of=berth",
        "https://evil.example/https://app.example/callback?of=berth",
        "https://app.example@evil.example/callback?of=berth",
        "https://user@app.example/callback?of=berth",
        "https://app.example\\@evil.example/callback?of=berth",
        "https://evil.example\\.app.example/callback?of=berth",
        "https:\\\\app.example\\callback?of=berth",
        "https://APP.example/callback?of=berth",
        "HTTPS://app.example/callback?of=berth",
        "http://app.example/callback?of=berth",
        " https://app.example/callback?of=berth",
        "https://app.example/callback?of=berth\n",
        "//app.example/callback?of=berth",
        "javascript:alert(1)//app.example/callback?of=berth",
        "http://127.0.0.1:3000/other",
        "http://127.0.0.1:3000@evil.example/callback",
        "http://127.0.0.1.evil.example:3000/callback",
        "http://127.0.0.2:3000/callback",
        "http://localhost:3000/callback",
        "https://127.0.0.1:3000/callback",
        "http://127.0.0.1:3000/callback#x",
        "http://127.0.0.1:3000/callback?x",
        "http://127.1:3000/callback",
    ];
    for cookie in [String::new(), site.logged_in()] {
        for trick in tricks {
            for more in [&[][..], &[("response_type", "token")], &[("code_challenge", "")]] {
                let query = site.query(&[&[("redirect_uri", trick)], more].concat());
                let answer = site.authorize(&query, &cookie).await;
                answer.assert_page(StatusCode::BAD_REQUEST);
            }
        }
    }
}

#[tokio::test]
async fn the_port_of_an_app_on_this_device_may_differ() {
    let site = Site::new();
    for (address, policy) in [
        (
            "http://127.0.0.1:49152/callback",
            "form-action 'self' http://127.0.0.1:49152 https:;",
        ),
        ("http://[::1]:49152/callback", "form-action 'self' http: https:;"),
    ] {
        let page = site
            .authorize(&site.query(&[("redirect_uri", address)]), &site.logged_in())
            .await;
        page.assert_page(StatusCode::OK);
        assert!(page.body.contains("on the device"));
        assert!(page.header("content-security-policy").contains(policy));
    }
}

#[tokio::test]
async fn an_unknown_app_is_told_nothing() {
    let site = Site::new();
    for client in ["", "berth-0", "../x", "<script>"] {
        let answer = site
            .authorize(&site.query(&[("client_id", client)]), &site.logged_in())
            .await;
        assert_eq!(answer.header("location"), "");
        answer.assert_page(StatusCode::BAD_REQUEST);
        assert!(!answer.body.contains("<script"));
    }
}

#[tokio::test]
async fn every_later_fault_goes_back_to_the_app() {
    let site = Site::new();
    let faults = [
        (("response_type", ""), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", "code token"), "unsupported_response_type"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge", &CHALLENGE.replace('-', "+")), "invalid_request"),
        (("code_challenge", &format!("{CHALLENGE}=")), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", "s256"), "invalid_request"),
        (("resource", "https://other.example/mcp"), "invalid_target"),
        (("resource", "https://berth.example/other"), "invalid_target"),
        (("resource", "https://berth.example.evil.example/mcp"), "invalid_target"),
        (("scope", "admin offline_access"), "invalid_scope"),
        (("scope", "sessions:all SESSIONS:READ"), "invalid_scope"),
    ];
    for (change, error) in faults {
        let answer = site.authorize(&site.query(&[change]), "").await;
        assert_eq!(answer.told("error").as_deref(), Some(error), "{change:?}");
        assert_eq!(answer.told("state").as_deref(), Some("a b&c=%2F"));
        assert_eq!(answer.told("iss").as_deref(), Some(PUBLIC));
        assert!(answer.told("error_description").is_some() && answer.told("code").is_none());
    }
}

#[tokio::test]
async fn our_resource_by_any_of_its_names_and_no_name_are_right() {
    let site = Site::new();
    for resource in ["", PUBLIC, "https://berth.example/", "https://berth.example/mcp"] {
        let page = site
            .authorize(&site.query(&[("resource", resource)]), &site.logged_in())
            .await;
        page.assert_page(StatusCode::OK);
    }
}

#[tokio::test]
async fn what_is_unknown_is_passed_over() {
    let site = Site::new();
    let more = [
        ("scope", "sessions:read offline_access"),
        ("prompt", "none"),
        ("display", "popup"),
        ("x", "y"),
    ];
    let page = site.authorize(&site.query(&more), &site.logged_in()).await;
    page.assert_page(StatusCode::OK);
    assert!(page.body.contains("It did not ask for more"));
}

#[tokio::test]
async fn a_doubled_parameter_and_an_endless_state_are_faults() {
    let site = Site::new();
    let doubled = format!("{}&redirect_uri=https%3A%2F%2Fevil.example", site.query(&[]));
    let endless = site.query(&[("state", &"x".repeat(4097))]);
    for query in [doubled, endless] {
        site.authorize(&query, "").await.assert_page(StatusCode::BAD_REQUEST);
    }
    let long = site.query(&[("state", &"x".repeat(4096))]);
    site.authorize(&long, "").await.assert_page(StatusCode::OK);
}

#[tokio::test]
async fn the_name_of_an_app_is_only_text() {
    let hostile = "</h1><script>alert(1)</script>\u{202e}\u{1b}[2J\n\"'&<img src=x onerror=y>";
    let site = Site::with(&format!("{hostile}{}", "long ".repeat(100)), PUBLIC);
    for cookie in [String::new(), site.logged_in()] {
        let page = site.authorize(&site.query(&[]), &cookie).await;
        page.assert_page(StatusCode::OK);
        assert!(
            !page.body.contains("<script") && !page.body.contains("<img"),
            "{}",
            page.body
        );
        assert!(!page.body.contains(['\u{202e}', '\u{1b}']), "{}", page.body);
        assert!(!page.body.contains(&"long ".repeat(20)));
    }
}

#[tokio::test]
async fn every_page_is_kept_from_frames_caches_and_scripts() {
    let site = Site::new();
    let (query, cookie) = (site.query(&[]), site.logged_in());
    let pages = [
        site.authorize(&query, "").await,
        site.authorize(&query, &cookie).await,
        site.authorize("", &cookie).await,
        site.post("/oauth/consent", &cookie, &[("query", &query)]).await,
        site.post("/oauth/login", "", &[("query", &query)]).await,
        site.post("/oauth/logout", &cookie, &[]).await,
    ];
    for page in pages {
        let policy = page.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part), "{part}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"));
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("cache-control"), "no-store");
        // With no-referrer, browsers would send the forms with `Origin: null`, which the front door refuses.
        assert_eq!(page.header("referrer-policy"), "same-origin");
        assert!(!page.body.contains(" style=") && !page.body.contains("<script"));
    }
}

#[tokio::test]
async fn only_the_consent_page_lets_a_form_lead_elsewhere() {
    let site = Site::new();
    let policy = async |cookie: &str| {
        let page = site.authorize(&site.query(&[]), cookie).await;
        page.header("content-security-policy").to_owned()
    };
    assert!(policy(&site.logged_in()).await.contains("form-action 'self' https:;"));
    assert!(policy("").await.contains("form-action 'self' ;"));
}

#[tokio::test]
async fn the_owner_learns_how_sure_the_name_of_an_app_is() {
    let site = Site::new();
    let code = "https://claude.ai/oauth/claude-code-client-metadata";
    let chat = "https://chatgpt.com/oauth/client.json";
    for (client, redirect, said) in [
        (
            chat,
            "https://chatgpt.com/connector_platform_oauth_redirect",
            "chatgpt.com vouches for this name",
        ),
        (
            code,
            "http://localhost:4711/callback",
            "Any program on this device can use this name",
        ),
        (&site.client, REDIRECT, "nobody has checked it"),
    ] {
        let query = site.query(&[("client_id", client), ("redirect_uri", redirect)]);
        let page = site.authorize(&query, &site.logged_in()).await;
        page.assert_page(StatusCode::OK);
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
}
