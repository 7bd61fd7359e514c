"""What is there for Argo CD: its own definitions take it, its health checks say the right thing, its paths exist."""

import json
import os
import pathlib
import re
import subprocess
import unittest

from cluster import ROOT, apply, documents, eventually, exists

ARGOCD = ROOT / "deploy/argocd"
FILES = [ARGOCD / "application.yaml", ARGOCD / "applicationset.yaml", *sorted((ARGOCD / "apps").glob("*.yaml"))]


def lua_checks():
    """The health checks, by kind."""
    text = (ARGOCD / "argocd-cm.yaml").read_text()
    found = re.findall(r"^  resource\.customizations\.health\.(\S+): \|\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    return {name.rsplit("_", 1)[1]: re.sub(r"^    ", "", code, flags=re.MULTILINE) for name, code in found}


def lua(value):
    """A value in Lua's own form."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{json.dumps(key)}] = {lua(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ", ".join(map(lua, value)) + "}"
    return json.dumps(value)


def health(kind, found):
    """What the check of a kind says of an object, in the version of Lua that Argo CD has."""
    code = f"local obj = {lua(found)}\nlocal hs = (function()\n{lua_checks()[kind]}\nend)()\nio.write(hs.status, '|', hs.message or '')"
    done = subprocess.run(["lua5.1", "-e", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("|", 1)


class ArgoCD(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for name in ("application", "applicationset", "appproject"):
            text = (pathlib.Path(os.environ["ARGOCD_MODULE"]) / f"manifests/crds/{name}-crd.yaml").read_text()
            apply(text)
            path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}s.argoproj.io"
            eventually(lambda path=path: "Established" in str(exists(path).get("status")))

    def test_its_definitions_take_everything(self):
        for file in FILES:
            for document in documents(file.read_text()):
                with self.subTest(file.name):
                    apply(document.replace("namespace: argocd", "namespace: default", 1), dry_run=True)

    def test_charts_come_one_after_the_other(self):
        waves = []
        for file in sorted((ARGOCD / "apps").glob("*.yaml")):
            text = file.read_text()
            path = re.search(r"^    path: (\S+)", text, re.MULTILINE).group(1)
            self.assertTrue((ROOT / path / "Chart.yaml").exists(), path)
            version = re.search(r"^version: (\S+)", (ROOT / path / "Chart.yaml").read_text(), re.MULTILINE).group(1)
            self.assertIn(f"targetRevision: v{version}", text)
            waves.append((int(re.search(r'sync-wave: "(-?\d+)"', text).group(1)), path.rsplit("/", 1)[1]))
        self.assertEqual([name for _, name in sorted(waves)], ["secrets-store-csi-crds", "secrets-store-csi-driver", "csi-secrets-store-provider-azure"])
        self.assertEqual(len({wave for wave, _ in waves}), 3)

    def test_health_of_status_objects(self):
        good = {"type": "Mounted", "status": "True", "reason": "Mounted"}
        bad = {"type": "RotationSucceeded", "status": "False", "reason": "Throttled", "message": "try later"}
        for status, expected in [
            (None, "Progressing"),
            ({"podName": "a"}, "Progressing"),
            ({"mounted": True}, "Healthy"),
            ({"mounted": True, "conditions": [good]}, "Healthy"),
            ({"mounted": True, "conditions": [good, bad]}, "Degraded"),
            ({"conditions": [{"type": "Mounted", "status": "False", "reason": "Refused"}]}, "Degraded"),
        ]:
            with self.subTest(status):
                told, message = health("SecretProviderClassPodStatus", {} if status is None else {"status": status})
                self.assertEqual(told, expected)
                if status and bad in status.get("conditions", []):
                    self.assertEqual(message, "RotationSucceeded: Throttled try later")

    def test_health_of_others(self):
        self.assertEqual(health("SecretProviderClass", {"spec": {}})[0], "Healthy")
        for status, expected in [
            ({}, "Progressing"), ({"health": {"status": "Degraded"}}, "Degraded"),
            ({"health": {"status": "Healthy"}, "sync": {"status": "Synced"}}, "Healthy"),
            ({"health": {"status": "Healthy"}, "sync": {"status": "OutOfSync"}}, "Progressing"),
            ({"health": {"status": "Healthy"}, "sync": {"status": "Unknown"}}, "Progressing"),
            ({"health": {"status": "Healthy"}}, "Progressing"),
        ]:
            self.assertEqual(health("Application", {"status": status})[0], expected, status)
