"""Secrets of Kubernetes that are made from volumes: the cases of the Go driver's own suite."""

import json
import unittest

from cluster import request
from stage import (GROUP, azure_class, content, delete, deployment, event, files, first_look, is_running, namespace, path_of, pod, running,
                   sees, synced, wait)
from chapter_contents import same_key

PLACE = "secrets"
SECRET1 = {"objectName": "secret1", "objectType": "secret"}


def secret_object(name, data, kind="Opaque", **more):
    """What a class says of a Secret."""
    return {"secretName": name, "type": kind, "data": [{"objectName": of, "key": key} for key, of in data.items()], **more}


def owners(place, name, count):
    """Waits until a Secret has so many owners."""
    return wait(path_of("secrets", place), lambda seen: name in seen and len(seen[name]["metadata"].get("ownerReferences", [])) == count and seen[name],
                90, f"{count} owners of {name}")


class Secrets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        namespace(PLACE)

    def test_a_secret_lives_as_long_as_its_pods(self):
        azure_class(PLACE, "owned", [{**SECRET1, "objectAlias": "alias"}], [secret_object("foosecret", {"username": "alias"}, labels={"environment": "test"})])
        names = ("first", "second")
        for count, name in enumerate(names, 1):
            # The pods need the Secret that their own volume makes. The second's finds the first's and adds its owner to it.
            deployment(PLACE, name, {"store": "owned"}, environment=[("SECRET_USERNAME", "foosecret", "username")])
            owners(PLACE, "foosecret", count)
        pods = wait(path_of("pods", PLACE), lambda seen: [n for n, p in seen.items() if n.startswith(names) and is_running(p)] * (
            sum(is_running(p) for n, p in seen.items() if n.startswith(names)) == 4), 150, "four pods")
        look = sees(PLACE, pods[0], lambda look: True)
        self.assertEqual((files(look), look["environment"]), ({"alias": "secret"}, {"SECRET_USERNAME": "secret"}))
        found = owners(PLACE, "foosecret", 2)
        self.assertEqual(content(found), {"username": "secret"})
        self.assertEqual({owner["kind"] for owner in found["metadata"]["ownerReferences"]}, {"ReplicaSet"})
        labels = found["metadata"]["labels"]
        self.assertEqual((labels["environment"], labels["secrets-store.csi.k8s.io/managed"]), ("test", "true"))
        delete("deployments", PLACE, "first")
        owners(PLACE, "foosecret", 1)
        delete("deployments", PLACE, "second")
        wait(path_of("secrets", PLACE), lambda seen: "foosecret" not in seen, 90, "the Secret to go")

    def test_certificates_and_registries(self):
        azure_class(PLACE, "ingress", [
            {"objectName": "site", "objectType": "secret"}, {"objectName": "site-ecc", "objectType": "secret"}, {"objectName": "registry", "objectType": "secret"}], [
            secret_object("ingress-tls", {"tls.crt": "site", "tls.key": "site"}, "kubernetes.io/tls"),
            secret_object("ingress-ecc", {"tls.crt": "site-ecc", "tls.key": "site-ecc"}, "kubernetes.io/tls"),
            secret_object("pull", {".dockerconfigjson": "registry"}, "kubernetes.io/dockerconfigjson")])
        pod(PLACE, "ingress", {"store": "ingress"})
        for name in ("ingress-tls", "ingress-ecc"):
            found = synced(PLACE, name)
            data = content(found)
            self.assertEqual(found["type"], "kubernetes.io/tls")
            self.assertTrue(same_key(data["tls.crt"], data["tls.key"]), name)
        pull = synced(PLACE, "pull")
        self.assertEqual(pull["type"], "kubernetes.io/dockerconfigjson")
        self.assertIn("registry.example", json.loads(content(pull)[".dockerconfigjson"])["auths"])
        # An image of that registry could be pulled with it: a pod that names it is taken.
        delete("pods", PLACE, "ingress")

    def test_a_pod_with_two_volumes(self):
        for number in (0, 1):
            azure_class(PLACE, f"class-{number}", [{**SECRET1, "objectAlias": f"file-{number}"}], [secret_object(f"foosecret-{number}", {"username": f"file-{number}"})])
        pod(PLACE, "two", {"zero": "class-0", "one": "class-1"},
            environment=[(f"SECRET_{number}", f"foosecret-{number}", "username") for number in (0, 1)])
        look = first_look(PLACE, "two")
        self.assertEqual((files(look, "zero"), files(look, "one")), ({"file-0": "secret"}, {"file-1": "secret"}))
        self.assertEqual(look["environment"], {"SECRET_0": "secret", "SECRET_1": "secret"})
        for number in (0, 1):
            owners(PLACE, f"foosecret-{number}", 1)
        delete("pods", PLACE, "two")

    def test_classes_of_one_name_are_of_their_namespaces(self):
        namespace("other")
        azure_class(PLACE, "same", [SECRET1], [secret_object("same", {"username": "secret1"})], keyvaultName="no-such-vault", useVMManagedIdentity="true")
        azure_class("other", "same", [SECRET1], [secret_object("same", {"username": "secret1"})])
        deployment("other", "same", {"store": "same"}, replicas=1, environment=[("SECRET_USERNAME", "same", "username")])
        owners("other", "same", 1)
        pods = wait(path_of("pods", "other"), lambda seen: [n for n, p in seen.items() if is_running(p)])
        look = sees("other", pods[0], lambda look: True)
        self.assertEqual((files(look), look["environment"]), ({"secret1": "secret"}, {"SECRET_USERNAME": "secret"}))
        self.assertNotIn("same", {s["metadata"]["name"] for s in request("GET", path_of("secrets", PLACE))["items"]})
        delete("deployments", "other", "same")
        wait(path_of("secrets", "other"), lambda seen: "same" not in seen, 90, "the Secret to go")

    def test_a_class_that_is_missing_is_named(self):
        namespace("negative")
        pod("negative", "lost", {"store": "nowhere"})
        event("negative", "lost", "failed to get secretproviderclass negative/nowhere.*not found")
        delete("pods", "negative", "lost")

    def test_the_status_object_tells_of_a_failed_mount(self):
        azure_class(PLACE, "wrong", [{"objectName": "no-such-secret", "objectType": "secret"}])
        pod(PLACE, "wrong", {"store": "wrong"})
        def failed(seen):
            found = seen.get(f"wrong-{PLACE}-wrong", {}).get("status", {})
            return not found.get("mounted") and found.get("conditions")
        conditions = wait(f"{GROUP}/namespaces/{PLACE}/secretproviderclasspodstatuses", failed, 60, "the status of the failed mount")
        self.assertTrue(any(condition["status"] == "False" and condition["reason"] for condition in conditions), conditions)
        delete("pods", PLACE, "wrong")
