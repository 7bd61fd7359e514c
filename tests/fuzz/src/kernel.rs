//! What the kernel and the command line say.

use keymount_daemon::flags::Flags;

/// `/proc/self/mountinfo`: a line gives a mount or nothing, and what is escaped is unescaped once.
pub(crate) fn mountinfo(data: &[u8]) {
    let mounts = keymount_volume::fuzzing::mountinfo(data);
    assert!(mounts.len() <= data.split(|byte| *byte == b'\n').count());
    for (point, filesystem) in mounts {
        assert!(point.as_os_str().len() <= data.len() && !filesystem.contains(&b'\n'));
    }
}

/// A command line of the driver, one argument a line: read as a whole or refused with the usage.
pub(crate) fn go_flags(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let table = keymount_driver::flags::FLAGS;
    match Flags::parse("driver", table, text.split('\n').map(str::to_owned)) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(flags) => {
            let duration = flags.duration("rotation-poll-interval");
            assert_eq!(duration.to_string().parse(), Ok(duration), "what is written is read again");
        }
    }
}
