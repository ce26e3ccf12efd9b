//! What DMARC needs of a mail, kept while its content comes: the header, and hashes of the body. The body itself goes by,
//! so a mail may be as long as it likes.

use std::fmt;
use std::sync::Arc;

use mail_auth::AuthenticatedMessage;
use mail_auth::common::crypto::{HashAlgorithm, HashContext as _, HashImpl, Sha1, Sha256};
use mail_auth::dkim::Canonicalization;
use mail_auth::dkim::canonicalize::BodyHasher;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Octets of a header that are kept. Sendmail refuses what has more than 32 KiB.
pub(super) const HEADER_MAX: usize = 128 << 10;

/// Octets of all headers that are kept at a time: some thousands of usual ones.
pub(super) const HEADERS_MAX: usize = 64 << 20;

/// The least that is asked for at a time.
const STEP: usize = 4 << 10;

/// Memory for headers, shared by all sessions.
#[derive(Clone, Debug)]
pub(super) struct Room(Arc<Semaphore>);

impl Room {
    pub(super) fn new(octets: usize) -> Self {
        Self(Arc::new(Semaphore::new(octets)))
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.0.available_permits()
    }

    fn take(&self, octets: usize) -> Option<OwnedSemaphorePermit> {
        let octets = u32::try_from(octets).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(octets).ok()
    }
}

/// Why a mail's content can't be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    HeaderTooLong,
    NoRoom,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderTooLong => write!(f, "its header has more than {HEADER_MAX} octets"),
            Self::NoRoom => write!(
                f,
                "the headers of all mails that come in now have more than {HEADERS_MAX} octets"
            ),
        }
    }
}

type Hasher = BodyHasher<<Sha256 as HashImpl>::Context>;

/// By canonicalization, algorithm and length: what signatures ask for. There are at most four, as those that sign a part
/// only are not looked at.
type Hash<H> = (Canonicalization, HashAlgorithm, u64, H);

/// Takes a mail's content, as it comes.
pub(crate) struct Reader {
    room: Room,
    held: Option<OwnedSemaphorePermit>,
    header: Vec<u8>,
    /// `None`: the header is not over.
    hashers: Option<Vec<Hash<Hasher>>>,
    unread: Option<Unread>,
}

impl Reader {
    pub(super) fn new(room: Room) -> Self {
        Self {
            room,
            held: None,
            header: Vec::new(),
            hashers: None,
            unread: None,
        }
    }

    /// Whether what is still to come makes a difference.
    pub(crate) fn wants_more(&self) -> bool {
        let hashes = |hashers: &Vec<_>| !hashers.is_empty();
        self.unread.is_none() && self.hashers.as_ref().is_none_or(hashes)
    }

    /// The next octets, cut anywhere; lines end in CR LF.
    pub(crate) fn write(&mut self, octets: &[u8]) {
        if self.unread.is_some() {
            return;
        }
        if let Some(hashers) = &mut self.hashers {
            for (.., hasher) in hashers {
                hasher.write(octets);
            }
            return;
        }
        let before = self.header.len();
        // An end that is cut in two.
        let from = before.saturating_sub(3);
        // Of the body no more than one piece is ever in here.
        if !self.make_room(octets.len()) {
            return self.give_up(Unread::NoRoom);
        }
        self.header.extend_from_slice(octets);
        let end = end_of_header(&self.header, from);
        if end.unwrap_or(self.header.len()) > HEADER_MAX {
            return self.give_up(Unread::HeaderTooLong);
        }
        if let Some(end) = end {
            self.header.truncate(end);
            self.hashers = Some(hashers(&self.header));
            self.write(octets.get(end - before..).unwrap_or_default());
            self.give_back();
        }
    }

    /// That was all.
    pub(crate) fn end(self) -> Content {
        let finish = |(canonical, algorithm, length, hasher): Hash<Hasher>| {
            let (context, _) = hasher.finish();
            let hash = context.complete().as_ref().to_vec();
            (canonical, algorithm, length, hash)
        };
        let hashes = self
            .hashers
            .map(|all| all.into_iter().map(finish).collect());
        Content {
            header: self.header,
            hashes,
            unread: self.unread,
            _held: self.held,
        }
    }

    /// For so many octets more; they are doubled, so that long headers are not copied often.
    fn make_room(&mut self, octets: usize) -> bool {
        let (len, has) = (self.header.len(), self.header.capacity());
        if len + octets <= has {
            return true;
        }
        let wanted = (len + octets).max(2 * has).max(STEP);
        let Some(more) = self.room.take(wanted - has) else {
            return false;
        };
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        self.header.reserve_exact(wanted - len);
        true
    }

    /// What the header turned out not to need.
    fn give_back(&mut self) {
        self.header.shrink_to_fit();
        if let Some(held) = &mut self.held {
            let spare = held.num_permits().saturating_sub(self.header.capacity());
            drop(held.split(spare));
        }
    }

    fn give_up(&mut self, why: Unread) {
        (self.header, self.held) = (Vec::new(), None);
        self.unread = Some(why);
    }
}

/// What was kept of a mail.
#[derive(Debug)]
pub(crate) struct Content {
    header: Vec<u8>,
    /// `None`: there is no body.
    hashes: Option<Vec<Hash<Vec<u8>>>>,
    unread: Option<Unread>,
    _held: Option<OwnedSemaphorePermit>,
}

impl Content {
    pub(super) fn unread(&self) -> Option<Unread> {
        self.unread
    }

    /// As mail-auth would have read the whole of it, but for the body. `None`: it has no header.
    pub(super) fn message(&self) -> Option<AuthenticatedMessage<'_>> {
        let mut message = AuthenticatedMessage::parse(&self.header)?;
        if let Some(hashes) = &self.hashes {
            message.body_hashes.clone_from(hashes);
        }
        Some(message)
    }
}

/// Where the body begins. `from`: the end does not begin before.
fn end_of_header(octets: &[u8], from: usize) -> Option<usize> {
    if octets.starts_with(b"\r\n") {
        return Some(2);
    }
    let end = octets[from..]
        .windows(4)
        .position(|four| four == b"\r\n\r\n");
    end.map(|end| from + end + 4)
}

/// For each way in which a signature in this header wants the body to be hashed.
fn hashers(header: &[u8]) -> Vec<Hash<Hasher>> {
    let Some(message) = AuthenticatedMessage::parse(header) else {
        return Vec::new();
    };
    // It takes a line that can't be a field for the body's first.
    let body = header.get(message.body_offset()..).unwrap_or_default();
    let begin = |&(canonical, algorithm, length, _): &Hash<Vec<u8>>| {
        let context = match algorithm {
            HashAlgorithm::Sha1 => Sha1::hasher(),
            HashAlgorithm::Sha256 => Sha256::hasher(),
        };
        let mut hasher = BodyHasher::new(context, canonical, length);
        hasher.write(body);
        (canonical, algorithm, length, hasher)
    };
    message.body_hashes.iter().map(begin).collect()
}
