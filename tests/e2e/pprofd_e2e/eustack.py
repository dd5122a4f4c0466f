# SPDX-License-Identifier: Apache-2.0
"""Stacks of stopped processes by elfutils' eu-stack: an unwinder that shares nothing with ours but the CFI."""

import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import time

from . import machine

FRAME = re.compile(r"^#\d+\s+0x([0-9a-f]+)( - 1)?\s*(.*)$")


@dataclasses.dataclass(frozen=True)
class Frame:
    """offs: what our frame's file offset may be. A caller's is within its call, so there is one only."""

    module: str
    offs: tuple
    name: str


def mappings(pid):
    """The executable mappings of a process: (start, end, file offset, path)."""
    found = []
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if "x" in fields[1]:
            start, end = (int(text, 16) for text in fields[0].split("-"))
            found.append((start, end, int(fields[2], 16), fields[5] if len(fields) > 5 else ""))
    return found


def locate(address, maps):
    """(module, file offset) of an address; ("", address) when nothing maps it."""
    for start, end, off, path in maps:
        if start <= address < end:
            return os.path.basename(path), address - start + off
    return "", address


def snapshot(pid, tid=None):
    """
    Stops the process, has eu-stack walk the stack of its first thread, or of `tid`, and lets it go on.
    Returns its frames, leaf first; empty when eu-stack could not walk to the end.
    """
    machine.require_program("eu-stack")
    os.kill(pid, signal.SIGSTOP)
    try:
        _wait_stopped(pid)
        maps = mappings(pid)
        done = subprocess.run(
            ["eu-stack", "-a", "-n", "600", "-p", str(pid)], capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        os.kill(pid, signal.SIGCONT)
    frames = _parse(done.stdout, tid or pid, maps)
    return frames if done.returncode == 0 else ()


def _wait_stopped(pid):
    for _ in range(500):
        if pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt":
            return
        time.sleep(0.002)
    raise AssertionError(f"process {pid} does not stop")


def _parse(text, tid, maps):
    frames, current = [], None
    for line in text.splitlines():
        if line.startswith("TID "):
            current = int(line[4:].rstrip(":"))
            continue
        found = FRAME.match(line)
        if not found or current != tid:
            continue
        module, off = locate(int(found.group(1), 16), maps)
        # "- 1": a return address. Else the pc is exact: the leaf, or what a signal interrupted.
        offs = (off - 1,) if found.group(2) else (off, off - 1)
        frames.append(Frame(module, offs, found.group(3)))
    return tuple(frames)


def same(ours, theirs, skip=0):
    """Whether a stack's machine frames equal a snapshot, frame for frame, but for the `skip` innermost."""
    frames = ours.machine_frames
    return len(frames) == len(theirs) and all(
        mine.file_off in frame.offs and (not frame.module or mine.module == frame.module)
        for mine, frame in list(zip(frames, theirs))[skip:]
    )
