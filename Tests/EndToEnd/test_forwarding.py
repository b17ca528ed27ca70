"""What the upstream is told: who asked, over what, in which trace; and what routes rewrite."""

import re

import pytest

from harness.gateway import listener, route, settings
from harness.recorder import respond
from harness.wire import get, once

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(scope="module")
def plain(shared_stage):
    backend = shared_stage.backend()
    return shared_stage.gateway(settings(backend.address)), backend


@pytest.fixture(scope="module")
def behind(shared_stage):
    """Trusts 127.0.0.0/8 as proxies."""
    backend = shared_stage.backend()
    public = listener(trusted_proxies=["127.0.0.0/8"])
    return shared_stage.gateway(settings(backend.address, listeners=[public])), backend


def forwarded(subject, *fields: str, target: str = "/x", host: str = "shop.example"):
    gateway, backend = subject
    reply = once(gateway.address, get(target, *fields, host=host))
    assert reply.status == 200, reply.raw[:300]
    return backend.requests[-1], reply


def test_the_client_is_named(plain):
    message, _ = forwarded(plain)
    assert message.all("x-forwarded-for") == ["127.0.0.1"]
    assert message.all("x-forwarded-proto") == ["http"]
    assert message.all("x-forwarded-host") in (["shop.example"], [])
    assert message.all("host") == ["shop.example"]


def test_strangers_are_not_believed(plain):
    lies = ("X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example", "X-Forwarded-Port: 666", "Forwarded: for=6.6.6.6;proto=https", "X-Real-IP: 6.6.6.6")
    message, _ = forwarded(plain, *lies)
    assert message.all("x-forwarded-for") == ["127.0.0.1"]
    assert message.all("x-forwarded-proto") == ["http"]
    everything = b" ".join(value for _, value in message.fields)
    assert b"6.6.6.6" not in everything and b"evil.example" not in everything and b"666" not in everything


def test_several_lying_lines_are_all_dropped(plain):
    message, _ = forwarded(plain, "X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 7.7.7.7", "x-forwarded-FOR: 8.8.8.8")
    assert message.all("x-forwarded-for") == ["127.0.0.1"]


LINES = ("X-A:1", "X-B: 2", "X-C: 3", "Connection: x-gone", "X-D:  4 ", "X-E: 5", "X-Gone: 6", "X-F: ", "X-G:", "X-H: 7\t", "x-b: 8", "X-I: 9")
GONE_ON = [(name, value) for name, value in zip("abcdefghbi", ("1", "2", "3", "4", "5", "", "", "7", "8", "9"))]


def singles(message) -> list[tuple[str, str]]:
    """The fields with a name of one letter, in order; nothing stands around their values."""
    return [(name.decode().lower()[2:], value.decode()) for name, value in message.fields if len(name) == 3 and name[:2].lower() == b"x-"]


def test_lines_of_every_spacing_go_on_in_order(plain):
    message, _ = forwarded(plain, *LINES)
    assert singles(message) == GONE_ON


def test_lines_of_every_spacing_come_back_in_order(stage):
    def play(peer):
        while True:
            peer.read_request()
            peer.send(respond("200 OK", b"hello", *LINES))

    backend = stage.backend(play)
    reply = once(stage.gateway(settings(backend.address)).address, get("/x"))
    assert reply.status == 200 and reply.body == b"hello" and singles(reply.message) == GONE_ON


def test_trusted_proxies_are_appended_to(behind):
    message, _ = forwarded(behind, "X-Forwarded-For: 6.6.6.6, 203.0.113.9", "X-Forwarded-Proto: https")
    addresses = ",".join(message.all("x-forwarded-for")).replace(" ", "").split(",")
    assert addresses == ["6.6.6.6", "203.0.113.9", "127.0.0.1"]
    assert message.all("x-forwarded-proto") == ["https"]


def test_a_correlation_id_is_kept_and_returned(plain):
    for name in ("Correlation-Id", "X-Correlation-Id"):
        message, reply = forwarded(plain, f"{name}: order-42")
        assert reply.field("correlation-id") == "order-42"
        assert message.all("correlation-id") == ["order-42"]


def test_a_correlation_id_is_made_when_there_is_none(plain):
    seen = {forwarded(plain)[1].field("correlation-id") for _ in range(20)}
    assert len(seen) == 20 and all(seen)


def test_a_correlation_id_is_on_the_gateways_own_answers(stage):
    gateway = stage.gateway(settings(), [])
    reply = once(gateway.address, get("/none", "Correlation-Id: order-43"))
    assert reply.status == 404 and reply.field("correlation-id") == "order-43" and b'"order-43"' in reply.body


@pytest.mark.parametrize("bad", ["x" * 5000, 'a"b\\c', "a,b c", "\xe9"])
def test_odd_correlation_ids_do_no_harm(plain, bad):
    message, reply = forwarded(plain, f"Correlation-Id: {bad}")
    given = reply.field("correlation-id")
    assert given and len(given) <= 256 and len(message.all("correlation-id")) == 1


def test_the_trace_goes_on(plain):
    message, _ = forwarded(plain, f"traceparent: {TRACE}", "tracestate: a=1,b=2")
    (value,) = message.all("traceparent")
    assert re.fullmatch(r"00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01", value)
    assert message.all("tracestate") == ["a=1,b=2"]


@pytest.mark.parametrize(
    "bad",
    [
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        TRACE.upper(),
        "ff" + TRACE[2:],
        TRACE + "-more",
        TRACE[:-1],
        "garbage",
    ],
)
def test_a_bad_traceparent_is_not_passed_on(plain, bad):
    message, _ = forwarded(plain, f"traceparent: {bad}", "tracestate: a=1")
    values = message.all("traceparent")
    assert len(values) <= 1 and bad not in values
    for value in values:
        assert re.fullmatch(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", value)
    assert not message.all("tracestate"), "a state without its trace means nothing"


def test_paths_are_rewritten_from_captures(stage):
    backend = stage.backend()
    routes = [
        route("template", "/api/products/{id}", rewrite={"path": "/v2/items/{id}"}),
        route("strip", "/api/{rest...}", rewrite={"strip_prefix": "/api"}),
        route("rest", "/old/{rest...}", rewrite={"path": "/new/{rest...}"}),
    ]
    gateway = stage.gateway(settings(backend.address), routes)
    for target, want in (("/api/products/7?x=1", "/v2/items/7?x=1"), ("/api/a/b?y=%2F", "/a/b?y=%2F"), ("/old/a/b/", "/new/a/b/"), ("/api/products/a%2Fb", "/v2/items/a%2Fb")):
        assert once(gateway.address, get(target)).status == 200
        assert backend.requests[-1].target == want


@pytest.mark.parametrize("host, want", [("preserve", "shop.example"), ("upstream", None), ("inner.example", "inner.example")])
def test_host_of_the_upstream(stage, host, want):
    backend = stage.backend()
    gateway = stage.gateway(settings(backend.address), [route(host=host)])
    assert once(gateway.address, get("/")).status == 200
    assert backend.requests[-1].all("host") == [want or backend.address]


def test_headers_are_set_added_and_removed(stage):
    def play(peer):
        while True:
            peer.read_request()
            peer.send(respond("200 OK", b"ok", "X-Powered-By: php", "X-Kept: 1"))

    backend = stage.backend(play)
    headers = {
        "request": {"set": {"x-set": "s"}, "add": {"x-add": "a"}, "remove": ["x-removed"]},
        "response": {"set": {"x-set": "s"}, "add": {"x-add": "a"}, "remove": ["x-powered-by"]},
    }
    gateway = stage.gateway(settings(backend.address), [route(headers=headers)])
    reply = once(gateway.address, get("/", "X-Set: client", "X-Add: client", "X-Removed: 1"))
    message = backend.requests[-1]
    assert message.all("x-set") == ["s"] and message.all("x-add") == ["client", "a"] and not message.all("x-removed")
    assert reply.message.all("x-set") == ["s"] and reply.message.all("x-add") == ["a"]
    assert not reply.message.all("x-powered-by") and reply.message.all("x-kept") == ["1"]


def test_repeated_answer_fields_stay_apart(stage):
    def play(peer):
        peer.read_request()
        peer.send(respond("200 OK", b"ok", "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2, c"))
        peer.hold(1)

    gateway = stage.gateway(settings(stage.backend(play).address))
    assert once(gateway.address, get("/")).message.all("set-cookie") == ["a=1; Path=/", "b=2, c"]


@pytest.mark.parametrize("state", ["=1", "a=1,b", ",".join(f"k{number}=v" for number in range(33))], ids=["nameless", "valueless", "33-members"])
def test_a_bad_tracestate_ends_here(plain, state):
    message, _ = forwarded(plain, f"traceparent: {TRACE}", f"tracestate: {state}")
    assert message.all("traceparent") and not message.all("tracestate")
