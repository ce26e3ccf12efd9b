//! What a part's header section says about its body.

use std::ops::Range;

use mail_parser::{Header, HeaderName, HeaderValue, MessageParser, MimeHeaders};

use super::encode::Encoding;
use super::rewrite::{Edit, With};

/// A part, once its header section was read.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) kind: Kind,
    /// Some field says that this is MIME.
    pub(super) is_mime: bool,
    /// Where its Content-Transfer-Encoding fields stand, whole.
    labels: Vec<Range<u64>>,
    /// Where another field can be added: before the empty line.
    end_of_fields: u64,
}

/// What the body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Parts between lines of this boundary.
    Multipart {
        boundary: Vec<u8>,
        /// `multipart/signed`: what is in it must stay as it is (RFC 1847 §2.1).
        signed: bool,
        /// `multipart/digest`: its parts are messages unless they say otherwise (RFC 2046 §5.1.5).
        digest: bool,
    },
    /// Another message, not encoded.
    Message,
    /// Octets that can be encoded so.
    Leaf(Encoding),
    /// Octets that can't: they claim to be encoded already, or are parts whose boundary is not known. What is 8-bit in
    /// there has no meaning.
    Opaque,
}

impl Part {
    /// Reads a header section that begins at `start` of the content. `in_digest`: see [`Kind::Multipart`].
    pub(super) fn read(section: &[u8], start: u64, in_digest: bool) -> Self {
        let message = MessageParser::new().parse_headers(section);
        let root = message.as_ref().and_then(|message| message.parts.first());
        let fields = root.map_or(&[][..], |root| &root.headers);
        let place = |field: &Header<'_>| {
            start + u64::from(field.offset_field)..start + u64::from(field.offset_end)
        };
        let encodings = fields
            .iter()
            .filter(|field| field.name == HeaderName::ContentTransferEncoding);
        let encoding = encodings.clone().next().map(|field| match &field.value {
            HeaderValue::Text(name) => name.to_ascii_lowercase(),
            _ => String::new(),
        });
        let kind = match root.and_then(|root| root.content_type()) {
            None if in_digest => Kind::Message,
            None => Kind::Leaf(Encoding::QuotedPrintable),
            Some(kind) => {
                let subtype = kind.subtype().unwrap_or_default().to_ascii_lowercase();
                kind_of(
                    &kind.ctype().to_ascii_lowercase(),
                    &subtype,
                    kind.attribute("boundary"),
                )
            }
        };
        Self {
            kind: with_encoding(kind, encoding.as_deref().unwrap_or_default()),
            is_mime: fields.iter().any(is_mime_field),
            labels: encodings.map(place).collect(),
            end_of_fields: fields.last().map_or(start, |field| place(field).end),
        }
    }

    /// Sets its Content-Transfer-Encoding.
    pub(super) fn label(&self, name: &str, edits: &mut Vec<Edit>) {
        let mut field = format!("Content-Transfer-Encoding: {name}\r\n").into_bytes();
        for range in &self.labels {
            let with = With::Octets(std::mem::take(&mut field));
            edits.push(Edit {
                range: range.clone(),
                with,
            });
        }
        if !field.is_empty() {
            self.add(field, edits);
        }
    }

    /// Whether it has a Content-Transfer-Encoding.
    pub(super) fn is_labelled(&self) -> bool {
        !self.labels.is_empty()
    }

    /// Adds fields.
    pub(super) fn add(&self, fields: Vec<u8>, edits: &mut Vec<Edit>) {
        edits.push(Edit {
            range: self.end_of_fields..self.end_of_fields,
            with: With::Octets(fields),
        });
    }
}

fn kind_of(kind: &str, subtype: &str, boundary: Option<&str>) -> Kind {
    match (kind, subtype) {
        ("multipart", _) => boundary.map_or(Kind::Opaque, |boundary| Kind::Multipart {
            boundary: boundary.as_bytes().to_vec(),
            signed: subtype == "signed",
            digest: subtype == "digest",
        }),
        ("message", "rfc822") => Kind::Message,
        ("text", _) => Kind::Leaf(Encoding::QuotedPrintable),
        // `message/global` among them: it may be encoded as a whole (RFC 6532 §3.7).
        _ => Kind::Leaf(Encoding::Base64),
    }
}

/// The same with what Content-Transfer-Encoding says.
fn with_encoding(kind: Kind, encoding: &str) -> Kind {
    match (kind, encoding) {
        (Kind::Leaf(_) | Kind::Message, "base64" | "quoted-printable") => Kind::Opaque,
        (Kind::Leaf(_), "binary") => Kind::Leaf(Encoding::Base64),
        (kind, _) => kind,
    }
}

fn is_mime_field(field: &Header<'_>) -> bool {
    matches!(
        field.name,
        HeaderName::MimeVersion | HeaderName::ContentType | HeaderName::ContentTransferEncoding
    )
}
