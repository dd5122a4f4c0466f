# SPDX-License-Identifier: Apache-2.0
"""CPUs that go and come back while pprofd samples."""

import contextlib
import os
import pathlib
import subprocess
import time

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
    assert ours == pytest.approx(truth, rel=0.1)


def test_a_cpu_that_goes_and_comes_back_is_sampled_again(cpu1, report):
    with recorder(hz=499) as recording:
        time.sleep(2)
        cpu1(False)
        time.sleep(0.5)
        cpu1(True)
        time.sleep(1)
        truth = burn_on_cpu1()
    check(recording, truth, report)


def test_a_cpu_that_comes_later_is_sampled(cpu1, report):
    cpu1(False)
    with recorder(hz=499) as recording:
        time.sleep(2)
        cpu1(True)
        time.sleep(1)
        truth = burn_on_cpu1()
    check(recording, truth, report)
