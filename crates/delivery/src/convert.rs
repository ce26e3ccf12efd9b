//! Converts 8-bit MIME content to seven bits, for a host without 8BITMIME (RFC 6152 §3, RFC 2045 §6).
//!
//! Only what is 8-bit is touched: each such leaf is encoded (text as quoted-printable, the rest as base64), its
//! Content-Transfer-Encoding replaced, and that of the multiparts and messages around it set to 7bit. Content without
//! MIME becomes text of an unknown charset (RFC 1428). What is signed stays as it is, and then can't be sent.

use std::fmt;
use std::ops::Range;

use mail_parser::{
    HeaderName, HeaderValue, Message, MessageParser, MessagePart, MimeHeaders, PartType,
};

mod encode;

/// Content of more octets is not converted.
pub(crate) const LEN_MAX: usize = 32 * 1024 * 1024;

/// Content that names Content-Type more often is not converted: parts may be nested so deep, and the parser and its
/// tree nest with them.
const PARTS_MAX: usize = 200;

/// Why content can't be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CannotConvert {
    Unreadable,
    TooLarge,
    TooManyParts,
    /// A part under `multipart/signed` would lose its signature (RFC 1847 §2.1).
    Signed,
    /// Octets above 127 where no encoding is possible: in header fields, or outside of all parts.
    OutsideParts,
}

impl fmt::Display for CannotConvert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "the 8-bit content could not be read to convert it",
            Self::TooLarge => "the 8-bit content is too large to convert it",
            Self::TooManyParts => "the 8-bit content has too many parts to convert it",
            Self::Signed => "the 8-bit content is signed, and must not be converted",
            Self::OutsideParts => "the content has 8-bit octets where MIME allows none",
        })
    }
}

/// A stretch of the content and what takes its place.
struct Edit {
    range: Range<usize>,
    with: Vec<u8>,
}

/// The same content in seven bits; lines end with CRLF, as they came.
pub(crate) fn to_seven_bit(content: &[u8]) -> Result<Vec<u8>, CannotConvert> {
    if content.len() > LEN_MAX {
        return Err(CannotConvert::TooLarge);
    }
    if count_content_types(content) > PARTS_MAX {
        return Err(CannotConvert::TooManyParts);
    }
    let message = MessageParser::new()
        .parse(content)
        .ok_or(CannotConvert::OutsideParts)?;
    let mut walk = Walk {
        content,
        edits: Vec::new(),
    };
    let is_mime = message
        .parts
        .first()
        .is_some_and(|root| root.headers.iter().any(is_mime_field));
    match message.parts.first() {
        Some(root) if !is_mime => walk.unlabelled(root),
        Some(_) => {
            walk.part(&message, 0, false)?;
        }
        None => {}
    }
    let converted = apply(content, walk.edits);
    if converted.is_ascii() {
        Ok(converted)
    } else {
        Err(CannotConvert::OutsideParts)
    }
}

struct Walk<'a> {
    content: &'a [u8],
    edits: Vec<Edit>,
}

impl Walk<'_> {
    /// Whether something in this part was encoded.
    fn part(
        &mut self,
        message: &Message<'_>,
        id: u32,
        signed: bool,
    ) -> Result<bool, CannotConvert> {
        let Some(part) = message.parts.get(id as usize) else {
            return Ok(false);
        };
        let signed = signed || is_signed(part);
        let changed = match &part.body {
            PartType::Multipart(children) => {
                let mut changed = false;
                for &child in children.iter().filter(|&&child| child != id) {
                    changed |= self.part(message, child, signed)?;
                }
                changed
            }
            PartType::Message(inner) if part.encoding == mail_parser::Encoding::None => {
                self.part(inner, 0, signed)?
            }
            _ => return self.leaf(part, signed),
        };
        // Around 8-bit octets it said 8bit or binary; a multipart may say nothing else but 7bit (RFC 2045 §6.4).
        if changed && encodings(part).next().is_some() {
            self.label(part, "7bit");
        }
        Ok(changed)
    }

    fn leaf(&mut self, part: &MessagePart<'_>, signed: bool) -> Result<bool, CannotConvert> {
        let body = part.offset_body as usize..part.offset_end as usize;
        let Some(octets) = self
            .content
            .get(body.clone())
            .filter(|octets| !octets.is_ascii())
        else {
            return Ok(false);
        };
        if signed {
            return Err(CannotConvert::Signed);
        }
        if part.encoding != mail_parser::Encoding::None {
            // It claims to be encoded, and is not: what its octets mean nobody can say.
            return Err(CannotConvert::OutsideParts);
        }
        let (name, with) = encode::best(octets, is_text(part));
        self.label(part, name);
        self.edits.push(Edit { range: body, with });
        Ok(true)
    }

    /// Content without any MIME field (RFC 1428 §3).
    fn unlabelled(&mut self, root: &MessagePart<'_>) {
        let start = root.offset_body as usize;
        let Some(octets) = self.content.get(start..) else {
            return;
        };
        let fields = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n\
                      Content-Transfer-Encoding: quoted-printable\r\n";
        let at = end_of_fields(self.content, root);
        self.edits.push(Edit {
            range: at..at,
            with: fields.into(),
        });
        self.edits.push(Edit {
            range: start..self.content.len(),
            with: encode::quoted_printable(octets),
        });
    }

    /// Sets the part's Content-Transfer-Encoding.
    fn label(&mut self, part: &MessagePart<'_>, name: &str) {
        let mut field = format!("Content-Transfer-Encoding: {name}\r\n").into_bytes();
        let mut found = false;
        for range in encodings(part) {
            self.edits.push(Edit {
                range,
                with: std::mem::take(&mut field),
            });
            found = true;
        }
        if !found {
            let at = end_of_fields(self.content, part);
            self.edits.push(Edit {
                range: at..at,
                with: field,
            });
        }
    }
}

/// Where the part's Content-Transfer-Encoding fields stand, whole.
fn encodings<'a>(part: &'a MessagePart<'_>) -> impl Iterator<Item = Range<usize>> + 'a {
    let fields = part
        .headers
        .iter()
        .filter(|field| field.name == HeaderName::ContentTransferEncoding);
    fields.map(|field| field.offset_field as usize..field.offset_end as usize)
}

/// Where another field can be added: before the empty line.
fn end_of_fields(content: &[u8], part: &MessagePart<'_>) -> usize {
    let last = part.headers.last().map(|field| field.offset_end as usize);
    last.unwrap_or(part.offset_header as usize)
        .min(content.len())
}

fn is_mime_field(field: &mail_parser::Header<'_>) -> bool {
    matches!(
        field.name,
        HeaderName::MimeVersion | HeaderName::ContentType | HeaderName::ContentTransferEncoding
    )
}

fn is_signed(part: &MessagePart<'_>) -> bool {
    let kind = part.content_type();
    kind.is_some_and(|kind| kind.ctype() == "multipart" && kind.subtype() == Some("signed"))
}

fn is_text(part: &MessagePart<'_>) -> bool {
    matches!(part.body, PartType::Text(_) | PartType::Html(_))
        && !matches!(encoding_named(part), Some(name) if name.eq_ignore_ascii_case("binary"))
}

fn encoding_named<'a>(part: &'a MessagePart<'_>) -> Option<&'a str> {
    let field = part
        .headers
        .iter()
        .find(|field| field.name == HeaderName::ContentTransferEncoding)?;
    match &field.value {
        HeaderValue::Text(name) => Some(name),
        _ => None,
    }
}

fn count_content_types(content: &[u8]) -> usize {
    const NAME: &[u8] = b"content-type";
    let starts = content.windows(NAME.len());
    starts
        .filter(|at| at[0] | 0x20 == b'c' && at.eq_ignore_ascii_case(NAME))
        .count()
}

fn apply(content: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut out = Vec::with_capacity(content.len() + content.len() / 3);
    let mut at = 0;
    for Edit { range, with } in edits {
        // Stretches of different parts never overlap; should the parser say so, the octets left over are seen later.
        if range.start < at {
            continue;
        }
        out.extend_from_slice(&content[at..range.start]);
        out.extend_from_slice(&with);
        at = range.end;
    }
    out.extend_from_slice(&content[at..]);
    out
}

#[cfg(test)]
mod tests;
