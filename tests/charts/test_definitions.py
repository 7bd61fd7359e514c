"""The custom resource definitions: installed, left alone, adopted, kept."""

import unittest

from cluster import AZURE, CRDS, DRIVER, ROOT, apply, definition, documents, helm, install, request, uninstall, eventually

KINDS = ("secretproviderclasses", "secretproviderclasspodstatuses")
UPSTREAM = ROOT / "tests/cluster/src/definitions/upstream.yaml"


def owner(kind):
    """Release that a definition belongs to."""
    return definition(kind)["metadata"].get("annotations", {}).get("meta.helm.sh/release-name")


def tells_conditions(kind="secretproviderclasspodstatuses"):
    """Whether it is our definition of the status object."""
    schema = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return "conditions" in schema["properties"]["status"]["properties"]


def remove():
    """Removes the definitions, as a user would who wants everything gone."""
    for kind in KINDS:
        if definition(kind):
            request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{kind}.secrets-store.csi.x-k8s.io")
            eventually(lambda kind=kind: definition(kind) is None)


class Definitions(unittest.TestCase):
    def setUp(self):
        remove()
        self.addCleanup(remove)

    def left_by_the_go_chart(self):
        for document in documents(UPSTREAM.read_text()):
            apply(document)

    def test_they_come_with_the_driver_and_stay_when_it_goes(self):
        self.addCleanup(uninstall, "a")
        install("a", AZURE)
        self.assertEqual([owner(kind) for kind in KINDS], ["a", "a"])
        self.assertTrue(tells_conditions())
        uninstall("a")
        self.assertTrue(all(definition(kind) for kind in KINDS))
        # And the same release may come back.
        install("a", AZURE)
        self.assertEqual(owner(KINDS[0]), "a")

    def test_those_that_the_go_chart_left_are_left_alone_until_they_are_adopted(self):
        self.left_by_the_go_chart()
        self.addCleanup(uninstall, "a")
        notes = install("a", DRIVER)
        self.assertIn("were left as they are", notes)
        self.assertFalse(tells_conditions())
        # The command of the notes.
        notes = install("a", DRIVER, "--reuse-values", "--take-ownership", "--set", "secrets-store-csi-crds.adopt=true")
        self.assertNotIn("were left as they are", notes)
        self.assertTrue(tells_conditions())
        self.assertEqual(owner(KINDS[0]), "a")
        # From then on they are upgraded like everything else.
        install("a", DRIVER, "--set", "secrets-store-csi-crds.commonLabels.team=a")
        self.assertEqual(definition(KINDS[0])["metadata"]["labels"]["team"], "a")
        uninstall("a")
        self.assertTrue(tells_conditions())

    def test_the_provider_chart_tells_of_them_too(self):
        self.left_by_the_go_chart()
        self.addCleanup(uninstall, "a")
        self.assertIn("secrets-store-csi-driver.secrets-store-csi-crds.adopt=true", install("a", AZURE))

    def test_those_of_another_release_are_left_alone(self):
        self.addCleanup(uninstall, "b")
        self.addCleanup(uninstall, "crds")
        install("crds", CRDS, "--set", "commonLabels.team=x")
        install("b", DRIVER)
        self.assertEqual(owner(KINDS[0]), "crds")
        uninstall("b")
        install("b", DRIVER, "--set", "linux.crds.enabled=false")
        self.assertEqual(owner(KINDS[0]), "crds")
        self.assertNotIn("CustomResourceDefinition", helm("get", "manifest", "b", "--namespace", "kube-system"))
