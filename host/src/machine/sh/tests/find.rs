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
