# SPDX-License-Identifier: Apache-2.0
"""What is measured and how: cgroups for exact CPU time, /proc for memory, descriptors' fdinfo for BPF."""

import contextlib
import os
import pathlib
import re
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PPROFD_BUILD", ROOT / "build"))
CPUS = os.cpu_count()
MIB = 1 << 20


def find_cgroup_root():
    """Where version 2 of the cgroup hierarchy is mounted."""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        fields = line.split()
        if fields[2] == "cgroup2":
            return pathlib.Path(fields[1])
    raise SystemExit("bench: CPU time is read from cgroup version 2, which is not mounted")


class Cgroup:
    """A cgroup of its own: everything started in it, and what that starts, is accounted together."""

    root = None

    def __init__(self, name):
        Cgroup.root = Cgroup.root or find_cgroup_root()
        self.path = Cgroup.root / f"pprofd-bench-{os.getpid()}-{name}"
        self.path.mkdir()
        self.children = []

    def start(self, command, **kwargs):
        procs = self.path / "cgroup.procs"
        child = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: procs.write_text("0"),
            **kwargs,
        )
        self.children.append(child)
        return child

    def cpu_ns(self):
        usage = re.search(r"^usage_usec (\d+)", (self.path / "cpu.stat").read_text(), re.M)
        return int(usage.group(1)) * 1000

    def pids(self):
        return [int(line) for line in (self.path / "cgroup.procs").read_text().split()]

    def kill(self):
        (self.path / "cgroup.kill").write_text("1")
        for child in self.children:
            child.wait()

    def remove(self):
        self.kill()
        # A killed process leaves the cgroup a moment after it can be waited for.
        for _ in range(500):
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.01)
        raise SystemExit(f"bench: cannot remove {self.path}")


@contextlib.contextmanager
def cgroup(name):
    made = Cgroup(name)
    try:
        yield made
    finally:
        made.remove()


def status_kib(pid, field):
    """A line of /proc/PID/status in KiB; 0 when the process is gone."""
    with contextlib.suppress(OSError):
        found = re.search(rf"^{field}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)
        return int(found.group(1)) if found else 0
    return 0


def fdinfos(pid):
    """The fdinfo of every descriptor of a process, as dicts of text."""
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fdinfo"):
            with contextlib.suppress(OSError):
                text = pathlib.Path(f"/proc/{pid}/fdinfo/{number}").read_text()
                yield dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def bpf_cost(pids):
    """(ns, runs) of all programs that these processes hold; needs kernel.bpf_stats_enabled."""
    programs = {}
    for pid in pids:
        for info in fdinfos(pid):
            if "prog_id" in info and "run_time_ns" in info:
                programs[info["prog_id"]] = (int(info["run_time_ns"]), int(info["run_cnt"]))
    return sum(ns for ns, _ in programs.values()), sum(runs for _, runs in programs.values())


def bpf_map_bytes(pids):
    """Memory of all maps that these processes hold."""
    maps = {}
    for pid in pids:
        for info in fdinfos(pid):
            if "map_id" in info:
                maps[info["map_id"]] = int(info["memlock"])
    return sum(maps.values())


def has_perf_event(pid):
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if "perf_event" in os.readlink(f"/proc/{pid}/fd/{number}"):
                    return True
    return False


@contextlib.contextmanager
def bpf_stats():
    """kernel.bpf_stats_enabled while this lasts."""
    knob = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
    before = knob.read_text()
    knob.write_text("1")
    try:
        yield
    finally:
        knob.write_text(before)


def describe():
    model = re.search(r"^model name\s*:\s*(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    memory = re.search(r"^MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.M)
    return {
        "kernel": os.uname().release,
        "cpu": model.group(1) if model else os.uname().machine,
        "cpus": CPUS,
        "memory_mib": int(memory.group(1)) // 1024,
        "load_before": os.getloadavg()[0],
    }
