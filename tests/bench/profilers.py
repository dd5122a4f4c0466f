# SPDX-License-Identifier: Apache-2.0
"""The profilers that are compared: how each is started, when it samples, how it ends, what it saw."""

import functools
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import time

import loads
import machine

sys.path[:0] = [str(machine.ROOT / "tests/e2e"), str(machine.ROOT / "tests/fakes")]
from pprofd_e2e.pprof import Profile  # noqa: E402

HZ = 99
READY_SECONDS = 30
# Functions in which a thread begins.
ROOTS = frozenset(["_start", "clone", "__clone", "clone3", "__clone3", "_dl_start_user", "thread_start"])


class Seen:
    """Samples of a load, and how many of those that have a user stack have all of it."""

    def __init__(self):
        self.samples = 0
        self.user = 0
        self.complete = 0

    def add(self, count, has_user, is_complete):
        self.samples += count
        self.user += count if has_user else 0
        self.complete += count if is_complete else 0

    @property
    def complete_share(self):
        return self.complete / self.user if self.user else None


@functools.lru_cache(maxsize=None)
def entry_range(path):
    """File offsets of the first instructions of an ELF program, which has no name when it is stripped."""
    try:
        data = pathlib.Path(path).read_bytes()[: 1 << 16]
    except OSError:
        return range(0)
    if data[:4] != b"\x7fELF" or data[4] != 2:
        return range(0)
    entry, headers = struct.unpack_from("<QQ", data, 24)
    size, count = struct.unpack_from("<HH", data, 54)
    for i in range(count):
        kind, _flags, off, va, _pa, filesz = struct.unpack_from("<IIQQQQ", data, headers + i * size)
        if kind == 1 and va <= entry < va + filesz:
            return range(entry - va + off, entry - va + off + 64)
    return range(0)


def wait_for(condition, what):
    """Milliseconds' steps, so that the time of a start can be told."""
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: waited {READY_SECONDS} s in vain until {what}")
        time.sleep(0.001)


class Profiler:
    """One run of a profiler, in a cgroup of its own."""

    name = ""
    has_bpf = True
    end_signal = signal.SIGINT

    def __init__(self, cgroup, directory):
        self.cgroup = cgroup
        self.directory = directory
        self.child = None
        self.max_rss_kib = 0

    def start(self, window_seconds):
        with open(self.directory / "stderr", "w", encoding="utf-8") as errors:
            streams = {"stdout": self.stdout(), "stderr": errors}
            self.child = self.cgroup.start(self.command(window_seconds), env=self.environment(), **streams)

    @staticmethod
    def missing():
        """Why it cannot run here; "" when it can."""
        return ""

    def environment(self):
        """Of the process; None: as ours."""
        return None

    def command(self, window_seconds):
        raise NotImplementedError

    def stdout(self):
        return subprocess.DEVNULL

    def is_sampling(self):
        if self.child.poll() is not None:
            raise SystemExit(f"bench: {self.name} ended early: {(self.directory / 'stderr').read_text()}")
        return machine.bpf_cost([self.child.pid])[1] > 0

    def wait_sampling(self):
        wait_for(self.is_sampling, f"{self.name} samples")

    def rss_kib(self, field):
        return sum(machine.status_kib(pid, field) for pid in self.cgroup.pids())

    def end(self):
        """Lets it write what it has. Its peak of resident memory is known afterwards."""
        peak = self.rss_kib("VmHWM")
        self.child.send_signal(self.end_signal)
        _pid, _status, usage = os.wait4(self.child.pid, 0)
        self.child.returncode = 0
        self.max_rss_kib = max(peak, usage.ru_maxrss)
        self.make_names()

    def make_names(self):
        """What it takes to get names, when that is not part of the run."""

    def seen(self, load, pids):
        raise NotImplementedError


class Pprofd(Profiler):
    name = "pprofd"
    end_signal = signal.SIGTERM

    def command(self, window_seconds):
        windows = self.directory / "windows"
        return [machine.BUILD / "pprofd", "run", "--hz", HZ, "--window", f"{window_seconds}s", "--output", windows]

    def seen(self, load, pids):
        seen = Seen()
        for path in sorted((self.directory / "windows").glob("*.pb.gz")):
            service = re.sub(r"-\d{8}T.*$", "", path.name)
            if not loads.is_own_executable(service):
                continue
            for stack in Profile.load(path).stacks:
                user = stack.user
                root = user[-1] if user else None
                complete = root and (
                    root.name in ROOTS or (root.path and root.file_off in entry_range(root.path))
                )
                seen.add(stack.count, bool(user), bool(complete))
        return seen


class Perf(Profiler):
    """perf record by frame pointers, and perf script, which makes the names."""

    name = "perf -g"
    has_bpf = False
    MMAP = re.compile(
        r"PERF_RECORD_MMAP2? (-?\d+)/\d+: \[0x([0-9a-f]+)\(0x([0-9a-f]+)\) @ (0x[0-9a-f]+|\d+)[^\]]*\]: \S+ (.*)$"
    )
    HEAD = re.compile(r"^\s*(.*?)\s+(\d+)/\d+\s")
    FRAME = re.compile(r"^\s+([0-9a-f]+) (.*) \((.*)\)$")

    def command(self, window_seconds):
        data = self.directory / "perf.data"
        return ["perf", "record", "-q", "-a", "-g", "-e", "cpu-clock", "-F", HZ, "-k", "CLOCK_MONOTONIC", "-o", data]

    def is_sampling(self):
        """It says nothing: what it has mapped and enabled it samples."""
        if self.child.poll() is not None:
            raise SystemExit(f"bench: perf ended early: {(self.directory / 'stderr').read_text()}")
        data = self.directory / "perf.data"
        return machine.has_perf_event(self.child.pid) and data.exists() and data.stat().st_size > 0

    def wait_sampling(self):
        super().wait_sampling()
        time.sleep(0.3)

    def make_names(self):
        with open(self.directory / "script", "w", encoding="utf-8", errors="replace") as out:
            command = ["perf", "script", "-i", self.directory / "perf.data", "-F", "comm,pid,tid,time,ip,sym,dso"]
            child = self.cgroup.start([*command, "--show-mmap-events"], stdout=out, stderr=subprocess.DEVNULL)
            child.wait()

    def seen(self, load, pids):
        seen = Seen()
        maps = {}
        comm = pid = None
        frames = []
        with open(self.directory / "script", encoding="utf-8", errors="replace") as script:
            for line in script:
                mapped = self.MMAP.search(line)
                frame = None if mapped else self.FRAME.match(line)
                if mapped:
                    self._map(maps, mapped)
                elif frame:
                    frames.append((int(frame.group(1), 16), frame.group(2)))
                elif line.strip():
                    head = self.HEAD.match(line)
                    comm, pid = (head.group(1), int(head.group(2))) if head else (None, None)
                else:
                    if comm is not None and (pid in pids or loads.is_own_command(comm, load)):
                        self._add(seen, frames, maps.get(pid, ()))
                    comm, frames = None, []
        return seen

    @staticmethod
    def _map(maps, mapped):
        start, size = int(mapped.group(2), 16), int(mapped.group(3), 16)
        off = int(mapped.group(4), 0)
        maps.setdefault(int(mapped.group(1)), []).append((start, start + size, off, mapped.group(5)))

    @staticmethod
    def _add(seen, frames, mappings):
        user = [frame for frame in frames if frame[0] < 1 << 63]
        complete = False
        if user:
            address, name = user[-1]
            complete = name in ROOTS
            for start, end, off, path in () if complete else mappings:
                if start <= address < end:
                    complete = address - start + off in entry_range(path)
        seen.add(1, bool(user), complete)

    def first_sample_ns(self):
        """By the monotonic clock."""
        command = ["perf", "script", "-i", self.directory / "perf.data", "-F", "time", "--ns"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        first = re.search(r"(\d+)\.(\d{9}):", done.stdout)
        return int(first.group(1)) * 10**9 + int(first.group(2)) if first else None


def kernel_headers():
    """
    Where bcc finds the headers it compiles with; "" when it finds them by itself, None when there are none.
    Those of another kernel will do: what `profile` takes from them is the same in all. Debian keeps them in two
    trees, which are joined by links, as bcc looks into one.
    """
    own = (f"/lib/modules/{os.uname().release}/build", "/sys/kernel/kheaders.tar.xz")
    if any(pathlib.Path(path).exists() for path in own):
        return ""
    trees = sorted(pathlib.Path("/usr/src").glob("linux-headers-*"), key=lambda path: "-common" not in path.name)
    joined = machine.BUILD / "tests/bench/kernel-headers"
    if not trees or joined.exists():
        return str(joined) if trees else None
    arch = "x86" if os.uname().machine == "x86_64" else "arm64"
    for folder in ("include", f"arch/{arch}/include"):
        (joined / folder).mkdir(parents=True)
        for tree in trees:
            if (tree / folder).exists():
                subprocess.run(["cp", "-rsf", f"{tree / folder}/.", joined / folder], check=True)
    return str(joined)


class Bcc(Profiler):
    name = "bcc profile"

    @staticmethod
    def missing():
        if kernel_headers() is None:
            return "no kernel headers to compile with: apt-get install linux-headers-$(dpkg --print-architecture)"
        return ""

    def environment(self):
        return {**os.environ, "BCC_KERNEL_SOURCE": kernel_headers()} if kernel_headers() else None

    def command(self, window_seconds):
        return ["profile-bpfcc", "-F", HZ, "-f", "-a", "86400"]

    def stdout(self):
        return open(self.directory / "folded", "w", encoding="utf-8")

    def seen(self, load, pids):
        seen = Seen()
        for line in (self.directory / "folded").read_text(encoding="utf-8", errors="replace").splitlines():
            stack, _, count = line.rpartition(" ")
            comm, *frames = stack.split(";")
            if not loads.is_own_command(comm, load) or not count.isdigit():
                continue
            user = [frame for frame in frames if not frame.endswith("_[k]")]
            seen.add(int(count), bool(user), bool(user) and user[0] in ROOTS)
        return seen


PROFILERS = (Pprofd, Perf, Bcc)
