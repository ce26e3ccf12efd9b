//! What docs/hint.md says that `postdate hint` prints.

mod support;

use std::path::Path;
use std::process::Command;

use support::{repository, run, text};

#[test]
fn each_example_prints_what_stands_below_it() {
    let page = std::fs::read_to_string(repository("docs/hint.md")).expect("the page");
    let binary = Path::new(env!("CARGO_BIN_EXE_postdate"));
    let folder = binary.parent().expect("its folder").display();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut lines = page.lines().peekable();
    let mut examples = 0;
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("    $ ") else {
            continue;
        };
        let mut expected = String::new();
        while let Some(said) = lines.next_if(|line| line.starts_with("    ")) {
            expected.push_str(&said[4..]);
            expected.push('\n');
        }
        let mut shell = Command::new("sh");
        shell
            .args(["-c", command])
            .env("PATH", format!("{folder}:{path}"));
        assert_eq!(text(&run(&mut shell, b"").stdout), expected, "{command}");
        examples += 1;
    }
    assert!(examples >= 9, "the page has {examples} examples");
}
