//! The command line.

mod config;
mod hint;
mod policy;
mod queue;
mod route;
mod running;
mod sendmail;
mod serve;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Exit codes beside 0, after sysexits.h where it has one.
pub(crate) mod exit {
    /// Something went wrong; it was said on standard error.
    pub(crate) const FAILURE: u8 = 1;
    /// The command line is wrong, as clap says it.
    pub(crate) const USAGE: u8 = 2;
    /// `EX_USAGE`, for `sendmail`.
    pub(crate) const EX_USAGE: u8 = 64;
    /// `EX_DATAERR`: the mail itself is wrong.
    pub(crate) const EX_DATAERR: u8 = 65;
    /// `EX_NOUSER`: a recipient is not accepted.
    pub(crate) const EX_NOUSER: u8 = 67;
    /// `EX_TEMPFAIL`: try again later.
    pub(crate) const EX_TEMPFAIL: u8 = 75;
    /// `EX_CONFIG`: the configuration is wrong.
    pub(crate) const EX_CONFIG: u8 = 78;
}

/// A mail transfer agent in which a temporary failure has an end: the receiving side says when, the sending side comes
/// back then.
#[derive(Parser)]
#[command(name = "postdate", version, max_term_width = 100)]
struct Cli {
    /// The configuration file [default: /etc/postdate/postdate.toml if it exists, else embedded defaults]
    #[arg(
        long,
        short = 'c',
        global = true,
        env = "POSTDATE_CONFIG",
        value_name = "FILE"
    )]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the mail server.
    ///
    /// Without a configuration it listens on 127.0.0.1:2525 and keeps everything below ./postdate-data. SIGTERM ends
    /// it when what is under way is finished; SIGHUP takes over a changed configuration, whole or not at all.
    Serve,
    /// Watch two real nodes on loopback keep an appointment, in 10 seconds.
    Demo,
    /// Say how a reply is read: the wait it names, in which tongue, and what it holds back.
    Hint(hint::Args),
    /// Look at the mail that waits, and act on it. Works with the server running and without it.
    #[command(subcommand)]
    Queue(queue::Command),
    /// Answer other mail servers (Postfix, Exim, Sendmail, OpenSMTPD), and ask what the rules see.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Say where mail for an address goes: its aliases, its mailbox, the next hop. Asks no DNS and no server.
    Route(route::Args),
    /// Print a sample configuration, or check one.
    #[command(subcommand)]
    Config(config::Command),
    /// Take a mail from standard input, as sendmail does: for programs on this machine.
    ///
    /// All recipients get the mail, or none does: exit code 67 when one is refused. Understands -t, -f ADDRESS, -F NAME,
    /// -i, -bs, -bp, -bm, -bi, -q, -N, -R, -V and -C FILE; other -o and -O options are accepted and ignored.
    #[command(disable_help_flag = true)]
    Sendmail {
        /// Options as of sendmail, and recipients.
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "ARGS"
        )]
        args: Vec<OsString>,
    },
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Runs the command that the arguments name.
pub(crate) fn run() -> ExitCode {
    // Mail is nobody else's business: what is made without a mode of its own is for its owner alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let mut args = std::env::args_os();
    let called = args.next().map(PathBuf::from).unwrap_or_default();
    match called.file_name().and_then(|name| name.to_str()) {
        Some("sendmail") => return sendmail::run(None, args.collect()),
        Some("newaliases") => return sendmail::run(None, vec!["-bi".into()]),
        Some("mailq") => return sendmail::run(None, vec!["-bp".into()]),
        _ => {}
    }
    let cli = Cli::parse();
    let file = cli.config.as_deref();
    match cli.command {
        Command::Serve => serve::run(file),
        Command::Demo => crate::demo::run(),
        Command::Hint(args) => hint::run(&args),
        Command::Queue(command) => queue::run(file, &command),
        Command::Policy(command) => policy::run(file, &command),
        Command::Route(args) => route::run(file, &args),
        Command::Config(command) => config::run(file, &command),
        Command::Sendmail { args } if args == ["--help"] => sendmail_help(),
        Command::Sendmail { args } => sendmail::run(file, args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "postdate", &mut script);
            said(String::from_utf8_lossy(&script).trim_end())
        }
    }
}

/// `-h` is a hop count there.
fn sendmail_help() -> ExitCode {
    let mut all = Cli::command();
    all.build();
    match all.find_subcommand_mut("sendmail") {
        Some(command) => said(command.render_long_help().to_string().trim_end()),
        None => ExitCode::from(exit::USAGE),
    }
}

/// Says what is wrong and gives the exit code.
pub(crate) fn fail(code: u8, what: impl std::fmt::Display) -> ExitCode {
    eprintln!("postdate: {what}");
    ExitCode::from(code)
}

/// Says what a command found, and gives the exit code.
fn said(text: impl std::fmt::Display) -> ExitCode {
    match crate::stdout::answer(text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => fail(exit::FAILURE, err),
    }
}

/// Says where was looked for what is not there: an administrator who forgot `-c` must not take it for empty.
fn never_ran(what: &str, dir: &Path) {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    eprintln!(
        "postdate: no {what} in {}: name the server's configuration with -c, or start it once",
        dir.display()
    );
}

/// The configuration, or what to say of it.
fn configuration(file: Option<&Path>) -> Result<crate::config::Config, ExitCode> {
    crate::config::load_or_default(file)
        .map(|(config, _)| config)
        .map_err(|err| fail(exit::EX_CONFIG, err))
}
