"""Rotation, seen from inside the pod."""

import time
import unittest

from stage import azure_class, content, delete, figure, files, first_look, looks, namespace, pod, put, running, sees, synced
from chapter_contents import same_key
from chapter_secrets import secret_object
from stage import azure

PLACE = "rotation"
# The same secret twice, and a certificate in parts: what does not belong together shows.
OBJECTS = [{"objectName": "pair", "objectType": "secret", "objectAlias": alias} for alias in ("a", "b")] + [
    {"objectName": "site", "objectType": "secret"}]


def is_whole(look, at="store"):
    """Whether a look is of one generation."""
    volume = look["volumes"][f"/mnt/{at}"]
    found = files(look, at)
    return not volume["errors"] and set(found) >= {"a", "b", "site.crt", "site.key"} and found["a"] == found["b"]


class Rotation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        namespace(PLACE)
        azure_class(PLACE, "rotated", OBJECTS, [secret_object("rotated", {"value": "a"})])

    def test_files_and_secret_follow_the_vault_and_no_reader_sees_a_mix(self):
        pod(PLACE, "reader", {"store": "rotated"}, spin=True)
        first_look(PLACE, "reader")
        synced(PLACE, "rotated", lambda data: data.get("value") is not None)
        for number in range(1, 5):
            began = time.monotonic()
            put("pair", str(number))
            if number == 2:
                azure("POST", "/seed", {"vaults": [{"name": "shop", "certificates": [{"name": "site", "subject": "CN=rotated", "key": {"type": "EC", "curve": "P-256"}}]}]})
            sees(PLACE, "reader", lambda look: files(look).get("a") == str(number), 60, f"value {number}")
            seen = time.monotonic() - began
            synced(PLACE, "rotated", lambda data: data.get("value") == str(number))
        figure(f"rotation, polled every 5 s and shared by the provider for 10 s: in the pod {seen:.1f} s after the vault, in the Secret {time.monotonic() - began:.1f} s")
        values, certificates = [], {}
        for look in looks(PLACE, "reader", 20):
            self.assertTrue(is_whole(look), look)
            found = files(look)
            values.append(int(found["a"]))
            certificates[found["site.crt"]] = found["site.key"]
            if values[-1] == 4 and len(certificates) == 2:
                break
        self.assertEqual(values, sorted(values), "a value came back")
        self.assertEqual(len(certificates), 2)
        for certificate, key in certificates.items():
            self.assertTrue(same_key(certificate, key))
        delete("pods", PLACE, "reader")
