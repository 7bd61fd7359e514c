//! What was built: version, commit and date, as `--version` and the user agents show them.

/// Identity of a build. The values come from the build environment (`KEYMOUNT_VERSION`,
/// `KEYMOUNT_COMMIT`, `KEYMOUNT_BUILD_DATE`), so that two builds of one commit are the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// Version with a leading `v`, or `local-dev`.
    pub version: &'static str,
    /// Short commit hash; may be empty.
    pub commit: &'static str,
    /// Date as `YYYY-MM-DD-HH:MM`; may be empty.
    pub date: &'static str,
}

/// The build this code is part of.
pub const BUILD: BuildInfo = BuildInfo {
    version: match option_env!("KEYMOUNT_VERSION") {
        Some(version) => version,
        None => "local-dev",
    },
    commit: match option_env!("KEYMOUNT_COMMIT") {
        Some(commit) => commit,
        None => "",
    },
    date: match option_env!("KEYMOUNT_BUILD_DATE") {
        Some(date) => date,
        None => "",
    },
};
