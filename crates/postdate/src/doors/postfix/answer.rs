//! What Postfix is told to do (access(5)).

use policy::{Refusal, Verdict};

use crate::config::PostfixAction;
use crate::judge::brief;

/// `action=…`, with its empty line. `header` is the `X-Greylist:` field of a mail that came back.
pub(super) fn answer(verdict: &Verdict, header: Option<&str>, action: PostfixAction) -> String {
    match verdict {
        Verdict::Accept { .. } => match header {
            Some(header) => format!("action=PREPEND {header}\n\n"),
            None => "action=DUNNO\n\n".to_owned(),
        },
        Verdict::Refuse(refusal) => format!("action={}\n\n", refused(refusal, action)),
    }
}

/// Postfix puts `<recipient>: Recipient address rejected: ` between the status and our words; a sender that obeys hints
/// reads the hint behind that too.
fn refused(refusal: &Refusal, action: PostfixAction) -> String {
    let (class, subject, detail) = refusal.status;
    let status = format!("{class}.{subject}.{detail}");
    let words = brief(refusal);
    match action {
        // A 421 closes the session, which no permission later on can outweigh.
        PostfixAction::DeferIfPermit if refusal.code < 500 && refusal.code != 421 => {
            format!("DEFER_IF_PERMIT {status} {words}")
        }
        _ => format!("{} {status} {words}", refusal.code),
    }
}
