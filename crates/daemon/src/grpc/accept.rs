//! Connections as they come in. No failure to accept one ends the server: without free file descriptors it waits for
//! some, and who may not connect is sent away.

use std::io;
use std::time::Duration;

use futures::Stream;
use futures::stream::unfold;
use rustix::process::{Uid, getuid};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// How long to wait when the operating system has no room for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections to a unix socket, of root and of the daemon's own user. The file's mode says so too, but not to a
/// process that may open any file.
pub(super) fn unix(listener: UnixListener) -> impl Stream<Item = io::Result<UnixStream>> {
    unfold(listener, async |listener| {
        loop {
            match listener.accept().await {
                Ok((stream, _)) if is_admitted(&stream) => return Some((Ok(stream), listener)),
                Ok(_) => tracing::warn!("refused a connection of another user"),
                Err(error) => pause(&error).await,
            }
        }
    })
}

/// Connections to a TCP port.
pub(super) fn tcp(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    unfold(listener, async |listener| {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((Ok(stream), listener)),
                Err(error) => pause(&error).await,
            }
        }
    })
}

fn is_admitted(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| may_connect(Uid::from_raw(peer.uid()), getuid()))
}

fn may_connect(peer: Uid, own: Uid) -> bool {
    peer.is_root() || peer == own
}

async fn pause(error: &io::Error) {
    tracing::warn!(err = %error, "a connection could not be accepted, trying again");
    tokio::time::sleep(PAUSE).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_daemons_own_user_may_connect() {
        let [root, own, other] = [0, 65_532, 1_000].map(Uid::from_raw);
        for (peer, own, may) in [
            (root, root, true),
            (root, own, true),
            (own, own, true),
            (other, own, false),
            (other, root, false),
        ] {
            assert_eq!(may_connect(peer, own), may, "{peer:?} to {own:?}");
        }
    }
}
