//! The driver's flags: those of driver v1.6.0 with their defaults, then ours. Ours are chosen so that
//! a manifest of the Go driver starts this one unchanged.

use keymount_daemon::flags::{Default, Flag, GoDuration, KLOG_FLAGS};

/// All flags of the driver, klog's included.
pub const FLAGS: &[&[Flag]] = &[UPSTREAM, OURS, KLOG_FLAGS];

const fn text(name: &'static str, default: &'static str, help: &'static str) -> Flag {
    Flag { name, default: Default::Text(default), help }
}

const fn switch(name: &'static str, help: &'static str) -> Flag {
    Flag { name, default: Default::Bool(false), help }
}

const fn int(name: &'static str, default: i64, help: &'static str) -> Flag {
    Flag { name, default: Default::Int(default), help }
}

const fn seconds(name: &'static str, default: i64, help: &'static str) -> Flag {
    Flag { name, default: Default::Duration(GoDuration::from_secs(default)), help }
}

const UPSTREAM: &[Flag] = &[
    text(
        "additional-provider-volume-paths",
        "/etc/kubernetes/secrets-store-csi-providers",
        "Comma separated list of additional paths to communicate with providers",
    ),
    text("drivername", "secrets-store.csi.k8s.io", "name of the driver"),
    switch("enable-pprof", "accepted for compatibility: there is no pprof here"),
    switch("enable-secret-rotation", "Enable secret rotation feature"),
    text("endpoint", "unix://tmp/csi.sock", "CSI endpoint"),
    text("kubeconfig", "", "Paths to a kubeconfig. Only required if out-of-cluster."),
    switch("log-format-json", "set log formatter to json"),
    int("max-call-recv-msg-size", 4_194_304, "maximum size in bytes of gRPC response from plugins"),
    text("metrics-addr", ":8095", "The address the metric endpoint binds to; 0 turns it off"),
    text("metrics-backend", "Prometheus", "Backend used for metrics"),
    text("nodeid", "", "node id"),
    int("pprof-port", 6065, "accepted for compatibility: there is no pprof here"),
    switch("provider-health-check", "Enable health check for configured providers"),
    seconds("provider-health-check-interval", 120, "Provider healthcheck interval duration"),
    text("provider-volume", "/var/run/secrets-store-csi-providers", "Volume path for provider"),
    seconds(
        "rotation-poll-interval",
        120,
        "Secret rotation poll interval duration: each volume is fetched again this long after its last success",
    ),
    switch("version", "Print the version and exit"),
];

const OURS: &[Flag] = &[
    text(
        "health-addr",
        "",
        "`address` of the liveness endpoint /healthz, for example :9808; empty leaves it to the livenessprobe sidecar",
    ),
    int(
        "kube-api-burst",
        100,
        "writes to the Kubernetes API that may follow each other at once; mounts never wait for them",
    ),
    int(
        "kube-api-qps",
        50,
        "writes to the Kubernetes API per second once the burst is used up; mounts never wait for them",
    ),
    text(
        "kubelet-registration-path",
        "",
        "`path` of the CSI socket on the host; set, the driver registers itself with kubelet, empty leaves it to the node-driver-registrar sidecar",
    ),
    text(
        "plugin-registration-path",
        "/registration",
        "`directory` in which kubelet looks for plugin sockets, as mounted here",
    ),
    text("kubelet-pods-dir", "", "kubelet's pods `directory`; set, target paths outside it are refused"),
    switch(
        "mint-service-account-tokens",
        "rotate also where kubelet does not republish volumes (CSIDriver without requiresRepublish): create the pods' tokens and read their nodePublishSecretRef; needs create on serviceaccounts/token, which is the right to be any service account",
    ),
    int(
        "mounted-bytes-budget",
        96 * 1024 * 1024,
        "bytes of secrets that may be mounted on this node at one time; they count against the driver's memory limit",
    ),
    seconds(
        "provider-startup-timeout",
        10,
        "how long a mount waits for a provider whose socket is missing or refuses connections",
    ),
    int(
        "provider-reply-memory",
        64 * 1024 * 1024,
        "bytes that large replies of providers may take while they are received and written; further ones wait",
    ),
    int("provider-max-calls", 64, "calls to one provider that may run at one time"),
    seconds("rotation-min-interval", 10, "shortest rotation interval that a SecretProviderClass may ask for"),
    seconds(
        "secret-repair-interval",
        600,
        "how often each synced Secret is compared with its volume; 0 turns it off",
    ),
    seconds("shutdown-timeout", 25, "how long running requests may take to end after SIGTERM"),
    text(
        "startup-taint",
        "",
        "`key` of the taint that is taken off this node once kubelet has registered the driver and the providers of startup-taint-providers answer; empty leaves taints alone. Needs get and patch on nodes",
    ),
    text(
        "startup-taint-providers",
        "",
        "comma separated `names` of the providers that startup-taint waits for",
    ),
    int("volume-max-files", 4096, "files that one volume may hold"),
    int(
        "volume-size-limit",
        0,
        "`bytes` one volume may hold, both generations of a rotation included; 0 derives it from max-call-recv-msg-size",
    ),
    switch("volume-noexec", "mount volumes with noexec"),
    switch(
        "status-page",
        "serve /status on health-addr: the volumes of this node, for people and programs; whoever reaches the port reads names of pods, classes, objects and Secrets",
    ),
];

#[cfg(test)]
mod tests {
    use keymount_daemon::flags::Flags;

    use super::*;

    /// Names and defaults of the Go driver, as its usage text prints them.
    #[test]
    fn every_flag_of_the_go_driver_is_there_with_its_default() {
        let flags = Flags::parse("driver", FLAGS, []).unwrap();
        for (name, default) in [
            ("additional-provider-volume-paths", "/etc/kubernetes/secrets-store-csi-providers"),
            ("drivername", "secrets-store.csi.k8s.io"),
            ("endpoint", "unix://tmp/csi.sock"),
            ("kubeconfig", ""),
            ("metrics-addr", ":8095"),
            ("metrics-backend", "Prometheus"),
            ("nodeid", ""),
            ("provider-volume", "/var/run/secrets-store-csi-providers"),
        ] {
            assert_eq!(flags.text(name), default, "{name}");
        }
        for name in
            ["enable-pprof", "enable-secret-rotation", "log-format-json", "provider-health-check", "version"]
        {
            assert!(!flags.bool(name), "{name}");
        }
        assert_eq!((flags.int("max-call-recv-msg-size"), flags.int("pprof-port")), (4_194_304, 6065));
        for name in ["rotation-poll-interval", "provider-health-check-interval"] {
            assert_eq!(flags.duration(name).to_string(), "2m0s");
        }
    }
}
