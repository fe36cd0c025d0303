//! A job's entry for this server: a file in its directory, in the form that MCP clients read.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Error, Jobs};
use crate::machine::job::{Folder, Job};
use crate::store::jobs::JobError;
use crate::store::random_token;

/// The name of the entry, and what the file is called.
const NAME: &str = "berth";
pub(super) const FILE: &str = "entry.json";

/// How a client on this machine reaches this server.
#[derive(Debug, Clone)]
pub enum Reach {
    /// By HTTP on loopback: the origin, such as `http://127.0.0.1:8787`.
    Http(String),
    /// By a program that speaks to it: this binary, and the configuration that it reads.
    Program {
        /// The binary.
        berth: PathBuf,
        /// The file of the configuration, if there is one.
        config: Option<PathBuf>,
    },
}

impl Reach {
    fn entry(&self, token: &str) -> Value {
        match self {
            Self::Http(origin) => json!({
                "type": "http",
                "url": format!("{origin}/mcp"),
                "headers": {"Authorization": format!("Bearer {token}")},
            }),
            // Its process is seen at the socket, by the kernel's word.
            Self::Program { berth, config } => {
                let config = config
                    .iter()
                    .flat_map(|file| ["--config".into(), file.to_string_lossy()]);
                let args: Vec<_> = ["stdio".into()].into_iter().chain(config).collect();
                json!({"type": "stdio", "command": berth.to_string_lossy(), "args": args})
            }
        }
    }
}

impl Jobs {
    /// Removes the entry of the job `id`, if it has one and a directory.
    pub(super) async fn remove_entry(&self, folder: &Folder, id: &str) {
        if let Folder::Here(path) = folder {
            let path = path.join(id);
            let remove = move || Job::open(&path).and_then(|job| job.remove_file(FILE));
            // Without its directory there is none.
            let _ = tokio::task::spawn_blocking(remove).await;
        }
    }

    /// Writes the entry of the job `id`, which is made and has not begun, with a token of its own.
    pub(super) async fn write_entry(&self, id: &str, job: &Job) -> Result<(), Error> {
        let token = random_token().map_err(JobError::Broken)?;
        let (asked, kept) = (id.to_owned(), token.clone());
        self.index(move |index| index.set_token(&asked, &kept)).await?;
        let entry = json!({"mcpServers": {NAME: self.0.reach.entry(&token)}});
        let written = job.keep(FILE, entry.to_string().as_bytes());
        written.map_err(|cause| Error::Directory {
            id: id.to_owned(),
            cause,
        })
    }
}
