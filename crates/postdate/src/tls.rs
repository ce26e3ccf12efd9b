//! The server's certificate.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::Config;

/// Why STARTTLS can't be offered.
#[derive(Debug)]
pub(crate) struct TlsError {
    /// In `[tls]`.
    key: &'static str,
    path: PathBuf,
    what: String,
}

impl TlsError {
    /// Which key of `[tls]` has to be corrected.
    pub(crate) fn key(&self) -> &'static str {
        self.key
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.what)
    }
}

impl std::error::Error for TlsError {}

/// The server's side of TLS.
pub(crate) struct ServerTls {
    /// For handshakes.
    pub(crate) config: Arc<ServerConfig>,
    /// Where the certificate lies that was made because none is configured.
    pub(crate) self_signed: Option<PathBuf>,
}

/// Loads the configured certificate, or makes a self-signed one in the data directory. `None`: TLS is off.
///
/// # Errors
/// A file can't be read or is no certificate or key, or they don't belong together.
pub(crate) fn server(config: &Config) -> Result<Option<ServerTls>, TlsError> {
    if config.tls.off {
        return Ok(None);
    }
    let (certificate, key, self_signed) = match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => (certificate.clone(), key.clone(), None),
        _ => {
            let (certificate, key) = self_signed(config)?;
            (certificate.clone(), key, Some(certificate))
        }
    };
    let wrong = |name, path: &Path, what: String| TlsError {
        key: name,
        path: path.to_owned(),
        what,
    };
    let chain = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|err| wrong("certificate", &certificate, pem(&err)))?;
    if chain.is_empty() {
        let what = "there is no certificate in it (BEGIN CERTIFICATE)".to_owned();
        return Err(wrong("certificate", &certificate, what));
    }
    let private =
        PrivateKeyDer::from_pem_file(&key).map_err(|err| wrong("key", &key, pem(&err)))?;
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|err| wrong("certificate", &certificate, err.to_string()))?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(|err| match err {
                rustls::Error::InconsistentKeys(_) => {
                    let what = format!("is not the key of {}", certificate.display());
                    wrong("key", &key, what)
                }
                err => wrong("certificate", &certificate, format!("can't be used: {err}")),
            })?;
    Ok(Some(ServerTls {
        config: Arc::new(config),
        self_signed,
    }))
}

fn pem(err: &pem::Error) -> String {
    match err {
        pem::Error::Io(err) => format!("can't be read: {err}"),
        pem::Error::NoItemsFound => "there is no private key in it (BEGIN PRIVATE KEY)".to_owned(),
        pem::Error::MissingSectionEnd { .. } => {
            "is cut off: its last END line is missing".to_owned()
        }
        err => format!("is no PEM file: {err}"),
    }
}

fn self_signed(config: &Config) -> Result<(PathBuf, PathBuf), TlsError> {
    let certificate = config.data_dir.join("self-signed.pem");
    let key = config.data_dir.join("self-signed.key");
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    let wrong = |what: String| TlsError {
        key: "certificate",
        path: certificate.clone(),
        what,
    };
    let made = rcgen::generate_simple_self_signed(vec![config.hostname.clone()])
        .map_err(|err| wrong(format!("can't be made: {err}")))?;
    write_private(&key, made.signing_key.serialize_pem().as_bytes())
        .and_then(|()| fs::write(&certificate, made.cert.pem()))
        .map_err(|err| wrong(format!("can't be written: {err}")))?;
    Ok((certificate, key))
}

fn write_private(path: &Path, octets: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?
        .write_all(octets)
}
