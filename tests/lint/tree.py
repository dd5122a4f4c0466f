# SPDX-License-Identifier: Apache-2.0
"""What the lints share: which files there are, and C without its comments and strings."""

import re
import sys
from pathlib import Path

FOLDERS = ("src", "include", "bpf", "tests", ".ci", "vmlinux", "deploy")
GENERATED = {"vmlinux.h"}
TOKEN = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)


def files(root, folders=FOLDERS, suffixes=None):
    """Paths below root, relative to it; suffixes None is every file."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if not path.is_file() or path.name in GENERATED or "__pycache__" in path.parts:
                continue
            if suffixes is None or path.suffix in suffixes:
                yield path.relative_to(root)


def read(root, path):
    return (root / path).read_text(encoding="utf-8", errors="replace")


def code_only(text):
    """The same lines, with every comment and string blanked."""
    return TOKEN.sub(lambda token: re.sub(r"[^\n]", " ", token.group()), text)


def report(name, problems):
    """Prints file:line: what, or that all is well; returns the exit status."""
    for path, line, message in problems:
        print(f"{path}:{line}: {message}", file=sys.stderr)
    if problems:
        print(f"lint: {name}: {len(problems)} found", file=sys.stderr)
        return 1
    print(f"lint: {name} ok")
    return 0


def root_argument():
    return Path(sys.argv[1]) if len(sys.argv) > 1 else Path(".")
