//! A record as a line of a table.

use std::fmt;

use policy::lists::Entry;
use smtp::reply::echo;

use super::shown::{Accepted, Calendar, Mailbox, Shown, Triplet};

impl Shown<'_> {
    /// The head of its table.
    pub(super) fn head(&self) -> String {
        match self {
            Self::Known(_) => {
                format!(
                    "{:<22}  {:>6}  {:<7}  {:<20}  UNTIL",
                    "KNOWN", "PASSES", "AT ONCE", "LAST USED"
                )
            }
            Self::Triplet(_) => format!(
                "{:<22}  {:<20}  {:<20}  {:<20}  {:<20}  FROM -> TO",
                "TRIPLET", "FIRST SEEN", "DUE", "UNTIL", "PASSED"
            ),
            Self::Appointment(_) => format!(
                "{:<22}  {:<20}  {:<20}  {:<20}  {:<16}  {:<9}  FROM -> TO",
                "APPOINTMENT", "ASKED", "DUE", "UNTIL", "RULE", "REASON"
            ),
            Self::Calendar(_) => format!(
                "{:<22}  {:<20}  {:<20}  {:<20}  KEY",
                "CALENDAR", "LIMIT", "COUNT", "COUNTED AT"
            ),
            Self::Told(_) => format!(
                "{:<22}  {:<20}  {:<20}  {:<8}  FROM -> TO",
                "TOLD", "WHEN", "UNTIL", "STATE"
            ),
            Self::Accepted(_) => format!("{:<22}  {:<20}  UNTIL", "ACCEPTED", "LAST"),
            Self::Domain(_) => format!(
                "{:<32}  {:<20}  {:<20}  BROUGHT BY",
                "SEEN DOMAIN", "LAST", "UNTIL"
            ),
            Self::Mailbox(_) => format!(
                "{:<32}  {:<20}  {:<20}  HINT  WAS FULL FOR",
                "MAILBOX", "FULL SINCE", "UNTIL"
            ),
            Self::Override(_) => format!(
                "{:<6}  {:<9}  {:<32}  {:<20}  {:<20}  NOTE",
                "ENTRY", "ABOUT", "VALUE", "UNTIL", "MADE"
            ),
        }
    }

    /// Several of it.
    pub(super) fn plural(&self) -> &'static str {
        match self {
            Self::Known(_) => "known networks and domains",
            Self::Triplet(_) => "triplets",
            Self::Appointment(_) => "appointments",
            Self::Calendar(_) => "calendars",
            Self::Told(_) => "who were told",
            Self::Accepted(_) => "accepted clients",
            Self::Domain(_) => "seen domains",
            Self::Mailbox(_) => "mailboxes",
            Self::Override(_) => "entries",
        }
    }
}

impl fmt::Display for Shown<'_> {
    /// Its line, without a line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(known) => {
                let at_once = if known.at_once { "yes" } else { "no" };
                write!(
                    f,
                    "{:<22}  {:>6}  {at_once:<7}  {:<20}  {}",
                    known.origin, known.passes, known.last_used, known.until
                )
            }
            Self::Triplet(triplet) => triplet.fmt(f),
            Self::Appointment(one) => {
                write!(
                    f,
                    "{:<22}  {:<20}  {:<20}  {:<20}  {:<16}  {:<9}  {}",
                    one.client,
                    one.asked,
                    one.due,
                    one.until,
                    one.rule,
                    one.reason,
                    Way(one.sender, one.recipient)
                )?;
                match one.recipients.get(1..).unwrap_or_default() {
                    [] => Ok(()),
                    others => {
                        let others: Vec<_> = others
                            .iter()
                            .map(|to| format!("<{}>", echo(to, 320)))
                            .collect();
                        write!(f, "\n  and {}", others.join(", "))
                    }
                }
            }
            Self::Calendar(calendar) => calendar.fmt(f),
            Self::Told(told) => write!(
                f,
                "{:<22}  {:<20}  {:<20}  {:<8}  {}",
                told.client,
                told.told,
                told.until,
                told.state,
                Way(told.sender, told.recipient)
            ),
            Self::Accepted(Accepted {
                client,
                last,
                until,
            }) => write!(f, "{client:<22}  {last:<20}  {until}"),
            Self::Domain(one) => write!(
                f,
                "{:<32}  {:<20}  {:<20}  {}",
                echo(one.domain, 320),
                one.last,
                one.until,
                one.client
            ),
            Self::Mailbox(mailbox) => mailbox.fmt(f),
            Self::Override(entry) => write!(
                f,
                "{:<6}  {:<9}  {:<32}  {:<20}  {:<20}  {}",
                entry.action,
                entry.about,
                entry.value,
                entry.until.as_deref().unwrap_or("-"),
                entry.made,
                match entry.note {
                    "" => "-".into(),
                    note => echo(note, Entry::NOTE_MAX),
                }
            ),
        }
    }
}

impl fmt::Display for Triplet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<22}  {:<20}  {:<20}  {:<20}  {:<20}  {}",
            self.client,
            self.first_seen,
            self.due,
            self.until,
            self.passed.as_deref().unwrap_or("-"),
            Way(self.sender, self.recipient)
        )?;
        match self.pool.is_empty() {
            true => Ok(()),
            false => write!(f, "\n  also {}", self.pool.join(", ")),
        }
    }
}

impl fmt::Display for Calendar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = match (self.free, self.used, self.booked) {
            (Some(free), ..) => format!("{free} free"),
            (_, Some(used), Some(booked)) if booked > 0 => format!("{used} used, {booked} next"),
            (_, used, _) => format!("{} used", used.unwrap_or(0)),
        };
        write!(
            f,
            "{:<22}  {:<20}  {count:<20}  {:<20}  {}",
            self.rule,
            self.limit,
            self.counted,
            echo(self.key, 320)
        )
    }
}

impl fmt::Display for Mailbox<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths: Vec<_> = self
            .was_full_secs
            .iter()
            .map(|secs| format!("{}m", secs.div_ceil(60)))
            .collect();
        write!(
            f,
            "{:<32}  {:<20}  {:<20}  {:<4}  {}",
            echo(self.recipient, 320),
            self.full_since.as_deref().unwrap_or("-"),
            self.until.as_deref().unwrap_or("-"),
            if self.hint { "yes" } else { "no" },
            match lengths.is_empty() {
                true => "-".to_owned(),
                false => lengths.join(" "),
            }
        )
    }
}

/// What a peer said must not write control sequences to the administrator's terminal.
struct Way<'a>(&'a str, &'a str);

impl fmt::Display for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}> -> <{}>", echo(self.0, 320), echo(self.1, 320))
    }
}
