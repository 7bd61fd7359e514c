//! `/proc/self/mountinfo`, see proc_pid_mountinfo(5).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// One line, reduced to what this crate asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Which part of the file system is mounted; `/` for all of it.
    pub(crate) root: PathBuf,
    /// Where.
    pub(crate) mount_point: PathBuf,
    /// Type of the file system.
    pub(crate) filesystem: Vec<u8>,
}

/// The mounts of a mountinfo text, in its order: a mount that covers another comes later. Lines that do not have
/// the documented form are left out.
pub(crate) fn parse(text: &[u8]) -> impl Iterator<Item = Mount> {
    text.split(|byte| *byte == b'\n').filter_map(parse_line)
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let root = fields.nth(3)?;
    let mount_point = fields.next()?;
    // Options, then any number of optional fields, then a hyphen.
    fields.find(|field| *field == b"-")?;
    let filesystem = fields.next()?.to_vec();
    Some(Mount { root: unescape(root), mount_point: unescape(mount_point), filesystem })
}

/// Undoes the kernel's octal escapes for space, tab, newline and backslash.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        match after {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] if *first == b'\\' => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mount(root: &str, mount_point: &str, filesystem: &str) -> Mount {
        Mount { root: root.into(), mount_point: mount_point.into(), filesystem: filesystem.into() }
    }

    #[test]
    fn lines() {
        let text = b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n\
            37 35 0:9 / /a\\040b\\011c\\134d rw - tmpfs tmpfs rw\n\
            38 35 0:9 / /- rw shared:5 master:2 propagate_from:1 - tmpfs - rw\n\
            39 35 0:4 net:[4026531840] /run/netns/x rw shared:7 - nsfs nsfs rw\n\
            \n\
            40 35 0:9 / /short rw\n\
            garbage\n\
            41 35 0:9 / /\\9\\0 rw - tmpfs";
        let mounts: Vec<_> = parse(text).collect();
        assert_eq!(
            mounts,
            [
                mount("/mnt1", "/mnt2", "ext3"),
                mount("/", "/a b\tc\\d", "tmpfs"),
                mount("/", "/-", "tmpfs"),
                mount("net:[4026531840]", "/run/netns/x", "nsfs"),
                mount("/", "/\\9\\0", "tmpfs"),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse(&bytes).count() <= bytes.len());
        }

        #[test]
        fn escapes_are_undone(name in "[a-z \t\n\\\\0-9é]{0,20}") {
            let escaped = name
                .replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011").replace('\n', "\\012");
            let line = format!("1 2 0:3 / /{escaped} rw - tmpfs tmpfs rw\n");
            let mounts: Vec<_> = parse(line.as_bytes()).collect();
            prop_assert_eq!(mounts, [mount("/", &format!("/{name}"), "tmpfs")]);
        }
    }
}
