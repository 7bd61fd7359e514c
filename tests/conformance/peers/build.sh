# Sourced by the run.sh of ../csi and of this directory: what the tests start. A program that a variable names already
# is taken as it is, which is how the same tests run against another driver or provider:
#
#   DRIVER, PROVIDER   command lines of the programs under test
#   PEER=upstream      they are those of the Go stack
#   EMULATE            command line of the emulator
#   KEYMOUNT_CACHE     where tools are kept that are not the project's own
CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
KEYMOUNT_CACHE=${KEYMOUNT_CACHE:-$HOME/.cache/keymount}
packages=()
[ -n "${EMULATE:-}" ] || packages+=(-p keymount-emulator --example emulate)
[ -n "${DRIVER:-}" ] || packages+=(-p secrets-store-csi-driver --bin secrets-store-csi-driver)
[ -n "${PROVIDER:-}" ] || packages+=(-p secrets-store-csi-driver-provider-azure --bin secrets-store-csi-driver-provider-azure)
if [ ${#packages[@]} -gt 0 ]; then
    (cd "$CHECKOUT" && cargo build --quiet "${packages[@]}")
fi
built=$(cd "$CHECKOUT" && cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug
EMULATE=${EMULATE:-$built/examples/emulate}
DRIVER=${DRIVER:-$built/secrets-store-csi-driver}
PROVIDER=${PROVIDER:-$built/secrets-store-csi-driver-provider-azure}
export CHECKOUT EMULATE DRIVER PROVIDER
