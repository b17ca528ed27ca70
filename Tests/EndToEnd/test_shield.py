"""The per-peer limit: 429 with Retry-After, exact, and over again when time has passed."""

import json
import time

from harness import sockets
from harness.gateway import route, settings
from harness.wire import Wire, get, once


def test_over_the_limit_is_429_with_retry_after(stage):
    backend = stage.backend()
    gateway = stage.gateway(settings(backend.address), [route(stages={"shield": {"requests": 5, "per": "2s", "burst": 5}})])
    with Wire(gateway.address) as wire:
        replies = [wire.ask(get("/")) for _ in range(20)]
        passed = [reply for reply in replies if reply.status == 200]
        refused = [reply for reply in replies if reply.status == 429]
        assert len(passed) + len(refused) == 20 and 5 <= len(passed) <= 7
        assert len(backend.requests) == len(passed), "a refused request never reaches the upstream"
        for reply in refused:
            assert int(reply.field("retry-after")) >= 1
            assert json.loads(reply.body)["code"] == "RATE_LIMITED"
        time.sleep(int(refused[-1].field("retry-after")) + 0.1)
        assert wire.ask(get("/")).status == 200


def test_the_log_names_the_stage_that_refused(stage):
    path = stage.folder / "access.log"
    config = settings(stage.backend().address, access_log={"path": str(path), "format": "json"})
    gateway = stage.gateway(config, [route(stages={"shield": {"requests": 1, "per": "1m", "burst": 1}})])
    assert [once(gateway.address, get("/")).status for _ in range(2)] == [200, 429]
    sockets.wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") == 2, 5, "2 lines")
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [line.get("refusedBy") for line in lines] == [None, "shield"]


def test_a_route_without_a_shield_is_not_touched(stage):
    routes = [route("limited", "/limited", stages={"shield": {"requests": 1, "per": "1m", "burst": 1}}), route("free", "/free")]
    gateway = stage.gateway(settings(stage.backend().address), routes)
    with Wire(gateway.address) as wire:
        assert [wire.ask(get("/limited")).status for _ in range(3)] == [200, 429, 429]
        assert all(wire.ask(get("/free")).status == 200 for _ in range(20))


def test_a_refused_body_is_not_awaited(stage):
    gateway = stage.gateway(settings(stage.backend().address), [route(stages={"shield": {"requests": 1, "per": "1m", "burst": 1}})])
    with Wire(gateway.address) as wire:
        assert wire.ask(get("/")).status == 200
        wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        assert wire.read(timeout=2).status == 429
