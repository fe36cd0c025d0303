//! The one resource that tokens are for, by the names that it has (RFC 8707).

use super::host_origin::Base;

/// The path of the resource below a base.
const MCP: &str = "/mcp";

/// Whether `given` names our resource as a client of `base` may call it (RFC 8707): as `BASE/mcp`, or by the origin
/// alone for clients that were not given a path.
pub(super) fn is_resource(base: &Base, given: &str) -> bool {
    given
        .strip_prefix(&*base.0)
        .is_some_and(|rest| matches!(rest, "" | "/" | MCP))
}

/// The one spelling in which the resource is kept with an approval, and compared: `BASE/mcp`.
pub(super) fn canonical(base: &Base) -> String {
    format!("{}{MCP}", base.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_is_named_by_its_path_or_its_origin() {
        let base = Base("https://berth.example".into());
        for ours in ["", "/", "/mcp"] {
            assert!(is_resource(&base, &format!("https://berth.example{ours}")), "{ours:?}");
        }
        for other in [
            "https://berth.example/mcp/",
            "https://berth.example/mcp?x",
            "https://berth.example//",
            "https://berth.example/other",
            "https://berth.example.evil.example",
            "https://berth.example@evil.example/mcp",
            "https://berth.example:443/mcp",
            "https://BERTH.example/mcp",
            "http://berth.example/mcp",
            "https://other.example/mcp",
            "/mcp",
            "",
        ] {
            assert!(!is_resource(&base, other), "{other}");
        }
        assert!(is_resource(&base, &canonical(&base)));
    }
}
