"""Values: what is misspelled is refused, what the Go charts have is taken."""

import json
import os
import pathlib
import tempfile
import unittest

from cluster import AZURE, CRDS, DRIVER, HERE, NAMESPACE, apply, documents, eventually, exists, helm, install, request, uninstall


def nested(values):
    """Paths with dots as the mappings they stand for."""
    result = {}
    for path, value in values.items():
        *parents, last = path.split(".")
        place = result
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = value
    return result


def file(values):
    """A values file; JSON is YAML."""
    handle = tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False)
    with handle:
        json.dump(values, handle)
    return pathlib.Path(handle.name)


class Values(unittest.TestCase):
    def test_the_charts_pass_the_linter(self):
        for chart in (CRDS, DRIVER, AZURE):
            helm("lint", "--strict", chart)

    def test_what_is_misspelled_or_of_the_wrong_type_is_refused(self):
        for chart, assignment, complaint in [
            (DRIVER, "enableSecretRotaton=true", "enableSecretRotaton"),
            (DRIVER, "enableSecretRotation=yes", "enableSecretRotation"),
            (DRIVER, "linux.driver.resource=1", "resource"),
            (DRIVER, "linux.image.pullPolicy=Sometimes", "pullPolicy"),
            (DRIVER, "syncSecret.namespace=a", "namespace"),
            (DRIVER, "rotationPollInterval=30", "rotationPollInterval"),
            (DRIVER, "tokenRequests[0].audiences=a", "audience"),
            (DRIVER, "podDisruptionBudget.minAvailable=50%", "minAvailable"),
            (DRIVER, "startupTaint.key=a b", "startupTaint"),
            (DRIVER, "startupTaint.enabled=true,linux.registrar.sidecar=true", "linux.registrar.sidecar"),
            (DRIVER, "windows.enabled=true", "Windows nodes are not supported"),
            (DRIVER, "statusPage=true,linux.livenessProbe.sidecar=true", "linux.livenessProbe.sidecar"),
            (AZURE, "linux.hostnetwork=false", "hostnetwork"),
            (AZURE, "secrets-store-csi-driver.enableSecretRotaton=true", "enableSecretRotaton"),
            (AZURE, "secrets-store-csi-driver.secrets-store-csi-crds.adapt=true", "adapt"),
            (AZURE, "windows.enabled=true", "Windows nodes are not supported"),
            (AZURE, "enableArcExtension=true", "Arc"),
            (AZURE, "networkPolicy.enabled=true", "linux.hostNetwork"),
        ]:
            with self.subTest(assignment):
                self.assertIn(complaint, helm("template", "x", chart, "--set", assignment, fails=True))

    def test_values_files_of_the_go_charts_apply_unchanged(self):
        for chart, name in [(DRIVER, "secrets-store-csi-driver-1.6.0"), (AZURE, "csi-secrets-store-provider-azure-1.8.2")]:
            with self.subTest(name):
                values = nested(json.loads((HERE / "upstream" / f"{name}.json").read_text()))
                self.addCleanup(uninstall, "theirs")
                notes = install("theirs", chart, "--values", file(values))
                self.assertIn("names the image of the Go", notes)
                uninstall("theirs")

    def test_the_arguments_follow_the_values(self):
        arguments = helm(
            "template", "x", AZURE, "--set", "constructPEMChain=false", "--set", "logVerbosity=5",
            "--set", "secrets-store-csi-driver.rotationPollInterval=30s",
            "--set", "secrets-store-csi-driver.mountedBytesBudget=209715200",
            "--set", "secrets-store-csi-driver.providerReplyMemory=33554432",
            "--set", "secrets-store-csi-driver.statusPage=true",
            "--set", "secrets-store-csi-driver.enableSecretRotation=true")
        for argument in ("--construct-pem-chain=false", "-v=5", "--rotation-poll-interval=30s", "--mounted-bytes-budget=209715200",
                         "--provider-reply-memory=33554432", "--enable-secret-rotation=true", "--status-page=true", "requiresRepublish: true", "--max-call-recv-msg-size=4194304"):
            self.assertIn(argument, arguments)

    def test_sidecars_come_back_by_values(self):
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets/secrets-store-csi-driver"
        self.addCleanup(uninstall, "secrets-store-csi-driver")
        seen = {}
        for sidecars in ("false", "true"):
            install("secrets-store-csi-driver", DRIVER, "--set", f"linux.registrar.sidecar={sidecars},linux.livenessProbe.sidecar={sidecars}")
            containers = request("GET", path)["spec"]["template"]["spec"]["containers"]
            driver = next(container for container in containers if container["name"] == "secrets-store")
            seen[sidecars] = [container["name"] for container in containers], any("health-addr" in argument for argument in driver["args"])
        self.assertEqual(seen["false"], (["secrets-store"], True))
        self.assertEqual(seen["true"], (["node-driver-registrar", "secrets-store", "liveness-probe"], False))

    def test_both_daemons_tolerate_the_start_up_taint(self):
        toleration = "- key: secrets-store.csi.k8s.io/agent-not-ready\n          operator: Exists\n"
        narrow = ("--set", "linux.tolerations=null,secrets-store-csi-driver.linux.tolerations=null")
        rendered = helm("template", "x", AZURE, *narrow, "--set", "secrets-store-csi-driver.startupTaint.enabled=true")
        self.assertEqual(rendered.count(toleration), 2)
        for argument in ("--startup-taint=secrets-store.csi.k8s.io/agent-not-ready", "--startup-taint-providers=azure"):
            self.assertIn(argument, rendered)
        alone = ("--set", "secrets-store-csi-driver.install=false")
        self.assertEqual(helm("template", "x", AZURE, *narrow, *alone, "--set", "secrets-store-csi-driver.startupTaint.enabled=true").count(toleration), 1)
        self.assertNotIn("agent-not-ready", helm("template", "x", AZURE))

    def test_tokens_come_apart_from_attributes_where_kubernetes_can(self):
        for version, is_set in [("1.34.0", False), ("1.35.0", True)]:
            rendered = helm("template", "x", AZURE, "--kube-version", version)
            self.assertEqual("serviceAccountTokenInSecrets: true" in rendered, is_set, version)


class EverySwitch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """What the Prometheus operator defines."""
        for name in ("podmonitors", "servicemonitors", "prometheusrules"):
            text = (pathlib.Path(os.environ["PROMETHEUS_CRDS"]) / f"monitoring.coreos.com_{name}.yaml").read_text()
            apply(documents(text)[0])
            eventually(lambda name=name: "Established" in str(exists(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}.monitoring.coreos.com")["status"]))

    def test_the_api_server_takes_everything(self):
        self.addCleanup(uninstall, "full")
        install("full", AZURE, "--values", HERE / "everything.yaml")
        for path in [
            "/apis/monitoring.coreos.com/v1/namespaces/kube-system/podmonitors/secrets-store-csi-driver",
            "/apis/monitoring.coreos.com/v1/namespaces/kube-system/servicemonitors/full-csi-secrets-store-provider-azure",
            "/apis/monitoring.coreos.com/v1/namespaces/kube-system/prometheusrules/secrets-store-csi-driver",
            "/apis/networking.k8s.io/v1/namespaces/kube-system/networkpolicies/full-csi-secrets-store-provider-azure",
            "/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets/secrets-store-csi-driver",
            "/apis/scheduling.k8s.io/v1/priorityclasses/secrets-store-csi-driver",
            "/api/v1/namespaces/kube-system/configmaps/secrets-store-csi-driver-dashboard",
        ]:
            self.assertIsNotNone(exists(path), path)
        boards = request("GET", "/api/v1/namespaces/kube-system/configmaps/full-csi-secrets-store-provider-azure-dashboard")
        self.assertGreater(len(json.loads(boards["data"]["secrets-store-csi-driver-provider-azure.json"])["panels"]), 5)
