//! The `settings` capability: what the operator set for this backend.

use super::Call;
use crate::contract::settings::Host;

impl Host for Call {
    async fn get(&mut self) -> wasmtime::Result<String> {
        Ok(self.powers.settings.clone())
    }
}
