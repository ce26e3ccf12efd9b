//! The domains, in bounded memory.

use super::row::{Change, Stored};
use super::{Bounds, REMEMBERED_FOR};
use crate::block::client_network;
use crate::greylist::Secret;
use crate::shares::{self, Shares};
use crate::{Block, Moment};
use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::time::Duration;

/// Domains that are over and are forgotten, at most, at once. A mail brings one, so it catches up.
const SWEEP_MAX: usize = 4;

/// A later use is told to the store only after so long: a busy domain would be written every second otherwise.
const GRAIN: Duration = Duration::from_secs(60 * 60);

/// The longest name that is remembered (RFC 1035 §2.3.4, with room to spare).
const NAME_MAX: usize = 255;

/// Which sender domains were seen. Deterministic; each event costs O(log n).
///
/// Names are not held, only their keyed hash: they go out with the [`Change`] for whoever stores them.
#[derive(Debug)]
pub struct Domains {
    secret: Secret,
    seen: Shares<Key, Seen>,
    next_id: u64,
    changes: Vec<Change>,
}

/// 128 bits that stand for a domain. With 100,000 of them, two are the same once in 10^28.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key([u64; 2]);

#[derive(Clone, Copy, Debug)]
struct Seen {
    id: u64,
    /// Of the network that brought it.
    block: Block,
    last: Moment,
    /// The last use that the store knows.
    stored: Moment,
}

impl Domains {
    /// An empty table. The secret may be greylisting's.
    pub fn new(bounds: Bounds, secret: Secret) -> Self {
        let shares = shares::Bounds {
            per_block: bounds.per_network,
            over_all: bounds.over_all,
        };
        Self {
            secret,
            seen: Shares::new(secret, shares),
            next_id: 1,
            changes: Vec::new(),
        }
    }

    /// Whether no mail of the sender's domain was accepted within [`REMEMBERED_FOR`]. The null sender has no domain, so
    /// it is never seen for the first time.
    pub fn is_first_seen(&self, sender: &str, now: Moment) -> bool {
        let Some(domain) = domain(sender) else {
            return false;
        };
        let seen = self.seen.get(self.key(&domain));
        seen.is_none_or(|seen| now > until(seen))
    }

    /// A mail of `sender` that `client` brought was accepted, by all rules.
    pub fn accepted(&mut self, client: IpAddr, sender: &str, now: Moment) {
        self.sweep(now);
        let Some(domain) = domain(sender).filter(|domain| domain.len() <= NAME_MAX) else {
            return;
        };
        let key = self.key(&domain);
        if let Some(seen) = self.seen.get(key) {
            self.use_again(key, seen, now);
            return;
        }
        let network = client_network(client);
        let id = self.next_id;
        self.next_id += 1;
        self.changes.push(Change::Keep(Stored {
            id,
            domain: domain.into_owned(),
            network,
            last: now,
        }));
        let block = Block::of(network);
        self.add(
            key,
            Seen {
                id,
                block,
                last: now,
                stored: now,
            },
        );
    }

    /// Forgets what is over by `now`, a few at a time.
    pub fn sweep(&mut self, now: Moment) {
        for _ in 0..SWEEP_MAX {
            let Some((key, _)) = self.seen.over(now) else {
                break;
            };
            self.drop_row(key);
        }
    }

    /// The operator's word: the domain is seen for the first time when it comes next. Says whether it was there.
    pub fn forget(&mut self, domain: &str) -> bool {
        self.drop_row(self.key(domain))
    }

    /// Domains that were seen; the same holds of those whose time is over.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// None was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the changes since the last call, in order. Who stores nothing takes them all the same: they grow.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Changes that wait to be taken.
    pub fn untaken(&self) -> usize {
        self.changes.len()
    }

    /// Takes a stored row over, at the start, those unused for longest first. What is over by `now`, or beyond the
    /// bounds, is not taken, and a change says that it may go.
    pub fn restore(&mut self, stored: Stored, now: Moment) {
        let Stored {
            id,
            domain,
            network,
            last,
        } = stored;
        self.next_id = self.next_id.max(id.saturating_add(1));
        let key = self.key(&domain);
        let seen = Seen {
            id,
            block: Block::of(network),
            last,
            stored: last,
        };
        if now > until(seen) || self.seen.get(key).is_some() {
            self.changes.push(Change::Drop { id });
            return;
        }
        self.add(key, seen);
    }

    fn use_again(&mut self, key: Key, seen: Seen, now: Moment) {
        // Not back with a clock that stood in 1970 for a minute.
        let last = seen.last.max(now);
        let mut stored = seen.stored;
        if last.since(stored) >= GRAIN {
            stored = last;
            let id = seen.id;
            self.changes.push(Change::Move { id, last });
        }
        let seen = Seen {
            last,
            stored,
            ..seen
        };
        // Anew, so that it is its block's newest.
        self.seen.set(key, seen.block, seen, until(seen));
    }

    fn add(&mut self, key: Key, seen: Seen) {
        if self.seen.is_full(seen.block)
            && let Some(oldest) = self.seen.oldest_in(seen.block)
        {
            self.drop_row(oldest);
        }
        self.seen.set(key, seen.block, seen, until(seen));
        while let Some(surplus) = self.seen.surplus() {
            self.drop_row(surplus);
        }
    }

    fn drop_row(&mut self, key: Key) -> bool {
        let gone = self.seen.remove(key);
        if let Some(Seen { id, .. }) = gone {
            self.changes.push(Change::Drop { id });
        }
        gone.is_some()
    }

    fn key(&self, domain: &str) -> Key {
        Key([1, 2].map(|half: u64| {
            let mut hasher = self.secret.build_hasher();
            hasher.write_u64(half);
            hasher.write(domain.as_bytes());
            hasher.finish()
        }))
    }
}

fn until(seen: Seen) -> Moment {
    seen.last.after(REMEMBERED_FOR)
}

/// In lower case, and cut to what somebody registered; `None` for the null sender.
fn domain(sender: &str) -> Option<Cow<'_, str>> {
    let (_, name) = sender.rsplit_once('@')?;
    let name = name.strip_suffix('.').unwrap_or(name);
    let name = match name
        .bytes()
        .all(|b| b.is_ascii() && !b.is_ascii_uppercase())
    {
        true => Cow::Borrowed(name),
        false => Cow::Owned(name.to_lowercase()),
    };
    let cut = match name.starts_with('[') {
        // An address, whose dots are no domain's.
        true => 0,
        false => psl::domain(name.as_bytes()).map_or(0, |domain| {
            name.len().saturating_sub(domain.as_bytes().len())
        }),
    };
    let name = match name {
        Cow::Borrowed(name) => Cow::Borrowed(name.get(cut..)?),
        Cow::Owned(name) => Cow::Owned(name.get(cut..)?.to_owned()),
    };
    (!name.is_empty()).then_some(name)
}
