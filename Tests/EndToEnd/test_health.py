"""Active checks: who is asked what, who is left out, who comes back."""

import collections
import threading
import time

import pytest

from harness import sockets
from harness.gateway import OPERATIONS, route, settings
from harness.recorder import Peer, respond
from harness.wire import Wire, get, once


def checked(*endpoints: str, health: dict, **policies) -> dict:
    config = settings(*endpoints)
    config["clusters"]["up"].update({"balance": "round_robin", "health": {"interval": "100ms", "timeout": "100ms", **health}, **policies})
    return config


class Patient:
    """A back end that answers requests with its name, and checks with what it is told."""

    def __init__(self, stage, name: str):
        self.name, self.status, self.checks = name, "200 OK", []
        self.recorder = stage.backend(self.play)
        self.address = self.recorder.address

    def play(self, peer: Peer) -> None:
        while True:
            message = peer.read_request()
            if message.target == "/health":
                self.checks.append((time.monotonic(), message))
                if self.status is None:
                    peer.hold()
                peer.send(respond(self.status, b"health"))
            else:
                peer.send(respond("200 OK", self.name.encode()))


def names(gateway, count: int = 20) -> set:
    with Wire(gateway.address) as wire:
        return {wire.ask(get("/")).body.decode() for _ in range(count)}


@pytest.mark.parametrize("illness", ["500 Broken", None, "302 Found"], ids=["status", "silence", "redirect"])
def test_an_ill_endpoint_is_left_out_and_comes_back(stage, illness):
    ill, well = Patient(stage, "ill"), Patient(stage, "well")
    gateway = stage.gateway(checked(ill.address, well.address, health={"http": {"path": "/health"}}))
    assert names(gateway) == {"ill", "well"}
    ill.status = illness
    sockets.wait_until(lambda: names(gateway) == {"well"}, 5, "the ill endpoint is left out")
    ill.status = "204 No Content"
    sockets.wait_until(lambda: names(gateway) == {"ill", "well"}, 5, "it came back")


def test_one_bad_check_is_no_illness(stage):
    one, other = Patient(stage, "one"), Patient(stage, "other")
    gateway = stage.gateway(checked(one.address, other.address, health={"http": {"path": "/health"}, "interval": "200ms"}))
    sockets.wait_until(lambda: len(one.checks) >= 2, 3, "checks")
    before = len(one.checks)
    one.status = "500 Broken"
    sockets.wait_until(lambda: len(one.checks) > before, 3, "a bad check")
    one.status = "200 OK"
    for _ in range(10):
        assert names(gateway, 4) == {"one", "other"}
        time.sleep(0.05)


def test_what_a_check_asks(stage):
    patient = Patient(stage, "x")
    health = {"http": {"path": "/health", "expect": "200", "host": "shop.example"}}
    stage.gateway(checked(patient.address, health=health))
    sockets.wait_until(lambda: patient.checks, 3, "a check")
    message = patient.checks[0][1]
    fields = {name.decode().lower(): value.decode() for name, value in message.fields}
    assert message.start.startswith(b"GET /health HTTP/1.1") and fields["host"] == "shop.example"
    assert fields["connection"] == "close"


def test_the_first_check_comes_at_once_and_one_worker_makes_them(stage):
    patient = Patient(stage, "x")
    config = checked(patient.address, health={"http": {"path": "/health"}, "interval": "500ms"})
    config["workers"] = 2
    before = time.monotonic()
    stage.gateway(config)
    time.sleep(2.2)
    times = [moment for moment, _ in patient.checks]
    assert times[0] - before < 2 and 3 <= len(times) <= 8
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert all(0.4 < gap < 0.7 for gap in gaps), gaps


def test_both_workers_leave_it_out(stage):
    ill, well = Patient(stage, "ill"), Patient(stage, "well")
    config = checked(ill.address, well.address, health={"http": {"path": "/health"}})
    config["workers"] = 2
    gateway = stage.gateway(config)
    ill.status = "503 Bad"

    def seen() -> set:
        return {once(gateway.address, get("/")).body.decode() for _ in range(20)}

    sockets.wait_until(lambda: seen() == {"well"}, 5, "both workers know")
    for _ in range(3):
        assert seen() == {"well"}


def test_a_connection_is_enough_for_tcp(stage):
    alive, dead = stage.backend(), sockets.closed_address()
    gateway = stage.gateway(checked(alive.address, dead, health={"tcp": True}, ejection="off"), [*OPERATIONS, route(retries=0)])
    sockets.wait_until(lambda: {once(gateway.address, get("/")).status for _ in range(10)} == {200}, 5, "the dead one is left out")
    metrics = once(gateway.admin, get("/metrics")).body.decode()
    assert 'nexus_upstream_endpoints{cluster="up",state="unhealthy"} 1' in metrics
    assert 'nexus_upstream_endpoints{cluster="up",state="healthy"} 1' in metrics
    assert 'nexus_upstream_health_checks_total{cluster="up",result="failed"}' in metrics


def test_when_all_are_ill_all_are_used(stage):
    one, other = Patient(stage, "one"), Patient(stage, "other")
    one.status = other.status = "500 Broken"
    gateway = stage.gateway(checked(one.address, other.address, health={"http": {"path": "/health"}}), [*OPERATIONS, route()])
    sockets.wait_until(lambda: 'state="unhealthy"} 2' in once(gateway.admin, get("/metrics")).body.decode(), 5, "both ill")
    assert names(gateway) == {"one", "other"}


def test_a_reload_keeps_what_is_known(stage):
    ill, well = Patient(stage, "ill"), Patient(stage, "well")
    ill.status = "500 Broken"
    config = checked(ill.address, well.address, health={"http": {"path": "/health"}})
    gateway = stage.gateway(config)
    sockets.wait_until(lambda: names(gateway) == {"well"}, 5, "left out")
    config["clusters"]["up"]["slow_start"] = "100ms"
    gateway.reload(config)
    assert names(gateway) == {"well"}
    del config["clusters"]["up"]["health"]
    gateway.reload(config)
    sockets.wait_until(lambda: names(gateway) == {"ill", "well"}, 3, "without checks nobody is ill")


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 5000, b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"],
    ids=["other protocol", "endless head", "nothing", "ambiguous"],
)
def test_nonsense_is_no_health(stage, answer):
    def play(peer: Peer) -> None:
        message = peer.read_request()
        peer.send(answer if message.target == "/health" else respond("200 OK", b"odd"))

    odd, well = stage.backend(play), Patient(stage, "well")
    gateway = stage.gateway(checked(odd.address, well.address, health={"http": {"path": "/health"}, "unhealthy": 1}))
    sockets.wait_until(lambda: names(gateway) == {"well"}, 5, "nonsense is no health")
