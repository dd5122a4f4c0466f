#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""layers.py [ROOT]: who may include whom, and which folder alone may include a library."""

import re
import sys
from pathlib import PurePosixPath

import tree

STAGES = {"base", "config", "target", "profile", "sample", "unwind", "drain", "symbolize", "encode", "deliver", "store"}

# Folder -> the folders and single headers of src/ that it may include besides its own. src/*.[ch] is "pipeline",
# src/main.c is "main". sample/maps.h is the typed door to the kernel side.
LAYERS = {
    "base": set(),
    "config": {"base"},
    "profile": {"base"},
    "target": {"base"},
    "sample": {"base"},
    "unwind": {"base", "target", "sample/maps.h"},
    "drain": {"base", "profile", "sample/maps.h"},
    "symbolize": {"base", "profile", "target"},
    "encode": {"base", "profile"},
    "deliver": {"base"},
    "store": {"base", "profile"},
    "serve": {"base", "config", "encode", "profile", "store"},
    "pipeline": STAGES - {"encode", "deliver", "store", "config"},
    # A command is where a profile becomes bytes and bytes go somewhere: no stage behind symbolize knows the kernel.
    "command": {"pipeline", "config", "base", "profile", "encode", "deliver", "store", "target", "serve"},
    "main": {"command", "base"},
}

# The contract with the kernel side (include/pprofd) is for everybody but base, which knows nothing of profiling.
CONTRACT_STRANGERS = {"base"}

# Include, as written -> the folders that may.
WALLS = [
    (r"bpf/.*|linux/bpf\.h|pprofd\.skel\.h", {"sample"}),
    (r"elf\.h|libelf\.h|gelf\.h|dwarf\.h|elfutils/.*", {"target", "unwind", "symbolize"}),
    (r"lzma\.h", {"symbolize"}),
    (r"libiberty/.*|demangle\.h", {"symbolize"}),
    (r"(google/)?protobuf-c/.*|.*\.pb-c\.h", {"encode"}),
    # symbolize: the checksum of a .gnu_debuglink is zlib's crc32().
    (r"zlib\.h", {"encode", "symbolize"}),
    (r"curl/.*", {"deliver", "target"}),
    (r"sqlite3\.h", {"store"}),
    (r"microhttpd\.h", {"serve"}),
    (r"cjson/.*", {"config", "target", "serve"}),
    (r"cyaml/.*", {"config"}),
    (r"seccomp\.h", {"target"}),
    (r"cmocka\.h", set()),
]
WALLS = [(re.compile(pattern), folders) for pattern, folders in WALLS]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def layer_of(path):
    """Of a file below src/, given relative to it."""
    parts = PurePosixPath(path).parts
    if len(parts) > 1:
        return parts[0]
    return "main" if parts[0] == "main.c" else "pipeline"


def check_ours(layer, header):
    wanted = layer_of(header)
    allowed = LAYERS[layer]
    if wanted == layer or wanted in allowed or header in allowed:
        return None
    return f"{layer} must not include {wanted}"


def check_include(root, layer, header):
    for pattern, folders in WALLS:
        if pattern.fullmatch(header):
            if layer in folders:
                return None
            return f"<{header}> is for {', '.join(sorted(folders)) or 'tests'} only, not for {layer}"
    if header.startswith("pprofd/"):
        return f"{layer} must not know the kernel side" if layer in CONTRACT_STRANGERS else None
    if (root / "src" / header).is_file():
        return check_ours(layer, header)
    return None


def problems(root):
    found = []
    for path in tree.files(root, ("src",), {".c", ".h"}):
        layer = layer_of(path.relative_to("src"))
        if layer not in LAYERS:
            found.append((path, 1, f"src/{layer} has no row in the table of layers ({PurePosixPath(__file__).name})"))
            continue
        text = tree.read(root, path)
        for include in INCLUDE.finditer(text):
            kind, header = include.groups()
            line = text.count("\n", 0, include.start(2)) + 1
            message = check_include(root, layer, header)
            if message:
                found.append((path, line, message))
            elif kind == '"' and not (root / "src" / header).is_file() and not re.search(r"(pb-c|skel)\.h$", header):
                found.append((path, line, f'"{header}" is not below src/: write the whole path'))
    for path in tree.files(root, ("bpf", "include"), {".c", ".h"}):
        for include in INCLUDE.finditer(tree.read(root, path)):
            if (root / "src" / include.group(2)).is_file():
                found.append((path, 1, f"the kernel side must not include {include.group(2)} of user space"))
    return found


if __name__ == "__main__":
    sys.exit(tree.report("layers", problems(tree.root_argument())))
