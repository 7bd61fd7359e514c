//! The libraries that a program loads, for images of programs that are not static.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::layer::Entry;

/// The libraries and the loader, as `ldd` finds them on this machine, and the directories that they are in.
pub(super) fn of(program: &Path) -> anyhow::Result<Vec<Entry>> {
    let output = Command::new("ldd").arg(program).output().context("ldd")?;
    ensure!(
        output.status.success(),
        "ldd {}: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let (mut entries, mut directories) = (Vec::new(), BTreeSet::new());
    for path in paths(&String::from_utf8_lossy(&output.stdout)) {
        let bytes = std::fs::read(&path).with_context(|| path.clone())?;
        let path = path.trim_start_matches('/');
        let above = Path::new(path).ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
        directories.extend(above.map(|above| above.display().to_string()));
        entries.push(Entry::file(path, 0o755, bytes));
    }
    // The image has one already.
    directories.remove("usr");
    entries.extend(directories.iter().map(|path| Entry::directory(path, 0o755)));
    Ok(entries)
}

/// The files that `ldd` names; what the kernel brings has none.
fn paths(told: &str) -> Vec<String> {
    let path = |line: &str| {
        let named = line.split_once(" => ").map_or(line, |(_, file)| file);
        let path = named.split_whitespace().next().filter(|path| path.starts_with('/'));
        path.map(str::to_owned)
    };
    told.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_loader_are_found_and_what_the_kernel_brings_is_not() {
        let told = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f5)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f6)\n";
        assert_eq!(paths(told), ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
    }

    #[test]
    fn each_file_stands_in_a_directory() {
        if cfg!(target_env = "gnu") {
            let entries = of(&std::env::current_exe().unwrap()).unwrap();
            let paths: BTreeSet<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
            assert!(paths.iter().any(|path| path.contains("libc.so")), "{paths:?}");
            assert!(paths.iter().all(|path| match path.rsplit_once('/') {
                Some((above, _)) => paths.contains(above) || above == "usr",
                None => true,
            }));
        }
    }
}
