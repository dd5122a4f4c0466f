#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""text.py [ROOT]: licences, sizes, banned functions and words, file by file."""

import re
import sys

import tree

LINES_MAX = 500
COLUMNS_MAX = 120
TAB = 8

C_SUFFIXES = {".c", ".h", ".def", ".S"}
CODE_SUFFIXES = C_SUFFIXES | {".py", ".sh", ".mk", ".proto", ".cc", ".cpp", ".rs", ".go"}

# The first folder that fits says which licences a file may have.
LICENCES = [
    ("bpf/", {"GPL-2.0-only"}),
    ("include/", {"GPL-2.0-only OR Apache-2.0"}),
    ("tests/", {"Apache-2.0", "GPL-2.0-only"}),
    ("", {"Apache-2.0"}),
]

# Functions -> why not. In src/ and bpf/.
BANNED = {
    "no bound": "gets strcpy strcat stpcpy sprintf vsprintf alloca",
    "leaves the text without its end, or cut without a word": "strncpy strncat",
    "keeps state between calls": "strtok rand srand random asctime ctime localtime gmtime",
    "says nothing of errors": "atoi atol atoll atof",
    "runs a shell": "system popen",
    "sigaction() is the one that says what it does": "siginterrupt",
    "races": "tmpnam tempnam mktemp",
    "only main() ends the program": "exit quick_exit setjmp longjmp",
    "loses stacks by collision": "bpf_get_stackid",
}
REASONS = {name: reason for reason, names in BANNED.items() for name in names.split()}
BANNED_CALL = re.compile(r"(?<![\w.>])(" + "|".join(sorted(REASONS)) + r")\s*\(")

HANDLER = re.compile(r"(?<![\w.>])signal\s*\([^,]*,(?!\s*SIG_(IGN|DFL)\b)")

# In pieces, so that this file passes itself.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")


def check_licence(path, lines):
    head = lines[:2] if lines and lines[0].startswith("#!") else lines[:1]
    allowed = next(names for folder, names in LICENCES if str(path).startswith(folder))
    licence = None
    for line in head:
        match = re.search(r"SPDX-License-Identifier: (.*?)\s*(\*/|-->)?$", line)
        licence = match.group(1) if match else licence
    if licence is None:
        yield 1, "the first line is not SPDX-License-Identifier"
    elif licence not in allowed:
        yield 1, f"licence is {licence}, here it is {' or '.join(sorted(allowed))}"


def check_lines(path, lines):
    if len(lines) > LINES_MAX:
        yield LINES_MAX, f"{len(lines)} lines, at most {LINES_MAX}"
    for number, line in enumerate(lines, 1):
        if path.suffix in C_SUFFIXES and path.suffix != ".def" and len(line.expandtabs(TAB)) > COLUMNS_MAX:
            yield number, f"{len(line.expandtabs(TAB))} columns, at most {COLUMNS_MAX}"
        if line != line.rstrip():
            yield number, "blanks at the end"
        if UNFINISHED.search(line):
            yield number, "unfinished work belongs into an issue"


def check_code(path, text):
    if path.suffix not in {".c", ".h"} or path.parts[0] not in {"src", "bpf", "include"}:
        return
    for number, line in enumerate(tree.code_only(text).split("\n"), 1):
        call = BANNED_CALL.search(line)
        if call and not (str(path) == "src/main.c" and call.group(1) == "exit"):
            yield number, f"{call.group(1)}(): {REASONS[call.group(1)]}"
        if HANDLER.search(line):
            yield number, "signal() with a handler: sigaction() is the one that says what it does"
        if re.search(r"\bgoto\b", line):
            yield number, "goto: let _cleanup_ release, or make a function"
        if re.search(r"\btypedef\s+(struct|union|enum)\b", line):
            yield number, "structs keep their tag"


def is_script(path, lines):
    return bool(lines) and lines[0].startswith("#!") and not path.suffix


def problems(root):
    found = []
    for path in [*tree.files(root), "Makefile"]:
        path = root.joinpath(path).relative_to(root)
        if not (root / path).is_file():
            continue
        text = tree.read(root, path)
        lines = text.split("\n")
        if lines and lines[-1] == "":
            lines.pop()
        if path.suffix not in CODE_SUFFIXES and path.name != "Makefile" and not is_script(path, lines):
            continue
        for check in (check_licence(path, lines), check_lines(path, lines), check_code(path, text)):
            found += [(path, number, message) for number, message in check]
    return found


if __name__ == "__main__":
    sys.exit(tree.report("text", problems(tree.root_argument())))
