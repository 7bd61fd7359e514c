"""A hundred pods at once."""

import math
import pathlib
import time
import unittest

from stage import azure_class, daemon_pod, delete, deployment, figure, is_running, namespace, path_of, vault_calls, wait, azure
from cluster import request

PLACE, PODS, TTL = "crowd", 100, 10.0


def memory(daemon):
    """Bytes in the control group of a daemon's container, and those of them that are in mounted volumes."""
    found = daemon_pod(daemon)
    identity = found["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
    for root in (pathlib.Path("/sys/fs/cgroup/memory"), pathlib.Path("/sys/fs/cgroup")):
        for group in root.glob(f"keymount-*/**/{identity}"):
            usage = next((group / name for name in ("memory.usage_in_bytes", "memory.current") if (group / name).exists()), None)
            if usage is None:
                continue
            stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            return int(usage.read_text()), int(stat.get("shmem", stat.get("total_shmem", 0)))
    raise AssertionError(f"no control group of {identity}")


class Crowd(unittest.TestCase):
    def test_a_hundred_pods_at_once(self):
        namespace(PLACE)
        objects = [{"objectName": name, "objectType": "secret"} for name in ("secret1", "registry")]
        azure_class(PLACE, "crowd", objects)
        before, began = vault_calls(), time.monotonic()
        deployment(PLACE, "crowd", {"store": "crowd"}, replicas=PODS)
        wait(path_of("pods", PLACE), lambda seen: sum(map(is_running, seen.values())) == PODS, 420, f"{PODS} pods")
        took = time.monotonic() - began
        calls = vault_calls() - before
        # Rotation, of all volumes at once, takes part in it: a fetch of each object at most every TTL.
        most = len(objects) * (math.ceil(took / TTL) + 1)
        figure(f"{PODS} pods ran after {took:.0f} s, with {calls} calls of vaults (at most {most})")
        for daemon in ("driver", "provider"):
            used, mounted = memory(daemon)
            figure(f"memory of the {daemon}: {used / 2**20:.1f} MiB, of it {mounted / 2**20:.1f} MiB in volumes")
            self.assertLess(used, 200 * 2**20)
            self.assertEqual(daemon_pod(daemon)["status"]["containerStatuses"][0]["restartCount"], 0)
        self.assertLessEqual(calls, most)
        began = time.monotonic()
        delete("deployments", PLACE, "crowd")
        wait(path_of("pods", PLACE), lambda seen: not seen, 240, "all pods to go")
        figure(f"and were gone after {time.monotonic() - began:.0f} s")
