//! Kubelet and the driver see each other's mounts through shared propagation only.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::mount::{MountPropagationFlags, mount_change};

use super::*;

/// A shell in another mount namespace, a peer of this one as kubelet's is of the driver's container.
struct Peer {
    shell: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn start() -> Self {
        let mut shell = Command::new("unshare")
            .args(["--mount", "--propagation", "unchanged", "sh"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare runs");
        let input = shell.stdin.take().expect("piped");
        let output = BufReader::new(shell.stdout.take().expect("piped"));
        let mut peer = Self { shell, input, output };
        assert_eq!(peer.answer("echo ready"), "ready");
        peer
    }

    /// The first line that a command prints.
    fn answer(&mut self, command: &str) -> String {
        writeln!(self.input, "{command}").expect("the shell listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the shell answers");
        line.trim_end().to_owned()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

#[test]
fn volumes_appear_and_vanish_in_a_peer_namespace() {
    isolated(|_| {
        for node in Node::both_kinds() {
            mount_change(node.directory.path(), MountPropagationFlags::SHARED).expect("shared");
            let mut peer = Peer::start();
            let target = node.target("vol");
            node.publish(&target, 7).expect("publishes");
            assert_eq!(peer.answer(&format!("echo $(cat {}/first)", target.display())), "7");
            node.replace(&target, 8).expect("replaces");
            assert_eq!(peer.answer(&format!("echo $(cat {}/first)", target.display())), "8");
            node.volumes.unpublish(&target).expect("goes");
            let count = format!("grep -c ' {} ' /proc/self/mountinfo", target.display());
            assert_eq!(peer.answer(&count), "0");
        }
    });
}
