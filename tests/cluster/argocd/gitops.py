"""Argo CD and the repositories it follows, as the story uses them."""

import contextlib
import http.client
import json
import os
import pathlib
import secrets
import shutil
import subprocess
import threading
import time

from cluster import ROOT, Refused, apply, documents, eventually, exists, request
from stage import RUN, TimedOut, _stream, namespace, wait

HERE = pathlib.Path(__file__).parent
NAMESPACE = os.environ["ARGOCD_NAMESPACE"]
MANIFESTS = pathlib.Path(os.environ["ARGOCD_BIN"]) / "manifests"
APPLICATIONS = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/applications"
WELL = ("Synced", "Healthy")


# ---- Argo CD itself

def install():
    """Definitions and settings of Argo CD as its own manifests have them, then its processes."""
    namespace(NAMESPACE)
    for file in sorted((MANIFESTS / "crds").glob("*-crd.yaml")):
        apply(file.read_text())
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{file.name.removesuffix('-crd.yaml')}s.argoproj.io"
        eventually(lambda path=path: "Established" in str(exists(path).get("status")), 120)
    for file in sorted((MANIFESTS / "base/config").glob("argocd-*.yaml")):
        plural = "secrets" if file.stem == "argocd-secret" else "configmaps"
        request("POST", f"/api/v1/namespaces/{NAMESPACE}/{plural}", file.read_bytes(), "application/yaml")
    request("PATCH", f"/api/v1/namespaces/{NAMESPACE}/secrets/argocd-secret", {"stringData": {"server.secretkey": secrets.token_urlsafe(32)}},
            "application/merge-patch+json")
    request("POST", f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/appprojects", {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "default"},
        "spec": {"sourceRepos": ["*"], "destinations": [{"namespace": "*", "server": "*"}], "clusterResourceWhitelist": [{"group": "*", "kind": "*"}]}})
    # As docs/install/argocd.md says it.
    ours = (ROOT / "deploy/argocd/argocd-cm.yaml").read_text()
    apply(f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\n  namespace: {NAMESPACE}\n{ours}")
    subprocess.run([HERE / "up.sh"], check=True)


def tree(name, check, seconds=120, what=""):
    """The first true result of `check`, given the nodes of an application's tree by kind and name, now and after each change."""
    deadline, nodes = time.monotonic() + seconds, {}
    while time.monotonic() < deadline:
        server = http.client.HTTPConnection("127.0.0.1", int(os.environ["ARGOCD_SERVER_PORT"]), timeout=10)
        with contextlib.closing(server), contextlib.suppress(OSError, http.client.HTTPException, json.JSONDecodeError):
            server.request("GET", f"/api/v1/applications/{name}/resource-tree")
            nodes = _by_kind(json.loads(server.getresponse().read()))
            if result := check(nodes):
                return result
            server.request("GET", f"/api/v1/stream/applications/{name}/resource-tree")
            answer = server.getresponse()
            while time.monotonic() < deadline and (line := answer.readline()):
                line = line.removeprefix(b"data: ").strip()
                if not line.startswith(b"{"):
                    continue
                nodes = _by_kind(json.loads(line).get("result") or {})
                if result := check(nodes):
                    return result
    told = {key: node.get("health") for key, node in nodes.items()}
    raise TimedOut(f"tree of {name}: {what} not within {seconds} s: {told}")


def _by_kind(found):
    return {(node["kind"], node["name"]): node for node in found.get("nodes") or []}


def state(application):
    """What Argo CD says of an application."""
    status = application.get("status", {})
    return status.get("sync", {}).get("status"), status.get("health", {}).get("status")


def applications(check, seconds=180, what=""):
    """The first true result of `check`, given the applications by name."""
    try:
        return wait(APPLICATIONS, check, seconds, what)
    except TimedOut as late:
        told = "\n".join(f"  {one['metadata']['name']}: {state(one)} {trouble(one)}" for one in request("GET", APPLICATIONS)["items"])
        raise TimedOut(f"{late}\n{told}") from None


def trouble(application):
    """What an application says is wrong with it."""
    status = application.get("status", {})
    resources = [f"{r['kind']}/{r['name']} {r.get('status')} {(r.get('health') or {}).get('status', '')}" for r in status.get("resources", [])
                 if r.get("status") != "Synced" or (r.get("health") or {}).get("status") not in (None, "Healthy")]
    conditions = [f"{c['type']}: {c['message']}" for c in status.get("conditions", [])]
    return [status.get("operationState", {}).get("message"), *resources, *conditions]


def well(*names, revision=None, seconds=240):
    """Waits until applications are synced, of this commit if one is given, and healthy."""
    def check(seen):
        return all(name in seen and state(seen[name]) == WELL and (
            revision is None or seen[name]["status"]["sync"].get("revision") == revision) and seen[name]["status"].get(
                "operationState", {}).get("phase") == "Succeeded" for name in names) and seen
    return applications(check, seconds, f"{names} synced and healthy")


def refresh(*names):
    """Has applications compared anew with their repositories, and waits until that is done."""
    before = {}
    for name in names:
        found = request("PATCH", f"{APPLICATIONS}/{name}", {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "hard"}}}, "application/merge-patch+json")
        before[name] = found.get("status", {}).get("reconciledAt")
    done = lambda one, name: "argocd.argoproj.io/refresh" not in one["metadata"].get("annotations", {}) and one.get("status", {}).get("reconciledAt") != before[name]
    return applications(lambda seen: all(name in seen and done(seen[name], name) for name in names) and seen, 120, f"{names} to be compared")


class History(threading.Thread):
    """All states of applications from now on, in the order in which they came."""

    def __init__(self, seen=lambda name, application: None):
        super().__init__(daemon=True)
        self.states, self.seen, self.stop, self.heard = [], seen, False, threading.Condition()
        self.version = request("GET", APPLICATIONS)["metadata"]["resourceVersion"]
        self.start()

    def run(self):
        with contextlib.suppress(OSError, http.client.HTTPException, Refused):
            for line in _stream(f"{APPLICATIONS}?watch=true&resourceVersion={self.version}", time.monotonic() + 900):
                event = json.loads(line)
                one = event["object"]
                self.states.append((one["metadata"]["name"], event["type"], state(one), trouble(one)))
                self.seen(one["metadata"]["name"], one)
                with self.heard:
                    self.heard.notify_all()
                if self.stop:
                    return

    def until(self, check, seconds=60):
        """Waits until this has heard of what somebody else may have seen earlier."""
        with self.heard:
            if not self.heard.wait_for(check, seconds):
                raise TimedOut(f"not heard of within {seconds} s: {[s[:3] for s in self.states[-10:]]}")

    def first(self, name, condition=lambda kind, told: True):
        """Position of the first state of an application for which this is so."""
        for position, (one, kind, told, _) in enumerate(self.states):
            if one == name and condition(kind, told):
                return position
        raise AssertionError(f"{name} never was: {[s[:3] for s in self.states if s[0] == name]}")

    def unwell(self, *names):
        """States of these applications in which they were not synced and healthy."""
        return [told for told in self.states if told[0] in names and told[2] != WELL]


# ---- repositories

class Repository:
    """A bare repository, and the working copy of who commits to it."""

    def __init__(self, name):
        self.bare, self.work = RUN / "git" / f"{name}.git", RUN / "git" / name
        self.bare.parent.mkdir(exist_ok=True)
        self.git("init", "--quiet", "--bare", "--initial-branch=main", self.bare, within=RUN)
        self.git("clone", "--quiet", self.bare, self.work, within=RUN)
        self.url = f"file://{self.bare}"

    def git(self, *arguments, within=None):
        """Output of git."""
        who = {f"GIT_{role}_{field}": value for role in ("AUTHOR", "COMMITTER") for field, value in (("NAME", "test"), ("EMAIL", "test@keymount.invalid"))}
        done = subprocess.run(["git", *map(str, arguments)], cwd=within or self.work, env={**os.environ, **who}, check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE if "clone" in arguments else None, text=True)
        return done.stdout.strip()

    def commit(self, message):
        """Commits everything, pushes it, and gives the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")

    def copy(self, *paths):
        """Takes files and directories of this project; links become what they lead to."""
        for path in paths:
            target = self.work / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(ROOT / path, target, symlinks=True) if (ROOT / path).is_dir() else shutil.copy(ROOT / path, target)

    def edit(self, path, *changes):
        """Replaces text in a file, which must be there."""
        file = self.work / path
        text = file.read_text()
        for old, new in changes:
            assert old in text, f"{path} has no {old!r}"
            text = text.replace(old, new)
        file.write_text(text)


def create(text):
    """Applies the objects of a YAML text."""
    return [apply(document) for document in documents(text)]


def keep_state(directory):
    """Writes down what the applications are like, for who looks into a failure."""
    with contextlib.suppress(Exception):
        found = request("GET", APPLICATIONS)["items"]
        (directory / "applications.json").write_text(json.dumps(found, indent=1))
        for one in found:
            print(f"  {one['metadata']['name']}: {state(one)} {trouble(one)}")
