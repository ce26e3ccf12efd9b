//! DMARC (RFC 9989): does the author's domain stand behind this content. DKIM signatures are verified for it.

use mail_auth::dmarc::Policy;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::{AuthenticatedMessage, DmarcResult, MessageAuthenticator, SpfOutput, SpfResult};
use policy::{Event, Fact, Finding, Spf};
use smtp::reply::echo;

use super::Identity;
use super::content::Content;
use super::lookups::{Lookups, Trouble};

/// Signatures of one mail that are looked at; each costs a look-up.
const SIGNATURES_MAX: usize = 8;

/// Says [`Finding::Fail`] only where the domain's policy is to reject what fails. What could not be read is let in, and
/// the log says so.
pub(super) async fn check(
    lookups: &Lookups<'_>,
    event: &Event<'_>,
    identity: &Identity,
    spf: &Fact<Spf>,
    content: Option<&Content>,
) -> Result<Finding, Trouble> {
    let Some(content) = content else {
        return Ok(Finding::Neutral);
    };
    if let Some(why) = content.unread() {
        let (client, from) = (event.client, echo(event.sender, 256));
        tracing::warn!(target: "checks", client = %format_args!("[{client}]"), from = %format_args!("<{from}>"), "a mail is not judged by DMARC: {why}");
        return Ok(Finding::Neutral);
    }
    let Some(mut message) = content.message() else {
        return Ok(Finding::Neutral);
    };
    let Some(author) = author(&message) else {
        return Ok(Finding::Neutral);
    };
    message.dkim_headers.truncate(SIGNATURES_MAX);
    let spf = SpfOutput::new(identity.domain.clone()).with_result(match spf {
        Fact::Known(spf) if spf.finding == Finding::Pass => SpfResult::Pass,
        Fact::Failed { .. } => SpfResult::TempError,
        Fact::Known(_) | Fact::Unasked => SpfResult::None,
    });
    let resolver = MessageAuthenticator(lookups.resolver());
    lookups
        .within(
            &format!("_dmarc.{author}"),
            verify(&resolver, &message, &spf),
        )
        .await
}

/// `None`: a look-up failed that would have decided.
async fn verify(
    resolver: &MessageAuthenticator,
    message: &AuthenticatedMessage<'_>,
    spf: &SpfOutput,
) -> Option<Finding> {
    let dkim = resolver.verify_dkim(message).await;
    let parameters = DmarcParameters::new(message, &dkim, spf.domain(), spf);
    let found = resolver.verify_dmarc(parameters).await;
    let rejects = found.policy() == Policy::Reject;
    match found.result() {
        DmarcResult::Pass => Some(Finding::Pass),
        DmarcResult::Fail(_) if rejects => Some(Finding::Fail),
        // Without a record it is the policy that is not known.
        DmarcResult::TempError(_) if rejects || found.dmarc_record().is_none() => None,
        _ => Some(Finding::Neutral),
    }
}

/// The domain of the one author, or of several of one domain.
fn author(message: &AuthenticatedMessage<'_>) -> Option<String> {
    let mut domains = message
        .from
        .iter()
        .filter_map(|from| Some(from.rsplit_once('@')?.1));
    let first = domains.next()?;
    domains
        .all(|domain| domain == first)
        .then(|| crate::routes::normal_domain(first))
}
