"""Pods, classes and Azure, as the chapters use them. Waiting is for events of the API server, with a bound."""

import atexit
import base64
import contextlib
import http.client
import json
import os
import pathlib
import re
import shlex
import socket
import subprocess
import time
import urllib.error
import urllib.request

import cluster
from cluster import AZURE, NAMESPACE, Refused, exists, helm, request

RUN, NODE = pathlib.Path(os.environ["RUN"]), pathlib.Path(os.environ["NODE"])
SCRIPTS = pathlib.Path(__file__).parent.parent / "node"
# Runs the shell command that is its last argument, where kubelet runs.
NODE_SHELL = shlex.split(os.environ.get("NODE_SHELL", "sh -c"))
# Whether the cluster was there before, with nodes that are not ours to stop.
EXISTING = bool(cluster.PROXY)
NODE_NAME = os.environ["NODE_NAME"]
IMAGE = os.environ["IMAGE"]
DRIVER = "secrets-store.csi.k8s.io"
GROUP = "/apis/secrets-store.csi.x-k8s.io/v1"
TENANT = "7e9a0000-0000-4000-8000-000000000001"
# Of the machine, and of the application that trusts a service account.
MACHINE, WEB = "7e9a0000-0000-4000-8000-0000000000a4", "7e9a0000-0000-4000-8000-0000000000a2"
RELEASE = "csi"
DAEMONS = {"driver": "secrets-store-csi-driver", "provider": f"{RELEASE}-csi-secrets-store-provider-azure"}
FIGURES = []


def figure(text):
    """Something measured, told now and at the end."""
    FIGURES.append(text)
    print(f"\n    {text}", end=" ", flush=True)


class TimedOut(AssertionError):
    """What was waited for did not come."""


# ---- waiting

def _stream(path, deadline):
    """Lines of a long answer, as they come."""
    connection = cluster.connection(10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise Refused(answer.status, answer.read().decode(errors="replace"))
        while True:
            connection.sock.settimeout(max(0.1, deadline - time.monotonic())) if connection.sock else None
            line = answer.readline()
            if not line:
                return
            yield line
    finally:
        connection.close()


def wait(path, check, seconds=120, what=""):
    """The first true result of `check`, given all objects of a collection by name, now and after each of its events."""
    deadline, seen, asked = time.monotonic() + seconds, {}, path + ("&" if "?" in path else "?")
    while True:
        try:
            found = request("GET", path)
            seen = {item["metadata"]["name"]: item for item in found["items"]}
            if result := check(seen):
                return result
            version = found["metadata"]["resourceVersion"]
            for line in _stream(f"{asked}watch=true&resourceVersion={version}", deadline):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    break
                name = event["object"]["metadata"]["name"]
                seen.pop(name, None) if event["type"] == "DELETED" else seen.__setitem__(name, event["object"])
                if result := check(seen):
                    return result
                if time.monotonic() > deadline:
                    break
        except (urllib.error.URLError, ConnectionError, http.client.HTTPException, socket.timeout, TimeoutError, Refused) as error:
            if isinstance(error, Refused) and error.code < 500 and error.code != 429:
                raise
            # The server is being started anew, or nothing happened for long.
            if time.monotonic() < deadline:
                time.sleep(0.2)
        if time.monotonic() > deadline:
            names = ", ".join(seen) or "nothing there"
            raise TimedOut(f"{what or path}: not within {seconds} s ({names})")


# ---- objects

def path_of(kind, namespace=None, name=None):
    """Where objects of a kind are."""
    base = {
        "pods": "/api/v1", "secrets": "/api/v1", "events": "/api/v1", "serviceaccounts": "/api/v1", "configmaps": "/api/v1",
        "deployments": "/apis/apps/v1", "daemonsets": "/apis/apps/v1", "csinodes": "/apis/storage.k8s.io/v1", "csidrivers": "/apis/storage.k8s.io/v1",
        "secretproviderclasses": GROUP, "secretproviderclasspodstatuses": GROUP,
    }[kind]
    place = f"{base}/namespaces/{namespace}/{kind}" if namespace else f"{base}/{kind}"
    return f"{place}/{name}" if name else place


def make(kind, namespace, name, **body):
    """Makes an object."""
    metadata = {"name": name, **body.pop("metadata", {})}
    version = path_of(kind).removeprefix("/apis/").removeprefix("/api/").rsplit("/", 1)[0]
    names = {"secretproviderclasses": "SecretProviderClass", "serviceaccounts": "ServiceAccount", "configmaps": "ConfigMap"}
    kind_name = names.get(kind, kind[:-1].capitalize())
    return request("POST", path_of(kind, namespace), {"apiVersion": version, "kind": kind_name, "metadata": metadata, **body})


def delete(kind, namespace, *names):
    """Deletes objects that may be gone already, and waits until they are."""
    for name in names:
        with contextlib.suppress(Refused):
            request("DELETE", path_of(kind, namespace, name))
    wait(path_of(kind, namespace), lambda seen: not set(names) & set(seen), 90, f"{kind} {names} to be gone")


def namespace(name):
    """A namespace with its service account."""
    if not exists(f"/api/v1/namespaces/{name}"):
        request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    wait(path_of("serviceaccounts", name), lambda seen: "default" in seen, 60)
    return name


def azure_class(place, name, objects, secret_objects=(), **parameters):
    """A class of the provider; by default with the identity of the machine."""
    array = "".join("  - |\n" + "".join(f"    {key}: {value}\n" for key, value in item.items()) for item in objects)
    given = {"keyvaultName": "shop", "tenantId": TENANT, "objects": f"array:\n{array}"}
    if not parameters:
        parameters = {"useVMManagedIdentity": "true", "userAssignedIdentityID": MACHINE}
    spec = {"provider": "azure", "parameters": {**given, **parameters}}
    if secret_objects:
        spec["secretObjects"] = list(secret_objects)
    return make("secretproviderclasses", place, name, spec=spec)


def pod_spec(classes, account="default", environment=(), spin=False):
    """A pod that looks at its volumes and tells what it sees. `classes` by the path they are mounted at, below /mnt."""
    volumes = [{"name": at, "csi": {"driver": DRIVER, "readOnly": True, "volumeAttributes": {"secretProviderClass": of}}}
               for at, of in classes.items()]
    container = {
        "name": "main", "image": IMAGE, "imagePullPolicy": "Never", "args": (["--spin"] if spin else []) + [f"/mnt/{at}" for at in classes],
        "volumeMounts": [{"name": at, "mountPath": f"/mnt/{at}", "readOnly": True} for at in classes],
        "env": [{"name": key, "valueFrom": {"secretKeyRef": {"name": of, "key": part}}} for key, of, part in environment]}
    return {"serviceAccountName": account, "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 1,
            "tolerations": [{"operator": "Exists"}], "containers": [container], "volumes": volumes}


def pod(place, name, classes, labels=None, **more):
    """Makes a pod."""
    return make("pods", place, name, metadata={"labels": labels or {}}, spec=pod_spec(classes, **more))


def deployment(place, name, classes, replicas=2, **more):
    """Makes a Deployment."""
    template = {"metadata": {"labels": {"app": name}}, "spec": pod_spec(classes, **more)}
    return make("deployments", place, name, spec={"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template})


def is_running(found):
    """Whether a pod runs with all its containers."""
    statuses = found["status"].get("containerStatuses", [])
    return bool(statuses) and "deletionTimestamp" not in found["metadata"] and all("running" in status["state"] for status in statuses)


def running(place, *names, seconds=120):
    """Waits until pods run."""
    return wait(path_of("pods", place), lambda seen: all(name in seen and is_running(seen[name]) for name in names) and seen, seconds, f"pods {names}")


def event(place, name, pattern, seconds=90):
    """Waits for an event of an object whose message has the pattern."""
    def check(seen):
        return [e for e in seen.values() if e["involvedObject"].get("name") == name and re.search(pattern, e.get("message") or "")]
    return wait(path_of("events", place), check, seconds, f"event of {name} with {pattern}")[0]


# ---- what pods see

def looks(place, name, seconds=60):
    """What a pod saw, each time it saw something else."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            for line in _stream(f"{path_of('pods', place, name)}/log?follow=true", deadline):
                yield json.loads(line)
        except (OSError, http.client.HTTPException, Refused):
            time.sleep(0.2)


def sees(place, name, check, seconds=60, what=""):
    """The first look of a pod for which `check` is true."""
    last = None
    for last in looks(place, name, seconds):
        if check(last):
            return last
    raise TimedOut(f"{place}/{name} does not see {what or 'it'} within {seconds} s; last: {json.dumps(last)[:1500]}")


def files(look, at="store"):
    """Texts by path."""
    return {path: found["text"] for path, found in look["volumes"][f"/mnt/{at}"]["files"].items()}


def first_look(place, name, seconds=120):
    """What a pod saw before it did anything."""
    running(place, name, seconds=seconds)
    return sees(place, name, lambda look: True)


def content(secret):
    """Data of a Secret as text."""
    return {key: base64.b64decode(value).decode() for key, value in secret.get("data", {}).items()}


def synced(place, name, check=lambda data: True, seconds=90):
    """Waits for a Secret."""
    return wait(path_of("secrets", place), lambda seen: name in seen and check(content(seen[name])) and seen[name], seconds, f"Secret {name}")


# ---- Azure

ADMIN = "http://127.0.0.1:9900"


def reach_azure():
    """Leads to the emulator's admin API, which listens on its node's loopback only."""
    if EXISTING:
        command = ["kubectl", "port-forward", "--namespace", "azure", "pod/azure", ADMIN.rsplit(":", 1)[1]]
        forward = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        atexit.register(forward.kill)
        if not forward.stdout.readline():
            raise AssertionError("kubectl port-forward ended")


def azure(method, path, body=None):
    """A request to the emulator's admin API."""
    call = urllib.request.Request(ADMIN + path, None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(call, timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def put(name, value, vault="shop"):
    """A new version of a secret."""
    azure("POST", "/seed", {"vaults": [{"name": vault, "secrets": [{"name": name, "value": value}]}]})


def vault_calls():
    """Requests that the vaults have answered."""
    return sum(entry["count"] for entry in azure("GET", "/traffic")["requests"] if entry["service"] == "vault")


# ---- the installation

def ready(daemon, seconds=180):
    """Waits until a DaemonSet has all its pods, of its newest template."""
    def check(seen):
        found = seen.get(DAEMONS[daemon])
        status = found and found["status"]
        return found and status.get("observedGeneration") == found["metadata"]["generation"] and status["desiredNumberScheduled"] == 1 \
            and status.get("updatedNumberScheduled") == 1 and status.get("numberReady") == 1 and status.get("numberAvailable") == 1
    wait(path_of("daemonsets", NAMESPACE), check, seconds, f"DaemonSet of the {daemon}")


def registered(seconds=60, expected=True):
    """Waits until kubelet knows the driver."""
    def check(seen):
        drivers = seen.get(NODE_NAME, {}).get("spec", {}).get("drivers") or []
        return (DRIVER in [driver["name"] for driver in drivers]) == expected
    wait(path_of("csinodes"), check, seconds, "the driver's registration")


def daemon_pod(daemon):
    """The pod of a daemon."""
    pods = request("GET", path_of("pods", NAMESPACE))["items"]
    found = [p for p in pods if p["metadata"]["name"].startswith(DAEMONS[daemon]) and "deletionTimestamp" not in p["metadata"]]
    return max(found, key=lambda p: p["metadata"]["creationTimestamp"])


def log_of(daemon):
    """What a daemon has logged."""
    name = daemon_pod(daemon)["metadata"]["name"]
    return b"".join(_stream(f"{path_of('pods', NAMESPACE, name)}/log", time.monotonic() + 20)).decode(errors="replace")


def kill_daemon(daemon):
    """Deletes the pod of a daemon; the DaemonSet makes another."""
    old = daemon_pod(daemon)
    request("DELETE", path_of("pods", NAMESPACE, old["metadata"]["name"]))
    def check(seen):
        return any(name.startswith(DAEMONS[daemon]) and p["metadata"]["uid"] != old["metadata"]["uid"] and is_running(p) for name, p in seen.items())
    wait(path_of("pods", NAMESPACE), check, 120, f"another pod of the {daemon}")


def on_node(*command):
    """Output of a command that runs on the node."""
    return subprocess.run([*NODE_SHELL, shlex.join(map(str, command))], check=True, capture_output=True, text=True).stdout


def ctr(*arguments):
    """Output of containerd's client on the node."""
    return on_node("ctr", "-a", os.environ["CONTAINERD_SOCKET"], "-n", "k8s.io", *arguments)


def node(action, *names):
    """Stops processes of the node, or starts what is stopped."""
    if action == "stop":
        for name in names:
            subprocess.run([SCRIPTS / "stop.sh", name], check=True)
    else:
        subprocess.run([SCRIPTS / "up.sh"], check=True, stdout=subprocess.DEVNULL)


# Where the certificate of the emulator's authority is.
MACHINE_TRUST = {"name": "emulator", "hostPath": {"path": f"{NODE}/emulator"}}


def values_file():
    """The values that everything is installed with."""
    path = RUN / "values.yaml"
    path.write_text(json.dumps({
        "logVerbosity": 2, "writeCertAndKeyInSeparateFiles": True,
        "linux": {"env": [{"name": "SSL_CERT_FILE", "value": "/emulator/ca.pem"}], "volumes": [MACHINE_TRUST],
                  "volumeMounts": [{"name": "emulator", "mountPath": "/emulator", "readOnly": True}]},
        "secrets-store-csi-driver": {
            "logVerbosity": 2, "enableSecretRotation": True, "rotationPollInterval": "5s",
            "syncSecret": {"enabled": True}, "admissionPolicies": {"enabled": True}},
    }))
    return path


def upgrade(*more, chart=AZURE):
    """Installs or upgrades the release, and waits for it."""
    told = helm("upgrade", "--install", RELEASE, chart, "--namespace", NAMESPACE, "--values", values_file(), *more)
    for daemon in DAEMONS:
        ready(daemon)
    registered()
    return told


def keep_state(directory):
    """Writes down what the cluster is like, for who looks into a failure."""
    directory.mkdir(parents=True, exist_ok=True)
    for kind in ("pods", "events", "daemonsets", "csinodes", "secretproviderclasses", "secretproviderclasspodstatuses"):
        with contextlib.suppress(Exception):
            (directory / f"{kind}.json").write_text(json.dumps(request("GET", path_of(kind)), indent=1))
    for daemon in DAEMONS:
        with contextlib.suppress(Exception):
            (directory / f"{daemon}.log").write_text(log_of(daemon))
    with contextlib.suppress(Exception):
        events = request("GET", path_of("events"))["items"]
        told = sorted(events, key=lambda e: e["metadata"]["creationTimestamp"])[-25:]
        print("the last events:")
        for one in told:
            print(f"  {one['metadata']['namespace']}/{one['involvedObject'].get('name')} {one.get('reason')}: {(one.get('message') or '')[:300]}")
