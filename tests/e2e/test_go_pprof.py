# SPDX-License-Identifier: Apache-2.0
"""Go's own tool reads what we write."""

import os
import re
import subprocess

import pytest

from pprofd_e2e import machine
from pprofd_e2e.record import record


@pytest.fixture(scope="module")
def recording():
    machine.require_program("go")
    return record(command=[machine.require_target("split"), "3"])


@pytest.fixture
def pprof(recording, scratch):
    """pprof(option) -> what `go tool pprof` prints of the recording."""

    def run(*options):
        line = ["go", "tool", "pprof", "-symbolize=none", *options, str(recording.path)]
        env = {**os.environ, "HOME": str(scratch), "GOTOOLCHAIN": "local", "PPROF_TMPDIR": str(scratch)}
        done = subprocess.run(line, capture_output=True, text=True, env=env, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_top(pprof, recording):
    text = pprof("-top", "-sample_index=samples")
    flat = {name: int(count) for count, name in re.findall(r"^\s*(\d+)\s+[\d.]+%.*?\s(\S+)$", text, re.M)}

    assert "Type: samples" in text
    assert f"{recording.profile.samples} total" in text
    for name in ("work_a", "work_b", "work_c"):
        assert flat[name] == sum(s.count for s in recording.profile.stacks if s.frames[0].name == name)


def test_top_in_cpu_time_by_default(pprof, recording):
    text = pprof("-top", "-unit=ns")

    assert "Type: cpu" in text
    assert f"Total samples = {recording.profile.value('cpu')}ns" in text, text
    assert "File: split" in text


def test_raw(pprof, recording):
    text = pprof("-raw")

    assert "PeriodType: cpu nanoseconds" in text
    assert re.search(r"^samples/count cpu/nanoseconds", text, re.M), text[:500]
    assert len(re.findall(r"^\s+\d+\s+\d+: [\d ]+$", text, re.M)) == len(recording.profile.stacks)
    assert re.search(r"^1: 0x[0-9a-f]+/0x[0-9a-f]+/0x[0-9a-f]+ \S*/split \S+", text, re.M), text[-800:]


def test_list_shows_the_source(pprof):
    text = pprof("-list=work_a")

    assert "ROUTINE ======================== work_a" in text
    assert re.search(r"\d+(\.\d+)?m?s\s.*TARGET_SPIN\(value, spins\)", text), text


def test_peek_shows_callers_and_callees(pprof):
    text = pprof("-peek=^dispatch$")
    block = text[text.index("flat%") :]

    assert re.search(r"\|\s+main$", block, re.M), text
    for name in ("work_a", "work_b", "work_c"):
        assert re.search(rf"\|\s+{name}$", block, re.M), text


def test_traces_and_proto_go_round(pprof, scratch, recording):
    from pprofd_e2e import pprof as decoder

    again = scratch / "again.pb.gz"
    pprof("-proto", f"-output={again}")

    assert decoder.Profile.load(again).samples == recording.profile.samples
    assert "work_a" in pprof("-traces")
