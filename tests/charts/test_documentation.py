"""What the documentation tells people to apply, render and run, at a real API server. Pods run in tests/cluster/install/chapter_docs.py."""

import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import unittest

from cluster import AZURE, CHARTS, CRDS, NAMESPACE, ROOT, apply, eventually, helm, install, request, uninstall

PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
# What a reader puts in.
READER = {"MACHINE_CLIENT_ID": "0a1b2c3d-0000-4000-8000-000000000001", "TENANT_ID": "0a1b2c3d-0000-4000-8000-000000000002",
          "CLIENT_ID": "0a1b2c3d-0000-4000-8000-000000000003", "VAULT": "shop"}


def blocks(page, info):
    """Blocks of a page that are marked so."""
    return re.findall(rf"^```{info}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def filled(text):
    for word, value in READER.items():
        text = text.replace(word, value)
    return text


class Documentation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        install("definitions", CRDS)
        eventually(lambda: any(r["kind"] == "SecretProviderClass" for r in request("GET", "/apis/secrets-store.csi.x-k8s.io/v1")["resources"]))
        # There is no controller that makes it.
        apply("apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: default\n  namespace: default\n")

    @classmethod
    def tearDownClass(cls):
        uninstall("definitions")

    def test_the_api_server_takes_every_object(self):
        taken = 0
        for page in PAGES:
            for block in blocks(page, "yaml"):
                if block.startswith("apiVersion: "):
                    with self.subTest(page.name, block=block.splitlines()[:4]):
                        apply(filled(block), dry_run=True)
                        taken += 1
        self.assertGreaterEqual(taken, 12)

    def test_every_values_file_is_rendered(self):
        rendered = 0
        for page in PAGES:
            for block in blocks(page, "yaml"):
                if chart := re.match(r"# values: (\S+)", block):
                    with self.subTest(page.name, block=block.splitlines()[:4]), tempfile.NamedTemporaryFile("w", suffix=".yaml") as values:
                        values.write(filled(block))
                        values.flush()
                        helm("template", "csi", CHARTS / chart.group(1), "--namespace", NAMESPACE, "--values", values.name)
                        rendered += 1
        self.assertGreaterEqual(rendered, 8)


class Commands(unittest.TestCase):
    """Commands of `sh cluster` blocks: those of helm are run, what kubectl applies is built by kustomize or taken by the API server."""

    def setUp(self):
        self.place = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for name in ("charts", "deploy"):
            (self.place / name).symlink_to(ROOT / name)
        (self.place / "values.yaml").write_text("{}\n")
        self.addCleanup(uninstall, "csi")

    def test_every_command_is_known_and_does_what_it_says(self):
        seen = {"helm": 0, "kubectl": 0}
        for page in PAGES:
            for block in blocks(page, "sh (?:cluster|azure)"):
                for line in block.replace("\\\n", " ").splitlines():
                    words = shlex.split(line, comments=True) if not re.search(r"[|$'<>]", line) else []
                    if words[:1] == ["helm"]:
                        with self.subTest(page.name, line=line):
                            self.helm(words)
                            seen["helm"] += 1
                    elif words[:1] == ["kubectl"] and ("-k" in words or "-f" in words or "--patch-file" in words):
                        with self.subTest(page.name, line=line):
                            self.applied(words)
                            seen["kubectl"] += 1
        self.assertGreaterEqual(seen["helm"], 5)
        self.assertGreaterEqual(seen["kubectl"], 3)

    def helm(self, words):
        """As written; an upgrade, a rollback or an uninstallation needs a release that is there."""
        if words[1] in ("upgrade", "rollback", "uninstall"):
            for _ in range(2):
                install("csi", AZURE)
        else:
            uninstall("csi")
        done = subprocess.run([os.environ["HELM"], *words[1:]], cwd=self.place, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def applied(self, words):
        """What the command names is there, and is what such a command takes."""
        path = words[words.index(next(word for word in words if word in ("-k", "-f", "--patch-file"))) + 1]
        if "-k" in words:
            built = subprocess.run([os.environ["KUSTOMIZE"], "build", path], cwd=self.place, capture_output=True, text=True)
            self.assertEqual(built.returncode, 0, built.stderr)
            self.assertIn("kind: DaemonSet", built.stdout)
        elif path != "classes.yaml":
            self.assertTrue((self.place / path).is_file(), path)
