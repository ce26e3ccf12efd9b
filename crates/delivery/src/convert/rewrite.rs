//! The content with its edits, as it is read.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use super::encode::{Encoder, Encoding};

/// So much is read at a time.
const PIECE_LEN: usize = 32 * 1024;

/// A stretch of the content and what takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) range: Range<u64>,
    pub(super) with: With,
}

/// What takes the place of a stretch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum With {
    /// Other octets.
    Octets(Vec<u8>),
    /// The same, encoded.
    Encoded(Encoding),
}

/// Reads content with its edits made; they are in order, and apart from each other.
pub(super) struct Rewriter<R> {
    inner: R,
    edits: Arc<[Edit]>,
    /// The edit that comes next, or is under way.
    next: usize,
    /// How much of the content was read.
    at: u64,
    encoder: Option<Encoder>,
    piece: Box<[u8]>,
    out: Vec<u8>,
    /// How much of `out` was handed over.
    given: usize,
}

impl<R: Read> Rewriter<R> {
    pub(super) fn new(inner: R, edits: Arc<[Edit]>) -> Self {
        Self {
            inner,
            edits,
            next: 0,
            at: 0,
            encoder: None,
            piece: vec![0; PIECE_LEN].into(),
            out: Vec::new(),
            given: 0,
        }
    }

    /// Fills `out` a little further. False at the end.
    fn advance(&mut self) -> io::Result<bool> {
        let edits = Arc::clone(&self.edits);
        match edits.get(self.next) {
            Some(edit) if edit.range.start <= self.at => self.edit(edit)?,
            edit => {
                let left = edit.map_or(u64::MAX, |edit| edit.range.start - self.at);
                let length = self.read_up_to(left)?;
                if length == 0 {
                    return edit.map_or(Ok(false), |_| Err(io::ErrorKind::UnexpectedEof.into()));
                }
                self.out.extend_from_slice(&self.piece[..length]);
            }
        }
        Ok(true)
    }

    fn edit(&mut self, edit: &Edit) -> io::Result<()> {
        let left = edit.range.end.saturating_sub(self.at);
        let length = self.read_up_to(left)?;
        if length == 0 && left > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let ends = length as u64 == left;
        match &edit.with {
            With::Octets(octets) if ends => self.out.extend_from_slice(octets),
            With::Octets(_) => {}
            With::Encoded(encoding) => {
                let encoder = self.encoder.get_or_insert_with(|| Encoder::new(*encoding));
                encoder.push(&self.piece[..length], &mut self.out);
                if ends {
                    encoder.finish(&mut self.out);
                    self.encoder = None;
                }
            }
        }
        self.next += usize::from(ends);
        Ok(())
    }

    fn read_up_to(&mut self, left: u64) -> io::Result<usize> {
        let room = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(self.piece.len());
        let length = loop {
            match self.inner.read(&mut self.piece[..room]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.at += length as u64;
        Ok(length)
    }
}

impl<R: Read> Read for Rewriter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.out.len() {
            self.out.clear();
            self.given = 0;
            if !self.advance()? {
                return Ok(0);
            }
        }
        let length = buffer.len().min(self.out.len() - self.given);
        buffer[..length].copy_from_slice(&self.out[self.given..self.given + length]);
        self.given += length;
        Ok(length)
    }
}
