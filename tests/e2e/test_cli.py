# SPDX-License-Identifier: Apache-2.0
"""What people meet first: help, mistakes, and things that cannot be. Each mistake is one clear line and a status."""

import os
import pty
import re
import select
import signal
import stat
import subprocess
import time

import pytest

from pprofd_e2e import machine, pprof, programs

FAILED, USAGE = 1, 2
BUSY = ["sh", "-c", "while :; do :; done"]
BUSY_SHELL = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
NO_SUCH_PID = 4194304  # PID_MAX_LIMIT of 64-bit kernels: one more than the highest


def pprofd(*args, env=None, timeout=60, **more):
    environment = {**os.environ, **(env or {})}
    line = [str(machine.PPROFD), *[str(arg) for arg in args]]
    return subprocess.run(line, capture_output=True, text=True, timeout=timeout, env=environment, check=False, **more)


def the_line(done):
    """The one line on standard error."""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("pprofd: error: "), done.stderr
    assert not done.stdout
    return lines[0]


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["help"], ["record", "--help"], ["run", "-h"], ["help", "check"]])
def test_help_is_on_standard_output(args):
    done = pprofd(*args, env={"PPROFD_HZ": "nonsense"})

    assert done.returncode == 0
    assert done.stdout.startswith("Usage: pprofd ")
    assert not done.stderr
    assert max(len(line) for line in done.stdout.splitlines()) <= 105


def test_version():
    assert re.fullmatch(r"pprofd \d+\.\d+\.\d+\n", pprofd("--version").stdout)


def test_without_a_command_it_shows_the_commands():
    done = pprofd()

    assert done.returncode == USAGE
    assert "record" in done.stderr and "run" in done.stderr and "check" in done.stderr


@pytest.mark.parametrize(
    "args, words",
    [
        (["profile"], ['unknown command "profile"', "--help"]),
        (["--frequency"], ['unknown option "--frequency"', "--help"]),
        (["record"], ["what to record", "-p", "-a", "COMMAND"]),
        (["record", "-a", "-p", "1"], ["what to record"]),
        (["record", "-a", "--frequency", "99"], ["--frequency", "record --help"]),
        (["record", "-a", "-F", "0"], ["--hz", '"0"', "from 1 to 10000"]),
        (["record", "-a", "-F"], ["--hz", "from 1 to 10000"]),
        (["record", "-a", "-d", "soon"], ["--duration", '"soon"', "15s"]),
        (["record", "-a", "--format", "svg"], ["--format", '"svg"', "pprof, folded"]),
        (["record", "-p", "self"], ["--pid", '"self"', "whole numbers"]),
        (["record", "-a", "-o", ""], ["--output", "one character"]),
        (["run", "--window", "5ms"], ["--window", '"5ms"', "from 1s to 1h"]),
        (["run", "--output-max", "lots"], ["--output-max", '"lots"', "64MiB"]),
        (["run", "--label", "service_name=x"], ["--label", "service_name"]),
        (["run", "extra"], ["extra"]),
        (["check", "-a"], ["-a", "check --help"]),
    ],
)
def test_a_mistake_on_the_command_line_says_what_is_allowed(args, words):
    done = pprofd(*args)
    line = the_line(done)

    assert done.returncode == USAGE
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    "variable, value, args, words",
    [
        ("PPROFD_HZ", "many", ["record", "-a"], ['"many"', "from 1 to 10000"]),
        ("PPROFD_WINDOW", "0", ["run"], ['"0"', "from 1s to 1h"]),
        ("PPROFD_LOG_LEVEL", "loud", ["check"], ['"loud"', "error, warning, info, debug"]),
        ("PPROFD_LABELS", "a=b,c", ["run"], ["a=b,c", "NAME=VALUE"]),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(variable, value, args, words):
    done = pprofd(*args, env={variable: value})
    line = the_line(done)

    assert done.returncode == USAGE
    assert all(word in line for word in [variable, *words]), line


def test_variables_that_kubernetes_sets_for_a_service_are_no_options(scratch):
    env = {"PPROFD_PORT": "tcp://10.0.0.1:6060", "PPROFD_SERVICE_HOST": "10.0.0.1"}
    done = pprofd("record", "-a", "-d", "0.2", "-o", scratch / "out.pb.gz", env=env)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("pid", [NO_SUCH_PID, 99999999])
def test_a_process_that_does_not_exist(scratch, pid):
    done = pprofd("record", "-p", pid, "-d", "1", "-o", scratch / "out.pb.gz")

    assert done.returncode == FAILED
    assert the_line(done) == f"pprofd: error: there is no process {pid}"
    assert not list(scratch.iterdir())


def test_a_command_that_outlives_the_recording_is_ended(scratch):
    done = pprofd("record", "-d", "1", "-o", scratch / "out.pb.gz", "--", "sleep", "600")

    assert done.returncode == 0, done.stderr
    assert "sleep still runs and is asked to end" in done.stderr
    # Its standard streams are ours: they would not have been closed while it lives.
    assert done.stdout == ""


def test_a_thread_is_not_a_process(scratch):
    program = "import threading,time; threading.Thread(target=time.sleep,args=(30,)).start()"
    target = subprocess.Popen(["/usr/bin/python3", "-c", program])
    try:
        threads = []
        deadline = time.monotonic() + 20
        while not threads and time.monotonic() < deadline:
            threads = [tid for tid in os.listdir(f"/proc/{target.pid}/task") if int(tid) != target.pid]
        done = pprofd("record", "-p", threads[0], "-d", "1", "-o", scratch / "out.pb.gz")
    finally:
        target.kill()
        target.wait()

    assert done.returncode == FAILED
    assert f"thread of process {target.pid}" in the_line(done)


@pytest.mark.parametrize("name, why", [("nowhere/out", "No such file"), ("a-file/out", "Not a directory"), ("", "Is a directory")])
def test_a_file_that_cannot_be_written_is_refused_before_sampling(scratch, name, why):
    (scratch / "a-file").write_text("")
    began = time.monotonic()
    done = pprofd("record", "-a", "-d", "600", "-o", scratch / name)

    assert done.returncode == FAILED
    assert f"cannot write {scratch / name}: {why}" in the_line(done)
    assert time.monotonic() - began < 300, "it sampled first"


def test_a_directory_that_cannot_be_written(scratch):
    (scratch / "file").write_text("")
    done = pprofd("run", "--output", scratch / "file")

    assert done.returncode == FAILED
    assert "--output" in the_line(done)


@pytest.mark.parametrize("url", ["pyroscope:4040", "ftp://pyroscope", "http://"])
def test_a_url_that_is_none(url):
    done = pprofd("run", "--pyroscope-url", url)

    assert done.returncode == FAILED
    assert url in the_line(done)


def test_without_privileges_it_says_which_are_missing(scratch):
    setpriv = machine.require_program("setpriv")
    scratch.chmod(0o777)
    user = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
    line = [*user, str(machine.PPROFD), "record", "-a", "-d", "1", "-o", str(scratch / "out.pb.gz")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == FAILED
    assert "CAP_BPF and CAP_PERFMON" in the_line(done)
    assert "pprofd check" in the_line(done)
    assert not list(scratch.iterdir())


@pytest.mark.parametrize("command, why", [("/nonexistent/program", "No such file"), ("/etc/passwd", "Permission denied")])
def test_a_command_that_cannot_be_run(scratch, command, why):
    done = pprofd("record", "-o", scratch / "out.pb.gz", "--", command)

    assert done.returncode == FAILED
    assert f"cannot run {command}: {why}" in the_line(done)
    assert not list(scratch.iterdir())


def test_an_event_that_no_machine_has(scratch):
    done = pprofd("record", "-a", "-e", "bogus", "-d", "1", "-o", scratch / "out.pb.gz")

    assert done.returncode == FAILED
    assert '"bogus"' in the_line(done) and "cpu-clock" in the_line(done)


def test_the_status_of_the_command_is_told_and_is_not_ours(scratch):
    done = pprofd("record", "-o", scratch / "out.pb.gz", "--", "sh", "-c", "exit 7")

    assert done.returncode == 0
    assert "sh exited with status 7" in done.stderr
    assert pprof.Profile.load(scratch / "out.pb.gz") is not None


def test_the_command_has_its_own_standard_streams(scratch):
    done = pprofd("record", "-o", scratch / "out.pb.gz", "--", "sh", "-c", "cat; echo said >&2", input="given")

    assert done.stdout == "given"
    assert "said\n" in done.stderr


def test_folded_stacks_go_to_standard_output(scratch):
    done = pprofd("record", "-F", "999", "-o", "-", "--format", "folded", "--", "sh", "-c", BUSY_SHELL, cwd=scratch)

    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert all(re.fullmatch(r".+ [1-9]\d*", line) for line in done.stdout.splitlines()), done.stdout
    assert not list(scratch.iterdir())


def test_a_device_is_written_to_and_stays_a_device(scratch):
    device = scratch / "null"
    os.mknod(device, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    done = pprofd("record", "-a", "-d", "0.2", "-o", device)

    assert done.returncode == 0, done.stderr
    assert stat.S_ISCHR(device.stat().st_mode)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_early_and_still_writes(scratch, number):
    out = scratch / "out.pb.gz"
    with programs.running(BUSY) as target:
        line = [str(machine.PPROFD), "record", "-p", str(target.pid), "-F", "999", "-d", "600", "-o", str(out)]
        recorder = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
        time.sleep(2)
        recorder.send_signal(number)
        _, errors = recorder.communicate(timeout=60)

    assert recorder.returncode == 0, errors
    assert pprof.Profile.load(out).samples > 0


def test_the_exit_of_the_process_ends_it(scratch):
    out = scratch / "out.pb.gz"
    with programs.running(BUSY) as target:
        line = [str(machine.PPROFD), "record", "-p", str(target.pid), "-F", "999", "-d", "600", "-o", str(out)]
        recorder = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
        time.sleep(2)
        target.kill()
        target.wait()
        _, errors = recorder.communicate(timeout=60)

    assert recorder.returncode == 0, errors
    assert pprof.Profile.load(out).samples > 0


def test_a_terminal_gets_one_line_that_moves(scratch):
    primary, secondary = pty.openpty()
    line = [str(machine.PPROFD), "record", "-a", "-F", "99", "-d", "2", "-o", str(scratch / "out.pb.gz")]
    recorder = subprocess.Popen(line, stderr=secondary, stdout=subprocess.DEVNULL)
    os.close(secondary)
    text = read_all(primary)
    recorder.wait(timeout=60)
    before_summary, summary = text.split("pprofd: recorded", 1)

    assert recorder.returncode == 0, text
    assert before_summary.count("\r\x1b[K") >= 3
    assert "% complete user stacks; Ctrl-C ends and writes" in before_summary
    assert "\n" not in before_summary
    assert "samples" in summary and "lost" in summary


def test_a_pipe_gets_no_line_that_moves(scratch):
    done = pprofd("record", "-a", "-d", "1", "-o", scratch / "out.pb.gz")

    assert "\r" not in done.stderr and "\x1b" not in done.stderr
    assert re.search(r"recorded [\d,]+ samples, [\d,]+ lost, [\d.]+ % complete user stacks in [\d.]+ s", done.stderr)
    assert f"go tool pprof -http=: {scratch / 'out.pb.gz'}" in done.stderr


def read_all(fd):
    """What comes out of a terminal until its other side is closed."""
    text = b""
    while select.select([fd], [], [], 60)[0]:
        try:
            piece = os.read(fd, 65536)
        except OSError:
            break
        if not piece:
            break
        text += piece
    os.close(fd)
    return text.decode()
