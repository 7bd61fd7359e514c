"""The provider in a network of its own, as where no metadata service is needed."""

import json
import unittest

from cluster import exists
from stage import MACHINE_TRUST, RUN, WEB, azure_class, daemon_pod, delete, files, first_look, make, namespace, path_of, pod, upgrade

# Entra knows the service account "web" of this namespace.
PLACE = "identities"


class Network(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        namespace(PLACE)
        if not exists(path_of("serviceaccounts", PLACE, "web")):
            make("serviceaccounts", PLACE, "web")
        azure_class(PLACE, "apart", [{"objectName": "secret1", "objectType": "secret"}], keyvaultName="team", clientID=WEB)
        cls.addClassCleanup(upgrade)

    def test_workload_identity_needs_no_network_of_the_node(self):
        # Such a pod does not have the node's names; in a cluster it would ask the cluster's DNS.
        names = {"name": "names", "hostPath": {"path": "/etc/hosts", "type": "File"}}
        values = RUN / "network-values.yaml"
        values.write_text(json.dumps({"networkPolicy": {"enabled": True}, "linux": {
            "hostNetwork": False, "dnsPolicy": "ClusterFirst", "volumes": [MACHINE_TRUST, names],
            "volumeMounts": [{"name": "emulator", "mountPath": "/emulator", "readOnly": True}, {"name": "names", "mountPath": "/etc/hosts", "readOnly": True}]}}))
        upgrade("--values", values)
        spec, status = (daemon_pod("provider")[part] for part in ("spec", "status"))
        self.assertFalse(spec.get("hostNetwork"))
        self.assertNotEqual(status["podIP"], status["hostIP"])
        pod(PLACE, "apart", {"store": "apart"}, account="web")
        self.assertEqual(files(first_look(PLACE, "apart")), {"secret1": "of the team"})
        delete("pods", PLACE, "apart")
