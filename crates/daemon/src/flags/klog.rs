//! The flags that klog adds to every Go daemon of the stack.

use super::{Default, Flag};

/// klog's flags. `-v` sets the verbosity; the others are accepted so that existing manifests start,
/// and [`crate::log::init`] says when one of them has no effect here.
pub const KLOG_FLAGS: &[Flag] = &[
    Flag {
        name: "add_dir_header",
        default: Default::Bool(false),
        help: "accepted for compatibility: log lines carry the file name only",
    },
    Flag {
        name: "alsologtostderr",
        default: Default::Bool(false),
        help: "accepted for compatibility: logs always go to standard error",
    },
    Flag {
        name: "log_backtrace_at",
        default: Default::Pattern,
        help: "accepted for compatibility: no backtraces are logged",
    },
    Flag {
        name: "log_dir",
        default: Default::Text(""),
        help: "accepted for compatibility: no log files are written",
    },
    Flag {
        name: "log_file",
        default: Default::Text(""),
        help: "accepted for compatibility: no log files are written",
    },
    Flag {
        name: "log_file_max_size",
        default: Default::Uint(1800),
        help: "accepted for compatibility: no log files are written",
    },
    Flag {
        name: "logtostderr",
        default: Default::Bool(true),
        help: "accepted for compatibility: logs always go to standard error",
    },
    Flag {
        name: "one_output",
        default: Default::Bool(false),
        help: "accepted for compatibility: no log files are written",
    },
    Flag {
        name: "skip_headers",
        default: Default::Bool(false),
        help: "If true, avoid header prefixes in the log messages",
    },
    Flag {
        name: "skip_log_headers",
        default: Default::Bool(false),
        help: "accepted for compatibility: no log files are written",
    },
    Flag {
        name: "stderrthreshold",
        default: Default::Severity(2),
        help: "accepted for compatibility: logs always go to standard error",
    },
    Flag {
        name: "v",
        default: Default::Level(0),
        help: "number for the log level verbosity: 0 lifecycle, 2 each operation, 5 each request without its secrets",
    },
    Flag {
        name: "vmodule",
        default: Default::Pattern,
        help: "accepted for compatibility: -v applies to all files",
    },
];
