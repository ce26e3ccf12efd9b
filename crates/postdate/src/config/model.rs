//! What can be configured, with its defaults. `sample.toml` shows each key to the administrator.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::checks::Checks;
use super::limiting::{Exempt, Load, NeverReturned, Postgrey, Rate, Replies, Suspicious};
use super::reply_text::ReplyText;
use super::units;
use super::{NameServer, Networks, Policy};

const MIN: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The whole configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Our name in greetings, EHLO, trace and notices.
    pub(crate) hostname: String,
    /// Where mail and records lie.
    pub(crate) data_dir: PathBuf,
    /// Sockets that take mail.
    pub(crate) listen: Vec<Listen>,
    pub(crate) tls: Tls,
    pub(crate) relay: Relay,
    pub(crate) local: Local,
    /// Exact, `user` of every local domain, or `@domain` (catch-all) → addresses.
    pub(crate) aliases: BTreeMap<String, Vec<String>>,
    pub(crate) greylist: Greylist,
    pub(crate) checks: Checks,
    pub(crate) rates: Vec<Rate>,
    pub(crate) load: Load,
    pub(crate) exempt: Exempt,
    pub(crate) never_returned: NeverReturned,
    pub(crate) replies: Replies,
    pub(crate) policy: Policy,
    pub(crate) hints: Hints,
    pub(crate) queue: Queue,
    pub(crate) delivery: Delivery,
    pub(crate) limits: Limits,
    pub(crate) log: LogSettings,
    pub(crate) trace: Trace,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            data_dir: PathBuf::from("postdate-data"),
            listen: vec![Listen::default()],
            tls: Tls::default(),
            relay: Relay::default(),
            local: Local::default(),
            aliases: BTreeMap::new(),
            greylist: Greylist::default(),
            checks: Checks::default(),
            rates: Vec::new(),
            load: Load::default(),
            exempt: Exempt::default(),
            never_returned: NeverReturned::default(),
            replies: Replies::new(),
            policy: Policy::default(),
            hints: Hints::default(),
            queue: Queue::default(),
            delivery: Delivery::default(),
            limits: Limits::default(),
            log: LogSettings::default(),
            trace: Trace::default(),
        }
    }
}

/// One listening socket.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listen {
    pub(crate) address: SocketAddr,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 2525)),
        }
    }
}

/// The certificate for STARTTLS. Without one, a self-signed one is made.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tls {
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    /// Don't offer STARTTLS at all.
    pub(crate) off: bool,
}

/// For whom and to where mail is taken that is not for us.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Relay {
    /// Clients that may send anywhere.
    pub(crate) networks: Networks,
    /// Domains that anyone may send to through us.
    pub(crate) domains: Vec<String>,
}

/// Domains and mailboxes on this machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Local {
    pub(crate) domains: Vec<String>,
    /// Address, or `*@domain` for any user → Maildir, in which `{user}` and `{domain}` are filled in, or
    /// `lmtp:` and a server. See [`Local::named_mailboxes`].
    pub(crate) mailboxes: BTreeMap<String, PathBuf>,
    /// The LMTP server of all mailboxes that are not named: any user of the domains.
    pub(crate) lmtp: Option<String>,
    /// What each Maildir may hold, in octets.
    #[serde(deserialize_with = "units::octets_or_none")]
    pub(crate) quota: Option<u64>,
    /// What stands between user and tag: `user+tag`.
    pub(crate) plus_separator: String,
}

impl Default for Local {
    fn default() -> Self {
        Self {
            domains: vec!["localhost".to_owned()],
            mailboxes: BTreeMap::from([("*@localhost".to_owned(), PathBuf::from("mail/{user}"))]),
            lmtp: None,
            quota: None,
            plus_separator: "+".to_owned(),
        }
    }
}

impl Local {
    /// The mailboxes that the administrator named. The default ones give way to `lmtp` and to other domains.
    pub(crate) fn named_mailboxes(&self) -> impl Iterator<Item = (&String, &PathBuf)> {
        let given_way = self.is_untouched() && (self.lmtp.is_some() || self.is_moved());
        self.mailboxes.iter().filter(move |_| !given_way)
    }

    /// Nobody's mailbox is named.
    pub(crate) fn is_untouched(&self) -> bool {
        self.mailboxes == Self::default().mailboxes
    }

    /// The default mailboxes are in none of these domains.
    pub(crate) fn is_moved(&self) -> bool {
        let of_default = Self::default().domains;
        !(self.domains.iter()).any(|domain| of_default.contains(&domain.to_lowercase()))
    }
}

/// What greylisting does with a stranger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GreylistMode {
    /// Refuse it until its time has come.
    #[default]
    Enforce,
    /// Judge and log, and refuse nobody.
    Observe,
    /// Don't judge.
    Off,
}

/// Greylisting.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Greylist {
    pub(crate) mode: GreylistMode,
    #[serde(deserialize_with = "units::duration")]
    pub(crate) delay: Duration,
    #[serde(deserialize_with = "units::duration")]
    pub(crate) window: Duration,
    pub(crate) known_after: u32,
    #[serde(deserialize_with = "units::duration")]
    pub(crate) known_for: Duration,
    pub(crate) v4_prefix: u8,
    pub(crate) v6_prefix: u8,
    pub(crate) max_pending_per_network: usize,
    pub(crate) max_pending: usize,
    pub(crate) max_known: usize,
    pub(crate) exempt_networks: Networks,
    /// Sender domains.
    pub(crate) exempt_domains: Vec<String>,
    pub(crate) exempt_recipients: Vec<String>,
    pub(crate) suspicious: Suspicious,
    pub(crate) postgrey: Postgrey,
    pub(crate) code: u16,
    pub(crate) status: String,
    pub(crate) text: ReplyText,
}

impl Default for Greylist {
    fn default() -> Self {
        Self {
            mode: GreylistMode::Enforce,
            delay: Duration::from_secs(300),
            window: 2 * DAY,
            known_after: 1,
            known_for: 36 * DAY,
            v4_prefix: 24,
            v6_prefix: 64,
            max_pending_per_network: 1000,
            max_pending: 1_000_000,
            max_known: 1_000_000,
            exempt_networks: Networks::default(),
            exempt_domains: Vec::new(),
            exempt_recipients: Vec::new(),
            suspicious: Suspicious::default(),
            postgrey: Postgrey::default(),
            code: 450,
            status: "4.2.0".to_owned(),
            text: ReplyText::with_time("Greylisted, try again", " in ", " seconds"),
        }
    }
}

/// Hints: given by the receiver, obeyed by the sender.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Hints {
    /// Put `TIME=…` into our replies.
    pub(crate) give: bool,
    /// Come back when a reply says so.
    pub(crate) obey: bool,
    /// Also read "try again in 5 minutes".
    pub(crate) prose: bool,
}

impl Default for Hints {
    fn default() -> Self {
        Self {
            give: true,
            obey: true,
            prose: true,
        }
    }
}

/// The schedule of the queue.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Queue {
    #[serde(deserialize_with = "units::duration")]
    pub(crate) first_backoff: Duration,
    #[serde(deserialize_with = "units::duration")]
    pub(crate) max_backoff: Duration,
    #[serde(deserialize_with = "units::duration")]
    pub(crate) lifetime: Duration,
    #[serde(deserialize_with = "units::duration")]
    pub(crate) notice_lifetime: Duration,
    /// Zero: only the lifetime counts.
    pub(crate) max_attempts: u32,
    #[serde(deserialize_with = "units::duration_or_never")]
    pub(crate) delay_notice: Option<Duration>,
    pub(crate) max_active: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            first_backoff: MIN,
            max_backoff: HOUR,
            lifetime: 5 * DAY,
            notice_lifetime: 5 * DAY,
            max_attempts: 0,
            delay_notice: Some(4 * HOUR),
            max_active: 20_000,
        }
    }
}

/// How mail leaves.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Delivery {
    /// Everything that is not local goes there.
    pub(crate) smarthost: Option<String>,
    /// Domain → next hop (`host:port`, `[192.0.2.1]:25`), `lmtp:` and a server, or `mx:`.
    pub(crate) routes: BTreeMap<String, String>,
    /// The port of MX hosts; for tests.
    pub(crate) port: u16,
    pub(crate) helo: Option<String>,
    pub(crate) local_address: Option<IpAddr>,
    /// Use STARTTLS where offered.
    pub(crate) starttls: bool,
    pub(crate) sessions_per_host: usize,
    pub(crate) mails_per_session: u32,
    pub(crate) recipients_per_mail: usize,
    pub(crate) max_sessions: usize,
    #[serde(deserialize_with = "units::duration")]
    pub(crate) connect_timeout: Duration,
    #[serde(deserialize_with = "units::duration")]
    pub(crate) command_timeout: Duration,
    /// Name servers; empty: those of the system.
    pub(crate) name_servers: Vec<NameServer>,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            smarthost: None,
            routes: BTreeMap::new(),
            port: 25,
            helo: None,
            local_address: None,
            starttls: true,
            sessions_per_host: 20,
            mails_per_session: 100,
            recipients_per_mail: 100,
            max_sessions: 500,
            connect_timeout: Duration::from_secs(30),
            command_timeout: 5 * MIN,
            name_servers: Vec::new(),
        }
    }
}

/// Limits on what clients may do.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    #[serde(deserialize_with = "units::octets")]
    pub(crate) message_size: u64,
    #[serde(deserialize_with = "units::octets")]
    pub(crate) header_size: u64,
    #[serde(deserialize_with = "units::octets")]
    pub(crate) text_line: u64,
    pub(crate) recipients: usize,
    pub(crate) errors: u32,
    pub(crate) idle_commands: u32,
    pub(crate) connections: usize,
    pub(crate) connections_per_client: usize,
    #[serde(deserialize_with = "units::duration")]
    pub(crate) command_timeout: Duration,
    #[serde(deserialize_with = "units::duration")]
    pub(crate) data_timeout: Duration,
    #[serde(deserialize_with = "units::duration")]
    pub(crate) data_total_timeout: Duration,
    /// Networks whose bare LF is taken as CRLF (old devices).
    pub(crate) bare_newline_normalize: Networks,
    pub(crate) bare_newline: BareNewline,
    /// Below this much free space, MAIL is answered 452 4.3.1.
    #[serde(deserialize_with = "units::octets")]
    pub(crate) min_free: u64,
    pub(crate) max_received: u32,
}

/// What a bare LF means where no network says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BareNewline {
    #[default]
    Reject,
    Normalize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_size: 50 << 20,
            header_size: 256 << 10,
            text_line: 1 << 20,
            recipients: 1000,
            errors: 20,
            idle_commands: 100,
            connections: 1000,
            connections_per_client: 50,
            command_timeout: 5 * MIN,
            data_timeout: 3 * MIN,
            data_total_timeout: HOUR,
            bare_newline_normalize: Networks::default(),
            bare_newline: BareNewline::Reject,
            min_free: 64 << 20,
            max_received: 100,
        }
    }
}

/// Text as Postfix writes it, or one JSON object a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// What our own rooms say; libraries speak from warnings on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

/// The log. It goes to standard error; systemd keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogSettings {
    pub(crate) format: LogFormat,
    pub(crate) level: LogLevel,
}

/// Trace fields.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Trace {
    /// Write the client's address and HELO name into `Received:` (submissions too).
    pub(crate) client: bool,
}

impl Default for Trace {
    fn default() -> Self {
        Self { client: true }
    }
}
