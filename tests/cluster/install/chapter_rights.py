"""Least privilege: all that came before ran with exactly the chart's rights, and the API server has written down what was used."""

import json
import os
import unittest

from cluster import DRIVER_USER, NAMESPACE, request
from stage import figure

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
    """What the driver did, and what it was refused."""
    done, refused = set(), set()
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
            (refused if code in (401, 403) or decision == "forbid" else done).add(call)
    return done, refused


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
