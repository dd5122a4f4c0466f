# SPDX-License-Identifier: Apache-2.0
"""push_driver.c as an object: a pusher in a process of its own."""

import json
import subprocess

from pprofd_e2e import machine

HOUR_MS = 3600 * 1000


class PushDriver:
    """A context manager; leaving it waits until the pusher is freed and fails if that did not go well."""

    def __init__(self, url, timeout_ms=20000, backoff_ms=(1, 5), retries=10, queue_bytes=1 << 24):
        program = machine.BUILD / "tests/e2e/push_driver"
        machine.require(program.exists(), f"{program} is not built (make test-e2e)")
        numbers = (timeout_ms, *backoff_ms, retries, queue_bytes)
        self._process = subprocess.Popen(
            [program, url, *map(str, numbers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._read() == ["new", "0"]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self._process.stdin.close()
        status = self._process.wait(timeout=60)
        self._process.stdout.close()
        assert kind or status == 0

    def _read(self):
        return self._process.stdout.readline().strip().split(maxsplit=1)

    def _ask(self, *words):
        print(*words, file=self._process.stdin, flush=True)
        answer = self._read()
        assert answer, f"the driver died at {words}"
        return answer[1]

    def push(self, service="made", samples=3):
        """The size of the body that was pushed."""
        err, size = self._ask("push", service, samples).split()
        assert err == "0"
        return int(size)

    def flush(self, ms=60000):
        """0 or a negative errno."""
        return int(self._ask("flush", ms))

    def wait_event(self, ms=60000):
        """True when the event descriptor became readable."""
        return self._ask("event", ms) == "1"

    @property
    def stats(self):
        return json.loads(self._ask("stats"))

    def counts(self):
        """The stats that are not 0, without the error."""
        return {name: value for name, value in self.stats.items() if value and name != "error"}

    def write(self, form, path, samples):
        """`form`: "pprof" or "folded"."""
        assert self._ask(form, path, samples) == "0"
