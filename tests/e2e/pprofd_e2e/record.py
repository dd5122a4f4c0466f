# SPDX-License-Identifier: Apache-2.0
"""Runs `pprofd record` and reads what it left."""

import contextlib
import dataclasses
import json
import pathlib
import re
import signal
import subprocess
import tempfile

from . import machine, pprof

# All recordings of this run; gone when it ends.
SCRATCH = tempfile.TemporaryDirectory(prefix="pprofd-e2e.")

COMPLETE = re.compile(r"([0-9.]+) ?% complete user stacks")


@dataclasses.dataclass
class Recording:
    path: pathlib.Path
    pid: int  # of pprofd
    profile: pprof.Profile = None
    stats: dict = None
    stdout: str = ""
    stderr: str = ""

    @property
    def complete(self):
        """Share of the user stacks that end where their thread began, by the kernel side's counters."""
        return share(self.stats["user_complete"], self.stats["recorded"] - self.stats["user_none"])

    @property
    def captured(self):
        """Share of the events that were recorded."""
        return share(self.stats["recorded"] - self.stats["lost_user"], self.stats["events"])

    @property
    def reasons(self):
        """Why user stacks were cut, for messages."""
        return {name: n for name, n in self.stats.items() if n and name.startswith(("user_", "lost_"))}


def share(part, whole):
    return part / whole if whole else 0.0


def command_line(out, stats, pids=None, command=None, hz=999, seconds=None, extra=()):
    line = [str(machine.PPROFD), "record", "-F", str(hz), "-o", str(out), "--stats", str(stats)]
    if seconds is not None:
        line += ["-d", str(seconds)]
    line += [str(word) for word in extra]
    if pids is not None:
        line += ["-p", ",".join(str(pid) for pid in pids)]
    elif command is None:
        line += ["-a"]
    if command is not None:
        line += ["--"] + [str(word) for word in command]
    return line


def record(pids=None, command=None, hz=999, seconds=None, extra=(), cwd=None):
    """
    Records `pids`, or `command` from its start to its end, or the whole machine.
    Asserts that pprofd was content and that its own accounts agree.
    """
    with recorder(pids, command, hz, seconds, extra, cwd=cwd) as recording:
        pass
    return recording


@contextlib.contextmanager
def recorder(pids=None, command=None, hz=999, seconds=None, extra=(), cwd=None):
    """
    As record(), while the caller does something else. What it hands out is filled in at the end, which is
    Ctrl-C when nothing else says when to end.
    """
    directory = pathlib.Path(tempfile.mkdtemp(dir=SCRATCH.name))
    out, stats = directory / "out.pb.gz", directory / "stats.json"
    line = command_line(out, stats, pids, command, hz, seconds, extra)
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(line, text=True, errors="replace", cwd=cwd, **pipes)
    recording = Recording(out, process.pid)
    try:
        yield recording
        if pids is None and command is None and seconds is None:
            process.send_signal(signal.SIGINT)
        recording.stdout, recording.stderr = process.communicate(timeout=400)
        assert process.returncode == 0, f"{' '.join(line)}: exit status {process.returncode}\n{recording.stderr}"
        recording.profile, recording.stats = pprof.Profile.load(out), json.loads(stats.read_text())
        check_accounts(recording)
    finally:
        process.kill()
        process.wait()


def check_accounts(recording):
    """What must hold of every recording, whatever it is of."""
    stats, said = recording.stats, COMPLETE.search(recording.stderr)
    lost = sum(n for name, n in stats.items() if name.startswith("lost_") and name != "lost_user")
    reasons = sum(n for name, n in stats.items() if name.startswith("user_"))

    assert stats["events"] == stats["recorded"] + lost, f"events are not recorded + lost: {stats}"
    assert stats["recorded"] == reasons, f"recorded samples are not the sum of how their user stacks ended: {stats}"
    assert recording.profile.samples == stats["recorded"] - stats["lost_user"], (
        f"{recording.profile.samples} samples in the file, {stats['recorded']} recorded, "
        f"{stats['lost_user']} lost in user space"
    )
    assert said, f"no share of complete stacks in the summary: {recording.stderr!r}"
    if stats["recorded"] > stats["user_none"]:
        assert abs(float(said.group(1)) / 100 - recording.complete) < 0.0011, (
            f"the summary says {said.group(0)}, the counters {recording.complete:.4f}"
        )
