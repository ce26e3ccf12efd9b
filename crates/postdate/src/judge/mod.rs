//! Asks the rules on behalf of a door. Every door has the same [`Judge`], so the same event meets the same verdict.

mod trouble;
mod words;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use policy::engine::{Observed, Session};
use policy::{Event, NoHint, Reason, Refusal, Stage, Verdict};
use smtp::reply::echo;
use store::policy::Records;
use tokio::time::{Instant, sleep};

use crate::checks::{Checks, ClientNames, Content, Inquiry, Reader};
use crate::clock::Clock;
use crate::config::OnFailure;
use crate::config::checks::Mode;
use crate::mailboxes::MailboxNews;
use crate::names::Names;
use crate::quotas::Room;
use crate::site::SharedSite;

use trouble::Trouble;
pub(crate) use trouble::with_advice;
pub(crate) use words::{bare, brief, greylist_field, reply, stage_name};

/// Between two looks at whether the records have caught up: a fraction of what a transaction of theirs takes. Under a load
/// that the disk just carries one request in sixty looks, so this is what the slowest hundredth waits for.
const CATCH_UP: Duration = Duration::from_millis(1);

/// What is kept of one session between its events. A door makes one for each client that connects, hands it in with
/// each event, and ends it with [`Judge::gave_up`].
#[derive(Debug, Default)]
pub(crate) struct Caller {
    session: Session,
    /// The client's name, confirmed forward, and that of its PTR record.
    names: Option<(String, String)>,
    /// Another mail begins with the next event.
    anew: bool,
    /// What a rule needs of the content.
    content: Option<Content>,
}

impl Caller {
    /// What the mail server in front knows already: the client's name, confirmed forward, and the name of its PTR
    /// record; empty where there is none.
    pub(crate) fn named(&mut self, client_name: &str, reverse_name: &str) {
        self.names = Some((client_name.to_owned(), reverse_name.to_owned()));
    }

    /// Another mail begins; what became of the one before is not known, so it counts as taken.
    pub(crate) fn next_mail(&mut self) {
        self.anew = true;
    }

    /// The mailbox that the next recipient's mail goes to, if there is one here, and what its quota says of this mail's
    /// announced size.
    pub(crate) fn goes_to(&mut self, mailbox: Option<String>, room: Option<Room>) {
        self.session.mailbox = mailbox;
        self.session.has_room = room.map(|room| room == Room::Fits);
        self.session.is_full = room == Some(Room::Full);
    }

    /// The content, for the event at its end.
    pub(crate) fn holds(&mut self, content: Option<Content>) {
        self.content = content;
    }
}

/// The rules, with what they remember and what they look up.
pub(crate) struct Judge {
    pub(crate) site: Arc<SharedSite>,
    pub(crate) records: Arc<Records>,
    checks: Checks,
    clock: Clock,
    trouble: Trouble,
}

impl Judge {
    pub(crate) fn new(
        site: Arc<SharedSite>,
        records: Arc<Records>,
        names: Arc<Names>,
        clock: Clock,
    ) -> Self {
        Self {
            site,
            records,
            checks: Checks::new(names, clock.clone()),
            clock,
            trouble: Trouble::default(),
        }
    }

    /// What a mail's content is to be given to, for [`Caller::holds`]; `None` where no rule reads it.
    pub(crate) fn reader(&self) -> Option<Reader> {
        self.reads_content().then(|| self.checks.reader())
    }

    /// Whether a rule reads the content of mails.
    pub(crate) fn reads_content(&self) -> bool {
        self.site.get().config.checks.dmarc == Mode::Reject
    }

    /// Judges one step of a session, and remembers it.
    pub(crate) async fn judge(&self, caller: &mut Caller, event: &Event<'_>) -> Verdict {
        if self.is_put_off(event.stage) {
            // At least there is room for the mail: who was told to come back for that has come.
            if event.stage == Stage::Mail {
                self.records.with(self.now(), |engine, now| {
                    engine.answered_by_shell(event, None, now)
                });
            }
            return Verdict::Accept { waited: None };
        }
        self.catch_up().await;
        if !self.has_room() {
            return self.without_verdict();
        }
        if std::mem::take(&mut caller.anew) {
            self.taken(caller);
        }
        let now = self.now();
        let questions = self.records.with(now, |engine, now| {
            engine.questions(&caller.session, event, now)
        });
        if !questions.is_empty() {
            let names = caller.names.as_ref();
            let inquiry = Inquiry {
                event,
                names: names.map(|(confirmed, reverse)| ClientNames { confirmed, reverse }),
                content: caller.content.as_ref(),
            };
            let site = self.site.get();
            let facts = &mut caller.session.facts;
            self.checks
                .answer(facts, &questions, &inquiry, &site.config.checks)
                .await;
        }
        let now = self.now();
        let verdict = self.records.with(now, |engine, now| {
            engine.judge(&mut caller.session, event, now)
        });
        if let Some(observed) = &caller.session.observed {
            log_observed(event, observed);
        }
        let verdict = match self.records.trouble() {
            None => {
                self.trouble.over();
                verdict
            }
            Some(why) => {
                let on_failure = self.on_failure();
                let dir = &self.site.get().config.data_dir;
                self.trouble.felt(&why, dir, on_failure);
                trouble::without_records(verdict, event, on_failure)
            }
        };
        match verdict {
            Verdict::Refuse(refusal) => Verdict::Refuse(self.worded(refusal)),
            accept => accept,
        }
    }

    /// A mail can't be stored, which only the shell knows; `event` is its MAIL. The refusal as the administrator wants
    /// it said, counted for the statistics.
    pub(crate) fn unstorable(&self, event: &Event<'_>, refusal: Refusal) -> Refusal {
        let refusal = self.worded(refusal);
        self.records.with(self.now(), |engine, now| {
            engine.answered_by_shell(event, Some(&refusal), now);
        });
        refusal
    }

    /// The mail that was let in so far was taken: it is durable.
    pub(crate) fn taken(&self, caller: &mut Caller) {
        caller.content = None;
        let session = &mut caller.session;
        (self.records).with(self.now(), |engine, now| engine.taken(session, now));
    }

    /// The mail that was let in so far was refused by somebody else, or given up: what it took of limits is given back.
    pub(crate) fn gave_up(&self, caller: &mut Caller) {
        caller.content = None;
        let session = &mut caller.session;
        (self.records).with(self.now(), |engine, now| engine.gave_up(session, now));
    }

    /// What time it is.
    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Whether all that could be said at this step is said at the recipient.
    fn is_put_off(&self, stage: Stage) -> bool {
        matches!(stage, Stage::Helo | Stage::Mail) && self.site.get().config.policy.delay_reject
    }

    /// Whether anybody can be judged: no, where so much is unwritten that memory must not take more.
    fn has_room(&self) -> bool {
        self.records.room().is_ok()
    }

    /// For a question that can't be judged: open or closed, as configured.
    pub(crate) fn without_verdict(&self) -> Verdict {
        match self.on_failure() {
            OnFailure::Open => Verdict::Accept { waited: None },
            OnFailure::Closed => Verdict::Refuse(self.worded(trouble::out_of_order())),
        }
    }

    fn on_failure(&self) -> OnFailure {
        self.site.get().config.policy.on_failure
    }

    /// Waits while more is unwritten than may be lost; no longer than the records' patience.
    async fn catch_up(&self) {
        if !self.records.is_behind(self.now()) {
            return;
        }
        let patient_until = Instant::now() + Records::PATIENCE;
        while self.records.is_behind(self.now()) && Instant::now() < patient_until {
            sleep(CATCH_UP).await;
        }
    }

    /// As the administrator wants it said, and with the time in words.
    fn worded(&self, mut refusal: Refusal) -> Refusal {
        let site = self.site.get();
        let config = &site.config;
        if !config.hints.give && refusal.wait_secs.take().is_some() {
            refusal.no_hint = Some(NoHint::TurnedOff);
        }
        if refusal.code >= 500 {
            return refusal;
        }
        let (code, status, text) = match (refusal.reason, config.replies.get(refusal.reason.name()))
        {
            (Reason::Greylist, _) => {
                let greylist = &config.greylist;
                let (status, text) = (Some(&greylist.status), Some(&greylist.text));
                (Some(greylist.code), status, text)
            }
            (_, Some(answer)) => (answer.code, answer.status.as_ref(), answer.text.as_ref()),
            (_, None) => (None, None, None),
        };
        // 421 closes the session: what it stands for at connect can't be said by another code.
        if let Some(code) = code.filter(|_| refusal.code != 421) {
            refusal.code = code;
        }
        if let Some(status) = status.and_then(|status| smtp::Status::parse(status)) {
            refusal.status = (status.0, u8::try_from(status.1).unwrap_or(0), status.2);
        }
        refusal.text = match (text, refusal.wait_secs) {
            (Some(text), wait_secs) => text.say(wait_secs),
            (None, Some(secs)) => format!("{}, try again in {}", refusal.text, in_words(secs)),
            (None, None) => format!("{}, try again later", refusal.text),
        };
        refusal
    }
}

fn in_words(secs: u64) -> String {
    match secs {
        1 => "1 second".to_owned(),
        _ => format!("{secs} seconds"),
    }
}

/// Deliveries tell of mailboxes that are full, and of room in them.
impl MailboxNews for Judge {
    fn full(&self, mailbox: &str) {
        (self.records).with(self.now(), |engine, now| {
            engine.mailboxes.full(mailbox, now)
        });
    }

    fn room(&self, mailbox: &str) {
        (self.records).with(self.now(), |engine, now| {
            engine.mailboxes.room(mailbox, now)
        });
    }
}

/// What would have been said, for who tries greylisting out.
fn log_observed(event: &Event<'_>, observed: &Observed) {
    let client = format_args!("[{}]", event.client);
    let from = format_args!("<{}>", echo(event.sender, 256));
    let to = format_args!("<{}>", echo(event.recipient, 256));
    match observed {
        Observed::Defer(refusal) => {
            let wait_secs = refusal.wait_secs;
            tracing::info!(target: "greylist", %client, %from, %to, wait_secs, "would defer");
        }
        Observed::Pass {
            waited: Some(waited),
        } => tracing::info!(
            target: "greylist", %client, %from, %to, waited_secs = waited.as_secs(), "would pass: it came back in time",
        ),
        Observed::Pass { waited: None } => {
            tracing::info!(target: "greylist", %client, %from, %to, "would pass: it is known");
        }
    }
}
