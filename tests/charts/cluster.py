"""The API server and helm, as the tests use them. Standard library only."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
CHARTS = ROOT / "charts"
DRIVER = CHARTS / "secrets-store-csi-driver"
AZURE = CHARTS / "csi-secrets-store-provider-azure"
CRDS = CHARTS / "secrets-store-csi-crds"
NAMESPACE = "kube-system"
DRIVER_USER = f"system:serviceaccount:{NAMESPACE}:secrets-store-csi-driver"

# The test cluster's own API server, or any that a proxy on loopback (`kubectl proxy`) leads to.
PROXY = os.environ.get("API_PROXY")
SERVER = PROXY or f"{os.environ.get('API_ADDRESS', '127.0.0.1')}:{os.environ['API_PORT']}"
_tls = None
if not PROXY:
    _certs = pathlib.Path(os.environ["RUN"]) / "certs"
    _tls = ssl.create_default_context(cafile=_certs / "ca.crt")
    _tls.load_cert_chain(_certs / "admin.crt", _certs / "admin.key")


def connection(timeout):
    """A connection of its own to the API server."""
    return http.client.HTTPConnection(SERVER, timeout=timeout) if PROXY else http.client.HTTPSConnection(SERVER, context=_tls, timeout=timeout)


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


def request(method, path, body=None, content_type="application/json", headers=None):
    """The answer to one request of the administrator."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    url = f"{'http' if PROXY else 'https'}://{SERVER}{path}"
    call = urllib.request.Request(url, data, {"Content-Type": content_type, **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(call, timeout=30, context=_tls) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        with contextlib.suppress(ValueError):      # what no handler answers is plain text
            text = json.loads(text).get("message", "")
        raise Refused(error.code, text) from None


def as_driver(node):
    """Headers that make the administrator the driver of a node."""
    headers = {"Impersonate-User": DRIVER_USER, "Impersonate-Group": "system:serviceaccounts"}
    if node:
        headers["Impersonate-Extra-authentication.kubernetes.io%2Fnode-name"] = node
    return headers


def may(verb, resource, group="", namespace="some-namespace", name="", subresource=""):
    """Whether the driver's service account may do this."""
    attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace, "name": name, "subresource": subresource}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
        "user": DRIVER_USER, "groups": ["system:serviceaccounts", "system:authenticated"], "resourceAttributes": attributes}}
    return request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"]


def helm(*arguments, fails=False):
    """Output of helm, with its complaint where it should fail."""
    done = subprocess.run([os.environ["HELM"], *map(str, arguments)], capture_output=True, text=True)
    errors = "\n".join(line for line in done.stderr.splitlines() if "symbolic link" not in line)
    if (done.returncode != 0) != fails:
        raise AssertionError(f"helm {arguments}: exit code {done.returncode}\n{errors}\n{done.stdout[-2000:]}")
    return errors if fails else done.stdout


def install(release, chart, *arguments):
    """Installs a release, or upgrades it."""
    return helm("upgrade", "--install", release, chart, "--namespace", NAMESPACE, *arguments)


def uninstall(release):
    """Removes a release, if it is there."""
    return helm("uninstall", release, "--namespace", NAMESPACE, "--ignore-not-found")


def exists(path):
    """The object at the path, or none."""
    try:
        return request("GET", path)
    except Refused as refused:
        if refused.code == 404:
            return None
        raise


def definition(plural):
    """A definition of the two custom resources."""
    return exists(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.secrets-store.csi.x-k8s.io")


def eventually(check, seconds=30):
    """The first true result of `check`, which is asked again and again: for what the API server does in the background."""
    deadline = time.monotonic() + seconds
    while not (result := check()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return result


def documents(text):
    """The YAML documents of a text."""
    parts = re.split(r"^---.*$", text, flags=re.MULTILINE)
    return [part for part in parts if re.search(r"^kind:", part, re.MULTILINE)]


def _field(document, name, indent=""):
    found = re.search(rf"^{indent}{name}: *[\"']?([^\"'\s]+)", document, re.MULTILINE)
    return found and found.group(1)


def apply(document, dry_run=False):
    """Server-side apply of one YAML document; unknown fields are errors."""
    version, kind = _field(document, "apiVersion"), _field(document, "kind")
    metadata = re.search(r"^metadata:\n((?:[ ]+.*\n?)+)", document, re.MULTILINE).group(1)
    name, namespace = _field(metadata, "name", "  "), _field(metadata, "namespace", "  ")
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    resource = eventually(lambda: next((r for r in request("GET", base)["resources"] if r["kind"] == kind and "/" not in r["name"]), None))
    path = f"{base}/namespaces/{namespace or 'default'}" if resource["namespaced"] else base
    query = urllib.parse.urlencode({"fieldManager": "test", "fieldValidation": "Strict", "force": "true", **({"dryRun": "All"} if dry_run else {})})
    return request("PATCH", f"{path}/{resource['name']}/{name}?{query}", document.encode(), "application/apply-patch+yaml")
