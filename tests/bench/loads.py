# SPDX-License-Identifier: Apache-2.0
"""
What is profiled while the cost of profiling is measured.

Everything a load runs is a copy under a name of its own (bench-...), so that its samples are told from those of
the rest of the machine by the name of the executable, which all profilers know, also after it has ended.
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
    start: object  # called with (cgroup, directory for files)
    kind: str = "programs"  # which budgets hold: programs, compile, spawn, many, idle


def quiet(cgroup, command, **kwargs):
    return cgroup.start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kwargs)


def own(directory, program):
    """A copy of a program, as bench-<name>."""
    path = shutil.which(program)
    if not path:
        raise SystemExit(f"bench: {program} is not there (make deps targets)")
    copy = directory / f"bench-{os.path.basename(program)}"
    if not copy.exists():
        shutil.copy(os.path.realpath(path), copy)
    return copy


def start_python(cgroup, directory):
    quiet(cgroup, [own(directory, "/usr/bin/python3"), SOURCES / "loop.py", FOREVER], env={"PYTHONHOME": "/usr"})


def start_node(cgroup, directory):
    quiet(cgroup, [own(directory, "node"), SOURCES / "loop.js", FOREVER])


def start_deep(program, depth):
    def start(cgroup, directory):
        quiet(cgroup, [own(directory, OWN / program), FOREVER, depth, WORKING_SET_KIB])

    return start


def start_redis(cgroup, directory):
    socket = directory / "redis.sock"
    with contextlib.suppress(FileNotFoundError):
        socket.unlink()
    server = own(directory, "redis-server")
    quiet(cgroup, [server, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", directory])
    for _ in range(500):
        if socket.exists():
            break
        time.sleep(0.01)
    benchmark = own(directory, "redis-benchmark")
    quiet(cgroup, [benchmark, "-s", socket, "-l", "-q", "-c", "50", "-t", "set,get,lpush,lrange_100"])


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


def compiler_parts(directory):
    """Where gcc finds copies of what it runs: under the names it asks for, which lead to names of their own."""
    parts = directory / "parts"
    if not parts.exists():
        parts.mkdir()
        for part in ("cc1", "as"):
            command = ["gcc", f"-print-prog-name={part}"]
            path = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
            (parts / part).symlink_to(own(directory, path))
    return parts


def start_compile(cgroup, directory):
    if not (directory / "source_0.c").exists():
        write_sources(directory)
    script = (
        f"{own(directory, 'seq')} 1 1000000 | {own(directory, 'xargs')} -P{CPUS} -I{{}} {own(directory, 'sh')} -c "
        f"'exec {own(directory, 'gcc')} -B{compiler_parts(directory)} -O2 "
        f"-c {directory}/source_$(({{}} % 8)).c -o {directory}/object_$(({{}} % 64)).o'"
    )
    quiet(cgroup, [own(directory, "sh"), "-c", script])


def start_spawn(cgroup, directory):
    spawn = own(directory, BUILD / "targets/spawn")
    quiet(cgroup, [spawn, "100000000", CPUS * 2, own(directory, "true")])


def start_many(cgroup, directory):
    """Ten busy programs. The idle ones are there before the profiler: start_idle()."""
    for program, depth in (("deep", 10), ("deep", 60), ("deep", 120), ("deep_fp", 10), ("deep_fp", 60)):
        start_deep(program, depth)(cgroup, directory)
    start_python(cgroup, directory)
    start_python(cgroup, directory)
    start_node(cgroup, directory)
    script = "while (1) { my %h; $h{$_ % 97} .= $_ for 1 .. 1000; $s = join ',', sort keys %h }"
    quiet(cgroup, [own(directory, "perl"), "-e", script])
    quiet(cgroup, [own(directory, "openssl"), "speed", "-seconds", FOREVER, "sha256"])


def start_idle(cgroup):
    for _ in range(IDLE_PROCESSES):
        quiet(cgroup, ["sleep", FOREVER])


def start_nothing(_cgroup, _directory):
    pass


def is_own_executable(name):
    return name.startswith("bench-")


def is_own_command(name, load):
    """By the name of a command: gcc calls its parts by their usual names, as do other compilers on the machine."""
    return name.startswith("bench-") or (load.kind == "compile" and name in ("cc1", "as"))


def deep_loads():
    for program, how in (("deep", "no frame pointers"), ("deep_fp", "frame pointers")):
        for depth in (10, 60, 120):
            yield Load(f"{program}-{depth}", f"C++, depth {depth}, {how}", start_deep(program, depth))


LOADS = (
    *deep_loads(),
    Load("python", "python3", start_python),
    Load("node", "node", start_node),
    Load("redis", "redis under load", start_redis),
    Load("compile", "parallel compile", start_compile, kind="compile"),
    Load("spawn", "spawn storm", start_spawn, kind="spawn"),
    Load("many", f"{IDLE_PROCESSES:,} idle, ten busy", start_many, kind="many"),
    Load("idle", "idle machine", start_nothing, kind="idle"),
)
QUICK = ("deep-60", "python", "compile", "spawn", "many", "idle")
