//! What a mail server is told, in packets.

use super::packet::Offer;

/// `SMFIF_ADDHDRS`: header fields may be added.
const ADD_HEADERS: u32 = 0x01;
/// `SMFIF_SETSYMLIST`: the macros that are wanted may be named.
const SET_MACROS: u32 = 0x100;

/// What needn't be sent: commands that the server doesn't know, DATA.
const NOT_WANTED: u32 = 0x100 | 0x200;
/// Nor the content, where no rule wants it: the body, header fields, the header's end.
const CONTENT: u32 = 0x10 | 0x20 | 0x40;
/// `SMFIP_SKIP`: the rest of a body may be left out.
const SKIP_BODY: u32 = 0x400;
/// `SMFIP_HDR_LEADSPC`: a field's value comes with the blanks before it, which a signature may cover.
const LEADING_SPACE: u32 = 0x10_0000;

/// The macros that are wanted, by stage: connect, MAIL.
const MACROS: [(u32, &str); 2] = [(0, "{client_ptr}"), (2, "i {auth_authen}")];

/// Go on.
pub(super) const CONTINUE: &[u8] = &[0, 0, 0, 1, b'c'];
/// Go on, without the rest of the body (`SMFIS_SKIP`).
pub(super) const SKIP: &[u8] = &[0, 0, 0, 1, b's'];

/// What a mail server and we have agreed on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terms {
    /// Header fields can be added.
    pub(super) adds_headers: bool,
    /// The rest of a body can be left out.
    pub(super) skips: bool,
    /// A field's value comes with the blanks before it.
    pub(super) leading_space: bool,
}

/// The answer to what a mail server can do, and what is agreed on thereby. `content`: it is to be sent.
pub(super) fn negotiate(offer: Offer, content: bool) -> (Vec<u8>, Terms) {
    let wanted = if content {
        NOT_WANTED | SKIP_BODY | LEADING_SPACE
    } else {
        NOT_WANTED | CONTENT
    };
    let actions = offer.actions & (ADD_HEADERS | SET_MACROS);
    let protocol = offer.protocol & wanted;
    let mut data = Vec::with_capacity(64);
    for number in [offer.version.min(6), actions, protocol] {
        data.extend_from_slice(&number.to_be_bytes());
    }
    if actions & SET_MACROS != 0 {
        for (stage, names) in MACROS {
            data.extend_from_slice(&stage.to_be_bytes());
            data.extend_from_slice(names.as_bytes());
            data.push(0);
        }
    }
    let terms = Terms {
        adds_headers: actions & ADD_HEADERS != 0,
        skips: protocol & SKIP_BODY != 0,
        leading_space: protocol & LEADING_SPACE != 0,
    };
    (packet(b'O', &data), terms)
}

/// The reply that the client gets, as it stands. A percent sign is doubled, since Sendmail and Postfix take one of two
/// away.
pub(super) fn refuse(reply: &str) -> Vec<u8> {
    let mut data = reply.replace('%', "%%").into_bytes();
    data.push(0);
    packet(b'y', &data)
}

/// A header field, `Name: value`; only at the end of a message, before it goes on.
pub(super) fn add_header(field: &str) -> Vec<u8> {
    let (name, value) = field.split_once(": ").unwrap_or((field, ""));
    packet(b'h', format!("{name}\0{value}\0").as_bytes())
}

fn packet(command: u8, data: &[u8]) -> Vec<u8> {
    let len = u32::try_from(data.len() + 1).unwrap_or(u32::MAX);
    let mut packet = len.to_be_bytes().to_vec();
    packet.push(command);
    packet.extend_from_slice(data);
    packet
}
