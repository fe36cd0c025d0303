//! Where a process comes from: up from parent to parent, until one has the mark or there is none left.

/// How far up parents are followed. Normal processes are not nested so deep.
const GENERATIONS: usize = 64;

/// A process at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    pub(super) pid: i32,
    /// 0 if it has none that can be seen from here.
    pub(super) parent: i32,
    /// Its effective user.
    pub(super) user: u32,
    /// When it started, in a unit that only orders.
    pub(super) started: u64,
    /// Whether its environment holds the mark; `None` if that is not for us to read.
    pub(super) is_marked: Option<bool>,
}

/// What is found; of several processes that share a socket, the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Descent {
    /// It is gone, or hides its environment and might have left its parents.
    Unknown,
    /// Neither it nor any of its parents has the mark.
    Outside,
    /// It descends from a session.
    Session,
}

/// Of the process `pid`; `read` looks up a process, and finds nothing if it is gone or hidden.
pub(super) fn descent(pid: i32, read: impl Fn(i32) -> Option<Process>) -> Descent {
    // 0 means a process that cannot be seen from here.
    let Some(mut process) = read(pid).filter(|_| pid > 0) else {
        return Descent::Unknown;
    };
    let at_the_top = match process.is_marked.is_some() || is_of_a_service(&process, &read) {
        true => Descent::Outside,
        false => Descent::Unknown,
    };
    for _ in 0..GENERATIONS {
        if process.is_marked == Some(true) {
            return Descent::Session;
        }
        process = match step(&process, &read) {
            Step::Up(process) => process,
            Step::Top => return at_the_top,
            Step::Lost => return Descent::Unknown,
        };
    }
    Descent::Unknown
}

/// The process `pid` and those above it, as far as they can be seen.
pub(super) fn ancestry(pid: i32, read: impl Fn(i32) -> Option<Process>) -> Vec<Process> {
    let above = |process: &Process| match step(process, &read) {
        Step::Up(process) => Some(process),
        Step::Top | Step::Lost => None,
    };
    std::iter::successors(read(pid), above).take(GENERATIONS).collect()
}

/// Whether it was started by another user's process, and not by the first of all, which adopts whatever leaves its
/// parents. This is the case with sshd: the process that it starts for a user, to forward a port, hides its
/// environment.
fn is_of_a_service(process: &Process, read: impl Fn(i32) -> Option<Process>) -> bool {
    read(process.parent).is_some_and(|parent| parent.pid > 1 && parent.user != process.user)
}

/// Where the way up from a process leads.
enum Step {
    Up(Process),
    /// It has no parent that can be seen.
    Top,
    /// It has ended while it was looked at.
    Lost,
}

fn step(process: &Process, read: impl Fn(i32) -> Option<Process>) -> Step {
    if process.parent == 0 {
        return Step::Top;
    }
    // A process that is younger than its child only has the number of a parent that ended.
    if let Some(parent) = read(process.parent).filter(|parent| parent.started <= process.started) {
        return Step::Up(parent);
    }
    match read(process.pid).filter(|again| again.started == process.started) {
        // The parent ended between two looks, and left its child to another.
        Some(again) if again.parent != process.parent => Step::Up(again),
        // It is another user's, on a system that hides those.
        Some(_) => Step::Top,
        None => Step::Lost,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const OURS: u32 = 1000;
    const ROOTS: u32 = 0;

    /// The first process of all, then those of a table: id, parent, user, whether it is marked. The higher id started
    /// later.
    fn of(pid: i32, table: &[(i32, i32, u32, Option<bool>)]) -> Descent {
        let first = (1, 0, ROOTS, None);
        descent(pid, |wanted| {
            let mut all = [first].into_iter().chain(table.iter().copied());
            let (pid, parent, user, is_marked) = all.find(|(pid, ..)| *pid == wanted)?;
            Some(Process {
                pid,
                parent,
                user,
                started: u64::from(pid.unsigned_abs()),
                is_marked,
            })
        })
    }

    #[test]
    fn the_mark_is_found_on_a_process_and_on_each_of_its_parents() {
        let clear = Some(false);
        let terminal = [(5, 1, OURS, clear), (6, 5, OURS, clear), (7, 6, OURS, clear)];
        assert_eq!(of(7, &terminal), Descent::Outside);
        for marked in 0..terminal.len() {
            let mut table = terminal;
            table[marked].3 = Some(true);
            assert_eq!(of(7, &table), Descent::Session, "{marked}");
        }
        let by_sudo = [(5, 1, OURS, Some(true)), (6, 5, ROOTS, None), (7, 6, OURS, clear)];
        assert_eq!(of(7, &by_sudo), Descent::Session);
    }

    #[test]
    fn whoever_hides_its_environment_is_known_by_who_started_it() {
        let of_sshd = [(5, 1, ROOTS, None), (6, 5, ROOTS, None), (7, 6, OURS, None)];
        assert_eq!(of(7, &of_sshd), Descent::Outside);
        assert_eq!(of(7, &[(7, 1, OURS, None)]), Descent::Unknown, "it left its parents");
        let of_our_own = [(5, 1, OURS, None), (7, 5, OURS, None)];
        assert_eq!(of(7, &of_our_own), Descent::Unknown);
        let in_a_session = [(5, 1, OURS, Some(true)), (7, 5, OURS, None)];
        assert_eq!(of(7, &in_a_session), Descent::Session);
        let hidden_parents = [(4, 1, OURS, None), (7, 4, OURS, Some(false))];
        assert_eq!(of(7, &hidden_parents), Descent::Outside);
    }

    #[test]
    fn what_cannot_be_followed_is_unknown() {
        assert_eq!(of(7, &[]), Descent::Unknown, "it is gone");
        assert_eq!(of(0, &[(0, 0, ROOTS, Some(false))]), Descent::Unknown);
        let endless: Vec<_> = (2..200).map(|pid| (pid, pid - 1, OURS, Some(false))).collect();
        assert_eq!(of(199, &endless), Descent::Unknown);
        assert_eq!(of(40, &endless), Descent::Outside);
    }

    #[test]
    fn parents_that_are_not_to_be_seen_are_other_users() {
        assert_eq!(of(7, &[(7, 6, OURS, Some(false))]), Descent::Outside);
        assert_eq!(
            of(7, &[(7, 0, OURS, Some(false))]),
            Descent::Outside,
            "of another namespace"
        );
    }

    /// A process of a table that changes: each look at it takes the next line.
    fn of_changing(looks: &[Process], others: &[Process]) -> Descent {
        let left = RefCell::new(looks.iter());
        descent(looks[0].pid, |wanted| match wanted == looks[0].pid {
            true => left.borrow_mut().next().copied(),
            false => others.iter().find(|process| process.pid == wanted).copied(),
        })
    }

    fn process(pid: i32, parent: i32, started: u64, is_marked: bool) -> Process {
        Process {
            pid,
            parent,
            user: OURS,
            started,
            is_marked: Some(is_marked),
        }
    }

    #[test]
    fn a_parent_that_ends_meanwhile_is_no_way_out() {
        let before = process(7, 6, 7, false);
        let adopted = process(7, 5, 7, false);
        let adopter = process(5, 0, 5, true);
        assert_eq!(of_changing(&[before, adopted], &[adopter]), Descent::Session);
        assert_eq!(of_changing(&[before], &[adopter]), Descent::Unknown, "both are gone");
        let successor = process(7, 5, 9, false);
        assert_eq!(of_changing(&[before, successor], &[adopter]), Descent::Unknown);
    }

    #[test]
    fn a_number_that_another_process_got_is_no_parent() {
        let orphan = process(7, 6, 7, false);
        let younger = process(6, 0, 8, true);
        assert_eq!(of_changing(&[orphan, orphan], &[younger]), Descent::Outside);
        let adopted = process(7, 5, 7, false);
        let marked = process(5, 0, 5, true);
        assert_eq!(of_changing(&[orphan, adopted], &[younger, marked]), Descent::Session);
    }
}
