//! Where provider sockets are.

use std::path::PathBuf;

/// Directories with provider sockets, in the order they are searched.
#[derive(Clone, Debug)]
pub(crate) struct Directories(Vec<PathBuf>);

/// The rule of the Go driver: `^[a-zA-Z0-9_-]{0,30}$`.
#[must_use]
pub(crate) fn is_valid_name(name: &str) -> bool {
    name.len() <= 30 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl Directories {
    /// The given directories, first one first.
    #[must_use]
    pub(crate) const fn new(directories: Vec<PathBuf>) -> Self {
        Self(directories)
    }

    /// The first `<directory>/<name>.sock` that exists. The name has passed [`is_valid_name`].
    pub(super) fn find(&self, name: &str) -> Option<PathBuf> {
        self.0.iter().map(|directory| directory.join(format!("{name}.sock"))).find(|path| path.exists())
    }

    /// The directories, for an error text.
    pub(super) fn searched(&self) -> String {
        self.0.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// Names of the providers that are there, sorted, at most ten: for an error text.
    pub(super) fn present(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .0
            .iter()
            .filter_map(|directory| std::fs::read_dir(directory).ok())
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".sock").map(str::to_owned))
            .filter(|name| is_valid_name(name))
            .collect();
        names.sort();
        names.dedup();
        names.truncate(10);
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["azure", "e2e-provider", "A_b-9", "", &"a".repeat(30)] {
            assert!(is_valid_name(good), "{good}");
        }
        for bad in ["bad/provider/name", "..", "a.b", "a b", "ä", &"a".repeat(31), "a\0"] {
            assert!(!is_valid_name(bad), "{bad}");
        }
    }

    #[test]
    fn the_first_directory_that_has_the_socket_wins() {
        let root = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| root.path().join(name));
        let directories = Directories::new(vec![first.clone(), second.clone()]);
        assert_eq!(directories.find("azure"), None);
        for (directory, name) in [(&second, "azure.sock"), (&second, "vault.sock"), (&second, "junk.txt")] {
            std::fs::create_dir_all(directory).unwrap();
            std::fs::write(directory.join(name), "").unwrap();
        }
        assert_eq!(directories.find("azure"), Some(second.join("azure.sock")));
        std::fs::create_dir_all(&first).unwrap();
        std::fs::write(first.join("azure.sock"), "").unwrap();
        assert_eq!(directories.find("azure"), Some(first.join("azure.sock")));
        assert_eq!(directories.present(), ["azure", "vault"]);
    }
}
