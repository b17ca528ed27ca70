"""HTTP/2 over TLS: chosen by ALPN on both sides, the same streams inside."""

import hashlib
import random

import httpx
import pytest

from harness import sockets
from harness.certificates import Authority, Pair
from harness.gateway import listener, route, settings
from harness.http2_ends import Client, Service, Upstream, echo
from harness.secure import serving, trusting
from harness.wire import get, once

LOAD = random.Random(8446).randbytes(1 << 20)


H2 = trusting(None, alpn=("h2",))


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority) -> Pair:
    return authority.issue("shop", "DNS:shop.example", "DNS:localhost", "IP:127.0.0.1")


@pytest.fixture(scope="module")
def secure(shared_stage, pair):
    backend = shared_stage.backend()
    public = listener(tls={"certificates": [pair.settings]})
    return shared_stage.gateway(settings(backend.address, listeners=[public]), [route(body_limit="64MiB")]), backend


def test_alpn_chooses_http2(secure):
    gateway, backend = secure
    with Client(gateway.address, tls=H2) as client:
        assert client.socket.selected_alpn_protocol() == "h2"
        for number in range(3):
            assert client.ask(f"/{number}", scheme="https").status == 200
        assert backend.requests[-1].all("x-forwarded-proto") == ["https"]
        assert not client.violations


@pytest.mark.parametrize("offers, chosen", [(("h2", "http/1.1"), "h2"), (("http/1.1", "h2"), "h2"), (("http/1.1",), "http/1.1"), ((), None)], ids=["both", "other-order", "http1", "none"])
def test_what_is_offered_decides(secure, offers, chosen):
    gateway, _ = secure
    with trusting(None, alpn=offers).wrap_socket(sockets.connect(gateway.address), server_hostname="shop.example") as made:
        assert made.selected_alpn_protocol() == chosen
        if chosen != "h2":
            made.sendall(get("/"))
            assert made.recv(65536).startswith(b"HTTP/1.1 200")


def test_large_bodies_both_ways(secure):
    gateway, backend = secure
    with Client(gateway.address, 10, tls=H2) as client:
        stream = client.ask("/up", scheme="https", method="POST", body=LOAD)
        assert stream.status == 200 and not client.violations
    assert hashlib.sha256(backend.requests[-1].body).digest() == hashlib.sha256(LOAD).digest()


def test_httpx_over_tls(secure):
    gateway, _ = secure
    with httpx.Client(http2=True, verify=False, base_url=f"https://{gateway.address}", timeout=10) as client:
        reply = client.post("/up", content=b"hello")
        assert (reply.http_version, reply.status_code, reply.json()["body"]) == ("HTTP/2", 200, "hello")


def test_http2_off_is_not_offered(stage, pair):
    public = listener(http2="off", tls={"certificates": [pair.settings]})
    gateway = stage.gateway(settings(stage.backend().address, listeners=[public]))
    with trusting(None, alpn=("h2", "http/1.1")).wrap_socket(sockets.connect(gateway.address), server_hostname="shop.example") as made:
        assert made.selected_alpn_protocol() in ("http/1.1", None)


@pytest.mark.parametrize("offers, status", [(("h2",), 200), (("http/1.1",), 502), ((), 502)], ids=["h2", "http1", "none"])
def test_an_upstream_must_choose_http2(stage, authority, pair, offers, status):
    """With `protocol: http2` and TLS, an upstream that does not choose `h2` is no upstream."""
    context = serving(pair, alpn=offers or ("nothing",))

    def loud(service: Service) -> None:
        stream = service.read_request()
        service.answer(stream, b"x" * 300_000)
        echo(service)

    with Upstream(loud, tls=context, lenient=True) as upstream:
        tls = {"authorities": str(authority.certificate), "name": "shop.example"}
        gateway = stage.gateway(settings(upstream.address, clusters={"up": {"protocol": "http2", "tls": tls}}), [route(retries=0)])
        reply = once(gateway.address, get("/"))
        assert reply.status == status, reply.raw[:300]
        if status == 200:
            assert len(reply.body) == 300_000 and upstream.requests[0].field(":scheme") in ("http", "https")
