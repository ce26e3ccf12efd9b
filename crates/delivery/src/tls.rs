//! TLS to the next hop.

use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, ProtocolVersion, SignatureScheme};
use tokio_rustls::TlsConnector;

use crate::dial::Io;
use crate::hosts::Host;

/// How a host is to be reached. DANE (RFC 7672), MTA-STS (RFC 8461) and submission with AUTH each become a variant
/// that carries what the peer must prove; such a one is never followed by `Clear`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// As the settings say: by default TLS where it is offered, whatever the certificate.
    AsSet,
    /// Without TLS: STARTTLS failed a moment ago (RFC 7435 §3: rather in clear than not at all).
    Clear,
}

/// Shakes hands, as client.
#[derive(Clone)]
pub(crate) struct Handshake(TlsConnector);

impl Handshake {
    pub(crate) fn opportunistic() -> Self {
        let provider = Arc::new(ring::default_provider());
        let verifier = Arc::new(AnyCertificate(provider.clone()));
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the cipher suites of TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Self(TlsConnector::from(Arc::new(config)))
    }

    /// The connection under TLS, and its version as logs name it.
    pub(crate) async fn shake(
        &self,
        host: &Host,
        io: Box<dyn Io>,
    ) -> io::Result<(Box<dyn Io>, &'static str)> {
        let name = ServerName::try_from(host.name.to_string())
            .unwrap_or_else(|_| ServerName::IpAddress(host.addr.ip().into()));
        let stream = self.0.connect(name, io).await?;
        let version = match stream.get_ref().1.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            // Older ones are not spoken.
            _ => "TLSv1.2",
        };
        Ok((Box::new(stream), version))
    }
}

/// Takes any certificate: who can put himself between the hosts can take STARTTLS away as well (RFC 7435 §1).
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
