"""What a node goes through, while volumes are mounted and rotated."""

import os
import subprocess
import time
import unittest

from cluster import NAMESPACE, request
from stage import (DAEMONS, azure_class, daemon_pod, delete, figure, files, first_look, is_running, kill_daemon, looks, namespace, node, path_of, pod,
                   put, ready, registered, running, sees, wait)
from chapter_rotation import OBJECTS, is_whole

PLACE = "restarts"


class Restarts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        namespace(PLACE)
        azure_class(PLACE, "kept", OBJECTS)
        pod(PLACE, "witness", {"store": "kept"}, spin=True)
        first_look(PLACE, "witness")

    def newcomers(self, name, count=4):
        names = [f"{name}-{number}" for number in range(count)]
        for one in names:
            pod(PLACE, one, {"store": "kept"})
        return names

    def all_is_well(self, names, value, at_least=0):
        """Newcomers run and see everything, and the witness the newest value."""
        running(PLACE, *names, seconds=180)
        for name in names:
            self.assertTrue(is_whole(sees(PLACE, name, lambda look: True)), name)
        sees(PLACE, "witness", lambda look: files(look).get("a") == value, 90, f"value {value}")
        for look in looks(PLACE, "witness", 30):
            self.assertTrue(is_whole(look), look)
            if files(look)["a"] == value:
                break
        delete("pods", PLACE, *names)

    def test_1_kubelet_during_mounts(self):
        put("pair", "10")
        names = self.newcomers("kubelet")
        node("stop", "kubelet")
        node("start")
        registered()
        self.all_is_well(names, "10")

    def test_2_driver_during_mounts_and_rotation(self):
        put("pair", "11")
        names = self.newcomers("driver")
        began = time.monotonic()
        kill_daemon("driver")
        registered()
        figure(f"the driver's pod replaced and registered after {time.monotonic() - began:.1f} s")
        self.all_is_well(names, "11")

    def test_3_provider_during_mounts_and_rotation(self):
        put("pair", "12")
        names = self.newcomers("provider")
        kill_daemon("provider")
        self.all_is_well(names, "12")

    def test_4_api_server_during_mounts_and_rotation(self):
        names = self.newcomers("api")
        node("stop", "kube-apiserver")
        put("pair", "13")
        node("start")
        self.all_is_well(names, "13")

    def test_5_reboot(self):
        """As far as it can be played: nothing runs any more, no mount is left, the disks are as they were."""
        before = {name: p["metadata"]["uid"] for name, p in running(PLACE, "witness").items()}
        node("stop", "kubelet")
        ctr = ["ctr", "-a", os.environ["CONTAINERD_SOCKET"], "-n", "k8s.io"]
        for task in subprocess.run([*ctr, "tasks", "ls", "-q"], check=True, capture_output=True, text=True).stdout.split():
            subprocess.run([*ctr, "tasks", "kill", "-s", "SIGKILL", "-a", task], capture_output=True)
        node("stop", "containerd")
        with open("/proc/self/mountinfo") as mounts:
            volumes = [line.split()[4] for line in mounts if "/volumes/kubernetes.io~csi/" in line.split()[4]]
        self.assertTrue(volumes, "there was a volume")
        for volume in volumes:
            subprocess.run(["umount", "-l", volume], check=False, capture_output=True)
        began = time.monotonic()
        node("start")
        # In this order nothing can work before Azure, the provider and the driver are back; kubelet tries again until it does.
        def back(seen):
            found = seen.get("witness")
            return found and is_running(found) and found["status"]["containerStatuses"][0]["restartCount"] > 0
        pods = wait(path_of("pods", PLACE), lambda seen: back(seen) and seen, 240, "the witness after the reboot")
        self.assertEqual(pods["witness"]["metadata"]["uid"], before["witness"])
        for daemon in DAEMONS:
            ready(daemon)
        registered()
        figure(f"all pods run {time.monotonic() - began:.1f} s after a reboot")
        # Azure has forgotten what it was told after it began.
        put("pair", "14")
        sees(PLACE, "witness", lambda look: files(look).get("a") == "14", 90, "value 14")
        names = self.newcomers("reboot", 2)
        running(PLACE, *names)
        delete("pods", PLACE, *names, "witness")
