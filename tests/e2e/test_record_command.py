# SPDX-License-Identifier: Apache-2.0
"""`pprofd record -- COMMAND`: from its first instruction to its exit."""

import pytest

from pprofd_e2e import machine, programs
from pprofd_e2e.record import record


def test_the_samples_add_up_to_what_the_kernel_accounted(report):
    program = machine.require_target("plain")
    recording = record(command=[program, "3"])
    truth = programs.said(recording.stdout)["cpu_ns"]
    ours = recording.profile.value("cpu")

    report(f"{ours / 1e9:.3f} s by samples, {truth / 1e9:.3f} s by getrusage")
    assert ours == pytest.approx(truth, rel=0.1)
    assert recording.profile.main_module == program.name


def test_what_the_command_starts_is_part_of_it(report):
    program = machine.require_target("plain")
    recording = record(command=["sh", "-c", f"{program} 1 & {program} 1; wait; exec {program} 1"])
    truth = programs.said(recording.stdout)["cpu_ns"]
    ours = recording.profile.value("cpu")

    report(f"{ours / 1e9:.3f} s by samples, {truth / 1e9:.3f} s by getrusage")
    assert ours == pytest.approx(truth, rel=0.1)


def test_its_first_instructions_are_seen():
    """The dynamic linker runs before anything of the program does: a thousand starts show it at work."""
    spawn = machine.require_target("spawn")
    recording = record(command=[spawn, "300", "1", "/bin/true"], hz=4999)
    loader = [stack for stack in recording.profile.stacks if stack.user and stack.user[-1].module.startswith("ld-linux")]
    seen = sum(stack.count for stack in loader)
    earliest = [stack for stack in loader if len(stack.user) <= 3]

    assert seen >= 0.05 * recording.profile.samples, recording.profile.flat()
    assert earliest, "nothing of the very beginning, where stacks are short, was seen"


def test_nothing_else_is_recorded():
    other, program = machine.require_target("split"), machine.require_target("plain")
    with programs.running([other, "30"]):
        recording = record(command=[program, "1"])

    assert recording.profile.with_frame("hot")
    assert not recording.profile.with_frame("dispatch")
