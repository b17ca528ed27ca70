"""A listener without HTTP/2: neither by prior knowledge nor by ALPN."""

from harness.gateway import listener, settings
from harness.wire import Wire


def test_the_preface_is_refused(stage):
    gateway = stage.gateway(settings(stage.backend().address, listeners=[listener(http2="off")]))
    with Wire(gateway.address) as wire:
        wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        reply = wire.read()
        assert reply.status in (400, 505)
    with Wire(gateway.address) as wire:
        assert wire.ask(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").status == 200
