//! What this node says: sockets, kernel, swap.

use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keymount_api::DRIVER_NAME;
use keymount_daemon::grpc::channel;
use keymount_proto::csi::GetPluginInfoRequest;
use keymount_proto::csi::identity_client::IdentityClient;
use keymount_proto::provider::VersionRequest;
use keymount_proto::provider::csi_driver_provider_client::CsiDriverProviderClient;

use super::check::{Area, Checks};

/// How long a socket may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first kernel with the mount calls by which a volume appears complete or not at all.
const DETACHED_MOUNTS: (u32, u32) = (5, 2);
/// The first kernel whose tmpfs can be kept out of swap.
const NOSWAP: (u32, u32) = (6, 4);

pub(super) async fn look(kubelet: &Path, providers: &[PathBuf], checks: &mut Checks) {
    let mut area = checks.area("This node");
    kernel(&mut area);
    driver(kubelet, &mut area).await;
    self::providers(providers, &mut area).await;
    volumes(&mut area);
}

fn kernel(area: &mut Area<'_>) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let swap = std::fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() > 1);
    let text = format!("{release}{}", if swap { ", with swap" } else { "" });
    match version(release) {
        Some(found) if found < DETACHED_MOUNTS => area.doubtful(
            "kernel",
            text,
            "5.2 or newer mounts volumes in one step; with this one they are mounted as the Go driver does it",
        ),
        Some(found) if found < NOSWAP && swap => area.doubtful(
            "kernel",
            text,
            "6.4 or newer keeps volumes out of swap; with this one secrets may be written to it: turn swap off, or encrypt it",
        ),
        Some(_) => area.good("kernel", text),
        None => area.unknown("kernel", text),
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

async fn driver(kubelet: &Path, area: &mut Area<'_>) {
    let registration = kubelet.join("plugins_registry").join(format!("{DRIVER_NAME}-reg.sock"));
    if is_socket(&registration) {
        area.good("registration socket", registration.display().to_string());
    } else {
        area.bad(
            "registration socket",
            format!("{} is not there", registration.display()),
            "the driver's pod does not run on this node",
        );
    }
    let socket = kubelet.join("plugins/csi-secrets-store/csi.sock");
    let asked = async {
        let mut client = IdentityClient::new(channel(&socket));
        client.get_plugin_info(GetPluginInfoRequest {}).await
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => {
            let answer = answer.into_inner();
            area.good("driver", format!("{} {}", answer.name, answer.vendor_version));
        }
        Ok(Err(status)) => {
            area.bad(
                "driver",
                format!("{} does not answer: {}", socket.display(), status.message()),
                "look at the driver's pod on this node, and its log",
            );
        }
        Err(_) => area.bad(
            "driver",
            format!("{} does not answer in time", socket.display()),
            "look at the driver's log on this node",
        ),
    }
}

async fn providers(directories: &[PathBuf], area: &mut Area<'_>) {
    let mut found = 0;
    for directory in directories {
        let Ok(entries) = std::fs::read_dir(directory) else { continue };
        let mut sockets: Vec<_> =
            entries.flatten().map(|entry| entry.path()).filter(|path| is_socket(path)).collect();
        sockets.sort();
        for socket in sockets {
            found += 1;
            let name = socket.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let asked = async {
                let mut client = CsiDriverProviderClient::new(channel(&socket));
                client.version(VersionRequest { version: "v1alpha1".to_owned() }).await
            };
            match tokio::time::timeout(PATIENCE, asked).await {
                Ok(Ok(answer)) => {
                    let answer = answer.into_inner();
                    area.good("provider", format!("{name}: {} {}, {}", answer.runtime_name, answer.runtime_version, answer.version));
                }
                Ok(Err(status)) => area.bad(
                    "provider",
                    format!("{name} does not answer: {}", status.message()),
                    "its pod has ended and left its socket, or is starting: look at the provider's pod on this node",
                ),
                Err(_) => area.bad("provider", format!("{name} does not answer in time"), "look at the provider's log on this node"),
            }
        }
    }
    if found == 0 {
        let all: Vec<_> = directories.iter().map(|directory| directory.display().to_string()).collect();
        area.bad(
            "provider",
            format!("there is no socket in {}", all.join(" and ")),
            "install a provider, or let its DaemonSet run on this node",
        );
    }
}

fn volumes(area: &mut Area<'_>) {
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else {
        return area.unknown("volumes", "the kernel does not list mounts");
    };
    let is_one = |line: &&str| line.contains("/volumes/kubernetes.io~csi/") && line.contains(" - tmpfs ");
    area.good(
        "volumes",
        format!("{} tmpfs volumes of pods are mounted", mounts.lines().filter(is_one).count()),
    );
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_kernels() {
        for (release, found) in [
            ("6.8.0-1015-azure", Some((6, 8))),
            ("5.10.0", Some((5, 10))),
            ("4.19", Some((4, 19))),
            ("odd", None),
        ] {
            assert_eq!(version(release), found, "{release}");
        }
    }
}
