//! The sockets of doors that are open, each under the place that the configuration gives it.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::listener::{Kind, Listener};
use super::{Desk, milter, postfix};
use crate::config::{Place, Policy};

/// All that are open.
pub(crate) struct Doors {
    desk: Arc<Desk>,
    open: Vec<Open>,
    /// Closed by a reload, with connections that are not over.
    closing: Vec<JoinHandle<()>>,
}

struct Open {
    kind: Kind,
    /// As configured: its port may be 0.
    wanted: Place,
    place: Place,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Sockets that are bound, and not served yet.
pub(crate) struct Bound(Vec<(Kind, Place, Listener)>);

impl Doors {
    /// None is open.
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self {
            desk,
            open: Vec::new(),
            closing: Vec::new(),
        }
    }

    /// Binds what is configured and not yet open.
    ///
    /// # Errors
    /// The place that can't be listened on, with why and what to do; nothing stays bound.
    pub(crate) fn bind(&self, config: &Policy) -> Result<Bound, String> {
        let mut bound = Vec::new();
        for (kind, place) in wanted(config) {
            if !self.open.iter().any(|one| one.is(kind, place)) {
                bound.push((kind, place.clone(), Listener::bind(kind, place, config)?));
            }
        }
        Ok(Bound(bound))
    }

    /// Serves what was bound, and closes what is no longer configured.
    pub(crate) fn serve(&mut self, bound: Bound, config: &Policy) {
        for (kind, wanted, listener) in bound.0 {
            let (stop, stopped) = watch::channel(false);
            let place = listener.place();
            let desk = Arc::clone(&self.desk);
            let task = tokio::spawn(async move {
                match kind {
                    Kind::Postfix => {
                        let each = |wire, stop| postfix::serve(wire, Arc::clone(&desk), stop);
                        listener.run(&desk, stopped, each).await;
                    }
                    Kind::Milter => {
                        let each = |wire, stop| milter::serve(wire, Arc::clone(&desk), stop);
                        listener.run(&desk, stopped, each).await;
                    }
                }
            });
            self.open.push(Open {
                kind,
                wanted,
                place,
                stop,
                task,
            });
        }
        self.closing.retain(|task| !task.is_finished());
        let gone = |one: &mut Open| !wanted(config).any(|(kind, place)| one.is(kind, place));
        for one in self.open.extract_if(.., gone) {
            one.stop.send_replace(true);
            self.closing.push(one.task);
        }
    }

    /// Where they are, each with the line that a mail server's configuration needs.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&Place, String)> {
        // What nobody asks at the end of the content counts nothing.
        let octets = match self.desk.counts_octets() {
            true => " (in smtpd_end_of_data_restrictions too: a limit counts octets)",
            false => "",
        };
        self.open.iter().map(move |one| {
            let place = &one.place;
            let line = match one.kind {
                Kind::Postfix => format!("check_policy_service {place}{octets}"),
                Kind::Milter => format!("smtpd_milters = {place}"),
            };
            (place, line)
        })
    }

    /// Answers what was asked, and closes all.
    pub(crate) async fn stop(self) {
        for one in &self.open {
            one.stop.send_replace(true);
        }
        for task in self
            .open
            .into_iter()
            .map(|one| one.task)
            .chain(self.closing)
        {
            let _ = task.await;
        }
    }
}

impl Open {
    fn is(&self, kind: Kind, wanted: &Place) -> bool {
        self.kind == kind && self.wanted == *wanted
    }
}

fn wanted(config: &Policy) -> impl Iterator<Item = (Kind, &Place)> {
    let postfix = config.listen.iter().map(|place| (Kind::Postfix, place));
    postfix.chain(config.milter.iter().map(|place| (Kind::Milter, place)))
}
