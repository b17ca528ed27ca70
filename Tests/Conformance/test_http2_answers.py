"""The answers of HTTP/2 upstreams, to clients of either version: never malformed, never whole-looking and cut."""

import pytest
from h2answers import ANSWERS, over_http1, over_http2, play
from h2judge import revive

from harness.gateway import route, settings
from harness.http2_ends import Client, Service, Upstream
from harness.recorder import Peer
from harness.wire import get, once


@pytest.fixture(scope="module")
def subject(shared_stage):
    with Upstream(play, lenient=True) as upstream:
        config = settings(upstream.address, clusters={"up": {"protocol": "http2"}})
        routes = [route("bad", "/a/{name}", retries=0, timeouts={"first_byte": "500ms", "stream_idle": "500ms"}), route()]
        yield shared_stage.gateway(config, routes), upstream


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
@pytest.mark.parametrize("ask", [over_http1, over_http2])
def test_answer(subject, answer, ask):
    gateway, upstream = subject
    revive(gateway)
    seen = ask(gateway.address, answer)
    wrong = seen.wrong(answer)
    assert not wrong, f"{wrong}; {seen}"
    # The next exchange is not touched, whatever became of the connection.
    fresh = once(gateway.address, get(f"/fresh/{answer}"))
    assert (fresh.status, fresh.body) == (200, f"/fresh/{answer}".encode())
    gateway.assert_alive()
    assert not upstream.violations, f"the upstream was sent what is malformed: {upstream.violations}"


def garbage(peer: Peer) -> None:
    """Speaks HTTP/1.1 to whoever comes."""
    peer.more()
    peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def noise(peer: Peer) -> None:
    peer.more()
    peer.send(bytes(range(256)) * 64)


@pytest.mark.parametrize("script", [garbage, noise, lambda peer: (peer.more(), peer.hold())], ids=["http1", "noise", "silence"])
def test_an_upstream_that_does_not_speak_http2(stage, script):
    backend = stage.backend(script)
    gateway = stage.gateway(settings(backend.address, clusters={"up": {"protocol": "http2"}}), [route(retries=0, timeouts={"first_byte": "700ms"})])
    for ask in (lambda: once(gateway.address, get("/")).status, lambda: Client(gateway.address).ask("/").status):
        assert ask() in (502, 504)


def test_a_first_frame_that_is_not_settings_is_refused(stage):
    def rude(service: Service) -> None:
        stream = service.read_head()
        service.answer(stream, b"hello")
        service.hold(2)

    with Upstream(rude, greet=False, lenient=True) as upstream:
        gateway = stage.gateway(settings(upstream.address, clusters={"up": {"protocol": "http2"}}), [route(retries=0)])
        assert once(gateway.address, get("/")).status == 502
