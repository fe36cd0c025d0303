//! A server whose client may ask only so often, for carriers without a front door.

use std::borrow::Cow;

use rmcp::ErrorData;
use rmcp::model::{
    CallToolResult, ClientNotification, ClientRequest, ContentBlock, ErrorCode, ProtocolVersion, ServerConfig,
    ServerResult,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, Service};

use super::Server;

/// The server of one stream. Each request counts for its caller, as requests over HTTP do.
pub(super) struct Paced(pub(super) Server);

impl Service<RoleServer> for Paced {
    async fn handle_request(
        &self,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        let turn = self.0.admission.turn(&self.0.principal(&context)?);
        match (turn, &request) {
            (Ok(()), _) => self.0.handle_request(request, context).await,
            // Clients hide an error of the protocol from the model, and the model must know that it has to wait.
            (Err(refusal), ClientRequest::CallToolRequest(_)) => {
                let told = CallToolResult::error(vec![ContentBlock::text(refusal.to_string())]);
                Ok(ServerResult::CallToolResult(told))
            }
            (Err(refusal), _) => Err(ErrorData::new(ErrorCode::INTERNAL_ERROR, refusal.to_string(), None)),
        }
    }

    async fn handle_notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.0.handle_notification(notification, context).await
    }

    fn get_info(&self) -> ServerConfig {
        Service::get_info(&self.0)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Service::supported_protocol_versions(&self.0)
    }
}
