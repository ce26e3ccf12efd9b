//! What arrived in a Maildir.

use std::fs;
use std::path::Path;

/// One mail, as it lies on disk.
pub(crate) struct Mail {
    pub(crate) octets: Vec<u8>,
}

impl Mail {
    /// The header, unfolded lines left as they are.
    pub(crate) fn header(&self) -> String {
        let end = self.octets.len() - body_of(&self.octets).len();
        String::from_utf8_lossy(&self.octets[..end]).into_owned()
    }

    /// What stands after the first empty line.
    pub(crate) fn body(&self) -> &[u8] {
        body_of(&self.octets)
    }

    /// The value of the first field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let header = self.header();
        let start = format!("{}:", name.to_ascii_lowercase());
        let mut lines = header
            .lines()
            .skip_while(|line| !line.to_ascii_lowercase().starts_with(&start));
        let mut value = lines.next()?[start.len()..].trim().to_owned();
        for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
            value.push(' ');
            value.push_str(line.trim());
        }
        Some(value)
    }
}

/// The mails of a Maildir; none when there is none yet.
pub(crate) fn maildir(path: &Path) -> Vec<Mail> {
    let files = ["new", "cur"]
        .into_iter()
        .filter_map(|folder| fs::read_dir(path.join(folder)).ok())
        .flatten()
        .flatten();
    // One that is moved away meanwhile is no failure.
    files
        .filter_map(|file| fs::read(file.path()).ok())
        .map(|octets| Mail { octets })
        .collect()
}

/// What stands after the first empty line, whichever line ends are used.
pub(crate) fn body_of(octets: &[u8]) -> &[u8] {
    let crlf = octets
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map(|at| at + 4);
    let lf = octets
        .windows(2)
        .position(|two| two == b"\n\n")
        .map(|at| at + 2);
    match (crlf, lf) {
        (Some(a), Some(b)) => &octets[a.min(b)..],
        (Some(at), None) | (None, Some(at)) => &octets[at..],
        (None, None) => &[],
    }
}

/// CRLF as LF, as mail lies in a Maildir.
pub(crate) fn lf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    for (index, &octet) in octets.iter().enumerate() {
        if octet != b'\r' || octets.get(index + 1) != Some(&b'\n') {
            out.push(octet);
        }
    }
    out
}
