"""Azure as a pod, and the charts of the version before this one, with nothing but the values a user would set."""

import os
import pathlib
import shutil
import unittest

from cluster import CHARTS, NAMESPACE, exists, request
from consumption import Consumption
from stage import ADMIN, DAEMONS, GROUP, RUN, NODE, azure, ctr, daemon_pod, figure, make, namespace, path_of, reach_azure, running, upgrade, wait

HERE = pathlib.Path(__file__).parent
PREVIOUS = RUN / "previous"
VERSION, OLD = "0.1.0", "0.0.9"


def make_previous():
    """The charts under an older version, and the images they name."""
    shutil.copytree(CHARTS, PREVIOUS, symlinks=True)
    for file in [*PREVIOUS.glob("*/Chart.yaml"), *PREVIOUS.glob("*/values.yaml")]:
        text = file.read_text()
        file.write_text(text.replace(f"version: {VERSION}", f"version: {OLD}").replace(f"appVersion: {VERSION}", f"appVersion: {OLD}")
                        .replace(f"tag: v{VERSION}", f"tag: v{OLD}"))
    for name in ctr("images", "ls", "-q").split():
        if name.startswith("ghcr.io/keymount/") and name.endswith(f":v{VERSION}"):
            ctr("images", "tag", name, name.replace(f":v{VERSION}", f":v{OLD}"))


def azure_pod():
    """Azure, as a pod in the node's network."""
    # Whoever verifies service account tokens may ask for the keys without one, as where clusters are trusted by Entra.
    request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
        "metadata": {"name": "issuer-discovery"}, "subjects": [{"kind": "Group", "name": "system:unauthenticated", "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"kind": "ClusterRole", "name": "system:service-account-issuer-discovery", "apiGroup": "rbac.authorization.k8s.io"}})
    namespace("azure")
    # Who issues this cluster's tokens, and where the keys are that they are verified with.
    seed = (HERE / "emulator.yaml").read_text().replace("ISSUER", request("GET", "/.well-known/openid-configuration")["issuer"])
    service = request("GET", "/api/v1/namespaces/default/services/kubernetes")["spec"]["clusterIP"]
    make("configmaps", "azure", "seed", data={"seed.yaml": seed.replace("SERVER", service)})
    address = os.environ["EMULATOR_ADDRESS"]
    make("pods", "azure", "azure", spec={
        "hostNetwork": True, "tolerations": [{"operator": "Exists"}], "terminationGracePeriodSeconds": 1,
        "containers": [{
            "name": "azure", "image": f"ghcr.io/keymount/keymount:v{VERSION}", "imagePullPolicy": "Never",
            "args": ["emulate", "--json", "--seed", "/seed/seed.yaml", "--listen", f"{address}:443", "--imds", "169.254.169.254:80",
                     "--nmi", "127.0.0.1:2579", "--admin", ADMIN.removeprefix("http://"), "--ca", "/ca/ca.pem"],
            # The ports are those of Azure.
            "securityContext": {"runAsUser": 0, "readOnlyRootFilesystem": True},
            "readinessProbe": {"httpGet": {"host": "127.0.0.1", "port": int(ADMIN.rsplit(":", 1)[1]), "path": "/"}, "periodSeconds": 1},
            "volumeMounts": [{"name": "seed", "mountPath": "/seed"}, {"name": "ca", "mountPath": "/ca"}]}],
        "volumes": [{"name": "seed", "configMap": {"name": "seed"}}, {"name": "ca", "hostPath": {"path": f"{NODE}/emulator"}}]})
    running("azure", "azure")
    ready = lambda seen: any(c.get("ready") for c in seen["azure"]["status"].get("containerStatuses", []))
    wait(path_of("pods", "azure"), ready, 60, "the emulator")
    reach_azure()


class Installation(unittest.TestCase):
    def test_1_azure_is_a_pod(self):
        azure_pod()
        self.assertIn("https://shop.vault.azure.net", str(azure("GET", "/")))

    def test_2_the_charts_of_the_version_before(self):
        make_previous()
        notes = upgrade(chart=PREVIOUS / "csi-secrets-store-provider-azure")
        self.assertIn("STATUS: deployed", notes)
        for daemon in ("driver", "provider"):
            image = daemon_pod(daemon)["spec"]["containers"][0]["image"]
            self.assertTrue(image.endswith(f":v{OLD}"), image)

    def test_3_what_tools_look_for_is_there(self):
        for plural in ("secretproviderclasses", "secretproviderclasspodstatuses"):
            found = exists(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.secrets-store.csi.x-k8s.io")
            self.assertIn(("Established", "True"), [(c["type"], c["status"]) for c in found["status"]["conditions"]])
        for name in ("secretproviderclasses-role", "secretproviderclasses-admin-role", "secretproviderclasses-viewer-role",
                     "secretproviderclasspodstatuses-viewer-role", "secretprovidersyncing-role"):
            self.assertIsNotNone(exists(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}"), name)
        for name in ("secretproviderclasses-rolebinding", "secretprovidersyncing-rolebinding"):
            self.assertIsNotNone(exists(f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{name}"), name)

    def test_4_an_old_class_is_taken(self):
        namespace("default")
        old = "/apis/secrets-store.csi.x-k8s.io/v1alpha1/namespaces/default/secretproviderclasses"
        body = {"apiVersion": "secrets-store.csi.x-k8s.io/v1alpha1", "kind": "SecretProviderClass", "metadata": {"name": "old"},
                "spec": {"provider": "azure", "parameters": {"keyvaultName": "shop"}}}
        request("POST", old, body)
        self.assertEqual(exists(f"{GROUP}/namespaces/default/secretproviderclasses/old")["spec"]["provider"], "azure")
        request("DELETE", f"{old}/old")

    def test_5_what_daemons_without_work_take(self):
        for daemon in DAEMONS:
            figure(f"the {daemon} without volumes: {Consumption.of(daemon)}")
