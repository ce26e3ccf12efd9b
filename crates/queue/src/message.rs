//! A message: what never changes after its `250`.

use std::net::IpAddr;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use smtp::{Content, Recipient, Sender};

use crate::MessageId;

/// The envelope of a mail in the queue. Written once, never changed; what a retry moves is [`crate::Progress`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its name.
    pub id: MessageId,
    /// When it was accepted. Its lifetime runs from here.
    pub received: SystemTime,
    /// The sender.
    pub sender: Sender,
    /// The recipients; their index is their name in [`crate::Progress`] and [`crate::Report`].
    pub recipients: Vec<Recipient>,
    /// What its content is (with our own trace fields).
    pub content: Content,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a message came from: for logs and `queue show`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The client's address; none for what was submitted on this machine and for our own notices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// Its HELO name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helo: Option<String>,
    /// `ESMTPS` and so on; `local` for `sendmail`; `notice` for our own.
    #[serde(default)]
    pub protocol: String,
}
