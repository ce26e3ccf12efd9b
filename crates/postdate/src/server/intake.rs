//! A mail on its way into the queue: content is staged as it comes, and durable before the `250`.

use std::sync::Arc;
use std::time::SystemTime;

use queue::spool::{SpoolError, Staging};
use queue::{Message, MessageId, Origin};
use smtp::reply::echo;
use smtp::server::Session;
use smtp::{Content, Recipient};

use super::gate::{Door, Visitor};
use super::own_id::OwnId;
use crate::directory::normal;
use crate::runner::Runner;
use crate::site::Site;

/// What has come of a mail.
pub(super) struct Incoming {
    id: MessageId,
    begun: SystemTime,
    head_len: u64,
    /// Nothing of the content came yet.
    at_start: bool,
    own_id: OwnId,
    staged: Result<Box<dyn Staging>, SpoolError>,
}

impl Incoming {
    /// Begins with our trace fields.
    pub(super) fn new(
        id: MessageId,
        begun: SystemTime,
        mut staging: Box<dyn Staging>,
        head: &str,
    ) -> Self {
        let staged = staging.write(head.as_bytes()).map(|()| staging);
        Self {
            id,
            begun,
            head_len: head.len() as u64,
            at_start: true,
            own_id: OwnId::default(),
            staged,
        }
    }

    /// Appends. What goes wrong is told at the end, as SMTP has it.
    pub(super) async fn write(&mut self, octets: &[u8]) {
        self.own_id.read(octets);
        let Ok(staging) = &mut self.staged else {
            return;
        };
        if std::mem::take(&mut self.at_start) && !begins_with_a_field(octets) {
            // Else a first line that is no field would be read as part of our own.
            self.head_len += 2;
            if let Err(err) = staging.write(b"\r\n") {
                self.staged = Err(err);
                return;
            }
        }
        let Ok(staging) = &mut self.staged else {
            return;
        };
        if !staging.is_on_disk() && octets.len() < queue::spool::INLINE_MAX {
            if let Err(err) = staging.write(octets) {
                self.staged = Err(err);
            }
            return;
        }
        // The file system may block.
        let Ok(mut staging) = std::mem::replace(&mut self.staged, Err(SpoolError::Closed)) else {
            return;
        };
        let octets = octets.to_vec();
        self.staged = tokio::task::spawn_blocking(move || staging.write(&octets).map(|()| staging))
            .await
            .unwrap_or(Err(SpoolError::Closed));
    }

    /// Makes the mail durable and hands it to the queue.
    ///
    /// # Errors
    /// The spool can't keep it; nothing of it is left.
    pub(super) async fn accept(
        self,
        site: &Site,
        session: &Session,
        visitor: &Visitor,
        runner: &Arc<Runner>,
    ) -> Result<MessageId, SpoolError> {
        let staging = self.staged?;
        let body = if staging.is_on_disk() {
            tokio::task::spawn_blocking(move || staging.finish())
                .await
                .unwrap_or(Err(SpoolError::Closed))?
        } else {
            staging.finish()?
        };
        let seen = session.content();
        let transaction = session.transaction();
        let message = Message {
            id: self.id,
            received: self.begun,
            sender: transaction.sender.clone(),
            recipients: expand(site, &transaction.recipients),
            content: Content {
                size: seen.size + self.head_len,
                received: seen.received + 1,
                ..seen
            },
            origin: Origin {
                client: (visitor.door() == Door::Network)
                    .then(|| visitor.addr().ip().to_canonical()),
                helo: session.helo().map(str::to_owned),
                protocol: session.protocol().to_owned(),
            },
        };
        let (id, size, nrcpt) = (message.id, message.content.size, message.recipients.len());
        let client = visitor.name();
        let from = message.sender.address.clone();
        runner.accept(message, body).await?;
        tracing::info!(
            target: "queue",
            %id, %client, "message-id" = self.own_id.shown(), from = %format_args!("<{}>", echo(&from, 256)), size, nrcpt, proto = session.protocol(),
            helo = %format_args!("<{}>", echo(session.helo().unwrap_or(""), 128)), status = "queued",
        );
        Ok(id)
    }
}

/// Whether content begins with a header field (RFC 5322 §2.2: printable ASCII, then a colon) or with the empty line that
/// ends a header. Of a name that is cut off, what there is of it decides.
fn begins_with_a_field(octets: &[u8]) -> bool {
    if octets.starts_with(b"\r\n") || octets == b"\r" {
        return true;
    }
    match octets
        .iter()
        .position(|&octet| !(b'!'..=b'~').contains(&octet) || octet == b':')
    {
        Some(0) => false,
        Some(end) if octets[end] == b':' => true,
        // Old mailers put blanks before the colon (RFC 5322 §4.5).
        Some(end) => octets[end..]
            .iter()
            .find(|octet| !b" \t".contains(octet))
            .is_none_or(|&octet| octet == b':'),
        None => true,
    }
}

/// The final addresses, each once. What an alias leads to keeps the address it was sent to as ORCPT (RFC 3461 §5.2.7).
pub(crate) fn expand(site: &Site, recipients: &[Recipient]) -> Vec<Recipient> {
    let mut all: Vec<Recipient> = Vec::with_capacity(recipients.len());
    let mut seen = std::collections::HashSet::new();
    for recipient in recipients {
        let addresses = site
            .directory
            .expand(&recipient.address)
            .unwrap_or_else(|_| vec![recipient.address.clone()]);
        for address in addresses {
            if !seen.insert(normal(&address)) {
                continue;
            }
            let orcpt = recipient.orcpt.clone().or_else(|| {
                (address != recipient.address && recipient.address.is_ascii())
                    .then(|| format!("rfc822;{}", xtext(&recipient.address)))
            });
            all.push(Recipient {
                address,
                notify: recipient.notify,
                orcpt,
            });
        }
    }
    all
}

/// RFC 3461 §4: what is not printable ASCII, `+` and `=` are written as `+XX`.
fn xtext(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b'!'..=b'~').contains(&byte) && byte != b'+' && byte != b'=' {
            out.push(char::from(byte));
        } else {
            // Writing into a String does not fail.
            let _ = write!(out, "+{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_field_is_kept_out_of_our_trace() {
        for (content, is_field) in [
            (&b"Subject: x\r\n"[..], true),
            (b"Subject : x\r\n", true),
            (b"Subj", true),
            (b"Subject ", true),
            (b"\r", true),
            (b"\r\nbody", true),
            (b"\t(Authenticated sender: ceo)\r\n", false),
            (b" folded: x\r\n", false),
            (b"just a body\r\n", false),
            (b": x\r\n", false),
            (b"a\r\nb: c\r\n", false),
        ] {
            assert_eq!(
                begins_with_a_field(content),
                is_field,
                "{}",
                content.escape_ascii()
            );
        }
    }
}
