//! What the owner meets in a browser, whatever it is for: the login, with its cookie and its lock-out, forms that no other
//! site can send, and how a page looks. The callers decide what the pages ask.

mod clock;
mod cookie;
pub(super) mod form;
pub(super) mod login;
pub(super) mod pages;
pub(super) mod posted;

#[cfg(test)]
mod colours;
#[cfg(test)]
mod tests;
