//! One connection per provider, made anew when its socket is another one.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::Instant;
use tonic::transport::Channel;

use super::{Bounds, Directories, Provider, ProviderError, Stage};

/// How often a socket that is missing or refuses connections is looked at again. That somebody listens
/// on a socket is no event that could be awaited.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A channel and the socket it leads to.
pub(super) struct Connection {
    path: PathBuf,
    /// Device and inode: a provider that restarts makes a new socket under the same name.
    identity: (u64, u64),
    channel: Channel,
}

impl Provider {
    /// A channel to the socket that is there now and accepts connections. Waits for one until
    /// `startup`, within `bounds`.
    pub(super) async fn connect(
        &self,
        directories: &Directories,
        startup: Instant,
        bounds: Bounds<'_>,
    ) -> Result<Channel, ProviderError> {
        loop {
            let error = match self.connect_once(directories).await {
                Ok(channel) => return Ok(channel),
                Err(error) => error,
            };
            if Instant::now() + LOOK_AGAIN > startup.min(bounds.deadline) {
                return Err(error);
            }
            bounds.until(Stage::Connect, tokio::time::sleep(LOOK_AGAIN)).await?;
        }
    }

    async fn connect_once(&self, directories: &Directories) -> Result<Channel, ProviderError> {
        let not_found = || ProviderError::NotFound {
            name: self.name.clone(),
            searched: directories.searched(),
            present: directories.present(),
        };
        let path = directories.find(&self.name).ok_or_else(not_found)?;
        let socket = std::fs::metadata(&path).map_err(|_| not_found())?;
        let identity = (socket.dev(), socket.ino());
        let mut held = self.connection.lock().await;
        if let Some(connection) = held.as_ref().filter(|c| c.path == path && c.identity == identity) {
            return Ok(connection.channel.clone());
        }
        let stream = UnixStream::connect(&path)
            .await
            .map_err(|source| ProviderError::Refused { path: path.clone(), source })?;
        let channel = keymount_daemon::grpc::channel_over(&path, stream);
        *held = Some(Connection { path, identity, channel: channel.clone() });
        Ok(channel)
    }

    /// Forgets a connection that broke, so that the next call dials at once.
    pub(super) async fn disconnect(&self) {
        self.connection.lock().await.take();
    }
}
