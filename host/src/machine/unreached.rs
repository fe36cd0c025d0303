//! What clients and plugins are told of a host that does not do what it is asked for.

use super::sh::Fault;
use super::ssh::Trouble;

/// Whether nothing was sent because all sessions were in use: the host itself may well answer.
pub(crate) fn is_busy(fault: &Fault) -> bool {
    match fault {
        Fault::Late => true,
        Fault::Unopened(why) => why.downcast_ref::<Trouble>().is_some_and(Trouble::is_busy),
        _ => false,
    }
}

/// `fault` in words for them: they learn no more of a host than its label and how it is with it.
pub(crate) fn for_clients(fault: &Fault) -> String {
    match fault {
        Fault::Unopened(why) => match why.downcast_ref::<Trouble>() {
            Some(trouble) => trouble.for_clients(),
            // Another way than ssh has nothing to hide.
            None => why.to_string(),
        },
        fault => fault.to_string(),
    }
}
