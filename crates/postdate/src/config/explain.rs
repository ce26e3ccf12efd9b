//! Turns the words of the TOML reader into ours: what was expected, what was found, and the nearest right name.

/// `written` is what stands at the place of the mistake, `key` whose value that is, if it is known.
pub(super) fn explain(message: &str, written: &str, key: Option<&str>) -> String {
    let message = message.lines().next().unwrap_or(message);
    unknown(message)
        .or_else(|| wrong_type(message, key))
        .unwrap_or_else(|| match message {
            "invalid socket address syntax" => {
                format!("{written} is no address with a port: write 0.0.0.0:25 or [::]:25")
            }
            "invalid IP address syntax" => {
                format!("{written} is no IP address: write 192.0.2.1 or 2001:db8::1")
            }
            "string values must be quoted, expected literal string" => {
                format!("text stands in quotes: \"{written}\"")
            }
            "invalid basic string, expected `\"`" => "the text has no closing quote".to_owned(),
            "duplicate key" => format!("\"{written}\" is there twice"),
            _ => message.to_owned(),
        })
}

/// Whether the words already name the key.
pub(super) fn names_the_key(message: &str) -> bool {
    message.starts_with("unknown field") || message == "duplicate key"
}

fn unknown(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let key = message.starts_with("unknown field");
    if !key && !message.starts_with("unknown variant") {
        return None;
    }
    let word = quoted.next()?;
    let known: Vec<&str> = quoted.collect();
    Some(if !key {
        format!("\"{word}\" is not known here: write {}", known.join(" or "))
    } else {
        match nearest(word, &known) {
            Some(name) => format!("unknown key \"{word}\": did you mean \"{name}\"?"),
            None => format!(
                "unknown key \"{word}\": known here are {}",
                known.join(", ")
            ),
        }
    })
}

/// `invalid type: string "yes", expected a boolean`
fn wrong_type(message: &str, key: Option<&str>) -> Option<String> {
    let rest = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let found = match found {
        "map" => "a table".to_owned(),
        "sequence" => "a list".to_owned(),
        found => ["string ", "integer ", "boolean ", "floating point "]
            .iter()
            .find_map(|kind| found.strip_prefix(kind))
            .unwrap_or(found)
            .replace('`', ""),
    };
    let expected = match expected {
        "a boolean" => "true or false".to_owned(),
        "a string" => "text in quotes".to_owned(),
        "a sequence" if key == Some("listen") => {
            "[[listen]], and address = \"…\" below it".to_owned()
        }
        "a sequence" => "a list in brackets, [\"…\"]".to_owned(),
        "a map" => "a table".to_owned(),
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "usize" | "u64" => "a whole number from 0".to_owned(),
        expected if expected.starts_with("struct ") => "a table".to_owned(),
        expected => expected.to_owned(),
    };
    Some(format!("expected {expected}, found {found}"))
}

fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(key, name), *name))
        .filter(|(distance, name)| *distance <= 1 + name.len().min(key.len()) / 3)
        .min()
        .map(|(_, name)| name)
        .or_else(|| {
            known
                .iter()
                .copied()
                .find(|name| name.contains(key) || key.contains(name))
        })
}
