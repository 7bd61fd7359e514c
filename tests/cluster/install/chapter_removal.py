"""After `helm uninstall` nothing is left but the definitions and what users own."""

import unittest

from cluster import NAMESPACE, Refused, definition, exists, helm, request
from stage import (GROUP, RELEASE, azure_class, delete, first_look, namespace, on_node, path_of, pod, registered, synced, wait)
from chapter_secrets import secret_object

PLACE = "removal"


def everything():
    """All kinds of objects the server knows, by the path of their collection."""
    found = {"/api/v1": request("GET", "/api/v1")["resources"]}
    for group in request("GET", "/apis")["groups"]:
        version = group["preferredVersion"]["groupVersion"]
        found[f"/apis/{version}"] = request("GET", f"/apis/{version}")["resources"]
    return [f"{base}/{one['name']}" for base, resources in found.items() for one in resources if "/" not in one["name"] and "list" in one["verbs"]]


def left_by_the_release():
    """Objects with the release's label, or Helm's own."""
    left = []
    for path in everything():
        try:
            found = request("GET", f"{path}?labelSelector=app.kubernetes.io%2Finstance%3D{RELEASE}")["items"]
            found += request("GET", f"{path}?labelSelector=owner%3Dhelm,name%3D{RELEASE}")["items"] if path.endswith("/secrets") else []
        except Refused:
            continue
        left += [f"{path}/{one['metadata']['name']}" for one in found]
    return left


class Removal(unittest.TestCase):
    def test_uninstall(self):
        namespace(PLACE)
        azure_class(PLACE, "users-own", [{"objectName": "secret1", "objectType": "secret"}], [secret_object("users-own", {"value": "secret1"})])
        pod(PLACE, "last", {"store": "users-own"})
        first_look(PLACE, "last")
        synced(PLACE, "users-own")
        delete("pods", PLACE, "last")
        self.assertTrue(left_by_the_release())
        helm("uninstall", RELEASE, "--namespace", NAMESPACE)
        wait(path_of("pods", NAMESPACE), lambda seen: not seen, 90, "the daemons to end")
        registered(expected=False)
        self.assertEqual([path for path in left_by_the_release() if "customresourcedefinitions" not in path], [])
        self.assertTrue(definition("secretproviderclasses") and definition("secretproviderclasspodstatuses"))
        self.assertIsNotNone(exists(f"{GROUP}/namespaces/{PLACE}/secretproviderclasses/users-own"))
        # On the node: no socket of ours, no volume.
        places = ("/var/lib/kubelet/plugins", "/var/lib/kubelet/plugins_registry", "/var/run/secrets-store-csi-providers")
        sockets = on_node("find", *places, "-type", "s").split()
        self.assertEqual([path for path in sockets if "secrets-store" in path], [])
        mounts = on_node("cat", "/proc/self/mountinfo").splitlines()
        self.assertEqual([line for line in mounts if "kubernetes.io~csi" in line and " - tmpfs " in line], [])
