#!/usr/bin/env python3
"""What the crates in a running program cost: bytes of code and constants, and how many of them are in memory.

    resident.py PID [PROGRAM]     PROGRAM is the same program with its symbols, if the one that runs has none

Prints a table by group of crates, in kB of 1,000 bytes. The pages of the program that are mapped into the process count (they are RssFile of
/proc/PID/status), each for the symbols in it; generic code of the standard library counts for the crate it was made for.
Build with symbols: CARGO_PROFILE_DIST_STRIP=none cargo build --profile dist. Needs nm (binutils) and to be root.
"""

import os
import re
import struct
import subprocess
import sys
from collections import Counter

PAGE = 4096
GROUPS = {
    "HTTP and gRPC": "hyper hyper_util hyper_rustls hyper_timeout h2 http http_body http_body_util httparse tonic tonic_prost tower tower_http tower_service "
    "tower_layer axum axum_core matchit prost prost_types reqwest bytes httpdate atomic_waker want",
    "TLS": "rustls rustls_pki_types webpki webpki_roots ring untrusted tokio_rustls rustls_native_certs rustls_pemfile rustls_webpki",
    "Kubernetes client": "kube kube_core kube_client kube_runtime k8s_openapi backon jsonpath_rust educe async_stream secrecy",
    "YAML": "serde_saphyr granit_parser saphyr_parser annotate_snippets serde_yaml",
    "JSON": "serde_json serde serde_core itoa ryu zmij serde_json_path serde_path_to_error",
    "tokio": "tokio tokio_util tokio_stream mio futures futures_util futures_core futures_channel parking_lot parking_lot_core slab",
    "keys and certificates": "p256 p384 p521 elliptic_curve primeorder rsa crypto_bigint num_bigint_dig pkcs1 pkcs5 pkcs8 pkcs12 p12_keystore sec1 der spki x509_cert "
    "cms des rc2 aes cbc sha1 sha2 hmac digest pbkdf2 signature const_oid base64ct pem_rfc7468 ecdsa rfc6979 ff group crypto_common cipher block_padding",
    "addresses (URL, IDNA)": "url idna idna_adapter icu_normalizer icu_properties icu_provider icu_collections icu_locale_core percent_encoding form_urlencoded utf8_iter zerovec zerotrie "
    "yoke tinystr writeable litemap",
    "logs and metrics": "tracing tracing_core tracing_subscriber tracing_log log prometheus sharded_slab",
    "dates": "jiff jiff_core jiff_static",
    "backtraces": "addr2line gimli object rustc_demangle miniz_oxide adler2",
    "allocator": "dlmalloc zeroizing_alloc",
    "standard library and musl": "core alloc std hashbrown __rustc compiler_builtins panic_unwind unwind memchr musl",
}
GROUP_OF = {crate: group for group, crates in GROUPS.items() for crate in crates.split()}
STANDARD = {"core", "alloc", "std", "hashbrown"}
CRATE = re.compile(r"(?<![\w:])([A-Za-z_]\w*)(?:\[[0-9a-f]+\])?::")


def crate_of(symbol):
    """The crate that a symbol is of, or was made for."""
    found = CRATE.findall(symbol)
    for name in found:
        if name not in STANDARD:
            return name
    if found:
        return found[0]
    return "ring" if symbol.startswith("ring_core") else "musl"


def group_of(crate):
    if crate.startswith("keymount") or crate.startswith("secrets_store"):
        return "ours"
    return GROUP_OF.get(crate, "others")


def symbols(program):
    """Address, size and group of each symbol that has a size."""
    listed = subprocess.run(["nm", "--print-size", "--demangle", "--defined-only", program], check=True, capture_output=True, text=True)
    for line in listed.stdout.splitlines():
        parts = line.split(" ", 3)
        if len(parts) == 4 and parts[2] in "tTrRdDwWvVuU":
            yield int(parts[0], 16), int(parts[1], 16), group_of(crate_of(parts[3]))


def segments(program):
    """File offset, address and length of what is loaded."""
    with open(program, "rb") as file:
        header = file.read(64)
        (table,), (size, count) = struct.unpack_from("<Q", header, 32), struct.unpack_from("<HH", header, 54)
        for at in range(count):
            file.seek(table + at * size)
            kind, _, offset, address, _, length = struct.unpack("<IIQQQQ", file.read(40))
            if kind == 1:
                yield offset, address, length


def resident_pages(pid, program):
    """Addresses, as the program's symbols have them, of the pages that are mapped into the process."""
    loaded = list(segments(program))
    exe = os.readlink(f"/proc/{pid}/exe")
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:
        for line in maps:
            fields = line.split(None, 5)
            if len(fields) < 6 or fields[5].strip() != exe:
                continue
            start, end = (int(edge, 16) for edge in fields[0].split("-"))
            offset = int(fields[2], 16)
            pagemap.seek(start // PAGE * 8)
            entries = pagemap.read((end - start) // PAGE * 8)
            for page, (entry,) in enumerate(struct.iter_unpack("<Q", entries)):
                if not entry >> 63:
                    continue
                at = offset + page * PAGE
                for begins, address, length in loaded:
                    if begins // PAGE * PAGE <= at < begins + length:
                        yield address - begins + at
                        break


def main():
    if len(sys.argv) not in (2, 3) or not sys.argv[1].isdigit():
        sys.exit(__doc__)
    pid = sys.argv[1]
    program = sys.argv[2] if len(sys.argv) == 3 else f"/proc/{pid}/exe"
    pages = set(resident_pages(pid, program))
    if not pages:
        sys.exit(f"no page of {program} is mapped into process {pid}")
    size, resident, named = Counter(), Counter(), Counter()
    seen = set()
    for address, length, group in symbols(program):
        if address in seen:
            continue
        seen.add(address)
        size[group] += length
        while length > 0:
            page = address // PAGE * PAGE
            part = min(length, page + PAGE - address)
            if page in pages:
                resident[group] += part
                named[page] += part
            address, length = address + part, length - part
    if not size:
        sys.exit(f"{program} has no symbols")
    unnamed = "constants, tables for unwinding and for relocation"
    size[unnamed] = sum(length for _, _, length in segments(program)) - sum(size.values())
    resident[unnamed] = len(pages) * PAGE - sum(min(part, PAGE) for part in named.values())
    print(f"{'':52}{'size, kB':>10}{'in memory, kB':>15}")
    for group, bytes_ in size.most_common():
        print(f"{group:52}{bytes_ / 1000:10.0f}{resident[group] / 1000:15.0f}")
    print(f"{'all':52}{sum(size.values()) / 1000:10.0f}{len(pages) * PAGE / 1000:15.0f}")
    with open(f"/proc/{pid}/status") as status:
        rest = dict(line.split(":", 1) for line in status)
    print(f"memory of its own (RssAnon): {int(rest['RssAnon'].split()[0]) * 1024 / 1000:.0f} kB")


main()
