# SPDX-License-Identifier: Apache-2.0
"""Programs whose right profile is known (tests/targets): every sample of the hot function has exactly its chain."""

import subprocess

import pytest

from pprofd_e2e import chain, machine, pprof, programs
from pprofd_e2e.record import record

LIBRARY = machine.TARGETS / "liblibrary.so"
DEPTHS = [10, 60, 120, 250]

# (program, arguments, how its stacks begin); chain.root_of() knows the last.
TARGETS = [
    *(("deep", [depth], "c") for depth in DEPTHS),
    *((name, [], "c") for name in ("plain", "plain_nopie", "plain_static", "plain_static_pie", "plain_o0", "plain_fp")),
    *((name, [], "c") for name in ("plain_debug_frame", "plain_fp_only", "plain_clang")),
    *((name, [], "c") for name in ("exceptions", "names", "inlining", "longjmp", "frames", "assembler")),
    *((name, [], "c") for name in ("plt", "plt_cet", "vdso", "jit", "split")),
    *(("signals", [how], "c") for how in ("raise", "timer", "altstack")),
    ("signals", ["above"], "thread"),
    ("threads", [], "thread"),
    ("dlopened", [LIBRARY], "c"),
    ("rust", [], "rust"),
    ("golang", [], "go"),
    ("golang", ["goroutine"], "go"),
]

# This much of its time may go elsewhere: in exceptions to the unwinder, in Go to the runtime, in signals to the wait.
ELSEWHERE = {"exceptions": 0.75, "golang": 0.05, "signals": 0.15}

# Without unwind information a prologue has still the caller's frame pointer: the caller's caller comes next.
KNOWN_FAULTS = {"plain_fp_only": ["hot;many_registers;large_frame;main"]}


def case_name(value):
    return "-".join(str(getattr(word, "name", word)) for word in value) if isinstance(value, list) else str(value)


def record_target(program, args):
    """Records a program until it has burnt its CPU time. Returns the recording, and what it said of its stacks."""
    with programs.running([program, "3", *args], stdout=subprocess.PIPE, text=True) as process:
        recording = record(pids=[process.pid])
        return recording, programs.said(process.stdout.read())


def to_chains(texts, program, root):
    # What of Rust's own library is inlined is the compiler's business.
    return [chain.Chain(text + chain.root_of(root), program.name, inlined=root != "rust") for text in texts]


def total(stacks):
    return sum(stack.count for stack in stacks)


@pytest.mark.parametrize("name, args, root", TARGETS, ids=case_name)
def test_every_hot_sample_has_the_chain(name, args, root, report):
    program = machine.require_target(name)
    recording, said = record_target(program, args)
    assert said["chain"], f"{program} printed no chain"
    common = to_chains(said["chain"], program, root)
    chains = common + to_chains(said["rare_chain"] + KNOWN_FAULTS.get(name, []), program, root)
    hot = {part for c in chains for part in c.parts[:1] if not part.startswith("<")}
    samples = [stack for stack in recording.profile.stacks if hot & set(stack.names)]
    other = [stack for stack in samples if not any(c.matches(stack) for c in chains)]
    # What is sampled before the rows of its executable are there is cut, and counted as such.
    cut = [stack for stack in other if any(c.begins(stack) for c in chains)]
    wrong = [stack for stack in other if stack not in cut]
    unseen = [c.text for c in common if not any(map(c.matches, samples))]
    elsewhere = recording.profile.samples - total(samples)

    report(f"{recording.complete:.2%} of {recording.stats['recorded']} complete, {total(samples)} hot, {total(cut)} cut")
    assert recording.profile.samples > 500, f"the program was hardly seen: {recording.stderr}"
    assert elsewhere <= ELSEWHERE.get(name, 0.03) * recording.profile.samples, recording.profile.flat()
    assert not wrong, f"not {chains[0].text}:\n" + "\n".join(map(pprof.describe, wrong[:5]))
    assert total(cut) <= recording.stats["user_pending"], "\n".join(map(pprof.describe, cut[:5]))
    assert not unseen, f"never seen: {unseen}"
    assert recording.complete >= 0.995, recording.reasons


def kernel_symbols():
    with open("/proc/kallsyms", encoding="ascii") as file:
        return {line.split()[2] for line in file}


def test_kernel_frames_stand_on_the_users(report):
    recording, said = record_target(machine.require_target("syscalls"), [])
    chains = to_chains(said["chain"] + said["rare_chain"], machine.TARGETS / "syscalls", "c")
    inside = [stack for stack in recording.profile.stacks if any("vfs_read" == frame.name for frame in stack.frames)]
    symbols = kernel_symbols()

    report(f"{total(inside)} of {recording.profile.samples} samples in the kernel's vfs_read")
    assert total(inside) >= 0.9 * recording.profile.samples, recording.profile.flat()
    for stack in inside:
        kernel = [frame for frame in stack.frames if frame.kernel]
        assert stack.frames[: len(kernel)] == tuple(kernel), f"kernel frames are not on top: {pprof.describe(stack)}"
        assert {frame.name for frame in kernel} <= symbols, pprof.describe(stack)
        assert any(c.matches(stack) for c in chains), pprof.describe(stack)


def test_what_has_no_symbols_is_still_unwound(report):
    program = machine.require_target("plain_stripped")
    recording, _ = record_target(program, [])
    shape = [program.name] * 5 + ["libc.so.6"] * 2 + [program.name]
    wrong = [stack for stack in recording.profile.stacks if [frame.module for frame in stack.user] != shape]
    odd = sum(stack.count for stack in wrong)

    report(f"{recording.complete:.2%} complete")
    assert recording.complete >= 0.995, recording.reasons
    assert odd <= 0.01 * recording.profile.samples, "\n".join(map(pprof.describe, wrong[:5]))
    for stack in recording.profile.stacks:
        if stack not in wrong:
            assert all(f"{program.name}+0x" in frame.name for frame in stack.user[:5]), pprof.describe(stack)


def test_a_stripped_go_program_is_still_unwound(report):
    recording, _ = record_target(machine.require_target("golang_stripped"), [])

    report(f"{recording.complete:.2%} complete")
    assert recording.profile.samples > 500, recording.stderr
    # By frame pointers alone: where the runtime's own assembler keeps none, the walk ends.
    assert recording.complete >= 0.98, recording.reasons


def test_what_is_deeper_than_the_limit_is_cut_at_the_root_and_marked():
    recording, _ = record_target(machine.require_target("deep"), [400])
    stats = recording.stats
    cut = [stack for stack in recording.profile.stacks if "[truncated]" in stack.names]
    hot = [stack for stack in cut if stack.names[0] == "hot"]
    expected = ("hot",) + tuple(f"descend_{(400 - level) % 5}" for level in range(1, 255)) + ("[truncated]",)

    assert {stack.names for stack in hot} == {expected}
    assert total(hot) >= 0.95 * stats["recorded"]
    assert total(cut) == stats["user_truncated"]


def test_an_execed_child_is_seen_like_its_parent(report):
    program = machine.require_target("execed")
    recording = record(command=[program, "3"])
    said = programs.said(recording.stdout)
    expected = chain.Chain(said["chain"][0] + chain.root_of("c"), program.name)
    hot = recording.profile.with_frame("hot")
    wrong = [stack for stack in hot if not expected.matches(stack)]

    report(f"{recording.complete:.2%} complete")
    assert recording.profile.main_module == program.name
    assert total(hot) >= 0.97 * recording.profile.samples, recording.profile.flat()
    assert all(expected.begins(stack) for stack in wrong), "\n".join(map(pprof.describe, wrong[:5]))
    assert total(wrong) <= recording.stats["user_pending"]
    assert recording.complete >= 0.995, recording.reasons
