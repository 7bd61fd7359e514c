#!/bin/bash
# image.sh PROGRAM FILE: packs a program and the libraries it is linked with into an image with one layer, in the
# format of `docker save`, without any container engine. The program is the entry point.
set -euo pipefail
. "$(dirname "$0")/env.sh"
program=$1 file=$2
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
pack() { tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --format=ustar -C "$1" -cf "$2" .; }
mkdir -p "$work/root/tmp" "$work/image"
cp "$program" "$work/root/program"
for library in $(ldd "$program" | grep -o '/[^ ]*'); do
  mkdir -p "$work/root$(dirname "$library")"
  cp -L "$library" "$work/root$library"
done
chmod -R go=rX "$work/root"; chmod 1777 "$work/root/tmp"; chmod 755 "$work/root/program"
pack "$work/root" "$work/image/layer.tar"
digest() { sha256sum "$1" | cut -d' ' -f1; }
cat > "$work/config" <<J
{"architecture": "$(dpkg --print-architecture)", "os": "linux", "config": {"Entrypoint": ["/program"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$(digest "$work/image/layer.tar")"]}}
J
config=$(digest "$work/config").json
mv "$work/config" "$work/image/$config"
echo "[{\"Config\": \"$config\", \"RepoTags\": [\"$IMAGE\"], \"Layers\": [\"layer.tar\"]}]" > "$work/image/manifest.json"
pack "$work/image" "$file"
