# SPDX-License-Identifier: Apache-2.0
"""Events seen are events recorded plus events lost, whatever happens. record() asserts it of every recording."""

import contextlib

import pytest

from pprofd_e2e import machine, programs
from pprofd_e2e.record import record

HZ = 4999


@contextlib.contextmanager
def overload():
    """Many processes, many different stacks, on every CPU."""
    spawn, deep = machine.require_target("spawn"), machine.require_target("deep")
    with contextlib.ExitStack() as stack:
        for line in (
            [spawn, "1000000", "4", "/bin/true"],
            [spawn, "1000000", "2", "sh", "-c", "i=0; while [ $i -lt 200 ]; do i=$((i+1)); done"],
            [deep, "60", "200"],
            [machine.require_target("exceptions"), "60"],
        ):
            stack.enter_context(programs.running(line, warm=False))
        yield


def check(recording, report):
    stats = recording.stats
    lost = {name: n for name, n in stats.items() if name.startswith("lost_") and n}

    report(f"{stats['events']} events, {stats['recorded']} recorded, {stats['counts_sent']} sent early, lost {lost}")
    assert stats["events"] > 3000, "there was no load"
    return stats


def test_with_room_enough_nothing_is_lost(report):
    with overload():
        stats = check(record(hz=HZ, seconds=3), report)
    assert stats["recorded"] >= 0.995 * stats["events"]


def test_a_tiny_ring_buffer(report):
    with overload():
        stats = check(record(hz=HZ, seconds=3, extra=["--ring-bytes", 4096]), report)
    assert stats["lost_ring"] > 0, "the ring buffer was never full: this proves nothing"


def test_tiny_maps(report):
    with overload():
        stats = check(record(hz=HZ, seconds=3, extra=["--buckets-per-cpu", 1]), report)
    assert stats["counts_sent"] > 0, "the buckets were never full: this proves nothing"
    assert stats["recorded"] > 0.9 * stats["events"]


def test_both(report):
    with overload():
        stats = check(record(hz=HZ, seconds=3, extra=["--buckets-per-cpu", 1, "--ring-bytes", 4096]), report)
    assert stats["lost_ring"] > 0


@pytest.mark.parametrize("hz", [1, 19, 99, 10000])
def test_every_rate(hz, report):
    program = machine.require_target("plain")
    recording = record(command=[program, "2"], hz=hz)
    events, throttled = recording.stats["events"], recording.stats["throttled"]
    expected = hz * programs.said(recording.stdout)["cpu_ns"] / 1e9
    # Ticks fall by chance where a busy machine lets several programs share a CPU.
    chance = 1 + 4 * expected**0.5

    report(f"{events} events, {expected:.0f} expected, throttled {throttled} times")
    assert events <= 1.05 * expected + chance
    # A rate that the kernel does not keep up with is throttled, which must be said.
    assert events >= 0.95 * expected - chance or throttled > 0
