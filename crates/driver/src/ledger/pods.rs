//! Which volumes are a pod's.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Target paths of mounted volumes, by the UID of the pod: what is told of one pod must not need a look at all volumes
/// of the node.
#[derive(Default)]
pub(super) struct PathsOfPods(HashMap<String, BTreeSet<PathBuf>>);

impl PathsOfPods {
    pub(super) fn insert(&mut self, uid: &str, path: &Path) {
        self.0.entry(uid.to_owned()).or_default().insert(path.to_owned());
    }

    pub(super) fn remove(&mut self, uid: &str, path: &Path) {
        if let Some(paths) = self.0.get_mut(uid) {
            paths.remove(path);
            if paths.is_empty() {
                self.0.remove(uid);
            }
        }
    }

    /// The paths of one pod, in order.
    pub(super) fn of(&self, uid: &str) -> impl Iterator<Item = &Path> {
        self.0.get(uid).into_iter().flatten().map(PathBuf::as_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pod_has_its_paths_and_one_without_any_is_forgotten() {
        let mut paths = PathsOfPods::default();
        for (uid, path) in [("a", "/2"), ("a", "/1"), ("b", "/3"), ("a", "/1")] {
            paths.insert(uid, Path::new(path));
        }
        assert!(paths.of("a").eq([Path::new("/1"), Path::new("/2")]));
        paths.remove("b", Path::new("/1"));
        assert!(paths.of("b").eq([Path::new("/3")]), "the path of another pod");
        paths.remove("a", Path::new("/1"));
        paths.remove("a", Path::new("/2"));
        paths.remove("b", Path::new("/3"));
        assert_eq!(paths.of("a").count() + paths.0.len(), 0);
    }
}
