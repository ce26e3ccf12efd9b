//! What the tests of the whole binary share: directories, processes, real peers, a client and a sink of our own.
//!
//! Real peers need real time. Nothing sleeps for a fixed time: everything waits by looking again, with a deadline.
#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]
#![allow(clippy::disallowed_methods, reason = "real peers need real time")]

mod awkward;
mod chance;
mod client;
mod dir;
mod disk;
mod docs;
mod dovecot;
mod exim;
mod jail;
mod mailbox;
mod name_server;
mod node;
mod offenders;
mod opensmtpd;
mod policy;
mod ports;
mod postfix;
mod postgrey;
mod process;
mod proxy;
mod rbldnsd;
mod sendmail;
mod signed;
mod sink;
mod swaks;
mod wait;

pub(crate) use awkward::Awkward;
pub(crate) use chance::{Chance, setting};
pub(crate) use client::{Client, content, send};
pub(crate) use dir::TempDir;
pub(crate) use disk::SmallDisk;
pub(crate) use docs::{pasted, pasted_with_port, said};
pub(crate) use dovecot::Dovecot;
pub(crate) use exim::Exim;
pub(crate) use mailbox::{Mail, body_of, lf, maildir};
pub(crate) use name_server::NameServer;
pub(crate) use node::{Node, repository, run, text};
pub(crate) use offenders::never_returned;
pub(crate) use opensmtpd::OpenSmtpd;
pub(crate) use policy::PolicyServer;
pub(crate) use ports::free_port;
pub(crate) use postfix::Postfix;
pub(crate) use postgrey::Postgrey;
pub(crate) use process::{Process, tool};
pub(crate) use proxy::Proxy;
pub(crate) use rbldnsd::Rbldnsd;
pub(crate) use sendmail::Sendmail;
pub(crate) use signed::{KEY, signed_as};
pub(crate) use sink::{Answer, Sink, Taken};
pub(crate) use swaks::{refusal, swaks};
pub(crate) use wait::{LONG, now, until, within};
