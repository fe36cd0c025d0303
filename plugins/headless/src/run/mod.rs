//! What is done with runs: submitted, found again, looked after while they ask, cancelled.

pub(crate) mod asking;
pub(crate) mod cancel;
pub(crate) mod repeated;
pub(crate) mod submit;
