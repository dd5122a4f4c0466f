# SPDX-License-Identifier: Apache-2.0
"""Processes that live for milliseconds: nothing is kept per process, so none is too short to be seen."""

import pytest

from pprofd_e2e import machine, programs, workloads
from pprofd_e2e.record import record

HZ = 4999  # so that a second of CPU time is thousands of samples


def check(recording, truth, report):
    ours = recording.profile.value("cpu")

    report(
        f"{ours / 1e9:.2f} s by samples, {truth / 1e9:.2f} s by rusage; "
        f"{recording.complete:.2%} complete, {recording.captured:.2%} captured"
    )
    assert ours == pytest.approx(truth, rel=0.1)
    assert recording.complete >= 0.97, recording.reasons
    assert recording.captured >= 0.995, recording.reasons


def test_a_thousand_short_processes(report):
    spawn = machine.require_target("spawn")
    storm = (
        f"{spawn} 400 2 /bin/true && "
        f"{spawn} 300 2 sh -c 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done' && "
        f"{spawn} 300 2 awk 'BEGIN {{ while (i < 100000) i++ }}'"
    )
    recording = record(command=["sh", "-c", storm], hz=HZ)
    said = programs.said(recording.stdout)

    assert said["failed"] == 0
    check(recording, said["cpu_ns"] + said["children_cpu_ns"], report)


def test_a_parallel_compile(scratch, report):
    spawn, make = machine.require_target("spawn"), machine.require_program("make")
    workloads.write_c_project(scratch, files=12, functions=40)
    recording = record(command=[spawn, "1", "1", make, "-s", "-j2", "-C", scratch], hz=HZ)
    said = programs.said(recording.stdout)

    assert said["failed"] == 0, recording.stderr
    check(recording, said["cpu_ns"] + said["children_cpu_ns"], report)
