//! Choice of versions for `objectVersionHistory`.

use std::fmt;

use crate::object::{Object, SelectedVersion};
use crate::paths::clean;
use crate::reason::Reason;

/// An entry of the vault's list of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedVersion {
    /// The version, as [`version_of_id`](crate::version_of_id) gives it.
    pub version: String,
    /// Its `attributes`, if the entry has any.
    pub attributes: Option<VersionAttributes>,
}

/// The attributes of a version that matter for the choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VersionAttributes {
    /// Unix seconds of its creation; missing counts as 0.
    pub created: Option<i64>,
    /// Missing counts as true.
    pub enabled: Option<bool>,
}

impl Object {
    /// Chooses from all versions of the object, newest first: entries that are disabled or have no
    /// attributes are dropped, the first chosen is [`version`](Self::version) (the newest when that is
    /// empty or `latest`), and `objectVersionHistory + 1` are kept. That is one more than the name
    /// says; the paths `<file>/0` … `<file>/N` are what existing workloads read.
    ///
    /// # Errors
    /// [`UnknownVersion`] when the version to start with is not in the list. (Upstream delivers no
    /// file then, and no error.)
    pub fn select_versions(
        &self,
        mut listed: Vec<ListedVersion>,
    ) -> Result<Vec<SelectedVersion>, UnknownVersion> {
        listed.retain(|entry| entry.attributes.is_some_and(|attributes| attributes.enabled.unwrap_or(true)));
        let created = |entry: &ListedVersion| entry.attributes.and_then(|attributes| attributes.created);
        listed.sort_by_key(|entry| std::cmp::Reverse(created(entry).unwrap_or(0)));
        let first = match self.version.as_str() {
            "" | "latest" => 0,
            wanted => listed.iter().position(|entry| entry.version == wanted).ok_or_else(|| {
                UnknownVersion { object: self.describe(wanted), version: wanted.to_owned() }
            })?,
        };
        let kept = usize::try_from(self.version_history).unwrap_or(0).saturating_add(1);
        let directory = clean(self.file_name());
        let select = |(index, entry): (usize, ListedVersion)| SelectedVersion {
            version: entry.version,
            path: if directory.is_empty() { index.to_string() } else { format!("{directory}/{index}") },
            uid: format!("{}/{index}", self.uid()),
            index: Some(index),
        };
        Ok(listed.into_iter().skip(first).take(kept).enumerate().map(select).collect())
    }
}

/// The version to start with does not exist, or is disabled. `Display` is a [`text`](Self::text) and, on
/// a line of its own, the [`hint`](Self::hint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownVersion {
    object: String,
    version: String,
}

impl fmt::Display for UnknownVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", self.text(), self.hint())
    }
}

impl std::error::Error for UnknownVersion {}

impl UnknownVersion {
    /// The text without the hint.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}: version {} is not among the enabled versions of the object", self.object, self.version)
    }

    /// The stable code.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        Reason::UnknownVersion
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "list the versions in the vault, or leave objectVersion out to start with the newest"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{ObjectEncoding, ObjectFormat, ObjectType};
    use crate::position::Position;

    fn object(version: &str, history: i32) -> Object {
        Object {
            index: 0,
            name: "secret1".into(),
            alias: String::new(),
            version: version.into(),
            version_history: history,
            object_type: ObjectType::Secret,
            format: ObjectFormat::Pem,
            encoding: ObjectEncoding::Utf8,
            extensions: Default::default(),
            mode: 0o644,
            at: Position::default(),
        }
    }

    fn listed(version: &str, created: i64) -> ListedVersion {
        let attributes = VersionAttributes { created: Some(created), enabled: Some(true) };
        ListedVersion { version: version.into(), attributes: Some(attributes) }
    }

    fn versions(object: &Object, listed: Vec<ListedVersion>) -> String {
        let selected = object.select_versions(listed).expect("a known version");
        selected.iter().map(|selected| selected.version.as_str()).collect()
    }

    fn five() -> Vec<ListedVersion> {
        [("c", 3), ("a", 5), ("e", 1), ("b", 4), ("d", 2)].map(|(v, at)| listed(v, at)).into()
    }

    #[test]
    fn newest_first_from_the_start_version_and_one_more_than_asked() {
        for (version, history, chosen) in [
            ("", 5, "abcde"),
            ("latest", 5, "abcde"),
            ("c", 5, "cde"),
            ("", 2, "abc"),
            ("", 3, "abcd"),
            ("b", 2, "bcd"),
            ("e", 200, "e"),
            ("", i32::MAX, "abcde"),
        ] {
            assert_eq!(versions(&object(version, history), five()), chosen, "{version} {history}");
        }
    }

    #[test]
    fn disabled_and_bare_entries_are_dropped_and_missing_dates_are_old() {
        let attributes = |created, enabled| Some(VersionAttributes { created, enabled });
        let entry = |version: &str, attributes| ListedVersion { version: version.into(), attributes };
        let list = vec![
            entry("undated", attributes(None, None)),
            entry("disabled", attributes(Some(9), Some(false))),
            entry("bare", None),
            entry("ancient", attributes(Some(-1), Some(true))),
            entry("new", attributes(Some(8), None)),
        ];
        assert_eq!(versions(&object("", 9), list), "newundatedancient");
    }

    #[test]
    fn equal_dates_keep_the_vaults_order() {
        let list = ["x", "y", "z"].map(|version| listed(version, 7)).into();
        assert_eq!(versions(&object("", 9), list), "xyz");
    }

    #[test]
    fn files_and_ids() {
        for (alias, path) in
            [("", "secret1/1"), ("folder/x", "folder/x/1"), ("./folder//x/", "folder/x/1"), (".", "1")]
        {
            let object = Object { alias: alias.into(), ..object("", 2) };
            let selected = object.select_versions(five()).expect("a known version");
            assert_eq!(selected[1].path, path);
            assert_eq!(selected[1].uid, "secret/secret1/1");
        }
    }

    #[test]
    fn unknown_start_version_is_an_error() {
        let error = object("nope", 2).select_versions(five()).expect_err("an unknown version");
        assert_eq!(
            error.text(),
            "failed to get objectType:secret, objectName:secret1, objectVersion:nope: version nope is not \
             among the enabled versions of the object"
        );
        assert_eq!(object("", 2).select_versions(Vec::new()), Ok(Vec::new()));
    }
}
