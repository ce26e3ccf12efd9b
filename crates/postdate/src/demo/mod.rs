//! `postdate demo`: two real nodes on loopback TCP, a mail between them, and an appointment that both keep.

mod schedules;
mod tap;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use queue::{Message, MessageId, Origin};
use smtp::{Content, Recipient, Sender};

use crate::cli::{exit, fail};
use crate::clock;
use crate::config::{Config, Limits, Listen, Local, Tls};
use crate::node::{Node, StartError};
use crate::stdout::tell;
use tap::Tap;

/// The receiver's greylist delay in the demo; 300 s by default.
const DELAY: Duration = Duration::from_secs(8);
/// The demo ends by then, whatever happens.
const PATIENCE: Duration = Duration::from_secs(18);
const FROM: &str = "anna@sender.example";
const TO: &str = "bob@receiver.example";

/// Runs the demo; success only if the mail was delivered on the second attempt.
pub(crate) fn run() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(err) => return fail(exit::FAILURE, err),
    };
    match runtime.block_on(show()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => fail(exit::FAILURE, format_args!("demo: {err}")),
    }
}

/// What went wrong.
#[derive(Debug)]
enum DemoError {
    Start(StartError),
    Io(std::io::Error),
    Other(String),
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(err) => err.fmt(f),
            Self::Io(err) => err.fmt(f),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl From<StartError> for DemoError {
    fn from(err: StartError) -> Self {
        Self::Start(err)
    }
}

impl From<std::io::Error> for DemoError {
    fn from(err: std::io::Error) -> Self {
        Self::Io(err)
    }
}

/// A folder of our own that is gone afterwards.
struct Place(PathBuf);

impl Place {
    fn make() -> std::io::Result<Self> {
        let nanos = clock::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .subsec_nanos();
        let path =
            std::env::temp_dir().join(format!("postdate-demo-{}-{nanos}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn show() -> Result<(), DemoError> {
    let place = Place::make()?;
    let receiver = Node::start(receiver_config(&place.0)).await?;
    let at = receiver.addresses()[0];
    let tap = Tap::open(at).await?;
    let sender = Node::start(sender_config(&place.0, tap.address())).await?;
    tell(format_args!(
        "receiver.example listens on {at} and greylists: a stranger waits {} s (300 s by default).",
        DELAY.as_secs()
    ));
    tell(format_args!(
        "sender.example has a mail for <{TO}>. It dials:\n"
    ));
    let begun = clock::now();
    let id = submit(&sender, begun).await?;
    let result = watch(
        &sender,
        &place.0.join("receiver/mail/bob/new"),
        id,
        &tap,
        begun,
    )
    .await;
    sender.stop().await;
    receiver.stop().await;
    result?;
    schedules::print(Duration::from_secs(300));
    Ok(())
}

fn base(dir: &Path, name: &str) -> Config {
    Config {
        hostname: name.to_owned(),
        data_dir: dir.join(name.split('.').next().unwrap_or(name)),
        listen: vec![Listen {
            address: ([127, 0, 0, 1], 0).into(),
        }],
        tls: Tls {
            off: true,
            ..Tls::default()
        },
        limits: Limits {
            min_free: 0,
            ..Limits::default()
        },
        ..Config::default()
    }
}

fn receiver_config(dir: &Path) -> Config {
    let mut config = base(dir, "receiver.example");
    config.greylist.delay = DELAY;
    config.local = Local {
        domains: vec!["receiver.example".to_owned()],
        mailboxes: [(
            "*@receiver.example".to_owned(),
            PathBuf::from("mail/{user}"),
        )]
        .into(),
        ..Local::default()
    };
    config
}

fn sender_config(dir: &Path, next_hop: std::net::SocketAddr) -> Config {
    let mut config = base(dir, "sender.example");
    config.local = Local {
        domains: vec!["sender.example".to_owned()],
        ..Local::default()
    };
    config.local.mailboxes = [("*@sender.example".to_owned(), PathBuf::from("mail/{user}"))].into();
    config.delivery.routes = [("receiver.example".to_owned(), next_hop.to_string())].into();
    config
}

async fn submit(sender: &Node, now: SystemTime) -> Result<MessageId, DemoError> {
    let text = format!(
        "From: Anna <{FROM}>\r\nTo: Bob <{TO}>\r\nSubject: See you at the time you said\r\nDate: {}\r\n\r\nHello Bob.\r\n",
        crate::server::date(now)
    );
    let spool = sender.runner.spool();
    let failed = |err: queue::spool::SpoolError| DemoError::Other(err.to_string());
    let id = spool.new_id(now);
    let mut staging = spool.stage(id).map_err(failed)?;
    staging.write(text.as_bytes()).map_err(failed)?;
    let body = staging.finish().map_err(failed)?;
    let message = Message {
        id,
        received: now,
        sender: Sender {
            address: FROM.to_owned(),
            ..Sender::default()
        },
        recipients: vec![Recipient {
            address: TO.to_owned(),
            ..Recipient::default()
        }],
        content: Content {
            size: text.len() as u64,
            ..Content::default()
        },
        origin: Origin {
            protocol: "local".to_owned(),
            ..Origin::default()
        },
    };
    sender.runner.accept(message, body).await.map_err(failed)?;
    Ok(id)
}

/// Shows the appointment and the time until it, and waits for the mail to lie in the mailbox.
async fn watch(
    sender: &Node,
    mailbox: &Path,
    id: MessageId,
    tap: &Tap,
    begun: SystemTime,
) -> Result<(), DemoError> {
    let mut told = None;
    loop {
        let elapsed = clock::now().duration_since(begun).unwrap_or_default();
        if elapsed > PATIENCE {
            return Err(DemoError::Other(format!(
                "the mail was not delivered within {} s",
                PATIENCE.as_secs()
            )));
        }
        if let Some(mail) = fs::read_dir(mailbox)
            .ok()
            .and_then(|mut all| all.next())
            .transpose()?
        {
            // Let the end of the conversation be printed first.
            tokio::time::sleep(Duration::from_millis(100)).await;
            let attempts = tap.sessions();
            tell(format_args!(
                "\nDelivered after {:.1} s on attempt {attempts}:",
                elapsed.as_secs_f64()
            ));
            for line in fs::read_to_string(mail.path())?.lines() {
                tell(format_args!("    {line}"));
            }
            return if attempts == 2 {
                Ok(())
            } else {
                Err(DemoError::Other(format!(
                    "{attempts} attempts instead of 2"
                )))
            };
        }
        if tap.sessions() == 1
            && let Ok(Some(entry)) = sender.runner.spool().get(id)
            && let Some((_, row)) = entry.rows.first()
            && let Some(appointment) = &row.appointment
        {
            let left = row
                .due
                .duration_since(clock::now())
                .unwrap_or_default()
                .as_secs();
            if told.is_none() {
                tell(format_args!(
                    "\nThe sender has an appointment: {} s, as the reply said. It hangs up.",
                    appointment.wait_secs
                ));
            }
            if told != Some(left) {
                tell(format_args!("    due in {left} s"));
                told = Some(left);
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
