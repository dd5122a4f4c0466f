# SPDX-License-Identifier: Apache-2.0
"""`pprofd run`: what it really sends, and what it does when nobody listens."""

import contextlib
import re
import signal
import socket
import subprocess
import time

import pytest

import pprof_rules
from pprofd_e2e import machine, pprof, programs
from pyroscope_fake import FakePyroscope


class Agent:
    """`pprofd run` with windows of a second."""

    def __init__(self, scratch, *options):
        self.log = scratch / "pprofd.log"
        with open(self.log, "wb") as log:
            line = [str(machine.PPROFD), "run", "--window", "1s", *map(str, options)]
            self.process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def said(self):
        return self.log.read_text(errors="replace")

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(30)


@contextlib.contextmanager
def agent(scratch, *options):
    running = Agent(scratch, *options)
    try:
        programs.wait_until(lambda: "sampling" in running.said, "the agent does not begin")
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait()


@contextlib.contextmanager
def load():
    """Two services that are busy."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(programs.running([machine.require_target("plain"), "60"]))
        stack.enter_context(programs.running(["/usr/bin/python3", "-c", "while True: sorted(range(999))"]))
        yield


def of_service(server, name):
    return [series for series in server.series if series.service == name]


def profiles(series):
    return [pprof.Profile(data) for data in series.profiles]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_sent_keeps_every_rule(number, scratch, report):
    with FakePyroscope() as server, load():
        with agent(scratch, "--pyroscope-url", server.url, "--label", "env=test") as running:
            server.wait_for(lambda: len(of_service(server, "plain")) >= 4)
            time.sleep(0.5)  # into the window that will be cut short
            before, stopped_wall_ns = len(server.series), time.time_ns()
            status = running.stop(number)
        plain = of_service(server, "plain")
        labels = [series.label for series in plain]
        stacks = [stack for series in plain for profile in profiles(series) for stack in profile.stacks]
        hot = sum(stack.count for stack in stacks if stack.names[:1] == ("hot",))

        report(f"{len(server.series)} profiles of {len({s.service for s in server.series})} services")
        assert status == 0, running.said
        assert server.violations == []
        assert pprof_rules.check_series(server.series) == []
        assert all(label["host"] == socket.gethostname() and label["env"] == "test" for label in labels)
        assert {label["__name__"] for label in labels} == {"process_cpu"}
        assert any(series.service.startswith("python3") for series in server.series)
        assert hot >= 0.95 * sum(stack.count for stack in stacks)
        # The window that the signal cut short was sent too.
        assert len(server.series) > before
        last = max(profile.pb.time_nanos + profile.pb.duration_nanos for profile in profiles(plain[-1]))
        assert last > stopped_wall_ns - 100_000_000, "the last half second is missing"


def windows_of(server, name):
    """The profiles of a service by the time they begin."""
    every = [profile.pb for series in of_service(server, name) for profile in profiles(series)]
    return sorted(every, key=lambda pb: pb.time_nanos)


def check_no_gap(windows):
    for one, next_one in zip(windows, windows[1:]):
        gap_ns = next_one.time_nanos - one.time_nanos - one.duration_nanos
        assert abs(gap_ns) < 100_000_000, f"{gap_ns} ns between two windows of {one.duration_nanos} ns"


def test_windows_follow_each_other_without_gap_or_overlap(scratch):
    with FakePyroscope() as server, load():
        with agent(scratch, "--pyroscope-url", server.url):
            server.wait_for(lambda: len(of_service(server, "plain")) >= 5)
        check_no_gap(windows_of(server, "plain"))


def closed_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_a_dead_endpoint_is_logged_once_and_loses_nothing_when_it_comes_back(scratch):
    port = closed_port()
    with load(), agent(scratch, "--pyroscope-url", f"http://127.0.0.1:{port}") as running:
        time.sleep(5)  # windows enough for more than one complaint
        complaints = [line for line in running.said.splitlines() if re.search(r"connect|deliver", line)]
        assert len(complaints) == 1, running.said
        with FakePyroscope(port=port) as server:
            server.wait_for(lambda: len(of_service(server, "plain")) >= 6)
            assert running.stop() == 0, running.said
        assert pprof_rules.check_series(server.series) == []
        windows = windows_of(server, "plain")
        assert windows[-1].time_nanos - windows[0].time_nanos >= 5_000_000_000, "what came before the server is missing"
        check_no_gap(windows)


def test_without_a_url_windows_become_files(scratch):
    out = scratch / "profiles"
    with load(), agent(scratch, "--output", out) as running:
        programs.wait_until(lambda: len(list(out.glob("plain*.pb.gz"))) >= 3, "no files")
        assert running.stop() == 0, running.said
    files = sorted(out.glob("*.pb.gz"))
    plain = [pprof.Profile.load(path) for path in files if path.name.startswith("plain")]

    assert str(out) in running.said
    assert [fault for path in files for fault in pprof_rules.check_profile(path.read_bytes())] == []
    assert all(profile.main_module == "plain" for profile in plain)
    assert any(profile.with_frame("large_frame") for profile in plain)
