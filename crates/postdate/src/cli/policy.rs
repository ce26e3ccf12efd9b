//! `postdate policy`.

mod check;
mod doors;
mod entry;
mod forget;
mod line;
mod never_returned;
mod records;
mod show;
mod shown;
mod stats;
mod which;

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use crate::control::change::Word;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Answer Postfix, Exim and Sendmail: as their policy server, or as their milter.
    ///
    /// Listens on policy.listen and policy.milter, and where nothing is named, on inet:127.0.0.1:10023, in postgrey's
    /// place. It has a data directory to itself: where `postdate serve` runs, name the sockets in its configuration
    /// instead. SIGTERM ends it; SIGHUP takes over a changed configuration.
    Serve(doors::Serve),
    /// Be a filter of OpenSMTPD, which starts it: questions on standard input, answers on standard output.
    ///
    /// It has a data directory to itself, which the user that OpenSMTPD runs filters as must be able to write.
    Filter(doors::Filter),
    /// Say what the DNS says of a client and a sender, as the rules would see it.
    Check(check::Args),
    /// Show what is remembered, and until when: who waits, who is let in, what limits count, which mailboxes are full.
    ///
    /// Works with the server running and without it, as all that follow do.
    Show(show::Args),
    /// Forget what is remembered of a client, a sender or a recipient. Who was told a time is a stranger again.
    ///
    /// What counts against a client that never came back is forgotten where only --client is given. Who was accepted
    /// stays so, and entries of allow and deny stay. A sender domain that was seen is forgotten by its name, not with one
    /// of its senders.
    Forget(forget::Args),
    /// Let somebody in without a wait: no rule but a full mailbox is asked.
    Allow(entry::Args),
    /// Refuse somebody for good, with 550 5.7.1.
    Deny(entry::Args),
    /// Say how many hints were given, for which reason, and how they were kept.
    Stats(stats::Args),
    /// List who was asked to come back and never did; or write them as a DNSBL zone.
    NeverReturned(never_returned::Args),
}

pub(super) fn run(file: Option<&Path>, command: &Command) -> ExitCode {
    match command {
        Command::Serve(args) => doors::run(file, args),
        Command::Filter(args) => doors::run_filter(file, args),
        Command::Check(args) => check::run(file, args),
        Command::Show(args) => show::run(file, args),
        Command::Forget(args) => forget::run(file, args),
        Command::Allow(args) => entry::run(file, args, Word::Allow),
        Command::Deny(args) => entry::run(file, args, Word::Deny),
        Command::Stats(args) => stats::run(file, args),
        Command::NeverReturned(args) => never_returned::run(file, args),
    }
}
