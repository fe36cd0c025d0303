//! The plugins inside the binary, built by `build.rs`.

/// Each bundled plugin's name and component.
pub const ALL: &[(&str, &[u8])] = &[
    ("headless", include_bytes!(concat!(env!("OUT_DIR"), "/headless.wasm"))),
    ("tmux", include_bytes!(concat!(env!("OUT_DIR"), "/tmux.wasm"))),
];

/// The component of the bundled plugin `name`.
pub fn find(name: &str) -> Option<&'static [u8]> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}
