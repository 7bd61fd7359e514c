"""What people see with the command line, in a real cluster: as a pod of the published image, with the rights that people have."""

import contextlib
import itertools
import json
import os
import unittest

import cluster
from chapter_installation import VERSION
from cluster import Refused, request
from stage import MACHINE_TRUST, NODE_NAME, WEB, azure_class, delete, event, first_look, make, namespace, path_of, pod, running, wait

IMAGE = f"ghcr.io/keymount/keymount:v{VERSION}"
# The service account web is known to Entra in this namespace.
PLACE = "identities"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
TRUST = "/emulator/ca.pem"
KUBELET, PROVIDERS = os.environ.get("KUBELET_ROOT", "/var/lib/kubelet"), "/var/run/secrets-store-csi-providers"
NUMBERS = itertools.count(1)


def says(*arguments, account="default", directories=()):
    """Exit code and output of `keymount` in a pod with this service account, in the node's network as the provider is."""
    name = f"keymount-{next(NUMBERS)}"
    volumes = [MACHINE_TRUST] + [{"name": f"d{n}", "hostPath": {"path": path}} for n, path in enumerate(directories)]
    mounts = [{"name": "emulator", "mountPath": "/emulator", "readOnly": True}]
    mounts += [{"name": f"d{n}", "mountPath": path} for n, path in enumerate(directories)]
    make("pods", PLACE, name, spec={
        "serviceAccountName": account, "hostNetwork": True, "restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
        "tolerations": [{"operator": "Exists"}], "volumes": volumes,
        "containers": [{
            "name": "keymount", "image": IMAGE, "imagePullPolicy": "Never", "args": [*arguments], "volumeMounts": mounts,
            "env": [{"name": "SSL_CERT_FILE", "value": TRUST}], "securityContext": {"runAsUser": 0}}]})

    def ended(seen):
        statuses = seen.get(name, {}).get("status", {}).get("containerStatuses") or [{}]
        return statuses[0].get("state", {}).get("terminated")

    code = wait(path_of("pods", PLACE), ended, 180, f"keymount {' '.join(arguments)}")["exitCode"]
    text = log(name)
    delete("pods", PLACE, name)
    return code, text


def log(name):
    """What a pod has said."""
    connection = cluster.connection(30)
    try:
        connection.request("GET", f"{path_of('pods', PLACE, name)}/log")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def verdicts(report):
    """Of the doctor's checks, by area and name."""
    return {(check["area"], check["name"]): check["verdict"] for check in report["checks"]}


class People(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        namespace(PLACE)
        for account in ("web", "viewer", "operator"):
            with contextlib.suppress(Refused):      # another chapter may have made it
                make("serviceaccounts", PLACE, account)
        subject = lambda name: [{"kind": "ServiceAccount", "namespace": PLACE, "name": name}]
        role = lambda name: {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
        # What the chart adds to the role `view` is all that seeing takes.
        request("POST", f"{RBAC}/namespaces/{PLACE}/rolebindings", {"metadata": {"name": "people"}, "subjects": subject("viewer"), "roleRef": role("view")})
        request("POST", f"{RBAC}/clusterrolebindings", {"metadata": {"name": "people"}, "subjects": subject("operator"), "roleRef": role("cluster-admin")})
        azure_class(PLACE, "people", [{"objectName": "secret1", "objectType": "secret"}], keyvaultName="team", clientID=WEB)
        azure_class(PLACE, "people-typo", [{"objectName": "secret2", "objectType": "secret"}], keyvaultName="team", clientID=WEB)
        azure_class(PLACE, "people-site", [{"objectName": "site-pem", "objectType": "secret"}])
        pod(PLACE, "people-well", {"store": "people", "site": "people-site"}, account="web")
        pod(PLACE, "people-broken", {"store": "people-typo"}, account="web")
        running(PLACE, "people-well")
        event(PLACE, "people-broken", r"ObjectNotFound \(KM0409\)")

    @classmethod
    def tearDownClass(cls):
        delete("pods", PLACE, "people-well", "people-broken")
        delete("secretproviderclasses", PLACE, "people", "people-typo", "people-site")
        request("DELETE", f"{RBAC}/clusterrolebindings/people")
        request("DELETE", f"{RBAC}/namespaces/{PLACE}/rolebindings/people")

    def test_status_shows_what_the_role_view_may_see(self):
        code, text = says("status", "--output", "json", account="viewer")
        self.assertEqual(code, 0, text)
        volumes = {(one["pod"], one["class"]): one for one in json.loads(text[text.index("["):])}
        self.assertEqual(volumes["people-well", "people"]["state"], "Mounted", text)
        self.assertEqual(volumes["people-well", "people"]["node"], NODE_NAME)
        broken = volumes["people-broken", "people-typo"]
        self.assertEqual((broken["state"], broken["problems"][0]["number"]), ("Failed", "KM0409"), text)
        site = volumes["people-well", "people-site"]["certificates"]
        # The provider also writes the certificate into a file of its own here (writeCertAndKeyInSeparateFiles).
        self.assertIn("site-pem", [one["path"] for one in site], text)
        code, text = says("status", account="viewer")
        self.assertEqual(code, 0, text)
        row = next(line for line in text.splitlines() if "people-broken" in line)
        self.assertIn("KM0409 ObjectNotFound", row)
        # In all namespaces it may not, and that is said with the way out.
        code, text = says("status", "--all-namespaces", account="viewer")
        self.assertEqual(code, 2, text)
        self.assertIn("the role view", text)

    def test_describe_leads_to_the_cause(self):
        code, text = says("describe", "pod", "people-broken", account="viewer")
        self.assertEqual(code, 1, text)
        for part in ("✓ Vault", "✗ Content", "KM0409 ObjectNotFound", "What to do"):
            self.assertIn(part, text)
        code, text = says("describe", "pod", "people-well", account="viewer")
        self.assertEqual(code, 0, text)
        for part in ("✓ Content", "secret/secret1 at ", "certificate site-pem expires in "):
            self.assertIn(part, text)

    def test_verify_in_a_pod_with_the_service_account(self):
        here = ["verify", "--in-cluster", "--host-network", "--image", IMAGE, "--ca-file", TRUST, "--output", "json"]
        for account, name, works, number in (("web", "people", True, None), ("web", "people-typo", False, "KM0409"), ("viewer", "people", False, "KM0301")):
            with self.subTest(account, name=name):
                code, text = says(*here, name, "--service-account", account, account="operator")
                self.assertEqual(code, 0 if works else 1, text)
                report = json.loads(text[text.index("["):])[0]
                self.assertEqual((report["works"], report["from"]), (works, "the cluster"))
                numbers = [step["error"]["number"] for step in report["steps"] if "error" in step]
                self.assertEqual(numbers, [number] if number else [], text)
                self.assertNotIn("of the team", text)
        left = [p for p in request("GET", path_of("pods", PLACE))["items"] if p["metadata"]["name"].startswith("keymount-verify-") and "deletionTimestamp" not in p["metadata"]]
        self.assertEqual(left, [])
        # And without a pod of its own, from where it runs.
        code, text = says("verify", "people", "--service-account", "web", account="operator")
        self.assertEqual(code, 0, text)
        self.assertIn("a mount would work", text)

    def test_refresh_is_seen_by_the_driver(self):
        before = request("GET", path_of("secretproviderclasses", PLACE, "people"))["metadata"].get("annotations", {})
        code, text = says("refresh", "people", account="operator")
        self.assertEqual(code, 0, text)
        self.assertIn("1 pod has it fetched again", text)
        after = request("GET", path_of("secretproviderclasses", PLACE, "people"))["metadata"]["annotations"]
        self.assertNotEqual(before.get("keymount.io/refresh"), after["keymount.io/refresh"])

    def test_doctor_looks_at_the_cluster_and_at_the_node(self):
        code, text = says("doctor", "--on-node", "--output", "json", account="operator", directories=(KUBELET, PROVIDERS))
        self.assertIn(code, (0, 1), text)
        found = verdicts(json.loads(text[text.index("{"):]))
        for area, names in {
            "API server": ["version", "clock"], "Definitions": ["classes", "states"], "DaemonSets": ["driver", "provider azure"],
            "CSIDriver object": ["object", "podInfoOnMount", "volumeLifecycleModes", "attachRequired", "requiresRepublish", "tokenRequests"],
            "Nodes": ["registration"], "Rights": ["driver"], "This node": ["registration socket", "driver", "provider", "volumes"],
        }.items():
            for name in names:
                self.assertEqual(found.get((area, name)), "good", f"{area} {name}: {text}")
        # What goes into an issue names nobody.
        code, text = says("doctor", "--no-node", "--output", "report", account="operator")
        for name in (NODE_NAME, WEB):
            self.assertNotIn(name, text)


if __name__ == "__main__":
    unittest.main()
