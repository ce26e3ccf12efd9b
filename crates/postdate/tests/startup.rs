//! What an administrator is told who starts it wrongly.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use support::{Node, TempDir, run, text};

/// Exit code and words on standard error of a `serve` that does not start.
fn fails(node: &Node) -> (Option<i32>, String) {
    let output = node.command(&["serve"]);
    (output.status.code(), text(&output.stderr))
}

fn mode_of(path: &std::path::Path) -> u32 {
    fs::metadata(path).expect("metadata").permissions().mode() & 0o777
}

#[test]
fn a_port_that_is_taken_is_named_with_what_finds_its_holder() {
    let dir = TempDir::new();
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let taken = other.local_addr().expect("its address");
    let (code, said) = fails(&Node::prepared(&dir, "node", &taken.to_string(), ""));
    assert_eq!(code, Some(1));
    for words in [&taken.to_string(), "ss -ltnp", &taken.port().to_string()] {
        assert!(said.contains(words), "{words} is not in: {said}");
    }
    // Two that overlap, as people write them who want IPv6 and IPv4.
    let port = support::free_port();
    let other = format!("[[listen]]\naddress = \"127.0.0.1:{port}\"\n");
    let both = Node::prepared(&dir, "both", &format!("0.0.0.0:{port}"), &other);
    let (_, said) = fails(&both);
    let words = format!("0.0.0.0:{port}, named before it, has it already");
    assert!(said.contains(&words), "{said}");
    let (_, said) = fails(&Node::prepared(&dir, "other", "192.0.2.77:2525", ""));
    assert!(said.contains("this machine has no such address"), "{said}");
}

#[test]
fn a_data_directory_that_is_a_file_is_left_as_it_is() {
    let dir = TempDir::new();
    let node = Node::prepared(&dir, "node", "127.0.0.1:0", "");
    fs::write(&node.data, "precious").expect("a file");
    fs::set_permissions(&node.data, fs::Permissions::from_mode(0o640)).expect("its mode");
    let (code, said) = fails(&node);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("data_dir") && said.contains("is no directory"),
        "{said}"
    );
    assert_eq!(mode_of(&node.data), 0o640);
}

/// It may be anybody's: `/tmp`, a home.
#[test]
fn a_data_directory_that_is_there_keeps_its_mode() {
    let dir = TempDir::new();
    let mut node = Node::prepared(&dir, "node", "127.0.0.1:0", "");
    fs::create_dir(&node.data).expect("a directory");
    fs::set_permissions(&node.data, fs::Permissions::from_mode(0o755)).expect("its mode");
    node.run();
    assert_eq!(mode_of(&node.data), 0o755);
    assert_eq!(mode_of(&node.data.join("spool.db")), 0o600);
    let mut made = Node::prepared(&dir, "made", "127.0.0.1:0", "");
    made.run();
    assert_eq!(mode_of(&made.data), 0o711);
}

/// Started by hand, as root, in the place of the service. Who is not root can't do that.
#[test]
fn root_in_somebody_elses_data_directory_is_warned() {
    let dir = TempDir::new();
    let mut node = Node::prepared(&dir, "node", "127.0.0.1:0", "");
    fs::create_dir(&node.data).expect("a directory");
    let is_root = std::os::unix::fs::chown(&node.data, Some(65_534), None).is_ok();
    node.run();
    let words = "belongs to user id 65534, and the server runs as root";
    assert_eq!(node.log().contains(words), is_root, "{}", node.log());
}

#[test]
fn a_data_directory_that_can_t_be_made_is_named() {
    let dir = TempDir::new();
    let path = dir.write("bad.toml", "data_dir = \"/proc/nowhere/data\"\n");
    let output = run(
        Command::new(env!("CARGO_BIN_EXE_postdate"))
            .arg("-c")
            .arg(path)
            .arg("serve"),
        b"",
    );
    let said = text(&output.stderr);
    assert!(
        said.contains("data_dir /proc/nowhere/data: can't be made by user id"),
        "{said}"
    );
}

/// `config check` and `serve` say the same of a certificate, and that it is the configuration's fault.
#[test]
fn certificates_that_can_t_be_used_are_named_with_their_key() {
    let dir = TempDir::new();
    let made = |name: &str| {
        let node = {
            let mut node = Node::prepared(&dir, name, "127.0.0.1:0", "");
            node.run();
            node
        };
        (
            node.data.join("self-signed.pem"),
            node.data.join("self-signed.key"),
        )
    };
    let ((certificate, key), (_, other_key)) = (made("one"), made("two"));
    let cut = dir.write(
        "cut.pem",
        &fs::read(&certificate).expect("a certificate")[..200],
    );
    let nothing = dir.write("nothing.pem", "no certificate\n");
    let missing = dir.join("missing.pem");
    for (certificate, key, expected) in [
        (
            &missing,
            &key,
            "tls.certificate: MISSING: can't be read: No such file",
        ),
        (
            &nothing,
            &key,
            "tls.certificate: NOTHING: there is no certificate in it",
        ),
        (&cut, &key, "tls.certificate: CUT: is cut off"),
        (
            &certificate,
            &missing,
            "tls.key: MISSING: can't be read: No such file",
        ),
        (
            &certificate,
            &nothing,
            "tls.key: NOTHING: there is no private key in it",
        ),
        (
            &certificate,
            &other_key,
            "tls.key: OTHER: is not the key of ",
        ),
    ] {
        let tables = format!(
            "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
            certificate.display(),
            key.display()
        );
        let node = Node::prepared(&dir, "node", "127.0.0.1:0", &tables);
        let expected = expected
            .replace("MISSING", &missing.display().to_string())
            .replace("NOTHING", &nothing.display().to_string())
            .replace("CUT", &cut.display().to_string())
            .replace("OTHER", &other_key.display().to_string());
        let line = if expected.starts_with("tls.key") {
            7
        } else {
            6
        };
        let expected = format!("{}:{line}: {expected}", node.config.display());
        for command in [&["serve"][..], &["config", "check"]] {
            let output = node.command(command);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(78), "{said}");
            assert!(said.contains(&expected), "{expected} is not in: {said}");
        }
    }
    let tables = format!(
        "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
        certificate.display(),
        key.display()
    );
    let node = Node::prepared(&dir, "good", "127.0.0.1:0", &tables);
    assert!(node.command(&["config", "check"]).status.success());
    // A check writes nothing.
    assert!(!node.data.exists());
}

#[test]
fn a_check_looks_for_what_the_configuration_needs_of_the_machine() {
    let dir = TempDir::new();
    let missing = dir.join("missing").display().to_string();
    let tables = format!(
        "[policy]\nsocket_group = \"nosuchgroup\"\n[greylist.postgrey]\nwhitelist_clients = [\"{missing}\"]\n"
    );
    let node = Node::prepared(&dir, "node", "127.0.0.1:0", &tables);
    let output = node.command(&["config", "check"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    let file = node.config.display();
    for expected in [
        format!("{file}:6: policy.socket_group: there is no group \"nosuchgroup\" on this machine"),
        format!("{file}:8: greylist.postgrey.whitelist_clients: {missing}: can't be read: "),
    ] {
        assert!(said.contains(&expected), "{expected} is not in: {said}");
    }
}

#[test]
fn too_few_open_files_are_told_of() {
    let dir = TempDir::new();
    let node = Node::prepared(
        &dir,
        "node",
        "192.0.2.77:2525",
        "[limits]\nconnections = 5000\n",
    );
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "ulimit -n 900; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_postdate"),
            "-c",
        ])
        .arg(&node.config)
        .arg("serve");
    let said = text(&run(&mut command, b"").stderr);
    assert!(
        said.contains("900 open files") && said.contains("LimitNOFILE"),
        "{said}"
    );
}

#[test]
fn a_data_directory_that_depends_on_where_one_is_is_told_of() {
    let dir = TempDir::new();
    let path = dir.write("relative.toml", "data_dir = \"postdate-data\"\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_postdate"));
    let output = run(command.args(["config", "check"]).arg(path), b"");
    assert!(output.status.success(), "it may be meant: {output:?}");
    let said = text(&output.stderr);
    assert!(
        said.contains("data_dir: postdate-data lies below"),
        "{said}"
    );
}
