//! The content on its way out, piece by piece.

use std::io::{self, Read};
use std::sync::Arc;

use queue::spool::Body;
use tokio::task::{JoinHandle, spawn_blocking};

/// A file is read and sent in pieces of this many octets; two of them are in memory at a time.
const PIECE_LEN: usize = 128 * 1024;

/// Content being read.
pub(crate) enum Source {
    /// All of it, in memory.
    Whole(Arc<[u8]>),
    /// A file, read by another thread; its next piece is on the way.
    File {
        next: JoinHandle<io::Result<Piece>>,
        left: u64,
    },
}

/// A piece of a file, with what reads on.
pub(crate) struct Piece {
    reader: Box<dyn Read + Send>,
    octets: Vec<u8>,
}

impl Source {
    pub(crate) fn open(body: &Body) -> Self {
        match body {
            Body::Inline(octets) => Self::Whole(octets.clone()),
            Body::File(file) => {
                let left = file.len();
                let file = file.clone();
                let next = spawn_blocking(move || {
                    Piece {
                        reader: file.open()?,
                        octets: Vec::new(),
                    }
                    .read()
                });
                Self::File { next, left }
            }
        }
    }

    /// The next piece, and whether it is the last. `spare` is a buffer to be filled.
    ///
    /// # Errors
    /// When the file can't be read, or is shorter than it was said to be.
    pub(crate) async fn next(&mut self, spare: Vec<u8>) -> io::Result<(Chunk, bool)> {
        match self {
            Self::Whole(octets) => Ok((Chunk::Shared(octets.clone()), true)),
            Self::File { next, left } => {
                let Piece { reader, mut octets } =
                    (&mut *next).await.map_err(io::Error::other)??;
                octets.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= octets.len() as u64;
                if octets.is_empty() && *left > 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                if *left > 0 {
                    *next = spawn_blocking(move || {
                        Piece {
                            reader,
                            octets: spare,
                        }
                        .read()
                    });
                }
                Ok((Chunk::Owned(octets), *left == 0))
            }
        }
    }
}

/// One piece, to be sent.
pub(crate) enum Chunk {
    Shared(Arc<[u8]>),
    Owned(Vec<u8>),
}

impl Chunk {
    pub(crate) fn octets(&self) -> &[u8] {
        match self {
            Self::Shared(octets) => octets,
            Self::Owned(octets) => octets,
        }
    }

    /// The buffer, to be filled again.
    pub(crate) fn into_spare(self) -> Vec<u8> {
        match self {
            Self::Shared(_) => Vec::new(),
            Self::Owned(octets) => octets,
        }
    }
}

impl Piece {
    fn read(mut self) -> io::Result<Self> {
        self.octets.clear();
        self.octets.reserve(PIECE_LEN);
        (&mut self.reader)
            .take(PIECE_LEN as u64)
            .read_to_end(&mut self.octets)?;
        Ok(self)
    }
}
