"""The plain manifests: a real API server takes them, and they are what the charts make."""

import os
import re
import subprocess
import unittest

from cluster import AZURE, HERE, ROOT, apply, documents, helm

DEPLOY = ROOT / "deploy"
COMPONENTS = ("rotation", "secret-sync", "admission-policies", "startup-taint")


def kustomize(directory):
    """Documents that kustomize makes of a directory."""
    done = subprocess.run([os.environ["KUSTOMIZE"], "build", str(directory)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


def identity(document):
    """Kind and name."""
    kind = re.search(r"^kind: (\S+)", document, re.MULTILINE).group(1)
    name = re.search(r"^metadata:\n(?:[ ]+.*\n)*?  name: (\S+)", document, re.MULTILINE).group(1)
    return kind, name


class Manifests(unittest.TestCase):
    def test_the_base_is_what_the_chart_makes_of_its_defaults(self):
        made = {identity(document) for document in kustomize(DEPLOY)}
        rendered = helm("template", "csi-secrets-store-provider-azure", AZURE, "--namespace", "kube-system")
        self.assertEqual(made, {identity(document) for document in documents(rendered)})

    def test_everything_is_taken_by_the_api_server(self):
        overlay = HERE / f".overlay-{os.getpid()}"
        overlay.mkdir()
        self.addCleanup(lambda: [file.unlink() for file in overlay.iterdir()] and overlay.rmdir())
        components = "".join(f"  - ../../../deploy/components/{name}\n" for name in COMPONENTS)
        (overlay / "kustomization.yaml").write_text(f"resources:\n  - ../../../deploy\ncomponents:\n{components}")
        made = kustomize(overlay)
        for document in made:
            apply(document, dry_run=True)
        text = "\n".join(made)
        self.assertIn("--enable-secret-rotation=true", text)
        self.assertIn("requiresRepublish: true", text)
        self.assertIn("--startup-taint-providers=azure", text)
        for expected in [("ClusterRole", "secretprovidersyncing-role"), ("ValidatingAdmissionPolicy", "secrets-store-csi-driver-status"),
                         ("ValidatingAdmissionPolicy", "secrets-store-csi-driver-startup-taint")]:
            self.assertIn(expected, {identity(document) for document in made})
        self.assertNotIn("helm.sh", text)
