# SPDX-License-Identifier: Apache-2.0
"""
What is profiled while the cost of profiling is measured.

A load is told from the rest of the machine by its processes while they live, and by the names of its
executables afterwards: nothing else on the machine should run under those names.
"""

import contextlib
import dataclasses
import os
import random
import shutil
import subprocess
import time

from machine import BUILD, CPUS, ROOT

OWN = BUILD / "tests/bench/loads"
SOURCES = ROOT / "tests/bench/loads"
FOREVER = "86400"
# What a sampler of every process has to look at without being helped by a quiet cache.
WORKING_SET_KIB = "1024"
IDLE_PROCESSES = 1000


@dataclasses.dataclass(frozen=True)
class Load:
    name: str
    title: str
    names: frozenset  # of executables, as pprofd names a service and perf a command
    start: object  # called with (cgroup, directory for files)
    has_idle: bool = False
    kind: str = "programs"  # which budgets hold: programs, compile, spawn, many, idle

    @property
    def comms(self):
        """The kernel keeps 15 characters of a name."""
        return {name[:15] for name in self.names}


def quiet(cgroup, command, **kwargs):
    return cgroup.start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kwargs)


def python_copy(directory):
    """Debian's Python under a name of its own: this script is Python too."""
    copy = directory / "busy-python3"
    if not copy.exists():
        shutil.copy(os.path.realpath("/usr/bin/python3"), copy)
    return copy


def start_python(cgroup, directory):
    quiet(cgroup, [python_copy(directory), SOURCES / "loop.py", FOREVER], env={"PYTHONHOME": "/usr"})


def start_node(cgroup, _directory):
    quiet(cgroup, ["node", SOURCES / "loop.js", FOREVER])


def start_deep(program, depth):
    return lambda cgroup, _directory: quiet(cgroup, [OWN / program, FOREVER, depth, WORKING_SET_KIB])


def start_redis(cgroup, directory):
    socket = directory / "redis.sock"
    with contextlib.suppress(FileNotFoundError):
        socket.unlink()
    quiet(cgroup, ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", directory])
    for _ in range(500):
        if socket.exists():
            break
        time.sleep(0.01)
    quiet(cgroup, ["redis-benchmark", "-s", socket, "-l", "-q", "-c", "50", "-t", "set,get,lpush,lrange_100"])


def write_sources(directory, count=8):
    """C files alike in size and different in content; each takes the compiler about a second."""
    dice = random.Random(7)
    for number in range(count):
        lines = ["#include <stdio.h>", "#include <stdlib.h>", "#include <string.h>"]
        for i in range(120):
            width = i % 7 + 1
            cases = "".join(f"case {k}: sum += {dice.randrange(1000)}; break; " for k in range(5))
            lines.append(f"struct item_{i} {{ int numbers[{width}]; double weight; char *name; }};")
            lines.append(f"int total_{i}(struct item_{i} *items, int cnt) {{ int sum = {dice.randrange(99)};")
            lines.append(f"for (int i = 0; i < cnt; i++) {{ if (items[i].weight > {i}.5) sum += ")
            lines.append(f"items[i].numbers[i % {width}] * {dice.randrange(2, 99)}; else if (items[i].name) sum ^= ")
            lines.append(f"(int)strlen(items[i].name); switch (sum % {dice.randrange(5, 30)}) {{ {cases} }} }}")
            lines.append("return sum; }")
        (directory / f"source_{number}.c").write_text("\n".join(lines) + "\n")


def start_compile(cgroup, directory):
    if not (directory / "source_0.c").exists():
        write_sources(directory)
    script = (
        f"seq 1 1000000 | xargs -P{CPUS} -I{{}} sh -c "
        f"'exec gcc -O2 -c {directory}/source_$(({{}} % 8)).c -o {directory}/object_$(({{}} % 64)).o'"
    )
    quiet(cgroup, ["sh", "-c", script])


def start_spawn(cgroup, _directory):
    quiet(cgroup, [BUILD / "targets/spawn", "100000000", CPUS * 2, "/bin/true"])


def start_many(cgroup, directory):
    """Ten busy programs. The idle ones are there before the profiler: start_idle()."""
    for program, depth in (("deep", 10), ("deep", 60), ("deep", 120), ("deep_fp", 10), ("deep_fp", 60)):
        start_deep(program, depth)(cgroup, directory)
    start_python(cgroup, directory)
    start_python(cgroup, directory)
    start_node(cgroup, directory)
    quiet(cgroup, ["perl", "-e", "while (1) { my %h; $h{$_ % 97} .= $_ for 1 .. 1000; $s = join ',', sort keys %h }"])
    quiet(cgroup, ["openssl", "speed", "-seconds", FOREVER, "sha256"])


def start_idle(cgroup):
    for _ in range(IDLE_PROCESSES):
        quiet(cgroup, ["sleep", FOREVER])


def start_nothing(_cgroup, _directory):
    pass


def deep_loads():
    for program, how in (("deep", "no frame pointers"), ("deep_fp", "frame pointers")):
        for depth in (10, 60, 120):
            title = f"C++, depth {depth}, {how}"
            yield Load(f"{program}-{depth}", title, frozenset([program]), start_deep(program, depth))


def names(*programs):
    """Names under which these run: as they are called, and as their files are called behind symbolic links."""
    found = set()
    for program in programs:
        path = shutil.which(program) or program
        found |= {os.path.basename(program), os.path.basename(os.path.realpath(path))}
    return frozenset(found)


def compiler_names():
    cc1 = subprocess.run(["gcc", "-print-prog-name=cc1"], capture_output=True, text=True, check=True).stdout.strip()
    return names("gcc", "as", "sh", "xargs", "seq", cc1)


MANY = ("deep", "deep_fp", "busy-python3", "node", "perl", "openssl")
LOADS = (
    *deep_loads(),
    Load("python", "python3", frozenset(["busy-python3"]), start_python),
    Load("node", "node", names("node"), start_node),
    Load("redis", "redis under load", names("redis-server", "redis-benchmark"), start_redis),
    Load("compile", "parallel compile", compiler_names(), start_compile, kind="compile"),
    Load("spawn", "spawn storm", names("spawn", "true"), start_spawn, kind="spawn"),
    Load("many", f"{IDLE_PROCESSES:,} idle, ten busy", names(*MANY), start_many, has_idle=True, kind="many"),
    Load("idle", "idle machine", frozenset(), start_nothing, kind="idle"),
)
QUICK = ("deep-60", "python", "compile", "spawn", "many", "idle")
