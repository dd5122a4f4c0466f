# SPDX-License-Identifier: Apache-2.0
"""`pprofd check`: what this machine allows, and what is missing."""

import re
import shutil
import subprocess

from pprofd_e2e import machine

NOBODY = 65534


def check(*prefix, binary=None):
    line = [*prefix, str(binary or machine.PPROFD), "check"]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def rows(text):
    """The table: [(verdict, line)]."""
    found = []
    for line in text.splitlines():
        verdict = re.search(r"\b(ok|warn|fail)\b", line)
        if verdict:
            found.append((verdict.group(1), line))
    return found


def test_root_can_run():
    done = check()
    table = rows(done.stdout)

    assert done.returncode == 0, done.stdout + done.stderr
    assert not [line for verdict, line in table if verdict == "fail"]
    for subject in ("kernel", "BTF", "lockdown", "capabilit", "PID namespace", "cgroup", "perf"):
        assert re.search(subject, done.stdout, re.I), f"nothing about {subject}:\n{done.stdout}"


def test_a_user_without_privileges_is_told_which_are_missing(scratch):
    setpriv = machine.require_program("setpriv")
    binary = shutil.copy(machine.PPROFD, scratch / "pprofd")
    done = check(setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", binary=binary)
    failed = "\n".join(line for verdict, line in rows(done.stdout) if verdict == "fail")

    assert done.returncode != 0, done.stdout
    assert "CAP_BPF" in failed and "CAP_PERFMON" in failed, done.stdout + done.stderr


def test_the_capabilities_that_check_asks_for_suffice(scratch):
    """Not root: a user with just the capabilities of the remedy records another user's process."""
    setpriv = machine.require_program("setpriv")
    binary = shutil.copy(machine.PPROFD, scratch / "pprofd")
    names = "bpf perfmon sys_ptrace dac_read_search checkpoint_restore syslog".split()
    caps = ",".join(f"+{name}" for name in names)
    user = [setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    user += [f"--{which}=-all,{caps}" for which in ("inh-caps", "ambient-caps", "bounding-set")]
    done = check(*user, binary=binary)

    assert done.returncode == 0, done.stdout + done.stderr
    scratch.chmod(0o777)
    program = machine.require_target("plain")
    target = subprocess.Popen([program, "20"], stdout=subprocess.DEVNULL)
    try:
        line = [*user, str(binary), "record", "-p", str(target.pid), "-d", "2", "-F", "999"]
        line += ["-o", str(scratch / "out.pb.gz")]
        recorded = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    finally:
        target.kill()
        target.wait()
    assert recorded.returncode == 0, recorded.stderr

    from pprofd_e2e import pprof

    profile = pprof.Profile.load(scratch / "out.pb.gz")
    assert sum(stack.count for stack in profile.with_frame("large_frame")) >= 0.95 * profile.samples, profile.flat()
