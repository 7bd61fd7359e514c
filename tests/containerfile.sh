#!/bin/bash
# containerfile.sh IMAGES: builds the three images with buildah from the Containerfile and the programs in IMAGES (of `cargo xtask images`),
# without a registry, and compares them with the archives: the same program, user and entry point.
# The Containerfile's first stage, which compiles the programs in a base image, needs a registry and is not built here.
set -euo pipefail
images=$(realpath "$1")
cd "$(dirname "$0")/.."
command -v buildah >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends buildah; } >/dev/null
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir "$work/context"; cp -r "$images" "$work/context/images"
buildah=(buildah --root "$work/root" --runroot "$work/run" --storage-driver vfs)
while read -r target name; do
  "${buildah[@]}" build --quiet --isolation chroot --build-context build="$work/context" --target "$target" --tag "$name" . >/dev/null
  "${buildah[@]}" push --quiet "$name" "oci:$work/$target" 2>/dev/null
  python3 - "$work/$target" "$images/$name.tar" <<'P'
import hashlib, io, json, pathlib, sys, tarfile

def blob(read, descriptor):
    return read("blobs/" + descriptor["digest"].replace(":", "/"))

def told(read):
    """What an image is: its configuration, and its files with their modes and digests."""
    manifest = json.loads(blob(read, json.loads(read("index.json"))["manifests"][0]))
    config = json.loads(blob(read, manifest["config"]))["config"]
    files = {}
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(blob(read, layer))) as archive:
            for file in archive:
                if file.isfile():
                    files[file.name.removeprefix("./")] = file.mode & 0o7777, hashlib.sha256(archive.extractfile(file).read()).hexdigest()
    return {"User": config["User"], "Entrypoint": config["Entrypoint"], "title": config["Labels"]["org.opencontainers.image.title"]}, files

directory, archive = pathlib.Path(sys.argv[1]), tarfile.open(sys.argv[2])
built = told(lambda name: (directory / name).read_bytes())
ours = told(lambda name: archive.extractfile(name).read())
assert built == ours, f"{built}\n{ours}"
print(f"{ours[0]['title']}: {len(ours[1])} files, as in the archive")
P
done <<< "driver secrets-store-csi-driver
provider-azure secrets-store-csi-driver-provider-azure
cli keymount"
