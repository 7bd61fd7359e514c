"""What a vault holds, as files: the cases of the Go provider's own suite."""

import base64
import subprocess
import unittest

from stage import azure_class, delete, files, first_look, log_of, namespace, pod, daemon_pod

PLACE = "contents"


def openssl(text, *arguments):
    """What openssl makes of it."""
    done = subprocess.run(["openssl", *arguments], input=text if isinstance(text, bytes) else text.encode(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def same_key(certificate, key):
    """Whether a certificate is for a key."""
    return openssl(certificate, "x509", "-noout", "-pubkey") == openssl(key, "pkey", "-pubout")


class Contents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        namespace(PLACE)

    def files_of(self, name, *objects):
        azure_class(PLACE, name, objects)
        pod(PLACE, name, {"store": name})
        self.addCleanup(delete, "pods", PLACE, name)
        self.look = first_look(PLACE, name)
        return files(self.look)

    def test_secrets(self):
        found = self.files_of(
            "secrets", {"objectName": "secret1", "objectType": "secret"},
            {"objectName": "secret1", "objectType": "secret", "objectAlias": "app/alias", "filePermission": '"0755"'})
        self.assertEqual(found, {"secret1": "secret", "app/alias": "secret"})
        volume = self.look["volumes"]["/mnt/store"]
        self.assertEqual((volume["files"]["secret1"]["mode"], volume["files"]["app/alias"]["mode"]), (0o644, 0o755))
        self.assertTrue(volume["mount"].startswith("tmpfs ro,"), volume["mount"])

    def test_keys(self):
        names = ("rsa", "rsa-hsm", "ec-hsm")
        found = self.files_of("keys", *({"objectName": name, "objectType": "key", "objectAlias": f"{name}.pem"} for name in names))
        for name, kind in zip(names, ("RSA", "RSA", "EC")):
            told = openssl(found[f"{name}.pem"], "pkey", "-pubin", "-noout", "-text")
            self.assertIn("Modulus" if kind == "RSA" else "NIST CURVE: P-256", told)

    def test_certificates(self):
        objects = []
        for name in ("site", "site-pem", "site-ecc"):
            objects += [{"objectName": name, "objectType": "cert", "objectAlias": f"{name}/cert"},
                        {"objectName": name, "objectType": "secret", "objectAlias": f"{name}/bundle"}]
        objects.append({"objectName": "site", "objectType": "secret", "objectFormat": "pfx", "objectAlias": "site/pfx"})
        found = self.files_of("certificates", *objects)
        for name in ("site", "site-pem", "site-ecc"):
            self.assertTrue(same_key(found[f"{name}/bundle.crt"], found[f"{name}/bundle.key"]), name)
            self.assertTrue(same_key(found[f"{name}/cert"], found[f"{name}/bundle"]), name)
        for name in ("site", "site-pem"):
            self.assertIn("does match", openssl(found[f"{name}/cert"], "x509", "-noout", "-checkhost", "test.domain.com"))
        opened = openssl(base64.b64decode(found["site/pfx"]), "pkcs12", "-legacy", "-nodes", "-passin", "pass:")
        self.assertTrue(same_key(opened, found["site/bundle.key"]))

    def test_versions(self):
        found = self.files_of("versions", {"objectName": "history", "objectType": "secret", "objectVersionHistory": 5})
        self.assertEqual(found, {"history/0": "newest", "history/1": "older", "history/2": "oldest"})

    def test_volumes_go_cleanly(self):
        # All pods of this chapter are gone by now, but for those of tests that come later.
        log = log_of("driver")
        self.assertNotIn("failed to clean and unmount target path", log)
        for daemon in ("driver", "provider"):
            statuses = daemon_pod(daemon)["status"]["containerStatuses"]
            self.assertEqual([status["restartCount"] for status in statuses], [0])
