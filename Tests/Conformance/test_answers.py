"""The answer corpus: an upstream that lies, dies, stalls or babbles never makes a whole-looking answer."""

import pytest
from answers import ANSWERS

from harness.gateway import route, settings
from harness.recorder import Peer, respond
from harness.wire import Wire, get, once

BY_NAME = {str(answer): answer for answer in ANSWERS}


def upstream(peer: Peer) -> None:
    """Answers `/a/NAME` as the table says, and anything else properly with its own target."""
    while True:
        message = peer.read_request()
        name = message.target.removeprefix("/a/")
        if name not in BY_NAME:
            peer.send(respond("200 OK", message.target.encode()))
            continue
        BY_NAME[name].play(peer)
        if BY_NAME[name].then != "keep":
            return


@pytest.fixture(scope="module")
def subject(shared_stage):
    backend = shared_stage.backend(upstream)
    patient = route(retries=0, timeouts={"first_byte": "500ms", "stream_idle": "500ms"})
    return shared_stage.gateway(settings(backend.address), [patient]), backend


def seen(answer, reply) -> str:
    """One of the words of `Answer.ends` for what the client saw."""
    if reply.end == "complete" and reply.status in (502, 504) and reply.field("content-type") == "application/problem+json":
        return str(reply.status)
    if reply.end == "complete":
        return "pass"
    return "abort" if reply.end == "aborted" else reply.end


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_answer(subject, answer):
    gateway, _ = subject
    with Wire(gateway.address, timeout=5) as wire:
        reply = wire.ask(get(f"/a/{answer}", method=answer.method))
        end = seen(answer, reply)
        assert end in answer.ends.split("|"), f"{reply.end} {reply.status} {reply.why} {reply.raw[:200]!r}"
        if end == "pass":
            assert (reply.status, reply.body) == (answer.status, answer.body)
            assert not [name for name in answer.absent if reply.message.all(name)]
        if end == "abort":
            # What did arrive is a true prefix.
            assert (answer.body or b"").startswith(reply.body)
            assert wire.ended
        else:
            # The client's connection is either closed or clean.
            after = wire.ask(get(f"/after/{answer}"))
            assert after.end == "none" or after.body == f"/after/{answer}".encode(), after.raw[:200]
    fresh = once(gateway.address, get(f"/fresh/{answer}"))
    assert (fresh.status, fresh.body) == (200, f"/fresh/{answer}".encode())
    gateway.assert_alive()


@pytest.mark.parametrize("status", ["502", "504"])
def test_failures_are_problem_documents_with_proxy_status(subject, status):
    gateway, _ = subject
    reply = once(gateway.address, get("/a/head-garbage" if status == "502" else "/a/head-stall-before"))
    assert reply.status == int(status)
    assert reply.field("content-type") == "application/problem+json"
    assert (reply.field("proxy-status") or "").startswith("nexus-gateway; error=")
    if status == "504":
        assert "http_response_timeout" in (reply.field("proxy-status") or "")


def test_a_flood_of_answers_does_not_grow_memory(subject):
    gateway, _ = subject
    before = gateway.rss()
    for name in ("1xx-flood", "head-endless-field", "head-endless-fields"):
        for _ in range(5):
            assert once(gateway.address, get(f"/a/{name}")).status == 502
    assert gateway.rss() - before < 8 << 20
