//! What one session may use up: time, and our patience.

use std::time::Duration;

use super::{SHUTDOWN_STALL, SHUTDOWN_TOTAL, Settings};

/// Counts what a client gets wrong or asks for nothing. An accepted mail starts it anew.
#[derive(Debug, Default)]
pub(super) struct Strikes {
    errors: u32,
    idle: u32,
}

impl Strikes {
    /// A command was answered 5yz.
    pub(super) fn error(&mut self) {
        self.errors = self.errors.saturating_add(1);
    }

    /// A command led to no mail.
    pub(super) fn idle(&mut self) {
        self.idle = self.idle.saturating_add(1);
    }

    /// A mail was accepted.
    pub(super) fn forgive(&mut self) {
        *self = Self::default();
    }

    pub(super) fn too_many_errors(&self, settings: &Settings) -> bool {
        self.errors >= settings.max_errors
    }

    pub(super) fn too_many_idle(&self, settings: &Settings) -> bool {
        self.idle > settings.max_idle_commands
    }
}

/// What is waited for, and since when. All times are since the session was opened.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The time now, as we were told last.
    pub(super) now: Duration,
    /// Since when the command, or the handshake, is awaited.
    command: Duration,
    /// When content came last.
    block: Duration,
    /// When the first content of this mail was awaited.
    content: Option<Duration>,
    /// When the server began to shut down.
    shutdown: Option<Duration>,
}

impl Clock {
    /// From now on a command is awaited. However slowly it drips in, it has to be whole in time.
    pub(super) fn await_command(&mut self) {
        self.command = self.now;
    }

    /// From now on content is awaited, or some of it came.
    pub(super) fn await_content(&mut self) {
        self.block = self.now;
        self.content.get_or_insert(self.now);
    }

    /// All of a mail's content was read, or no more will be.
    pub(super) fn end_content(&mut self) {
        self.content = None;
    }

    /// Whether content was asked for, and not all of it came.
    pub(super) fn awaits_content(&self) -> bool {
        self.content.is_some()
    }

    /// From now on content has to hurry.
    pub(super) fn shut_down(&mut self) {
        self.shutdown.get_or_insert(self.now);
    }

    /// When a command is overdue. Between two chunks the whole content's time runs on.
    pub(super) fn command_deadline(&self, settings: &Settings) -> Duration {
        self.sooner(
            self.command.saturating_add(settings.command_timeout),
            settings,
        )
    }

    /// When the next block of content is overdue, or the whole of it.
    pub(super) fn content_deadline(&self, settings: &Settings) -> Duration {
        self.sooner(self.block.saturating_add(settings.data_timeout), settings)
    }

    fn sooner(&self, deadline: Duration, settings: &Settings) -> Duration {
        let Some(began) = self.content else {
            return deadline;
        };
        let deadline = deadline.min(began.saturating_add(settings.data_total_timeout));
        let Some(shutdown) = self.shutdown else {
            return deadline;
        };
        deadline
            .min(self.block.saturating_add(SHUTDOWN_STALL))
            .min(shutdown.saturating_add(SHUTDOWN_TOTAL))
    }
}
