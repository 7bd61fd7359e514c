//! What a container sees of a volume.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use super::Kubelet;

/// A running container with one volume.
///
/// Like the bind mount of a real container it holds the directory that was at the target path when it
/// started: what is mounted over that path later it does not see.
#[derive(Debug)]
pub struct Container(File);

impl Kubelet {
    /// Starts a "container" of a pod with one of its volumes.
    ///
    /// # Errors
    /// If there is no such directory.
    pub fn start_container(&self, pod_uid: &str, volume: &str) -> io::Result<Container> {
        Ok(Container(File::open(self.target_path(pod_uid, volume))?))
    }
}

impl Container {
    fn path(&self, relative: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{relative}", self.0.as_raw_fd()))
    }

    /// Reads a file of the volume.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.path(path))
    }

    /// The names at the top of the volume, but for those that begin with two dots.
    ///
    /// # Errors
    /// Those of reading the directory.
    pub fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.path("."))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !name.starts_with("..") {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}
