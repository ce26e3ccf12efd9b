//! What a configuration needs of the machine that it is for: files and groups.

use std::fs;
use std::path::Path;

use super::rules::{Found, Wrong};
use super::{Config, ConfigError};

/// What is not there. Writes nothing: where no certificate is named the server makes one.
///
/// # Errors
/// All that is wrong, by file, line and key.
pub(crate) fn check_machine(config: &Config, path: &Path) -> Result<(), ConfigError> {
    let mut found = Found::default();
    if config.tls.certificate.is_some()
        && let Err(err) = crate::tls::server(config)
    {
        let key = format!("tls.{}", err.key());
        found.add(Wrong::new(&key, err.to_string()));
    }
    if let Some(name) = &config.policy.socket_group
        && crate::doors::group(name).is_none()
    {
        let what = format!("there is no group \"{name}\" on this machine");
        found.add(Wrong::new("policy.socket_group", what));
    }
    let postgrey = &config.greylist.postgrey;
    for (key, files) in [
        ("whitelist_clients", &postgrey.whitelist_clients),
        ("whitelist_recipients", &postgrey.whitelist_recipients),
    ] {
        for file in files {
            if let Err(err) = fs::read(file) {
                let key = format!("greylist.postgrey.{key}");
                let what = format!("{}: can't be read: {err}", file.display());
                found.add(Wrong::new(&key, what));
            }
        }
    }
    ConfigError::of_all(path, found)
}
