"""`timeouts.max_age`: connections that live long are ended in order, and nothing is lost by it."""

import threading
import time

import httpx

from harness.gateway import listener, route, settings
from harness.http2_ends import Client
from harness.wire import Wire


def config(origin, age: str) -> dict:
    return settings(origin.address, listeners=[listener(timeouts={"max_age": age})])


def test_http1_says_close_when_it_is_old(stage):
    gateway = stage.gateway(config(stage.backend(), "400ms"), [route()])
    with Wire(gateway.address) as wire:
        asked = time.monotonic()
        answers = 0
        while True:
            reply = wire.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answers += 1
            assert reply.status == 200
            if reply.field("connection") == "close":
                break
            time.sleep(0.02)
            assert time.monotonic() - asked < 3
        assert 0.3 < time.monotonic() - asked < 1.5 and answers > 5
        assert wire.closes_within(2)


def test_http2_announces_its_end_and_answers_what_runs(stage):
    gateway = stage.gateway(config(stage.backend(), "300ms"), [route()])
    with Client(gateway.address) as client:
        client.settle()
        assert client.ask("/").status == 200 and not client.goaways
        time.sleep(0.5)
        assert client.ask("/").status == 200, "the request that finds it old is answered"
        client.pump(lambda: len(client.goaways) == 2, 5)
        assert [code for _, code, _ in client.goaways] == [0, 0]
        assert client.goaways[0][0] == 2**31 - 1 and client.goaways[1][0] == 3


def test_nobody_notices(stage):
    """HTTP/1.1 only: httpx's HTTP/2 takes the announcement of an end for the end."""
    gateway = stage.gateway(config(stage.backend(), "200ms"), [route()])
    failures = []

    def visit() -> None:
        with httpx.Client(base_url=gateway.url, timeout=5) as client:
            until = time.monotonic() + 2
            while time.monotonic() < until:
                if client.get("/").status_code != 200:
                    failures.append("an answer that was none")

    threads = [threading.Thread(target=visit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
