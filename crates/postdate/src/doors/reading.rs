//! Reads what a mail server asks, without waiting for ever.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::server::stopped;

/// Who has begun a request, or is being answered, gets so long for the rest.
pub(super) const HALF_TIMEOUT: Duration = Duration::from_secs(30);

/// Octets read in one go.
const READ_LEN: usize = 4 * 1024;

/// A connection of a mail server.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Reads more into `octets`; `false` at the end: closed by the other side, nothing came within `patience`, or we stop.
pub(super) async fn more<R: AsyncRead + Unpin>(
    wire: &mut R,
    octets: &mut Vec<u8>,
    patience: Duration,
    stop: &mut watch::Receiver<bool>,
) -> bool {
    octets.reserve(READ_LEN);
    let mut part = wire.take(READ_LEN as u64);
    tokio::select! {
        biased;
        read = timeout(patience, part.read_buf(octets)) => {
            matches!(read, Ok(Ok(count)) if count > 0)
        }
        () = stopped(stop) => false,
    }
}

/// Answers; `false` when nobody takes it.
pub(super) async fn answer<W: AsyncWrite + Unpin>(wire: &mut W, octets: &[u8]) -> bool {
    let write = async {
        wire.write_all(octets).await?;
        wire.flush().await
    };
    matches!(timeout(HALF_TIMEOUT, write).await, Ok(Ok(())))
}
