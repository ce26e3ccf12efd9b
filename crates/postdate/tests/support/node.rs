//! The real binary.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::{LONG, Mail, Process, TempDir, maildir, until};

/// A node with a configuration and a data directory of its own. Mail for `here.test` is delivered to it.
pub(crate) struct Node {
    process: Option<Process>,
    pub(crate) address: SocketAddr,
    /// The data directory.
    pub(crate) data: PathBuf,
    pub(crate) config: PathBuf,
    log: PathBuf,
    out: PathBuf,
    /// A program that the node runs under, such as strace.
    wrapper: Vec<String>,
}

impl Node {
    /// A node that takes everything for `here.test` at once; `tables` is the rest of its configuration.
    #[track_caller]
    pub(crate) fn start(dir: &TempDir, name: &str, tables: &str) -> Self {
        let mut node = Self::prepared(dir, name, "127.0.0.1:0", tables);
        node.run();
        node
    }

    /// The same at a fixed port, for senders that must find it again.
    #[track_caller]
    pub(crate) fn start_at(dir: &TempDir, name: &str, port: u16, tables: &str) -> Self {
        let mut node = Self::prepared(dir, name, &format!("127.0.0.1:{port}"), tables);
        node.run();
        node
    }

    /// The same under another program.
    #[track_caller]
    pub(crate) fn start_under(dir: &TempDir, name: &str, wrapper: &[&str], tables: &str) -> Self {
        let mut node = Self::prepared(dir, name, "127.0.0.1:0", tables);
        node.wrapper = wrapper.iter().map(|word| (*word).to_owned()).collect();
        node.run();
        node
    }

    /// Configured, not started.
    pub(crate) fn prepared(dir: &TempDir, name: &str, listen: &str, tables: &str) -> Self {
        let data = dir.join(name);
        let node = Self {
            process: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            config: dir.join(&format!("{name}.toml")),
            log: dir.join(&format!("{name}.log")),
            out: dir.join(&format!("{name}.out")),
            wrapper: Vec::new(),
            data,
        };
        node.configure_at(listen, name, tables);
        node
    }

    fn configure_at(&self, listen: &str, name: &str, tables: &str) {
        let mut tables = tables.to_owned();
        if !tables.contains("[local]") {
            tables.push_str("\n[local]\ndomains = [\"here.test\"]\nmailboxes = { \"*@here.test\" = \"mail/{user}\" }\n");
        }
        if !tables.contains("[greylist]") {
            tables.push_str("\n[greylist]\nmode = \"off\"\n");
        }
        let text = format!(
            "hostname = \"{name}.test\"\ndata_dir = \"{}\"\n[[listen]]\naddress = \"{listen}\"\n{tables}",
            self.data.display()
        );
        fs::write(&self.config, text).expect("a configuration");
    }

    /// Starts it, and waits until it listens.
    #[track_caller]
    pub(crate) fn run(&mut self) {
        let binary = env!("CARGO_BIN_EXE_postdate");
        let mut command = match self.wrapper.split_first() {
            Some((program, args)) => {
                let mut command = Command::new(program);
                command.args(args).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        let _ = fs::remove_file(&self.out);
        // Standard output and standard error go apart: the shell does that, and is replaced by the node.
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg("out=$1; log=$2; shift 2; exec \"$@\" >\"$out\" 2>>\"$log\"")
            .arg("sh")
            .args([&self.out, &self.log])
            .arg(command.get_program())
            .args(command.get_args())
            .args([
                "--config".as_ref(),
                self.config.as_os_str(),
                "serve".as_ref(),
            ]);
        command = shell;
        let mut process = Process::start(&mut command, &self.log);
        self.address = until("the node to listen", || {
            assert!(
                process.runs(),
                "the node did not start: {}",
                fs::read_to_string(&self.log).unwrap_or_default()
            );
            let out = fs::read_to_string(&self.out).ok()?;
            out.contains("data in ").then_some(())?;
            out.lines()
                .find_map(|line| line.strip_prefix("listening on "))?
                .trim()
                .parse()
                .ok()
        });
        self.process = Some(process);
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("a node that runs")
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// SIGTERM; returns when it has ended.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("a node that runs");
        process.signal(Signal::TERM);
        process.ended(LONG)
    }

    /// Everything it logged.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// What it said on standard output.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    /// The first line of the log that has all these words.
    #[track_caller]
    pub(crate) fn logged(&self, words: &[&str]) -> String {
        until(&format!("{words:?} in the log"), || self.find(words))
    }

    /// The same, when it may take as long as `limit`.
    #[track_caller]
    pub(crate) fn logged_within(&self, limit: Duration, words: &[&str]) -> String {
        super::within(limit, &format!("{words:?} in the log"), || self.find(words))
    }

    fn find(&self, words: &[&str]) -> Option<String> {
        self.log()
            .lines()
            .find(|line| words.iter().all(|word| line.contains(word)))
            .map(str::to_owned)
    }

    /// The mails in a mailbox of `here.test`.
    pub(crate) fn mailbox(&self, user: &str) -> Vec<Mail> {
        maildir(&self.data.join("mail").join(user))
    }

    /// The first mail in a mailbox of `here.test`.
    #[track_caller]
    pub(crate) fn arrived(&self, user: &str) -> Mail {
        until(&format!("a mail for {user}@here.test"), || {
            self.mailbox(user).into_iter().next()
        })
    }

    /// Runs a command of the binary with this node's configuration.
    #[track_caller]
    pub(crate) fn command(&self, args: &[&str]) -> Output {
        self.command_with(args, b"")
    }

    /// The same with something on standard input.
    #[track_caller]
    pub(crate) fn command_with(&self, args: &[&str], input: &[u8]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postdate"));
        command.arg("--config").arg(&self.config).args(args);
        run(&mut command, input)
    }

    /// `queue list --json`: one object a recipient.
    #[track_caller]
    pub(crate) fn queue(&self) -> Vec<serde_json::Value> {
        let output = self.command(&["queue", "list", "--json"]);
        assert!(output.status.success(), "{output:?}");
        text(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

/// Runs a program to its end with something on standard input.
#[track_caller]
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|err| panic!("{}: {err}", command.get_program().display()));
    let mut stdin = child.stdin.take().expect("standard input");
    // A program that does not read is no failure here.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("its output")
}

pub(crate) fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// The path of a file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}
