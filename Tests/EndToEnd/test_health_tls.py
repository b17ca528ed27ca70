"""Active checks of a cluster with TLS: the same handshake, with the same verification, as requests."""

import pytest

from harness import sockets
from harness.certificates import Authority
from harness.gateway import OPERATIONS, route, settings
from harness.recorder import Peer, respond
from harness.secure import secured, serving
from harness.wire import get, once


@pytest.mark.parametrize("probe", [{"http": {"path": "/health"}}, {"tcp": True}], ids=["http", "tcp"])
def test_a_wrong_certificate_is_no_health(stage, tmp_path, probe):
    authority = Authority(tmp_path)

    def play(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(respond("200 OK", b"good"))

    good = stage.backend(secured(serving(authority.issue("good", "IP:127.0.0.1")), play))
    wrong = stage.backend(secured(serving(authority.issue("wrong", "DNS:elsewhere.example")), play))
    config = settings(good.address, wrong.address)
    config["clusters"]["up"].update({
        "tls": {"authorities": str(authority.certificate)}, "ejection": "off",
        "health": {**probe, "interval": "200ms", "timeout": "200ms", "unhealthy": 1, "healthy": 1}})
    gateway = stage.gateway(config, [*OPERATIONS, route(retries=0)])

    def states() -> str:
        return once(gateway.admin, get("/metrics")).body.decode()

    sockets.wait_until(lambda: 'nexus_upstream_endpoints{cluster="up",state="unhealthy"} 1' in states(), 5, "one is ill")
    for _ in range(20):
        assert once(gateway.address, get("/")).body == b"good"
    assert 'nexus_upstream_endpoints{cluster="up",state="healthy"} 1' in states()
