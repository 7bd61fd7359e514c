"""The stack by way of Argo CD, from a repository to pods with secrets, and everything that comes after."""

import json
import os
import time
import unittest

import gitops
from cluster import NAMESPACE, ROOT, definition, exists, request
from chapter_installation import VERSION, azure_pod
from gitops import APPLICATIONS, WELL, History, Repository, applications, create, refresh, state, tree, well
from stage import (DAEMONS, GROUP, NODE_NAME, azure, content, ctr, daemon_pod, figure, files, is_running, path_of, pod_spec, put, ready,
                   registered, sees, synced, wait)

CRDS, DRIVER, PROVIDER = "secrets-store-csi-crds", "secrets-store-csi-driver", "csi-secrets-store-provider-azure"
STACK = (CRDS, DRIVER, PROVIDER)
ROOT_APPLICATION, TEAM = "secrets-store", "classes-shop"
PLACE = "shop"
NEW = "0.1.1"
TAINT = os.environ["NODE_TAINT"].partition(":")[0]
NODES = "/api/v1/nodes"


def tainted():
    """Whether the node has the start-up taint."""
    return TAINT in [taint["key"] for taint in request("GET", f"{NODES}/{NODE_NAME}")["spec"].get("taints", [])]


def daemon_set(daemon):
    """The DaemonSet of a daemon."""
    return request("GET", path_of("daemonsets", NAMESPACE, DAEMONS[daemon]))


def patch(path, body):
    """A live edit."""
    return request("PATCH", path, body, "application/merge-patch+json")


def deployment_of(name, class_name, **more):
    """A Deployment of a team, as a file of its repository."""
    spec = pod_spec({"store": class_name}, **more)
    # Not one that tolerates everything: it has to wait for the node like anybody's.
    spec.pop("tolerations")
    return json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}}, "spec": spec}}})


CLASS = f"""apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata:
  name: web
spec:
  provider: azure
  secretObjects:
    - secretName: web
      type: Opaque
      data: [{{objectName: pair, key: value}}]
  parameters:
    keyvaultName: shop
    tenantId: 7e9a0000-0000-4000-8000-000000000001
    useVMManagedIdentity: "true"
    userAssignedIdentityID: 7e9a0000-0000-4000-8000-0000000000a4
    objects: |
      array:
        - |
          objectName: pair
          objectType: secret
"""


class Story(unittest.TestCase):
    """Each test finds the cluster as the one before left it."""

    def test_01_azure_and_argo_cd_run_beside_a_tainted_node(self):
        DAEMONS["provider"] = PROVIDER
        azure_pod()
        began = time.monotonic()
        gitops.install()
        figure(f"Argo CD ready after {time.monotonic() - began:.1f} s")
        self.assertTrue(tainted())

    def test_02_the_repository_is_ours_with_another_address(self):
        stack = type(self).stack = Repository("stack")
        stack.copy("charts", "deploy/argocd")
        source = ("https://github.com/keymount/keymount", stack.url), (f"targetRevision: v{VERSION}", "targetRevision: main")
        for path in ("application.yaml", "apps/1-crds.yaml", "apps/2-driver.yaml", "apps/3-provider-azure.yaml"):
            stack.edit(f"deploy/argocd/{path}", *source)
        # What a user would add: values of theirs.
        stack.edit("deploy/argocd/apps/2-driver.yaml", (
            "      valuesObject:\n", "      valuesObject:\n        rotationPollInterval: 5s\n        logVerbosity: 2\n"
            "        startupTaint: {enabled: true, providers: [azure]}\n        admissionPolicies: {enabled: true}\n"))
        node = os.environ["NODE"]
        stack.edit("deploy/argocd/apps/3-provider-azure.yaml", (
            "secrets-store-csi-driver: {install: false}", "secrets-store-csi-driver: {install: false, startupTaint: {enabled: true}}"), (
            "      valuesObject:\n", "      valuesObject:\n        linux:\n          env: [{name: SSL_CERT_FILE, value: /emulator/ca.pem}]\n"
            f"          volumes: [{{name: emulator, hostPath: {{path: {node}/emulator}}}}]\n"
            "          volumeMounts: [{name: emulator, mountPath: /emulator, readOnly: true}]\n"))
        stack.commit("The stack")

        teams = type(self).teams = Repository("teams")
        (teams.work / "classes" / PLACE).mkdir(parents=True)
        (teams.work / "classes" / PLACE / "class.yaml").write_text(CLASS)
        (teams.work / "classes" / PLACE / "web.json").write_text(deployment_of("web", "web"))
        teams.commit("A class, and who uses it")

    def test_03_classes_may_be_there_before_their_kind(self):
        text = (ROOT / "deploy/argocd/applicationset.yaml").read_text()
        create(text.replace("https://github.com/your-organisation/your-repository", self.teams.url))
        # It tries, and cannot: there is no such kind yet.
        attempt = lambda seen: seen.get(TEAM, {}).get("status", {}).get("operationState", {})
        applications(lambda seen: attempt(seen).get("phase") in ("Running", "Failed", "Error") and "SecretProviderClass" in attempt(seen).get("message", ""),
                     120, "the first attempt")
        self.assertIsNone(definition("secretproviderclasses"))

    def test_04_definitions_then_driver_then_provider_each_when_the_one_before_is_healthy(self):
        began, at = time.monotonic(), {}

        def look(name, application):
            """What is on the node when an application is new or well for the first time."""
            moment = (name, "well" if state(application) == WELL else "new")
            if moment not in at:
                at[moment] = {"taint": tainted(), "sets": {s["metadata"]["name"] for s in request("GET", path_of("daemonsets", NAMESPACE))["items"]},
                              "definitions": [definition(p) is not None for p in ("secretproviderclasses", "secretproviderclasspodstatuses")],
                              "seconds": time.monotonic() - began}

        history = History(look)
        create((self.stack.work / "deploy/argocd/application.yaml").read_text())
        seen = well(ROOT_APPLICATION, *STACK)
        history.until(lambda: all((name, "well") in at for name in STACK))
        history.stop = True
        for daemon in DAEMONS:
            ready(daemon)
        registered()
        for one, then in zip(STACK, STACK[1:]):
            self.assertLess(history.first(one, lambda kind, told: told == WELL), history.first(then), f"{then} did not wait for {one}")
        self.assertEqual((at[CRDS, "well"]["definitions"], at[CRDS, "well"]["sets"]), ([True, True], set()))
        self.assertEqual(at[DRIVER, "well"]["sets"], {DAEMONS["driver"]})
        # The driver alone does not make the node fit for pods.
        self.assertTrue(at[DRIVER, "well"]["taint"] and at[PROVIDER, "new"]["taint"], at)
        figure("synced and healthy after " + ", ".join(f"{name} {at[name, 'well']['seconds']:.1f} s" for name in STACK))
        kinds = {r["kind"] for name in STACK for r in seen[name]["status"]["resources"]}
        self.assertLessEqual({"CustomResourceDefinition", "DaemonSet", "CSIDriver", "ClusterRole", "ServiceAccount"}, kinds)

    def test_05_pods_that_waited_for_the_node_start_with_their_secrets(self):
        wait(NODES, lambda seen: TAINT not in [t["key"] for t in seen[NODE_NAME]["spec"].get("taints", [])], 60, "the taint to go")
        seen = well(TEAM)
        web = wait(path_of("pods", PLACE), lambda seen: next((n for n, p in seen.items() if is_running(p)), None), 120, "the team's pod")
        self.assertEqual(files(sees(PLACE, web, lambda look: True)), {"pair": "0"})
        self.assertEqual(content(synced(PLACE, "web")), {"value": "0"})
        self.assertEqual({r["kind"] for r in seen[TEAM]["status"]["resources"]}, {"SecretProviderClass", "Deployment"})

    def test_06_the_tree_shows_the_volume_below_its_pod(self):
        def check(nodes):
            status = next((node for (kind, _), node in nodes.items() if kind == "SecretProviderClassPodStatus"), None)
            return status and (status.get("health") or {}).get("status") == "Healthy" and ("Secret", "web") in nodes and status
        status = tree(TEAM, check, 60, "a healthy volume and the synced Secret")
        self.assertEqual(status["parentRefs"][0]["kind"], "Pod")
        self.assertEqual(status["health"]["message"], "Mounted")

    def test_07_all_stays_synced_over_rotations_and_secret_syncs(self):
        history, names = History(), (ROOT_APPLICATION, *STACK, TEAM)
        uid = synced(PLACE, "web")["metadata"]["uid"]
        for number in range(1, 6):
            put("pair", str(number))
            synced(PLACE, "web", lambda data: data == {"value": str(number)})
        seen = refresh(*names)
        history.stop = True
        self.assertEqual({name: state(seen[name]) for name in names}, dict.fromkeys(names, WELL))
        self.assertEqual(history.unwell(*names), [])
        self.assertEqual(synced(PLACE, "web")["metadata"]["uid"], uid)
        figure(f"5 rotations with Secret syncs: {len(history.states)} events of applications, none out of sync or not healthy")

    def test_08_a_volume_that_fails_shows_and_recovers(self):
        def status(nodes):
            return next(((node.get("health") or {}) for (kind, _), node in nodes.items() if kind == "SecretProviderClassPodStatus"), {})
        began = time.monotonic()
        azure("POST", "/faults", {"match": {"service": "vault", "path": "/secrets/pair"}, "action": {"type": "respond", "status": 403, "message": "no entry"}})
        found = tree(TEAM, lambda nodes: status(nodes).get("status") == "Degraded" and status(nodes), 120, "a degraded volume")
        self.assertIn("RotationSucceeded: ", found["message"])
        figure(f"a failing volume is Degraded after {time.monotonic() - began:.1f} s: {found['message'][:90]}…")
        began = time.monotonic()
        azure("DELETE", "/faults")
        tree(TEAM, lambda nodes: status(nodes).get("status") == "Healthy", 180, "a volume that has recovered")
        figure(f"and Healthy again {time.monotonic() - began:.1f} s after the vault is")
        self.assertEqual(state(well(TEAM)[TEAM]), WELL)

    def test_09_a_live_edit_is_healed(self):
        sets = path_of("daemonsets", NAMESPACE, DAEMONS["driver"])
        csi = "/apis/storage.k8s.io/v1/csidrivers/secrets-store.csi.k8s.io"
        began = time.monotonic()
        before = daemon_set("driver")["spec"]["template"]["spec"]["containers"][0]["image"]
        edit = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": f"{before}-by-hand"}]
        request("PATCH", sets, edit, "application/json-patch+json")
        patch(csi, {"spec": {"requiresRepublish": False}})
        request("DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterroles/secretprovidersyncing-role")
        wait(path_of("daemonsets", NAMESPACE), lambda seen: seen[DAEMONS["driver"]]["spec"]["template"]["spec"]["containers"][0]["image"] == before, 120, "the image")
        wait(path_of("csidrivers"), lambda seen: seen["secrets-store.csi.k8s.io"]["spec"]["requiresRepublish"], 120, "the CSIDriver object")
        wait("/apis/rbac.authorization.k8s.io/v1/clusterroles", lambda seen: "secretprovidersyncing-role" in seen, 120, "the role")
        figure(f"image, CSIDriver and role edited by hand are as in git after {time.monotonic() - began:.1f} s")
        well(DRIVER)
        ready("driver")
        registered()

    def test_10_a_commit_that_upgrades_the_charts_rolls_out(self):
        for name in ctr("images", "ls", "-q").split():
            if name.startswith("ghcr.io/keymount/") and name.endswith(f":v{VERSION}"):
                ctr("images", "tag", name, name.replace(f":v{VERSION}", f":v{NEW}"))
        uid = synced(PLACE, "web")["metadata"]["uid"]
        for file in [*self.stack.work.glob("charts/*/Chart.yaml"), *self.stack.work.glob("charts/*/values.yaml")]:
            if VERSION in file.read_text():
                self.stack.edit(file.relative_to(self.stack.work), (VERSION, NEW))
        began = time.monotonic()
        commit = self.stack.commit(f"Version {NEW}")
        refresh(ROOT_APPLICATION, *STACK)
        well(ROOT_APPLICATION, *STACK, revision=commit)
        for daemon in DAEMONS:
            ready(daemon)
            image = daemon_pod(daemon)["spec"]["containers"][0]["image"]
            self.assertTrue(image.endswith(f":v{NEW}"), image)
        registered()
        figure(f"a commit with version {NEW} of the charts: rolled out after {time.monotonic() - began:.1f} s")
        put("pair", "10")
        self.assertEqual(synced(PLACE, "web", lambda data: data == {"value": "10"})["metadata"]["uid"], uid)

    def test_11_pruning_leaves_synced_secrets_alone(self):
        # The Secret belongs to whoever uses it: when one user of the class is pruned, it stays for the other, the very same object.
        uid = synced(PLACE, "web")["metadata"]["uid"]
        folder = self.teams.work / "classes" / PLACE
        (folder / "second.json").write_text(deployment_of("second", "web"))
        commit = self.teams.commit("A second user of the class")
        refresh(TEAM)
        well(TEAM, revision=commit)
        wait(path_of("secrets", PLACE), lambda seen: len(seen["web"]["metadata"]["ownerReferences"]) == 2, 120, "two owners of the Secret")
        (folder / "web.json").unlink()
        commit = self.teams.commit("The first one goes")
        refresh(TEAM)
        well(TEAM, revision=commit)
        wait(path_of("deployments", PLACE), lambda seen: set(seen) == {"second"}, 120, "the Deployment to be pruned")
        found = wait(path_of("secrets", PLACE), lambda seen: len(seen["web"]["metadata"]["ownerReferences"]) == 1 and seen["web"], 120, "one owner of the Secret")
        self.assertEqual(found["metadata"]["uid"], uid)
        self.assertNotIn("argocd", json.dumps({**found["metadata"], "managedFields": None}))
        put("pair", "11")
        self.assertEqual(synced(PLACE, "web", lambda data: data == {"value": "11"})["metadata"]["uid"], uid)

    def test_12_definitions_classes_and_secrets_survive_the_applications(self):
        uid = synced(PLACE, "web")["metadata"]["uid"]
        definitions = [definition(plural)["metadata"]["uid"] for plural in ("secretproviderclasses", "secretproviderclasspodstatuses")]
        request("DELETE", f"{APPLICATIONS}/{ROOT_APPLICATION}")
        applications(lambda seen: ROOT_APPLICATION not in seen, 60, "the Application of Applications to go")
        for name in reversed(STACK):
            # With all that is theirs, as `argocd app delete --cascade` does it.
            patch(f"{APPLICATIONS}/{name}", {"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}})
            request("DELETE", f"{APPLICATIONS}/{name}")
            applications(lambda seen: name not in seen, 120, f"{name} to go")
        wait(path_of("daemonsets", NAMESPACE), lambda seen: not set(DAEMONS.values()) & set(seen), 60, "the DaemonSets to go")
        self.assertIsNone(exists("/apis/storage.k8s.io/v1/csidrivers/secrets-store.csi.k8s.io"))
        self.assertEqual([definition(plural)["metadata"]["uid"] for plural in ("secretproviderclasses", "secretproviderclasspodstatuses")], definitions)
        self.assertIsNotNone(exists(f"{GROUP}/namespaces/{PLACE}/secretproviderclasses/web"))
        self.assertEqual(synced(PLACE, "web")["metadata"]["uid"], uid)
