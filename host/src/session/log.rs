/// Which part of a log is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// The view; none: the usual one.
    pub view: Option<String>,
    /// How many lines: the last ones, or the first ones past `after`.
    pub lines: u32,
    /// A cursor of an earlier page.
    pub after: Option<String>,
}

/// A page of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// Whole lines.
    pub text: String,
    /// The cursor just past `text`.
    pub next: String,
    /// There is text past `next` already.
    pub more: bool,
    /// Text between the cursor that was asked for and this page is gone.
    pub gap: bool,
}
