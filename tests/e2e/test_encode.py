# SPDX-License-Identifier: Apache-2.0
"""Encoded files as `go tool pprof` and Google's protobuf library read them."""

import gzip
import re
import subprocess

import pytest

from pprofd_e2e import machine
from pprof_rules import check_profile, decode
from push_driver import PushDriver

SAMPLES = 500


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same profile as pprof and as folded stacks."""
    path = tmp_path_factory.mktemp("encode")
    with PushDriver("http://127.0.0.1:1") as driver:
        driver.write("pprof", path / "made.pb.gz", SAMPLES)
        driver.write("folded", path / "made.folded", SAMPLES)
    return path


def count(i):
    """What push_driver.c gives the i-th stack."""
    return i % 9 + 1


def pprof(*args):
    go = machine.require_program("go")
    return subprocess.run([go, "tool", "pprof", *args], check=True, capture_output=True, text=True).stdout


def test_a_file_keeps_every_rule(files):
    assert check_profile((files / "made.pb.gz").read_bytes()) == []


def test_go_tool_pprof_adds_up_to_the_same(files):
    text = pprof("-top", "-sample_index=samples", "-nodecount=10000", "-nodefraction=0", str(files / "made.pb.gz"))
    total = sum(count(i) for i in range(SAMPLES))
    assert f"of {total} total" in text
    rows = re.findall(r"^ *(\d+) +[\d.]+% +[\d.]+% +(\d+) +[\d.]+%  (\S+)$", text, re.M)
    flat = {name: int(own) for own, _, name in rows}
    cum = {name: int(all_) for _, all_, name in rows}
    assert {f"leaf_{i}": count(i) for i in range(SAMPLES)}.items() <= flat.items()
    assert cum["main"] == total and flat["main"] == 0
    for k in range(7):
        assert cum[f"middle_{k}"] == sum(count(i) for i in range(k, SAMPLES, 7))


def test_go_tool_pprof_shows_cpu_time_unless_told_otherwise(files):
    text = pprof("-top", "-nodecount=1", str(files / "made.pb.gz"))
    assert "Type: cpu" in text
    seconds = sum(count(i) for i in range(SAMPLES)) * 10101010 / 1e9
    assert float(re.search(r"Total samples = ([\d.]+)s", text)[1]) == pytest.approx(seconds, abs=0.01)


def test_go_tool_pprof_reads_it_raw(files):
    text = pprof("-raw", str(files / "made.pb.gz"))
    assert "PeriodType: cpu nanoseconds" in text
    assert "Period: 10101010" in text
    assert "samples/count cpu/nanoseconds[dflt]" in text
    assert len(re.findall(r"^ +\d+ +\d+: \d+ \d+ \d+ $", text, re.M)) == SAMPLES
    assert "/usr/bin/made 0123456789abcdef [FN][FL][LN]" in text


def test_folded_stacks_say_what_the_pprof_says(files):
    profile, _ = decode((files / "made.pb.gz").read_bytes())
    strings = profile.string_table
    names = {function.id: strings[function.name] for function in profile.function}
    lines = {location.id: [names[line.function_id] for line in location.line] for location in profile.location}
    want = {}
    for sample in profile.sample:
        stack = ";".join(name for number in reversed(sample.location_id) for name in reversed(lines[number]))
        want[stack] = want.get(stack, 0) + sample.value[0]
    got = dict(line.rsplit(" ", 1) for line in (files / "made.folded").read_text().splitlines())
    assert {stack: int(value) for stack, value in got.items()} == want
    assert len(want) == SAMPLES


def test_the_file_is_one_gzip_member_without_a_time(files):
    data = (files / "made.pb.gz").read_bytes()
    assert data[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
    assert decode(data)[1] == gzip.decompress(data)
