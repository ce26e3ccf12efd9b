//! Ports for peers that can't choose one themselves.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::TcpListener;

/// A port of 127.0.0.1 that nobody listens on, below those that the system gives to outgoing connections. Drawn by
/// chance, so that tests that run at the same time hardly ever draw the same.
pub(crate) fn free_port() -> u16 {
    loop {
        let draw = RandomState::new().build_hasher().finish();
        let port = 10_000 + u16::try_from(draw % 20_000).expect("in range");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
