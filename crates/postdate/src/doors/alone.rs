//! Doors without a mail server of our own: `postdate policy serve`.

use std::sync::Arc;

use store::lock::DirLock;
use store::policy::Records;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Desk, Doors};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{Control, Served};
use crate::judge::Judge;
use crate::names::Names;
use crate::node::{CONTROL_SOCKET, StartError, dns, make_private, other_dir, records, ticking};
use crate::rules_of::rules_of;
use crate::site::{SharedSite, Site};

/// The records of a data directory and the doors to them.
pub(crate) struct Alone {
    pub(crate) site: Arc<SharedSite>,
    pub(crate) desk: Arc<Desk>,
    records: Arc<Records>,
    names: Arc<Names>,
    doors: Doors,
    ticks: watch::Sender<bool>,
    control: JoinHandle<()>,
    _lock: DirLock,
}

impl Alone {
    /// Opens the records, which are then ours alone, and the doors that are configured.
    ///
    /// # Errors
    /// In words for the administrator: what, where, and what to do.
    pub(crate) fn start(config: Config) -> Result<Self, StartError> {
        let dir = config.data_dir.clone();
        make_private(&dir)?;
        let lock = DirLock::take(&dir)
            .map_err(|err| StartError::new(format_args!("records in {}", dir.display()), err))?;
        let names = Arc::new(Names::new(dns(&config)?));
        let records = records(&config)?;
        let site = Arc::new(SharedSite::new(Site::new(config, false)));
        let desk = Arc::new(Desk::new(Arc::new(Judge::new(
            Arc::clone(&site),
            Arc::clone(&records),
            Arc::clone(&names),
            Clock::system(),
        ))));
        let mut doors = Doors::new(Arc::clone(&desk));
        let policy = &site.get().config.policy;
        let bound = doors.bind(policy).map_err(StartError::plain)?;
        doors.serve(bound, policy);
        let control = Control::bind(&dir.join(CONTROL_SOCKET))
            .map_err(|err| StartError::new("control socket", err))?;
        let served = Served {
            runner: None,
            records: Arc::clone(&records),
        };
        let (ticks, stopped) = watch::channel(false);
        let control = tokio::spawn(control.run(served, stopped.clone()));
        tokio::spawn(ticking(Arc::clone(&records), stopped));
        Ok(Self {
            site,
            desk,
            records,
            names,
            doors,
            ticks,
            control,
            _lock: lock,
        })
    }

    /// The doors that are open.
    pub(crate) fn doors(&self) -> &Doors {
        &self.doors
    }

    /// Takes over a new configuration, whole. The log is not ours.
    ///
    /// # Errors
    /// The data directory is another one, or a place can't be listened on; nothing was changed.
    pub(crate) fn reload(&mut self, config: Config) -> Result<(), StartError> {
        other_dir(&self.site.get().config, &config)?;
        let dns = dns(&config)?;
        let bound = self.doors.bind(&config.policy).map_err(StartError::plain)?;
        // From here on nothing fails.
        self.records.configure(rules_of(&config));
        self.names.set(dns);
        self.site.set(Site::new(config, false));
        self.doors.serve(bound, &self.site.get().config.policy);
        Ok(())
    }

    /// Answers what was asked, and writes what is left.
    pub(crate) async fn stop(self) {
        self.doors.stop().await;
        self.ticks.send_replace(true);
        let _ = self.control.await;
        let records = self.records;
        let _ = tokio::task::spawn_blocking(move || {
            if let Err(err) = records.flush() {
                tracing::error!(target: "policy", "records could not be kept: {err}");
            }
        })
        .await;
    }
}
