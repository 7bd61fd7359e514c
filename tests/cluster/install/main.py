"""The chapters of the story, in order: each finds the cluster as the one before left it."""

import importlib
import os
import pathlib
import sys
import time
import unittest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "charts")]

CHAPTERS = ["installation", "contents", "secrets", "identities", "rotation", "people", "restarts", "upgrade", "network", "docs", "crowd", "rights", "removal"]
ALWAYS = ["installation"]
# They stop processes of the node, and read what the API server writes down.
NOT_ON_EXISTING = {"restarts", "rights"}


def main():
    asked = sys.argv[1:] or CHAPTERS
    unknown = [name for name in asked if name not in CHAPTERS]
    if unknown:
        sys.exit(f"no such chapters: {' '.join(unknown)}; there are {' '.join(CHAPTERS)}")
    import stage
    from told import Told

    if stage.EXISTING and (left_out := [name for name in asked if name in NOT_ON_EXISTING]):
        print(f"left out on a cluster that is not ours: {' '.join(left_out)}")
        asked = [name for name in asked if name not in NOT_ON_EXISTING]
    began, took = time.monotonic(), []
    for name in CHAPTERS:
        if name not in asked and name not in ALWAYS:
            continue
        print(f"\n{name}", flush=True)
        start = time.monotonic()
        suite = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(f"chapter_{name}"))
        # What comes later stands on what failed.
        result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Told, failfast=name in ALWAYS).run(suite)
        if not result.wasSuccessful():
            stage.keep_state(pathlib.Path(os.environ["RUN"]) / "state")
            sys.exit(1)
        took.append(f"{name} {time.monotonic() - start:.0f} s")
    print(f"\nall chapters ended after {time.monotonic() - began:.0f} s: {', '.join(took)}")
    for line in stage.FIGURES:
        print(f"  {line}")


if __name__ == "__main__":
    main()
