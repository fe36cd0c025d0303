/// A page of what a session changed in its checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangePage {
    /// The commit that is compared with.
    pub base: Option<String>,
    /// The commit that is compared.
    pub head: Option<String>,
    /// The files of this page.
    pub files: Vec<ChangedFile>,
    /// A unified diff of them.
    pub text: String,
    /// The diff of these files is longer than what is here.
    pub cut: bool,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFile {
    /// Its path below the checkout.
    pub path: String,
    /// Lines that were added.
    pub added: u32,
    /// Lines that were removed.
    pub removed: u32,
    /// It is not text.
    pub binary: bool,
}
