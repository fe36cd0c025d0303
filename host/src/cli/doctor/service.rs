//! Whether the service that berth runs in ends berth alone, and not the jobs that are to outlive it.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use berth::assemble::{SearchPath, Setup};
use berth::machine::ask;
use berth::store::DataDirectory;
use tokio::net::UnixStream;

use super::finding::Finding;
use crate::cli::service;

const ABOUT: &str = "service";
const WANTED: &str = "process";
/// How long the system's own program may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Nothing where no jobs are granted, or berth is in no service of systemd's.
pub(super) async fn examine(setup: &Setup, data: &DataDirectory) -> Option<Finding> {
    let mut programs = setup.backends.values().flat_map(|backend| backend.programs.values());
    if !cfg!(target_os = "linux") || !programs.any(|grant| !grant.job.is_empty()) {
        return None;
    }
    let file = service::unit_file();
    let unit = match owner(data).await {
        Some(pid) => Unit::of(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)?,
        None => Unit::installed(file.as_deref()?)?,
    };
    let mode = match unit.kill_mode().await {
        Some(mode) => Some(mode),
        None => file.and_then(|file| written(&fs::read_to_string(file).ok()?)),
    };
    Some(unit.judged(mode.as_deref()))
}

/// The process that owns the data directory.
async fn owner(data: &DataDirectory) -> Option<i32> {
    let stream = UnixStream::connect(data.socket_path()).await.ok()?;
    stream.peer_cred().ok()?.pid()
}

/// A service.
#[derive(Debug, PartialEq, Eq)]
struct Unit {
    name: String,
    /// It is one of the user's manager.
    is_users: bool,
}

impl Unit {
    /// The one that a process is in, by its control groups.
    fn of(groups: &str) -> Option<Self> {
        let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        let (parents, name) = path.rsplit_once('/')?;
        let is_service = name.ends_with(".service") && !name.starts_with("user@");
        is_service.then(|| Self {
            name: name.to_owned(),
            is_users: parents.contains("/user@"),
        })
    }

    /// The one that `berth service install` wrote, if it is there.
    fn installed(file: &Path) -> Option<Self> {
        let name = file.file_name()?.to_str()?.to_owned();
        file.exists().then_some(Self { name, is_users: true })
    }

    /// What systemd says of it; none if it does not say.
    async fn kill_mode(&self) -> Option<String> {
        let program = SearchPath::of_process().first("systemctl")?;
        let manager = self.is_users.then_some("--user");
        let show = ["show", "--property=KillMode", "--value", &self.name];
        let arguments: Vec<String> = manager.into_iter().chain(show).map(str::to_owned).collect();
        let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        let (succeeded, said) = ask(&program, &arguments, &environment, WITHIN).await.ok()?;
        let said = said.trim().to_owned();
        (succeeded && !said.is_empty()).then_some(said)
    }

    fn judged(&self, mode: Option<&str>) -> Finding {
        let name = &self.name;
        let edit = match self.is_users {
            true => format!("systemctl --user edit {name}"),
            false => format!("systemctl edit {name}"),
        };
        let fix = format!("add KillMode={WANTED} to its [Service]: {edit}");
        match mode {
            Some(WANTED) => Finding::ok(ABOUT, format!("{name} ends berth alone, so jobs outlive its restart")),
            Some(mode) => Finding::warn(
                ABOUT,
                format!("{name} has KillMode={mode}: its restart can end jobs and sessions that run"),
                fix,
            ),
            None => Finding::warn(
                ABOUT,
                format!("it is not known whether {name} has KillMode={WANTED}; without that its restart can end jobs"),
                fix,
            ),
        }
    }
}

/// What a unit's file says.
fn written(unit: &str) -> Option<String> {
    let mut modes = unit.lines().filter_map(|line| line.trim().strip_prefix("KillMode="));
    Some(modes.next_back().unwrap_or("control-group").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Mark;

    #[test]
    fn the_service_of_a_process_is_read_from_its_control_groups() {
        let unit = |name: &str, is_users| {
            Some(Unit {
                name: name.to_owned(),
                is_users,
            })
        };
        for (groups, expected) in [
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/berth.service\n",
                unit("berth.service", true),
            ),
            ("0::/system.slice/mine.service\n", unit("mine.service", false)),
            ("0::/user.slice/user-1000.slice/session-3.scope\n", None),
            ("0::/user.slice/user-1000.slice/user@1000.service\n", None),
            ("0::/\n", None),
            ("12:cpu:/system.slice/berth.service\n", None),
            ("", None),
        ] {
            assert_eq!(Unit::of(groups), expected, "{groups}");
        }
    }

    #[test]
    fn whatever_ends_more_than_berth_is_warned_of() {
        let unit = Unit {
            name: "berth.service".to_owned(),
            is_users: true,
        };
        for (mode, mark) in [
            (Some("process"), Mark::Ok),
            (Some("control-group"), Mark::Warn),
            (Some("mixed"), Mark::Warn),
            (None, Mark::Warn),
        ] {
            assert_eq!(unit.judged(mode).mark, mark, "{mode:?}");
        }
        for (text, mode) in [
            ("[Service]\nKillMode=process\n", "process"),
            ("[Service]\nExecStart=x\n", "control-group"),
            ("KillMode=process\nKillMode=mixed", "mixed"),
        ] {
            assert_eq!(written(text).as_deref(), Some(mode));
        }
    }
}
