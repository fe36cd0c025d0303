//! The options of the agent without a terminal, called as Claude Code calls them.

use std::path::PathBuf;

use super::permission::Rules;

/// What it was told: the options that only make sense with `--stream-json`.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "With --stream-json, as Claude Code has them")]
pub(crate) struct Told {
    /// The id of the new conversation, a UUID
    #[arg(long, value_name = "UUID", requires = "stream_json")]
    pub(super) session_id: Option<String>,

    /// Go on with this conversation
    #[arg(long, value_name = "UUID", requires = "stream_json")]
    pub(super) resume: Option<String>,

    /// Go on in a new conversation, and leave the other one as it is
    #[arg(long, requires = "stream_json")]
    pub(super) fork_session: bool,

    /// How often it may answer or use a tool for one message
    #[arg(long, value_name = "NUMBER", requires = "stream_json")]
    pub(super) max_turns: Option<u64>,

    /// How much it may pretend to cost, from this start on
    #[arg(long, value_name = "USD", requires = "stream_json")]
    pub(super) max_budget_usd: Option<f64>,

    /// The tools that it may use, such as `Write` or `Bash(git add:*)`
    #[arg(
        long = "allowedTools",
        alias = "allowed-tools",
        value_name = "TOOLS",
        requires = "stream_json"
    )]
    allowed_tools: Vec<String>,

    /// With `acceptEdits` it may write, with `bypassPermissions` it may do all that it can
    #[arg(long, value_name = "MODE", default_value = "default", requires = "stream_json")]
    pub(super) permission_mode: String,

    /// The name of a model, which it says again
    #[arg(long, value_name = "MODEL", default_value = "demo", requires = "stream_json")]
    pub(super) model: String,

    /// With `stdio`, what is not allowed is asked for on the output, and the answer comes on the input
    #[arg(long, value_name = "TOOL", requires = "stream_json", value_parser = ["stdio"])]
    permission_prompt_tool: Option<String>,

    /// Print each message again when it is taken up
    #[arg(long, requires = "stream_json")]
    pub(super) replay_user_messages: bool,

    /// Ignored: it has no settings
    #[arg(long, value_name = "SOURCES", requires = "stream_json")]
    setting_sources: Option<String>,

    /// Ignored: it calls no server
    #[arg(long, value_name = "FILE", requires = "stream_json")]
    mcp_config: Vec<PathBuf>,
}

impl Told {
    /// Whether somebody can be asked.
    pub(super) fn asks(&self) -> bool {
        self.permission_prompt_tool.is_some()
    }

    /// What it may use.
    pub(super) fn rules(&self) -> Rules {
        Rules::new(&self.allowed_tools, &self.permission_mode)
    }
}
