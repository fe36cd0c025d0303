//! A job's entry for this server: a file in its directory, in the form that MCP clients read.

use std::io;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::Jobs;
use crate::machine::job::Job;

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
    fn entry(&self) -> Value {
        match self {
            Self::Http(origin) => json!({"type": "http", "url": format!("{origin}/mcp")}),
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
    /// Writes the entry of a job that is made and has not begun.
    pub(super) async fn write_entry(&self, job: &Job) -> io::Result<()> {
        let entry = json!({"mcpServers": {NAME: self.0.reach.entry()}});
        job.keep(FILE, entry.to_string().as_bytes())
    }
}
