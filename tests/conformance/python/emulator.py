"""Starts the emulator and makes this process find Azure there.

The SDK is used as it is: with the real host names, TLS verification and the check that a challenge belongs
to the vault. Only name resolution is replaced, the way a hosts file would (and the port with it).
"""

import datetime
import json
import os
import shlex
import socket
import subprocess
import tempfile
import time

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

TENANT = "7e9a0000-0000-4000-8000-000000000001"
APP = "11111111-0000-4000-8000-000000000001"
APP_SECRET = "a-client-secret"
WORKLOAD = "22222222-0000-4000-8000-000000000002"
ASSIGNED = "33333333-0000-4000-8000-000000000003"
VAULT = "https://kv1.vault.azure.net"
ISSUER = "https://cluster.test"
SUBJECT = "system:serviceaccount:shop:web"

AZURE = (".vault.azure.net", "login.microsoftonline.com")


class Cluster:
    """Signs service-account tokens."""

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def jwk(self):
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"kty": "RSA", "kid": "k1", "n": public["n"], "e": public["e"]}

    def token(self, **claims):
        now = int(time.time())
        body = {"iss": ISSUER, "sub": SUBJECT, "aud": ["api://AzureADTokenExchange"], "iat": now, "exp": now + 600}
        return jwt.encode(body | claims, self.key, algorithm="RS256", headers={"kid": "k1"})


def application_certificate():
    """A certificate for the application: key and certificate as PEM, and the certificate itself."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "application")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM), certificate


class Emulator:
    """The emulator as a process. It ends with SIGTERM, and has to end cleanly."""

    def __init__(self, cluster):
        self.certificate_pem, certificate = application_certificate()
        seed = {
            "identities": [
                {
                    "clientId": APP,
                    "secrets": [{"value": APP_SECRET}],
                    "certificates": [certificate.public_bytes(Encoding.PEM).decode()],
                },
                {
                    "kind": "userAssigned",
                    "clientId": WORKLOAD,
                    "federated": [
                        {"issuer": ISSUER, "subject": SUBJECT, "keys": {"inline": {"keys": [cluster.jwk()]}}}
                    ],
                },
                {"kind": "userAssigned", "clientId": ASSIGNED},
                {"kind": "systemAssigned", "clientId": "machine"},
            ],
            "vaults": [{"name": "kv1"}],
        }
        self.directory = tempfile.TemporaryDirectory()
        path = os.path.join(self.directory.name, "seed.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(seed, file)
        command = shlex.split(os.environ["EMULATE"]) + ["--json", "--seed", path]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the emulator did not start: {command}")
        self.started = json.loads(line)
        self._redirect()

    def _redirect(self):
        host, port = self.started["vault"].removeprefix("https://").rsplit(":", 1)
        original = socket.getaddrinfo

        def getaddrinfo(name, *args, **kwargs):
            if isinstance(name, str) and name.endswith(AZURE):
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, int(port)))]
            return original(name, *args, **kwargs)

        socket.getaddrinfo = getaddrinfo
        os.environ["REQUESTS_CA_BUNDLE"] = self.started["ca"]
        os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = self.started["imds"]

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        self.directory.cleanup()
        if code != 0:
            raise RuntimeError(f"the emulator ended with {code}")
        if os.path.exists(self.started["ca"]):
            raise RuntimeError("the emulator left its CA file behind")
