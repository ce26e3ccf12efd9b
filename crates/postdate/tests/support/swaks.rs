//! swaks, the Swiss army knife of SMTP.

use std::net::SocketAddr;
use std::process::Command;

use super::{run, text, tool};

/// Sends a mail from `you@client.test`, and gives swaks' exit code and the whole dialogue.
#[track_caller]
pub(crate) fn swaks(server: SocketAddr, to: &str, args: &[&str]) -> (i32, String) {
    let mut command = Command::new(tool("swaks"));
    command
        .args([
            "--server",
            &server.to_string(),
            "--helo",
            "swaks.test",
            "--from",
            "you@client.test",
            "--to",
            to,
        ])
        .args(args);
    let output = run(&mut command, b"");
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout) + &text(&output.stderr),
    )
}

/// The temporary refusal that swaks shows.
#[track_caller]
pub(crate) fn refusal(dialogue: &str) -> &str {
    let line = dialogue
        .lines()
        .find(|line| line.starts_with("<** 4") || line.starts_with("<~* 4"));
    line.map(|line| &line[4..])
        .unwrap_or_else(|| panic!("no refusal in:\n{dialogue}"))
}
