"""A hundred pods at once."""

import math
import os
import time
import unittest

from consumption import Consumption
from stage import DAEMONS, azure_class, daemon_pod, delete, deployment, figure, is_running, namespace, path_of, vault_calls, wait

PLACE, PODS, TTL = "crowd", int(os.environ.get("PODS", "100")), 10.0
# For how long the daemons are watched once all pods run, and how often they ask the vault in that time.
WATCHED, POLL = 20, 5


class Crowd(unittest.TestCase):
    def test_a_hundred_pods_at_once(self):
        namespace(PLACE)
        objects = [{"objectName": name, "objectType": "secret"} for name in ("secret1", "registry")]
        azure_class(PLACE, "crowd", objects)
        start = {daemon: Consumption.of(daemon) for daemon in DAEMONS}
        before, began = vault_calls(), time.monotonic()
        deployment(PLACE, "crowd", {"store": "crowd"}, replicas=PODS)
        wait(path_of("pods", PLACE), lambda seen: sum(map(is_running, seen.values())) == PODS, 420, f"{PODS} pods")
        took = time.monotonic() - began
        calls = vault_calls() - before
        # Rotation, of all volumes at once, takes part in it: a fetch of each object at most every TTL.
        most = len(objects) * (math.ceil(took / TTL) + 1)
        figure(f"{PODS} pods ran after {took:.0f} s, with {calls} calls of vaults (at most {most})")
        busy = {daemon: Consumption.of(daemon) for daemon in DAEMONS}
        time.sleep(WATCHED)
        for daemon in DAEMONS:
            after = Consumption.of(daemon)
            figure(f"the {daemon} with {PODS} pods: {after}")
            figure(f"of it {busy[daemon].cpu - start[daemon].cpu:.2f} s for the start of all pods; then "
                   f"{(after.cpu - busy[daemon].cpu) / WATCHED * 1000:.1f}m while all volumes are polled every {POLL} s")
            self.assertLess(after.peak, 200 * 2**20)
            self.assertEqual(daemon_pod(daemon)["status"]["containerStatuses"][0]["restartCount"], 0)
        self.assertLessEqual(calls, most)
        began = time.monotonic()
        delete("deployments", PLACE, "crowd")
        wait(path_of("pods", PLACE), lambda seen: not seen, 240, "all pods to go")
        figure(f"and were gone after {time.monotonic() - began:.0f} s")
