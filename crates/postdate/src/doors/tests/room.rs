//! A judge with records in memory and a clock of paused time, and doors to it.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use store::policy::Records;
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::Config;
use crate::config::checks::{ReverseName, Spf};
use crate::doors::opensmtpd::FilterError;
use crate::doors::{Desk, filter, milter, postfix};
use crate::judge::Judge;
use crate::names::Names;
use crate::node::dns;
use crate::rules_of::rules_of;
use crate::site::{SharedSite, Site};

pub(in crate::doors) struct Room {
    pub(in crate::doors) desk: Arc<Desk>,
    stop: watch::Sender<bool>,
}

impl Room {
    /// `config` is TOML.
    pub(in crate::doors) fn new(config: &str) -> Self {
        let mut config: Config = toml::from_str(&format!("hostname = \"mx.example\"\n{config}"))
            .expect("a configuration");
        // There is no DNS in here.
        config.checks.spf = Spf::Off;
        config.checks.reverse_name = ReverseName::Off;
        let records = Arc::new(Records::in_memory(rules_of(&config)));
        let names = Arc::new(Names::new(dns(&config).expect("a resolver")));
        let began = Instant::now();
        let clock = Clock(Arc::new(move || {
            UNIX_EPOCH + Duration::from_secs(1_800_000_000) + began.elapsed()
        }));
        let site = Arc::new(SharedSite::new(Site::new(config, false)));
        let judge = Judge::new(site, records, names, clock);
        Self {
            desk: Arc::new(Desk::new(Arc::new(judge))),
            stop: watch::channel(false).0,
        }
    }

    /// A connection of Postfix's.
    pub(in crate::doors) fn postfix(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(1 << 17);
        tokio::spawn(postfix::serve(
            far,
            Arc::clone(&self.desk),
            self.stop.subscribe(),
        ));
        near
    }

    /// A connection of a mail server that speaks milter.
    pub(in crate::doors) fn milter(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(1 << 17);
        tokio::spawn(milter::serve(
            far,
            Arc::clone(&self.desk),
            self.stop.subscribe(),
        ));
        near
    }

    /// A filter's standard input and output, and how it ends.
    pub(in crate::doors) fn opensmtpd(
        &self,
        header: bool,
    ) -> (DuplexStream, JoinHandle<Result<(), FilterError>>) {
        let (near, far) = tokio::io::duplex(1 << 17);
        let desk = Arc::clone(&self.desk);
        let ended = tokio::spawn(async move {
            let (input, output) = tokio::io::split(far);
            filter(input, output, &desk, header).await
        });
        (near, ended)
    }
}

/// What Postfix asks.
pub(in crate::doors) fn request(
    state: &str,
    client: &str,
    sender: &str,
    recipient: &str,
) -> String {
    format!(
        "request=smtpd_access_policy\nprotocol_state={state}\nprotocol_name=ESMTP\nclient_address={client}\n\
         client_name=unknown\nclient_port=4711\nreverse_client_name=unknown\nhelo_name=mail.far.example\n\
         sender={sender}\nrecipient={recipient}\nrecipient_count=0\nqueue_id=\ninstance=1234.5678.0\nsize=100\n\
         sasl_username=\n\n"
    )
}

/// A packet of the milter protocol.
pub(in crate::doors) fn packet(command: u8, data: &[u8]) -> Vec<u8> {
    let len = u32::try_from(data.len() + 1).expect("a length");
    [&len.to_be_bytes(), &[command][..], data].concat()
}
