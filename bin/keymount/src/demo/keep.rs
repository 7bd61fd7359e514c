//! `--keep`: everything stays, and people can look around.

use super::layout::{Layout, VAULT, VAULT_SUFFIX};
use super::processes::{Endpoints, Processes};
use super::terminal::line;

/// Says what runs where, and what to try.
pub(super) fn describe(
    layout: &Layout,
    processes: &Processes,
    endpoints: &Endpoints,
    target: &std::path::Path,
) {
    let enter = format!("nsenter --target {} --mount{}", processes.driver.pid(), user(layout));
    let port = layout.azure_port;
    let ca = layout.ca();
    line(&format!(
        "
Everything is still running; Ctrl-C ends it.

  DEMO={demo}
  driver      pid {driver}   socket $DEMO/{csi}   log $DEMO/driver.log
  provider    pid {provider}   socket $DEMO/providers/azure.sock   log $DEMO/provider-azure.log
  emulator    pid {emulator}   vault {vault}   admin {admin}   CA $DEMO/ca.pem

Look into the volume (it is mounted in a namespace of its own):
  {enter} ls -la {target}
  {enter} cat {target}/db-password

Change the secret, and read it again two seconds later:
  curl {admin}/seed -d '{{\"vaults\":[{{\"name\":\"{VAULT}\",\"secrets\":[{{\"name\":\"db-password\",\"value\":\"changed\"}}]}}]}}'

Talk to the vault (401, as the real one) and to the cluster:
  curl -i --cacert {ca} --connect-to ::127.0.0.1:{port} 'https://{VAULT}.{VAULT_SUFFIX}:{port}/secrets/db-password?api-version=7.4'
  kubectl --kubeconfig {kubeconfig} get secretproviderclasses,secretproviderclasspodstatuses,secrets,pods

Health and metrics:
  curl http://127.0.0.1:{driver_health}/healthz;   curl http://127.0.0.1:{driver_metrics}/metrics
  curl http://127.0.0.1:{provider_health}/healthz;   curl http://127.0.0.1:{provider_metrics}/metrics

Let the vault refuse every second request:
  curl {admin}/faults -d '{{\"match\":{{\"service\":\"vault\"}},\"when\":{{\"every\":2}},\"action\":{{\"type\":\"respond\",\"status\":429,\"retryAfter\":\"1\"}}}}'
  curl -X DELETE {admin}/faults",
        demo = layout.root.display(),
        driver = processes.driver.pid(),
        csi = layout.csi_socket().strip_prefix(&layout.root).unwrap_or(&layout.csi_socket()).display(),
        provider = processes.provider.pid(),
        emulator = processes.emulator.pid(),
        vault = layout.vault_url(),
        admin = endpoints.admin,
        target = target.display(),
        ca = ca.display(),
        kubeconfig = layout.kubeconfig().display(),
        driver_health = layout.driver_health,
        driver_metrics = layout.driver_metrics,
        provider_health = layout.provider_health,
        provider_metrics = layout.provider_metrics,
    ));
}

fn user(layout: &Layout) -> &'static str {
    if layout.user_namespace { " --user --preserve-credentials" } else { "" }
}
