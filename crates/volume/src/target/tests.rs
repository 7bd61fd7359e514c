use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn identity(path: &str) -> Option<(String, String)> {
    parse_target(Path::new(path)).map(|identity| (identity.pod_uid, identity.volume_name))
}

#[test]
fn identities_as_in_the_go_driver() {
    for path in [
        "/var/lib/kubelet/pods/uid/volumes/kubernetes.io~csi/vol/mount",
        "data/kubelet/pods/uid/volumes/kubernetes.io~csi/vol/mount",
        "/opt/new/var/lib/kubelet/pods/uid/volumes/kubernetes.io~csi/vol/mount",
        "/pods/uid/volumes/kubernetes.io~csi/vol/mount",
        r"c:\var\lib\kubelet\pods\uid\volumes\kubernetes.io~csi\vol\mount",
        r"c:\\var\\lib\\kubelet\\pods\\uid\\volumes\\kubernetes.io~csi\\vol\\mount",
        "/var//pods//uid/volumes//kubernetes.io~csi///vol//mount",
        "/x|pods|uid|volumes|kubernetes.io~csi|vol|mount",
    ] {
        assert_eq!(identity(path), Some(("uid".to_owned(), "vol".to_owned())), "{path}");
    }
    for path in [
        "",
        "/",
        "mount",
        "/var/lib/kubelet/pods/uid/volumes/kubernetes.io~pv/vol/mount",
        "/var/lib/kubelet/pods/uid/volumes/kubernetes.io~secret/vol/mount",
        "/var/lib/kubelet/pods/uid/volumes/kubernetesxio~csi/vol/mount",
        "/var/lib/kubelet/pods/uid/volumes/kubernetes.io~csi/vol",
        "/var/lib/kubelet/pods/uid/volumes/kubernetes.io~csi/vol/",
        "/var/lib/kubelet/pods/uid/volumes/kubernetes.io~csi/vol/mount/",
        "/var/lib/kubelet/pods/uid/volumes/kubernetes.io~csi/vol/amount",
        "/var/lib/kubelet/pods/uid/volumes/kubernetes.io~csi/mount",
        "/var/lib/kubelet/pods/volumes/kubernetes.io~csi/vol/mount",
        "pods/uid/volumes/kubernetes.io~csi/vol/mount",
        "/var/lib/mypods/uid/volumes/kubernetes.io~csi/vol/mount",
    ] {
        assert_eq!(identity(path), None, "{path}");
    }
}

/// A kubelet root that is a symbolic link, as on nodes that keep it elsewhere.
fn kubelet() -> (tempfile::TempDir, PathBuf, TargetGuard) {
    let directory = tempfile::tempdir().expect("temporary directory");
    std::fs::create_dir_all(directory.path().join("real/pods/uid")).expect("directories");
    std::fs::create_dir_all(directory.path().join("elsewhere")).expect("directories");
    symlink("real", directory.path().join("kubelet")).expect("link");
    let pods = directory.path().join("kubelet/pods");
    (directory, pods.clone(), TargetGuard::Under(pods))
}

#[test]
fn i7_only_below_the_pods_directory() {
    let (_directory, pods, guard) = kubelet();
    let volume = pods.join("uid/volumes/kubernetes.io~csi/vol");
    for target in [
        volume.clone(),
        volume.join("mount/more"),
        volume.join("more/mount"),
        volume.join("other"),
        volume.join("../vol/mount"),
        pods.join("uid/volumes/kubernetes.io~secret/vol/mount"),
        pods.join("mount"),
        PathBuf::from("/etc"),
        PathBuf::from("/"),
        PathBuf::from("relative/uid/volumes/kubernetes.io~csi/vol/mount"),
        PathBuf::from(""),
        pods.join("../pods/uid/volumes/kubernetes.io~csi/vol/mount"),
        pods.join("u".repeat(4100)).join("volumes/kubernetes.io~csi/vol/mount"),
    ] {
        assert!(
            matches!(guard.create(&target), Err(TargetError::Malformed(_) | TargetError::Outside { .. })),
            "{}",
            target.display()
        );
        assert!(guard.open(&target).is_err());
    }
    assert!(!volume.exists());
}

#[test]
fn created_as_the_go_driver_does() {
    let (_directory, pods, guard) = kubelet();
    let path = pods.join("uid/volumes/kubernetes.io~csi/vol/mount");
    assert!(guard.open(&path).expect("allowed").is_none());
    let (_, created) = guard.create(&path).expect("creates");
    assert!(created);
    assert_eq!(std::fs::metadata(&path).expect("exists").permissions().mode() & 0o777, 0o750);
    let doubled = pods.join("uid//volumes/./kubernetes.io~csi/vol/mount/");
    let (target, created) = guard.create(&doubled).expect("opens");
    assert!(!created);
    assert_eq!(target.name, "mount");
    assert!(guard.open(&path).expect("allowed").is_some());
}

#[test]
fn links_on_the_way_are_not_followed() {
    let (directory, pods, guard) = kubelet();
    symlink(directory.path().join("elsewhere"), pods.join("linked")).expect("link");
    let linked = pods.join("linked/volumes/kubernetes.io~csi/vol/mount");
    assert!(matches!(guard.create(&linked), Err(TargetError::Unreachable { .. })));
    assert!(matches!(guard.open(&linked), Err(TargetError::Unreachable { .. })));

    // Neither to another pod of the node, which leads out of nothing.
    let victim = pods.join("victim/volumes/kubernetes.io~csi/vol");
    std::fs::create_dir_all(&victim).expect("directories");
    symlink("victim", pods.join("beside")).expect("link");
    let beside = pods.join("beside/volumes/kubernetes.io~csi/vol/mount");
    assert!(matches!(guard.create(&beside), Err(TargetError::Unreachable { .. })));
    assert!(matches!(guard.open(&beside), Err(TargetError::Unreachable { .. })));
    assert_eq!(std::fs::read_dir(&victim).expect("lists").count(), 0);

    let volume = pods.join("uid/volumes/kubernetes.io~csi/vol");
    std::fs::create_dir_all(&volume).expect("directories");
    symlink(directory.path().join("elsewhere"), volume.join("mount")).expect("link");
    let (target, created) = guard.create(&volume.join("mount")).expect("its directory opens");
    assert!(!created && target.root().is_err());
    assert_eq!(std::fs::read_dir(directory.path().join("elsewhere")).expect("lists").count(), 0);
}

#[test]
fn missing_pods_directory_is_no_missing_volume() {
    let guard = TargetGuard::Under(PathBuf::from("/nonexistent/pods"));
    let target = Path::new("/nonexistent/pods/uid/volumes/kubernetes.io~csi/vol/mount");
    assert!(matches!(guard.open(target), Err(TargetError::Unreachable { .. })));
    assert!(matches!(TargetGuard::Any.open(target), Ok(None)));
}

#[test]
fn without_guard_any_absolute_path() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("a/b/target");
    let (target, created) = TargetGuard::Any.create(&path).expect("creates");
    assert!(created && target.root().is_ok());
    for path in ["relative", "/", "", "/a/../b"] {
        assert!(matches!(TargetGuard::Any.create(Path::new(path)), Err(TargetError::Malformed(_))), "{path}");
    }
}
