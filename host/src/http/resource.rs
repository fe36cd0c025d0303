//! The one resource that tokens are for, by the names that it has (RFC 8707).

use url::Url;

use super::host_origin::Base;

/// The path of the resource below a base.
const MCP: &str = "/mcp";

/// Whether `given` names our resource as a client of `base` may call it (RFC 8707): as `BASE/mcp`, or by the origin
/// alone for clients that were not given a path. Spellings of the same address are the same (RFC 3986, 6.2); a query says
/// nothing here.
pub(super) fn is_resource(base: &Base, given: &str) -> bool {
    if given == canonical(base) {
        return true;
    }
    let (Ok(base), Ok(given)) = (Url::parse(&base.0), Url::parse(given)) else {
        return false;
    };
    let is_plain = given.username().is_empty() && given.password().is_none() && given.fragment().is_none();
    is_plain && given.origin() == base.origin() && matches!(given.path(), "" | "/" | MCP | "/mcp/")
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
        for ours in [
            "https://berth.example",
            "https://berth.example/",
            "https://berth.example/mcp",
            "https://berth.example/mcp/",
            "https://berth.example/mcp?x=1",
            "https://berth.example:443/mcp",
            "https://BERTH.Example/mcp",
            "HTTPS://berth.example/mcp",
        ] {
            assert!(is_resource(&base, ours), "{ours:?}");
        }
        for other in [
            "https://berth.example//",
            "https://berth.example/other",
            "https://berth.example.evil.example",
            "https://berth.example@evil.example/mcp",
            "https://berth.example:8443/mcp",
            "https://user@berth.example/mcp",
            "https://berth.example/mcp#part",
            "https://berth.example/MCP",
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
