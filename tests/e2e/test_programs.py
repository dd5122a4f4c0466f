# SPDX-License-Identifier: Apache-2.0
"""Programs from Debian, none built with frame pointers: the share of their user stacks that is complete."""

import pytest

from pprofd_e2e import machine, programs, workloads
from pprofd_e2e.record import record

SECONDS = 5


def check(recording, report, least=0.99):
    report(f"{recording.complete:.2%} complete of {recording.stats['recorded']} {recording.reasons}")
    assert recording.profile.samples > 500, f"hardly seen\n{recording.stderr}"
    assert recording.complete >= least, recording.reasons


def record_running(name, args, seconds=SECONDS):
    with programs.running([machine.require_program(name), *args]) as process:
        return record(pids=[process.pid], seconds=seconds)


def test_python3(report):
    check(record_running("/usr/bin/python3", ["-c", workloads.PYTHON]), report)


def test_perl(report):
    check(record_running("/usr/bin/perl", ["-e", workloads.PERL]), report)


def test_node(report):
    """What its compiler makes at run time has frame pointers, and nothing else that tells of its callers."""
    check(record_running("node", ["-e", workloads.NODE], 8), report, least=0.98)


@pytest.mark.parametrize("server", [workloads.redis, workloads.nginx], ids=["redis", "nginx"])
def test_servers_under_load(server, scratch, report):
    with server(scratch) as pids:
        check(record(pids=pids, seconds=SECONDS), report)


def test_gcc(scratch, report):
    (scratch / "big.c").write_text(workloads.c_source(functions=2400, seed=1))
    command = [machine.require_program("gcc"), "-O2", "-c", "-o", scratch / "big.o", scratch / "big.c"]
    check(record(command=command), report)


def test_openssl(report):
    kinds = ["sha256", "sha512", "rsa2048", "ecdsap256", "ecdhx25519", "aes-256-cbc"]
    command = [machine.require_program("openssl"), "speed", "-seconds", "1", "-bytes", "8192", *kinds]
    check(record(command=command), report)


def test_sqlite3(report):
    check(record(command=[machine.require_program("sqlite3"), ":memory:", workloads.SQL]), report)


def test_git(scratch, report):
    workloads.git_repository(scratch)
    command = ["git", "-c", "pack.threads=1", "repack", "-q", "-a", "-d", "-f", "--window=250", "--depth=50"]
    check(record(command=command, cwd=scratch), report)


def test_xz(scratch, report):
    workloads.text_file(scratch / "text", megabytes=3)
    check(record(command=[machine.require_program("xz"), "-6", "-T1", scratch / "text"]), report)
