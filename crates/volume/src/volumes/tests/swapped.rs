//! A link that is swapped into the way of a target (the class of CVE-2021-25741).

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::*;

#[test]
fn i7_swapped_links_lead_nowhere() {
    isolated(|_| {
        let node = Node::new();
        let elsewhere = node.directory.path().join("elsewhere");
        std::fs::create_dir_all(elsewhere.join("mount")).expect("directories");
        std::fs::write(elsewhere.join("mount/file"), "kept").expect("file");
        let target = node.target("vol");
        let volume = target.parent().expect("a parent");
        let link = volume.with_file_name("link");
        std::fs::create_dir_all(volume).expect("directories");
        symlink(&elsewhere, &link).expect("link");

        let done = AtomicBool::new(false);
        let (mut published, mut refused) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    renameat_with(CWD, volume, CWD, &link, RenameFlags::EXCHANGE).expect("swaps");
                }
            });
            let _ending = Ending(&done);
            // In practice a few hundred.
            for _ in 0..100_000 {
                if published >= 100 && refused >= 100 {
                    break;
                }
                match node.publish(&target, 1) {
                    Ok(_) => published += 1,
                    Err(VolumeError::Target(_)) => refused += 1,
                    Err(error) => panic!("{}", error.report()),
                }
                let _ = node.volumes.inspect(&target);
                let _ = node.volumes.unpublish(&target);
            }
        });
        assert!(published > 0 && refused > 0);
        let left = std::fs::read_dir(elsewhere.join("mount")).expect("lists");
        assert_eq!(left.map(|entry| entry.expect("an entry").file_name()).collect::<Vec<_>>(), ["file"]);
        assert_eq!(std::fs::read_dir(&elsewhere).expect("lists").count(), 1);
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
        assert!(!mounts.contains(elsewhere.to_str().expect("text")));
    });
}
