"""The policy for people: classes that no provider could serve are refused when they are applied."""

import unittest

from cluster import DRIVER, Refused, eventually, install, request, uninstall

GROUP = "secrets-store.csi.x-k8s.io"
CLASSES = f"/apis/{GROUP}/v1/namespaces/default/secretproviderclasses"
GOOD = {"keyvaultName": "kv-of-web", "tenantID": "5c791829-6568-4cc6-9b44-d9bbd7393dce", "clientID": "c", "objects": "array: []"}


def a_class(provider="azure", secrets=(), name="web", **parameters):
    """A class; a parameter that is None is left out."""
    parameters = {key: value for key, value in {**GOOD, **parameters}.items() if value is not None}
    return {"apiVersion": f"{GROUP}/v1", "kind": "SecretProviderClass", "metadata": {"name": name},
            "spec": {"provider": provider, "parameters": parameters, "secretObjects": list(secrets)}}


def secret(**more):
    """A Secret of a class."""
    return {"secretName": "web", "type": "Opaque", "data": [{"objectName": "a", "key": "a"}], **more}


def refusal(body, method="POST", path=CLASSES):
    """Why the request is refused; none if it is not. Nothing is stored."""
    try:
        request(method, f"{path}?dryRun=All", body)
    except Refused as refused:
        return refused.message
    return None


class Classes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(uninstall, "driver")
        install("driver", DRIVER, "--set", "admissionPolicies.classes=true")
        eventually(lambda: "KM0105" in (refusal(a_class(keyvaultName="")) or ""), 60)

    def test_what_providers_can_serve_is_taken(self):
        for good in (
            a_class(), a_class(tenantID=None, tenantId="t"), a_class(usePodIdentity="false", useVMManagedIdentity="True"),
            a_class(cloudName="azureusgovernmentcloud"), a_class(secrets=[secret(), secret(secretName="other")]),
            a_class(keyvaultName="a-b"), a_class(useAzureTokenProxy="true"),
            {**a_class(), "spec": {"provider": "vault", "parameters": {"roleName": "r"}}},
            {**a_class(), "apiVersion": f"{GROUP}/v1alpha1"},
        ):
            path = CLASSES.replace("/v1/", "/v1alpha1/") if "alpha" in good["apiVersion"] else CLASSES
            self.assertIsNone(refusal(good, path=path), good)

    def test_each_mistake_is_refused_with_the_code_that_a_mount_would_have(self):
        no_parameters = a_class()
        del no_parameters["spec"]["parameters"]
        for bad, code in (
            (a_class(provider=""), "ProviderNotSet (KM0806)"),
            (a_class(provider="../azure"), "ProviderInvalid (KM0807)"),
            (no_parameters, "ParametersNotSet (KM0808)"),
            (a_class(secrets=[secret(type="")]), "SecretObjectInvalid (KM0702)"),
            (a_class(secrets=[secret(data=[{"objectName": "a"}])]), "SecretObjectInvalid (KM0702)"),
            (a_class(secrets=[secret(), secret()]), "SecretTwice (KM0822)"),
            (a_class(usePodIdentity="yes"), "InvalidFlag (KM0103)"),
            (a_class(usePodIdentity="true", useVMManagedIdentity="1"), "IdentityModeConflict (KM0104)"),
            (a_class(keyvaultName=None), "VaultNameMissing (KM0105)"),
            (a_class(keyvaultName="https://kv.vault.azure.net"), "InvalidVaultName (KM0106)"),
            (a_class(tenantID=None), "TenantMissing (KM0107)"),
            (a_class(objects=None), "ObjectsMissing (KM0108)"),
            (a_class(cloudName="AzureGovernment"), "CloudUnknown (KM0201)"),
            (a_class(useAzureTokenProxy="true", clientID=None), "CredentialMissing (KM0203)"),
        ):
            self.assertIn(code, refusal(bad) or "nothing", bad)

    def test_a_class_that_was_there_before_can_be_labelled_but_not_made_worse(self):
        bad = a_class(name="before", keyvaultName="")
        uninstall("driver")
        eventually(lambda: refusal(bad) is None, 60)
        stored = request("POST", CLASSES, bad)
        self.addCleanup(request, "DELETE", f"{CLASSES}/before")
        install("driver", DRIVER, "--set", "admissionPolicies.classes=true")
        eventually(lambda: "KM0105" in (refusal(a_class(keyvaultName="")) or ""), 60)
        stored["metadata"]["annotations"] = {"keymount.io/refresh": "now"}
        self.assertIsNone(refusal(stored, "PUT", f"{CLASSES}/before"))
        stored["spec"]["parameters"]["objects"] = "array: [x]"
        self.assertIn("KM0105", refusal(stored, "PUT", f"{CLASSES}/before") or "nothing")


if __name__ == "__main__":
    unittest.main()
