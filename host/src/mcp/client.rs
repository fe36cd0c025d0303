//! A client of berth itself, for `berth call` and `berth tools`: the same protocol as everybody else's.

use std::time::Duration;

use anyhow::{Context, bail};
use rmcp::model::{CallToolRequestParams, ContentBlock, Tool};
use rmcp::service::{ClientInitializeError, RoleClient, RunningService};
use rmcp::{ServiceError, ServiceExt};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

/// How long the other end may take for its first answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// What a tool answered.
pub struct Called {
    /// For people.
    pub text: String,
    /// The same as data.
    pub structured: Option<Value>,
    /// The tool could not do it.
    pub failed: bool,
}

/// A connection to a berth.
pub struct Client(RunningService<RoleClient, ()>);

impl Client {
    /// Connects over a stream of JSON lines.
    ///
    /// # Errors
    /// If the other end does not answer within 10 seconds, turns this client away with a reason, or does not speak MCP.
    pub async fn connect<S>(stream: S) -> anyhow::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (read, write) = tokio::io::split(stream);
        let connected = timeout(ANSWERS_WITHIN, ().serve((read, write))).await;
        match connected.context("the berth at the other end does not answer; end it and start it again")? {
            Ok(client) => Ok(Self(client)),
            Err(ClientInitializeError::JsonRpcError(error)) => bail!("berth refuses: {}", error.message),
            Err(error) => Err(error).context("the berth at the other end does not speak MCP"),
        }
    }

    /// All tools, as JSON objects in the protocol's shape.
    pub async fn tools(&self) -> anyhow::Result<Vec<Value>> {
        let tools: Vec<Tool> = self.0.list_all_tools().await?;
        tools.into_iter().map(|tool| Ok(serde_json::to_value(tool)?)).collect()
    }

    /// Calls a tool.
    pub async fn call(&self, tool: &str, arguments: Map<String, Value>) -> anyhow::Result<Called> {
        let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let result = match self.0.call_tool(request).await {
            Ok(result) => result,
            Err(ServiceError::McpError(error)) => bail!("{}", error.message),
            Err(error) => return Err(error.into()),
        };
        let texts: Vec<&str> = result
            .content
            .iter()
            .filter_map(ContentBlock::as_text)
            .map(|text| text.text.as_str())
            .collect();
        Ok(Called {
            text: texts.join("\n"),
            structured: result.structured_content,
            failed: result.is_error.unwrap_or(false),
        })
    }
}
