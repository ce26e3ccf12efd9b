//! ESMTP parameters of MAIL and RCPT (RFC 5321 §4.1.2; RFC 1870, 3461, 6152, 6531).

use super::xtext;
use crate::envelope::{BodyKind, Notify, Ret};
use crate::reply::Reply;
use crate::server::replies;

/// The longest ENVID, in characters before encoding (RFC 3461 §4.4).
const MAX_ENVID_LEN: usize = 100;

/// The longest ORCPT, in octets as written (RFC 3461 §4.2).
const MAX_ORCPT_LEN: usize = 500;

/// The most digits of SIZE (RFC 1870 §4).
const MAX_SIZE_DIGITS: usize = 20;

/// Parameters of MAIL.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::server) struct MailParams {
    pub(in crate::server) body: Option<BodyKind>,
    pub(in crate::server) smtputf8: bool,
    pub(in crate::server) size: Option<u64>,
    pub(in crate::server) ret: Option<Ret>,
    pub(in crate::server) envid: Option<String>,
}

impl MailParams {
    pub(in crate::server) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Parameters of RCPT.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::server) struct RcptParams {
    pub(in crate::server) notify: Option<Notify>,
    pub(in crate::server) orcpt: Option<String>,
}

impl RcptParams {
    pub(in crate::server) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One `keyword[=value]`.
struct Param<'a> {
    keyword: &'a str,
    value: Option<&'a str>,
}

impl<'a> Param<'a> {
    fn is(&self, keyword: &str) -> bool {
        self.keyword.eq_ignore_ascii_case(keyword)
    }

    /// The value, where there must be one.
    fn value(&self) -> Result<&'a str, Reply> {
        self.value.ok_or(replies::BAD_PARAMETER)
    }
}

pub(super) fn mail_params(args: &str) -> Result<MailParams, Reply> {
    let mut params = MailParams::default();
    for param in split(args) {
        if param.is("SIZE") {
            once(&mut params.size, size(param.value()?))?;
        } else if param.is("BODY") {
            once(&mut params.body, Some(body(param.value()?)?))?;
        } else if param.is("SMTPUTF8") {
            if params.smtputf8 || param.value.is_some() {
                return Err(replies::BAD_PARAMETER);
            }
            params.smtputf8 = true;
        } else if param.is("RET") {
            once(&mut params.ret, ret(param.value()?))?;
        } else if param.is("ENVID") {
            once(&mut params.envid, envid(param.value()?))?;
        } else {
            return Err(replies::UNKNOWN_PARAMETER);
        }
    }
    Ok(params)
}

pub(super) fn rcpt_params(args: &str) -> Result<RcptParams, Reply> {
    let mut params = RcptParams::default();
    for param in split(args) {
        if param.is("NOTIFY") {
            once(&mut params.notify, notify(param.value()?))?;
        } else if param.is("ORCPT") {
            once(&mut params.orcpt, orcpt(param.value()?))?;
        } else {
            return Err(replies::UNKNOWN_PARAMETER);
        }
    }
    Ok(params)
}

fn split(args: &str) -> impl Iterator<Item = Param<'_>> {
    let words = args.split(' ').filter(|word| !word.is_empty());
    words.map(|word| match word.split_once('=') {
        Some((keyword, value)) => Param {
            keyword,
            value: Some(value),
        },
        None => Param {
            keyword: word,
            value: None,
        },
    })
}

/// Sets what was not set before. `read` is `None` where the value means nothing.
fn once<T>(slot: &mut Option<T>, read: Option<T>) -> Result<(), Reply> {
    let read = read.filter(|_| slot.is_none());
    *slot = Some(read.ok_or(replies::BAD_PARAMETER)?);
    Ok(())
}

/// A size beyond what fits is the largest there is: too large in any case.
fn size(value: &str) -> Option<u64> {
    let fits = (1..=MAX_SIZE_DIGITS).contains(&value.len());
    let ok = fits && value.bytes().all(|b| b.is_ascii_digit());
    ok.then(|| value.parse().unwrap_or(u64::MAX))
}

fn body(value: &str) -> Result<BodyKind, Reply> {
    if value.eq_ignore_ascii_case("7BIT") {
        Ok(BodyKind::SevenBit)
    } else if value.eq_ignore_ascii_case("8BITMIME") {
        Ok(BodyKind::EightBitMime)
    } else if value.eq_ignore_ascii_case("BINARYMIME") {
        Err(replies::UNKNOWN_PARAMETER)
    } else {
        Err(replies::BAD_PARAMETER)
    }
}

fn ret(value: &str) -> Option<Ret> {
    if value.eq_ignore_ascii_case("FULL") {
        Some(Ret::Full)
    } else if value.eq_ignore_ascii_case("HDRS") {
        Some(Ret::Hdrs)
    } else {
        None
    }
}

fn envid(value: &str) -> Option<String> {
    let fits = (1..=MAX_ENVID_LEN).contains(&xtext::decoded_len(value, false)?);
    fits.then(|| value.to_owned())
}

/// `NEVER` alone, or each of the others at most once (RFC 3461 §4.1).
fn notify(value: &str) -> Option<Notify> {
    if value.eq_ignore_ascii_case("NEVER") {
        return Some(Notify::Never);
    }
    let (mut success, mut failure, mut delay) = (false, false, false);
    for word in value.split(',') {
        let flag = if word.eq_ignore_ascii_case("SUCCESS") {
            &mut success
        } else if word.eq_ignore_ascii_case("FAILURE") {
            &mut failure
        } else if word.eq_ignore_ascii_case("DELAY") {
            &mut delay
        } else {
            return None;
        };
        if std::mem::replace(flag, true) {
            return None;
        }
    }
    Some(Notify::On {
        success,
        failure,
        delay,
    })
}

/// `addr-type;xtext`; of type `utf-8` also unencoded UTF-8 (RFC 6533 §3).
fn orcpt(value: &str) -> Option<String> {
    let (kind, address) = value.split_once(';')?;
    let kind_ok = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let utf8 = kind.eq_ignore_ascii_case("utf-8");
    let ok = kind_ok && value.len() <= MAX_ORCPT_LEN && xtext::decoded_len(address, utf8)? > 0;
    ok.then(|| value.to_owned())
}
