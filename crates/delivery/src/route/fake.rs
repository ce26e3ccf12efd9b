//! DNS from a text, for tests.

use std::net::IpAddr;

use super::{BoxFuture, LookupError, Mx, Resolve};

/// Lines as `b.example MX 10 mx.b.example.`, `mx.b.example A 192.0.2.1`, `c.example MX SERVFAIL`. A name of which no
/// line speaks does not exist.
pub(crate) struct Zone(pub(crate) &'static str);

impl Zone {
    fn find(&self, name: &str, kind: &str) -> Result<Vec<Vec<&'static str>>, LookupError> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let mut exists = false;
        let mut found = Vec::new();
        for line in self.0.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            if words.first() == Some(&name) {
                exists = true;
                if words[1] == kind {
                    found.push(words[2..].to_vec());
                }
            }
        }
        match (exists, found.is_empty()) {
            (false, _) => Err(LookupError::NoSuchName),
            (true, true) => Err(LookupError::NoRecords),
            (true, false) if found[0] == ["SERVFAIL"] => {
                Err(LookupError::Failed("SERVFAIL".to_owned()))
            }
            (true, false) => Ok(found),
        }
    }
}

impl Resolve for Zone {
    fn mx<'a>(&'a self, domain: &'a str) -> BoxFuture<'a, Result<Vec<Mx>, LookupError>> {
        let found = self.find(domain, "MX").map(|found| {
            let mx = |words: Vec<&str>| Mx {
                preference: words[0].parse().unwrap(),
                exchange: words[1].to_owned(),
            };
            found.into_iter().map(mx).collect()
        });
        Box::pin(async { found })
    }

    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupError>> {
        let found = self.find(name, "A");
        let found = found.map(|found| {
            found
                .into_iter()
                .map(|words| words[0].parse().unwrap())
                .collect()
        });
        Box::pin(async { found })
    }
}
