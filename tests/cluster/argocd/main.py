"""Runs the story. Arguments go to unittest."""

import os
import pathlib
import sys
import time
import unittest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "charts"), str(HERE.parent / "install")]


def main():
    import gitops
    import stage
    import story
    from told import Told

    began = time.monotonic()
    suite = unittest.defaultTestLoader.loadTestsFromModule(story)
    # Each test stands on the one before.
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Told, failfast=True).run(suite)
    if not result.wasSuccessful():
        state = pathlib.Path(os.environ["RUN"]) / "state"
        stage.keep_state(state)
        gitops.keep_state(state)
        sys.exit(1)
    print(f"\nthe story ended after {time.monotonic() - began:.0f} s")
    for line in stage.FIGURES:
        print(f"  {line}")


if __name__ == "__main__":
    main()
