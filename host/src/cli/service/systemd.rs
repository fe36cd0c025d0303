//! A user unit of systemd.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{Keeper, Service};

const NAME: &str = "berth.service";
const NOTES: &str = "\
Its log:     journalctl --user --unit berth --follow
Its state:   systemctl --user status berth
While you are not logged in too:   loginctl enable-linger";

/// Where the unit is. `config` is the user's folder for configuration.
pub(super) fn file(config: &Path) -> PathBuf {
    config.join("systemd/user").join(NAME)
}

/// `config` is the user's folder for configuration.
pub(super) fn keeper(service: &Service, config: &Path) -> anyhow::Result<Keeper> {
    Ok(Keeper {
        file: file(config),
        text: unit(service),
        start: vec![
            systemctl(&["daemon-reload"]),
            systemctl(&["enable", NAME]),
            // One that runs already takes the new file.
            systemctl(&["restart", NAME]),
        ],
        stop: vec![systemctl(&["disable", "--now", NAME])],
        notes: NOTES,
    })
}

fn systemctl(arguments: &[&str]) -> Vec<String> {
    let words = ["systemctl", "--user"].iter().chain(arguments);
    words.map(|word| (*word).to_owned()).collect()
}

/// Only berth itself is ended with the service: the servers in which sessions run stay.
fn unit(service: &Service) -> String {
    // There a dollar would be a variable.
    let words = service.command.iter().map(|word| quoted(word).replace('$', "$$"));
    let command = words.collect::<Vec<_>>().join(" ");
    let mut environment = String::new();
    for (name, value) in &service.environment {
        let _ = writeln!(environment, "Environment={}", quoted(&format!("{name}={value}")));
    }
    format!(
        "\
# Written by `berth service install`; `berth service uninstall` removes it.
[Unit]
Description=berth, a remote control for coding-agent sessions

[Service]
ExecStart={command}
{environment}KillMode=process
Restart=on-failure
RestartSec=10
UMask=0077

[Install]
WantedBy=default.target
"
    )
}

/// One word, whatever it holds except control characters.
fn quoted(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_command_stay_words_and_nothing_in_them_is_expanded() {
        let service = Service {
            command: ["/a b/berth", "serve", "--config", "/x/100%/$HOME/\"q\"\\.toml"]
                .map(str::to_owned)
                .to_vec(),
            environment: vec![("PATH".to_owned(), "/a b:/c%d".to_owned())],
        };
        let unit = unit(&service);
        for line in [
            r#"ExecStart="/a b/berth" "serve" "--config" "/x/100%%/$$HOME/\"q\"\\.toml""#,
            r#"Environment="PATH=/a b:/c%%d""#,
            "KillMode=process",
        ] {
            assert!(unit.lines().any(|found| found == line), "{line}: {unit}");
        }
    }
}
