//! A mail's own `Message-ID:`, read as its content passes by: by it a mail is found in the log.

/// The field's name, in small letters.
const NAME: &[u8] = b"message-id";
/// The most octets of one that are logged. RFC 5322 has no limit but the line's 998.
const MAX_LEN: usize = 250;

/// Looks for the first one in a header section.
#[derive(Debug, Default)]
pub(super) struct OwnId {
    place: Place,
    id: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    /// At the first octet of a line.
    #[default]
    Start,
    /// In a field name; so many octets of it fit.
    Name(usize),
    /// In a line where nothing is looked for.
    Elsewhere,
    /// Behind the colon.
    Before,
    /// At the first octet of a line that may go on with the field (RFC 5322 §2.2.3).
    Folded,
    /// In it.
    Inside,
    /// Behind it, or behind the header section.
    Over,
}

impl OwnId {
    /// Content, in pieces of any size; lines end with LF.
    pub(super) fn read(&mut self, octets: &[u8]) {
        for &octet in octets {
            if matches!(self.place, Place::Over) {
                return;
            }
            self.place = self.step(octet);
        }
    }

    fn step(&mut self, octet: u8) -> Place {
        match (self.place, octet) {
            (Place::Start, b'\r' | b'\n') => Place::Over,
            (Place::Name(_) | Place::Elsewhere, b'\n') => Place::Start,
            (Place::Name(at), b':') if at == NAME.len() => Place::Before,
            // Old mailers put blanks there (RFC 5322 §4.5).
            (Place::Name(at), b' ' | b'\t') if at == NAME.len() => self.place,
            (Place::Start, _) => name(0, octet),
            (Place::Name(at), _) => name(at, octet),
            (Place::Before, b'\n') => Place::Folded,
            (Place::Before | Place::Folded, b' ' | b'\t') | (Place::Before, b'\r') => Place::Before,
            // The field was empty.
            (Place::Folded, _) => Place::Over,
            (Place::Before | Place::Inside, _) => {
                // Blank and comma end the field of our log, too, and would let another one be made up.
                if octet.is_ascii_whitespace() || octet == b',' || self.id.len() == MAX_LEN {
                    return Place::Over;
                }
                self.id.push(octet);
                Place::Inside
            }
            (Place::Elsewhere | Place::Over, _) => self.place,
        }
    }

    /// As it is logged; `None` where there was none.
    pub(super) fn shown(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.id);
        let shown = smtp::reply::echo(&text, MAX_LEN).into_owned();
        (!shown.is_empty()).then_some(shown)
    }
}

fn name(at: usize, octet: u8) -> Place {
    if NAME.get(at) == Some(&octet.to_ascii_lowercase()) {
        Place::Name(at + 1)
    } else {
        Place::Elsewhere
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_where_it_stands() {
        let long = format!("Message-ID: <{}>\r\n", "x".repeat(2 * MAX_LEN));
        let cut = format!("<{}", "x".repeat(MAX_LEN - 1));
        for (content, expected) in [
            ("Subject: x\r\nMessage-ID: <a@b>\r\n\r\n", Some("<a@b>")),
            ("message-id:<a@b>\r\n", Some("<a@b>")),
            ("MESSAGE-ID :\r\n\t<a@b>\r\n", Some("<a@b>")),
            ("Message-ID: <a@b> (words)\r\n", Some("<a@b>")),
            ("Message-ID: <a@b>\r\nMessage-ID: <c@d>\r\n", Some("<a@b>")),
            ("Message-ID: <a\u{1b}[2J\u{202e}@b>\r\n", Some("<a[2J@b>")),
            ("Message-ID: x, status=sent\r\n", Some("x")),
            ("Message-ID: x,status=sent\r\n", Some("x")),
            ("Message-ID: ,status=sent\r\n", None),
            (&long, Some(&cut)),
            ("Message-ID:\r\nSubject: x\r\n\r\n", None),
            ("Message-ID: \r\n\r\n<a@b>", None),
            ("Resent-Message-ID: <a@b>\r\n", None),
            ("Message-IDs: <a@b>\r\n", None),
            ("X: y\r\n Message-ID: <a@b>\r\n", None),
            ("Subject: x\r\n\r\nMessage-ID: <a@b>\r\n", None),
            ("\r\nMessage-ID: <a@b>\r\n", None),
            ("", None),
        ] {
            for piece_len in [1, 3, 1000] {
                let mut id = OwnId::default();
                for piece in content.as_bytes().chunks(piece_len) {
                    id.read(piece);
                }
                assert_eq!(id.shown().as_deref(), expected, "{content:?}");
            }
        }
    }
}
