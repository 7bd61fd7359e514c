use super::*;

const TABLE: &[Flag] = &[
    Flag { name: "endpoint", default: Default::Text("unix://tmp/csi.sock"), help: "CSI endpoint" },
    Flag { name: "nodeid", default: Default::Text(""), help: "node id" },
    Flag { name: "enable-secret-rotation", default: Default::Bool(false), help: "Enable rotation" },
    Flag { name: "construct-pem-chain", default: Default::Bool(true), help: "order the chain" },
    Flag { name: "pprof-port", default: Default::Int(6065), help: "port" },
    Flag {
        name: "rotation-poll-interval",
        default: Default::Duration(GoDuration::from_secs(120)),
        help: "Secret rotation poll interval",
    },
    Flag { name: "pods-directory", default: Default::Text(""), help: "kubelet's pods `directory`" },
];

fn parse(arguments: &[&str]) -> Result<Flags, FlagError> {
    Flags::parse("driver", &[TABLE, KLOG_FLAGS], arguments.iter().map(|a| (*a).to_owned()))
}

fn message(arguments: &[&str]) -> String {
    match parse(arguments) {
        Err(FlagError::Usage { message, .. }) => message,
        other => panic!("expected a usage error, got {other:?}"),
    }
}

#[test]
fn every_go_spelling() {
    for arguments in [
        &["-endpoint", "unix:///csi/csi.sock"][..],
        &["--endpoint", "unix:///csi/csi.sock"],
        &["-endpoint=unix:///csi/csi.sock"],
        &["--endpoint=unix:///csi/csi.sock"],
        &["--endpoint=ignored", "--endpoint=unix:///csi/csi.sock"],
    ] {
        assert_eq!(parse(arguments).unwrap().text("endpoint"), "unix:///csi/csi.sock");
    }
    for (argument, expected) in [
        ("-enable-secret-rotation", true),
        ("--enable-secret-rotation", true),
        ("--enable-secret-rotation=true", true),
        ("--enable-secret-rotation=T", true),
        ("--enable-secret-rotation=0", false),
        ("--enable-secret-rotation=False", false),
    ] {
        assert_eq!(parse(&[argument]).unwrap().bool("enable-secret-rotation"), expected, "{argument}");
    }
    let flags =
        parse(&["--rotation-poll-interval=30s", "-v", "5", "--pprof-port=0x10", "--nodeid=a=b"]).unwrap();
    assert_eq!(flags.duration("rotation-poll-interval"), GoDuration::from_secs(30));
    assert_eq!((flags.int("v"), flags.int("pprof-port"), flags.text("nodeid")), (5, 16, "a=b"));
    assert!(flags.is_given("v") && !flags.is_given("endpoint"));
    for (severity, number) in [("INFO", 0), ("warning", 1), ("ERROR", 2), ("Fatal", 3), ("7", 7)] {
        let flags = parse(&["-stderrthreshold", severity]).unwrap();
        assert_eq!(flags.int("stderrthreshold"), number, "{severity}");
    }
}

#[test]
fn defaults_hold_without_arguments() {
    let flags = parse(&[]).unwrap();
    assert_eq!(flags.text("endpoint"), "unix://tmp/csi.sock");
    assert_eq!(flags.duration("rotation-poll-interval").to_string(), "2m0s");
    assert_eq!((flags.int("stderrthreshold"), flags.uint("log_file_max_size")), (2, 1800));
    assert!(flags.bool("logtostderr") && flags.bool("construct-pem-chain"));
}

#[test]
fn reading_stops_at_the_first_argument_that_is_no_flag() {
    for arguments in [&["-v=1", "word", "-v=2"][..], &["-v=1", "--", "-v=2"], &["-v=1", "-", "-v=2"]] {
        assert_eq!(parse(arguments).unwrap().int("v"), 1);
    }
    // A boolean takes no separate value: `false` ends the flags, as in Go.
    let flags = parse(&["-enable-secret-rotation", "false", "-v=3"]).unwrap();
    assert!(flags.bool("enable-secret-rotation") && flags.int("v") == 0);
}

#[test]
fn mistakes_are_named_as_go_names_them() {
    for (arguments, expected) in [
        (&["-bogus"][..], "flag provided but not defined: -bogus"),
        (&["--bogus=1"], "flag provided but not defined: -bogus"),
        (&["-endpoint"], "flag needs an argument: -endpoint"),
        (&["-pprof-port=abc"], r#"invalid value "abc" for flag -pprof-port: parse error"#),
        (
            &["-pprof-port=99999999999999999999"],
            r#"invalid value "99999999999999999999" for flag -pprof-port: value out of range"#,
        ),
        (
            &["-rotation-poll-interval=2"],
            r#"invalid value "2" for flag -rotation-poll-interval: parse error"#,
        ),
        (
            &["-enable-secret-rotation=maybe"],
            r#"invalid boolean value "maybe" for -enable-secret-rotation: parse error"#,
        ),
        (&["---v"], "bad flag syntax: ---v"),
        (&["-=v"], "bad flag syntax: -=v"),
    ] {
        assert_eq!(message(arguments), expected);
    }
    assert_eq!(parse(&["-bogus"]).unwrap_err().exit_code(), 2);
}

#[test]
fn help_is_no_mistake() {
    for argument in ["-h", "-help", "--help"] {
        let help = parse(&[argument]).unwrap_err();
        assert_eq!(help.exit_code(), 0);
        assert!(help.to_string().starts_with("Usage of driver:\n  -add_dir_header\n"));
    }
}

#[test]
fn usage_has_the_form_of_go() {
    insta::assert_snapshot!(usage::text("driver", &[TABLE]), @r#"
    Usage of driver:
      -construct-pem-chain
        	order the chain (default true)
      -enable-secret-rotation
        	Enable rotation
      -endpoint string
        	CSI endpoint (default "unix://tmp/csi.sock")
      -nodeid string
        	node id
      -pods-directory directory
        	kubelet's pods directory
      -pprof-port int
        	port (default 6065)
      -rotation-poll-interval duration
        	Secret rotation poll interval (default 2m0s)
    "#);
}

#[test]
fn the_reference_page_lists_every_flag_once() {
    let page = reference(&[TABLE, KLOG_FLAGS]);
    assert_eq!(page.lines().count(), 2 + TABLE.len() + KLOG_FLAGS.len());
    assert!(
        page.contains("| `--rotation-poll-interval` | duration | 2m0s | Secret rotation poll interval |")
    );
}

proptest::proptest! {
    #[test]
    fn any_command_line_is_read_or_refused(arguments in proptest::collection::vec(".{0,12}", 0..6)) {
        let _ = Flags::parse("driver", &[TABLE, KLOG_FLAGS], arguments);
    }
}
