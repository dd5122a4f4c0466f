# SPDX-License-Identifier: Apache-2.0
"""The pusher against a server that answers well, badly, late, or not at all."""

import base64
import errno
import socket
import sys

import pytest

from pprofd_e2e import machine
from pprof_rules import check_series, decode
from push_driver import HOUR_MS, PushDriver

sys.path.insert(0, str(machine.ROOT / "tests/fakes"))

from pyroscope_fake import Answer, FakePyroscope  # noqa: E402


@pytest.fixture
def server():
    with FakePyroscope() as server:
        yield server
    assert server.violations == []


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def services(requests):
    return [series.service for request in requests for series in request.series]


def test_what_is_pushed_arrives_whole_in_order_on_one_connection(server):
    with PushDriver(server.url) as pusher:
        for i in range(20):
            pusher.push(f"service-{i}", samples=i + 1)
        assert pusher.flush() == 0
        assert pusher.counts() == {"delivered": 20}
        assert pusher.stats["error"] == ""
        assert not pusher.wait_event(0)
    assert services(server.delivered) == [f"service-{i}" for i in range(20)]
    assert check_series(server.series) == []
    assert server.connections == 1
    for i, series in enumerate(server.series):
        profile, _ = decode(series.profiles[0])
        assert len(profile.sample) == i + 1
        assert sum(sample.value[0] for sample in profile.sample) == sum(j % 9 + 1 for j in range(i + 1))


def test_the_request_is_what_the_server_documents(server):
    with PushDriver(server.url) as pusher:
        # More than a megabyte: what curl would ask about before it sends it.
        size = pusher.push(samples=120000)
        assert size > 1 << 20
        assert pusher.flush() == 0
    request = server.requests[0]
    assert len(request.body) == size == int(request.headers["content-length"])
    assert request.headers["content-type"] == "application/proto"
    assert request.headers["content-encoding"] == "gzip"
    assert request.headers["connect-protocol-version"] == "1"
    assert request.headers["user-agent"].startswith("pprofd/")
    assert "expect" not in request.headers
    assert "transfer-encoding" not in request.headers


@pytest.mark.parametrize("answer", [408, 429, 500, 502, 503, 504, "close", "reset"])
def test_what_may_pass_is_tried_again_with_the_same_bytes(server, answer):
    server.answer(answer, answer)
    with PushDriver(server.url) as pusher:
        pusher.push("first")
        pusher.push("second")
        assert pusher.flush() == 0
        assert pusher.counts() == {"delivered": 2, "retried": 2}
        assert pusher.stats["error"] == ""
    assert services(server.requests) == ["first"] * 3 + ["second"]
    assert len({request.body for request in server.requests}) == 2


@pytest.mark.parametrize("answer", [400, 401, 403, 404, 413, 415, 422])
def test_what_is_rejected_is_dropped_with_the_servers_words(server, answer):
    server.answer(Answer(answer, words="profile too large for \"limits\""))
    with PushDriver(server.url) as pusher:
        pusher.push("bad")
        assert pusher.wait_event()
        stats = pusher.stats
        assert stats["rejected"] == 1 and stats["retried"] == 0 and stats["queued"] == 0
        assert f"HTTP {answer}" in stats["error"]
        assert "profile too large" in stats["error"]
        assert f"127.0.0.1:{server.port}" in stats["error"]
        pusher.push("good")
        assert pusher.flush() == 0
        assert pusher.counts() == {"delivered": 1, "rejected": 1}
        assert pusher.stats["error"] == ""
    assert services(server.requests) == ["bad", "good"]


def test_a_redirect_is_not_followed(server):
    server.answer(Answer(301, location=server.url + "/elsewhere"))
    with PushDriver(server.url) as pusher:
        pusher.push()
        assert pusher.flush() == 0
        assert pusher.counts() == {"rejected": 1}
    assert len(server.requests) == 1


def test_retries_end_and_what_comes_next_goes_on(server):
    server.answer(*[503] * 3)
    with PushDriver(server.url, retries=2) as pusher:
        pusher.push("lost")
        pusher.push("kept")
        assert pusher.flush() == 0
        assert pusher.counts() == {"delivered": 1, "retried": 2, "exhausted": 1}
    assert services(server.requests) == ["lost"] * 3 + ["kept"]


def test_the_server_is_given_the_time_it_asks_for(server):
    server.answer("429:1", Answer(503, retry_after="Thu, 01 Jan 1970 00:00:00 GMT"))
    with PushDriver(server.url) as pusher:
        pusher.push()
        assert pusher.flush() == 0
        assert pusher.counts() == {"delivered": 1, "retried": 2}
    first, second, _ = server.requests
    assert second.mono_ns - first.mono_ns >= 10**9


def test_flushing_does_not_wait_for_a_backoff(server):
    server.answer(503)
    with PushDriver(server.url, backoff_ms=(HOUR_MS, HOUR_MS)) as pusher:
        pusher.push()
        assert pusher.wait_event()
        assert "HTTP 503" in pusher.stats["error"]
        assert pusher.flush() == 0
        assert pusher.counts() == {"delivered": 1, "retried": 1}


def test_flushing_does_not_hurry_a_server_that_asked_to_wait(server):
    server.answer("429:3600")
    with PushDriver(server.url) as pusher:
        pusher.push()
        assert pusher.wait_event()
        size = pusher.stats["bytes"]
        assert size > 0
        assert pusher.flush(50) == -errno.ETIMEDOUT
        assert pusher.counts() == {"queued": 1, "bytes": size}
    assert len(server.requests) == 1


def test_a_server_that_hangs_costs_the_timeout(server):
    server.answer("hang")
    with PushDriver(server.url, timeout_ms=200) as pusher:
        pusher.push()
        assert pusher.wait_event()
        # By then the next attempt may be done.
        assert pusher.flush() == 0
        assert pusher.counts() == {"delivered": 1, "retried": 1}
    first, second = server.requests
    assert second.mono_ns - first.mono_ns >= 150 * 10**6


def test_the_words_of_a_timeout_say_so(server):
    server.answer("hang")
    with PushDriver(server.url, timeout_ms=200, backoff_ms=(HOUR_MS, HOUR_MS)) as pusher:
        pusher.push()
        assert pusher.wait_event()
        assert "timed out" in pusher.stats["error"]


def test_freeing_breaks_off_a_request_that_hangs(server):
    server.answer("hang")
    with PushDriver(server.url, timeout_ms=HOUR_MS) as pusher:
        pusher.push()
        server.wait_for(lambda: server.requests)


def test_a_dead_endpoint_costs_the_bound_and_its_return_is_noticed():
    port = free_port()
    with PushDriver(f"http://127.0.0.1:{port}", backoff_ms=(20, 50), retries=10**6, queue_bytes=2000) as pusher:
        size = pusher.push("service-00")
        kept = 2000 // size
        assert pusher.wait_event()
        assert "onnect" in pusher.stats["error"]
        assert f"127.0.0.1:{port}" in pusher.stats["error"]
        assert pusher.stats["queued"] == 1
        for i in range(1, kept + 5):
            pusher.push(f"service-{i:02}")
        assert pusher.wait_event()
        stats = pusher.stats
        assert stats["bytes"] <= 2000
        assert stats["overflowed"] >= 4
        assert stats["queued"] + stats["overflowed"] == kept + 5
        with FakePyroscope(port) as server:
            assert pusher.wait_event()
            assert pusher.flush() == 0
            stats = pusher.stats
            assert stats["error"] == ""
            assert stats["delivered"] + stats["overflowed"] == kept + 5
            got = services(server.delivered)
        # The newest, in order.
        assert got == [f"service-{i:02}" for i in range(kept + 5)][-len(got) :]
        assert server.violations == []


def test_a_steady_failure_signals_once(server):
    server.answer(*[503] * 5, "hang")
    with PushDriver(server.url, timeout_ms=HOUR_MS, retries=100) as pusher:
        pusher.push()
        assert pusher.wait_event()
        assert "HTTP 503" in pusher.stats["error"]
        server.wait_for(lambda: len(server.requests) == 6)
        assert not pusher.wait_event(0)
        assert pusher.stats["retried"] == 5


def test_every_blob_and_every_attempt_is_accounted_for(server):
    server.answer(*[200, 400, 503, 500, 500, 500, 429, 422, 200, 503, 503, 503, 404] * 4)
    with PushDriver(server.url, retries=2) as pusher:
        for i in range(60):
            pusher.push(f"service-{i}")
        assert pusher.flush() == 0
        stats = pusher.stats
        assert stats["delivered"] + stats["rejected"] + stats["exhausted"] == 60
        assert stats["queued"] == stats["bytes"] == stats["overflowed"] == 0
    assert stats["exhausted"] > 0
    assert stats["delivered"] == len(server.delivered)
    assert stats["rejected"] == sum(request.answer.what in (400, 404, 422) for request in server.requests)
    assert len(server.requests) == 60 + stats["retried"]


def test_every_blob_is_accounted_for_when_the_queue_overflows(server):
    server.answer(*[200, 400, 503, "close", 500, 500, 500, 429, "reset", 200, 503, 503, 503, 404] * 4)
    with PushDriver(server.url, retries=2, queue_bytes=1500) as pusher:
        for i in range(60):
            pusher.push(f"service-{i}")
        assert pusher.flush() == 0
        stats = pusher.stats
        assert stats["delivered"] + stats["rejected"] + stats["exhausted"] + stats["overflowed"] == 60
        assert stats["queued"] == stats["bytes"] == 0
    assert stats["overflowed"] > 0
    assert stats["delivered"] == len(server.delivered)


def test_the_password_is_sent_and_not_told():
    with FakePyroscope(prefix="/tenant") as server:
        server.answer(401)
        url = server.url.replace("http://", "http://agent:secret-word@") + "/"
        with PushDriver(url) as pusher:
            pusher.push()
            assert pusher.flush() == 0
            error = pusher.stats["error"]
        assert "HTTP 401" in error
        assert "secret-word" not in error and "agent" not in error
        assert server.requests[0].path == "/tenant/push.v1.PusherService/Push"
        word = base64.b64encode(b"agent:secret-word").decode()
        assert server.requests[0].headers["authorization"] == f"Basic {word}"
        assert server.violations == []


def test_a_profile_beyond_the_limits_arrives_in_pieces(server):
    with PushDriver(server.url) as pusher:
        pusher.push("large", samples=40000)
        assert pusher.flush() == 0
        assert pusher.counts() == {"delivered": 1}
    assert check_series(server.series) == []
    (series,) = server.series
    profiles = [decode(data)[0] for data in series.profiles]
    assert len(profiles) >= 3
    times = [profile.time_nanos for profile in profiles]
    assert times == list(range(times[0], times[0] + len(times)))
    assert sum(len(profile.sample) for profile in profiles) == 40000
    total = sum(sample.value[0] for profile in profiles for sample in profile.sample)
    assert total == sum(i % 9 + 1 for i in range(40000))
