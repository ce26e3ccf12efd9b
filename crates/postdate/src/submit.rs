//! Hands a mail to the server over its submission socket, or, when none runs, straight to the queue.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use queue::Message;
use queue::Origin;
use queue::spool::{Change, Spool as _, SpoolError};
use smtp::client::{Action, Failure, Fate, Mail, Session, Settings, Timeouts, Tls};
use smtp::{Content, Recipient, Sender};
use store::sqlite::SqliteSpool;

use crate::clock;
use crate::config::Config;
use crate::node::SUBMIT_SOCKET;
use crate::site::Site;

/// Why a mail was not taken.
#[derive(Debug)]
pub(crate) enum SubmitError {
    /// It will never be.
    Refused(String),
    /// It may be later.
    Later(String),
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) | Self::Later(why) => f.write_str(why),
        }
    }
}

/// How long the server may take for anything.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Content is handed over in pieces of this size.
const PIECE: usize = 64 * 1024;

/// Hands over one mail; when this returns it is durable.
///
/// # Errors
/// It was refused, or there is nobody who could take it now.
pub(crate) fn submit(
    config: Config,
    sender: Sender,
    recipients: Vec<Recipient>,
    content: &[u8],
) -> Result<(), SubmitError> {
    match UnixStream::connect(config.data_dir.join(SUBMIT_SOCKET)) {
        Ok(stream) => over_socket(&stream, &config.hostname, sender, recipients, content),
        Err(_) => without_server(config, sender, recipients, content),
    }
}

/// Opens the submission socket, for `sendmail -bs`.
pub(crate) fn connect(dir: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(dir.join(SUBMIT_SOCKET))
}

fn content_of(octets: &[u8]) -> Content {
    let header_end = octets
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or(octets.len());
    Content {
        size: octets.len() as u64,
        eight_bit: !octets.is_ascii(),
        utf8_header: !octets[..header_end].is_ascii(),
        received: 0,
    }
}

fn over_socket(
    mut stream: &UnixStream,
    hostname: &str,
    sender: Sender,
    recipients: Vec<Recipient>,
    content: &[u8],
) -> Result<(), SubmitError> {
    let broken = |err: io::Error| SubmitError::Later(format!("the server did not answer: {err}"));
    stream
        .set_read_timeout(Some(TIMEOUT))
        .and_then(|()| stream.set_write_timeout(Some(TIMEOUT)))
        .map_err(broken)?;
    let timeouts = Timeouts {
        greeting: TIMEOUT,
        command: TIMEOUT,
        data: TIMEOUT,
        block: TIMEOUT,
        end_of_data: TIMEOUT,
        quit: TIMEOUT,
    };
    // The socket keeps the time, so the machine is never told any.
    let now = Duration::ZERO;
    let mut session = Session::new(Arc::new(Settings {
        helo: hostname.to_owned(),
        tls: Tls::Off,
        timeouts,
    }));
    let mut mail = Some(Mail {
        sender,
        recipients,
        content: content_of(content),
    });
    let mut pieces = content.chunks(PIECE).peekable();
    let mut result = Err(SubmitError::Later(
        "the server closed the connection".to_owned(),
    ));
    let mut buffer = [0; 4096];
    loop {
        while let Some(action) = session.poll() {
            match action {
                Action::Ready => match mail.take() {
                    Some(mail) => session.send(now, mail),
                    None => session.quit(now),
                },
                Action::WantBody => loop {
                    let piece = pieces.next().unwrap_or_default();
                    let last = pieces.peek().is_none();
                    session.body(now, piece, last);
                    stream.write_all(session.output()).map_err(broken)?;
                    session.output_taken();
                    if last {
                        break;
                    }
                },
                Action::Done(fates) => result = outcome(fates),
                Action::StartTls => session.tls_failed(),
                Action::Closed(failure) => {
                    if let (Some(Failure::Refused { reply, .. }), Err(_)) = (failure, &result) {
                        result = Err(SubmitError::Later(reply.raw));
                    }
                    return result;
                }
            }
        }
        stream.write_all(session.output()).map_err(broken)?;
        session.output_taken();
        match stream.read(&mut buffer).map_err(broken)? {
            0 => session.closed(),
            filled => session.receive(now, &buffer[..filled]),
        }
    }
}

fn outcome(fates: Vec<Fate>) -> Result<(), SubmitError> {
    let mut refused = Vec::new();
    let mut later = false;
    for fate in fates {
        match fate {
            Fate::Accepted(_) => {}
            Fate::Refused { reply, .. } | Fate::NextTransaction(reply) => {
                later |= !reply.is_permanent();
                refused.push(reply.raw);
            }
            Fate::Unfit(_) => refused.push("an address or the content can't be sent".to_owned()),
            Fate::Broken(_) => {
                later = true;
                refused.push("the server closed the connection".to_owned());
            }
        }
    }
    match (refused.is_empty(), later) {
        (true, _) => Ok(()),
        (false, true) => Err(SubmitError::Later(refused.join("; "))),
        (false, false) => Err(SubmitError::Refused(refused.join("; "))),
    }
}

/// Puts the mail into the queue of a server that is not running. It is tried when the server starts.
fn without_server(
    config: Config,
    sender: Sender,
    recipients: Vec<Recipient>,
    content: &[u8],
) -> Result<(), SubmitError> {
    let dir = config.data_dir.clone();
    let later = |what: &dyn fmt::Display| {
        SubmitError::Later(format!(
            "the server is not running, and its queue in {} can't be used: {what}",
            dir.display()
        ))
    };
    if !dir.is_dir() {
        return Err(later(&"there is no such directory"));
    }
    let spool = SqliteSpool::open(&dir).map_err(|err| later(&err))?;
    let now = clock::now();
    let id = spool.new_id(now);
    let site = Site::new(config, false);
    let mut staging = spool.stage(id).map_err(|err| later(&err))?;
    let staged = staging
        .write(content)
        .and_then(|()| staging.finish())
        .map_err(|err| later(&err))?;
    let message = Arc::new(Message {
        id,
        received: now,
        sender,
        recipients: crate::server::expand(&site, &recipients),
        content: content_of(content),
        origin: Origin {
            client: None,
            helo: None,
            protocol: "local".to_owned(),
        },
    });
    let rules = crate::node::rules(&site.config);
    let rows = message
        .recipients
        .iter()
        .map(|_| queue::plan::first(&rules, &message, now, false))
        .collect();
    let (tell, durable) = mpsc::channel();
    spool.submit(
        Change {
            enqueue: vec![(message, staged, rows)],
            ..Change::default()
        },
        Box::new(move |result| {
            let _ = tell.send(result);
        }),
    );
    let kept = durable
        .recv()
        .unwrap_or(Err(SpoolError::Closed))
        .map_err(|err| later(&err));
    spool.close(Duration::from_secs(10));
    kept
}
