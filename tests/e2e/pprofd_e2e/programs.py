# SPDX-License-Identifier: Apache-2.0
"""Programs to profile: started, watched, ended."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time


def wait_until(condition, what, seconds=20):
    """Until `condition()` is true; an assertion with `what` when it never is."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.02)


def cpu_ticks(pid):
    """utime + stime of a process, in clock ticks."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@contextlib.contextmanager
def running(command, warm=True, **kwargs):
    """A process of ours, burning CPU by the time it is handed out; ended and reaped at the end."""
    kwargs.setdefault("stdout", subprocess.DEVNULL)
    kwargs.setdefault("stderr", subprocess.DEVNULL)
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    process = subprocess.Popen([str(word) for word in command], **kwargs)
    try:
        if warm:
            wait_until(lambda: cpu_ticks(process.pid) >= 5, f"{command[0]} does not run")
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()


def sampled_cpus(pid):
    """How many sampling events a pprofd holds open: one for each CPU."""
    count = 0
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            count += os.readlink(entry) == "anon_inode:[perf_event]"
    return count


def children(pid):
    """Pids of the processes that `pid` has started and that still run."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):
            if int(pathlib.Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry))
    return found


def said(output):
    """The NAME=VALUE lines of target programs: lists of chains, and numbers, added up over all that say one."""
    values = {"chain": [], "rare_chain": []}
    for line in output.splitlines():
        name, _, value = line.partition("=")
        if name in ("chain", "rare_chain"):
            values[name].append(value)
        elif value.isdigit():
            values[name] = values.get(name, 0) + int(value)
    return values
