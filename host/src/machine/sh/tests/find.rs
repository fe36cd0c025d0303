//! What is told of a host.

use std::os::unix::fs::symlink;

use super::*;

#[tokio::test]
async fn programs_and_directories_are_found_where_they_are() {
    let (_kept, home) = folder();
    std::fs::create_dir_all(home.join(".local/bin")).unwrap();
    std::fs::create_dir_all(home.join(".nvm/versions/node/v22.1.0/bin")).unwrap();
    std::fs::create_dir(home.join("tools")).unwrap();
    symlink("/bin/true", home.join(".local/bin/agent")).unwrap();
    symlink("/bin/true", home.join(".nvm/versions/node/v22.1.0/bin/another")).unwrap();
    symlink("/bin/true", home.join("tools/mine")).unwrap();
    symlink("tools", home.join("link")).unwrap();
    std::fs::write(home.join("file"), "").unwrap();
    let at = |below: &str| format!("{}/{below}", home.display());
    for shell in SHELLS {
        let mut local = Local::to(shell);
        local.environment.retain(|(name, _)| name != "HOME");
        let (local, way) = local.with("HOME", home.to_str().unwrap()).way();
        let around = Around {
            path: vec!["~/tools".into()],
            ..around()
        };
        let programs = [
            "mine",
            "agent",
            "another",
            "no such",
            "~/tools/mine",
            "/nowhere/agent",
            &at("file"),
        ];
        let directories = ["~", "~/link", "~/missing", "~/file", "/"];
        let found: Found = find(
            &way,
            &around,
            Instant::now() + LONG,
            &programs.map(str::to_owned),
            &directories.map(str::to_owned),
        )
        .await
        .unwrap();
        assert_eq!(
            found.programs,
            [
                Program::Here(at("tools/mine")),
                Program::Elsewhere(at(".local/bin/agent")),
                Program::Elsewhere(at(".nvm/versions/node/v22.1.0/bin/another")),
                Program::Nowhere,
                Program::Here(at("tools/mine")),
                Program::Elsewhere(at(".local/bin/agent")),
                Program::Nowhere,
            ],
            "{shell:?}"
        );
        assert_eq!(
            found.directories,
            [
                Place::There(home.to_str().unwrap().to_owned()),
                Place::There(at("tools")),
                Place::Missing,
                Place::Occupied,
                Place::There("/".to_owned()),
            ]
        );
        assert_eq!((&*found.system, &*found.home), ("Linux", home.to_str().unwrap()));
        assert!(found.path.starts_with(&at("tools:")));
        assert!(found.clock > Duration::from_secs(1_700_000_000));
        assert_eq!(local.opened(), 1);
    }
}

/// What is found by the shell of a host that has these variables.
async fn found_with(shell: &'static [&'static str], variables: &[(&str, &str)]) -> Result<Found, Fault> {
    let mut local = Local::to(shell);
    local.environment.retain(|(name, _)| name != "HOME");
    for (name, value) in variables {
        local = local.with(name, value);
    }
    let (_, way) = local.way();
    find(&way, &around(), Instant::now() + LONG, &[], &[]).await
}

#[tokio::test]
async fn where_berth_keeps_its_own_is_told_without_links_as_far_as_it_is_there() {
    let (_kept, top) = folder();
    for path in ["real/me", "elsewhere/state/berth"] {
        std::fs::create_dir_all(top.join(path)).unwrap();
    }
    symlink("real", top.join("homes")).unwrap();
    symlink(top.join("elsewhere/state"), top.join("state")).unwrap();
    let at = |below: &str| format!("{}/{below}", top.display());
    for shell in SHELLS {
        let home = ("HOME", &*at("homes/me"));
        let found = found_with(shell, &[home]).await.unwrap();
        assert_eq!(found.own, at("real/me/.local/state/berth"), "{shell:?}");
        let found = found_with(shell, &[home, ("XDG_STATE_HOME", &at("state"))])
            .await
            .unwrap();
        assert_eq!(found.own, at("elsewhere/state/berth"), "{shell:?}");
        let found = found_with(shell, &[home, ("XDG_STATE_HOME", "relative")])
            .await
            .unwrap();
        assert_eq!(found.own, at("real/me/.local/state/berth"), "{shell:?}");
    }
}

#[tokio::test]
async fn a_path_that_cannot_be_one_is_refused_wherever_a_host_tells_it() {
    let long = format!("/{}", "x".repeat(5000));
    let unfit = ["", "relative", "/a\nb", "/a\tb", "/a\u{1b}[2J", "/a\u{85}b", &*long];
    for shell in SHELLS {
        for home in unfit {
            let found = found_with(shell, &[("HOME", home), ("XDG_STATE_HOME", "/tmp")]).await;
            assert!(matches!(found, Err(Fault::Strange)), "{shell:?} {home:?}: {found:?}");
        }
        let found = found_with(shell, &[("HOME", "/tmp"), ("XDG_STATE_HOME", &long)]).await;
        assert!(matches!(found, Err(Fault::Strange)), "{shell:?}: {found:?}");
        let (_kept, top) = folder();
        for state in ["a\nb", "a\u{1b}[2J"] {
            let state = top.join(state);
            let local = Local::to(shell).with("XDG_STATE_HOME", state.to_str().unwrap());
            let (_, way) = local.way();
            let told = own(&way, Instant::now() + LONG, "this-one", &[]).await;
            assert!(matches!(told, Err(Fault::Strange)), "{shell:?}: {told:?}");
        }
    }
}
