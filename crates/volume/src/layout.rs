//! The layout of a volume, that of Kubernetes' own secret volumes, and what a volume's root tells about its state.
//!
//! ```text
//! ..2026_11_24_01_02_03.123456789/   one generation: the files, mode 0755
//! ..data -> ..2026_11_24_…           the generation that is shown
//! password -> ..data/password        a link for each name at the top
//! ```
//!
//! A volume whose files the provider writes itself has none of these, but one of the two marks below.

use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::fs::FileType;

use crate::dir::{Dir, kind};

/// The link to the generation that is shown.
pub(crate) const DATA: &str = "..data";
/// The next [`DATA`], until it is renamed. The Go driver's name, so that either driver cleans up after the other.
pub(crate) const DATA_TMP: &str = "..data_tmp";
/// A link that is about to take the place of something else at the top.
pub(crate) const LINK_TMP: &str = "..link_tmp";
/// Mark: whatever is here is not complete. Outranks everything else.
pub(crate) const PENDING: &str = "..pending";
/// Mark: the provider wrote these files itself and has finished.
pub(crate) const PROVIDER_WRITTEN: &str = "..provider_written";

/// What the root of a volume shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A complete generation.
    Committed {
        /// Name of the generation's directory.
        generation: PathBuf,
    },
    /// Complete files that the provider wrote itself.
    ProviderWritten {
        /// Whether the mark is there. Without it an earlier Go driver mounted the volume.
        marked: bool,
    },
    /// Nothing yet, or not everything.
    Incomplete,
}

/// Reads the state of a volume from its root.
pub(crate) fn content(root: &Dir) -> io::Result<Content> {
    if root.stat(PENDING)?.is_some() {
        return Ok(Content::Incomplete);
    }
    if let Some(generation) = current(root)? {
        return Ok(Content::Committed { generation });
    }
    if root.stat(PROVIDER_WRITTEN)?.is_some() {
        return Ok(Content::ProviderWritten { marked: true });
    }
    for entry in root.entries()? {
        let linked = entry.kind == FileType::Symlink
            && root.link_text(&entry.name)?.is_some_and(|text| text == link_text(&entry.name));
        if !is_hidden(&entry.name) && !linked {
            return Ok(Content::ProviderWritten { marked: false });
        }
    }
    Ok(Content::Incomplete)
}

/// The name of the generation that [`DATA`] leads to; `None` if it leads to none: no link, a text that is not
/// a generation's name, or no directory of that name.
pub(crate) fn current(root: &Dir) -> io::Result<Option<PathBuf>> {
    let Some(name) = root.link_text(DATA)? else {
        return Ok(None);
    };
    let mut elements = name.components();
    let (Some(Component::Normal(only)), None) = (elements.next(), elements.next()) else {
        return Ok(None);
    };
    if !is_hidden(only) || only == DATA {
        return Ok(None);
    }
    let directory = root.stat(only)?.is_some_and(|stat| kind(&stat) == FileType::Directory);
    Ok(directory.then(|| PathBuf::from(only)))
}

/// Whether a name at the top belongs to the layout and not to the files.
pub(crate) fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b"..")
}

/// What the link `name` at the top says.
pub(crate) fn link_text(name: impl AsRef<Path>) -> PathBuf {
    Path::new(DATA).join(name)
}

/// A name for a generation made at `now`, random at the end, as `mkdtemp` of the Go driver makes it.
pub(crate) fn generation_name(now: Timestamp) -> String {
    let random = RandomState::new().hash_one(now.as_nanosecond()) % 10_000_000_000;
    format!("{}{random}", now.to_zoned(TimeZone::UTC).strftime("..%Y_%m_%d_%H_%M_%S."))
}

/// When the generation of this name was made, to the second; `None` for a name of another form.
pub(crate) fn generation_time(name: &str) -> Option<Timestamp> {
    let date = name.get(..name.rfind('.')?)?;
    let date = jiff::civil::DateTime::strptime("..%Y_%m_%d_%H_%M_%S", date).ok()?;
    date.to_zoned(TimeZone::UTC).ok().map(|date| date.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, Dir) {
        let directory = tempfile::tempdir().expect("temporary directory");
        let root = Dir::open(directory.path()).expect("opens");
        (directory, root)
    }

    #[test]
    fn generation_names() {
        let name = generation_name("2026-01-02T03:04:05.678+00:00".parse().expect("timestamp"));
        let random = name.strip_prefix("..2026_01_02_03_04_05.").expect("date");
        assert!(random.parse::<u64>().is_ok());
        let written = generation_time(&name).map(|time| time.to_string());
        assert_eq!(written.as_deref(), Some("2026-01-02T03:04:05Z"));
        for other in ["..data", "..2026_13_02_03_04_05.1", "..2026_01_02", "", "..", "2026_01_02_03_04_05.1"]
        {
            assert_eq!(generation_time(other), None, "{other}");
        }
    }

    #[test]
    fn data_must_lead_to_a_directory_of_the_volume() {
        for text in ["..gone", "/etc", "../..", "..", ".", "a/b", "plain", "..file", "..link", DATA] {
            let (_directory, root) = root();
            root.create_dir("plain", 0o755).expect("creates");
            root.create_file("..file").expect("creates");
            root.create_link("..link", "plain").expect("creates");
            root.create_link(DATA, text).expect("creates");
            assert_eq!(current(&root).expect("reads"), None, "{text}");
        }
        let (_directory, root) = root();
        root.create_dir("..2026", 0o755).expect("creates");
        assert_eq!(current(&root).expect("reads"), None);
        root.create_link(DATA, "..2026").expect("creates");
        assert_eq!(current(&root).expect("reads"), Some(PathBuf::from("..2026")));
    }

    #[test]
    fn states() {
        type Step = fn(&Dir) -> io::Result<()>;
        let generation: Step = |root| {
            root.create_dir("..2026", 0o755)?;
            root.create_link(DATA, "..2026")
        };
        let link: Step = |root| root.create_link("a", "..data/a");
        let pending: Step = |root| root.create_file(PENDING).map(drop);
        let written: Step = |root| root.create_file(PROVIDER_WRITTEN).map(drop);
        let file: Step = |root| root.create_file("a").map(drop);
        let foreign_link: Step = |root| root.create_link("a", "/etc/passwd");
        let orphan: Step = |root| root.create_dir("..2025", 0o755);
        let committed = || Content::Committed { generation: PathBuf::from("..2026") };
        let cases = [
            (vec![], Content::Incomplete),
            (vec![orphan], Content::Incomplete),
            (vec![orphan, link], Content::Incomplete),
            (vec![generation], committed()),
            (vec![generation, link, orphan], committed()),
            (vec![generation, file], committed()),
            (vec![generation, pending], Content::Incomplete),
            (vec![pending], Content::Incomplete),
            (vec![file, pending], Content::Incomplete),
            (vec![file], Content::ProviderWritten { marked: false }),
            (vec![foreign_link], Content::ProviderWritten { marked: false }),
            (vec![file, written], Content::ProviderWritten { marked: true }),
            (vec![written], Content::ProviderWritten { marked: true }),
        ];
        for (at, (steps, expected)) in cases.into_iter().enumerate() {
            let (_directory, root) = root();
            steps.iter().try_for_each(|step| step(&root)).expect("prepared");
            assert_eq!(content(&root).expect("reads"), expected, "case {at}");
        }
    }
}
