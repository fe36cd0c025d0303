//! Processes of a job, as the system shows them.

use std::io;

use super::ended::Process;

pub use crate::peer::JOB_MARK as MARK;

pub(super) use self::system::{are_of, boot, children, find, keep_orphans, kill, namespace, of_job};

/// This process.
pub(super) fn this() -> io::Result<Process> {
    let pid = std::process::id().cast_signed();
    find(pid).ok_or_else(|| io::Error::other("the system does not show this process"))
}

#[cfg(target_os = "linux")]
mod system {
    use std::io::{self, Read as _};
    use std::os::unix::fs::MetadataExt as _;

    use procfs::process::{Process as Shown, all_processes};
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    use super::super::ended::{Process, Processes};
    use super::MARK;

    /// Names this start of the system.
    pub(in super::super) fn boot() -> io::Result<String> {
        Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?
            .trim()
            .to_owned())
    }

    /// The pid namespace of this process.
    pub(in super::super) fn namespace() -> io::Result<u64> {
        Ok(std::fs::metadata("/proc/self/ns/pid")?.ino())
    }

    /// Lets processes whose parents end become children of this one, so that none escapes.
    pub(in super::super) fn keep_orphans() -> io::Result<()> {
        Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
    }

    pub(in super::super) fn find(pid: i32) -> Option<Process> {
        let stat = Shown::new(pid).ok()?.stat().ok()?;
        Some(Process {
            pid,
            started: stat.starttime,
        })
    }

    /// The children of this process.
    pub(in super::super) fn children() -> Vec<i32> {
        let this = std::process::id().cast_signed();
        let stats = all_processes()
            .into_iter()
            .flatten()
            .filter_map(|shown| shown.ok()?.stat().ok());
        stats.filter(|stat| stat.ppid == this).map(|stat| stat.pid).collect()
    }

    /// What runs of the job `id`, which had these processes: what bears its mark, and what is left of its group.
    pub(in super::super) fn of_job(id: &str, had: Option<&Processes>) -> io::Result<Vec<Process>> {
        let (this, mark) = (std::process::id().cast_signed(), format!("{MARK}={id}"));
        let all = all_processes().map_err(io::Error::other)?;
        let found = all.filter_map(|shown| {
            let shown = shown.ok()?;
            let stat = shown.stat().ok()?;
            let is_alive = !matches!(stat.state, 'Z' | 'X');
            let of_group = || had.is_some_and(|had| in_group(had, stat.pgrp, stat.session));
            let process = Process {
                pid: stat.pid,
                started: stat.starttime,
            };
            (stat.pid != this && is_alive && (is_marked(&shown, &mark) || of_group())).then_some(process)
        });
        Ok(found.collect())
    }

    /// Whether the program that these name is one of the job `id`: the job itself can write which processes it had, but no
    /// mark into a process that is not its own.
    pub(in super::super) fn are_of(id: &str, had: &Processes) -> bool {
        let mark = format!("{MARK}={id}");
        let is_marked = |process: Process| Shown::new(process.pid).is_ok_and(|shown| is_marked(&shown, &mark));
        had.program
            .is_some_and(|program| is_marked(program) && find(program.pid) == Some(program))
    }

    /// While one of its members lives, neither the number of a group nor that of a session is given again; and the job's
    /// program is the only one that leads such a group in its supervisor's session.
    fn in_group(had: &Processes, group: i32, session: i32) -> bool {
        let is_other = |process: Process| find(process.pid).is_some_and(|found| found != process);
        had.program.is_some_and(|program| {
            group == program.pid && session == had.supervisor.pid && !is_other(program) && !is_other(had.supervisor)
        })
    }

    fn is_marked(shown: &Shown, mark: &str) -> bool {
        let mut environment = Vec::new();
        let read = shown
            .open_relative("environ")
            .is_ok_and(|mut file| file.read_to_end(&mut environment).is_ok());
        read && environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == mark.as_bytes())
    }

    /// Ends `process`, and never another that got its number.
    pub(in super::super) fn kill(process: Process) {
        let Some(pid) = Pid::from_raw(process.pid) else { return };
        let Ok(opened) = pidfd_open(pid, PidfdFlags::empty()) else {
            return;
        };
        if find(process.pid) == Some(process) {
            // This fails only if it has ended.
            let _ = pidfd_send_signal(opened, Signal::KILL);
        }
    }
}

/// Here nothing keeps orphans, and no mark is seen: a job ends with its group.
#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;

    use libproc::proc_pid::kproc_info_raw;
    use rustix::process::{Pid, Signal, kill_process_group};

    use super::super::ended::{Process, Processes};

    /// When a process started says it as well here.
    pub(in super::super) fn boot() -> io::Result<String> {
        Ok(String::new())
    }

    pub(in super::super) fn namespace() -> io::Result<u64> {
        Ok(0)
    }

    pub(in super::super) fn keep_orphans() -> io::Result<()> {
        Ok(())
    }

    pub(in super::super) fn find(pid: i32) -> Option<Process> {
        let started = kproc_info_raw(pid).ok()?.kp_proc.p_un;
        let seconds = started.tv_sec.unsigned_abs() * 1_000_000;
        Some(Process {
            pid,
            started: seconds + u64::from(started.tv_usec.unsigned_abs()),
        })
    }

    pub(in super::super) fn children() -> Vec<i32> {
        Vec::new()
    }

    /// No mark is seen that would say otherwise.
    pub(in super::super) fn are_of(_id: &str, _had: &Processes) -> bool {
        true
    }

    pub(in super::super) fn of_job(_id: &str, had: Option<&Processes>) -> io::Result<Vec<Process>> {
        let program = had.and_then(|had| had.program);
        Ok(program
            .into_iter()
            .filter(|program| find(program.pid) == Some(*program))
            .collect())
    }

    pub(in super::super) fn kill(process: Process) {
        if let Some(group) = Pid::from_raw(process.pid).filter(|_| find(process.pid) == Some(process)) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
