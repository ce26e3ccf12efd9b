//! Makes connections.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, UnixStream};

use crate::route::BoxFuture;

/// A connection: TCP, TLS over it, a unix socket, or a pipe in a test.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A connection that was made.
pub struct Connection {
    /// What goes over it.
    pub io: Box<dyn Io>,
    /// Our own address, as the host sees it unless something between translates; `None` for a socket without one.
    pub local: Option<IpAddr>,
}

/// Makes connections to hosts. [`Tcp`] is the real one.
pub trait Dial: Send + Sync {
    /// Connects to `addr` from the local address `from`, if its family fits. The caller limits the time.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrNotAvailable`] if `from` is no address of this machine.
    fn dial<'a>(
        &'a self,
        addr: SocketAddr,
        from: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Connection>>;

    /// Connects to a socket on this machine. The caller limits the time.
    ///
    /// # Errors
    /// As the system says.
    fn dial_socket<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<Connection>> {
        Box::pin(async move {
            let io = Box::new(UnixStream::connect(path).await?);
            Ok(Connection { io, local: None })
        })
    }
}

/// TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Dial for Tcp {
    fn dial<'a>(
        &'a self,
        addr: SocketAddr,
        from: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Connection>> {
        Box::pin(async move {
            let socket = if addr.is_ipv4() {
                TcpSocket::new_v4()?
            } else {
                TcpSocket::new_v6()?
            };
            if let Some(from) = from.filter(|from| from.is_ipv4() == addr.is_ipv4()) {
                socket.bind(SocketAddr::new(from, 0))?;
            }
            let stream = socket.connect(addr).await?;
            // What is written is whole commands and large pieces of content: waiting to fill a segment only delays.
            stream.set_nodelay(true)?;
            Ok(Connection {
                local: Some(stream.local_addr()?.ip()),
                io: Box::new(stream),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of 127/8 is this machine.
    #[tokio::test]
    async fn connections_start_from_the_address_that_is_asked_for() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let dial = async |from: Option<&str>| {
            let dialled = Tcp
                .dial(addr, from.map(|from| from.parse().unwrap()))
                .await?;
            let (_, seen) = listener.accept().await?;
            assert_eq!(dialled.local, Some(seen.ip()));
            io::Result::Ok(seen.ip().to_string())
        };
        assert_eq!(dial(Some("127.0.0.5")).await.unwrap(), "127.0.0.5");
        assert_eq!(dial(None).await.unwrap(), "127.0.0.1");
        assert_eq!(dial(Some("::1")).await.unwrap(), "127.0.0.1");
        let gone = dial(Some("192.0.2.200")).await.unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::AddrNotAvailable);
    }
}
