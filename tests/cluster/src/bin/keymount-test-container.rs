//! The program in the containers of the cluster tests. Its arguments are the paths of volumes: it looks at
//! them before anything else, tells the test what it saw, and goes on looking until SIGTERM. After
//! `--spin` it looks without a pause. Without arguments it only waits: so it also holds the pod's sandbox.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use keymount_cluster_tests::look::{File, Look, POD_UID, SOCKET, Volume};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let spin = arguments.first().is_some_and(|argument| argument == "--spin");
    arguments.drain(..usize::from(spin));
    let first = (!arguments.is_empty()).then(|| look(&arguments, 0));

    let mut terminate = signal(SignalKind::terminate())?;
    let Some(first) = first else {
        terminate.recv().await;
        return Ok(());
    };
    let mut test = UnixStream::connect(SOCKET).await.ok();
    tell(&mut test, &first).await?;
    let mut last = first;
    loop {
        let pause =
            async { if spin { tokio::task::yield_now().await } else { tokio::time::sleep(PAUSE).await } };
        tokio::select! {
            biased;
            _ = terminate.recv() => return Ok(()),
            () = pause => {}
        }
        let next = look(&arguments, last.number + 1);
        let changed = next.volumes != last.volumes;
        last = next;
        if changed {
            tell(&mut test, &last).await?;
        }
    }
}

/// Says it to the container's log, and to the test as long as it listens.
async fn tell(test: &mut Option<UnixStream>, look: &Look) -> io::Result<()> {
    let line = serde_json::to_string(look)? + "\n";
    io::stdout().write_all(line.as_bytes())?;
    if let Some(stream) = test
        && stream.write_all(line.as_bytes()).await.is_err()
    {
        *test = None;
    }
    Ok(())
}

fn look(volumes: &[String], number: u64) -> Look {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let volumes = volumes.iter().map(|path| (path.clone(), look_at(Path::new(path), &mounts))).collect();
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let pod = environment.get(POD_UID).cloned().unwrap_or_default();
    let environment = environment.into_iter().filter(|(name, _)| name.starts_with("SECRET")).collect();
    Look { pod, number, volumes, environment }
}

fn look_at(path: &Path, mounts: &str) -> Volume {
    let mut volume = Volume { mount: mount_of(path, mounts), ..Volume::default() };
    // Once resolved, all files come from one generation; without generations from the volume itself.
    let root = fs::canonicalize(path.join("..data")).unwrap_or_else(|_| path.to_owned());
    read(&root, "", &mut volume);
    volume
}

/// `tmpfs ro,relatime rw,size=4096k`: type, options of the mount, options of the file system.
fn mount_of(path: &Path, mounts: &str) -> String {
    let line = mounts.lines().rfind(|line| line.split(' ').nth(4).is_some_and(|at| Path::new(at) == path));
    let Some((mount, system)) = line.and_then(|line| line.split_once(" - ")) else { return String::new() };
    let options = mount.split(' ').nth(5).unwrap_or_default();
    let mut system = system.split(' ');
    format!("{} {options} {}", system.next().unwrap_or_default(), system.nth(1).unwrap_or_default())
}

fn read(directory: &Path, prefix: &str, volume: &mut Volume) {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => return volume.errors.push(format!("{prefix}: {error}")),
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if prefix.is_empty() && name.starts_with("..") {
            continue;
        }
        let (path, name) = (entry.path(), format!("{prefix}{name}"));
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => read(&path, &format!("{name}/"), volume),
            Ok(found) => match fs::read(&path) {
                Ok(bytes) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let owner = (found.uid(), found.gid());
                    volume.files.insert(name, File { text, mode: found.mode() & 0o7777, owner });
                }
                Err(error) => volume.errors.push(format!("{name}: {error}")),
            },
            Err(error) => volume.errors.push(format!("{name}: {error}")),
        }
    }
}
