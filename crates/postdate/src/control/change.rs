//! What an operator changes of what the rules remember: forget, allow, deny. With the server running (through its
//! control socket) and without it (on the records themselves).

use std::fmt;
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use policy::Moment;
use policy::lists::{Action, Entry, Subject};
use serde::{Deserialize, Serialize};
use smtp::reply::echo;
use store::policy::{Filter, Forgotten, Records};

/// What to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    /// Nothing is known of these.
    Forget(Which),
    /// Let somebody in, or refuse it, whatever the rules say.
    Set {
        whom: Whom,
        word: Word,
        /// How long it holds; `None`: until it is removed.
        span: Option<Duration>,
        note: String,
    },
    /// The entry is gone, if it says this.
    Remove { whom: Whom, word: Word },
}

/// Records for which all that is given holds: see [`Filter`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Which {
    pub(crate) client: Option<IpNet>,
    pub(crate) sender: Option<String>,
    pub(crate) recipient: Option<String>,
}

impl Which {
    /// The same for the store.
    pub(crate) fn filter(self) -> Filter {
        let Self {
            client,
            sender,
            recipient,
        } = self;
        Filter {
            client,
            sender,
            recipient,
            ..Filter::default()
        }
    }
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A client's address or network.
    Client,
    /// A sender's address, domain, or .domain for what lies below it.
    Sender,
    /// A recipient, in the same way.
    Recipient,
}

impl Kind {
    /// As it is written on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Sender => "sender",
            Self::Recipient => "recipient",
        }
    }
}

/// Whom an entry is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Whom {
    pub(crate) kind: Kind,
    pub(crate) value: String,
}

impl Whom {
    /// As the list has it.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn subject(&self) -> Result<Subject, String> {
        let parse = match self.kind {
            Kind::Client => Subject::client,
            Kind::Sender => Subject::sender,
            Kind::Recipient => Subject::recipient,
        };
        parse(&self.value).map_err(|err| err.to_string())
    }
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Word {
    Allow,
    Deny,
}

impl Word {
    /// As the list has it.
    pub(crate) fn action(self) -> Action {
        match self {
            Self::Allow => Action::Allow,
            Self::Deny => Action::Deny,
        }
    }

    fn of(action: Action) -> Self {
        match action {
            Action::Allow => Self::Allow,
            Action::Deny => Self::Deny,
        }
    }
}

/// As it is called on the command line, without notes: for the log.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, remove, whom, span) = match self {
            Self::Forget(which) => return write!(f, "forget{which}"),
            Self::Set {
                whom, word, span, ..
            } => (word.action().name(), "", whom, *span),
            Self::Remove { whom, word } => (word.action().name(), " --remove", whom, None),
        };
        let value = echo(&whom.value, LOGGED);
        write!(f, "{verb}{remove} {} {value}", whom.kind.name())?;
        match span {
            Some(span) => write!(f, " --for {}s", span.as_secs()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = self.client.as_ref().map(ToString::to_string);
        let given = [
            ("client", client.as_ref()),
            ("sender", self.sender.as_ref()),
            ("recipient", self.recipient.as_ref()),
        ];
        if given.iter().all(|(_, value)| value.is_none()) {
            return f.write_str(" --all");
        }
        for (kind, value) in given {
            if let Some(value) = value {
                let value = if value.is_empty() { "<>" } else { value };
                write!(f, " --{kind} {}", echo(value, LOGGED))?;
            }
        }
        Ok(())
    }
}

/// Octets of an address or a network.
const LOGGED: usize = 320;

/// What was done.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Changed {
    /// So many of each kind; the kinds are those of `policy show`.
    Forgotten(Vec<(String, usize)>),
    /// It holds until then; ms since 1970.
    Set {
        until: Option<i64>,
        /// What the entry said before, where there was one.
        before: Option<Word>,
    },
    /// What the entry says, where there is one; it is gone if that is what was to be removed.
    Removed { found: Option<Word> },
}

impl Change {
    /// Waits for the file: what it returns is there after a crash.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn perform(self, records: &Records, now: SystemTime) -> Result<Changed, String> {
        match self {
            Self::Forget(which) => records
                .forget_by_kind(&which.filter(), now)
                .map(|forgotten| Changed::Forgotten(by_kind(forgotten)))
                .map_err(|err| err.to_string()),
            Self::Set {
                whom,
                word,
                span,
                note,
            } => set(records, whom.subject()?, word, span, note, now),
            Self::Remove { whom, word } => remove(records, &whom.subject()?, word, now),
        }
    }
}

fn by_kind(forgotten: Forgotten) -> Vec<(String, usize)> {
    let Forgotten {
        known,
        triplets,
        appointments,
        calendars,
        mailboxes,
        told,
        domains,
    } = forgotten;
    [
        ("known", known),
        ("triplet", triplets),
        ("appointment", appointments),
        ("calendar", calendars),
        ("mailbox", mailboxes),
        ("told", told),
        ("domain", domains),
    ]
    .map(|(kind, count)| (kind.to_owned(), count))
    .to_vec()
}

fn set(
    records: &Records,
    subject: Subject,
    word: Word,
    span: Option<Duration>,
    note: String,
    now: SystemTime,
) -> Result<Changed, String> {
    let until = span.map(|span| Moment::from(now).after(span));
    let before = records
        .with(now, |engine, now| {
            let before = find(engine, &subject, now);
            let entry = Entry {
                subject,
                action: word.action(),
                until,
                note,
                made: now,
            };
            engine.lists.set(entry).map(|()| before)
        })
        .map_err(|err| err.to_string())?;
    written(records)?;
    Ok(Changed::Set {
        until: until.map(Moment::as_millis),
        before,
    })
}

fn remove(
    records: &Records,
    subject: &Subject,
    word: Word,
    now: SystemTime,
) -> Result<Changed, String> {
    let found = records.with(now, |engine, now| {
        let found = find(engine, subject, now);
        if found == Some(word) {
            engine.lists.remove(subject);
        }
        found
    });
    written(records)?;
    Ok(Changed::Removed { found })
}

/// What the entry of exactly this subject says.
fn find(engine: &policy::engine::Engine, subject: &Subject, now: Moment) -> Option<Word> {
    let mut entries = engine.lists.entries();
    entries
        .find(|entry| entry.subject == *subject && !entry.expired(now))
        .map(|entry| Word::of(entry.action))
}

fn written(records: &Records) -> Result<(), String> {
    records
        .flush()
        .map_err(|err| format!("it holds, but only until a restart: {err}"))
}
