use super::*;

fn logged(format: Format, verbosity: i64, emit: impl FnOnce()) -> String {
    let buffer = Arc::new(Mutex::new(Vec::new()));
    let clock = WallClock::system();
    let options = Options {
        format,
        verbosity,
        skip_headers: false,
        output: Output::Memory(Arc::clone(&buffer)),
        clock,
    };
    tracing::subscriber::with_default(Log::new(options), emit);
    let bytes = buffer.lock().expect("buffer").clone();
    String::from_utf8(bytes).expect("UTF-8")
}

/// The line with what changes from run to run replaced.
fn stable(line: &str) -> String {
    let (header, rest) = line.split_once("] ").expect("a klog header");
    let words: Vec<_> = header.split_whitespace().collect();
    let (file, _) = words[3].split_once(':').expect("file and line");
    assert_eq!(words[0].len(), 5, "letter, month, day: {header}");
    assert_eq!(words[1].len(), 15, "time with microseconds: {header}");
    assert_eq!(words[2], std::process::id().to_string());
    format!("{} {file}] {rest}", &words[0][..1])
}

#[test]
fn text_lines_are_klog_lines() {
    let line = logged(Format::Text, 0, || {
        tracing::info!(pod = "default/web", count = 3, mounted = true, "mounted \"it\"\nnow");
    });
    assert_eq!(
        stable(&line),
        "I tests.rs] \"mounted \\\"it\\\"\\nnow\" pod=\"default/web\" count=3 mounted=true\n"
    );
    let line = logged(Format::Text, 0, || {
        let err = std::io::Error::other("boom");
        tracing::error!(err = %err, "failed to clean and unmount target path");
    });
    assert_eq!(stable(&line), "E tests.rs] \"failed to clean and unmount target path\" err=\"boom\"\n");
}

#[test]
fn json_lines_have_the_keys_of_the_go_programs() {
    let line = logged(Format::DriverJson, 0, || tracing::error!(err = "boom", volume = "v", "failed"));
    let object: Map = serde_json::from_str(&line).expect("JSON");
    assert_eq!(
        object.keys().map(String::as_str).collect::<Vec<_>>(),
        ["caller", "error", "level", "message", "timestamp", "volume"]
    );
    assert_eq!((&object["level"], &object["message"]), (&"error".into(), &"failed".into()));

    let line = logged(Format::KlogJson, 5, || tracing::trace!(code = 0, "request"));
    let object: Map = serde_json::from_str(&line).expect("JSON");
    assert_eq!(object.keys().map(String::as_str).collect::<Vec<_>>(), ["caller", "code", "msg", "ts", "v"]);
    assert!(object["ts"].is_f64() && object["v"] == 5 && object["code"] == 0);
}

type Map = serde_json::Map<String, serde_json::Value>;

#[test]
fn verbosity_admits_what_klog_admits() {
    let emit = || {
        tracing::warn!("w");
        tracing::info!("i");
        tracing::debug!("d");
        tracing::trace!("t");
    };
    for (verbosity, expected) in [(-1, 2), (0, 2), (1, 2), (2, 3), (4, 3), (5, 4), (10, 4)] {
        assert_eq!(logged(Format::Text, verbosity, emit).lines().count(), expected, "-v={verbosity}");
    }
}

/// I5: traces of HTTP and gRPC libraries show headers and frames; they never appear.
#[test]
fn i5_dependencies_are_silent_below_warnings() {
    let text = logged(Format::Text, 10, || {
        tracing::trace!(target: "h2::codec", "authorization: Bearer t0ken");
        tracing::debug!(target: "hyper::client", "t0ken");
        tracing::info!(target: "kube_client", "t0ken");
        tracing::warn!(target: "kube_client", "certificate expires");
        // This is where the Kubernetes client logs a body that it cannot read, whatever it held.
        tracing::warn!(target: "kube_client::client", "{}", "{\"data\": \"token\"");
    });
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(!text.contains("t0ken"));
}
