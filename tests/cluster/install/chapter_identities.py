"""Who a pod is to Azure: its service account, which Entra verifies with the API server's keys, or the machine."""

import unittest

from cluster import request
from stage import MACHINE, WEB, azure_class, azure, delete, event, files, first_look, make, namespace, path_of, pod

PLACE = "identities"
SECRET1 = {"objectName": "secret1", "objectType": "secret"}


class Identities(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        namespace(PLACE)
        for account in ("web", "stranger"):
            make("serviceaccounts", PLACE, account)
        azure_class(PLACE, "team", [SECRET1], keyvaultName="team", clientID=WEB)
        azure_class(PLACE, "machine", [SECRET1])
        azure_class(PLACE, "machine-team", [SECRET1], keyvaultName="team", useVMManagedIdentity="true", userAssignedIdentityID=MACHINE)

    def test_one_service_account_is_let_in_and_the_other_is_not(self):
        pod(PLACE, "web", {"store": "team"}, account="web")
        self.assertEqual(files(first_look(PLACE, "web")), {"secret1": "of the team"})
        # With the same class and what is in the provider's cache for the other one.
        pod(PLACE, "stranger", {"store": "team"}, account="stranger")
        told = event(PLACE, "stranger", "AADSTS7002")["message"]
        self.assertNotIn("of the team", told)
        found = request("GET", path_of("pods", PLACE, "stranger"))
        self.assertEqual(found["status"]["phase"], "Pending")
        entra = [t for t in azure("GET", "/traffic")["requests"] if t["service"] == "entra"]
        self.assertTrue(any(t["status"] == 200 for t in entra) and any(t["status"] in (400, 401) for t in entra), entra)
        delete("pods", PLACE, "web", "stranger")

    def test_the_machine_has_an_identity_of_its_own(self):
        pod(PLACE, "machine", {"store": "machine"})
        self.assertEqual(files(first_look(PLACE, "machine")), {"secret1": "secret"})
        self.assertTrue(any(t["service"] == "imds" for t in azure("GET", "/traffic")["requests"]))
        pod(PLACE, "elsewhere", {"store": "machine-team"})
        event(PLACE, "elsewhere", "Forbidden")
        delete("pods", PLACE, "machine", "elsewhere")

    def test_pod_identity(self):
        namespace("pod-identity")
        azure_class("pod-identity", "team", [SECRET1], keyvaultName="team", usePodIdentity="true")
        pod("pod-identity", "bound", {"store": "team"})
        self.assertEqual(files(first_look("pod-identity", "bound")), {"secret1": "of the team"})
        pod("pod-identity", "unbound", {"store": "team"})
        event("pod-identity", "unbound", "no AzureAssignedIdentity found for pod:pod-identity/unbound")
        delete("pods", "pod-identity", "bound", "unbound")

    def test_both_in_one_pod(self):
        pod(PLACE, "both", {"team": "team", "own": "machine"}, account="web")
        look = first_look(PLACE, "both")
        self.assertEqual((files(look, "team"), files(look, "own")), ({"secret1": "of the team"}, {"secret1": "secret"}))
        delete("pods", PLACE, "both")
