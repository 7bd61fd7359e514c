//! Groups, labels and records, as far as the kernel lets the test have them.

use rustix::fs::{XattrFlags, lgetxattr, lsetxattr};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use super::*;

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 70_000];
    let length = lgetxattr(path, name, &mut value[..]).ok()?;
    value.truncate(length);
    Some(value)
}

fn group_and_mode(path: &Path) -> (u32, u32) {
    let metadata = std::fs::symlink_metadata(path).expect("exists");
    (metadata.gid(), metadata.mode() & 0o7777)
}

#[test]
fn group_in_every_generation() {
    isolated(|namespace| {
        if namespace == Namespace::User {
            println!("skipped: a user namespace has no foreign groups");
            return;
        }
        // All that the driver keeps.
        let mut kept = capabilities(None).expect("known");
        kept.effective = CapabilitySet::SYS_ADMIN
            | CapabilitySet::DAC_OVERRIDE
            | CapabilitySet::CHOWN
            | CapabilitySet::FOWNER;
        set_capabilities(None, kept).expect("dropped");
        for (node, for_provider) in
            Node::both_kinds().into_iter().zip([false, true]).chain([(Node::new(), true)])
        {
            let target = node.target("vol");
            if for_provider {
                node.volumes.mount_for_provider(&target).expect("mounts");
            }
            let ownership = Ownership { group: Some(4242) };
            for number in [1, 2, 2] {
                let (files, record) = (numbered(number), Record::default());
                node.volumes.publish(&target, &files, &record, ownership).expect("publishes");
                for (path, mode) in [
                    ("", 0o2750),
                    ("..data/", 0o2750),
                    ("..data/nested", 0o2750),
                    ("..data/nested/deep", 0o2750),
                    ("..data/first", 0o644),
                    ("..data/nested/deep/second", 0o640),
                ] {
                    assert_eq!(group_and_mode(&target.join(path)), (4242, mode), "{path} of {number}");
                }
            }
            let published = node.volumes.publish(&target, &numbered(2), &Record::default(), ownership);
            assert_eq!(published.expect("publishes"), Published::AlreadyMounted(Replaced::Unchanged));
            assert!(node.volumes.record(&target).is_some());
            node.volumes.unpublish(&target).expect("goes");
        }
    });
}

#[test]
fn label_of_the_volume_is_given_to_new_files() {
    isolated(|namespace| {
        if namespace == Namespace::User {
            println!("skipped: a user namespace cannot set labels");
            return;
        }
        let node = Node::new();
        let target = node.target("vol");
        node.publish(&target, 1).expect("publishes");
        let label = b"system_u:object_r:container_file_t:s0:c1,c2\0";
        if lsetxattr(&target, "security.selinux", label, XattrFlags::empty()).is_err() {
            println!("skipped: labels cannot be set here");
            return;
        }
        node.replace(&target, 2).expect("replaces");
        for path in
            ["even", "..data", "..data/", "..data/nested", "..data/nested/deep/second", "..data/first"]
        {
            assert_eq!(
                attribute(&target.join(path), "security.selinux").as_deref(),
                Some(&label[..]),
                "{path}"
            );
        }
        assert_eq!(number_of(&target), Some(2));
    });
}

#[test]
fn record_hides_from_containers_where_it_can() {
    isolated(|namespace| {
        let node = Node::new();
        let target = node.target("vol");
        node.publish(&target, 1).expect("publishes");
        let generation = target.join(std::fs::read_link(target.join("..data")).expect("a link"));
        let trusted = attribute(&generation, "trusted.keymount.record");
        let user = attribute(&generation, "user.keymount.record");
        let (value, other) = match namespace {
            Namespace::Root => (trusted, user),
            Namespace::User => (user, trusted),
        };
        assert_eq!(other, None);
        let text = String::from_utf8(value.expect("Linux 6.6 or newer, or root")).expect("text");
        assert!(text.contains(r#""class":"class","versions":{"id":"v1"},"written":"20"#), "{text}");
        assert_eq!(std::fs::read_dir(&target).expect("lists").count(), 4);
    });
}
