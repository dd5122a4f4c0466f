# SPDX-License-Identifier: Apache-2.0
"""The figures as a table, and the budgets of DESIGN.md, 8, marked met or missed."""

import loads
import profilers

OURS = profilers.Pprofd.name
TITLES = {load.name: load.title for load in loads.LOADS}
KINDS = {load.name: load.kind for load in loads.LOADS}

# (column, heading, factor, format)
COLUMNS = (
    ("captured", "captured %", 100, "{:.1f}"),
    ("complete", "complete %", 100, "{:.1f}"),
    ("user_percent", "user %", 1, "{:.3f}"),
    ("bpf_percent", "BPF %", 1, "{:.3f}"),
    ("bpf_ns_per_sample", "ns/sample", 1, "{:.0f}"),
    ("total_cpu_seconds", "total CPU s", 1, "{:.2f}"),
    ("rss_mib", "RSS MiB", 1, "{:.1f}"),
    ("max_rss_mib", "peak MiB", 1, "{:.1f}"),
    ("maps_mib", "maps MiB", 1, "{:.1f}"),
)
NOTES = """\
captured   samples of the load for the CPU time that its cgroup was charged, from its first instruction
complete   of the load's stacks with a user part, those that end where a thread begins, by the root's name or address
user %     of the machine's CPU time: the profiler's processes while the load runs
BPF %      of the machine's CPU time: its BPF programs (bpf_stats); ns/sample: of one run of them
total CPU  of the profiler's processes from start to end, perf script for perf, names included
maps       memory of BPF maps"""


def cell(row, column, factor, form):
    value = row[column]
    return "-" if value is None else form.format(value * factor)


def loads_table(rows):
    lines = [["load", "profiler", *(heading for _, heading, _, _ in COLUMNS)]]
    last = None
    for row in rows:
        title = TITLES[row["load"]] if row["load"] != last else ""
        last = row["load"]
        lines.append([title, row["profiler"], *(cell(row, *c[:1], *c[2:]) for c in COLUMNS)])
    return align(lines)


def align(lines):
    """The first two columns to the left, numbers to the right."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    out = []
    for line in lines:
        cells = [text.ljust(w) if i < 2 else text.rjust(w) for i, (text, w) in enumerate(zip(line, widths))]
        out.append("  ".join(cells).rstrip())
    return "\n".join(out)


def of_ours(result, kinds):
    return [row for row in result["loads"] if row["profiler"] == OURS and KINDS[row["load"]] in kinds]


def worst(rows, column, pick):
    """(value, name of the load) of the row that is furthest from the budget."""
    known = [(row[column], row["load"]) for row in rows if row[column] is not None]
    return pick(known) if known else None


def load_budget(result, what, column, limit, at_least, kinds):
    found = worst(of_ours(result, kinds), column, min if at_least else max)
    if not found:
        return None
    value, load = found
    met = value >= limit if at_least else value <= limit
    return {"budget": what, "limit": limit, "measured": value, "where": load, "met": met}


def sample_budget(result, what, column, hz):
    rows = [row for row in result["samples"] if row["hz"] == hz]
    row = max(rows, key=lambda row: row[column])
    where = f"depth {row['depth']:.0f}"
    return {"budget": what, "limit": 2, "measured": row[column], "where": where, "met": row[column] <= 2}


# (what, column, limit, is it a minimum, on which kinds of load)
PROGRAMS = ("programs", "many")
BUSY = ("programs", "compile", "spawn", "many")
EVERY = (*BUSY, "idle")
LOAD_BUDGETS = (
    ("captured share at least", "captured", 0.995, True, BUSY),
    ("complete stacks at least, programs", "complete", 0.995, True, PROGRAMS),
    ("complete stacks at least, compile", "complete", 0.97, True, ("compile",)),
    ("user space, steady, % of the machine", "user_percent", 0.1, False, ("programs", "idle")),
    ("the same in a compile, a spawn storm, with 1,000 processes", "user_percent", 0.3, False, BUSY[1:]),
    ("resident MiB, ten programs", "rss_mib", 25, False, EVERY),
    ("peak resident MiB", "max_rss_mib", 100, False, EVERY),
    ("BPF maps MiB", "maps_mib", 16, False, EVERY),
)
# (what, column of bench_sample, rate)
SAMPLE_BUDGETS = (
    ("BPF per sample over bpf_get_stack, 99 Hz, no frame pointers", "x", 99),
    ("the same, frame pointers", "x/fp", 99),
    ("BPF per sample over bpf_get_stack, 4999 Hz, no frame pointers", "x", 4999),
    ("the same, frame pointers", "x/fp", 4999),
)


def budgets(result):
    found = [load_budget(result, *budget) for budget in LOAD_BUDGETS]
    found += [sample_budget(result, *budget) for budget in SAMPLE_BUDGETS]
    ms = result["start_ms"][OURS]
    found.append({"budget": "start to first sample, ms", "limit": 300, "measured": ms, "where": "", "met": ms <= 300})
    return [budget for budget in found if budget]


def budgets_table(found):
    lines = [["budget", "where it is worst", "limit", "measured", ""]]
    for budget in found:
        mark = "met" if budget["met"] else "MISSED"
        lines.append([budget["budget"], budget["where"], f"{budget['limit']:g}", f"{budget['measured']:.4g}", mark])
    return align(lines)


def rows_table(rows):
    lines = [["file", "", "MB", "rows", "ms", "peak MiB"]]
    for row in rows:
        megabytes, peak = int(row["bytes"]) / 1e6, int(row["peak_kib"]) / 1024
        lines.append([row["path"], "", f"{megabytes:.1f}", row["rows"], row["ms"], f"{peak:.1f}"])
    return align(lines)


def symbols_table(rows):
    """One line a file: ours from nothing and once known, then what the peers take for the same addresses."""
    peers = [name[:-3] for name in rows[0] if name.endswith("_ms") and f"{name[:-3]}_peak_kib" in rows[0]]
    lines = [["file", "", "addresses", "named %", "cold ms", "warm ms", "peak MiB", *(f"{peer} ms" for peer in peers)]]
    for row in rows:
        named, peak = 100 * float(row["named"]), int(row["peak_kib"]) / 1024
        ours = [row["addresses"], f"{named:.1f}", row["cold_ms"], row["warm_ms"], f"{peak:.1f}"]
        lines.append([row["path"], "", *ours, *(row[f"{peer}_ms"] for peer in peers)])
    return align(lines)


def text(result):
    about = result["machine"]
    start = "  ".join(f"{name} {ms:.0f}" for name, ms in result["start_ms"].items())
    return "\n\n".join(
        [
            f"{about['cpu']}, {about['cpus']} CPUs, Linux {about['kernel']}, load {about['load_before']:.1f} before",
            *(f"left out: {name}: {why}" for name, why in result["left_out"].items()),
            loads_table(result["loads"]),
            NOTES,
            "BPF per sample\n" + result["samples_text"].rstrip(),
            "Rows\n" + rows_table(result["rows"]),
            "Symbols\n" + symbols_table(result["symbols"]),
            f"Start to first sample, ms\n{start}",
            "Budgets (DESIGN.md, 8)\n" + budgets_table(result["budgets"]),
        ]
    )
