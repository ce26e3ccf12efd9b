//! The mail under way.

use super::Transaction;
use super::content::{Framing, Receiver};
use super::{BareNewline, Settings};
use crate::envelope::Content;

/// How far the chunks of a mail are (RFC 3030).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Chunks {
    /// None came.
    #[default]
    None,
    /// Some came; the last didn't.
    Open,
    /// One was refused: only RSET helps.
    Failed,
}

/// A transaction with its content.
#[derive(Debug, Default)]
pub(super) struct Mail {
    pub(super) transaction: Transaction,
    /// MAIL was given, and not refused.
    pub(super) open: bool,
    /// RCPTs of any outcome.
    pub(super) recipient_commands: usize,
    pub(super) chunks: Chunks,
    receiver: Option<Receiver>,
}

impl Mail {
    /// Content begins.
    pub(super) fn begin_content(
        &mut self,
        framing: Framing,
        bare_newline: BareNewline,
        settings: &Settings,
    ) {
        self.receiver = Some(Receiver::new(framing, bare_newline, settings));
    }

    /// What reads the content, while there is some.
    pub(super) fn receiver(&mut self) -> Option<&mut Receiver> {
        self.receiver.as_mut()
    }

    /// What is known of the content.
    pub(super) fn content(&self) -> Content {
        self.receiver
            .as_ref()
            .map(Receiver::content)
            .unwrap_or_default()
    }

    /// Gives the content up. Says whether there was any to be discarded.
    pub(super) fn end_content(&mut self) -> bool {
        self.receiver.take().is_some()
    }

    /// Back to before MAIL. Says whether there is content to be discarded.
    pub(super) fn reset(&mut self) -> bool {
        std::mem::take(self).receiver.is_some()
    }
}
