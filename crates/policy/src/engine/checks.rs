//! What is refused by what was looked up: read-only, touches no record.

use super::rules::{Checks, Rules};
use crate::event::{Event, Stage};
use crate::facts::{Fact, Facts, Finding, Question};
use crate::verdict::{About, Reason, Refusal};
use std::time::Duration;

/// Estimates of when a look-up will work are bounded.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(300);

/// Whether each check is on, with what it hangs on.
fn wanted(rules: &Rules) -> impl Iterator<Item = Question> {
    let checks = rules.checks;
    let greylist = &rules.greylist;
    let selective = greylist.selective;
    let named =
        selective.is_some_and(|delays| delays.no_name.is_some() || delays.dynamic_name.is_some());
    let listed = selective.is_some_and(|delays| delays.listed.is_some());
    let reverse = checks.reverse
        || greylist.pool_by_name
        || named
        || !rules.exempt.names.is_empty()
        || greylist.postgrey_clients.has_names();
    let spf_limits = rules
        .limits
        .iter()
        .any(|rule| rule.per == super::rules::Scope::SpfDomain);
    [
        (Question::Reverse, reverse),
        (
            Question::Lists,
            checks.reject_score > 0 || listed || rules.exempt.allow_listed,
        ),
        (
            Question::Spf,
            checks.spf || greylist.pool_by_spf || spf_limits,
        ),
        (Question::SenderDomain, checks.sender_domain),
    ]
    .into_iter()
    .filter_map(|(question, wanted)| wanted.then_some(question))
}

/// What has to be known before a recipient is named: what a check that speaks then hangs on, and who is exempt from it.
fn wanted_early(rules: &Rules, stage: Stage) -> impl Iterator<Item = Question> {
    let checks = rules.checks;
    let (reverse, listed) = (checks.reverse, checks.reject_score > 0);
    let is_mail = stage == Stage::Mail;
    let (spf, sender_domain) = (is_mail && checks.spf, is_mail && checks.sender_domain);
    let any = reverse || listed || spf || sender_domain;
    let exempts = &rules.exempt;
    [
        (
            Question::Reverse,
            reverse || (any && !exempts.names.is_empty()),
        ),
        (Question::Lists, listed || (any && exempts.allow_listed)),
        (Question::Spf, spf),
        (Question::SenderDomain, sender_domain),
    ]
    .into_iter()
    .filter_map(|(question, wanted)| wanted.then_some(question))
}

/// What has to be looked up before this event is judged: nothing twice.
pub(super) fn questions(rules: &Rules, facts: &Facts, event: &Event<'_>) -> Vec<Question> {
    match event.stage {
        Stage::Recipient => wanted(rules)
            .filter(|question| !facts.has(*question))
            .collect(),
        Stage::Helo | Stage::Mail => wanted_early(rules, event.stage)
            .filter(|question| !facts.has(*question))
            .collect(),
        Stage::Message if rules.checks.dmarc && !facts.has(Question::Dmarc) => {
            vec![Question::Dmarc]
        }
        _ => Vec::new(),
    }
}

/// What the checks say of a recipient's mail.
pub(super) fn recipient(checks: Checks, facts: &Facts) -> Option<Refusal> {
    client(checks, facts).or_else(|| sender(checks, facts))
}

/// What they say before that.
pub(super) fn early(checks: Checks, facts: &Facts, stage: Stage) -> Option<Refusal> {
    match stage {
        Stage::Helo => client(checks, facts),
        _ => recipient(checks, facts),
    }
}

fn client(checks: Checks, facts: &Facts) -> Option<Refusal> {
    if checks.reject_score > 0 {
        match &facts.lists {
            Fact::Known(listing) if listing.allowed => {}
            Fact::Known(listing) if listing.score >= checks.reject_score => {
                let words = format!("Blocked using {}", listing.zones.join(", "));
                return Some(Refusal::never(Reason::Denied, (554, (5, 7, 1)), words));
            }
            Fact::Failed { retry } => return Some(failed("block list", (4, 4, 3), *retry)),
            Fact::Known(_) | Fact::Unasked => {}
        }
    }
    if checks.reverse {
        match &facts.reverse {
            Fact::Known(reverse) if !reverse.confirmed => {
                let words = "No reverse name that leads back to your address";
                return Some(Refusal::never(Reason::Denied, (550, (5, 7, 25)), words));
            }
            Fact::Failed { retry } => return Some(failed("your reverse name", (4, 4, 3), *retry)),
            Fact::Known(_) | Fact::Unasked => {}
        }
    }
    None
}

fn sender(checks: Checks, facts: &Facts) -> Option<Refusal> {
    if checks.sender_domain {
        match &facts.sender_domain {
            Fact::Known(false) => {
                let words = "Sender's domain takes no mail";
                return Some(Refusal::never(Reason::Sender, (550, (5, 1, 8)), words));
            }
            Fact::Failed { retry } => {
                let failed = failed("the sender's domain", (4, 4, 3), *retry);
                return Some(failed.about(About::Sender));
            }
            Fact::Known(true) | Fact::Unasked => {}
        }
    }
    if checks.spf {
        match &facts.spf {
            Fact::Known(spf) if spf.finding == Finding::Fail => {
                let words = "SPF of the sender's domain does not name your address";
                return Some(Refusal::never(Reason::Sender, (550, (5, 7, 23)), words));
            }
            Fact::Failed { retry } => {
                let failed = failed("the sender's SPF record", (4, 7, 24), *retry);
                return Some(failed.about(About::Sender));
            }
            Fact::Known(_) | Fact::Unasked => {}
        }
    }
    None
}

/// What DMARC says of a whole mail.
pub(super) fn message(checks: Checks, facts: &Facts) -> Option<Refusal> {
    if !checks.dmarc {
        return None;
    }
    match &facts.dmarc {
        Fact::Known(Finding::Fail) => {
            let words = "DMARC of the author's domain says to reject this";
            Some(Refusal::never(Reason::Denied, (550, (5, 7, 1)), words))
        }
        Fact::Failed { retry } => Some(failed("the author's DMARC record", (4, 4, 3), *retry)),
        Fact::Known(_) | Fact::Unasked => None,
    }
}

fn failed(what: &str, status: (u8, u8, u16), retry: Option<Duration>) -> Refusal {
    let wait = retry.map(|retry| retry.clamp(RETRY_MIN, RETRY_MAX));
    let wait_secs = wait.map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
    let words = format!("Look-up of {what} failed");
    Refusal::wait(Reason::Lookup, (451, status), &words, wait_secs)
}
