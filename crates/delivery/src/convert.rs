//! Converts 8-bit MIME content to seven bits, for a host without 8BITMIME (RFC 6152 §3, RFC 2045 §6).
//!
//! Only what is 8-bit is touched: each such leaf is encoded (text as quoted-printable, the rest as base64), its
//! Content-Transfer-Encoding replaced, and that of the multiparts and messages around it set to 7bit. Content without
//! MIME becomes text of an unknown charset (RFC 1428). What is signed stays as it is, and then can't be sent.
//!
//! The content is read three times, and never held: once to find what to edit, once to count how long it becomes (for
//! SIZE), and once more while it is sent. So there is no limit on its size but that of the spool.

use std::fmt;
use std::io::{self, Cursor, Read};
use std::sync::Arc;

use queue::spool::{Body, BodyFile};

mod encode;
mod part;
mod rewrite;
mod scan;

use rewrite::{Edit, Rewriter};

/// Why content can't be converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CannotConvert {
    /// For now: the spool could not be read, and why.
    Unreadable(String),
    /// More parts, deeper nested parts or a longer header section than are looked at.
    TooComplex,
    /// A part under `multipart/signed` would lose its signature (RFC 1847 §2.1).
    Signed,
    /// Octets above 127 where no encoding is possible: in header fields, or outside of all parts.
    OutsideParts,
}

impl CannotConvert {
    fn unreadable(error: io::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl fmt::Display for CannotConvert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable(why) => why,
            Self::TooComplex => {
                "the 8-bit content has too many parts, or too long a header, to convert it"
            }
            Self::Signed => "the 8-bit content is signed, and must not be converted",
            Self::OutsideParts => "the content has 8-bit octets where MIME allows none",
        })
    }
}

/// Content that is converted while it is read.
#[derive(Debug)]
struct Converted {
    body: Body,
    edits: Arc<[Edit]>,
    len: u64,
}

impl BodyFile for Converted {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Rewriter::new(
            open(&self.body)?,
            self.edits.clone(),
        )))
    }

    fn len(&self) -> u64 {
        self.len
    }
}

/// The same content in seven bits; lines end with CRLF, as they came. Reads all of it, twice: not for an async thread.
pub(crate) fn to_seven_bit(body: &Body) -> Result<Body, CannotConvert> {
    let open = || open(body).map_err(CannotConvert::unreadable);
    let edits: Arc<[Edit]> = scan::scan(open()?)?.into();
    let mut rewriter = Rewriter::new(open()?, edits.clone());
    let len = io::copy(&mut rewriter, &mut io::sink()).map_err(CannotConvert::unreadable)?;
    Ok(Body::File(Arc::new(Converted {
        body: body.clone(),
        edits,
        len,
    })))
}

fn open(body: &Body) -> io::Result<Box<dyn Read + Send>> {
    match body {
        Body::Inline(octets) => Ok(Box::new(Cursor::new(octets.clone()))),
        Body::File(file) => file.open(),
    }
}

#[cfg(test)]
mod tests;
