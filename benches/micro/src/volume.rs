//! The writer, on volumes that are really mounted: in the mount namespace that the caller has made.

use std::hint::black_box;
use std::path::PathBuf;

use keymount_clock::WallClock;
use keymount_sensitive::SecretBytes;
use keymount_volume::{FileSpec, Limits, Ownership, Payload, Record, Replaced, VolumeOptions, Volumes};
use tempfile::TempDir;

use crate::Work;

/// A volume that goes away with this.
struct Volume {
    volumes: Volumes,
    target: PathBuf,
    record: Record,
    _directory: TempDir,
}

impl Volume {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let target = directory.path().join("pods/7e9a/volumes/kubernetes.io~csi/secrets/mount");
        let versions = (0..10).map(|number| (format!("secret/file-{number}"), "1".to_owned())).collect();
        let record = Record {
            pod_namespace: "shop".to_owned(),
            pod_name: "web-0".to_owned(),
            pod_uid: "7e9a0000-0000-4000-8000-000000000002".to_owned(),
            class: "web".to_owned(),
            versions,
        };
        let volumes = Volumes::new(VolumeOptions::default(), WallClock::system());
        Self { volumes, target, record, _directory: directory }
    }

    fn publish(&self, payload: &Payload) {
        let published = self.volumes.publish(&self.target, payload, &self.record, Ownership::default());
        published.expect("a mount namespace, and the right to mount in it");
    }

    fn replace(&self, payload: &Payload) -> Replaced {
        self.volumes.replace(&self.target, payload, &self.record, Ownership::default()).expect("replaced")
    }

    fn unpublish(&self) {
        self.volumes.unpublish(&self.target).expect("unpublished");
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = self.volumes.unpublish(&self.target);
    }
}

fn files(version: u64) -> Payload {
    let file = |number| FileSpec {
        path: format!("file-{number}"),
        mode: 0o644,
        contents: SecretBytes::new(format!("content {number} of version {version}, {:064}", 0).into_bytes()),
    };
    Payload::validate((0..10).map(file).collect(), &Limits::default()).expect("a payload")
}

/// A reply is checked.
pub(crate) fn payload() -> Work {
    Box::new(|| drop(black_box(files(1))))
}

/// A volume comes and goes.
pub(crate) fn published() -> Work {
    let (volume, files) = (Volume::new(), files(1));
    Box::new(move || {
        volume.publish(&files);
        volume.unpublish();
    })
}

/// A rotation that finds nothing new.
pub(crate) fn unchanged() -> Work {
    let (volume, files) = (Volume::new(), files(1));
    volume.publish(&files);
    Box::new(move || assert_eq!(volume.replace(&files), Replaced::Unchanged))
}

/// A rotation that finds every file new.
pub(crate) fn changed() -> Work {
    let (volume, mut next) = (Volume::new(), [files(1), files(2)]);
    volume.publish(&next[1]);
    Box::new(move || {
        assert_eq!(volume.replace(&next[0]), Replaced::Written);
        volume.volumes.sweep(&volume.target, Ownership::default()).expect("swept");
        next.swap(0, 1);
    })
}
