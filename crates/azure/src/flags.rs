//! The flags of the provider: upstream's names and defaults, and ours.

use keymount_daemon::flags::{Default, Flag, GoDuration, KLOG_FLAGS};

/// All flags, klog's among them.
pub const TABLE: &[&[Flag]] = &[FLAGS, KLOG_FLAGS];

const FLAGS: &[Flag] = &[
    Flag {
        name: "cloud-name",
        default: Default::Text("AzurePublicCloud"),
        help: "default cloud environment if not provided in the SecretProviderClass. Allowed values: \
               AzurePublicCloud, AzureUSGovernmentCloud, AzureChinaCloud, AzureGermanCloud or AzureStackCloud",
    },
    Flag {
        name: "construct-pem-chain",
        default: Default::Bool(true),
        help: "put the certificates of a PFX in the order server, intermediate, root",
    },
    Flag {
        name: "custom-user-agent",
        default: Default::Text(""),
        help: "added to the user agent of requests to Entra and Key Vault",
    },
    Flag {
        name: "enable-pprof",
        default: Default::Bool(false),
        help: "accepted for compatibility: there is no profiling server",
    },
    Flag { name: "endpoint", default: Default::Text("unix:///tmp/azure.sock"), help: "CSI gRPC endpoint" },
    Flag { name: "healthz-path", default: Default::Text("/healthz"), help: "path for health check" },
    Flag { name: "healthz-port", default: Default::Int(8989), help: "port for health check" },
    Flag {
        name: "healthz-timeout",
        default: Default::Duration(GoDuration::from_secs(5)),
        help: "RPC timeout for health check",
    },
    Flag { name: "log-format-json", default: Default::Bool(false), help: "set log formatter to json" },
    Flag {
        name: "metrics-backend",
        default: Default::Text("Prometheus"),
        help: "Backend used for metrics; there is only this one",
    },
    Flag {
        name: "object-cache-ttl",
        default: Default::Duration(GoDuration::from_secs(10)),
        help: "how long mounts of one identity share what one of them has read from a vault; 0s: not at all",
    },
    Flag {
        name: "pprof-port",
        default: Default::Int(6060),
        help: "accepted for compatibility: there is no profiling server",
    },
    Flag {
        name: "prometheus-port",
        default: Default::Int(8898),
        help: "Prometheus port for metrics backend",
    },
    Flag {
        name: "sni-name",
        default: Default::Text(""),
        help: "TLS server name for the token proxy of identity bindings. If not set, it is computed from the \
               API server's serving certificate.",
    },
    Flag {
        name: "token-proxy-url",
        default: Default::Text(""),
        help: "URL of the token proxy for identity bindings. If not set, the in-cluster API server endpoint.",
    },
    Flag {
        name: "vault-concurrency",
        default: Default::Int(64),
        help: "requests to one vault that may be under way at once",
    },
    Flag { name: "version", default: Default::Bool(false), help: "prints the version information" },
    Flag {
        name: "write-cert-and-key-in-separate-files",
        default: Default::Bool(false),
        help: "Write cert and key in separate files. The individual files will be named as <secret-name>.crt \
               and <secret-name>.key. These files will be created in addition to the single file.",
    },
];
