//! The plugins inside the binary, built by `build.rs`.

/// A plugin inside the binary.
#[derive(Debug)]
pub struct Bundled {
    /// As config names it.
    pub name: &'static str,
    /// The component.
    pub bytes: &'static [u8],
    /// Its SHA-256 in hex. It is computed when berth is built, so that a start need not read the component.
    pub digest: &'static str,
}

macro_rules! bundled {
    ($name:literal) => {
        Bundled {
            name: $name,
            bytes: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm")),
            digest: include_str!(concat!(env!("OUT_DIR"), "/", $name, ".sha256")),
        }
    };
}

/// All of them.
pub const ALL: &[Bundled] = &[bundled!("headless"), bundled!("ssh"), bundled!("tmux")];

/// The bundled plugin of this name.
pub fn find(name: &str) -> Option<&'static Bundled> {
    ALL.iter().find(|plugin| plugin.name == name)
}
