"""Least privilege: all that came before ran with exactly the chart's rights, and the API server has written down what was used."""

import json
import os
import pathlib
import subprocess
import unittest

from cluster import DRIVER_USER, NAMESPACE, request
from stage import daemon_pod, figure

ROLES = "/apis/rbac.authorization.k8s.io/v1"
# What the driver does only when something is in its way, which the chapters do not have.
ONLY_IN_TROUBLE = {}


def granted():
    """What the roles give, as (verb, group, resource)."""
    found = set()
    bindings = [*request("GET", f"{ROLES}/clusterrolebindings")["items"], *request("GET", f"{ROLES}/rolebindings")["items"]]
    for binding in bindings:
        subjects = binding.get("subjects", [])
        if not any(s["kind"] == "ServiceAccount" and s["name"] == "secrets-store-csi-driver" and s.get("namespace") == NAMESPACE for s in subjects):
            continue
        role = request("GET", f"{ROLES}/{'clusterroles' if binding['roleRef']['kind'] == 'ClusterRole' else 'roles'}/{binding['roleRef']['name']}")
        for rule in role["rules"]:
            found |= {(verb, group, resource) for verb in rule["verbs"] for group in rule["apiGroups"] for resource in rule["resources"]}
    return found


def used():
    """What the driver did, and what it was refused for good. An API server that has just started refuses everybody until it has read the
    roles: the same request is granted afterwards."""
    done, refused = set(), {}
    with open(os.environ["AUDIT_LOG"]) as log:
        for line in log:
            told = json.loads(line)
            if told["user"]["username"] != DRIVER_USER:
                continue
            what = told.get("objectRef") or {"resource": told["requestURI"]}
            resource = "/".join(filter(None, [what.get("resource"), what.get("subresource")]))
            call = (told["verb"], what.get("apiGroup", ""), resource)
            code = told.get("responseStatus", {}).get("code")
            decision = told.get("annotations", {}).get("authorization.k8s.io/decision")
            asked = (told["verb"], told["requestURI"])
            if code in (401, 403) or decision == "forbid":
                refused[asked] = call
            else:
                done.add(call)
                refused.pop(asked, None)
    return done, set(refused.values())


class Rights(unittest.TestCase):
    def test_every_right_was_used_and_none_was_missing(self):
        (done, refused), rights = used(), granted()
        figure(f"rights of the driver: {len(rights)}, used: {len(done & rights)}")
        self.assertEqual(refused, set(), "a right is missing")
        self.assertEqual(done - rights, set(), "used without a right of the chart's")
        self.assertEqual(rights - done - set(ONLY_IN_TROUBLE), set(), "a right is of no use")

    def test_the_provider_asks_the_api_server_for_nothing(self):
        with open(os.environ["AUDIT_LOG"]) as log:
            asked = [line for line in log if "csi-secrets-store-provider-azure" in json.loads(line)["user"]["username"]]
        self.assertEqual(asked, [])


def process(daemon):
    """What the kernel says of a daemon's process, and how its root is mounted."""
    container = daemon_pod(daemon)["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
    command = ["ctr", "-a", os.environ["CONTAINERD_SOCKET"], "-n", "k8s.io", "tasks", "ls"]
    tasks = [line.split() for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()]
    directory = pathlib.Path("/proc") / next(task[1] for task in tasks if task[0] == container)
    status = dict(line.split(":\t", 1) for line in (directory / "status").read_text().splitlines() if ":\t" in line)
    root = next(line.split()[5] for line in (directory / "mountinfo").read_text().splitlines() if line.split()[4] == "/")
    return status, root.split(",")


class Privileges(unittest.TestCase):
    def test_the_daemons_have_given_up_what_they_have_no_use_for(self):
        # CHOWN, DAC_OVERRIDE, FOWNER, SYS_ADMIN: of all that a privileged container has.
        for daemon, capabilities in (("driver", 0x20000B), ("provider", 0)):
            with self.subTest(daemon):
                status, root = process(daemon)
                self.assertEqual(int(status["CapEff"], 16), capabilities)
                self.assertEqual(int(status["CapPrm"], 16), capabilities)
                self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
                self.assertIn("ro", root)
        # The driver's container has no filter of the container runtime's, as it is privileged: this one is its own.
        self.assertEqual(process("driver")[0]["Seccomp_filters"].strip(), "1")
