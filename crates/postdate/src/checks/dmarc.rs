//! DMARC (RFC 9989): does the author's domain stand behind this content. DKIM signatures are verified for it.

use std::sync::Arc;

use mail_auth::dmarc::Policy;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::{AuthenticatedMessage, DmarcResult, MessageAuthenticator, SpfOutput, SpfResult};
use policy::{Fact, Finding, Spf};

use super::Identity;
use super::lookups::{Lookups, Trouble};

/// Octets of content whose signatures are verified. Of a larger mail only SPF can speak, and when it doesn't, nothing is
/// held against the mail.
const CONTENT_MAX: usize = 32 << 20;

/// Signatures of one mail that are looked at; each costs a look-up.
const SIGNATURES_MAX: usize = 8;

/// Says [`Finding::Fail`] only where the domain's policy is to reject what fails.
pub(super) async fn check(
    lookups: &Lookups<'_>,
    identity: &Identity,
    spf: &Fact<Spf>,
    content: Option<&Arc<Vec<u8>>>,
) -> Result<Finding, Trouble> {
    let Some(content) = content else {
        return Ok(Finding::Neutral);
    };
    let Some(author) = author(head(content)) else {
        return Ok(Finding::Neutral);
    };
    let spf = SpfOutput::new(identity.domain.clone()).with_result(match spf {
        Fact::Known(spf) if spf.finding == Finding::Pass => SpfResult::Pass,
        Fact::Failed { .. } => SpfResult::TempError,
        Fact::Known(_) | Fact::Unasked => SpfResult::None,
    });
    let content = Arc::clone(content);
    let resolver = MessageAuthenticator(lookups.resolver());
    let runtime = tokio::runtime::Handle::current();
    let deadline = lookups.deadline();
    lookups
        .within(&format!("_dmarc.{author}"), async {
            // Hashing the content takes its time. The thread must not outlive ours.
            let verified = tokio::task::spawn_blocking(move || {
                runtime.block_on(async {
                    let verified = verify(&resolver, &content, &spf);
                    tokio::time::timeout_at(deadline, verified).await
                })
            });
            verified.await.ok()?.ok()?
        })
        .await
}

/// `None`: a look-up failed that would have decided.
async fn verify(
    resolver: &MessageAuthenticator,
    content: &[u8],
    spf: &SpfOutput,
) -> Option<Finding> {
    let whole = content.len() <= CONTENT_MAX;
    let read = if whole { content } else { head(content) };
    let Some(mut message) = AuthenticatedMessage::parse(read) else {
        return Some(Finding::Neutral);
    };
    message
        .dkim_headers
        .truncate(if whole { SIGNATURES_MAX } else { 0 });
    let dkim = resolver.verify_dkim(&message).await;
    let parameters = DmarcParameters::new(&message, &dkim, spf.domain(), spf);
    let found = resolver.verify_dmarc(parameters).await;
    let rejects = found.policy() == Policy::Reject;
    match found.result() {
        DmarcResult::Pass => Some(Finding::Pass),
        DmarcResult::Fail(_) if rejects && whole => Some(Finding::Fail),
        // Without a record it is the policy that is not known.
        DmarcResult::TempError(_) if rejects || found.dmarc_record().is_none() => None,
        _ => Some(Finding::Neutral),
    }
}

/// The domain of the one author, or of several of one domain.
fn author(head: &[u8]) -> Option<String> {
    let message = AuthenticatedMessage::parse(head)?;
    let mut domains = message
        .from
        .iter()
        .filter_map(|from| Some(from.rsplit_once('@')?.1));
    let first = domains.next()?;
    domains
        .all(|domain| domain == first)
        .then(|| crate::routes::normal_domain(first))
}

/// The fields, with the empty line behind them.
fn head(content: &[u8]) -> &[u8] {
    let end = content.windows(4).position(|four| four == b"\r\n\r\n");
    end.map_or(content, |end| &content[..end + 4])
}
