//! Files of one volume must not get into each other's way.

use std::collections::HashMap;
use std::fmt;

/// A relative path without empty and `.` components; empty for the volume itself.
pub(crate) fn clean(path: &str) -> String {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/")
}

/// The paths that the files of one volume take, each with its owner.
///
/// Used twice: for the objects of a class before anything is fetched, and for the files that came of
/// them (`.crt` and `.key` files are only known then). Holds one entry per component, so that long
/// paths cost what they are long.
#[derive(Debug)]
pub struct FilePaths<T> {
    /// The first is the volume itself.
    entries: Vec<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    /// Who put it there first; nobody the volume itself.
    owner: Option<T>,
    is_file: bool,
    children: HashMap<String, usize>,
}

impl<T> Default for FilePaths<T> {
    fn default() -> Self {
        Self { entries: vec![Entry { owner: None, is_file: false, children: HashMap::new() }] }
    }
}

impl<T: Clone> FilePaths<T> {
    /// Takes the path for a file of `owner`. Spellings such as `a//b` and `./a/b` are one path.
    ///
    /// # Errors
    /// [`PathConflict`] when another file has this path, or one is a directory of the other. The path
    /// is not taken then.
    pub fn take(&mut self, path: &str, owner: &T) -> Result<(), PathConflict<T>> {
        let path = clean(path);
        let mut at = 0;
        let mut walked = 0;
        let mut parts = path.split('/');
        // Down to the part nobody has yet.
        let mut rest = parts.next();
        while let Some(child) = rest.and_then(|part| self.entries[at].children.get(part)) {
            walked += rest.map_or(0, str::len) + usize::from(walked > 0);
            at = *child;
            rest = parts.next();
            let entry = &self.entries[at];
            if entry.is_file || rest.is_none() {
                let kind = match (entry.is_file, rest) {
                    (true, None) => ConflictKind::Same,
                    _ => ConflictKind::FileAndDirectory,
                };
                let path = path.get(..walked).unwrap_or_default().to_owned();
                return Err(PathConflict {
                    other: entry.owner.clone().unwrap_or_else(|| owner.clone()),
                    path,
                    kind,
                });
            }
        }
        for part in rest.into_iter().chain(parts) {
            let new = self.entries.len();
            self.entries[at].children.insert(part.to_owned(), new);
            self.entries.push(Entry { owner: Some(owner.clone()), is_file: false, children: HashMap::new() });
            at = new;
        }
        self.entries[at].is_file = true;
        Ok(())
    }
}

/// Two files that cannot both exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathConflict<T> {
    /// Who had the path first.
    pub other: T,
    /// The path.
    pub path: String,
    /// How they conflict.
    pub kind: ConflictKind,
}

/// How two files conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictKind {
    /// They have one path.
    Same,
    /// One's file is the other's directory.
    FileAndDirectory,
}

impl fmt::Display for ConflictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "is also the file of",
            Self::FileAndDirectory => "is a file as well as a directory, because of",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict(paths: &[&str]) -> Option<(usize, String, ConflictKind)> {
        let mut taken = FilePaths::default();
        paths.iter().enumerate().find_map(|(index, path)| {
            taken.take(path, &index).err().map(|conflict| (conflict.other, conflict.path, conflict.kind))
        })
    }

    #[test]
    fn conflicts() {
        use ConflictKind::{FileAndDirectory, Same};
        for (paths, found) in [
            (&["a", "b", "A", "a.crt", "d/a", "d/b", "d/e/a"][..], None),
            (&["a", "b", "a"], Some((0, "a", Same))),
            (&["a/b", "./a//b"], Some((0, "a/b", Same))),
            (&["a", "a/b"], Some((0, "a", FileAndDirectory))),
            (&["x", "a/b/c", "a/b"], Some((1, "a/b", FileAndDirectory))),
            (&["x", "a/b/c", "a"], Some((1, "a", FileAndDirectory))),
            (&["a/b", "a/b/c/d"], Some((0, "a/b", FileAndDirectory))),
            (&["a/", "a"], Some((0, "a", Same))),
        ] {
            let found = found.map(|(index, path, kind)| (index, path.to_owned(), kind));
            assert_eq!(conflict(paths), found, "{paths:?}");
        }
    }

    #[test]
    fn a_refused_path_takes_nothing() {
        let mut taken = FilePaths::default();
        assert!(taken.take("a", &1).is_ok());
        assert!(taken.take("a/b/c", &2).is_err());
        assert!(taken.take("a/b/c", &2).is_err());
        assert!(taken.take("b", &3).is_ok());
    }
}
