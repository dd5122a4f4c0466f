# SPDX-License-Identifier: Apache-2.0
"""One profiler on one load, measured; and what is measured without a load."""

import contextlib
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

import loads
import machine
import profilers

# Beyond the first window of the load, in which executables and symbols become known.
SETTLE_SECONDS = 0.5


@contextlib.contextmanager
def scratch_directory():
    path = pathlib.Path(tempfile.mkdtemp(prefix="pprofd-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextlib.contextmanager
def running(kind, name, window_seconds):
    """A profiler that samples; the caller ends it. Whatever happens, nothing of it is left."""
    with scratch_directory() as directory, machine.cgroup(f"profiler-{name}") as cgroup:
        profiler = kind(cgroup, directory)
        profiler.start(window_seconds)
        profiler.wait_sampling()
        yield profiler


class Meter:
    """What a profiler has used so far."""

    def __init__(self, profiler):
        self.time = time.monotonic()
        self.cpu_ns = profiler.cgroup.cpu_ns()
        self.bpf_ns, self.bpf_runs = machine.bpf_cost(profiler.cgroup.pids())

    def since(self, before):
        seconds = self.time - before.time
        runs = self.bpf_runs - before.bpf_runs
        bpf_ns = self.bpf_ns - before.bpf_ns
        return {
            "user_percent": percent_of_machine(self.cpu_ns - before.cpu_ns, seconds),
            "bpf_percent": percent_of_machine(bpf_ns, seconds),
            "bpf_ns_per_sample": bpf_ns / runs if runs else None,
        }


def percent_of_machine(ns, seconds):
    return 100 * ns / (seconds * 1e9 * machine.CPUS)


def measure_load(kind, load, files, plan):
    """
    The profiler starts first and ends last, so that all CPU time of the load is its to capture. `files`: what
    the load itself needs. Returns one row of the table.
    """
    with machine.cgroup("load") as cgroup, running(kind, load.name, plan.window_seconds) as profiler:
        load.start(cgroup, files)
        time.sleep(plan.window_seconds + SETTLE_SECONDS)
        begin = Meter(profiler)
        time.sleep(plan.window_seconds * plan.windows)
        row = Meter(profiler).since(begin)
        row["rss_mib"] = profiler.rss_kib("VmRSS") / 1024
        maps_bytes = machine.bpf_map_bytes(profiler.cgroup.pids())
        row["maps_mib"] = maps_bytes / machine.MIB if kind.has_bpf else None
        pids = set(cgroup.pids())
        cgroup.kill()
        load_ns = cgroup.cpu_ns()
        profiler.end()
        row["max_rss_mib"] = profiler.max_rss_kib / 1024
        row["total_cpu_seconds"] = profiler.cgroup.cpu_ns() / 1e9
        seen = profiler.seen(load, pids)
    expected = load_ns / 1e9 * profilers.HZ
    row.update(
        load=load.name,
        profiler=kind.name,
        bpf_percent=row["bpf_percent"] if kind.has_bpf else None,
        captured=seen.samples / expected if load.kind != "idle" else None,
        complete=seen.complete_share,
        samples=seen.samples,
        expected=expected,
    )
    return row


def measure_start(kind, rounds):
    """ms from the start of the program to its first sample. One CPU is left to it, on the others ticks are near."""
    times = []
    for _ in range(rounds):
        with machine.cgroup("busy") as busy, scratch_directory() as directory:
            for _ in range(max(1, machine.CPUS - 1)):
                loads.start_deep("deep", 10)(busy, directory)
            with machine.cgroup(f"start-{kind.name.split()[0]}") as cgroup:
                profiler = kind(cgroup, directory)
                begin_ns = time.monotonic_ns()
                profiler.start(15)
                profiler.wait_sampling()
                first_ns = time.monotonic_ns()
                profiler.end()
                if isinstance(profiler, profilers.Perf):
                    first_ns = profiler.first_sample_ns() or first_ns
                times.append((first_ns - begin_ns) / 1e6)
    return statistics.median(times)


def program(name):
    return machine.BUILD / "tests/bench" / name


def measure_samples(plan):
    """ns per sample at different depths; bench_sample.c says how. Returns rows, and the text as it is."""
    depths = ",".join(str(depth) for depth in plan.depths)
    command = [program("bench_sample"), "-l", loads.OWN, "-d", depths, "-r", str(plan.sample_rounds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    columns = lines[0].split()
    names = []
    for column in columns:
        names.append(f"{names[-1]}_min" if column == "min" else column)
    return [dict(zip(names, map(float, line.split()))) for line in lines[1:]], done.stdout


def shared_object(pattern):
    """The largest of the system's libraries that match, as a list of one or none."""
    paths = [path.resolve() for path in pathlib.Path("/usr/lib").glob(f"*-linux-gnu/{pattern}")]
    return sorted(paths, key=lambda path: path.stat().st_size)[-1:]


def lines_of(command, names):
    """What a program of tests/bench says, a line a file, columns separated by tabs, as dicts."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [dict(zip(names, line.split("\t"))) for line in done.stdout.splitlines()]


def measure_rows():
    """libc, node, and a library of about 100 MB."""
    files = [*shared_object("libc.so.6"), shutil.which("node"), *shared_object("libLLVM*.so*")]
    names = ("path", "bytes", "rows", "rules", "pages", "ms", "peak_kib")
    return lines_of([program("bench_rows"), *files], names)


def measure_symbols(plan):
    """libc, node, and a program with debug info: our own."""
    files = [*shared_object("libc.so.6"), shutil.which("node"), machine.BUILD / "pprofd"]
    names = ["path", "addresses", "named", "lines", "cold_ms", "next_ms", "warm_ms", "peak_kib", "kept_kib"]
    for peer in ("addr2line", "eu-addr2line", "llvm-symbolizer"):
        names += [f"{peer}_ms", f"{peer}_peak_kib"]
    peers = ["-p"] if plan.symbol_peers else []
    return lines_of([program("bench_symbols"), "-n", str(plan.symbol_addresses), *peers, *files], names)
