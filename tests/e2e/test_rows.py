# SPDX-License-Identifier: Apache-2.0
"""The unwind rows of real files, against libdw's own CFI interpreter at 10,000 random pcs each (check_rows.c)."""

import os
import pathlib
import random
import re
import subprocess

import pytest

from pprofd_e2e import machine

LIBRARIES = pathlib.Path("/usr/lib") / f"{os.uname().machine}-linux-gnu"
PCS = 10000

REALIGNED = """
#include <string.h>
typedef int wide __attribute__((vector_size(32)));
__attribute__((noinline)) void sink(wide *w, char *p) { __asm__ volatile("" : : "r"(w), "r"(p) : "memory"); }
int realigned(int n, int a, int b, int c, int d, int e) {
	wide w = { n, a, b, c, d, e };
	char *room = __builtin_alloca(n);
	memset(room, a, n);
	sink(&w, room);
	return w[n & 7] + room[b & 7] * a * b * c * d * e;
}
int main(int argc, char **argv) { (void)argv; return realigned(argc + 63, 1, 2, 3, 4, 5); }
"""


def check(path, report, unsupported_max=0.001):
    """The counts that check_rows prints, after what must hold of every file."""
    checker = machine.BUILD / "tests/e2e/check_rows"
    machine.require(checker.exists(), f"{checker} is not built (make test-e2e)")
    seed = random.SystemRandom().getrandbits(48)
    done = subprocess.run([checker, "-n", str(PCS), "-s", str(seed), path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {name: int(number) for name, number in re.findall(r" (\w+) (\d+)", done.stdout.rpartition(": ")[2])}
    report(done.stdout.strip())
    assert counts["mismatched"] == 0 and counts["checked"] >= PCS
    # What no rule expresses: in glibc setcontext, longjmp and vfork, a few instructions each.
    assert counts["unsupported"] < counts["checked"] * unsupported_max
    # Registers that are nowhere a rule can say: in libcrypto, a hundred functions of hand-written code; in ld.so, which
    # is small, longjmp.
    assert counts["lost"] < counts["checked"] / 300
    return counts


def real_files():
    return {
        "libc": LIBRARIES / "libc.so.6",
        "ld.so": next(LIBRARIES.glob("ld-linux-*"), LIBRARIES / "ld-linux"),
        "libm": LIBRARIES / "libm.so.6",
        "libstdc++": LIBRARIES / "libstdc++.so.6",
        "libcrypto": LIBRARIES / "libcrypto.so.3",
    }


@pytest.mark.parametrize("name", real_files())
def test_rows_of_a_library_are_what_libdw_says(name, report):
    path = real_files()[name]
    machine.require(path.exists(), f"{path} is not installed")
    check(path, report)


@pytest.mark.parametrize("name", ["python3", "node", "perl", "redis-server", "nginx", "git", "sqlite3", "xz"])
def test_rows_of_a_program_are_what_libdw_says(name, report):
    # Debian's, not a wrapper that comes first on the path.
    path = next((path for path in (f"/usr/bin/{name}", f"/usr/sbin/{name}") if os.path.exists(path)), None)
    machine.require(path is not None, f"{name} is not installed (make deps)")
    check(os.path.realpath(path), report)


TARGETS = ["golang", "rust", "exceptions", "plain_clang", "plain_static", "plain_debug_frame"]
TARGETS += ["assembler", "plt", "plt_cet"]


@pytest.mark.parametrize("name", TARGETS)
def test_rows_of_a_target_are_what_libdw_says(name, report):
    check(machine.require_target(name), report)


def test_rows_of_an_arm64_program_are_what_libdw_says(scratch, report):
    go = machine.require_program("go")
    (scratch / "main.go").write_text('package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("hello") }\n')
    cache = str(machine.TARGETS.resolve() / "go-cache")
    environment = {**os.environ, "GOARCH": "arm64", "GOOS": "linux", "CGO_ENABLED": "0", "GOCACHE": cache}
    subprocess.run([go, "build", "-o", "program", "main.go"], cwd=scratch, env=environment, check=True)
    # Frames of more than 2,040 bytes: the return address is at their far end, where a byte does not reach.
    check(scratch / "program", report, unsupported_max=0.03)


@pytest.mark.parametrize("compress", ["none", "zlib-gabi", "zlib-gnu"])
def test_debug_frame_may_be_compressed(compress, scratch, report):
    plain = machine.require_target("plain_debug_frame")
    objcopy = machine.require_program("objcopy")
    subprocess.run([objcopy, f"--compress-debug-sections={compress}", plain, scratch / "copy"], check=True)
    check(scratch / "copy", report)


def test_frames_that_realign_the_stack_keep_their_registers(scratch, report):
    machine.require(os.uname().machine == "x86_64", "only x86-64 compilers realign so", installable=False)
    gcc = machine.require_program("gcc")
    (scratch / "realigned.c").write_text(REALIGNED)
    subprocess.run([gcc, "-O2", "-mavx2", "-mstackrealign", "-o", "realigned", "realigned.c"], cwd=scratch, check=True)
    assert check(scratch / "realigned", report)["lost"] == 0


def test_a_plt_without_unwind_information_returns_to_its_caller(scratch, report):
    gcc = machine.require_program("gcc")
    machine.require_program("ld.lld")
    source = "#include <stdio.h>\nint main(int n, char **v) { return puts(v[n - 1]) + puts(*v); }\n"
    (scratch / "puts.c").write_text(source)
    subprocess.run([gcc, "-O2", "-fuse-ld=lld", "-o", "puts", "puts.c"], cwd=scratch, check=True)
    check(scratch / "puts", report)
