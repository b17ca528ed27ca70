"""The stage `quota`: budgets that routes and protocols share, what answers say of them, and what is given back."""

import contextlib
import json
import threading
import time

import pytest

from harness import sockets
from harness.gateway import OPERATIONS, listener, route, settings
from harness.grpc_wire import call, details, status
from harness.http2_ends import Client
from harness.http2_origin import Origin, Peer
from harness.issuer import AUDIENCE, Issuer, Key
from harness.recorder import Peer as Backend
from harness.recorder import respond
from harness.wire import Wire, get, once

EXHAUSTED = 8
KEY = {"by": {"header": "x-api-key"}, "missing": "refuse"}
BUDGETS = [
    {"name": "three", "requests": 3, "per": "1h", **KEY},
    {"name": "two", "requests": 2, "per": "1h", **KEY},
    {"name": "rolling", "requests": 2, "per": "1h", "algorithm": "window", "count": "accepted", **KEY},
    {"name": "exact", "requests": 200, "per": "10s", "burst": 50, **KEY},
    {"name": "at-once", "concurrent": 2, **KEY},
    {"name": "each-route", "requests": 1, "per": "1h", "by": ["route", {"header": "x-api-key"}]},
    {"name": "peers", "requests": 2, "per": "1h", "by": "address", "legacy_headers": True},
    {"name": "known", "requests": 2, "per": "1h"},
    {"name": "quick", "requests": 4, "per": "100ms", "burst": 1, **KEY},
]


def fixed(name: str, quota, status: int = 200, **over) -> dict:
    return {"name": name, "match": {"path": f"/{name}"}, "target": {"fixed": {"status": status, "body": "ok"}}, "stages": {"quota": quota}, **over}


def service(name: str, method: str, quota) -> dict:
    return {"name": name, "match": {"grpc": method}, "target": {"cluster": "calls"}, "stages": {"quota": quota}}


ROUTES = [
    fixed("a", ["three"]), fixed("b", ["three"]), fixed("costly", [{"limit": "three", "cost": 2}]),
    fixed("both", ["three", "two"]), fixed("moved", ["three"], 302), fixed("exact", ["exact"]),
    fixed("rolling", ["rolling"]), fixed("failing", ["rolling"], 409),
    fixed("one", ["each-route"]), fixed("other", ["each-route"]), fixed("quick", ["quick"]),
    fixed("peers", ["peers"]), fixed("known", ["known"]), fixed("free", "off"),
    fixed("held-and-two", ["at-once", "two"]), fixed("peek", ["at-once"]),
    route("slow", "/slow", stages={"quota": ["at-once"]}),
    route("up", "/up", stages={"quota": ["two"]}),
    service("calls", "demo.S/*", ["three"]), service("refusing", "demo.R/*", ["rolling"]),
    *OPERATIONS,
]


def play(peer: Peer) -> None:
    while request := peer.request():
        code = "9" if request.field(":path").startswith("/demo.R/") else "0"
        peer.start(request.stream, 200, ("content-type", "application/grpc"), ("grpc-status", code), end=True)


released = threading.Event()
arrived: list[str] = []


def backend(peer: Backend) -> None:
    while True:
        target = peer.read_request().target
        arrived.append(target)
        if target == "/slow":
            released.wait(10)
        peer.send(respond())


@pytest.fixture(scope="module")
def gateway(shared_stage):
    with Origin(play) as calls:
        config = settings(
            shared_stage.backend(backend).address, workers=2, limits={"keys": 4096, "budgets": BUDGETS},
            listeners=[listener(trusted_proxies=["127.0.0.0/8"])])
        config["clusters"]["calls"] = {"endpoints": [calls.address], "protocol": "http2"}
        yield shared_stage.gateway(config, ROUTES)


_keys = iter(range(1, 1_000_000))


@pytest.fixture
def key():
    """A client nobody has been before, as a field."""
    return f"X-Api-Key: client-{next(_keys)}"


def asked(gateway, path: str, *fields: str) -> int:
    return once(gateway.address, get(path, *fields)).status


def metric(gateway, name: str) -> int:
    page = once(gateway.admin, get("/metrics")).body.decode()
    return next(int(float(line.split()[-1])) for line in page.splitlines() if line.startswith(name))


def test_answers_say_what_is_left(gateway, key):
    for left in (2, 1, 0):
        reply = once(gateway.address, get("/a", key))
        assert reply.status == 200 and reply.field("ratelimit-policy") == '"three";q=3;w=3600'
        name, r, t = reply.field("ratelimit").split(";")
        assert (name, r) == ('"three"', f"r={left}") and int(t.removeprefix("t=")) in range(1200 * (3 - left) - 5, 1200 * (3 - left) + 1)
        assert reply.field("retry-after") is None and reply.field("x-ratelimit-limit") is None
    refused = once(gateway.address, get("/a", key))
    problem = json.loads(refused.body)
    assert refused.status == 429 and (problem["code"], problem["detail"]) == ("RATE_LIMITED", "this client has used up its budget")
    wait = int(refused.field("retry-after"))
    assert 1190 < wait <= 1200 and refused.field("ratelimit") == f'"three";r=0;t={wait}'
    assert refused.field("ratelimit-policy") == '"three";q=3;w=3600'


def test_one_budget_spans_routes_and_protocols(gateway, key):
    name, value = key.lower().split(": ")
    assert asked(gateway, "/a", key) == 200
    with Client(gateway.address) as client:
        answer = client.ask("/b", (name, value))
        assert answer.status == 200 and answer.field("ratelimit").startswith('"three";r=1;t=')
        assert status(call(client, "/demo.S/M", (name, value)))[0] == 0
        refused = call(client, "/demo.S/M", (name, value))
        assert status(refused) == (EXHAUSTED, "this client has used up its budget")
        said = details(refused)
        assert said["RetryInfo"] and (1, b"RATE_LIMITED") in said["ErrorInfo"]
        assert refused.field("ratelimit") is None, "gRPC says it in its details"
        assert client.ask("/b", (name, value)).status == 429
        web = client.ask("/demo.S/M", (name, value), ("content-type", "application/grpc-web+proto"), method="POST", body=b"\0\0\0\0\0")
        assert (web.status, web.field("grpc-status")) == (200, str(EXHAUSTED))
    assert asked(gateway, "/b", key) == 429
    assert asked(gateway, "/b", key + "x") == 200, "somebody else's is untouched"


def test_costs_count_and_refusals_cost_nothing(gateway, key):
    assert [asked(gateway, path, key) for path in ("/costly", "/costly", "/costly", "/a", "/a")] == [200, 429, 429, 200, 429]


def test_all_budgets_or_none(gateway, key):
    for left in (1, 0):
        reply = once(gateway.address, get("/both", key))
        assert reply.status == 200 and reply.field("ratelimit").startswith(f'"two";r={left}'), "the most restrictive one"
        assert reply.field("ratelimit-policy") == '"three";q=3;w=3600, "two";q=2;w=3600'
    for _ in range(5):
        reply = once(gateway.address, get("/both", key))
        assert reply.status == 429 and reply.field("ratelimit").startswith('"two";r=0;t=')
    assert [asked(gateway, "/a", key) for _ in range(2)] == [200, 429], "the five refusals have cost nothing of the other"
    # The same with what is held: the refused ones hold nothing.
    assert [asked(gateway, "/held-and-two", key) for _ in range(4)] == [429] * 4
    released.set()
    assert asked(gateway, "/slow", key) == 200


def test_proxied_answers_say_it_and_redirects_do_not(gateway, key):
    assert once(gateway.address, get("/up", key)).field("ratelimit").startswith('"two";r=1')
    with Client(gateway.address) as client:
        assert client.ask("/up", tuple(key.lower().split(": "))).field("ratelimit").startswith('"two";r=0')
        assert client.ask("/up", tuple(key.lower().split(": "))).status == 429
    moved = once(gateway.address, get("/moved", key))
    assert moved.status == 302 and moved.field("ratelimit") is None and moved.field("ratelimit-policy") is None
    plain = once(gateway.address, get("/free", key))
    assert plain.status == 200 and plain.field("ratelimit") is None


def test_only_what_is_accepted_counts(gateway, key):
    assert [asked(gateway, "/failing", key) for _ in range(6)] == [409] * 6
    with Client(gateway.address) as client:
        for _ in range(3):
            assert status(call(client, "/demo.R/M", tuple(key.lower().split(": "))))[0] == 9
    assert [asked(gateway, "/rolling", key) for _ in range(3)] == [200, 200, 429]
    refused = once(gateway.address, get("/failing", key))
    assert refused.status == 429 and 3590 < int(refused.field("retry-after")) <= 3600
    assert refused.field("ratelimit-policy") == '"rolling";q=2;w=3600'


def test_short_periods_are_said_in_seconds(gateway, key):
    reply = once(gateway.address, get("/quick", key))
    assert reply.field("ratelimit-policy") == '"quick";q=40;w=1' and reply.field("ratelimit") == '"quick";r=0;t=1'


def test_the_route_can_be_part_of_the_key(gateway, key):
    assert [asked(gateway, path, key) for path in ("/one", "/other", "/one", "/other")] == [200, 200, 429, 429]


def test_who_cannot_be_told_apart(gateway):
    refused = once(gateway.address, get("/a"))
    assert refused.status == 403 and json.loads(refused.body)["code"] == "FORBIDDEN" and refused.field("ratelimit") is None
    assert asked(gateway, "/a", "X-Api-Key:") == 403
    # `known` wants a principal; there is none, so the address behind the trusted proxy stands for it.
    clients = ("X-Forwarded-For: 2001:db8:1:2::1", "X-Forwarded-For: 2001:db8:1:2:ffff::9", "X-Forwarded-For: 2001:db8:1:3::1")
    assert [asked(gateway, "/known", clients[i]) for i in (0, 1, 0, 2)] == [200, 200, 429, 200], "an IPv6 client is its /64"


def test_old_clients_are_told_in_their_own_words(gateway):
    replies = [once(gateway.address, get("/peers", "X-Forwarded-For: 192.0.2.77")) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert [reply.field("x-ratelimit-limit") for reply in replies] == ["2"] * 3
    assert [reply.field("x-ratelimit-remaining") for reply in replies] == ["1", "0", "0"]
    assert replies[2].field("x-ratelimit-reset") == replies[2].field("retry-after")
    assert asked(gateway, "/peers", "X-Forwarded-For: 192.0.2.78") == 200


def test_what_runs_at_once_is_let_go_however_it_ends(gateway, key):
    field = tuple(key.lower().split(": "))
    with Client(gateway.address) as second, Client(gateway.address) as third:
        for ends_well in (True, False):
            released.clear()
            arrived.clear()
            first = Wire(gateway.address).send(get("/slow", key))
            stream = second.open([(":method", "GET"), (":scheme", "http"), (":authority", "shop.example"), (":path", "/slow"), field])
            sockets.wait_until(lambda: len(arrived) == 2, 5, "both run")
            refused = third.ask("/peek", field)
            assert refused.status == 429 and json.loads(refused.body)["detail"] == "too many requests of this client run at once"
            assert (refused.field("retry-after"), refused.field("ratelimit")) == ("1", '"at-once";r=0')
            assert refused.field("ratelimit-policy") == '"at-once";q=2;qu="concurrent-requests"'
            if ends_well:
                released.set()
                assert first.read().status == 200 and second.finish(stream).status == 200
                first.close()
            else:
                first.reset()
                second.close()
            sockets.wait_until(lambda: third.ask("/peek", field).field("ratelimit") == '"at-once";r=1', 5, "both places are free")
        released.set()


def test_a_reload_keeps_what_was_charged(gateway, key):
    assert [asked(gateway, path, key) for path in ("/a", "/rolling")] == [200, 200]
    allowed = metric(gateway, 'nexus_budget_decisions_total{budget="three",decision="allowed"}')
    config = json.loads(gateway.config_path.read_text())
    wider = [{**budget, "requests": 4} if budget["name"] in ("three", "rolling") else budget for budget in BUDGETS]
    gateway.reload(config={**config, "limits": {"keys": 4096, "budgets": wider}})
    try:
        assert once(gateway.address, get("/a", key)).field("ratelimit-policy") == '"three";q=4;w=3600'
        assert [asked(gateway, "/rolling", key) for _ in range(4)] == [200, 200, 200, 429], "one of the four was taken before"
        assert metric(gateway, 'nexus_budget_decisions_total{budget="three",decision="allowed"}') == allowed + 1
    finally:
        gateway.reload(config=config)
    assert [asked(gateway, "/rolling", key) for _ in range(2)] == [429, 429]


def test_exact_at_five_times_the_load_over_all_workers(gateway, key):
    """8 connections ask as fast as they can: burst + rate x time pass, not one more."""
    rate, burst = 20, 50
    seconds = 2.0
    statuses: list[int] = []
    start = time.monotonic()

    def load() -> None:
        mine = []
        with Wire(gateway.address) as wire:
            while time.monotonic() - start < seconds:
                mine.append(wire.ask(get("/exact", key)).status)
        statuses.extend(mine)

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - start
    passed = statuses.count(200)
    assert len(statuses) == passed + statuses.count(429) and len(statuses) > 5 * passed
    assert burst + int(rate * seconds) - 2 <= passed <= burst + int(rate * took) + 1


def test_metrics_count_by_budget(gateway, key):
    def counts() -> tuple[int, int]:
        return tuple(metric(gateway, f'nexus_budget_decisions_total{{budget="two",decision="{word}"}}') for word in ("allowed", "refused"))

    before = counts()
    assert [asked(gateway, "/up", key) for _ in range(3)] == [200, 200, 429]
    assert counts() == (before[0] + 2, before[1] + 1)
    assert metric(gateway, 'nexus_budget_evictions_total{kind="rate"}') == 0


def test_the_default_budget_and_who_is_free_of_it(stage):
    routes = [
        {"name": "plain", "match": {"path": "/plain"}, "target": {"fixed": {"status": 200, "body": ""}}},
        {"name": "shielded", "match": {"path": "/shielded"}, "target": {"fixed": {"status": 200, "body": ""}}, "stages": {"shield": {"requests": 99, "per": "1s"}}},
        fixed("free", "off"), fixed("own", ["search"]), *OPERATIONS,
    ]
    budgets = [{"name": "others", "requests": 2, "per": "1h", "by": "address"}]
    gateway = stage.gateway(settings(limits={"budgets": budgets, "default": "others"}), routes)
    assert [asked(gateway, path) for path in ("/plain", "/shielded", "/plain")] == [200, 200, 429]
    assert [asked(gateway, path) for path in ("/free", "/own", "/free")] == [200] * 3
    assert all(once(gateway.admin, get("/metrics")).status == 200 for _ in range(5)), "operators are not limited"
    text = gateway.run("explain", "GET", "/plain").stdout
    assert "others" in text


def test_a_body_is_not_awaited_before_a_refusal(gateway, key):
    for _ in range(3):
        assert asked(gateway, "/a", key) == 200
    with Wire(gateway.address) as wire:
        wire.send(f"POST /a HTTP/1.1\r\nHost: a\r\n{key}\r\nContent-Length: 1000000\r\n\r\n")
        assert wire.read("POST", timeout=2).status == 429


def test_connections_of_one_address_are_bounded_over_all_workers(stage):
    config = settings(workers=2, listeners=[
        listener(max_connections_per_address=3), listener("behind", max_connections_per_address=1, trusted_proxies=["127.0.0.1/32"])])
    gateway = stage.gateway(config, [fixed("a", "off", match={"path": "/a", "listener": ["public", "behind"]}), *OPERATIONS])

    def served(address: str, count: int, source: str | None = None) -> list[Wire]:
        """Of so many new connections, those that are there."""
        wires = []
        for _ in range(count):
            with contextlib.suppress(ConnectionResetError):
                wire = Wire(address, source=source)
                if wire.ask(get("/a"), timeout=2).status == 200:
                    wires.append(wire)
        return wires

    def leave(wires: list[Wire]) -> None:
        for wire in wires:
            wire.close()
        sockets.wait_until(lambda: metric(gateway, "nexus_connections_open") <= 1, 5, "the connections are gone")

    for _ in range(3):
        wires = served(gateway.address, 8)
        assert len(wires) == 3, "not one more, whichever worker took it"
        wires += served(gateway.address, 1, "127.0.0.2")
        assert len(wires) == 4, "another address has its own"
        leave(wires)
    assert metric(gateway, "nexus_connections_refused_total") == 15
    wires = served(gateway.listeners["behind"], 5)
    assert len(wires) == 5, "a trusted proxy brings many"
    leave(wires)
    # A reload may lower it; who is there stays.
    wires = served(gateway.address, 2)
    lower = {**config["listeners"][0], "max_connections_per_address": 1}
    gateway.reload(config={**config, "listeners": [lower, config["listeners"][1]]})
    assert [wire.ask(get("/a")).status for wire in wires] == [200, 200] and not served(gateway.address, 1)
    leave(wires)


def test_principals_have_budgets_of_their_own(stage):
    shop, far = Issuer("https://shop.example/", Key("a", "ES256")), Issuer("https://far.example/", Key("b", "ES256"))
    keys = stage.folder / "keys"
    keys.mkdir()
    for name, issuer in (("shop", shop), ("far", far)):
        (keys / name).write_bytes(issuer.jwks())
    config = settings(
        workers=2,
        identity={"issuers": [
            {"name": name, "issuer": issuer.url, "audiences": [AUDIENCE], "algorithms": ["ES256"], "keys": {"file": str(keys / name)}, "claims": ["tenant"]}
            for name, issuer in (("shop", shop), ("far", far))]},
        limits={"budgets": [
            {"name": "mine", "requests": 2, "per": "1h"}, {"name": "ours", "requests": 3, "per": "1h", "by": {"claim": "tenant"}, "missing": "refuse"}]})

    def known(name: str, quota: list, identify: str = "optional") -> dict:
        return fixed(name, quota, stages={"quota": quota, "identify": identify})

    gateway = stage.gateway(config, [known("a", ["mine"]), known("b", ["mine"]), known("t", ["ours"]), known("s", ["mine"], "anonymous-session")])

    def bearer(issuer: Issuer, **claims) -> str:
        return f"Authorization: Bearer {issuer.token(**claims)}"

    for who in (bearer(shop, sub="alice"), bearer(far, sub="alice"), bearer(shop, sub="bob")):
        assert [asked(gateway, path, who) for path in ("/a", "/b", "/a")] == [200, 200, 429], "each has two, over both routes"
    assert asked(gateway, "/a", bearer(shop, sub="alice")) == 429, "another token of hers brings nothing"
    assert asked(gateway, "/a", "Authorization: Bearer x.y.z") == 401, "refused before it is charged"
    # Whoever says nothing counts by the address, and a session that is thrown away brings nothing.
    assert [asked(gateway, path) for path in ("/a", "/s", "/s", "/a")] == [200, 200, 429, 429]
    tenants = [bearer(shop, sub=f"u{n}", tenant="red") for n in range(3)]
    assert [asked(gateway, "/t", tenants[n % 3]) for n in range(4)] == [200, 200, 200, 429], "a tenant's people share"
    assert asked(gateway, "/t", bearer(far, sub="u", tenant="red")) == 200, "another issuer's red is another tenant"
    assert asked(gateway, "/t", bearer(shop, sub="u")) == 403, "no tenant"
