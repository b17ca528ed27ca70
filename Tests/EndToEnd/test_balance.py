"""How an endpoint is chosen: turns, hashes, shares, and what is left out."""

import collections
import threading
import time

import pytest

from harness import sockets
from harness.gateway import OPERATIONS, route, settings
from harness.recorder import Peer, respond
from harness.wire import Wire, get, once


def cluster(*endpoints: str, **policies) -> dict:
    config = settings(*endpoints)
    config["clusters"]["up"].update(policies)
    return config


def named(name: str):
    """A back end that answers with its name."""

    def play(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(respond("200 OK", name.encode()))

    return play


def backends(stage, count: int) -> list:
    return [stage.backend(named(str(number))) for number in range(count)]


def answers(gateway, count: int, *fields: str, target: str = "/") -> collections.Counter:
    seen: collections.Counter = collections.Counter()
    with Wire(gateway.address) as wire:
        for _ in range(count):
            reply = wire.ask(get(target, *fields))
            seen[reply.body.decode() if reply.status == 200 else reply.status] += 1
    return seen


def test_round_robin_is_exact(stage):
    up = backends(stage, 3)
    gateway = stage.gateway(cluster(*[each.address for each in up], balance="round_robin"))
    assert answers(gateway, 30) == {"0": 10, "1": 10, "2": 10}


@pytest.mark.parametrize("key", ["header", "cookie", "path"])
def test_a_key_stays_with_its_endpoint(stage, key):
    up = backends(stage, 4)
    hash_by = {"header": {"header": "X-User"}, "cookie": {"cookie": "user"}, "path": {"path": True}}[key]
    gateway = stage.gateway(cluster(*[each.address for each in up], balance="consistent_hash", hash=hash_by), [route()])

    def of(user: int) -> collections.Counter:
        fields = {"header": [f"x-user: u{user}"], "cookie": [f"Cookie: other=1; user=u{user}; user2=x"], "path": []}[key]
        return answers(gateway, 3, *fields, target=f"/u{user}?q={time.monotonic()}")

    places = {user: of(user) for user in range(40)}
    assert all(len(place) == 1 for place in places.values())
    used = collections.Counter(name for place in places.values() for name in place)
    assert len(used) == 4 and max(used.values()) < 25


def test_a_client_stays_with_its_endpoint(stage):
    up = backends(stage, 4)
    gateway = stage.gateway(cluster(*[each.address for each in up], balance="consistent_hash", hash={"source": True}))
    places = set()
    for number in range(2, 30):
        with Wire(gateway.address, source=f"127.0.0.{number}") as first, Wire(gateway.address, source=f"127.0.0.{number}") as second:
            one, two = first.ask(get("/")).body, second.ask(get("/")).body
            assert one == two
            places.add(one)
    assert len(places) == 4


def test_requests_without_the_key_go_anywhere(stage):
    up = backends(stage, 2)
    gateway = stage.gateway(cluster(*[each.address for each in up], balance="consistent_hash", hash={"header": "x-user"}))
    assert set(answers(gateway, 40)) == {"0", "1"}


def test_two_workers_agree_on_keys_and_a_reload_moves_few(stage):
    up = backends(stage, 5)
    config = cluster(*[each.address for each in up], balance="consistent_hash", hash={"header": "x-user"})
    config["workers"] = 2
    gateway = stage.gateway(config)

    def place(user: int) -> str:
        seen = {once(gateway.address, get("/", f"x-user: {user}")).body.decode() for _ in range(4)}
        assert len(seen) == 1, seen
        return seen.pop()

    before = {user: place(user) for user in range(60)}
    config["clusters"]["up"]["endpoints"].pop()
    gateway.reload(config)
    moved = sum(1 for user, old in before.items() if old != "4" and place(user) != old)
    assert moved <= 6, moved


def test_an_endpoint_that_fails_is_left_out_and_comes_back(stage):
    """Ejection: after five failures in a row nothing goes there for a second, then it is tried again."""
    bad_until = [time.monotonic() + 3600]

    def moody(peer: Peer) -> None:
        while True:
            peer.read_request()
            if time.monotonic() < bad_until[0]:
                peer.send(respond("503 Service Unavailable", b"bad"))
            else:
                peer.send(respond("200 OK", b"moody"))

    bad, good = stage.backend(moody), stage.backend(named("good"))
    config = cluster(bad.address, good.address, balance="round_robin", ejection={"consecutive": 5, "time": "1s"})
    gateway = stage.gateway(config, [*OPERATIONS, route(retries=0)])
    seen = answers(gateway, 40)
    assert seen[503] == 5 and seen["good"] == 35, seen
    assert once(gateway.admin, get("/metrics")).body.decode().count('nexus_upstream_ejections_total{cluster="up"} 1') == 1
    bad_until[0] = 0
    time.sleep(1.1)
    assert answers(gateway, 20) == {"good": 10, "moody": 10}


def test_ejection_counts_over_workers(stage):
    bad = stage.backend(lambda peer: [(peer.read_request(), peer.send(respond("502 Bad Gateway"))) for _ in range(1000)])
    good = stage.backend(named("good"))
    config = cluster(bad.address, good.address, balance="round_robin", ejection={"consecutive": 10, "time": "60s"})
    config["workers"] = 2
    gateway = stage.gateway(config, [route(retries=0)])
    seen = collections.Counter(once(gateway.address, get("/")).status for _ in range(200))
    assert 10 <= seen[502] <= 12, seen


def test_never_more_than_half_are_ejected_and_panic_uses_all(stage):
    up = [stage.backend(lambda peer: [(peer.read_request(), peer.send(respond("503 Service Unavailable"))) for _ in range(1000)]) for _ in range(4)]
    gateway = stage.gateway(cluster(*[each.address for each in up], balance="round_robin"), [route(retries=0)])
    assert answers(gateway, 100) == {503: 100}
    counts = sorted(len(each.requests) for each in up)
    assert counts[0] <= 6 and counts[1] <= 6 and counts[2] >= 40, counts


def test_ejection_off(stage):
    bad = stage.backend(lambda peer: [(peer.read_request(), peer.send(respond("503 Service Unavailable"))) for _ in range(1000)])
    gateway = stage.gateway(cluster(bad.address, stage.backend().address, balance="round_robin", ejection="off"), [route(retries=0)])
    assert answers(gateway, 40)[503] == 20


def test_slow_start_gives_a_newcomer_its_share_step_by_step(stage):
    up = backends(stage, 2)
    config = cluster(up[0].address, balance="round_robin", slow_start="4s")
    gateway = stage.gateway(config)
    time.sleep(0.2)
    config["clusters"]["up"]["endpoints"].append(up[1].address)
    # The settings of the cluster change with its list; what is known of an endpoint stays.
    time.sleep(4)
    gateway.reload(config)
    early = answers(gateway, 200)
    time.sleep(4.2)
    late = answers(gateway, 200)
    assert early["1"] < 50 and late["1"] == 100, (early, late)


@pytest.mark.parametrize("balance", ["least_request", "round_robin"])
def test_killing_an_endpoint_under_load_is_not_seen(stage, balance):
    """Idempotent requests of eight clients, while one of three endpoints dies and comes back."""
    up = backends(stage, 3)
    config = cluster(*[each.address for each in up], balance=balance, ejection={"consecutive": 3, "time": "1s"})
    config["workers"] = 2
    gateway = stage.gateway(config, [route(retry={"attempts": 3, "backoff": "5ms"})])
    end = time.monotonic() + 3
    seen: collections.Counter = collections.Counter()
    lock = threading.Lock()

    def load() -> None:
        mine: collections.Counter = collections.Counter()
        with Wire(gateway.address) as wire:
            while time.monotonic() < end:
                mine[wire.ask(get("/")).status] += 1
        with lock:
            seen.update(mine)

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    address = up[0].address
    up[0].close()
    time.sleep(0.5)
    revived = stage.backend(named("revived"), address)
    for thread in threads:
        thread.join()
    assert set(seen) == {200} and seen[200] > 500, seen
    assert len(revived.requests) > 50, "the endpoint did not come back"


def test_all_unavailable_without_panic_is_a_fast_503(stage):
    config = cluster(sockets.closed_address(), panic=0, health={"tcp": True, "interval": "100ms", "timeout": "100ms", "unhealthy": 1})
    gateway = stage.gateway(config, [route(retries=0)])
    sockets.wait_until(lambda: once(gateway.address, get("/")).status == 503, 3, "the endpoint is unhealthy")
    reply = once(gateway.address, get("/"))
    assert reply.field("retry-after") == "1" and "destination_unavailable" in reply.field("proxy-status")
