#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
make bench: what pprofd costs and what it sees, side by side with peers, in rounds that take turns.

Says what is and passes no judgement on the build: budgets are marked met or missed, the exit status is 0.
"""

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import sys

import loads
import machine
import measure
import profilers
import report


@dataclasses.dataclass(frozen=True)
class Plan:
    loads: tuple
    rounds: int
    window_seconds: int
    windows: int
    start_rounds: int
    depths: tuple
    sample_rounds: int
    symbol_addresses: int
    symbol_peers: bool


FULL = Plan(tuple(load.name for load in loads.LOADS), 2, 5, 1, 3, (10, 30, 60, 100, 120), 9, 1000, True)
QUICK = Plan(loads.QUICK, 1, 3, 1, 1, (10, 60, 120), 5, 1000, False)


def say(text):
    print(text, file=sys.stderr, flush=True)


def check_machine():
    if os.geteuid() != 0:
        raise SystemExit("bench: needs root: sudo make bench")
    missing = [name for name in ("perf", "profile-bpfcc", "node", "redis-server") if not shutil.which(name)]
    if missing:
        raise SystemExit(f"bench: not installed: {' '.join(missing)} (make deps)")


def median_row(rows):
    """Column by column: the runs of one profiler on one load."""
    merged = dict(rows[0])
    for column, value in rows[0].items():
        values = [row[column] for row in rows if row[column] is not None]
        if isinstance(value, (int, float)) or value is None:
            merged[column] = statistics.median(values) if values else None
    return merged


def run_loads(plan, wanted, kinds):
    rows = {}
    with measure.scratch_directory() as files:
        for load in (load for load in loads.LOADS if load.name in wanted):
            with machine.cgroup("idle") as idle:
                if load.kind == "many":
                    loads.start_idle(idle)
                for number in range(plan.rounds):
                    for kind in kinds:
                        say(f"bench: {load.title}, round {number + 1} of {plan.rounds}: {kind.name}")
                        row = measure.measure_load(kind, load, files, plan)
                        rows.setdefault((load.name, kind.name), []).append(row)
    return [median_row(of_one) for of_one in rows.values()]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer loads, one round, shorter")
    parser.add_argument("--loads", help="only these, separated by commas")
    args = parser.parse_args()
    plan = QUICK if args.quick else FULL
    wanted = args.loads.split(",") if args.loads else plan.loads

    check_machine()
    left_out = {kind.name: kind.missing() for kind in profilers.PROFILERS if kind.missing()}
    kinds = [kind for kind in profilers.PROFILERS if kind.name not in left_out]
    result = {"machine": machine.describe(), "plan": dataclasses.asdict(plan), "left_out": left_out}
    with machine.bpf_stats():
        say("bench: ns per sample")
        result["samples"], result["samples_text"] = measure.measure_samples(plan)
        say("bench: start to first sample")
        result["start_ms"] = {kind.name: measure.measure_start(kind, plan.start_rounds) for kind in kinds}
        say("bench: rows")
        result["rows"] = measure.measure_rows()
        say("bench: symbols")
        result["symbols"] = measure.measure_symbols(plan)
        result["loads"] = run_loads(plan, wanted, kinds)
    result["budgets"] = report.budgets(result)
    print(report.text(result))
    (machine.BUILD / "bench.json").write_text(json.dumps(result, indent="\t") + "\n")


main()
