"""The official Azure SDK for Python against the emulator."""

import base64
import logging
import tempfile
import unittest

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.identity import (
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.keyvault.certificates import CertificateClient, CertificateContentType, CertificatePolicy
from azure.keyvault.keys import JsonWebKey, KeyClient, KeyCurveName, KeyRotationPolicy
from azure.keyvault.secrets import SecretClient
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs12

from emulator import (
    APP,
    APP_SECRET,
    ASSIGNED,
    TENANT,
    VAULT,
    WORKLOAD,
    Cluster,
    Emulator,
    application_certificate,
)


def setUpModule():
    global cluster, emulator
    # The SDK warns of each refusal that is asked for here.
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    cluster = Cluster()
    emulator = Emulator(cluster)


def tearDownModule():
    emulator.stop()


def credential():
    return ClientSecretCredential(TENANT, APP, APP_SECRET)


class Secrets(unittest.TestCase):
    def setUp(self):
        self.client = SecretClient(VAULT, credential())
        self.addCleanup(self.client.close)

    def test_set_get_update(self):
        first = self.client.set_secret("db-password", "one", content_type="text/plain", tags={"team": "a"})
        second = self.client.set_secret("db-password", "two")
        self.assertEqual(self.client.get_secret("db-password").value, "two")
        old = self.client.get_secret("db-password", first.properties.version)
        self.assertEqual((old.value, old.properties.content_type, old.properties.tags), ("one", "text/plain", {"team": "a"}))
        self.assertEqual(old.properties.vault_url, VAULT)
        self.assertEqual(old.properties.recoverable_days, 90)
        updated = self.client.update_secret_properties("db-password", enabled=False)
        self.assertEqual((updated.version, updated.enabled), (second.properties.version, False))
        with self.assertRaises(HttpResponseError) as refused:
            self.client.get_secret("db-password")
        self.assertEqual((refused.exception.status_code, refused.exception.error.code), (403, "Forbidden"))
        self.assertEqual(refused.exception.error.innererror["code"], "SecretDisabled")

    def test_pages(self):
        for n in range(30):
            self.client.set_secret("many", f"v{n}")
            self.client.set_secret(f"page-{n}", "v")
        self.assertEqual(len(list(self.client.list_properties_of_secret_versions("many"))), 30)
        names = [item.name for item in self.client.list_properties_of_secrets(max_page_size=7)]
        self.assertEqual(len([name for name in names if name.startswith("page-")]), 30)

    def test_delete_recover_purge(self):
        self.client.set_secret("gone", "v")
        deleted = self.client.begin_delete_secret("gone").result()
        self.assertTrue(deleted.recovery_id.endswith("/deletedsecrets/gone"))
        with self.assertRaises(ResourceNotFoundError):
            self.client.get_secret("gone")
        with self.assertRaises(ResourceExistsError):
            self.client.set_secret("gone", "w")
        self.assertIn("gone", [item.name for item in self.client.list_deleted_secrets()])
        self.client.begin_recover_deleted_secret("gone").wait()
        self.assertEqual(self.client.get_secret("gone").value, "v")
        self.client.begin_delete_secret("gone").wait()
        self.client.purge_deleted_secret("gone")
        self.assertEqual(self.client.set_secret("gone", "x").value, "x")


class Keys(unittest.TestCase):
    def setUp(self):
        self.client = KeyClient(VAULT, credential())
        self.addCleanup(self.client.close)

    def test_create_get_rotate_list(self):
        rsa = self.client.create_rsa_key("wrap", size=2048)
        self.assertEqual((rsa.key_type, len(rsa.key.n), rsa.key.e, rsa.key.d), ("RSA", 256, b"\x01\x00\x01", None))
        ec = self.client.create_ec_key("sign", curve=KeyCurveName.p_521)
        self.assertEqual((ec.key.crv, len(ec.key.x), ec.key_operations), ("P-521", 66, ["sign", "verify"]))
        rotated = self.client.rotate_key("sign")
        self.assertEqual(self.client.get_key("sign").id, rotated.id)
        self.assertEqual(len(list(self.client.list_properties_of_key_versions("sign"))), 2)
        policy = self.client.update_key_rotation_policy("sign", KeyRotationPolicy(), expires_in="P90D")
        self.assertEqual(policy.expires_in, "P90D")
        self.client.update_key_properties("sign", tags={"a": "b"})
        self.assertEqual(self.client.get_key("sign").properties.tags, {"a": "b"})

    def test_import_and_recover(self):
        key = JsonWebKey(kty="RSA", n=b"\xc1" * 256, e=b"\x01\x00\x01", d=b"\x07" * 256, p=b"\x03" * 128, q=b"\x05" * 128)
        imported = self.client.import_key("imported", key)
        self.assertEqual((imported.key.n, imported.key.d), (b"\xc1" * 256, None))
        self.client.begin_delete_key("imported").wait()
        self.client.begin_recover_deleted_key("imported").wait()
        self.assertEqual(self.client.get_key("imported").id, imported.id)


class Certificates(unittest.TestCase):
    def setUp(self):
        self.client = CertificateClient(VAULT, credential())
        self.secrets = SecretClient(VAULT, credential())
        self.addCleanup(self.client.close)
        self.addCleanup(self.secrets.close)

    def create(self, name, **options):
        policy = CertificatePolicy("Self", subject="CN=site.test", san_dns_names=["site.test"], **options)
        return self.client.begin_create_certificate(name, policy).result()

    def test_pfx(self):
        created = self.create("site-pfx", key_type="RSA", key_size=2048)
        leaf = x509.load_der_x509_certificate(bytes(created.cer))
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.DNSName), ["site.test"])
        secret = self.secrets.get_secret("site-pfx")
        self.assertEqual(secret.properties.content_type, "application/x-pkcs12")
        self.assertTrue(secret.properties.managed)
        key, certificate, chain = pkcs12.load_key_and_certificates(base64.b64decode(secret.value), b"")
        self.assertEqual((certificate, chain, key.key_size), (leaf, [], 2048))

    def test_pem(self):
        created = self.create(
            "site-pem", key_type="EC", key_curve_name="P-384", content_type=CertificateContentType.pem
        )
        secret = self.secrets.get_secret("site-pem").value
        key = load_pem_private_key(secret.encode(), None)
        leaf = x509.load_pem_x509_certificate(secret.encode())
        self.assertEqual(bytes(created.cer), leaf.public_bytes(Encoding.DER))
        self.assertEqual(key.public_key(), leaf.public_key())
        self.assertEqual(self.client.get_certificate_policy("site-pem").key_curve_name, "P-384")

    def test_import_list_delete(self):
        self.create("original", key_type="EC", key_curve_name="P-256")
        value = base64.b64decode(self.secrets.get_secret("original").value)
        imported = self.client.import_certificate("copy", value)
        self.assertEqual(bytes(imported.cer), bytes(self.client.get_certificate("original").cer))
        self.assertEqual(len(list(self.client.list_properties_of_certificate_versions("copy"))), 1)
        updated = self.client.update_certificate_properties("copy", enabled=True, tags={"a": "b"})
        self.assertEqual(updated.properties.tags, {"a": "b"})
        with self.assertRaises(HttpResponseError) as refused:
            self.secrets.begin_delete_secret("copy").wait()
        self.assertEqual(refused.exception.status_code, 403)
        self.client.begin_delete_certificate("copy").wait()
        with self.assertRaises(ResourceNotFoundError):
            self.secrets.get_secret("copy")
        self.client.begin_recover_deleted_certificate("copy").wait()
        self.assertTrue(self.secrets.get_secret("copy").value)


class Credentials(unittest.TestCase):
    def read(self, credential):
        with SecretClient(VAULT, credential) as client:
            return client.get_secret("shared").value

    @classmethod
    def setUpClass(cls):
        with SecretClient(VAULT, credential()) as client:
            client.set_secret("shared", "v")

    def test_client_secret(self):
        self.assertEqual(self.read(credential()), "v")
        with self.assertRaises(ClientAuthenticationError) as refused:
            self.read(ClientSecretCredential(TENANT, APP, "wrong"))
        self.assertIn("AADSTS7000215", str(refused.exception))
        with self.assertRaises(ClientAuthenticationError) as refused:
            self.read(ClientSecretCredential(TENANT, "44444444-0000-4000-8000-000000000004", "wrong"))
        self.assertIn("AADSTS700016", str(refused.exception))

    def test_client_certificate(self):
        own = CertificateCredential(TENANT, APP, certificate_data=emulator.certificate_pem)
        self.assertEqual(self.read(own), "v")
        other, _ = application_certificate()
        with self.assertRaises(ClientAuthenticationError) as refused:
            self.read(CertificateCredential(TENANT, APP, certificate_data=other))
        self.assertIn("AADSTS700027", str(refused.exception))

    def test_client_assertion(self):
        self.assertEqual(self.read(ClientAssertionCredential(TENANT, WORKLOAD, cluster.token)), "v")
        other = cluster.token(sub="system:serviceaccount:shop:other")
        with self.assertRaises(ClientAuthenticationError) as refused:
            self.read(ClientAssertionCredential(TENANT, WORKLOAD, lambda: other))
        self.assertIn("AADSTS700213", str(refused.exception))
        with self.assertRaises(ClientAuthenticationError) as refused:
            self.read(ClientAssertionCredential(TENANT, WORKLOAD, Cluster().token))
        self.assertIn("AADSTS700027", str(refused.exception))

    def test_workload_identity(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(cluster.token())
            file.flush()
            workload = WorkloadIdentityCredential(tenant_id=TENANT, client_id=WORKLOAD, token_file_path=file.name)
            self.assertEqual(self.read(workload), "v")

    def test_managed_identity(self):
        self.assertEqual(self.read(ManagedIdentityCredential()), "v")
        self.assertEqual(self.read(ManagedIdentityCredential(client_id=ASSIGNED)), "v")
        with self.assertRaises(ClientAuthenticationError):
            self.read(ManagedIdentityCredential(client_id="44444444-0000-4000-8000-000000000004"))


class ByAddress(unittest.TestCase):
    """Without host names: the one place where the SDK's check of the challenge cannot stay on."""

    def test_vault_and_authority(self):
        login = ClientSecretCredential(
            TENANT,
            APP,
            APP_SECRET,
            authority=emulator.started["authority"],
            disable_instance_discovery=True,
        )
        with SecretClient(emulator.started["vault"], login, verify_challenge_resource=False) as client:
            client.set_secret("by-address", "v")
            self.assertEqual(client.get_secret("by-address").value, "v")
            self.assertEqual(len(list(client.list_properties_of_secret_versions("by-address"))), 1)


if __name__ == "__main__":
    unittest.main()
