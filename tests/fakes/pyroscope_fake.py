#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Pyroscope's push endpoint on loopback, for tests.

    with FakePyroscope() as server:
        server.answer(503, Answer(429, retry_after=1), "close")     # then 200 for ever
        ... something pushes to server.url ...
        server.wait_for(lambda: len(server.delivered) == 2)
        assert server.violations == []

It reads a push as the real server does (Connect unary, application/proto, gzip or not, pb/push.proto) and keeps
everything. What is wrong with the exchange itself is in `violations`; what is wrong with the profiles is for
pprof_rules.check_series(server.series).

As a program it prints its URL, takes the answers from the command line, and saves what it gets.
"""

import argparse
import collections
import contextlib
import dataclasses
import gzip
import http.server
import json
import pathlib
import re
import signal
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from messages import message  # noqa: E402

PUSH_PATH = "/push.v1.PusherService/Push"
CODES = {
    400: "invalid_argument",
    401: "unauthenticated",
    408: "deadline_exceeded",
    429: "resource_exhausted",
    500: "unknown",
    503: "unavailable",
    504: "deadline_exceeded",
}


@dataclasses.dataclass(frozen=True)
class Answer:
    """What one request gets: an HTTP status, or "close", "reset" or "hang" instead of an answer."""

    what: object = 200
    retry_after: object = None  # the header's value: seconds, or a date
    words: str = "as the test asked"
    location: str = None  # where a redirect leads

    @classmethod
    def of(cls, given):
        """From an Answer, a status, a word, or text as "429:2", where 2 is the Retry-After."""
        if isinstance(given, Answer):
            return given
        what, _, after = str(given).partition(":")
        if what not in ("close", "reset", "hang"):
            what = int(what)
        return cls(what, retry_after=after or None)


@dataclasses.dataclass(frozen=True)
class Series:
    """One series of one push: labels as sent, and its profiles as bytes."""

    labels: tuple  # of (name, value)
    profiles: tuple  # of bytes

    @property
    def label(self):
        return dict(self.labels)

    @property
    def service(self):
        return self.label.get("service_name", "")


@dataclasses.dataclass(frozen=True)
class Request:
    """One request as it came, and what it got."""

    path: str
    headers: dict  # names in lower case
    body: bytes  # as on the wire
    series: tuple  # of Series; empty when the body is none
    connection: int  # number of the TCP connection, from 1
    wall_ns: int
    mono_ns: int
    answer: Answer


class _BadRequest(Exception):
    def __init__(self, status, words):
        super().__init__(words)
        self.status = status


def decode_push(headers, body):
    """The series of a request, or _BadRequest as the server would say it."""
    if headers.get("content-type") != "application/proto":
        raise _BadRequest(415, f"content type {headers.get('content-type')}")
    encoding = headers.get("content-encoding", "identity")
    if encoding not in ("identity", "gzip"):
        raise _BadRequest(400, f"content encoding {encoding}")
    try:
        raw = gzip.decompress(body) if encoding == "gzip" else body
    except (OSError, EOFError) as error:
        raise _BadRequest(400, f"gzip: {error}") from error
    request = message("push", "PushRequest")()
    try:
        request.ParseFromString(raw)
    except Exception as error:  # google.protobuf.message.DecodeError, or UnicodeDecodeError of old versions
        raise _BadRequest(400, f"protobuf: {error}") from error
    return tuple(
        Series(
            labels=tuple((pair.name, pair.value) for pair in series.labels),
            profiles=tuple(sample.raw_profile for sample in series.samples),
        )
        for series in request.series
    )


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body of an answer are two writes, and a test has better things to wait for than Nagle.
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.connection_number = self.server.fake._count_connection()

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/fake/answers":
            self.server.fake.answer(*json.loads(body))
            self._send(200, b"")
            return
        answer = self.server.fake._take(self, body)
        if answer.what == "hang":
            self.server.fake._stopped.wait()
        if isinstance(answer.what, int):
            self._send(answer.what, *self._make_body(answer))
            return
        if answer.what == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def do_GET(self):
        if self.path == "/fake/requests":
            text = json.dumps(self.server.fake.describe())
            self._send(200, text.encode(), {"Content-Type": "application/json"})
        else:
            self._send(404, b"")

    def _make_body(self, answer):
        headers = {}
        if answer.retry_after is not None:
            headers["Retry-After"] = str(answer.retry_after)
        if answer.location:
            headers["Location"] = answer.location
        if answer.what == 200:
            headers["Content-Type"] = "application/proto"
            return b"", headers
        headers["Content-Type"] = "application/json"
        text = json.dumps({"code": CODES.get(answer.what, "unknown"), "message": answer.words})
        return text.encode(), headers

    def _send(self, status, body, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # A client that goes away is part of the tests; anything else is a fault of this file.
        if not isinstance(sys.exc_info()[1], (ConnectionError, BrokenPipeError)):
            super().handle_error(request, client_address)


class FakePyroscope:
    """The server, in threads of the calling process. A context manager; every method is for any thread."""

    def __init__(self, port=0, prefix="", save=None):
        self.prefix = prefix
        self.save = pathlib.Path(save) if save else None
        self.requests = []
        self.violations = []
        self._answers = collections.deque()
        self._connections = 0
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        if self.save:
            self.save.mkdir(parents=True, exist_ok=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self):
        return self._server.server_address[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def answer(self, *answers):
        """The next requests get these, in order; those after them get 200."""
        with self._changed:
            self._answers.extend(Answer.of(answer) for answer in answers)

    @property
    def connections(self):
        return self._connections

    @property
    def delivered(self):
        """The requests that were answered with 200."""
        with self._changed:
            return [request for request in self.requests if request.answer.what == 200]

    @property
    def series(self):
        """Every series that was delivered, in order."""
        return [series for request in self.delivered for series in request.series]

    def wait_for(self, condition, timeout=60):
        """Returns when `condition()` holds; it is asked after each request. The timeout is for broken tests only."""
        end = time.monotonic() + timeout
        with self._changed:
            while not condition():
                left = end - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"waited {timeout} s; {len(self.requests)} requests came")
                self._changed.wait(left)

    def describe(self):
        """What came, in a form that JSON can hold."""
        with self._changed:
            return {
                "violations": list(self.violations),
                "requests": [
                    {
                        "path": request.path,
                        "headers": request.headers,
                        "bytes": len(request.body),
                        "wall_ns": request.wall_ns,
                        "answer": request.answer.what,
                        "series": [
                            {"labels": series.label, "profiles": [len(data) for data in series.profiles]}
                            for series in request.series
                        ],
                    }
                    for request in self.requests
                ],
            }

    def _count_connection(self):
        with self._changed:
            self._connections += 1
            return self._connections

    def _take(self, handler, body):
        headers = {name.lower(): value for name, value in handler.headers.items()}
        series, fault = (), None
        try:
            if handler.path != self.prefix + PUSH_PATH:
                raise _BadRequest(404, f"path {handler.path}")
            series = decode_push(headers, body)
        except _BadRequest as error:
            fault = error
        with self._changed:
            answer = self._answers.popleft() if self._answers else Answer()
            if fault:
                self.violations.append(str(fault))
                answer = Answer(fault.status, words=str(fault))
            request = Request(
                path=handler.path,
                headers=headers,
                body=body,
                series=series,
                connection=handler.connection_number,
                wall_ns=time.time_ns(),
                mono_ns=time.monotonic_ns(),
                answer=answer,
            )
            self.requests.append(request)
            self._save(len(self.requests), request)
            self._changed.notify_all()
        return answer

    def _save(self, number, request):
        if not self.save:
            return
        for i, series in enumerate(request.series):
            stem = f"{number:05}-{i:04}-{re.sub('[^A-Za-z0-9._-]', '_', series.service)}"
            (self.save / f"{stem}.json").write_text(json.dumps({"labels": series.label, "answer": request.answer.what}))
            for j, data in enumerate(series.profiles):
                (self.save / f"{stem}-{j}.pb").write_bytes(data)


def main():
    parser = argparse.ArgumentParser(description="A stand-in for Pyroscope's push endpoint.")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--answers", default="", help="200,429:2,500,503,400,close,reset,hang; then 200")
    parser.add_argument("--save", metavar="DIR", help="write every series as JSON and its profiles as pprof")
    options = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(FakePyroscope(options.port, save=options.save))
        server.answer(*filter(None, options.answers.split(",")))
        print(server.url, flush=True)
        stop.wait()
        json.dump(server.describe(), sys.stderr, indent=1)


if __name__ == "__main__":
    main()
