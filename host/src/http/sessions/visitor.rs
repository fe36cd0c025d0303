//! Who opens a page, as the front door has found out. In the extensions of each request for one.

use crate::principal::Principal;

/// Who opens a page.
#[derive(Clone, Debug)]
pub(in crate::http) enum Visitor {
    /// Somebody who is not logged in. `here`: in a browser of the operator's own on this machine, outside of sessions.
    Stranger { here: bool },
    /// The owner.
    Owner(Owner),
}

/// The owner, logged in by a cookie.
#[derive(Clone)]
pub(in crate::http) struct Owner {
    /// For whom calls are made. In a session it only looks.
    pub(in crate::http) principal: Principal,
    /// The cookie's value.
    pub(in crate::http) cookie: String,
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Owner").field(&self.principal).finish()
    }
}
