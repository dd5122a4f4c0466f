# SPDX-License-Identifier: Apache-2.0
"""A known split of work is what the profile says, and what perf says too."""

import re
import subprocess

import pytest

from pprofd_e2e import machine, pprof, programs
from pprofd_e2e.record import command_line, record

WORKS = ("work_a", "work_b", "work_c")


def shares(counts):
    whole = sum(counts[name] for name in WORKS)
    return {name: counts[name] / whole for name in WORKS}


def test_shares_are_within_three_percent_of_the_programs_own(report):
    program = machine.require_target("split")
    recording = record(command=[program, "30"], hz=99)
    said = programs.said(recording.stdout)
    truth = shares({name: said[f"spent_ns_{name}"] for name in WORKS})
    ours = shares({name: sum(stack.count for stack in recording.profile.with_frame(name)) for name in WORKS})

    report("  ".join(f"{name} {ours[name]:.1%} (its own clock: {truth[name]:.1%})" for name in WORKS))
    for name in WORKS:
        assert ours[name] == pytest.approx(truth[name], abs=0.03)


def perf_flat(data):
    """Self shares of functions by `perf report`."""
    line = ["perf", "report", "-i", str(data), "--stdio", "--no-children", "-g", "none", "-F", "overhead,sym"]
    text = subprocess.run(line, capture_output=True, text=True, check=True, timeout=120).stdout
    found = re.findall(r"^\s*([\d.]+)%\s+\[[.k]\]\s+(\S+)", text, re.M)
    return {name: float(percent) / 100 for percent, name in found}


def test_perf_has_the_same_top_functions(scratch, report):
    program, perf = machine.require_target("split_fp"), machine.require_program("perf")
    data, out, stats = scratch / "perf.data", scratch / "out.pb.gz", scratch / "stats.json"
    with programs.running([program, "60"]) as process:
        ours = subprocess.Popen(command_line(out, stats, [process.pid], seconds=8), stderr=subprocess.DEVNULL)
        line = [perf, "record", "-q", "-e", "cpu-clock", "-F", "999", "-g", "-p", str(process.pid), "-o", data]
        theirs = subprocess.run([*line, "sleep", "8"], capture_output=True, text=True, timeout=60, check=False)
        assert ours.wait(60) == 0
    machine.require(theirs.returncode == 0, f"perf record does not work here: {theirs.stderr}", installable=False)
    profile = pprof.Profile.load(out)
    flat = {name: count / profile.samples for name, count in profile.flat().items()}
    peer = perf_flat(data)
    ours_top = sorted(flat, key=flat.get, reverse=True)[:3]
    peer_top = sorted(peer, key=peer.get, reverse=True)[:3]

    report("  ".join(f"{name} {flat[name]:.1%} (perf: {peer.get(name, 0):.1%})" for name in ours_top))
    assert ours_top == peer_top == list(WORKS)
    for name in WORKS:
        assert flat[name] == pytest.approx(peer[name], abs=0.05)
