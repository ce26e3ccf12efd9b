//! What is to be written, and which commands a reply may answer.

/// Octets on their way to the server.
///
/// Counts the commands that were written and wait for their reply. A reply without such a command is none of ours:
/// counted as the answer to a later command, it would shift all that follow, and a mail could count as accepted
/// that never was.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    octets: Vec<u8>,
    /// Commands that stand in `octets`.
    unwritten: usize,
    /// Commands that were written and are not yet answered.
    unanswered: usize,
}

impl Outbox {
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// For content, and for one command that [`Outbox::command_added`] then counts.
    pub(super) fn octets_mut(&mut self) -> &mut Vec<u8> {
        &mut self.octets
    }

    /// What was appended to the octets ends with a command.
    pub(super) fn command_added(&mut self) {
        self.unwritten += 1;
    }

    /// Appends a command whose reply is awaited; `line` is without its CRLF.
    pub(super) fn command(&mut self, line: &str) {
        self.octets.extend_from_slice(line.as_bytes());
        self.octets.extend_from_slice(b"\r\n");
        self.command_added();
    }

    /// The octets were written.
    pub(super) fn taken(&mut self) {
        self.octets.clear();
        self.unanswered += std::mem::take(&mut self.unwritten);
    }

    /// A reply came. False if none was due.
    pub(super) fn answered(&mut self) -> bool {
        let due = self.unanswered > 0;
        self.unanswered -= usize::from(due);
        due
    }

    /// Nothing of what stands here may be written any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
