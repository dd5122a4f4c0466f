# SPDX-License-Identifier: Apache-2.0
"""What this machine is and has, and the one way to leave a test out for want of it."""

import os
import pathlib
import shutil

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("PPROFD_BUILD", ROOT / "build"))
TARGETS = BUILD / "targets"
PPROFD = pathlib.Path(os.environ.get("PPROFD", BUILD / "pprofd"))

# In CI everything that `make deps` installs and the kernel allows must be there.
STRICT = os.environ.get("PPROFD_CI_STRICT") == "1" or os.environ.get("CI") == "true"


def require(condition, reason, installable=True):
    """Skips, saying why, unless `condition`. In CI that is a failure, except for what no package can bring."""
    if condition:
        return
    if STRICT and installable:
        pytest.fail(f"this machine could run it but lacks: {reason}", pytrace=False)
    pytest.skip(reason)


def require_program(name):
    """The path of a program, or a skip."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    require(path is not None, f"{name} is not installed (make deps)")
    return path


def require_target(name):
    """The path of a program of tests/targets, or a skip."""
    path = TARGETS / name
    require(path.exists(), f"build/targets/{name} is not built (make targets; is its compiler installed?)")
    return path


def require_root():
    require(os.geteuid() == 0, "needs root")
    require(PPROFD.exists(), f"{PPROFD} is not built (make)")
