//! What a duration is that is no wait: for explaining, never for deciding.

use core::ops::Range;

use super::aside::WINDOW;
use super::duration::{Form, duration};
use super::{Phrase, Scan, bytes, clock};
use crate::framing::Reply;

/// Something like a wait that was not read as one, and where it stands.
pub(crate) enum Instead {
    /// "per 5 minutes", "in the last hour".
    Window(Range<usize>),
    /// In another server's reply that this one quotes.
    Quoted(Range<usize>),
    /// "10:05:00 GMT"
    PointInTime(Range<usize>),
    /// A duration, but no word says that it is to be waited.
    Unexplained(Range<usize>),
}

/// The first duration or time of the day in the text.
pub(crate) fn instead(reply: &Reply<'_>) -> Option<Instead> {
    let mut scan = Scan::new(reply);
    let mut quoted = false;
    while scan.word(0).is_some() {
        quoted |= scan.quotes_another_reply();
        if let Some(time) = duration(&scan, 0).filter(|time| time.form != Form::Clock) {
            let at = bytes(
                &scan,
                &Phrase {
                    secs: 0,
                    first: 0,
                    last: time.last,
                    remains: false,
                },
            );
            return Some(if quoted {
                Instead::Quoted(at)
            } else if is_window(&scan) {
                Instead::Window(at)
            } else {
                Instead::Unexplained(at)
            });
        }
        if clock(scan.text(0)).is_some_and(|clock| clock.parts > 1) {
            return Some(Instead::PointInTime(bytes(
                &scan,
                &Phrase {
                    secs: 0,
                    first: 0,
                    last: 0,
                    remains: false,
                },
            )));
        }
        scan.advance();
    }
    None
}

/// "per 5 minutes", "max 20 connections 300 seconds", "100 messages in 10 minutes".
fn is_window(scan: &Scan<'_>) -> bool {
    let counted = (-3..-1).any(|k| scan.text(k).first().is_some_and(u8::is_ascii_digit));
    scan.before(0, 3, WINDOW).is_some() || scan.is(-1, "in") && counted
}
