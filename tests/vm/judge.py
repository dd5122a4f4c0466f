# SPDX-License-Identifier: Apache-2.0
"""What must hold of what a guest has recorded."""

import json
import re

COMPLETE_MIN = 0.95
HOT_MIN = 0.9
# Seconds of CPU time that programs are told to use (cases), and how much of it has to be sampled with a stack that the
# program says it has: the emulator loses ticks, and a program's beginning is sampled before there are rows.
SECONDS = {"handler": 10}
SECONDS_ELSE = 8
CHAIN_MIN = 0.5
# The emulator spends most of its time where it throws, in libgcc.
CHAIN_MIN_OF = {"exceptions": 0.1}
HZ = 99

SPLIT = {"work_a", "work_b", "work_c"}
# Recording -> functions of which one is on top of most samples.
HOT = {"machine": None, "split": SPLIT, "deep120": {"hot"}, "handler": None, "fast": SPLIT, "process": SPLIT}
# Programs that ran while the machine was recorded.
PROGRAMS = "deep signals plain_static frames exceptions threads plt golang".split()

# One or more frames of the C library or a runtime, which may have names or not; one of a PLT or the vDSO.
ANY_FRAMES = {"<libc>": r"[^;]+(?:;[^;]+)*", "<runtime>": r"[^;]+(?:;[^;]+)*", "<plt>": "[^;]+", "<vdso>": "[^;]+"}


def folded(path):
    """[(frames, root first; count)]"""
    lines = (line.rsplit(" ", 1) for line in path.read_text().splitlines())
    return [(stack, int(count)) for stack, count in lines]


def lost(stats):
    return sum(value for name, value in stats.items() if name.startswith("lost_") and name != "lost_user")


def complete_share(stats):
    with_user = stats["recorded"] - stats["user_none"]
    return stats["user_complete"] / with_user if with_user else 0


def check_accounts(name, stats):
    if stats["events"] != stats["recorded"] + lost(stats):
        yield f"{name}: {stats['events']} events are not {stats['recorded']} recorded and {lost(stats)} lost"
    reasons = sum(value for key, value in stats.items() if key.startswith("user_"))
    if stats["recorded"] != reasons:
        yield f"{name}: {stats['recorded']} recorded are not {reasons} by how their stack ended"
    if stats["recorded"] == 0:
        yield f"{name}: no samples"
    if stats["lost_user"]:
        yield f"{name}: user space lost {stats['lost_user']}"
    if complete_share(stats) < COMPLETE_MIN:
        yield f"{name}: {complete_share(stats):.1%} complete user stacks"


def in_user_part(stack, names):
    """Whether one of these is the innermost function but for the kernel's, which interrupts take in anywhere."""
    kernel = r"(?:;(?:asm_|entry_|sysvec_|ret_).*)?"
    return any(re.search(rf"(?:^|;){re.escape(name)}{kernel}$", stack) for name in names)


def check_recording(name, directory):
    status = (directory / f"{name}.status").read_text().strip()
    if status != "0":
        yield f"{name}: status {status}: {(directory / f'{name}.err').read_text().strip()}"
        return
    stats = json.loads((directory / f"{name}.json").read_text())
    stacks = folded(directory / f"{name}.folded")
    total = sum(count for _, count in stacks)
    yield from check_accounts(name, stats)
    if total != stats["recorded"]:
        yield f"{name}: the profile has {total} samples, {stats['recorded']} were recorded"
    if HOT[name]:
        hot = sum(count for stack, count in stacks if in_user_part(stack, HOT[name]))
        if hot < HOT_MIN * total:
            yield f"{name}: {hot} of {total} samples in {'/'.join(sorted(HOT[name]))}"


def chain_pattern(chain):
    """Of a chain as programs print it (tests/targets/target.h), leaf first, for folded stacks."""
    parts = [ANY_FRAMES.get(part, re.escape(part)) for part in reversed(chain.split(";"))]
    return re.compile(rf"(?:^|;){';'.join(parts)}(?:;|$)")


def check_program(program, directory, stacks):
    """Its last words are the stacks that its hot function has."""
    said = [line.split("=", 1) for line in (directory / f"{program}.out").read_text().splitlines()]
    patterns = [chain_pattern(value) for key, value in said if key in ("chain", "rare_chain")]
    right = sum(count for stack, count in stacks if any(pattern.search(stack) for pattern in patterns))
    seconds = SECONDS.get(program, SECONDS_ELSE)
    if not patterns:
        yield f"{program} did not come to its end"
    elif right < CHAIN_MIN_OF.get(program, CHAIN_MIN) * seconds * HZ:
        yield f"{program} used {seconds} s, and {right} samples at {HZ} Hz have the stacks it says it has"


def check_machine(directory):
    stacks = folded(directory / "machine.folded")
    for program in PROGRAMS:
        yield from check_program(program, directory, stacks)
    if not any("execve" in stack for stack, _ in stacks):
        yield "machine: execve() of the shell's children is missing"


def summary(directory):
    """One line a recording."""
    for name in HOT:
        path = directory / f"{name}.json"
        if path.exists():
            stats = json.loads(path.read_text())
            ends = " ".join(f"{key}={value}" for key, value in stats.items() if key.startswith("user_") and value)
            counts = f"{stats['recorded']:5} recorded {lost(stats):3} lost"
            yield f"{name:8} {counts} {complete_share(stats):7.1%} complete  {ends}"


def check_problems(directory):
    """Of `pprofd check`, which tries to sample, and of the kernel."""
    status = (directory / "check.status").read_text().strip()
    if status != "0":
        yield f"check: status {status}:\n{(directory / 'check.out').read_text()}"
    messages = (directory / "kernel.txt").read_text()
    if messages:
        yield f"the kernel complains:\n{messages}"


def problems(directory):
    yield from check_problems(directory)
    for name in HOT:
        yield from check_recording(name, directory)
    if (directory / "machine.status").read_text().strip() == "0":
        yield from check_machine(directory)
    if (directory / "handler.status").read_text().strip() == "0":
        yield from check_program("handler", directory, folded(directory / "handler.folded"))
