# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests. What a test measures is printed below the results: the `report` fixture."""

import os
import pathlib
import platform
import shutil
import sys
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "fakes")]

from pprofd_e2e import machine  # noqa: E402

LINES = pytest.StashKey()


def pytest_configure(config):
    config.stash[LINES] = []


def pytest_report_header():
    strict = " (strict: a skip that this machine could have run fails)" if machine.STRICT else ""
    return f"Linux {platform.release()}, {os.cpu_count()} CPUs, {machine.PPROFD}{strict}"


def pytest_terminal_summary(terminalreporter, config):
    if config.stash[LINES]:
        terminalreporter.section("measured")
        for line in config.stash[LINES]:
            terminalreporter.write_line(line)


@pytest.fixture
def report(request):
    """report(text): a line of the summary, for figures that people want to see."""
    return lambda text: request.config.stash[LINES].append(f"{request.node.name}: {text}")


@pytest.fixture
def scratch():
    """A directory that any user may read, gone after the test."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="pprofd-e2e."))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session", autouse=True)
def _everything_is_built():
    machine.require_root()
