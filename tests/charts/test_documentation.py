"""What the documentation tells people to apply, render and run, at a real API server. Pods run in tests/cluster/install/chapter_docs.py."""

import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import unittest

from cluster import AZURE, CHARTS, CRDS, NAMESPACE, ROOT, apply, eventually, exists, helm, install, request, uninstall

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


def classes_are_served():
    """Whether the API server knows the definitions."""
    found = exists("/apis/secrets-store.csi.x-k8s.io/v1") or {"resources": []}
    return any(resource["kind"] == "SecretProviderClass" for resource in found["resources"])


class Documentation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        install("definitions", CRDS)
        eventually(classes_are_served)
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


# What kubectl 1.33 takes, as far as the pages use it: the flags of each command, and of all.
KUBECTL = {
    "annotate": {"--overwrite"}, "apply": {"-f", "-k", "--server-side", "--force-conflicts"}, "delete": {"--ignore-not-found"}, "describe": set(), "exec": {"-it", "-c"},
    "get": {"-A", "--all-namespaces", "-o", "--output", "--field-selector", "-l", "-w"}, "logs": {"-f", "--tail"}, "patch": {"--type", "--patch-file"}, "port-forward": set(),
    "rollout": set(), "label": {"--overwrite"}, "taint": set(),
}
EVERYWHERE = {"-n": True, "--namespace": True, "--context": True}
# Flags with a value of their own.
VALUED = {"-f", "-k", "-o", "--output", "--field-selector", "-l", "-c", "--type", "--patch-file", "--tail"}


class Kubectl(unittest.TestCase):
    """There is no kubectl here; its commands, flags, kinds and the objects of the charts that the pages name exist."""

    @classmethod
    def setUpClass(cls):
        install("definitions", CRDS)
        cls.addClassCleanup(uninstall, "definitions")
        eventually(classes_are_served)
        lists = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in request("GET", "/apis")["groups"])]
        found = [resource for path in lists for resource in request("GET", path)["resources"]]
        cls.kinds = {name for one in found for name in (one["name"], one.get("singularName"), *one.get("shortNames", [])) if name}
        rendered = helm("template", "csi", AZURE, "--namespace", NAMESPACE)
        cls.objects = set(re.findall(r"^  name: (\S+)$", rendered, re.MULTILINE))

    def test_every_line_names_what_there_is(self):
        seen = 0
        for page in PAGES:
            for block in blocks(page, "sh(?: cluster| azure)?"):
                for line in block.replace("\\\n", " ").splitlines():
                    if line.strip().startswith("kubectl "):
                        with self.subTest(page.name, line=line):
                            self.check(shlex.split(line.split("|")[0].split(" > ")[0], comments=True)[1:])
                            seen += 1
        self.assertGreaterEqual(seen, 12)

    def check(self, words):
        """The words behind `kubectl`."""
        words, plain = words[:words.index("--")] if "--" in words else words, []
        rest = iter(words)
        flags = set()
        for word in rest:
            name = word.split("=")[0] if word.startswith("--") else word
            if not word.startswith("-"):
                plain.append(word)
                continue
            if name not in EVERYWHERE:
                flags.add(name)
            if (name in VALUED or EVERYWHERE.get(name)) and "=" not in word:
                next(rest)
        command, *arguments = plain
        self.assertIn(command, KUBECTL)
        self.assertLessEqual(flags, KUBECTL[command])
        if command == "rollout":
            self.assertIn(arguments.pop(0), ("status", "restart"))
        if command in ("exec", "logs", "apply") or command == "port-forward" and "/" not in arguments[0]:
            return
        kind, _, name = arguments[0].partition("/")
        for one in kind.split(","):
            self.assertTrue(one.lower() in self.kinds, f"{one} is no kind")
        if name:
            self.assertIn(name, self.objects)
