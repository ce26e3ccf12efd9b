//! Standard output. Its reader may have seen enough (`postdate config sample | head`), and its disk may be full: `println!`
//! panics there, so it is not used.

use std::fmt::Display;
use std::io::{self, Write as _};

/// What a command has to say, and a line end.
///
/// # Errors
/// It can't be written, in words.
pub(crate) fn answer(text: impl Display) -> Result<(), String> {
    quiet(writeln!(io::stdout().lock(), "{text}"))
}

/// A line for whoever may watch something that goes on without a reader, too.
pub(crate) fn tell(line: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// A reader that went away is no error: the command ends there, done.
///
/// # Errors
/// Any other trouble, in words.
pub(crate) fn quiet(result: io::Result<()>) -> Result<(), String> {
    match result {
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => other.map_err(|err| format!("standard output: {err}")),
    }
}
