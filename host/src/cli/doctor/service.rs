//! Whether the service in which berth runs ends what is to outlive it: sessions, and jobs.

use std::path::Path;
use std::time::Duration;

use berth::assemble::SearchPath;
use berth::machine::ask;
use berth::store::DataDirectory;

use super::finding::Finding;

const ABOUT: &str = "service";
/// How long systemd may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// None where berth does not run as a service of systemd, or that cannot be found out.
pub(super) async fn examine(data: &DataDirectory) -> Option<Finding> {
    let owner = std::fs::read_to_string(data.path().join("lock")).ok()?;
    let (pid, _) = owner.split_once(' ')?;
    let pid: u32 = pid.parse().ok()?;
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let (unit, is_users) = service(&groups)?;
    let whose = if is_users { "--user" } else { "--system" };
    let arguments = [whose, "show", "--property=KillMode", "--value", "--", unit].map(str::to_owned);
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(|path| ("XDG_RUNTIME_DIR".into(), path));
    let environment: Vec<_> = runtime.into_iter().collect();
    let systemctl = SearchPath::of_process().first("systemctl")?;
    let (_, mode) = ask(&systemctl, &arguments, &environment, ANSWERS_WITHIN)
        .await
        .ok()
        .filter(|(done, _)| *done)?;
    Some(match &*mode {
        "process" => Finding::ok(
            ABOUT,
            format!("{unit} ends berth alone, so that sessions and jobs go on"),
        ),
        _ => Finding::warn(
            ABOUT,
            format!(
                "{unit} has KillMode={mode}, so its end is the end of sessions, and of jobs without a scope of their own"
            ),
            format!("set KillMode=process in its [Service]: systemctl {whose} edit {unit}"),
        ),
    })
}

/// The service that a process with these groups is in, and whether a user's manager has it.
fn service(groups: &str) -> Option<(&str, bool)> {
    groups.lines().find_map(|line| {
        let path = line.splitn(3, ':').nth(2)?;
        let unit = Path::new(path).file_name()?.to_str()?;
        unit.ends_with(".service").then_some((unit, path.contains("/user@")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_known_by_its_group_and_a_terminal_is_none() {
        for (groups, found) in [
            ("0::/system.slice/berth.service\n", Some(("berth.service", false))),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/berth.service\n",
                Some(("berth.service", true)),
            ),
            (
                "2:memory:/x\n1:name=systemd:/system.slice/berth.service\n0::/\n",
                Some(("berth.service", false)),
            ),
            ("0::/user.slice/user-1000.slice/session-3.scope\n", None),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-terminal.scope\n",
                None,
            ),
            ("0::/\n", None),
            ("", None),
        ] {
            assert_eq!(service(groups), found, "{groups}");
        }
    }
}
