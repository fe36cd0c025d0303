//! The contract's capabilities without the SDK between, which would hold to the contract's bounds.

#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "generated from the contract"
)]

wit_bindgen::generate!({
    path: "../../../../plugins/sdk/wit",
    inline: "package berth:misbehaving; world raw {
        import berth:backend/process@0.1.0;
        import berth:backend/files@0.1.0;
        import berth:backend/ssh@0.1.0;
    }",
    world: "berth:misbehaving/raw",
    generate_all,
});

pub(crate) use berth::backend::types::Error;
pub(crate) use berth::backend::{files, process, ssh};
