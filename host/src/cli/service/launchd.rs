//! A launch agent of macOS.

use std::path::Path;

use anyhow::Context as _;

use super::{Keeper, Service, text};

const LABEL: &str = "berth";
const NOTES: &str = "\
Its log:     tail -f ~/Library/Logs/berth.log
This was written by the manual and not tried on macOS yet: please report what does not work.";

/// `home` is the user's home directory.
pub(super) fn keeper(service: &Service, home: &Path) -> anyhow::Result<Keeper> {
    let file = home.join("Library/LaunchAgents").join(LABEL).with_extension("plist");
    let log = text(&home.join("Library/Logs/berth.log"))?;
    let path = text(&file).context("the launch agent cannot be written")?;
    Ok(Keeper {
        text: plist(service, &log),
        start: vec![launchctl(&["load", "-w", &path])],
        stop: vec![launchctl(&["unload", "-w", &path])],
        file,
        notes: NOTES,
    })
}

fn launchctl(arguments: &[&str]) -> Vec<String> {
    let words = ["launchctl"].iter().chain(arguments);
    words.map(|word| (*word).to_owned()).collect()
}

/// Only berth itself is ended with the agent: the servers in which sessions run stay.
fn plist(service: &Service, log: &str) -> String {
    let words = service.command.iter().map(|word| format!("        {}\n", string(word)));
    let words: String = words.collect();
    let pair = |(name, value): &(String, String)| format!("        <key>{}</key>{}\n", escaped(name), string(value));
    let environment: String = service.environment.iter().map(pair).collect();
    let log = string(log);
    format!(
        "\
<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">
<plist version=\"1.0\">
<dict>
    <key>Label</key><string>{LABEL}</string>
    <key>ProgramArguments</key>
    <array>
{words}    </array>
    <key>EnvironmentVariables</key>
    <dict>
{environment}    </dict>
    <key>RunAtLoad</key><true/>
    <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
    <key>AbandonProcessGroup</key><true/>
    <key>Umask</key><integer>63</integer>
    <key>StandardOutPath</key>{log}
    <key>StandardErrorPath</key>{log}
</dict>
</plist>
"
    )
}

fn string(text: &str) -> String {
    format!("<string>{}</string>", escaped(text))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    #![allow(clippy::disallowed_methods, reason = "a parser of such lists is part of Python")]

    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_property_list_says_what_a_parser_reads_in_it() {
        let command = ["/a & b/berth", "serve", "--config", "/x/<y>.toml"].map(str::to_owned);
        let service = Service {
            command: command.to_vec(),
            environment: vec![("PATH".to_owned(), "/a b:/c&d".to_owned())],
        };
        let script = "import json, plistlib, sys; json.dump(plistlib.loads(sys.stdin.buffer.read()), sys.stdout)";
        let mut parser = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let written = plist(&service, "/log");
        parser.stdin.take().unwrap().write_all(written.as_bytes()).unwrap();
        let read: Value = serde_json::from_slice(&parser.wait_with_output().unwrap().stdout).unwrap();
        let expected = json!({
            "Label": "berth",
            "ProgramArguments": command,
            "EnvironmentVariables": {"PATH": "/a b:/c&d"},
            "RunAtLoad": true,
            "KeepAlive": {"SuccessfulExit": false},
            "AbandonProcessGroup": true,
            "Umask": 0o77,
            "StandardOutPath": "/log",
            "StandardErrorPath": "/log",
        });
        assert_eq!(read, expected);
    }
}
