"""The alerts of the charts, with promtool and made-up series (alerts/): each is tried, fires when it should, and not before."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import textwrap
import unittest

from cluster import AZURE, HERE, documents, helm

# All switches that rules depend on.
ON = ("enableSecretRotation=true", "syncSecret.enabled=true", "providerHealthCheck=true", "metrics.prometheusRule.enabled=true", "metrics.prometheusRule.stalenessSeconds=1800")


def rules():
    """Rule files of driver and provider: what a PrometheusRule has as its spec."""
    switches = [f"secrets-store-csi-driver.{switch}" for switch in ON] + ["metrics.prometheusRule.enabled=true"]
    rendered = helm("template", "csi", AZURE, *(word for switch in switches for word in ("--set", switch)))
    specs = [textwrap.dedent(document.split("\nspec:\n", 1)[1]) for document in documents(rendered) if "\nkind: PrometheusRule\n" in document]
    return {"rules-provider.yaml" if "name: secrets-store-csi-driver-provider-azure\n" in spec else "rules-driver.yaml": spec for spec in specs}


def promtool(*arguments):
    done = subprocess.run([os.environ["PROMTOOL"], *map(str, arguments)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


class Alerts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        for name, text in rules().items():
            (cls.place / name).write_text(text)
        for name in ("driver.yaml", "provider.yaml"):
            shutil.copy(HERE / "alerts" / name, cls.place / name)

    def test_every_alert_has_a_test_that_fires_and_one_that_does_not(self):
        for name in ("driver", "provider"):
            alerts = set(re.findall(r"alert: (\w+)", (self.place / f"rules-{name}.yaml").read_text()))
            self.assertGreater(len(alerts), 3)
            text = (self.place / f"{name}.yaml").read_text()
            fires = set(re.findall(r"alertname: (\w+)\n *eval_time: \w+\n *exp_alerts:\n", text))
            waits = set(re.findall(r"alertname: (\w+), eval_time: \w+, exp_alerts: \[\]", text))
            self.assertEqual((fires, waits), (alerts, alerts))

    def test_the_rules_are_valid(self):
        code, output = promtool("check", "rules", "--lint=all", "--lint-fatal", *self.place.glob("rules-*.yaml"))
        self.assertEqual(code, 0, output)

    def test_alerts_fire_when_they_should(self):
        code, output = promtool("test", "rules", self.place / "driver.yaml", self.place / "provider.yaml")
        self.assertEqual(code, 0, output)

    def test_the_tests_can_fail(self):
        """Another threshold, and the made-up series do not fit any more."""
        other = self.place / "other"
        other.mkdir()
        text = (self.place / "rules-driver.yaml").read_text()
        (other / "rules-driver.yaml").write_text(text.replace("keymount_rotation_staleness_seconds) > 1800", "keymount_rotation_staleness_seconds) > 7200"))
        shutil.copy(self.place / "driver.yaml", other)
        code, output = promtool("test", "rules", other / "driver.yaml")
        self.assertNotEqual(code, 0)
        self.assertIn("SecretsStoreContentIsStale", output)
