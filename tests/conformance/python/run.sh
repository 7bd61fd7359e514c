#!/usr/bin/env bash
# The official Azure SDK for Python against the emulator.
#
# EMULATE is the command that starts the emulator; `--json --seed FILE` is appended to it.
# KEYMOUNT_CACHE is where the Python environment is kept.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../.."
cache=${KEYMOUNT_CACHE:-$HOME/.cache/keymount}
venv=$cache/azure-sdk-python-$(sha256sum "$here/requirements.txt" | cut -c1-16)

if [ ! -x "$venv/complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    install -m 755 /dev/null "$venv/complete"
fi
if [ -z "${EMULATE:-}" ]; then
    cargo build --quiet --workspace --example emulate
    target=${CARGO_TARGET_DIR:-target}
    EMULATE="$target/debug/examples/emulate"
fi
export EMULATE PYTHONDONTWRITEBYTECODE=1
exec "$venv/bin/python" -m unittest discover --start-directory "$here" --pattern 'test_*.py' --verbose
