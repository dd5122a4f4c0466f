# SPDX-License-Identifier: Apache-2.0
"""CPUs that go and come back while pprofd samples."""

import contextlib
import os
import pathlib
import subprocess

import pytest

from pprofd_e2e import machine, programs
from pprofd_e2e.record import recorder

ONLINE = pathlib.Path("/sys/devices/system/cpu/cpu1/online")


@pytest.fixture
def cpu1():
    """Switches CPU 1: cpu1(False) off, cpu1(True) on. It is on again after the test."""
    machine.require(ONLINE.exists() and os.access(ONLINE, os.W_OK), "CPU 1 cannot be switched off", installable=False)

    def switch(on):
        try:
            ONLINE.write_text("1" if on else "0", encoding="ascii")
        except OSError as error:
            machine.require(False, f"CPU 1 cannot be switched {'on' if on else 'off'}: {error}", installable=False)

    switch(False)
    switch(True)
    yield switch
    with contextlib.suppress(OSError):
        ONLINE.write_text("1", encoding="ascii")


def burn_on_cpu1():
    """Two seconds of CPU time on CPU 1. Returns it in ns, as the kernel accounted it."""
    line = ["taskset", "-c", "1", machine.require_target("plain"), "2"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=True)
    return programs.said(done.stdout)["cpu_ns"]


def check(recording, truth, report):
    ours = sum(stack.values[1] for stack in recording.profile.with_frame("small_frame"))

    report(f"{ours / 1e9:.2f} s by samples, {truth / 1e9:.2f} s by getrusage")
    # What is asked is whether the CPU is sampled at all: a CPU that has just come is busy with itself for a while.
    assert ours == pytest.approx(truth, rel=0.25)


def wait_sampled(recording, cpu_cnt):
    programs.wait_until(lambda: programs.sampled_cpus(recording.pid) == cpu_cnt, f"{cpu_cnt} CPUs are not sampled")


def test_a_cpu_that_goes_and_comes_back_is_sampled_again(cpu1, report):
    cpu_cnt = os.sysconf("SC_NPROCESSORS_ONLN")
    with recorder(hz=499) as recording:
        wait_sampled(recording, cpu_cnt)
        cpu1(False)
        wait_sampled(recording, cpu_cnt - 1)
        cpu1(True)
        wait_sampled(recording, cpu_cnt)
        truth = burn_on_cpu1()
    check(recording, truth, report)


def test_a_cpu_that_comes_later_is_sampled(cpu1, report):
    cpu_cnt = os.sysconf("SC_NPROCESSORS_ONLN")
    cpu1(False)
    with recorder(hz=499) as recording:
        wait_sampled(recording, cpu_cnt - 1)
        cpu1(True)
        wait_sampled(recording, cpu_cnt)
        truth = burn_on_cpu1()
    check(recording, truth, report)
