"""Rights of the driver: exactly those that its source asks for, asked of a real API server."""

import contextlib
import unittest

from cluster import DRIVER, NAMESPACE, Refused, as_driver, eventually, exists, install, may, request, uninstall

CUSTOM = "secrets-store.csi.x-k8s.io"
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
ALWAYS = {
    (CUSTOM, "secretproviderclasses"): {"get", "watch"},
    (CUSTOM, "secretproviderclasspodstatuses"): {"get", "create", "update"},
    ("", "pods"): {"get"},
    ("", "events"): {"create"},
}
NEVER = [("", "nodes"), ("", "configmaps"), ("", "serviceaccounts"), ("apps", "daemonsets"), ("", "namespaces"),
         ("rbac.authorization.k8s.io", "clusterroles"), ("apiextensions.k8s.io", "customresourcedefinitions")]
SYNC = {"get", "create", "update", "patch"}


@contextlib.contextmanager
def installed(*settings):
    """The driver's chart with these values."""
    try:
        yield install("secrets-store-csi-driver", DRIVER, *(part for value in settings for part in ("--set", value)))
    finally:
        uninstall("secrets-store-csi-driver")


def granted(group, resource, **where):
    """The verbs the driver has."""
    return {verb for verb in VERBS if may(verb, resource, group, **where)}


class Rights(unittest.TestCase):
    def expect(self, more=None):
        expected = {**{place: set() for place in NEVER}, ("", "secrets"): set(), **ALWAYS, **(more or {})}
        found = eventually(lambda: {place: granted(*place) for place in expected})
        self.assertEqual(found, expected)
        self.assertEqual(granted("storage.k8s.io", "csidrivers", namespace="", name="secrets-store.csi.k8s.io"), {"get", "watch"})
        self.assertEqual(granted("storage.k8s.io", "csidrivers", namespace="", name="other.csi"), set())

    def settled(self, verb, resource):
        """The authorizer learns of roles a moment after they were made."""
        eventually(lambda: may(verb, resource, CUSTOM if "class" in resource else ""))

    def test_of_a_default_installation(self):
        with installed():
            self.settled("watch", "secretproviderclasses")
            self.expect()
            self.assertFalse(may("create", "serviceaccounts", subresource="token"))

    def test_roles_have_the_names_of_the_go_chart(self):
        with installed("syncSecret.enabled=true"):
            for name in ("secretproviderclasses-role", "secretproviderclasses-admin-role", "secretproviderclasses-viewer-role",
                         "secretproviderclasspodstatuses-viewer-role", "secretprovidersyncing-role"):
                self.assertIsNotNone(exists(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}"), name)
            for name in ("secretproviderclasses-rolebinding", "secretprovidersyncing-rolebinding"):
                self.assertIsNotNone(exists(f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{name}"), name)

    def test_with_rotation_they_are_the_same(self):
        with installed("enableSecretRotation=true", "tokenRequests[0].audience=a"):
            self.settled("watch", "secretproviderclasses")
            self.expect()

    def test_with_secret_sync(self):
        with installed("syncSecret.enabled=true"):
            self.settled("patch", "secrets")
            self.expect({("", "secrets"): SYNC})

    def test_with_secret_sync_in_one_namespace(self):
        request("POST", "/api/v1/namespaces", {"metadata": {"name": "confined"}})
        with installed("syncSecret.enabled=true", "syncSecret.namespaces={confined}"):
            eventually(lambda: may("patch", "secrets", namespace="confined"))
            self.assertEqual(granted("", "secrets", namespace="confined"), SYNC)
            self.expect()

    def test_where_owners_need_the_right_to_delete(self):
        with installed("syncSecret.enabled=true", "rbac.ownerReferencesEnforced=true"):
            self.settled("delete", "secrets")
            statuses = (CUSTOM, "secretproviderclasspodstatuses")
            self.expect({("", "secrets"): SYNC | {"delete"}, statuses: ALWAYS[statuses] | {"delete"}})

    def test_with_minted_tokens(self):
        with installed("mintServiceAccountTokens=true"):
            eventually(lambda: may("create", "serviceaccounts", subresource="token"))
            self.expect({("", "secrets"): {"get"}, ("", "pods"): {"get", "list"}})


    def test_with_a_startup_taint(self):
        with installed("startupTaint.enabled=true"):
            eventually(lambda: may("patch", "nodes"))
            self.expect({("", "nodes"): {"get", "patch"}})
            self.assertFalse(may("patch", "nodes", subresource="status"))


class StartupTaint(unittest.TestCase):
    """One change of one node, whether the other policies are there or not. Each request is a dry run of the driver of node-1."""

    ours = {"key": "secrets-store.csi.k8s.io/agent-not-ready", "effect": "NoExecute"}
    other = {"key": "other", "effect": "NoSchedule", "value": "a"}

    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(installed("startupTaint.enabled=true"))
        for name in ("node-1", "node-2"):
            node = request("POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": {"pool": "web"}}, "spec": {"taints": [cls.ours, cls.other]}})
            cls.addClassCleanup(request, "DELETE", f"/api/v1/nodes/{name}")
        # The server has added one of its own: a new node is not ready.
        cls.rest = [taint for taint in node["spec"]["taints"] if taint["key"] != cls.ours["key"]]
        eventually(lambda: "names no node" in str(cls.refusal({"spec": {"taints": cls.rest}}, as_node="")), 60)

    @staticmethod
    def refusal(patch, node="node-1", as_node="node-1"):
        """Why the patch is refused; none if it is not."""
        try:
            request("PATCH", f"/api/v1/nodes/{node}?dryRun=All", patch, "application/merge-patch+json", headers=as_driver(as_node))
        except Refused as refused:
            return refused.message
        return None

    def test_the_taint_goes_and_nothing_else(self):
        self.assertIn(self.other, self.rest)
        self.assertIsNone(self.refusal({"spec": {"taints": self.rest}}))
        for taints in ([], [self.ours, *self.rest[1:]], [*self.rest, {"key": "third", "effect": "NoSchedule"}], [{**self.rest[0], "value": "b"}, *self.rest[1:]]):
            self.assertIn("may only take off the taint", self.refusal({"spec": {"taints": taints}}), taints)
        owner = {"apiVersion": "v1", "kind": "Node", "name": "a", "uid": "1"}
        for patch in ({"metadata": {"labels": {"pool": "vault"}}}, {"metadata": {"labels": None}}, {"metadata": {"annotations": {"a": "b"}}},
                      {"metadata": {"finalizers": ["example.com/a"]}}, {"metadata": {"ownerReferences": [owner]}}, {"spec": {"unschedulable": True}},
                      {"spec": {"providerID": "azure://1"}}, {"spec": {"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.0.0/24"]}}):
            patch.setdefault("spec", {})["taints"] = self.rest
            self.assertRegex(str(self.refusal(patch)), "nothing of its node but|Forbidden", patch)

    def test_of_no_other_node(self):
        self.assertIn("only change its own node, node-1", self.refusal({"spec": {"taints": self.rest}}, node="node-2"))
        self.assertIn("names no node", self.refusal({"spec": {"taints": self.rest}}, as_node=""))

    def test_every_field_of_a_node_is_guarded(self):
        policy = request("GET", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/secrets-store-csi-driver-startup-taint")
        self.assertNotIn("expressionWarnings", str(policy.get("status", {}).get("typeChecking")))
        text = " ".join(rule["expression"] for rule in policy["spec"]["validations"])
        fields = request("GET", "/openapi/v3/api/v1")["components"]["schemas"]["io.k8s.api.core.v1.NodeSpec"]["properties"]
        for field in set(fields) - {"taints"}:
            self.assertIn(f"object.spec.?{field} == oldObject.spec.?{field}", text)

    def test_others_are_not_concerned(self):
        request("PATCH", "/api/v1/nodes/node-2", {"metadata": {"labels": {"pool": "vault"}}}, "application/merge-patch+json")


class Policies(unittest.TestCase):
    """What RBAC cannot say. Each request is a dry run of the driver of node-1."""

    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(installed(
            "admissionPolicies.enabled=true", "syncSecret.enabled=true", "mintServiceAccountTokens=true", "tokenRequests[0].audience=vault"))
        eventually(lambda: "names no node" in str(cls.refusal("POST", cls.statuses, cls.status("node-1"), node="")), 60)
        eventually(lambda: "identity of the cluster" in str(cls.refusal("POST", cls.secrets, cls.secret(type="bootstrap.kubernetes.io/token"))), 60)

    statuses = f"/apis/{CUSTOM}/v1/namespaces/default/secretproviderclasspodstatuses"
    secrets = "/api/v1/namespaces/default/secrets"

    @staticmethod
    def status(node, name="pod-default-class", owner="1", **metadata):
        owners = [{"apiVersion": "v1", "kind": "Pod", "name": "pod", "uid": owner}]
        label = {"internal.secrets-store.csi.k8s.io/node-name": node} if node else {}
        return {"apiVersion": f"{CUSTOM}/v1", "kind": "SecretProviderClassPodStatus",
                "metadata": {"name": name, "labels": label, "ownerReferences": owners, **metadata}, "status": {"podName": "pod"}}

    @staticmethod
    def secret(name="synced", managed="true", **more):
        labels = {"secrets-store.csi.k8s.io/managed": managed} if managed else {}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels}, **more}

    @staticmethod
    def refusal(method, path, body, node="node-1", dry_run=True):
        """Why the request is refused; none if it is not."""
        try:
            request(method, f"{path}{'?dryRun=All' if dry_run else ''}", body, headers=as_driver(node))
        except Refused as refused:
            return refused.message
        return None

    def existing(self, path, body):
        """Makes an object as the administrator."""
        made = request("POST", path, body)
        self.addCleanup(request, "DELETE", f"{path}/{made['metadata']['name']}")
        return made["metadata"]["resourceVersion"]

    def test_a_node_writes_status_objects_of_its_own(self):
        self.assertIsNone(self.refusal("POST", self.statuses, self.status("node-1")))
        for label in ("node-2", ""):
            self.assertIn("of its own node", self.refusal("POST", self.statuses, self.status(label)))
        self.assertIn("names no node", self.refusal("POST", self.statuses, self.status("node-1"), node=""))

    def test_a_node_of_a_long_name_is_known_by_its_beginning(self):
        node = "n" * 50 + ".example.internal"
        label = "n" * 46 + "-0123456789abcdef"
        self.assertIsNone(self.refusal("POST", self.statuses, self.status(label), node=node))
        self.assertIn("of its own node", self.refusal("POST", self.statuses, self.status("m" * 46), node=node))

    def test_a_node_leaves_the_objects_of_other_nodes_pods_alone(self):
        version = self.existing(self.statuses, self.status("node-2", owner="old"))
        path = f"{self.statuses}/pod-default-class"
        for stolen in (self.status("node-1", owner="old", resourceVersion=version), self.status("node-2", owner="old", resourceVersion=version)):
            self.assertRegex(self.refusal("PUT", path, stolen), "pod of another node|of its own node")

    def test_an_object_is_taken_over_for_a_new_pod_of_the_name(self):
        version = self.existing(self.statuses, self.status("node-2", owner="old"))
        moved = self.status("node-1", owner="new", resourceVersion=version)
        self.assertIsNone(self.refusal("PUT", f"{self.statuses}/pod-default-class", moved))

    def test_secrets_are_marked_and_harmless(self):
        self.assertIsNone(self.refusal("POST", self.secrets, self.secret()))
        self.assertIsNone(self.refusal("POST", self.secrets, self.secret(type="kubernetes.io/tls", data={"tls.crt": "", "tls.key": ""})))
        self.assertIn("marked as made", self.refusal("POST", self.secrets, self.secret(managed="")))
        token = self.secret(type="bootstrap.kubernetes.io/token")
        self.assertIn("identity of the cluster", self.refusal("POST", self.secrets, token))

    def test_foreign_secrets_are_safe(self):
        self.existing(self.secrets, self.secret("foreign", managed=""))
        self.assertIn("not one that the driver made", self.refusal("PUT", f"{self.secrets}/foreign", self.secret("foreign")))
        self.existing(self.secrets, self.secret("ours"))
        self.assertIsNone(self.refusal("PUT", f"{self.secrets}/ours", self.secret("ours", data={"a": "Yg=="})))
        self.assertIn("marked as made", self.refusal("PUT", f"{self.secrets}/ours", self.secret("ours", managed="")))

    def test_tokens_are_for_declared_audiences_and_bound_to_pods(self):
        self.existing("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "web"}})
        pod = {"metadata": {"name": "web"}, "spec": {"serviceAccountName": "web", "automountServiceAccountToken": False,
               "terminationGracePeriodSeconds": 0, "containers": [{"name": "a", "image": "a"}]}}
        self.existing("/api/v1/namespaces/default/pods", pod)
        path = "/api/v1/namespaces/default/serviceaccounts/web/token"

        def token(audience, bound=True):
            reference = {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "web"}} if bound else {}
            return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": [audience] if audience else [], **reference}}

        eventually(lambda: "bound to a pod" in str(self.refusal("POST", path, token("vault", bound=False))))
        self.assertIsNone(self.refusal("POST", path, token("vault")))
        for audience in ("sts.example", ""):
            self.assertIn("audiences", self.refusal("POST", path, token(audience)))

    def test_others_are_not_concerned(self):
        self.existing(self.secrets, self.secret("of-others", managed="", type="kubernetes.io/basic-auth", stringData={"username": "a"}))
        self.existing(self.statuses, self.status("node-9", name="of-others"))
