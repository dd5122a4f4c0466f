# SPDX-License-Identifier: Apache-2.0
"""
The stack of a stopped process by eu-stack equals ours, frame for frame.

A stopped process is not on a CPU, so pprofd cannot be asked for that very moment. Instead the program
does the same all the time: it is recorded for some seconds, then stopped again and again at moments
of chance, and each time the stack that eu-stack walks must be one of those recorded. Frames are compared
as (file, offset of the call); only where the leaf itself stands within its function may differ.
"""

import time

import pytest

from pprofd_e2e import eustack, machine, programs
from pprofd_e2e.record import record

SNAPSHOTS = 12

# Stacks with one shape, deep or strange. A snapshot or two may be of a moment that no sample met.
TARGETS = [
    ("plain", []),
    ("plain_static", []),
    ("deep", [120]),
    ("exceptions", []),
    ("frames", []),
    ("signals", ["timer"]),
    ("longjmp", []),
    ("rust", []),
]

# Real programs in a loop; rare stacks that a recording of some seconds can miss are part of that.
PROGRAMS = [
    ("/usr/bin/python3", ["-c", "def f(n):\n  return n if n < 2 else f(n - 1) + f(n - 2)\nwhile True: f(15)"]),
    ("/usr/bin/perl", ["-e", "sub f { my $n = shift; $n < 2 ? $n : f($n - 1) + f($n - 2) } f(15) while 1"]),
    ("mawk", ["BEGIN { while (1) x = x * 3 % 1000003 }"]),
    ("bash", ["-c", "while :; do (( x = x * 3 % 1000003 )); done"]),
    ("sqlite3", [":memory:", "with recursive n(i) as (select 1 union all select i + 1 from n) select sum(i) from n"]),
    ("xz", ["-6", "-T1", "-c", "/dev/zero"]),
    ("gzip", ["-c", "/dev/zero"]),
    ("sha256sum", ["/dev/zero"]),
    ("openssl", ["speed", "-seconds", "60", "-bytes", "8192", "sha512"]),
    ("git", ["hash-object", "--stdin"]),
]


def find(stacks, snapshot, skip):
    return any(eustack.same(stack, snapshot, skip) for stack in stacks)


def compare(process, report):
    """Returns (snapshots, those that equal a recorded stack, those that do from the third frame on)."""
    stacks = record(pids=[process.pid], hz=4999, seconds=3).profile.stacks
    snapshots = []
    for _ in range(10 * SNAPSHOTS):
        if len(snapshots) == SNAPSHOTS:
            break
        time.sleep(0.013)
        snapshot = eustack.snapshot(process.pid)
        if snapshot:
            snapshots.append(snapshot)
    whole = [snapshot for snapshot in snapshots if find(stacks, snapshot, 1)]
    callers = [snapshot for snapshot in snapshots if find(stacks, snapshot, 3)]
    missing = [snapshot for snapshot in snapshots if snapshot not in whole]

    report(f"{len(whole)} of {len(snapshots)} stacks equal, depth {max(map(len, snapshots), default=0)}")
    assert len(snapshots) == SNAPSHOTS, "eu-stack could not walk this program"
    return stacks, missing, len(whole), len(callers)


def explain(stacks, missing):
    theirs = [" <- ".join(f"{f.name}@{f.module}+{f.offs[0]:#x}" for f in snapshot) for snapshot in missing[:2]]
    ours = [
        " <- ".join(f"{f.name}@{f.module}+{f.file_off:#x}" for f in stack.machine_frames)
        for stack in sorted(stacks, key=lambda stack: -stack.count)[:3]
    ]
    return "\n".join(["not recorded:", *theirs, "recorded, for instance:", *ours])


@pytest.mark.parametrize("name, args", TARGETS, ids=[name for name, _ in TARGETS])
def test_targets(name, args, report):
    with programs.running([machine.require_target(name), "60", *args]) as process:
        stacks, missing, whole, _ = compare(process, report)
    assert whole >= SNAPSHOTS - 2, explain(stacks, missing)


@pytest.mark.parametrize("name, args", PROGRAMS, ids=[name.rpartition("/")[2] for name, _ in PROGRAMS])
def test_programs(name, args, report):
    line = [machine.require_program(name), *args]
    with open("/dev/zero", "rb") as zero, programs.running(line, stdin=zero) as process:
        stacks, missing, whole, callers = compare(process, report)
    assert whole >= SNAPSHOTS // 2, explain(stacks, missing)
    assert callers == SNAPSHOTS, explain(stacks, missing)
