"""From the version before to this one and back, with pods running."""

import json
import threading
import time
import unittest

from cluster import NAMESPACE, helm
from stage import (DAEMONS, DRIVER, NODE_NAME, RELEASE, _stream, azure_class, daemon_pod, delete, figure, files, first_look, looks, namespace, path_of,
                   pod, put, ready, registered, running, sees, upgrade)
from chapter_installation import OLD, PREVIOUS, VERSION
from chapter_rotation import OBJECTS, is_whole

PLACE = "upgrade"


class Gap(threading.Thread):
    """How long kubelet knows no driver."""

    def __init__(self):
        super().__init__(daemon=True)
        self.gone = self.back = None
        self.stop = False
        self.start()

    def run(self):
        while not self.stop:
            try:
                for line in _stream(f"{path_of('csinodes')}?watch=true", time.monotonic() + 300):
                    found = json.loads(line)["object"]
                    if found["metadata"]["name"] != NODE_NAME:
                        continue
                    known = DRIVER in [driver["name"] for driver in found["spec"].get("drivers") or []]
                    if not known and self.gone is None:
                        self.gone = time.monotonic()
                    if known and self.gone is not None and self.back is None:
                        self.back = time.monotonic()
            except OSError:
                pass

    def told(self):
        """Seconds."""
        self.stop = True
        return None if self.back is None else self.back - self.gone


class Upgrade(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        namespace(PLACE)
        azure_class(PLACE, "kept", OBJECTS)
        pod(PLACE, "witness", {"store": "kept"}, spin=True)
        first_look(PLACE, "witness")

    def change(self, what, version, value, change):
        gap, began = Gap(), time.monotonic()
        # A pod that comes in the middle of it.
        comes = threading.Timer(1.0, lambda: pod(PLACE, f"newcomer-{value}", {"store": "kept"}))
        comes.start()
        change()
        for daemon in DAEMONS:
            ready(daemon)
            image = daemon_pod(daemon)["spec"]["containers"][0]["image"]
            self.assertTrue(image.endswith(f":v{version}"), image)
        registered()
        took = time.monotonic() - began
        comes.join()
        running(PLACE, f"newcomer-{value}")
        figure(f"{what}: done after {took:.1f} s, a pod of its time ran after {time.monotonic() - began - 1:.1f} s, "
               f"kubelet knew no driver for {gap.told() or 0:.1f} s")
        put("pair", value)
        sees(PLACE, "witness", lambda look: files(look).get("a") == value, 90, f"value {value}")
        for look in looks(PLACE, "witness", 30):
            self.assertTrue(is_whole(look), look)
            if files(look)["a"] == value:
                break
        delete("pods", PLACE, f"newcomer-{value}")

    def test_1_upgrade(self):
        self.change(f"upgrade from {OLD} to {VERSION}", VERSION, "20", upgrade)

    def test_2_rollback(self):
        self.change(f"rollback to {OLD}", OLD, "21", lambda: helm("rollback", RELEASE, "--namespace", NAMESPACE))

    def test_3_and_upgrade_again(self):
        self.change(f"upgrade to {VERSION} again", VERSION, "22", upgrade)
        delete("pods", PLACE, "witness")
