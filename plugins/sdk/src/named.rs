//! Makes it an error to implement a trait that [`export!`](crate::export) does not name.

/// Says that [`export!`](crate::export) names the interface of this tag.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` implements a trait that `export!` does not name, so the host would never see it",
    label = "`export!` does not name this trait for `{Self}`",
    note = "add the trait's name, as in `berth_plugin::export!({Self}: Control, Projects)`"
)]
pub trait Named<Tag> {}

/// One tag for each name that `export!` takes.
#[doc(hidden)]
pub mod tag {
    macro_rules! tags {
        ($($name:ident),+) => {
            $(#[derive(Debug)] #[allow(missing_docs, reason = "the trait of the same name says what it is")] pub struct $name;)+
        };
    }
    tags!(
        Control,
        Options,
        Transcripts,
        Changes,
        Projects,
        OwnTools,
        Upkeep,
        Manifest
    );
}
