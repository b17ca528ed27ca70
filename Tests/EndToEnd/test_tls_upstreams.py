"""TLS towards upstreams: who is believed, what is said when nobody is."""

import json
import ssl
import time

import pytest

from harness.certificates import Authority, Pair
from harness.gateway import OPERATIONS, listener, route, settings
from harness.recorder import Peer, echo, respond
from harness.secure import SecureWire, handshakes, relay, secured, serving, trusting
from harness.wire import Reply, Wire, get, once, post


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority) -> Pair:
    return authority.issue("upstream", "IP:127.0.0.1", "DNS:upstream.example", "DNS:*.wild.example")


def start(stage, address: str, tls: dict, retries: int = 0, tls_time: str = "500ms", **cluster):
    config = settings(address, clusters={"up": {"endpoints": [address], "tls": tls, **cluster}})
    return stage.gateway(config, [*OPERATIONS, route(retries=retries, timeouts={"tls": tls_time, "first_byte": "2s"})])


def fault(reply: Reply) -> tuple[int, str]:
    """Status and RFC 9209 error."""
    return reply.status, (reply.field("proxy-status") or "").partition("error=")[2]


def trust(authority: Authority, **more) -> dict:
    return {"authorities": str(authority.certificate), **more}


def test_requests_over_tls_share_connections(stage, authority, pair):
    upstream = stage.backend(secured(serving(pair, alpn=("http/1.1",)), echo))
    gateway = start(stage, upstream.address, trust(authority))
    with Wire(gateway.address) as wire:
        for number in range(10):
            assert json.loads(wire.ask(post(f"/{number}", b"x" * number * 3000)).body)["start"].startswith(f"POST /{number} ")
    counts = handshakes(gateway)
    assert counts[("upstream", "started", "")] == counts[("upstream", "ok", "1.3")] == 1


def test_a_large_answer(stage, authority, pair):
    body = bytes(range(256)) * 8000

    def play(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(respond("200 OK", body))

    gateway = start(stage, stage.backend(secured(serving(pair), play)).address, trust(authority))
    with Wire(gateway.address) as wire:
        for _ in range(3):
            assert wire.ask(get("/")).body == body


@pytest.mark.parametrize("name,good", [
    (None, True), ("upstream.example", True), ("a.wild.example", True), ("other.example", False), ("a.b.wild.example", False),
    ("upstream", False),
], ids=["address", "name", "wildcard", "another", "two-labels", "common-name"])
def test_the_name_is_checked(stage, authority, pair, name, good):
    asked = []
    context = serving(pair)
    context.sni_callback = lambda tls, sni, _: asked.append(sni)
    gateway = start(stage, stage.backend(secured(context, echo)).address, trust(authority, **({"name": name} if name else {})))
    reply = once(gateway.address, get("/"))
    if good:
        assert reply.status == 200
    else:
        assert fault(reply) == (502, "tls_certificate_error")
        assert handshakes(gateway)[("upstream", "certificate", "")] == 1
    assert asked == [name], "an address is no server name"


def test_whom_nobody_vouches_for(stage, authority, pair, tmp_path):
    gateway = start(stage, stage.backend(secured(serving(pair), echo)).address, trust(Authority(tmp_path, "another")))
    assert fault(once(gateway.address, get("/"))) == (502, "tls_certificate_error")


def test_the_system_trusts_no_test_authority(stage, pair):
    gateway = start(stage, stage.backend(secured(serving(pair), echo)).address, {"verify": True})
    assert fault(once(gateway.address, get("/"))) == (502, "tls_certificate_error")


def test_an_expired_certificate(stage, authority):
    old = authority.issue("expired", "IP:127.0.0.1", days=-1)
    gateway = start(stage, stage.backend(secured(serving(old), echo)).address, trust(authority))
    assert fault(once(gateway.address, get("/"))) == (502, "tls_certificate_error")


def test_a_certificate_for_clients_is_none_for_servers(stage, authority):
    wrong = authority.issue("client-only", "IP:127.0.0.1", usage="clientAuth")
    gateway = start(stage, stage.backend(secured(serving(wrong), echo)).address, trust(authority))
    assert fault(once(gateway.address, get("/"))) == (502, "tls_certificate_error")


def test_verification_can_be_off_and_is_warned_of(stage, authority, pair, tmp_path):
    old = Authority(tmp_path, "unknown").issue("any", "DNS:any.example", days=-1)
    gateway = start(stage, stage.backend(secured(serving(old), echo)).address, {"verify": False})
    assert once(gateway.address, get("/")).status == 200
    assert "not verified" in gateway.said()


@pytest.mark.parametrize("shown", [True, False])
def test_our_own_certificate(stage, authority, pair, shown):
    ours = authority.issue("gateway", "URI:urn:service:gateway", usage="clientAuth")
    upstream = stage.backend(secured(serving(pair, clients=authority), echo))
    gateway = start(stage, upstream.address, trust(authority, **({"certificate": ours.settings} if shown else {})))
    reply = once(gateway.address, get("/"))
    # A TLS 1.3 server says no when the client already takes the handshake for done.
    assert reply.status == (200 if shown else 502)


def test_a_plain_server_where_tls_is_expected(stage, authority):
    def play(peer: Peer) -> None:
        peer.more(2)
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    gateway = start(stage, stage.backend(play).address, trust(authority))
    assert fault(once(gateway.address, get("/"))) == (502, "tls_protocol_error")


def test_a_tls_server_where_none_is_expected(stage, authority, pair):
    gateway = stage.gateway(settings(stage.backend(secured(serving(pair), echo)).address), [route(retries=0)])
    assert once(gateway.address, get("/")).status == 502


def test_no_common_version(stage, authority, pair):
    context = serving(pair)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    gateway = start(stage, stage.backend(secured(context, echo)).address, trust(authority, profile="modern"))
    assert fault(once(gateway.address, get("/"))) == (502, "tls_protocol_error")


def test_a_server_that_never_answers_the_handshake(stage, authority):
    gateway = start(stage, stage.backend(Peer.hold).address, trust(authority))
    reply = once(gateway.address, get("/"))
    assert fault(reply) == (504, "connection_timeout")
    assert handshakes(gateway)[("upstream", "timeout", "")] == 1


def test_a_server_that_drips_its_handshake(stage, authority):
    """Progress does not put off the end of the handshake."""

    def drip(peer: Peer) -> None:
        peer.more(2)
        # A record of 16 KiB that comes a byte at a time.
        peer.send(b"\x16\x03\x03\x3f\xff")
        for _ in range(40):
            peer.send(b"\x02")
            time.sleep(0.1)

    gateway = start(stage, stage.backend(drip).address, trust(authority))
    began = time.monotonic()
    assert fault(once(gateway.address, get("/"))) == (504, "connection_timeout")
    assert time.monotonic() - began < 1.5


def test_a_server_that_leaves_in_the_handshake_is_another_ones_turn(stage, authority, pair):
    """Nothing of the request was sent, so even a POST may go elsewhere."""
    leaving = stage.backend(lambda peer: peer.more(2))
    good = stage.backend(secured(serving(pair), echo))
    config = settings(clusters={"up": {"endpoints": [leaving.address, good.address], "tls": trust(authority)}})
    gateway = stage.gateway(config, [route(retries=1)])
    for _ in range(10):
        assert once(gateway.address, post("/", b"x")).status == 200


def test_an_answer_cut_on_the_way_is_not_complete(stage, authority, pair):
    """A body that runs to the end of the connection, and a FIN without close_notify: a truncation attack."""
    body = b"y" * 60_000

    def until_close(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)
        peer.socket = peer.socket.unwrap()

    server = stage.backend(secured(serving(pair), until_close))
    gateway = start(stage, server.address, trust(authority))
    reply = once(gateway.address, get("/"))
    assert reply.complete and reply.body == body
    with relay(server.address, cut_after=40_000) as cut:
        gateway = start(stage, cut, trust(authority))
        assert once(gateway.address, get("/")).end == "aborted"


def test_a_session_ticket_that_comes_late_hurts_nobody(stage, authority, pair):
    """Post-handshake messages on an idle pooled connection are not an answer."""
    context = serving(pair)
    context.num_tickets = 0

    def play(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(respond("200 OK", b"fine"))

    gateway = start(stage, stage.backend(secured(context, play)).address, trust(authority))
    with Wire(gateway.address) as wire:
        for _ in range(3):
            assert wire.ask(get("/")).body == b"fine"
            time.sleep(0.05)
    assert handshakes(gateway)[("upstream", "started", "")] == 1


def test_new_authorities_after_a_reload(stage, authority, pair, tmp_path):
    """The file's name is the same, its content is not: new connections believe the new one."""
    place = tmp_path / "trusted.crt"
    place.write_bytes(Authority(tmp_path, "wrong").certificate.read_bytes())
    address = stage.backend(secured(serving(pair), echo)).address
    config = settings(clusters={"up": {"endpoints": [address], "tls": {"authorities": str(place)}}})
    gateway = stage.gateway(config, [route(retries=0)])
    assert fault(once(gateway.address, get("/"))) == (502, "tls_certificate_error")
    place.write_bytes(authority.certificate.read_bytes())
    gateway.reload(config=config)
    assert once(gateway.address, get("/")).status == 200


def test_a_unix_socket_may_have_tls(stage, authority, tmp_path):
    pair = authority.issue("socket", "DNS:localhost")
    path = f"unix:{tmp_path}/s"
    stage.backend(secured(serving(pair), echo), address=path)
    gateway = start(stage, path, trust(authority))
    assert once(gateway.address, get("/")).status == 200


def test_a_tunnel_through_tls_on_both_sides(stage, authority, pair):
    """Bytes pass both ways, and one side's end is one side's end."""
    server = authority.issue("tunnel", "DNS:localhost")

    def play(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello ")
        while data := peer.more(5):
            peer.send(data)

    upstream = stage.backend(secured(serving(pair), play))
    config = settings(
        listeners=[listener(tls={"certificates": [server.settings]})], clusters={"up": {"endpoints": [upstream.address], "tls": trust(authority)}})
    gateway = stage.gateway(config, [route(upgrade=True)])
    with SecureWire(gateway.address, trusting(authority)) as wire:
        reply = wire.ask(get("/", "Connection: upgrade", "Upgrade: echo"))
        assert reply.status == 101
        assert wire.take(6) == b"hello "
        for size in (1, 1000, 100_000):
            wire.send(b"z" * size)
            assert wire.take(size) == b"z" * size


def test_many_handshakes_at_once(stage, authority, pair):
    """More than a turn of the worker takes: the others come in the next ones, and all are served."""
    gateway = start(stage, stage.backend(secured(serving(pair), echo)).address, trust(authority), tls_time="10s")
    wires = [Wire(gateway.address, timeout=15) for _ in range(40)]
    for number, wire in enumerate(wires):
        wire.send(get(f"/{number}"))
    for number, wire in enumerate(wires):
        assert json.loads(wire.read().body)["start"].startswith(f"GET /{number} ")
        wire.close()
    assert handshakes(gateway)[("upstream", "ok", "1.3")] > 4
