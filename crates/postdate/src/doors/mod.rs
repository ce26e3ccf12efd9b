//! Other mail servers' ways to ask: Postfix's policy protocol, milter, OpenSMTPD's filter. A door turns its protocol's
//! questions into [`policy::Event`]s, and the verdict into its protocol's answer. It decides nothing.

mod alone;
mod content;
mod desk;
mod listener;
mod milter;
mod opensmtpd;
mod postfix;
mod reading;
mod sockets;
#[cfg(test)]
mod tests;

pub(crate) use alone::Alone;
pub(crate) use desk::Desk;
pub(crate) use listener::group;
pub(crate) use opensmtpd::filter;
pub(crate) use sockets::Doors;
