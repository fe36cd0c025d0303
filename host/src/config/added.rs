//! What is added to the operator's file: a host, and a backend on it. All that is there stays as it is, byte for byte.

use toml::Value;

/// A host that is added, with a backend of the same name.
#[derive(Debug, Clone)]
pub struct NewHost {
    /// The name of both.
    pub name: String,
    /// Where ssh goes.
    pub destination: String,
    /// The port there, if it is not the one that ssh finds.
    pub port: Option<u16>,
    /// The file of the key to log in with, if it is not one that ssh finds: an absolute path.
    pub identity_file: Option<String>,
    /// The backend whose keys count for the new one.
    pub like: String,
}

impl NewHost {
    /// Its two tables as TOML.
    pub fn tables(&self) -> String {
        let text = |text: &str| Value::from(text).to_string();
        let port = self.port.map_or(String::new(), |port| format!("port = {port}\n"));
        let key = self.identity_file.as_deref();
        let key = key.map_or(String::new(), |key| format!("identity_file = {}\n", text(key)));
        format!(
            "[hosts.{name}]\ndestination = {}\n{port}{key}\n[backends.{name}]\nlike = {}\nhost = {}\n",
            text(&self.destination),
            text(&self.like),
            text(&self.name),
            name = self.name,
        )
    }

    /// `text` with these tables at its end.
    pub fn added_to(&self, text: &str) -> String {
        let between = match text {
            "" => "",
            text if text.ends_with('\n') => "\n",
            _ => "\n\n",
        };
        format!("{text}{between}{}", self.tables())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::tests::{SMALL, around};
    use crate::config::{Config, Layers};

    fn mac() -> NewHost {
        NewHost {
            name: "mac".into(),
            destination: "me@mac".into(),
            port: Some(2222),
            identity_file: Some("/home/me/.ssh/a key".into()),
            like: "local".into(),
        }
    }

    #[test]
    fn the_rest_stays_as_it_is_and_the_whole_is_valid() {
        let commented = format!("# Mine.\n\n{SMALL}\n  # [backends.no]\n# the end");
        let windows = SMALL.replace('\n', "\r\n");
        for before in [SMALL, SMALL.trim_end(), &commented, &windows] {
            let before = format!("default_backend = 'local' # always\n{before}");
            let after = mac().added_to(&before);
            assert!(after.starts_with(&before), "{after}");
            let file = std::path::Path::new("/home/me/config.toml");
            let config = Config::parse(&Layers::yours(file, &after), &around()).unwrap();
            assert_eq!(config.hosts["mac"].machine(), "me@mac, port 2222");
            let key = config.hosts["mac"].identity_file.as_deref();
            assert_eq!(key, Some(std::path::Path::new("/home/me/.ssh/a key")));
            assert_eq!(config.backends["mac"].host.as_deref(), Some("mac"));
            assert_eq!(config.backends["mac"].agents, config.backends["local"].agents);
        }
        assert_eq!(mac().added_to(""), mac().tables());
    }

    #[test]
    fn a_destination_arrives_as_it_is() {
        for destination in ["me@mac", "CORP%me@mac", "Büro", "fe80::1%en0", "a#b", "a=b"] {
            let host = NewHost {
                destination: destination.into(),
                ..mac()
            };
            let table: toml::Table = host.tables().parse().unwrap();
            assert_eq!(table["hosts"]["mac"]["destination"].as_str(), Some(destination));
        }
    }
}
