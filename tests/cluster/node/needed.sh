# Sourced by what needs a node: where none can run, this says why and ends it, with success unless KEYMOUNT_MOUNT_NAMESPACE is "required".
if ! why=$("$(dirname "${BASH_SOURCE[0]}")/possible.sh"); then
  echo "skipped: $why"
  [ "${KEYMOUNT_MOUNT_NAMESPACE:-}" != required ] || exit 1
  exit 0
fi
