//! Mail that is signed.

use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::{Canonicalization, DkimSigner};

/// Key pair of RFC 8463 §A.2.
const SEED: [u8; 32] = [
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
    0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];
const PUBLIC: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

/// The record of its public half.
pub(crate) const KEY: &str =
    "s._domainkey.a.example TXT v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

pub(crate) const MAIL: &str =
    "From: Anna <anna@a.example>\r\nTo: bob@b.example\r\nSubject: hello\r\n\r\nhello\r\n";

/// With a DKIM signature of a.example.
pub(crate) fn signed(mail: &str) -> String {
    signed_as(mail, Canonicalization::Relaxed)
}

/// The same, where header and body are canonicalized so.
pub(crate) fn signed_as(mail: &str, how: Canonicalization) -> String {
    let key = Ed25519Key::from_seed_and_public_key(&SEED, &PUBLIC).expect("a signature");
    let signature = DkimSigner::from_key(key)
        .domain("a.example")
        .selector("s")
        .headers(["From", "To", "Subject"])
        .header_canonicalization(how)
        .body_canonicalization(how)
        .sign(mail.as_bytes())
        .expect("a signature");
    format!("{}{mail}", signature.to_header())
}
