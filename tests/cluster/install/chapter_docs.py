"""What the documentation tells people to apply, applied."""

import pathlib
import re
import unittest

from cluster import AZURE, ROOT, Refused, apply, helm, request
from stage import IMAGE, MACHINE, RUN, TENANT, WEB, delete, files, is_running, namespace, path_of, sees, wait

PAGES = sorted([*ROOT.glob("docs/install/*.md"), *ROOT.glob("docs/how-to/*.md"), ROOT / "docs/migrate.md", ROOT / "docs/uninstall.md"])
# Pages with YAML that is tried elsewhere, or is not for Kubernetes.
ELSEWHERE = {"azure-objects.md": "crates/azure/tests/objects_page.rs", "lint.md": "configuration of pre-commit and of a forge"}
# What a reader puts in; the images of the tests stand for those of the reader's programs.
READER = {"MACHINE_CLIENT_ID": MACHINE, "CLIENT_ID": WEB, "TENANT_ID": TENANT, "VAULT": "shop", "image: busybox": f"image: {IMAGE}\n{{}}imagePullPolicy: Never",
          "args: [sleep, infinity]": "args: [/mnt/secrets]"}
# The service account web is known to Entra in this namespace.
PLACE = "identities"


def blocks(page):
    """YAML of a page, with what a reader would put in."""
    for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        for word, value in READER.items():
            block = re.sub(rf"^( *)(.*){re.escape(word)}", lambda found: found.group(1) + found.group(2) + value.format(found.group(1)), block, flags=re.MULTILINE)
        yield block


class Documentation(unittest.TestCase):
    def test_no_page_is_forgotten(self):
        with_blocks = {page for page in [*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md")] if "```yaml\n" in page.read_text()}
        self.assertEqual({page.name for page in with_blocks - set(PAGES)}, set(ELSEWHERE))

    def test_every_block_is_taken(self):
        namespace(PLACE)
        made, values = [], 0
        for page in PAGES:
            for block in blocks(page):
                with self.subTest(page.name, block=block.splitlines()[:4]):
                    if block.startswith("# fragment"):
                        continue
                    if chart := re.match(r"# values: (\S+)", block):
                        path = RUN / "documented-values.yaml"
                        path.write_text(block)
                        helm("template", "csi", ROOT / "charts" / chart.group(1), "--namespace", "kube-system", "--values", path)
                        values += 1
                    else:
                        made.append(apply(re.sub(r"^metadata:\n", f"metadata:\n  namespace: {PLACE}\n", block, count=1, flags=re.MULTILINE)))
        self.assertGreaterEqual((len(made), values), (6, 3))

        # And the pods of it run and see what they should.
        pods = wait(path_of("pods", PLACE), lambda seen: "first" in seen and sum(map(is_running, seen.values())) >= 3 and all(map(is_running, seen.values())) and seen, 150, "the pods of the documentation")
        for name in pods:
            look = sees(PLACE, name, lambda look: True)
            self.assertEqual(files(look, "secrets"), {"secret1": "secret"}, name)
            if name.startswith("web-"):
                self.assertEqual(look["environment"], {"SECRET_PASSWORD": "secret"})
        delete("deployments", PLACE, "web")
        delete("pods", PLACE, "first")
        wait(path_of("pods", PLACE), lambda seen: not seen, 60, "the pods to go")
