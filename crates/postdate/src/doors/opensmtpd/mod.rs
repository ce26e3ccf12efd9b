//! A filter of OpenSMTPD (`smtpd-filters(7)`): report and filter lines on standard input, answers on standard output.

mod line;
mod session;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use self::line::{Line, MAX_LINE, Malformed, Report};
use self::session::{Session, Step};
use super::Desk;
use super::reading::{self, more};

/// OpenSMTPD says nothing while no mail comes.
const PATIENCE: Duration = Duration::from_secs(365 * 24 * 3600);
/// Sessions known at once. OpenSMTPD itself has a few thousand at most; what it says of others is not judged.
const MAX_SESSIONS: usize = 10_000;
/// Lines that wait, of one session and of all answers. OpenSMTPD asks one question of a session at a time; only content
/// comes in crowds.
const MAX_WAITING: usize = 16;

/// What is registered: only what is needed.
const REPORTS: [&str; 6] = [
    "link-connect",
    "link-disconnect",
    "link-identify",
    "link-auth",
    "tx-commit",
    "tx-rollback",
];
const PHASES: [&str; 6] = ["connect", "helo", "ehlo", "mail-from", "rcpt-to", "commit"];
/// Only where a header field is to be added, or a rule wants the content.
const CONTENT: &str = "data-line";

/// Why the filter ends before OpenSMTPD does.
#[derive(Debug)]
pub(crate) enum FilterError {
    /// OpenSMTPD takes no answers.
    Write,
    /// What it says can't be understood.
    Malformed(Malformed),
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write => f.write_str("OpenSMTPD takes no answers"),
            Self::Malformed(what) => write!(f, "OpenSMTPD says what makes no sense: {what}"),
        }
    }
}

/// Answers until OpenSMTPD ends. `header`: adds `X-Greylist:`, for which all content has to pass through here.
///
/// # Errors
/// OpenSMTPD takes no answers, or speaks another version.
pub(crate) async fn filter<R, W>(
    mut input: R,
    mut output: W,
    desk: &Arc<Desk>,
    header: bool,
) -> Result<(), FilterError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (answers, mut answered) = mpsc::channel::<Vec<u8>>(MAX_WAITING);
    let write = async {
        while let Some(answer) = answered.recv().await {
            if !reading::answer(&mut output, &answer).await {
                return Err(FilterError::Write);
            }
        }
        Ok(())
    };
    let read = async {
        let (_stop, mut stopped) = watch::channel(false);
        let mut filter = Filter {
            desk,
            header,
            answers,
            sessions: HashMap::new(),
            tasks: JoinSet::new(),
        };
        let mut octets = Vec::new();
        while more(&mut input, &mut octets, PATIENCE, &mut stopped).await {
            let mut done = 0;
            while let Some(len) = octets[done..].iter().position(|&octet| octet == b'\n') {
                filter.take(&octets[done..done + len]).await?;
                done += len + 1;
            }
            octets.drain(..done);
            if octets.len() > MAX_LINE {
                return Err(FilterError::Malformed(Malformed::TooLong));
            }
        }
        filter.end().await;
        Ok(())
    };
    let (read, write) = tokio::join!(read, write);
    read.and(write)
}

struct Filter<'a> {
    desk: &'a Arc<Desk>,
    header: bool,
    answers: mpsc::Sender<Vec<u8>>,
    sessions: HashMap<String, mpsc::Sender<Step>>,
    tasks: JoinSet<()>,
}

impl Filter<'_> {
    /// One line of OpenSMTPD's.
    async fn take(&mut self, line: &[u8]) -> Result<(), FilterError> {
        match line::read(line) {
            Ok(Line::Ready) => self.say(self.registration()).await,
            Ok(Line::Report { session, what }) => {
                let ends = what == Report::Disconnected;
                if ends && !self.sessions.contains_key(&session) {
                    return Ok(());
                }
                self.step(&session, Step::Report(what)).await;
                if ends {
                    self.sessions.remove(&session);
                }
                Ok(())
            }
            Ok(Line::Question {
                session,
                token,
                what,
            }) => {
                let Some(step) = self.step(&session, Step::Question { token, what }).await else {
                    return Ok(());
                };
                // Too many: what can't be judged goes on.
                let Step::Question { token, what } = step else {
                    return Ok(());
                };
                self.say(unjudged(&session, &token, &what)).await
            }
            Ok(Line::Other) => Ok(()),
            Err(version @ Malformed::Version(_)) => Err(FilterError::Malformed(version)),
            Err(why) => {
                self.desk.misunderstood("OpenSMTPD", &why);
                Ok(())
            }
        }
    }

    fn registration(&self) -> Vec<u8> {
        let mut lines = String::new();
        for report in REPORTS {
            lines.push_str(&format!("register|report|smtp-in|{report}\n"));
        }
        let content = (self.header || self.desk.wants_content()).then_some(CONTENT);
        for phase in PHASES.into_iter().chain(content) {
            lines.push_str(&format!("register|filter|smtp-in|{phase}\n"));
        }
        lines.push_str("register|ready\n");
        lines.into_bytes()
    }

    /// Hands a step to its session, which begins with its first. Returns the step when there are too many.
    async fn step(&mut self, id: &str, step: Step) -> Option<Step> {
        if !self.sessions.contains_key(id) {
            while self.tasks.try_join_next().is_some() {}
            if self.sessions.len() >= MAX_SESSIONS {
                self.desk.misunderstood(
                    "OpenSMTPD",
                    &format_args!("more than {MAX_SESSIONS} sessions"),
                );
                return Some(step);
            }
            let (steps, taken) = mpsc::channel(MAX_WAITING);
            let session = Session::new(Arc::clone(self.desk), id.to_owned(), self.header);
            self.tasks.spawn(session.run(taken, self.answers.clone()));
            self.sessions.insert(id.to_owned(), steps);
        }
        // A session that has ended has nobody to answer.
        let _ = self.sessions[id].send(step).await;
        None
    }

    async fn say(&self, lines: Vec<u8>) -> Result<(), FilterError> {
        self.answers
            .send(lines)
            .await
            .map_err(|_| FilterError::Write)
    }

    /// What was asked is answered.
    async fn end(self) {
        let Self {
            sessions,
            mut tasks,
            answers,
            ..
        } = self;
        drop((sessions, answers));
        while tasks.join_next().await.is_some() {}
    }
}

fn unjudged(session: &str, token: &str, what: &line::Question) -> Vec<u8> {
    match what {
        line::Question::Content(line) => {
            let mut out = format!("filter-dataline|{session}|{token}|").into_bytes();
            out.extend_from_slice(line);
            out.push(b'\n');
            out
        }
        _ => format!("filter-result|{session}|{token}|proceed\n").into_bytes(),
    }
}
