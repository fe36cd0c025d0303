//! The contract's side: what a guest may keep.

use crate::capability::Call;
use crate::contract::store::{Entry, Host};
use crate::contract::types::Error;

/// Keys of one answer.
const KEYS: u32 = 1_000;

impl Host for Call {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Entry>, Error>> {
        let found = self.powers.keeper.with(move |kept| kept.get(&key)).await;
        Ok(found.map(|found| found.map(|(value, version)| Entry { value, version })))
    }

    async fn put(&mut self, key: String, value: Vec<u8>, expect: Option<u64>) -> wasmtime::Result<Result<u64, Error>> {
        self.allowance.acted.set_kept();
        let put = self.powers.keeper.with(move |kept| kept.put(&key, &value, expect));
        Ok(put.await)
    }

    async fn remove(&mut self, key: String, expect: Option<u64>) -> wasmtime::Result<Result<(), Error>> {
        self.allowance.acted.set_kept();
        let removed = self.powers.keeper.with(move |kept| kept.remove(&key, expect));
        Ok(removed.await)
    }

    async fn keys(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<String>, Error>> {
        let keys = move |kept: &crate::store::Kept| kept.keys(&prefix, after.as_deref(), limit.min(KEYS));
        Ok(self.powers.keeper.with(keys).await)
    }
}
